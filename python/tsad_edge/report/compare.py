"""The results beside those of another revision: what got better, what got worse.

Owns which figures are compared and which way is better. The paired interval is `aggregate`'s; what grew, `sizes`'.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..aggregate import Resampled

FIGURES = {
    "vus_pr": "VUS-PR",
    "auc_pr": "AUC-PR",
    "f1": "F1",
    "composite_f1": "composite F1",
    "precision": "precision",
    "recall": "recall",
    "event_recall": "event recall",
    "false_alarms_per_1000": "false alarms per 1000",
    "false_alarm_events_per_1000": "false alarm events per 1000",
    "delay_samples": "delay, samples",
}
"""Compared figures -> what they are called."""

LOWER_IS_BETTER = {"false_alarms_per_1000", "false_alarm_events_per_1000", "delay_samples"}


@dataclass(frozen=True)
class Other:
    """Another revision: its name and its three result files."""

    name: str
    metrics: Mapping[str, Any]
    check: Mapping[str, Any]
    cost: Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """A figure over the entities both sides have: now, then, the paired difference, its 95 % interval, and a word."""

    now: float | None
    then: float | None
    difference: float | None
    interval: list[float] | None
    word: str


@dataclass(frozen=True)
class Changes:
    """`overall`: figure -> change over the `shared` entities; the entities that only one side has, by name."""

    overall: dict[str, Change]
    shared: list[str]
    added: list[str]
    gone: list[str]


def changes(now: Mapping[str, Any], then: Mapping[str, Any], families: Mapping[str, str], seed: int) -> Changes:
    """Two metrics.json compared.

    Parameters
    ----------
    now, then : mapping
        metrics.json of this run and of the other revision.
    families : mapping of str to str
        Entity -> the recording it is from, for the bootstrap.
    seed : int
        Of the bootstrap.

    Examples
    --------
    >>> def rows(*values):
    ...     return {"per_entity": {name: {"vus_pr": value} for name, value in zip("abc", values)}}
    >>> found = changes(rows(0.7, 0.8), rows(0.5, 0.6, 0.9), {"a": "a", "b": "b"}, seed=1)
    >>> found.gone, round(found.overall["vus_pr"].difference, 3), found.overall["vus_pr"].word
    (['c'], 0.2, 'better')
    """
    ours, theirs = now["per_entity"], then["per_entity"]
    shared = [entity for entity in ours if entity in theirs]
    overall = {}
    if shared:
        sample = Resampled({entity: families.get(entity, entity) for entity in shared}, seed)
        overall = {name: _change(sample, name, ours, theirs) for name in FIGURES}
    return Changes(
        overall, shared, [name for name in ours if name not in theirs], [name for name in theirs if name not in ours]
    )


def _change(sample: Resampled, name: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Change:
    """One figure; an older revision may lack it."""
    try:
        found = sample.difference(ours, theirs, name)
        now, then = sample.figure(ours, name), sample.figure(theirs, name)
    except KeyError:
        return Change(None, None, None, None, "not measured in both")
    difference, interval = found["difference"], found["interval"]
    if difference is None:
        word = "not measured in both"
    elif difference == 0 and (interval is None or interval[0] == interval[1] == 0):
        word = "equal"
    elif interval is None:
        word = "too few entities for an interval"
    else:
        higher = {"beats": True, "loses": False}.get(found["verdict"])
        word = "no clear difference"
        if higher is not None:
            word = "better" if higher != (name in LOWER_IS_BETTER) else "worse"
    return Change(now, then, difference, interval, word)
