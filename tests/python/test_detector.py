"""The rule for events three times over: numpy, a loop, and C; and the detector as users meet it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsad_edge import Detector, _core
from tsad_edge.detector import EVENT, events

scores_of = st.lists(st.sampled_from([np.nan, 0.0, 1.0, 1.5, 2.0, 2.5, np.inf]), max_size=60).map(
    lambda values: np.array(values, np.float32)
)


def slowly(t: np.ndarray, scores: np.ndarray, threshold: float, top: np.ndarray) -> list[tuple]:
    found: list[list] = []
    on = False
    for now, score, channel in zip(t.tolist(), scores.tolist(), top.tolist(), strict=True):
        if np.isnan(score):
            continue
        if score > threshold and not on:
            found.append([len(found) + 1, now, now, score, now, channel])
        elif score > threshold:
            found[-1][2] = now
            if score > found[-1][3]:
                found[-1][3:] = [score, now, channel]
        on = score > threshold
    return [tuple(event) for event in found]


@given(scores=scores_of, steps=st.lists(st.integers(1, 1000), min_size=60, max_size=60), seed=st.integers(0, 9))
@settings(max_examples=300, deadline=None)
def test_events_as_a_loop_and_as_c_find_them(scores: np.ndarray, steps: list[int], seed: int) -> None:
    t = np.cumsum(steps)[: len(scores)]
    top = np.random.default_rng(seed).integers(0, 5, len(scores))
    found = events(t, scores, 1.0, top)
    assert found.dtype == EVENT == _core.event_dtype
    assert found.tolist() == slowly(t, scores, 1.0, top)
    assert (events(t, scores, 1.0)["top"] == -1).all()

    detector = _core.Detector(_core.reference(), 1.0)
    in_c = []
    for now, score in zip(t.tolist(), scores.tolist(), strict=True):
        if detector.decide(now, score)[-1] == 2:  # TSAD_EVENT_ENDED
            in_c.append(detector.event)
    if (last := detector.finish()) is not None:
        in_c.append(last)
    told = ["id", "start", "end", "peak", "peak_t"]
    assert [tuple(event[name] for name in told) for event in in_c] == found[told].tolist()


def test_a_threshold_is_a_float32() -> None:
    """0.1 as a double is below float32's 0.1; C holds the float32, and so does the twin."""
    scores = np.array([0.1], np.float32)
    assert len(events(np.arange(1), scores, 0.1)) == len(events(np.arange(1), scores, np.float64(0.1))) == 0


def test_lengths() -> None:
    with pytest.raises(ValueError, match=r"shapes \[\(2,\), \(3,\)\]"):
        events(np.arange(2), np.zeros(3), 0.5)
    with pytest.raises(ValueError, match=r"must be \(T,\)"):
        events(np.zeros((2, 1)), np.zeros((2, 1)), 0.5)


@pytest.fixture(scope="module")
def series() -> np.ndarray:
    rng = np.random.default_rng(1)
    values = rng.standard_normal((300, Detector.load().channels)).astype(np.float32)
    values[100] = np.nan
    values[200:210] *= 50
    return values


def test_reference(series: np.ndarray) -> None:
    detector = Detector.load()
    scores = detector.score(series)
    assert scores.dtype == np.float32 and scores.shape == (300,)
    missing = np.isnan(scores)
    assert detector.window <= 100
    assert missing[: detector.window - 1].all() and missing[100]
    assert missing.sum() == detector.window - 1 + 1
    np.testing.assert_array_equal(scores, detector.score(series), "each call starts anew")
    np.testing.assert_array_equal(scores, detector.score(series.astype(np.float64)), "any array is taken")


def test_run_agrees_with_score_and_twin(series: np.ndarray) -> None:
    detector = Detector.load(threshold=float(np.nanquantile(Detector.load().score(series), 0.9)))
    t = np.arange(300) * 1000 + 5
    scores, alarms, found = detector.run(series, t)
    np.testing.assert_array_equal(scores, detector.score(series))
    np.testing.assert_array_equal(alarms, scores > np.float32(detector.threshold))
    told = ["id", "start", "end", "peak", "peak_t"]
    assert len(found) > 0 and found[told].tolist() == events(t, scores, detector.threshold)[told].tolist()
    by_index = detector.run(series)[2]
    assert (by_index["start"] * 1000 + 5).tolist() == found["start"].tolist()


def test_threads_that_share_a_detector_do_not_mix_their_series(series: np.ndarray) -> None:
    detector = Detector.load()
    each = [np.tile(series, (20, 1)) * scale for scale in (1.0, 0.5, 2.0, -1.0)]
    alone = [(detector.score(values), *detector.run(values)) for values in each]
    with ThreadPoolExecutor(len(each)) as pool:
        for _ in range(20):
            scores, told = pool.map(detector.score, each), pool.map(detector.run, each)
            for (one, *wanted), score, found in zip(alone, scores, told, strict=True):
                assert np.array_equal(score, one, equal_nan=True)
                assert all(map(equal, found, wanted))


def equal(a: np.ndarray, b: np.ndarray) -> bool:
    return a.tobytes() == b.tobytes()


def test_errors(tmp_path: Path, series: np.ndarray) -> None:
    with pytest.raises(ValueError, match="no such model library; `tsad convert`"):
        Detector.load(tmp_path / "libm_pump.so")
    (tmp_path / "libm_pump.so").write_text("no library")
    with pytest.raises(RuntimeError, match="libm_pump.so"):
        Detector.load(tmp_path / "libm_pump.so")
    detector = Detector.load()
    with pytest.raises(ValueError, match=r"wants \(samples, "):
        detector.score(series[:, :1])
    with pytest.raises(ValueError, match="time"):
        detector.run(series, np.zeros(300, np.int64))
