"""The detector as users meet it; its rules are in test_twin.py."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tsad_edge import Detector
from tsad_edge.twin import decide


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
    scores, alarms, found, quality = detector.run(series, t)
    np.testing.assert_array_equal(scores, detector.score(series))
    np.testing.assert_array_equal(alarms, scores > np.float32(detector.threshold))
    told = ["id", "start", "end", "peak", "peak_t"]
    assert len(found) > 0 and found[told].tolist() == decide(t, scores, detector.threshold).events[told].tolist()
    assert np.flatnonzero(quality).tolist() == [100] and quality[100] == 1
    by_index = detector.run(series).events
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
