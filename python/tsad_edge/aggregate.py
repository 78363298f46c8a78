"""From verdicts on single series to one for a data set, with intervals, and the comparison with a floor.

Owns which figures are averaged and which are pooled, and the bootstrap. What a figure of one series means is the
business of `metrics`.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .metrics import AVERAGED, COUNTS, POOLED, Row, divided, number, ratio

Rows = Mapping[str, Row]

CONFIDENCE = 0.95
DRAWS = 2000


COMPARED = ("vus_pr", "auc_pr", "f1", "event_f1")
"""Figures on which a model is held against every floor; the verdict is by the first."""


def summarise(
    judged: Mapping[str, Mapping[str, Row] | int], abouts: Mapping[str, Mapping[str, Any]], seed: int
) -> dict[str, Any]:
    """What metrics.json says, from the verdicts on all entities.

    Parameters
    ----------
    judged : mapping
        Entity -> what scored it ("model", a floor, "untrained-1" and so on) -> what `metrics.judge` says. For an entity
        without labels, its number of samples with an alarm.
    abouts : mapping
        Entity -> scores/<entity>.json: its family, and what was asked of its threshold.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        ``verdict`` on VUS-PR against ``best_floor``, as `Resampled.difference` gives it; ``model`` and ``floors`` as
        `Resampled.overall` has them, floors with what the model is ``against`` them; ``false_alarms`` wanted, expected
        from the calibration, and the lowest it supports; ``unlabelled_alarms``; ``per_entity``; ``floors_per_entity``.

    Examples
    --------
    >>> from tsad_edge.metrics import judge
    >>> def verdict(*scores):
    ...     return judge(np.array(scores), 0.5, np.array([0, 1, 0]), [{"start": 1, "end": 2, "kind": None}], 1)
    >>> asked = {"wanted": "1 per 1000 samples", "wanted_per_1000": 1.0, "supported_per_1000": 0.5, "note": "",
    ...          "expected_per_1000": 1.0, "expected_events_per_1000": 1.0, "extrapolated": False}
    >>> about = {"family": "a", "sampling_period": None, "calibration_samples": 2000, "false_alarms": asked}
    >>> found = summarise({"a": {"model": verdict(0, 1, 0), "random": verdict(1, 0, 1)}}, {"a": about}, seed=1)
    >>> found["best_floor"], found["verdict"]  # one entity says nothing about others
    ('random', 'not distinguishable')
    """
    rows: dict[str, dict[str, Row]] = {}
    for entity, verdicts in judged.items():
        if not isinstance(verdicts, int):
            nets = [verdict for name, verdict in verdicts.items() if name.startswith("untrained-")]
            for name, verdict in {**verdicts, "untrained": mean_of(nets)}.items() if nets else verdicts.items():
                if not name.startswith("untrained-"):
                    rows.setdefault(name, {})[entity] = verdict
    found: dict[str, Any] = {"verdict": None, "best_floor": None, "model": None, "floors": {}}
    if rows:
        sample = Resampled({entity: abouts[entity]["family"] for entity in rows["model"]}, seed)
        overall = {name: sample.overall(verdicts) for name, verdicts in rows.items()}
        found["model"] = overall.pop("model")
        for name, figures in overall.items():
            against = {key: sample.difference(rows["model"], rows[name], key) for key in COMPARED}
            found["floors"][name] = {**figures, "against": against}
        ranked = {name: figures["vus_pr"] for name, figures in overall.items() if figures["vus_pr"] is not None}
        if ranked:
            best = max(ranked, key=lambda name: ranked[name])
            found["best_floor"] = best
            found["verdict"] = found["floors"][best]["against"]["vus_pr"]["verdict"]
    ours = rows.pop("model", {})
    return {
        **found,
        "false_alarms": _promised(list(abouts.values())),
        "unlabelled_alarms": {entity: count for entity, count in judged.items() if isinstance(count, int)},
        "per_entity": ours,
        "floors_per_entity": {
            name: {entity: {key: row[key] for key in COMPARED} for entity, row in verdicts.items()}
            for name, verdicts in rows.items()
        },
    }


def mean_of(rows: Sequence[Row]) -> dict[str, Any]:
    """Mean of verdicts on the same series, number by number (seeds of an untrained net); None where one has none.

    Examples
    --------
    >>> mean_of([{"f1": 0.5, "events": 2}, {"f1": 0.25, "events": 2}])
    {'f1': 0.375, 'events': 2.0}
    """
    found: dict[str, Any] = {}
    for key, first in rows[0].items():
        values = [row[key] for row in rows]
        if isinstance(first, dict):
            found[key] = mean_of(values)
        elif any(value is None or isinstance(value, str) for value in values):
            found[key] = first if all(value == first for value in values) else None
        else:
            found[key] = float(np.mean(values))
    return found


class Resampled:
    """Draws of entities with replacement, the same for all that are compared, so that differences are paired.

    Whole families are drawn: entities that are copies of one recording are one piece of evidence, not several.

    Parameters
    ----------
    families : mapping of str to str
        Entity -> family.
    seed : int

    Examples
    --------
    >>> few = Resampled({"a": "a", "b": "b"}, seed=1)
    >>> few.families, few.weights.shape
    (2, (2001, 2))
    """

    def __init__(self, families: Mapping[str, str], seed: int) -> None:
        self.entities = list(families)
        names, member = np.unique(list(families.values()), return_inverse=True)
        self.families = len(names)
        draw = np.random.default_rng(zlib.crc32(f"bootstrap/{seed}".encode()))
        counts = draw.multinomial(self.families, np.full(self.families, 1 / self.families), size=DRAWS)
        everything = np.ones((1, self.families))
        # (1 + DRAWS, entities): how often each entity counts; the first row is the data set as it is.
        self.weights: NDArray[np.float64] = np.concatenate([everything, counts])[:, member]

    def overall(self, per_entity: Rows) -> dict[str, Any]:
        """All figures of a data set.

        Returns
        -------
        dict
            ``entities``, ``families``; the sums of COUNTS; the means of AVERAGED and the ratios of POOLED, each with
            its 95 % interval in ``intervals``; ``by_kind``; ``reason`` where there is nothing to rank.

        Examples
        --------
        >>> from tsad_edge.metrics import judge
        >>> one = judge(np.array([0.1, 0.9]), 0.5, np.array([0, 1]), [], 1)
        >>> Resampled({"a": "a"}, seed=1).overall({"a": one})["auc_pr"]
        1.0
        """
        rows = [per_entity[entity] for entity in self.entities]
        curves = {name: self._curve(name, rows) for name in (*AVERAGED, *POOLED)}
        kinds: dict[str, dict[str, float]] = {}
        for row in rows:
            for kind, numbers in row["by_kind"].items():
                sums = kinds.setdefault(kind, dict.fromkeys(numbers, 0))
                for key in sums:
                    sums[key] += numbers[key]
        ranked = sum(row["auc_pr"] is not None for row in rows)
        return {
            "entities": len(rows),
            "families": self.families,
            "ranked_entities": ranked,
            **{key: sum(row[key] for row in rows) for key in COUNTS},
            **{name: number(curve[0]) for name, curve in curves.items()},
            "intervals": {name: self._interval(curve) for name, curve in curves.items()},
            "by_kind": dict(sorted(kinds.items())),
            "reason": None if ranked else "no entity has both normal and anomalous samples",
        }

    def difference(self, ours: Rows, floor: Rows, name: str) -> dict[str, Any]:
        """How much higher a figure is than a floor's, over the same draws of entities.

        Returns
        -------
        dict
            ``difference``, its ``interval``, and ``verdict``: "beats" where the whole interval is above 0, "loses"
            where it is below, else "not distinguishable".

        Examples
        --------
        >>> rows = {e: {"vus_pr": v} for e, v in (("a", 0.5), ("b", 0.7), ("c", 0.6))}
        >>> low = {e: {"vus_pr": 0.1} for e in rows}
        >>> Resampled({e: e for e in rows}, seed=1).difference(rows, low, "vus_pr")["verdict"]
        'beats'
        """
        pair = [[rows[entity] for entity in self.entities] for rows in (ours, floor)]
        curve = self._curve(name, pair[0]) - self._curve(name, pair[1])
        interval = self._interval(curve)
        verdict = "not distinguishable"
        if interval is not None and interval[0] > 0:
            verdict = "beats"
        elif interval is not None and interval[1] < 0:
            verdict = "loses"
        return {"difference": number(curve[0]), "interval": interval, "verdict": verdict}

    def _curve(self, name: str, rows: Sequence[Row]) -> NDArray[np.float64]:
        """A figure for every draw, the data set itself first; NaN where a draw has none."""
        if name in POOLED:
            return ratio(rows, POOLED[name], self.weights)
        values = np.array([np.nan if row[name] is None else row[name] for row in rows], dtype=np.float64)
        known = ~np.isnan(values)
        return divided(self.weights @ np.where(known, values, 0.0), self.weights @ known)

    def _interval(self, curve: NDArray[np.float64]) -> list[float] | None:
        """Expanded percentile interval: as wide as Student's t asks for so few families (Hesterberg, The American
        Statistician 2015); with three it spans all three. None for one family, which says nothing about others."""
        from scipy.stats import norm, t

        n = self.families
        draws = curve[1:][~np.isnan(curve[1:])]
        if n < 2 or np.isnan(curve[0]) or len(draws) == 0:
            return None
        tail = norm.cdf(-np.sqrt(n / (n - 1)) * t.ppf((1 + CONFIDENCE) / 2, n - 1))
        low, high = np.quantile(draws, [tail, 1 - tail])
        return [float(low), float(high)]


def _promised(abouts: Sequence[Row]) -> dict[str, Any]:
    """What was asked of the thresholds and what the calibration says of them; rates are pooled over its samples."""
    asked, samples = [about["false_alarms"] for about in abouts], [about["calibration_samples"] for about in abouts]
    periods = [about["sampling_period"] for about in abouts]
    found: dict[str, Any] = {
        "wanted": asked[0]["wanted"],
        "wanted_per_1000": max(each["wanted_per_1000"] for each in asked),
        "supported_per_1000": max(each["supported_per_1000"] for each in asked),
    }
    for key in ("expected_per_1000", "expected_events_per_1000"):
        rates = [each[key] for each in asked]
        found[key] = float(np.average(rates, weights=samples))
        per_day = None
        if None not in periods:  # 1000 samples last 1000 periods
            daily = [rate * 86.4 / period for rate, period in zip(rates, periods, strict=True)]
            per_day = float(np.average(daily, weights=samples))
        found[key.replace("1000", "day")] = per_day
    found["extrapolated"] = [about["entity"] for about in abouts if about["false_alarms"]["extrapolated"]]
    found["notes"] = {
        about["entity"]: about["false_alarms"]["note"] for about in abouts if about["false_alarms"]["note"]
    }
    return found
