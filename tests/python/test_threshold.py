"""The threshold rule: rate kept, rounding harmless, ties and small samples told apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsad_edge.threshold import midway

scores_of = st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=300).map(np.array)


@given(scores=scores_of, rate=st.floats(0, 999), noise=st.floats(0, 1e-3))
@settings(max_examples=300, deadline=None)
def test_never_more_alarms_than_asked_for(scores: np.ndarray, rate: float, noise: float) -> None:
    found = midway(scores, rate, scores + noise)
    assert found.rate_per_1000 <= rate + 1e-9
    assert found.value == np.float32(found.value)
    assert found.rate_per_1000 == 1000 * (scores > found.value).mean()
    if found.degenerate:
        assert found.value > scores.max() and found.rate_per_1000 == 0
    else:
        # No score is so near that a computation within the tolerance decides otherwise (but for float32's own step).
        assert np.abs(scores - found.value).min() >= found.tolerance - np.spacing(np.float32(found.value))


@given(scores=scores_of, rate=st.floats(0, 500))
@settings(max_examples=100, deadline=None)
def test_order_does_not_matter(scores: np.ndarray, rate: float) -> None:
    assert midway(scores, rate) == midway(scores[::-1].copy(), rate)


def test_midway_at_the_rate() -> None:
    found = midway(np.arange(10_000.0), 1.0)
    assert found.value == 9989.5 and found.rate_per_1000 == 1.0 and not found.degenerate
    assert midway(np.arange(10_000.0), 0.0).value == 9999.5


def test_too_few_scores_are_not_extrapolated() -> None:
    """500 scores can tell 2 per 1000 from none; what is asked for below that gives one and the same threshold."""
    scores = np.arange(500.0)
    for rate in (1.9, 1.0, 0.001, 0.0):
        found = midway(scores, rate)
        assert found.value == 499.5 and found.supported_per_1000 == 2.0 and found.rate_per_1000 == 0
    assert midway(scores, 2.0).value == 498.5


def test_a_tie_at_the_rate_goes_up_to_the_next_gap() -> None:
    scores = np.concatenate([np.arange(990.0), np.full(8, 1000.0), [2000.0, 2001.0]])
    found = midway(scores, 5.0)  # the fifth and sixth score are both 1000
    assert found.value == 1500.0 and found.rate_per_1000 == 2.0 and not found.degenerate


def test_constant_channels() -> None:
    scores = np.full(300, 0.25)
    found = midway(scores, 1.0, scores + 1e-4)
    assert found.degenerate
    assert found.tolerance == pytest.approx(4 * 1e-4, rel=1e-3)
    assert found.value == pytest.approx(0.25 + 16e-4, rel=1e-3)
    assert midway(np.array([1.0]), 1.0).degenerate
    assert midway(np.zeros(5), 1.0).value > 0


@pytest.mark.parametrize(
    ("scores", "rate", "reference", "words"),
    [
        ([], 1.0, None, "at least one"),
        ([1.0, np.nan], 1.0, None, "score 1 is nan"),
        ([np.inf], 1.0, None, "score 0 is inf"),
        ([1.0], -1.0, None, "false_alarms_per_1000 is -1"),
        ([1.0], 1000.0, None, "false_alarms_per_1000 is 1000"),
        ([1.0], float("nan"), None, "false_alarms_per_1000 is nan"),
        ([1.0, 2.0], 1.0, [1.0], "reference of shape"),
    ],
)
def test_errors(scores: list[float], rate: float, reference: list[float] | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        midway(np.array(scores), rate, None if reference is None else np.array(reference))


def test_rounding_of_what_cancels_keeps_the_threshold_away() -> None:
    """A score of 1e-15 that is a difference of numbers near 1 cannot be told from 1e-8; the threshold knows."""
    scores = np.full(50, 1e-15, np.float32)
    assert midway(scores, 1.0, scores.astype(np.float64), largest_terms=1.0).value >= 16 * np.spacing(np.float32(1))


def test_a_rate_that_binary_fractions_miss() -> None:
    assert 100_000 * 0.29 / 1000 < 29
    assert midway(np.arange(100_000.0), 0.29).rate_per_1000 == pytest.approx(0.29)


def test_no_threshold_without_end() -> None:
    for scores, terms in ((np.full(3, 3e38), 0.0), (np.ones(3), np.inf), (np.ones(3), np.nan)):
        with pytest.raises(ValueError, match="float32 cannot hold a threshold"):
            midway(scores, 1.0, largest_terms=terms)
