"""Guard, smoothing and events of the C detector against their twin in plain Python: the same bits, whatever comes."""

from collections import deque
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsad_edge import _core
from tsad_edge.twin import ERR_INPUT, ERR_TIME, EVENT, HELD, KINDS, decide, guard, smooth

MODEL = _core.reference()
C, W = MODEL.channels, MODEL.window
LOW, HIGH = np.full(C, -3, np.float32), np.full(C, 4, np.float32)
POLICIES = {
    "not_finite": ("refuse", "hold", "reset"),
    "out_of_range": ("ignore", "mark", "hold", "reset"),
    "stuck": ("ignore", "mark", "reset"),
    "jump": ("ignore", "mark", "hold", "reset"),
    "gap": ("ignore", "mark", "reset"),
    "step_back": ("refuse", "reset"),
}
guards = st.fixed_dictionaries(
    {
        **{kind: st.sampled_from(words) for kind, words in POLICIES.items()},
        "hold_most": st.integers(0, 5),
        "gap_most": st.integers(0, 30),
        "low": st.just(LOW.tolist()),
        "high": st.just(HIGH.tolist()),
        "jump_most": st.lists(st.sampled_from([0.25, 2.0, 5.0]), min_size=C, max_size=C),
        "stuck_from": st.lists(st.integers(0, 6), min_size=C, max_size=C),
    }
)
event_rules = st.fixed_dictionaries(
    {
        "smoothing": st.sampled_from([0.0, 0.1, 0.5, 1.0]),
        "hysteresis": st.sampled_from([0.0, 0.1, 0.5, 1.0]),
        "min_on": st.integers(0, 4),
        "refractory": st.integers(0, 5),
        "records": st.just(2000),
    }
)
MODES = ("quiet", "loud", "stuck", "beyond", "not finite", "huge")
pieces = st.tuples(st.sampled_from(MODES), st.integers(1, 120), st.sampled_from([1, 1, 1, 7, 25, 100, 0, -3, -500]))
"""What samples look like, how many, and how time moves before them."""


def play(parts: list[tuple[str, int, int]], seed: int, most: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """At most so many samples (T, C) and their times (T,)."""
    draw, t, samples = np.random.default_rng(seed), 10_000, [np.zeros(C, np.float32)]
    times = []
    for mode, length, moved in parts:
        for i in range(length):
            x = (draw.integers(-8, 9, C) / 8).astype(np.float32)
            one = draw.integers(C)
            if mode == "loud":
                x *= 3
            elif mode == "stuck":
                x[one] = samples[-1][one]
            elif mode == "beyond" and draw.random() < 0.5:
                x[one] = draw.choice([-3.5, 7.0])
            elif mode == "not finite" and draw.random() < 0.6:
                x[one] = draw.choice([np.nan, np.inf, -np.inf])
            elif mode == "huge" and draw.random() < 0.3:
                x[:] = draw.choice([3e38, -3e38])
            t = max(t + (moved if i == 0 else 1), 0)
            samples.append(x)
            times.append(t)
    return np.array(samples[1 : most + 1], np.float32), np.array(times[:most], np.int64)


def scored(samples: np.ndarray) -> np.ndarray:
    """What the model says of an unbroken run."""
    return _core.Detector(MODEL, batch=64).score(np.require(samples, np.float32, ["C", "A"]))


def steps(detector: Any, values: np.ndarray, t: np.ndarray) -> list[tuple[Any, ...]]:
    """What tsad_step says of each sample; of a refused one only why."""
    told = []
    for now, sample in zip(t.tolist(), values, strict=True):
        try:
            status, score, alarm, _, quality, window_quality = detector.step(now, sample)
            told.append((status, np.float32(score).view(np.uint32) if score == score else None, alarm))
            told[-1] += (quality, window_quality)
        except ValueError as error:
            told.append((ERR_TIME if "time" in str(error) else ERR_INPUT,))
    return told


def expected(
    values: np.ndarray, t: np.ndarray, threshold: float, rules: dict[str, Any], events: dict[str, Any]
) -> tuple[list[tuple[Any, ...]], np.ndarray, np.ndarray]:
    """The same by the twin, its events, and its scores."""
    seen = guard(values, t, rules)
    scores = smooth(seen.score(scored).astype(np.float32), seen.resets, events["smoothing"])
    decided = decide(t, scores, threshold, events, seen.resets)
    told = []
    windows = seen.window_quality(W)
    for i, score in enumerate(scores):
        if seen.refused[i]:
            told.append((int(seen.refused[i]),))
            continue
        status, bits = (0, score.view(np.uint32)) if score == score else (1, None)
        told.append((status, bits, bool(decided.alarms[i]), int(seen.quality[i]), int(windows[i])))
    return told, decided.events, scores


NO_TOP = ["id", "start", "end", "peak", "peak_t"]


@given(
    series=st.lists(st.lists(pieces, min_size=1, max_size=20), min_size=1, max_size=3),
    seed=st.integers(0, 99),
    threshold=st.sampled_from([0.3, 0.8, 2.0]),
    rules=guards,
    events=event_rules,
)
@settings(max_examples=60, deadline=None)
def test_steps_say_what_the_twin_says(
    series: list[Any], seed: int, threshold: float, rules: dict[str, Any], events: dict[str, Any]
) -> None:
    """Several series with a reset between them, in one detector."""
    detector = _core.Detector(MODEL, threshold, 1, rules, events)
    for parts in series:
        detector.reset()
        values, t = play(parts, seed)
        told, found, scores = expected(values, t, threshold, rules, events)
        assert steps(detector, values, t) == told
        detector.finish()
        ended, lost = detector.ended()
        assert ended[NO_TOP].tolist() == found[NO_TOP].tolist() and lost == 0
        assert ended.dtype == EVENT and (ended["top"] >= 0).all()

        # In bulk, time does not pass.
        timeless = rules | {"gap": "ignore"}
        seen = guard(values, np.arange(len(t)), timeless)
        scores = smooth(seen.score(scored).astype(np.float32), seen.resets, events["smoothing"])
        for batch, cut in ((1, 1), (7, 50), (256, 999)):
            bulk = _core.Detector(MODEL, threshold, batch, timeless, events)
            got = np.concatenate([bulk.score(values[i : i + cut]) for i in range(0, len(values), cut)])
            np.testing.assert_array_equal(got.view(np.uint32)[got == got], scores.view(np.uint32)[got == got])
            np.testing.assert_array_equal(np.isnan(got), np.isnan(scores))


scores_of = st.lists(
    st.sampled_from([np.nan, 0.0, 0.5, 1.0, 1.25, 1.5, 2.0, 3e38, np.inf, -np.inf, -3e38]), max_size=80
).map(lambda values: np.array(values, np.float32))


@given(scores=scores_of, seed=st.integers(0, 9), threshold=st.sampled_from([1.0, -1.0, np.inf]), events=event_rules)
@settings(max_examples=300, deadline=None)
def test_decisions_of_scores_that_are_there(
    scores: np.ndarray, seed: int, threshold: float, events: dict[str, Any]
) -> None:
    """Events with their top channel, told one by one, and by the ring."""
    draw = np.random.default_rng(seed)
    parts = draw.integers(0, 3, (len(scores), C)).astype(np.float32)
    t = np.cumsum(draw.integers(1, 5, len(scores)))
    alarms, found = decide(t, scores, threshold, events, top=parts.argmax(axis=1))
    detector, one_by_one = _core.Detector(MODEL, threshold, 1, {}, events), []
    for i, score in enumerate(scores):
        _, told, alarm, change, quality, _ = detector.decide(int(t[i]), score, parts[i])
        assert (told == score or np.isnan(score)) and alarm == alarms[i] and quality == 0
        if change == 2:  # TSAD_EVENT_ENDED
            one_by_one.append(detector.event.item())
    if (last := detector.finish()) is not None:
        one_by_one.append(last.item())
    assert one_by_one == found.tolist() == detector.ended()[0].tolist()


@given(t=st.lists(st.integers(1, 9), min_size=1, max_size=60), room=st.integers(0, 4), asked=st.integers(1, 9))
@settings(max_examples=100, deadline=None)
def test_the_ring_keeps_the_newest_and_counts_the_lost(t: list[int], room: int, asked: int) -> None:
    detector, kept, lost = _core.Detector(MODEL, 1.0, 1, {}, {"records": room}), deque(maxlen=room), 0
    for i, now in enumerate(np.cumsum(t).tolist()):
        if detector.decide(now, 2.0 * (i % 2 == 0), None)[3] == 2:
            lost += len(kept) == room and room > 0
            kept.append(detector.event.item())
        if i % asked == 0:
            ended, gone = detector.ended()
            assert ended.tolist() == list(kept) and gone == lost
            kept.clear()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_seen_where_it_is_on(kind: str) -> None:
    """The same samples pass without a word where all is off; with a policy of reset they empty the window."""
    parts = [("quiet", 40, 1), ("stuck", 40, 1), ("beyond", 20, 1), ("not finite", 20, 90), ("loud", 60, -90)]
    values, t = play(parts, 5)
    limits = {"hold_most": 3, "gap_most": 30, "low": LOW, "high": HIGH, "jump_most": [2.0] * C, "stuck_from": [4] * C}
    for policy in POLICIES[kind][1:]:
        seen = guard(values, t, {kind: policy, **limits})
        told = {row[3] for row in steps(_core.Detector(MODEL, 1.0, 1, {kind: policy, **limits}), values, t) if row[1:]}
        assert any(quality & KINDS[kind] for quality in told)
        assert set(seen.quality[seen.refused == 0].tolist()) == told
        assert seen.resets.any() or policy != "reset"
        assert any(quality & HELD for quality in told) == (policy == "hold")
    off = steps(_core.Detector(MODEL, 1.0, 1, limits), values, t)
    assert {row[3] for row in off if row[1:]} == {0}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"not_finite": "mark"}, "a value that cannot be"),
        ({"stuck": "hold", "stuck_from": [2] * C}, "a value that cannot be"),
        ({"gap": "hold"}, "a value that cannot be"),
        ({"step_back": "mark"}, "a value that cannot be"),
        ({"out_of_range": "mark"}, "a value that cannot be"),
        ({"jump": "mark"}, "a value that cannot be"),
        ({"stuck": "mark"}, "a value that cannot be"),
        ({"jump": "sometimes"}, "guard.jump: is 'sometimes'"),
        ({"low": [1.0]}, "guard.low: has 1 values for 3 channels"),
    ],
)
def test_rules_that_cannot_be(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        _core.Detector(MODEL, 1.0, 1, change)
    for share in (-0.1, 1.1, np.nan):
        for name in ("smoothing", "hysteresis"):
            with pytest.raises(ValueError, match="a value that cannot be"):
                _core.Detector(MODEL, 1.0, 1, None, {name: share})


def test_a_threshold_is_a_float32() -> None:
    """0.1 as a double is below float32's 0.1; C holds the float32, and so does the twin."""
    scores = np.array([0.1], np.float32)
    assert not decide(np.arange(1), scores, 0.1).alarms.any()
    assert not decide(np.arange(1), scores, np.float64(0.1)).alarms.any()


def test_lengths() -> None:
    with pytest.raises(ValueError, match=r"shapes \[\(2,\), \(3,\)"):
        decide(np.arange(2), np.zeros(3), 0.5)
    with pytest.raises(ValueError, match=r"must be \(T,\)"):
        decide(np.zeros((2, 1)), np.zeros((2, 1)), 0.5)


@pytest.mark.slow
def test_a_million_samples_to_the_same_bits() -> None:
    """One seeded run with every kind of trouble, step by step in C, and by the twin."""
    draw = np.random.default_rng(20261126)
    count = 17_000
    parts = zip(
        draw.choice(MODES, count, p=[0.5, 0.2, 0.1, 0.1, 0.05, 0.05]).tolist(),
        draw.integers(1, 120, count).tolist(),
        draw.choice([1, 2, 25, 100, -5], count, p=[0.9, 0.04, 0.03, 0.02, 0.01]).tolist(),
        strict=True,
    )
    values, t = play(list(parts), 1, 1_000_000)
    rules = {
        **{"not_finite": "hold", "out_of_range": "mark", "stuck": "reset", "jump": "hold", "gap": "reset"},
        **{"step_back": "reset", "hold_most": 4, "gap_most": 30, "stuck_from": [9, 0, 30]},
        **{"low": LOW.tolist(), "high": HIGH.tolist(), "jump_most": [4.0, 5.0, 6.0]},
    }
    events = {"smoothing": 0.3, "hysteresis": 0.2, "min_on": 3, "refractory": 5, "records": 0}
    scores, alarms, found, quality = _core.Detector(MODEL, 1.0, 1, rules, events).run(values, t)
    seen = guard(values, t, rules)
    wanted = smooth(seen.score(scored).astype(np.float32), seen.resets, 0.3)
    decided = decide(t, wanted, 1.0, events, seen.resets)
    assert len(scores) == 1_000_000 and not seen.refused.any()
    assert len(found) > 1000 and seen.resets.sum() > 1000 and np.isfinite(scores).mean() > 0.2
    assert np.array_equal(scores, wanted, equal_nan=True)
    assert np.array_equal(alarms, decided.alarms) and np.array_equal(quality, seen.quality)
    assert found[NO_TOP].tolist() == decided.events[NO_TOP].tolist()
