"""Figures against a count by hand; what cannot be said is None with a reason."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsad_edge.metrics import judge
from tsad_edge.vus import buffer_of, volumes

NAN = np.nan
#            0    1    2    3    4    5    6    7    8    9
SCORES = np.array([NAN, NAN, 0.1, 0.9, 0.8, 0.2, 0.7, 0.3, 0.9, NAN])
LABELS = np.array([0, 0, 0, 0, 1, 1, 0, 0, 0, 1])
EVENTS = [{"start": 4, "end": 6, "kind": "spike"}, {"start": 9, "end": 10, "kind": "drift"}]


def test_by_hand() -> None:
    one = judge(SCORES, 0.5, LABELS, EVENTS, window=3, sampling_period=2.0)
    judged, truth = SCORES[2:9], LABELS[2:9]
    assert (one.pop("vus_roc"), one.pop("vus_pr")) == volumes(judged, truth, buffer_of(3, truth))
    assert one == {
        "samples": 7,
        "unscored": 3,
        "anomalous": 2,
        "alarms": 4,
        "true_alarms": 1,
        "false_alarms": 3,
        "lingering": 1,  # sample 6: the window still holds 4 and 5
        "alarm_events": 3,
        "false_alarm_events": 2,  # 6 and 8; the run 3-4 touches the event
        "events": 1,  # the drift has no scored sample
        "events_found": 1,
        "by_kind": {"spike": {"events": 1, "found": 1}},
        "auc_roc": pytest.approx(4 / 10),
        "auc_pr": pytest.approx((1 / 3 + 2 / 6) / 2),
        "vus_buffer": buffer_of(3, truth),
        "ucr_accuracy": 1.0,  # of the one event that is judged
        "point_adjusted_f1": pytest.approx(2 / 3),  # at 0.8: both samples of the event, 3 and 8 falsely
        "precision": 0.25,
        "recall": 0.5,
        "f1": pytest.approx(1 / 3),
        "event_precision": pytest.approx(1 / 3),
        "event_recall": 1.0,
        "event_f1": pytest.approx(2 / 4),
        "composite_f1": pytest.approx(2 * 0.25 / 1.25),
        "false_alarms_per_1000": 600.0,
        "false_alarm_events_per_1000": 400.0,
        "false_alarms_per_day": pytest.approx(3 * 43200 / 5),
        "false_alarm_events_per_day": pytest.approx(2 * 43200 / 5),
        "sampling_period": 2.0,
        "delay_samples": 0.0,
        "delay_seconds": 0.0,
        "reason": None,
    }
    json.dumps(one, allow_nan=False)


@pytest.mark.parametrize(
    ("labels", "reason", "recall", "precision"),
    [([0, 0, 0], "no anomaly", None, 0.0), ([1, 1, 1], "nothing but anomalies", 1 / 3, 1.0)],
)
def test_one_class_only(labels: list[int], reason: str, recall: float | None, precision: float) -> None:
    one = judge(np.array([0.1, 0.9, 0.2]), 0.5, np.array(labels), [], 1)
    assert one["auc_roc"] is None and one["auc_pr"] is None and reason in one["reason"]
    assert (one["recall"], one["precision"]) == (recall, precision)
    assert (one["f1"] is None) == (sum(labels) == 0)


def test_nothing_scored_and_no_alarm() -> None:
    silent = judge(np.full(3, NAN), 0.5, np.array([0, 1, 0]), [{"start": 1, "end": 2, "kind": None}], 5)
    assert silent["samples"] == 0 and silent["reason"] == "no sample was scored" and silent["events"] == 0
    quiet = judge(np.zeros(3), 0.5, np.array([0, 1, 0]), [{"start": 1, "end": 2, "kind": None}], 1)
    assert quiet["precision"] is None and quiet["f1"] == 0.0 and quiet["delay_samples"] is None
    assert quiet["by_kind"] == {"unknown": {"events": 1, "found": 0}}


def test_infinite_scores_rank_first() -> None:
    one = judge(np.array([0.0, np.inf, 1.0]), 0.5, np.array([0, 1, 0]), [], 1)
    assert one["auc_pr"] == 1.0 and one["alarms"] == 2


@pytest.mark.parametrize(
    ("scores", "labels", "events", "words"),
    [
        (np.zeros(3), np.zeros(2), [], r"\(3,\) and labels \(2,\)"),
        (np.zeros((3, 1)), np.zeros((3, 1)), [], r"must be \(T,\)"),
        (np.zeros(3), np.array([0, 2, 0]), [], r"labels hold \[2\]"),
        (np.zeros(3), np.zeros(3), [{"start": 1, "end": 4, "kind": None}], "reaches out of a series of 3"),
        (np.zeros(3), np.zeros(3), [{"start": 1, "end": 1, "kind": None}], "or is empty"),
    ],
)
def test_errors(scores: np.ndarray, labels: np.ndarray, events: list, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        judge(scores, 0.5, labels, events, 1)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=40))
@settings(max_examples=200, deadline=None)
def test_false_alarm_events_as_a_loop_counts_them(rows: list[tuple[bool, bool, bool]]) -> None:
    """(scored, alarm, anomalous) by sample; unscored samples neither end nor extend a run."""
    scores = np.array([float(alarm) if scored else NAN for scored, alarm, _ in rows])
    labels = np.array([int(bad) for *_, bad in rows])
    count, touched, on = 0, False, False
    for score, bad in [*zip(scores, labels, strict=True), (0.0, 0)]:
        if np.isnan(score):
            continue
        if score > 0.5:
            touched = bool(bad) or (on and touched)
            on = True
        elif on:
            count += not touched
            on = False
    assert judge(scores, 0.5, labels, [], 1)["false_alarm_events"] == count


@pytest.mark.parametrize(
    ("peaks", "events", "right"),
    [
        ([149], [(250, 260)], 0.0),  # 101 samples before is not within 100
        ([150], [(250, 260)], 1.0),
        ([359], [(250, 260)], 1.0),
        ([360], [(250, 260)], 0.0),
        ([60], [(250, 450)], 1.0),  # a longer anomaly has a longer reach
        ([255, 10], [(250, 260)], 0.0),  # a tie that is not only there
        ([255, 256], [(250, 260)], 1.0),
        ([255], [(250, 260), (300, 310)], None),
        ([255], [], None),
    ],
)
def test_the_peak_of_the_archive_of_wu_and_keogh(peaks: list[int], events: list, right: float | None) -> None:
    scores, labels = np.zeros(500), np.zeros(500, int)
    scores[peaks] = 1
    for start, end in events:
        labels[start:end] = 1
    marked = [{"start": start, "end": end, "kind": None} for start, end in events]
    assert judge(scores, 0.5, labels, marked, 5)["ucr_accuracy"] == right


def test_constant_scores_know_nothing() -> None:
    labels = np.repeat([0, 1, 0], [400, 200, 400])
    one = judge(np.full(1000, 3.0), 5.0, labels, [{"start": 400, "end": 600, "kind": None}], 5)
    assert one["auc_roc"] == 0.5 and one["auc_pr"] == pytest.approx(0.2) and one["ucr_accuracy"] == 0.0
    assert one["f1"] == 0.0 and one["precision"] is None and one["event_precision"] is None
    assert one["vus_pr"] == 0.0 and one["reason"] == "all scores are equal"  # aeon's figure, and not silently


def test_an_alarm_that_is_always_on_is_no_good_alarm() -> None:
    labels = np.repeat([0, 1, 0], [400, 20, 580])
    one = judge(np.linspace(1, 2, 1000), 0.5, labels, [{"start": 400, "end": 420, "kind": None}], 5)
    assert one["event_f1"] == 1.0, "events alone are fooled"
    assert one["composite_f1"] < 0.05 and one["f1"] < 0.05


def test_an_event_nobody_scored_is_not_the_one_event() -> None:
    scores = np.r_[np.full(10, NAN), np.random.default_rng(1).random(90)]
    one = judge(scores, 0.5, np.arange(100) == 3, [{"start": 3, "end": 4, "kind": None}], 11)
    assert one["events"] == 0 and one["ucr_accuracy"] is None


def test_a_threshold_is_a_number() -> None:
    with pytest.raises(ValueError, match="threshold is NaN"):
        judge(np.zeros(3), NAN, np.zeros(3), [], 1)


def test_a_figure_per_day_needs_a_period() -> None:
    one = judge(SCORES, 0.5, LABELS, EVENTS, window=3)
    assert one["false_alarms_per_day"] is None and one["delay_seconds"] is None
    assert one["false_alarms_per_1000"] == 600.0


def test_a_score_at_the_threshold_is_no_alarm() -> None:
    assert judge(np.array([0.5, 0.6]), 0.5, np.array([0, 1]), [], 1)["alarms"] == 1
