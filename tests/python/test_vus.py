"""VUS against aeon's figures (golden_vus.json, written by `make oracle`), and against the definition, step by step."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tsad_edge.vus import buffer_of, volumes

GOLDEN = Path(__file__).with_name("golden_vus.json")
LABELS = np.array([0, 0, 0, 1, 1, 0, 0, 0])
SCORES = np.array([0.1, 0.2, 0.3, 0.9, 0.4, 0.5, 0.0, 0.1])


def build(case: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels of a case: random numbers, `lift` added within events, cut to `levels`, some made infinite.

    RandomState, because numpy promises that its numbers never change.
    """
    random = np.random.RandomState(case["seed"])
    scores, labels = random.random_sample(case["samples"]), np.zeros(case["samples"], dtype=int)
    for start, end in case["events"]:
        labels[start:end] = 1
    scores += case["lift"] * labels
    if case["levels"] is not None:
        scores = np.floor(scores * case["levels"])
    scores[random.permutation(case["samples"])[: case["infinite"]]] = np.inf
    return scores, labels


def softened(labels: np.ndarray, width: int) -> np.ndarray:
    """Labels with the slopes of one buffer, event by event."""
    shares, half = labels.astype(float), width // 2
    for i in np.flatnonzero(labels):
        if i == 0 or not labels[i - 1]:
            for distance in range(1, min(half, i) + 1):
                shares[i - distance] += np.sqrt(1 - distance / width)
        if i == len(labels) - 1 or not labels[i + 1]:
            for distance in range(1, min(half - 1, len(labels) - 1 - i) + 1):
                shares[i + distance] += np.sqrt(1 - distance / width)
    return np.minimum(shares, 1)


def by_definition(scores: np.ndarray, labels: np.ndarray, buffer: int) -> tuple[float, float]:
    """Threshold by threshold; up to 250 samples all distinct scores are thresholds."""
    rocs, prs = [], []
    for width in range(buffer + 1):
        shares = softened(labels, width)
        total = (labels.sum() + shares.sum()) / 2
        bounds = np.flatnonzero(np.diff(shares > 0, prepend=False, append=False)).reshape(-1, 2)
        roc = pr = recall = fallout = 0.0
        precision = 1.0
        for threshold in sorted(set(scores), reverse=True):
            alarm = scores >= threshold
            true, before = shares[alarm].sum(), (recall, fallout, precision)
            found = np.mean([alarm[start:end].any() for start, end in bounds])
            recall = min(true / total, 1) * found
            fallout = min((alarm.sum() - true) / (len(labels) - total), 1)
            precision = true / alarm.sum()
            pr += (recall - before[0]) * (precision + before[2]) / 2
            roc += (fallout - before[1]) * (recall + before[0]) / 2
        rocs.append(roc + (1 - fallout) * (1 + recall) / 2)
        prs.append(pr)
    return float(np.mean(rocs)), float(np.mean(prs))


def test_equal_to_aeon() -> None:
    golden = json.loads(GOLDEN.read_text())
    apart = {}
    for case in golden["cases"]:
        found = volumes(*build(case), case["buffer"])
        apart[case["name"]] = max(abs(found[0] - case["vus_roc"]), abs(found[1] - case["vus_pr"]))
    assert len(apart) == len(golden["cases"]) > 10
    assert {name: gap for name, gap in apart.items() if gap > 1e-9} == {}


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=30), st.integers(0, 14))
@example([(0, True), (1, False)], 14)  # a buffer far longer than the series
@settings(max_examples=150, deadline=None)
def test_equal_to_the_definition(rows: list[tuple[int, bool]], buffer: int) -> None:
    scores, labels = np.array([float(score) for score, _ in rows]), np.array([int(bad) for _, bad in rows])
    assume(0 < labels.sum() < len(labels) and scores.min() < scores.max())
    assert volumes(scores, labels, buffer) == pytest.approx(by_definition(scores, labels, buffer), abs=1e-12)


def test_by_hand() -> None:
    """One alarm, one sample too early. Buffers 0 and 1: no alarm is true until all samples are alarms. Buffer 2: the
    sample before the event counts sqrt(1/2)."""
    scores, labels = np.array([0.0, 1.0, 0.0, 0.0]), np.array([0, 0, 1, 0])
    share = np.sqrt(1 / 2)
    total = (1 + 1 + share) / 2
    recall, fallout = share / total, (1 - share) / (4 - total)
    every = (4 - 1 - share) / (4 - total)
    sloped_roc = fallout * recall / 2 + (every - fallout) * (recall + 1) / 2 + (1 - every)
    sloped_pr = recall * (1 + share) / 2 + (1 - recall) * (share + (1 + share) / 4) / 2
    plain_roc, plain_pr = (1 - 1 / 3) / 2, (0 + 1 / 4) / 2
    assert volumes(scores, labels, 1) == pytest.approx((plain_roc, plain_pr))
    assert volumes(scores, labels, 2) == pytest.approx(
        ((2 * plain_roc + sloped_roc) / 3, (2 * plain_pr + sloped_pr) / 3)
    )


def test_only_order_counts_and_infinity_is_the_worst() -> None:
    wanted = volumes(SCORES, LABELS, 4)
    assert volumes(np.exp(50 * SCORES), LABELS, 4) == wanted
    assert volumes(np.where(SCORES == 0.9, np.inf, SCORES), LABELS, 4) == wanted
    assert volumes(np.where(SCORES == 0.0, -np.inf, SCORES), LABELS, 4) == wanted
    assert volumes(SCORES.astype(np.float32), LABELS == 1, 4) == wanted


def test_scores_that_equal_the_labels() -> None:
    assert volumes(LABELS.astype(float), LABELS, 1) == (1.0, 1.0)
    assert max(volumes(LABELS.astype(float), LABELS, 4)) < 1


def test_constant_scores_are_worth_nothing() -> None:
    assert volumes(np.full(8, 0.3), LABELS, 4) == volumes(np.full(8, np.inf), LABELS, 4) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("scores", "labels", "buffer", "words"),
    [
        (SCORES[:5], LABELS, 2, r"scores have shape \(5,\) and labels \(8,\)"),
        (SCORES[:, None], LABELS[:, None], 2, r"must be \(T,\)"),
        (np.where(SCORES > 0.4, np.nan, SCORES), LABELS, 2, "2 scores are NaN, the first at 3; leave out"),
        (SCORES, 2 * LABELS, 2, r"labels hold \[2\]"),
        (SCORES, np.where(LABELS, np.nan, 0), 2, r"labels hold \[nan"),
        (SCORES, 0 * LABELS, 2, "no anomaly among 8 samples"),
        (np.array([]), np.array([]), 2, "no anomaly among 0 samples"),
        (SCORES, LABELS**0, 2, "nothing but anomalies among 8 samples"),
        (SCORES, LABELS, -1, "buffer is -1"),
    ],
)
def test_errors(scores: np.ndarray, labels: np.ndarray, buffer: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        volumes(scores, labels, buffer)


def test_buffer_of() -> None:
    assert [buffer_of(window, LABELS) for window in (0, 2, 3, 100)] == [0, 2, 3, 3]
    assert buffer_of(5, np.ones(4)) == buffer_of(5, np.array([])) == 0 and buffer_of(5, np.zeros(4)) == 4
    with pytest.raises(ValueError, match="window is -1"):
        buffer_of(-1, LABELS)
    with pytest.raises(ValueError, match=r"labels hold \[3\]"):
        buffer_of(1, np.array([0, 3]))


@given(st.lists(st.booleans(), min_size=2, max_size=60))
def test_the_widest_buffer_leaves_a_normal_sample(rows: list[bool]) -> None:
    labels = np.array(rows, dtype=int)
    assume(0 < labels.sum() < len(labels))
    assert (softened(labels, buffer_of(len(labels), labels)) == 0).any()
