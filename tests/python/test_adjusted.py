"""The point-adjusted search against the loop that everybody writes; what it flatters, it must flatter exactly."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tsad_edge.adjusted import best_point_adjusted

LABELS = np.array([0, 1, 1, 0, 0, 1, 0])
SCORES = np.array([0.1, 0.2, 0.9, 0.3, 0.3, 0.4, 0.8])


def search(scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Every distinct score as a threshold, highest first; per threshold a loop that extends alarms to whole events."""
    values, truth = scores.tolist(), labels.tolist()
    best = {"f1": -1.0}
    for threshold in sorted(set(values), reverse=True):
        alarms, inside = [value >= threshold for value in values], False
        for i, bad in enumerate(truth):
            if not bad:
                inside = False
            elif alarms[i] and not inside:
                inside = True
                before = i - 1
                while before >= 0 and truth[before]:
                    alarms[before] = True
                    before -= 1
            elif inside:
                alarms[i] = True
        true = sum(bad and alarm for bad, alarm in zip(truth, alarms, strict=True))
        f1 = 2 * true / (sum(alarms) + sum(truth))
        if f1 > best["f1"]:
            best = {"f1": f1, "precision": true / sum(alarms), "recall": true / sum(truth), "threshold": threshold}
    return best


@given(st.lists(st.tuples(st.sampled_from([-np.inf, *range(12), np.inf]), st.booleans()), min_size=2, max_size=40))
@settings(max_examples=300, deadline=None)
def test_equal_to_the_loop(rows: list[tuple[float, bool]]) -> None:
    scores, labels = np.array([float(score) for score, _ in rows]), np.array([int(bad) for _, bad in rows])
    assume(0 < labels.sum() < len(labels))
    assert best_point_adjusted(scores, labels) == search(scores, labels)


def test_by_hand() -> None:
    """At 0.9 the first event is found (2 of 3 samples), at 0.4 both, with one false alarm."""
    assert best_point_adjusted(SCORES, LABELS) == {"f1": 6 / 7, "precision": 3 / 4, "recall": 1.0, "threshold": 0.4}


def test_an_event_at_each_end() -> None:
    best = best_point_adjusted(np.array([0.1, 0.9, 0.0, 0.5, 0.8, 0.2]), np.array([1, 1, 0, 0, 1, 1]))
    assert best == {"f1": 1.0, "precision": 1.0, "recall": 1.0, "threshold": 0.8}


def test_constant_scores_alarm_everywhere() -> None:
    best = best_point_adjusted(np.full(7, 0.3), LABELS)
    assert best == {"f1": 6 / 10, "precision": 3 / 7, "recall": 1.0, "threshold": 0.3}


@pytest.mark.parametrize(
    ("scores", "labels", "words"),
    [
        (SCORES[:5], LABELS, r"scores have shape \(5,\) and labels \(7,\)"),
        (SCORES[:, None], LABELS[:, None], r"must be \(T,\)"),
        (np.where(SCORES > 0.8, np.nan, SCORES), LABELS, "1 scores are NaN, the first at 2; leave out"),
        (SCORES, 2 * LABELS, r"labels hold \[2\]"),
        (SCORES, 0 * LABELS, "no anomaly among 7 samples"),
        (SCORES, LABELS**0, "nothing but anomalies among 7 samples"),
    ],
)
def test_errors(scores: np.ndarray, labels: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        best_point_adjusted(scores, labels)
