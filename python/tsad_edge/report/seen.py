"""What the report knows of one entity, and what it finds there: events found and missed, true and false alarms.

Owns the order "worst first". Counts as `metrics` does, of which a test makes sure; draws nothing and reads no file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..twin import Decided

MISSED, FALSE, FOUND, UNJUDGED = "missed", "false alarm", "found", "alarm"
"""Outcomes; the last one is an alarm in a series that nobody labelled."""


@dataclass(frozen=True)
class Finding:
    """An event, or an alarm that belongs to none; `start` and `end` (inclusive) are times, `view` a wider span.

    `reach` says how far the highest score went on the way from the median score (0) to the threshold (1).
    """

    entity: str
    outcome: str
    kind: str | None
    start: int
    end: int
    dated: bool
    samples: int
    peak: float
    reach: float
    delay: int | None
    top: str | None
    view: tuple[int, int]


@dataclass(frozen=True)
class Seen:
    """One entity's test series of T samples, from where it is judged.

    `events` are (start, end, kind), as sample numbers, end exclusive; None, like `labels`, where nobody labelled the
    series. `traced` is what `check.traced` left of the compiled C, None where the entity was not compiled.
    """

    entity: str
    t: NDArray[np.int64]
    clock: Literal["sample", "milliseconds", "date"]  # what t counts; a date is milliseconds since 1970
    scores: NDArray[np.float64]
    threshold: float  # at the start
    limits: NDArray[np.float32]  # (T,) what each score is held against
    decided: Decided
    window: int
    labels: NDArray[np.uint8] | None
    events: Sequence[tuple[int, int, str | None]] | None
    channels: Sequence[str]
    history: Sequence[Mapping[str, float]]
    traced: Mapping[str, NDArray[Any]] | None

    @property
    def dated(self) -> bool:
        """Whether times are dates."""
        return self.clock == "date"

    @cached_property
    def median(self) -> float:
        """The median score; 0 where there is none."""
        known = self.scores[np.isfinite(self.scores)]
        return float(np.median(known)) if len(known) else 0.0

    @cached_property
    def runs(self) -> NDArray[Any]:
        """Events that the detector tells."""
        return self.decided.events

    @cached_property
    def findings(self) -> list[Finding]:
        """Everything found, the worst first: missed events, false alarms, then what was found."""
        spans = np.searchsorted(self.t, np.column_stack([self.runs["start"], self.runs["end"]]))
        alarm = self.decided.alarms
        if self.events is None or self.labels is None:
            return worst_first(self._finding(UNJUDGED, None, int(a), int(b) + 1) for a, b in spans)
        touched, made = self.labels == 1, []
        for start, end, kind in self.events:
            touched[start:end] = True
            if not np.isnan(self.scores[start:end]).all():  # an event without a score is not judged
                outcome = FOUND if alarm[start:end].any() else MISSED
                made.append(self._finding(outcome, kind, start, end))
        for first, last in spans:
            if not (touched & alarm)[first : last + 1].any():
                made.append(self._finding(FALSE, None, int(first), int(last) + 1))
        return worst_first(made)

    def _finding(self, outcome: str, kind: str | None, start: int, end: int) -> Finding:
        scores = self.scores[start:end]
        peak = float(np.nanmax(scores))
        alarms, margin = np.flatnonzero(self.decided.alarms[start:end]), max(self.window, end - start)
        return Finding(
            entity=self.entity,
            outcome=outcome,
            kind=kind,
            start=int(self.t[start]),
            end=int(self.t[end - 1]),
            dated=self.dated,
            samples=end - start,
            peak=peak,
            reach=_reach(peak, self.median, self.threshold),
            delay=int(alarms[0]) if outcome == FOUND else None,
            top=self._top(self.t[start], self.t[end - 1]),
            view=(int(self.t[max(start - margin, 0)]), int(self.t[min(end + margin, len(self.t)) - 1])),
        )

    def _top(self, start: int, end: int) -> str | None:
        """The channel with the largest share, as the compiled C says of its highest event in a span of time."""
        if self.traced is None:
            return None
        told = self.traced["events"]
        told = told[(told["end"] >= start) & (told["start"] <= end)]
        top = int(told["top"][np.argmax(told["peak"])]) if len(told) else -1
        return self.channels[top] if top >= 0 else None


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Missed events, furthest below the threshold first; false alarms, highest first; then the rest by entity and time.

    Examples
    --------
    >>> def one(outcome, reach):
    ...     return Finding("a", outcome, None, 0, 1, False, 1, 0.0, reach, None, None, (0, 1))
    >>> mixed = [one("found", 2), one("missed", 0.9), one("false alarm", 3), one("missed", 0.2), one("false alarm", 7)]
    >>> [(each.outcome, each.reach) for each in worst_first(mixed)]
    [('missed', 0.2), ('missed', 0.9), ('false alarm', 7), ('false alarm', 3), ('found', 2)]
    """
    order = {MISSED: 0, FALSE: 1, UNJUDGED: 1, FOUND: 2}

    def key(one: Finding) -> tuple[Any, ...]:
        by = {0: one.reach, 1: -one.reach}.get(order[one.outcome], 0.0)
        return order[one.outcome], by, one.entity, one.start

    return sorted(findings, key=key)


def worst_entities(seen: Iterable[Seen]) -> list[Seen]:
    """Entities with the most missed events first, among equals those with the most false alarms."""

    def key(one: Seen) -> tuple[int, int, str]:
        outcomes = [finding.outcome for finding in one.findings]
        return -outcomes.count(MISSED), -outcomes.count(FALSE) - outcomes.count(UNJUDGED), one.entity

    return sorted(seen, key=key)


def _reach(peak: float, median: float, threshold: float) -> float:
    way = threshold - median
    if way <= 0:  # most scores give an alarm
        return float("inf") if peak > threshold else 0.0
    return (peak - median) / way
