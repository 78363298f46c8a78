"""How good scores and alarms are, against labels. The only room that sees both; it changes neither.

Owns the figures of metrics.json. Nothing is point-adjusted: that ranks random numbers first. A figure that the data
cannot give is None, and `reason` says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score


def judge(
    scores: NDArray[Any],
    threshold: float,
    labels: NDArray[Any],
    events: Sequence[Mapping[str, Any]],
    window: int,
    sampling_period: float | None = None,
) -> dict[str, Any]:
    """Judge one series of T samples. Samples without a score (NaN) are left out of everything.

    Parameters
    ----------
    scores : ndarray (T,)
        Higher is more abnormal.
    threshold : float
        An alarm is a score greater than this.
    labels : ndarray (T,)
        1 where anomalous, else 0.
    events : sequence of {"start": int, "end": int, "kind": str or None}
        Labelled events, end exclusive. One is found if there is at least one alarm within it, and judged if at
        least one of its samples has a score.
    window : int
        W. False alarms in the W-1 samples after an event are also counted apart, as `lingering`: the window still
        holds samples of the event. They stay false alarms.
    sampling_period : float, optional
        Seconds between samples, for the delay in seconds.

    Returns
    -------
    dict
        Plain numbers, ready for JSON: ``samples`` judged, ``anomalous``, ``alarms``; ``auc_roc``, ``auc_pr`` (average
        precision); counts ``true_alarms``, ``false_alarms``, ``missed`` and from them point-wise ``precision``,
        ``recall``, ``f1``; ``false_alarms_per_1000`` normal samples; ``lingering``; ``false_alarm_events``, runs of
        alarms that touch no event; ``events``, ``events_found``, ``by_kind``; ``delay_samples`` (median from an event's
        start to its first alarm) and ``delay_seconds``; ``reason``.

    Raises
    ------
    ValueError
        Lengths differ, a label is neither 0 nor 1, or an event reaches out of the series.

    Examples
    --------
    >>> one = judge(np.array([0.1, 0.9, 0.2]), 0.5, np.array([0, 1, 0]), [{"start": 1, "end": 2, "kind": "spike"}], 1)
    >>> one["f1"], one["by_kind"]
    (1.0, {'spike': {'events': 1, 'found': 1}})
    """
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise ValueError(f"scores have shape {scores.shape} and labels {labels.shape}; both must be (T,)")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(f"labels hold {np.setdiff1d(labels, (0, 1)).tolist()}; only 0 and 1 have a meaning")
    for event in events:
        if not 0 <= event["start"] < event["end"] <= len(labels):
            raise ValueError(f"event {dict(event)} reaches out of a series of {len(labels)} samples, or is empty")

    judged = ~np.isnan(scores)
    truth, alarm = labels[judged] == 1, scores[judged] > threshold
    alarms_all = np.zeros(len(scores), dtype=bool)
    alarms_all[judged] = alarm
    true_alarms, false_alarms = int((alarm & truth).sum()), int((alarm & ~truth).sum())
    missed, normal = int((truth & ~alarm).sum()), int((~truth).sum())
    auc_roc = auc_pr = reason = None
    if len(truth) == 0:
        reason = "no sample was scored"
    elif not truth.any():
        reason = "no anomaly among the judged samples"
    elif truth.all():
        reason = "nothing but anomalies among the judged samples"
    else:
        # Infinite scores are the worst there are; sklearn wants numbers.
        ranked = np.nan_to_num(scores[judged], posinf=np.finfo(np.float64).max)
        auc_roc, auc_pr = float(roc_auc_score(truth, ranked)), float(average_precision_score(truth, ranked))

    found, delays, by_kind = 0, [], dict[str, dict[str, int]]()
    seen = [event for event in events if judged[event["start"] : event["end"]].any()]
    touched = labels == 1
    aftermath = np.zeros(len(scores), dtype=bool)
    for event in seen:
        within = np.flatnonzero(alarms_all[event["start"] : event["end"]])
        row = by_kind.setdefault(event["kind"] or "unknown", {"events": 0, "found": 0})
        row["events"] += 1
        row["found"] += int(len(within) > 0)
        found += int(len(within) > 0)
        delays += within[:1].tolist()
    for event in events:
        touched[event["start"] : event["end"]] = True
        aftermath[event["end"] : event["end"] + window - 1] = True
    delay = float(np.median(delays)) if delays else None
    return {
        "samples": int(judged.sum()),
        "anomalous": int(truth.sum()),
        "alarms": int(alarm.sum()),
        "auc_roc": auc_roc,
        "auc_pr": auc_pr,
        "true_alarms": true_alarms,
        "false_alarms": false_alarms,
        "missed": missed,
        **_point_wise(true_alarms, false_alarms, missed),
        "false_alarms_per_1000": _share(1000 * false_alarms, normal),
        "lingering": int((alarms_all & aftermath & (labels == 0)).sum()),
        "false_alarm_events": _untouched_runs(alarm, touched[judged]),
        "events": len(seen),
        "events_found": found,
        "by_kind": dict(sorted(by_kind.items())),
        "delay_samples": delay,
        "delay_seconds": None if delay is None or sampling_period is None else delay * sampling_period,
        "reason": reason,
    }


def aggregate(per_entity: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Join the verdicts of `judge` over entities.

    AUC-ROC and AUC-PR are macro averages over the entities that have one (``auc_entities`` of ``entities``): scores of
    different models are on different scales and must not be ranked together. Counts are pooled, and precision, recall,
    F1 and the false alarm rate are made from the pooled counts.

    Examples
    --------
    >>> one = judge(np.array([0.1, 0.9]), 0.5, np.array([0, 1]), [], 1)
    >>> aggregate({"a": one, "b": one})["auc_pr"]
    1.0
    """
    rows = list(per_entity.values())
    counts = ("samples", "anomalous", "alarms", "true_alarms", "false_alarms", "missed", "lingering")
    pooled = {key: sum(row[key] for row in rows) for key in counts}
    kinds: dict[str, dict[str, int]] = {}
    for row in rows:
        for kind, numbers in row["by_kind"].items():
            sums = kinds.setdefault(kind, {"events": 0, "found": 0})
            for key in sums:
                sums[key] += numbers[key]
    rocs = [row["auc_roc"] for row in rows if row["auc_roc"] is not None]
    prs = [row["auc_pr"] for row in rows if row["auc_pr"] is not None]
    return {
        "entities": len(rows),
        "auc_entities": len(prs),
        "auc_roc": float(np.mean(rocs)) if rocs else None,
        "auc_pr": float(np.mean(prs)) if prs else None,
        **pooled,
        **_point_wise(pooled["true_alarms"], pooled["false_alarms"], pooled["missed"]),
        "false_alarms_per_1000": _share(1000 * pooled["false_alarms"], pooled["samples"] - pooled["anomalous"]),
        "false_alarm_events": sum(row["false_alarm_events"] for row in rows),
        "events": sum(row["events"] for row in rows),
        "events_found": sum(row["events_found"] for row in rows),
        "by_kind": dict(sorted(kinds.items())),
        "reason": None if prs else "no entity has both normal and anomalous samples",
    }


def _point_wise(true_alarms: int, false_alarms: int, missed: int) -> dict[str, float | None]:
    """Precision needs an alarm, recall an anomaly, F1 an anomaly: None without."""
    return {
        "precision": _share(true_alarms, true_alarms + false_alarms),
        "recall": _share(true_alarms, true_alarms + missed),
        "f1": _share(2 * true_alarms, 2 * true_alarms + false_alarms + missed) if true_alarms + missed else None,
    }


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _untouched_runs(alarm: NDArray[np.bool_], touched: NDArray[np.bool_]) -> int:
    """Maximal runs of alarms without a touched sample."""
    starts = np.flatnonzero(np.diff(alarm, prepend=False) & alarm)
    if len(starts) == 0:
        return 0
    # Samples without an alarm belong to no run; they must not count as a touch of the run before them.
    return int((~np.logical_or.reduceat(touched & alarm, starts)).sum())
