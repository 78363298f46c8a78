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

from .metrics import AVERAGED, COUNTS, FIGURES, HARMONIC, POOLED, Row, divided, number, pooled

Rows = Mapping[str, Row]

CONFIDENCE = 0.95
DRAWS = 2000


COMPARED = ("vus_pr", "auc_pr", "f1", "composite_f1")
"""Figures on which a model is held against every floor; the verdict is by the first."""


def summarise(
    judged: Mapping[str, Mapping[str, Row]], abouts: Mapping[str, Mapping[str, Any]], seed: int
) -> dict[str, Any]:
    """What metrics.json says, from the verdicts on all entities.

    Parameters
    ----------
    judged : mapping
        Entity -> what scored it ("model", a floor, "untrained-1" and so on) -> what `metrics.judge` says. An entity
        without labels has only "unlabelled" -> what `metrics.alarms` says.
    abouts : mapping
        Entity -> scores/<entity>.json: its family, and what was asked of its threshold.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        ``verdict`` on VUS-PR: "beats" where the model beats every floor, "loses" where it loses to one, else "not
        distinguishable"; ``rival``, the floor that decides it; ``model`` and ``floors`` as `Resampled.overall` has
        them, floors with what the model is ``against`` them; ``false_alarms`` wanted, expected from the calibration,
        and the lowest it supports; ``unlabelled``; ``per_entity``; ``floors_per_entity``.

    Examples
    --------
    >>> from tsad_edge.metrics import judge
    >>> def verdict(*scores):
    ...     return judge(np.array(scores), 0.5, np.array([0, 1, 0]), [{"start": 1, "end": 2, "kind": None}], 1)
    >>> asked = {"wanted": "1 per 1000 samples", "wanted_per_1000": 1.0, "supported_per_1000": 0.5, "note": "",
    ...          "expected_per_1000": 1.0, "expected_events_per_1000": 1.0, "extrapolated": False}
    >>> about = {"entity": "a", "family": "a", "sampling_period": None, "calibration_samples": 2000}
    >>> about["false_alarms"] = asked
    >>> found = summarise({"a": {"model": verdict(0, 1, 0), "random": verdict(1, 0, 1)}}, {"a": about}, seed=1)
    >>> found["rival"], found["verdict"]  # one entity says nothing about others
    ('random', 'not distinguishable')
    """
    rows: dict[str, dict[str, Row]] = {}
    for entity, verdicts in judged.items():
        if "unlabelled" not in verdicts:
            nets = [verdict for name, verdict in verdicts.items() if name.startswith("untrained-")]
            for name, verdict in {**verdicts, "untrained": mean_of(nets)}.items() if nets else verdicts.items():
                if not name.startswith("untrained-"):
                    rows.setdefault(name, {})[entity] = verdict
    found: dict[str, Any] = {"verdict": None, "rival": None, "model": None, "floors": {}}
    if rows:
        sample = Resampled({entity: abouts[entity]["family"] for entity in rows["model"]}, seed)
        overall = {name: sample.overall(verdicts) for name, verdicts in rows.items()}
        found["model"] = overall.pop("model")
        for name, figures in overall.items():
            against = {key: sample.difference(rows["model"], rows[name], key) for key in COMPARED}
            found["floors"][name] = {**figures, "against": against}
        if found["model"]["vus_pr"] is not None:
            found["verdict"], found["rival"] = _verdict(found["floors"])
    ours = rows.pop("model", {})
    return {
        **found,
        "false_alarms": _promised(list(abouts.values())),
        "unlabelled": {entity: found["unlabelled"] for entity, found in judged.items() if "unlabelled" in found},
        "per_entity": ours,
        "floors_per_entity": {
            name: {entity: {key: row[key] for key in COMPARED} for entity, row in verdicts.items()}
            for name, verdicts in rows.items()
        },
    }


def mean_of(rows: Sequence[Row]) -> dict[str, Any]:
    """Mean of verdicts on the same series, number by number, over those that have one (seeds of an untrained net).

    Examples
    --------
    >>> mean_of([{"f1": 0.5, "events": 2}, {"f1": 0.25, "events": 2}])
    {'f1': 0.375, 'events': 2.0}
    """
    found: dict[str, Any] = {}
    for key, first in rows[0].items():
        known = [row[key] for row in rows if row[key] is not None]
        if isinstance(first, dict):
            found[key] = mean_of(known)
        elif not known or isinstance(known[0], str):
            found[key] = known[0] if known else None
        else:
            found[key] = float(np.mean(known))
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
        self.families, self.members = len(names), member
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
            ``entities``, ``families``; the sums of COUNTS; the means of AVERAGED, the ratios of POOLED and HARMONIC,
            each with its 95 % interval in ``intervals``; ``by_kind``; ``reason`` where there is nothing to rank.

        Examples
        --------
        >>> from tsad_edge.metrics import judge
        >>> one = judge(np.array([0.1, 0.9]), 0.5, np.array([0, 1]), [], 1)
        >>> Resampled({"a": "a"}, seed=1).overall({"a": one})["auc_pr"]
        1.0
        """
        rows = [per_entity[entity] for entity in self.entities]
        curves = {name: self._curve(name, rows) for name in FIGURES}
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
            "intervals": {name: _within(name, self._interval(name, curve, rows)) for name, curve in curves.items()},
            "by_kind": dict(sorted(kinds.items())),
            "reason": None if ranked else "no entity has both normal and anomalous samples",
        }

    def figure(self, per_entity: Rows, name: str) -> float | None:
        """One figure of a data set, without its interval.

        Examples
        --------
        >>> Resampled({"a": "a", "b": "b"}, seed=1).figure({"a": {"vus_pr": 0.5}, "b": {"vus_pr": 0.75}}, "vus_pr")
        0.625
        """
        return number(self._curve(name, [per_entity[entity] for entity in self.entities])[0])

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
        interval = self._interval(name, curve, *pair)
        verdict = "not distinguishable"
        if interval is not None and interval[0] > 0:
            verdict = "beats"
        elif interval is not None and interval[1] < 0:
            verdict = "loses"
        return {"difference": number(curve[0]), "interval": interval, "verdict": verdict}

    def _curve(self, name: str, rows: Sequence[Row]) -> NDArray[np.float64]:
        """A figure for every draw, the data set itself first; NaN where a draw has none."""
        if name not in AVERAGED:
            return pooled(name, rows, self.weights)
        values = np.array([np.nan if row[name] is None else row[name] for row in rows], dtype=np.float64)
        known = ~np.isnan(values)
        return divided(self.weights @ np.where(known, values, 0.0), self.weights @ known)

    def _interval(self, name: str, curve: NDArray[np.float64], *compared: Sequence[Row]) -> list[float] | None:
        """Student's t times the bootstrap's standard error, widened by sqrt(n / (n - 1)) since draws of n from n spread
        less than n from a population (Hesterberg, The American Statistician 2015). None below two families."""
        from scipy.special import stdtrit

        known = np.all([[_has(name, row) for row in rows] for rows in compared], axis=0)
        n, draws = len(set(self.members[known])), curve[1:][~np.isnan(curve[1:])]
        if n < 2 or np.isnan(curve[0]):
            return None
        half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2) * np.sqrt(n / (n - 1)) * draws.std())
        return [float(curve[0]) - half, float(curve[0]) + half]


def _has(name: str, row: Row) -> bool:
    """Whether an entity has a say in a figure."""
    if name in HARMONIC:
        return all(_has(part, row) for part in HARMONIC[name][1:])
    return POOLED[name].needs(row) > 0 if name in POOLED else row[name] is not None


def _within(name: str, interval: list[float] | None) -> list[float] | None:
    """An interval cut to what the figure can be: no figure is negative, and only rates and delays exceed 1."""
    if interval is None:
        return None
    highest = np.inf if "_per_" in name or name == "delay_samples" else 1.0
    return [max(interval[0], 0.0), float(min(interval[1], highest))]


def _verdict(floors: Mapping[str, Row]) -> tuple[str, str]:
    """What the model is against the floors together, and the best of those floors that make it so."""
    against = {name: floor["against"]["vus_pr"]["verdict"] for name, floor in floors.items()}
    verdict = next(each for each in ("loses", "not distinguishable", "beats") if each in against.values())
    return verdict, max((name for name in against if against[name] == verdict), key=lambda name: floors[name]["vus_pr"])


def _promised(abouts: Sequence[Row]) -> dict[str, Any]:
    """What was asked of the thresholds and what the calibration says of them; rates are pooled over its samples."""
    asked, samples = [about["false_alarms"] for about in abouts], np.array([a["calibration_samples"] for a in abouts])
    periods = [about["sampling_period"] for about in abouts]
    found: dict[str, Any] = {
        "wanted": asked[0]["wanted"],
        "wanted_per_1000": max(each["wanted_per_1000"] for each in asked),
        "supported_per_1000": max(each["supported_per_1000"] for each in asked),
    }
    for key in ("expected_per_1000", "expected_events_per_1000"):
        alarms = float(np.dot([each[key] for each in asked], samples)) / 1000
        found[key] = 1000 * alarms / float(samples.sum())
        days = None if None in periods else float(np.dot(samples, periods)) / 86400
        found[key.replace("1000", "day")] = None if days is None else alarms / days
    told = {about["entity"]: about["false_alarms"] for about in abouts}
    found["unsupported"] = [name for name, each in told.items() if each["wanted_per_1000"] < each["supported_per_1000"]]
    found["extrapolated"] = [name for name, each in told.items() if each["extrapolated"]]
    found["notes"] = {name: each["note"] for name, each in told.items() if each["note"]}
    return found
