"""How good scores and alarms are, against labels. The only room that sees both; it changes neither.

Owns the figures of one series, and which of them a data set averages and which it pools (`aggregate` does it). A figure
that the data cannot give is None, and `reason` says why; never a silent zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from .adjusted import best_point_adjusted
from .vus import buffer_of, volumes

Row = Mapping[str, Any]
"""What `judge` says about one series."""

AVERAGED = ("auc_roc", "auc_pr", "vus_roc", "vus_pr", "ucr_accuracy", "point_adjusted_f1", "delay_samples")
"""Means over the entities that have the figure: scores of different models are on different scales and cannot be
ranked together."""

COUNTS = (
    *("samples", "unscored", "anomalous", "alarms", "true_alarms", "false_alarms", "lingering"),
    *("alarm_events", "false_alarm_events", "events", "events_found"),
)
"""Sums over entities."""

PEAK_SLACK = 100
"""Samples beside an anomaly in which the highest score still counts as in it, unless the anomaly itself is longer."""


class Ratio(NamedTuple):
    """A figure made from pooled counts: numerator over denominator; None where `needs` sums to 0."""

    numerator: Callable[[Row], float]
    denominator: Callable[[Row], float]
    needs: Callable[[Row], float]


def _normal(row: Row) -> float:
    return float(row["samples"] - row["anomalous"])


def _days(row: Row) -> float:
    """Days of judged normal operation; 0 where the sampling period is unknown."""
    return _normal(row) * float(row["sampling_period"] or 0) / 86400


def _timed(key: str) -> Callable[[Row], float]:
    """A count, 0 where the sampling period is unknown."""
    return lambda row: float(row[key] if row["sampling_period"] is not None else 0)


POOLED: dict[str, Ratio] = {
    "precision": Ratio(lambda r: r["true_alarms"], lambda r: r["alarms"], lambda r: r["alarms"]),
    "recall": Ratio(lambda r: r["true_alarms"], lambda r: r["anomalous"], lambda r: r["anomalous"]),
    "event_precision": Ratio(
        lambda r: r["events_found"],
        lambda r: r["events_found"] + r["false_alarm_events"],
        lambda r: r["events_found"] + r["false_alarm_events"],
    ),
    "event_recall": Ratio(lambda r: r["events_found"], lambda r: r["events"], lambda r: r["events"]),
    "false_alarms_per_1000": Ratio(lambda r: 1000 * r["false_alarms"], _normal, _normal),
    "false_alarm_events_per_1000": Ratio(lambda r: 1000 * r["false_alarm_events"], _normal, _normal),
    "false_alarms_per_day": Ratio(_timed("false_alarms"), _days, _days),
    "false_alarm_events_per_day": Ratio(_timed("false_alarm_events"), _days, _days),
}
"""Ratios of pooled counts, of samples and of events. A found event is a hit, a missed one a miss, and a run of alarms
that touches no event a false alarm (Hundman et al., KDD 2018)."""

HARMONIC = {
    "f1": ("precision", "recall"),
    "event_f1": ("event_precision", "event_recall"),
    "composite_f1": ("precision", "event_recall"),
}
"""Harmonic means of two pooled ratios. An alarm that is always on has an event F1 of 1; the composite F1 (Garg et al.,
TNNLS 2021) takes precision from samples and recall from events, and gives it what it deserves."""

FIGURES = (*AVERAGED, *POOLED, *HARMONIC)


def judge(
    scores: NDArray[Any],
    threshold: float,
    labels: NDArray[Any],
    events: Sequence[Mapping[str, Any]],
    window: int,
    sampling_period: float | None = None,
    decided: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Judge one series of T samples. Samples without a score (NaN) are left out of everything.

    Parameters
    ----------
    scores : ndarray (T,)
        Higher is more abnormal; infinite is the most.
    threshold : float
        An alarm is a score greater than this,
    labels : ndarray (T,)
        1 where anomalous, else 0.
    events : sequence of {"start": int, "end": int, "kind": str or None}
        Labelled events, end exclusive. One is found if there is at least one alarm within it, and judged if at
        least one of its samples has a score.
    window : int
        W; the buffer of VUS. False alarms in the W-1 samples after an event are also counted apart, as `lingering`:
        the window still holds samples of the event. They stay false alarms.
    sampling_period : float, optional
        Seconds between samples, for figures per day and the delay in seconds.
    decided : ndarray (T,) bool, optional
        unless this says where there are alarms: what hysteresis and the like made of the scores.

    Returns
    -------
    dict
        Plain numbers, ready for JSON:

        - counts: ``samples`` judged, ``unscored`` (warming up, or with a missing value), ``anomalous``, ``alarms``,
          ``true_alarms``, ``false_alarms``, ``lingering``; ``alarm_events`` (runs of alarms) and
          ``false_alarm_events``, those that touch no event; ``events``, ``events_found``, ``by_kind``;
        - ranking, without a threshold: ``auc_roc``, ``auc_pr`` (average precision), ``vus_roc`` and ``vus_pr`` with
          their ``vus_buffer``; ``ucr_accuracy``: 1 where the highest score lies within max(100, length) samples of the
          anomaly, 0 where not or not only, None where not exactly one event is judged (Wu and Keogh, TKDE 2021);
        - at the threshold: the ratios of `POOLED` and `HARMONIC`; ``delay_samples``, the median from an event's start
          to its first alarm, and ``delay_seconds``;
        - ``point_adjusted_f1``: the best F1 over all thresholds where an event counts wholly as found. Not for ranking:
          it puts random numbers first;
        - ``reason``: why there is nothing to rank, or why the ranking says nothing (all scores are equal: aeon's VUS,
          and so ours, is then 0).

    Raises
    ------
    ValueError
        Lengths differ, a label is neither 0 nor 1, an event reaches out of the series, or the threshold is NaN.

    Examples
    --------
    >>> one = judge(np.array([0.1, 0.9, 0.2]), 0.5, np.array([0, 1, 0]), [{"start": 1, "end": 2, "kind": "spike"}], 1)
    >>> one["f1"], one["by_kind"]
    (1.0, {'spike': {'events': 1, 'found': 1}})
    """
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise ValueError(f"scores have shape {scores.shape} and labels {labels.shape}; both must be (T,)")
    if np.isnan(threshold):
        raise ValueError("the threshold is NaN; no score could be greater")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(f"labels hold {np.setdiff1d(labels, (0, 1)).tolist()}; only 0 and 1 have a meaning")
    for event in events:
        if not 0 <= event["start"] < event["end"] <= len(labels):
            raise ValueError(f"event {dict(event)} reaches out of a series of {len(labels)} samples, or is empty")

    judged = ~np.isnan(scores)
    seen = [event for event in events if judged[event["start"] : event["end"]].any()]
    alarms_all = scores > threshold if decided is None else decided
    truth, alarm = labels[judged] == 1, alarms_all[judged]
    touched, aftermath = labels == 1, np.zeros(len(scores), dtype=bool)
    for event in events:
        touched[event["start"] : event["end"]] = True
        aftermath[event["end"] : event["end"] + window - 1] = True
    row: dict[str, Any] = {
        **alarms(scores, alarms_all),
        "anomalous": int(truth.sum()),
        "true_alarms": int((alarm & truth).sum()),
        "false_alarms": int((alarm & ~truth).sum()),
        "lingering": int((alarms_all & aftermath & (labels == 0)).sum()),
        "false_alarm_events": _untouched(_starts(alarm), alarm & touched[judged]),
        "sampling_period": sampling_period,
        **_found(seen, alarms_all),
        **_ranking(scores[judged], truth, window),
        "ucr_accuracy": _peak_in_event(scores, judged, seen),
    }
    row |= {name: number(pooled(name, [row], np.ones((1, 1)))[0]) for name in (*POOLED, *HARMONIC)}
    delay = row["delay_samples"]
    return row | {"delay_seconds": None if delay is None or sampling_period is None else delay * sampling_period}


def alarms(scores: NDArray[Any], decided: NDArray[np.bool_]) -> dict[str, int]:
    """What can be counted without labels: ``samples`` scored, ``unscored``, ``alarms``, their runs ``alarm_events``.

    Examples
    --------
    >>> alarms(np.array([np.nan, 2.0, 3.0, 0.0]), np.array([False, True, True, False]))
    {'samples': 3, 'unscored': 1, 'alarms': 2, 'alarm_events': 1}
    """
    scored = ~np.isnan(scores)
    alarm = decided[scored]
    counts = {"samples": scored.sum(), "unscored": (~scored).sum(), "alarms": alarm.sum()}
    return {key: int(value) for key, value in counts.items()} | {"alarm_events": len(_starts(alarm))}


def pooled(name: str, rows: Sequence[Row], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """A figure of POOLED or HARMONIC for each of n weightings (n, rows) of some rows; NaN where it has no meaning.

    Examples
    --------
    >>> pooled("precision", [{"alarms": 4, "true_alarms": 1}], np.ones((1, 1)))
    array([0.25])
    """
    if name in HARMONIC:
        precision, recall = (pooled(part, rows, weights) for part in HARMONIC[name])
        exact = np.nan_to_num(precision)  # without an alarm nothing is found: 0, if there was something to find
        return np.where(exact + recall == 0, 0.0, divided(2 * exact * recall, exact + recall))
    figure = POOLED[name]
    numerator, denominator, needs = (weights @ np.array([part(row) for row in rows], np.float64) for part in figure)
    return np.where(needs > 0, divided(numerator, denominator), np.nan)


def divided(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    """Element by element, NaN where the denominator is 0.

    Examples
    --------
    >>> divided(np.array([1.0, 1.0]), np.array([2.0, 0.0]))
    array([0.5, nan])
    """
    return np.divide(numerator, denominator, out=np.full(len(numerator), np.nan), where=denominator > 0)


def number(value: float) -> float | None:
    """None for NaN, which JSON does not know.

    Examples
    --------
    >>> number(float("nan")) is None
    True
    """
    return None if np.isnan(value) else float(value)


def _found(seen: Sequence[Mapping[str, Any]], alarms: NDArray[np.bool_]) -> dict[str, Any]:
    """Which of the judged events hold an alarm, by kind, and after how many samples."""
    delays: list[int] = []
    by_kind: dict[str, dict[str, int]] = {}
    for event in seen:
        within = np.flatnonzero(alarms[event["start"] : event["end"]])
        row = by_kind.setdefault(event["kind"] or "unknown", {"events": 0, "found": 0})
        row["events"] += 1
        row["found"] += int(len(within) > 0)
        delays += within[:1].tolist()
    return {
        "events": len(seen),
        "events_found": len(delays),
        "by_kind": dict(sorted(by_kind.items())),
        "delay_samples": float(np.median(delays)) if delays else None,
    }


def _ranking(scores: NDArray[np.float64], truth: NDArray[np.bool_], window: int) -> dict[str, Any]:
    """Figures that need no threshold; None, with the reason, where there is only one class."""
    names = ("auc_roc", "auc_pr", "vus_roc", "vus_pr", "vus_buffer", "point_adjusted_f1")
    if len(truth) == 0:
        reason = "no sample was scored"
    elif not truth.any():
        reason = "no anomaly among the judged samples"
    elif truth.all():
        reason = "nothing but anomalies among the judged samples"
    else:
        # Infinite scores are the worst there are; sklearn wants numbers.
        finite = np.nan_to_num(scores, posinf=np.finfo(np.float64).max, neginf=np.finfo(np.float64).min)
        labels, buffer = truth.astype(np.uint8), buffer_of(window, truth.astype(np.uint8))
        vus_roc, vus_pr = volumes(finite, labels, buffer)
        return {
            "auc_roc": float(roc_auc_score(truth, finite)),
            "auc_pr": float(average_precision_score(truth, finite)),
            "vus_roc": vus_roc,
            "vus_pr": vus_pr,
            "vus_buffer": buffer,
            "point_adjusted_f1": best_point_adjusted(finite, labels)["f1"],
            "reason": "all scores are equal" if finite.min() == finite.max() else None,
        }
    return {**dict.fromkeys(names), "reason": reason}


def _peak_in_event(
    scores: NDArray[np.float64], judged: NDArray[np.bool_], events: Sequence[Mapping[str, Any]]
) -> float | None:
    """Whether the highest score lies at the one event; where scores tie for it, all must, or it would be luck."""
    if len(events) != 1 or not judged.any():
        return None
    start, end = events[0]["start"], events[0]["end"]
    slack = max(PEAK_SLACK, end - start)
    peaks = np.flatnonzero(scores == scores[judged].max())
    return float(start - slack <= peaks[0] and peaks[-1] < end + slack)


def _starts(alarm: NDArray[np.bool_]) -> NDArray[np.int_]:
    """Where runs of alarms begin."""
    return np.flatnonzero(np.diff(alarm, prepend=False) & alarm)


def _untouched(starts: NDArray[np.int_], hits: NDArray[np.bool_]) -> int:
    """How many runs of alarms, by their starts, hold no hit (an alarm at an event)."""
    return int((~np.logical_or.reduceat(hits, starts)).sum()) if len(starts) else 0
