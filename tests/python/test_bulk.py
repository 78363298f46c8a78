"""A whole series at one go says what the twin says sample by sample: the same bits, whatever comes."""

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsad_edge import bulk, twin

from .test_twin import C, event_rules, guards, pieces, play, scores_of


@given(parts=st.lists(pieces, min_size=0, max_size=30), seed=st.integers(0, 99), rules=guards)
@settings(max_examples=60, deadline=None)
def test_guard(parts: list[Any], seed: int, rules: dict[str, Any]) -> None:
    values, t = play(parts, seed) if parts else (np.zeros((0, C), np.float32), np.zeros(0, np.int64))
    same_guarded(bulk.guard(values, t, rules), twin.guard(values, t, rules))


def same_guarded(ours: twin.Guarded, plain: twin.Guarded) -> None:
    for name, here, there in zip(plain._fields, ours, plain, strict=True):
        assert here.dtype == there.dtype and np.array_equal(here.view(np.uint8), there.view(np.uint8)), name
    assert ours.runs() == plain.runs()


@given(
    scores=scores_of,
    resets=st.lists(st.booleans() | st.just(False), max_size=80),
    threshold=st.sampled_from([1.0, -1.0, np.inf, -np.inf]),
    moving=st.booleans(),
    wide=st.booleans(),
    events=event_rules,
)
@settings(max_examples=300, deadline=None)
def test_decide(
    scores: np.ndarray, resets: list[bool], threshold: float, moving: bool, wide: bool, events: dict[str, Any]
) -> None:
    """Float32 and float64, one threshold or one for each score."""
    scores = scores.astype(np.float64 if wide else np.float32)
    emptied = np.resize(np.array([*resets, False]), len(scores))
    limit = np.where(np.arange(len(scores)) % 3 == 0, 0.5, threshold) if moving else threshold
    t = 7 + 3 * np.arange(len(scores))
    ours, plain = bulk.decide(t, scores, limit, events, emptied), twin.decide(t, scores, limit, events, emptied)
    assert np.array_equal(ours.alarms, plain.alarms)
    assert ours.events.dtype == plain.events.dtype and ours.events.tolist() == plain.events.tolist()
    assert bulk.decide(t, scores, limit).events.tolist() == twin.decide(t, scores, limit).events.tolist()


@pytest.mark.parametrize("policy", ["mark", "hold", "reset"])
def test_a_long_series_with_few_troubles(policy: str) -> None:
    """Blocks grow to thousands of samples, and every trouble ends one."""
    draw = np.random.default_rng(6)
    values = (draw.integers(-8, 9, (15_000, C)) / 8).astype(np.float32)
    t = np.cumsum(1 + 40 * (draw.random(len(values)) < 3e-4))
    for row in draw.integers(0, len(values) - 50, 12):
        values[row : row + draw.integers(1, 50), draw.integers(C)] = draw.choice([np.nan, 9.0, 0.25])
    rules = {
        **dict.fromkeys(("out_of_range", "jump"), policy),
        **dict.fromkeys(("stuck", "gap"), policy.replace("hold", "mark")),
        **{"not_finite": "refuse" if policy == "mark" else policy, "hold_most": 3, "gap_most": 30},
        **{"low": [-3.0] * C, "high": [4.0] * C, "jump_most": [5.0] * C, "stuck_from": [12] * C},
    }
    began = time.perf_counter()
    plain = twin.guard(values, t, rules)
    middle = time.perf_counter()
    ours = bulk.guard(values, t, rules)
    faster = (middle - began) / (time.perf_counter() - middle)
    same_guarded(ours, plain)
    assert plain.quality.any() and plain.resets.any() == (policy != "mark")
    assert faster > 4, f"only {faster:.1f} times as fast as sample by sample"
