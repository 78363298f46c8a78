"""The tables of a report, as cells of text: the same for Markdown and for the browser.

Owns which figures stand beside which; how a table is written belongs to `markdown` and `html`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .compare import FIGURES, Change, Changes, Other
from .seen import FALSE, MISSED, Finding
from .sizes import growth, measured, on_boards, on_host, only_in
from .text import boards_told, interval, number, some

SHOWN = 60
"""Findings an entity's table has at most."""
WORST = 8
"""Findings over all entities that stand on top."""


@dataclass(frozen=True)
class Table:
    """A table with its heading and a note below it; `findings` are the rows' own, where one can be shown in a plot."""

    title: str
    head: list[str]
    rows: list[list[str]]
    note: str = ""
    findings: list[Finding] = field(default_factory=list)


def against(found: Changes, other: Other) -> Table:
    """The figures of the data set beside the other revision's."""
    rows = [[FIGURES[name], *_changed(name, change)] for name, change in found.overall.items()]
    notes = [f"Over the {len(found.shared)} entities that both have; differences are paired, entity by entity."]
    if not found.shared:
        notes = ["No labelled entity is in both, so nothing can be compared."]
    for names, place in ((found.added, "here"), (found.gone, other.name)):
        if names:
            notes.append(f"Only {'in ' if names is found.gone else ''}{place}: {', '.join(names)}.")
    return Table(f"Against {other.name}", ["", other.name, "now", "difference (95 %)", ""], rows, " ".join(notes))


def floors(metrics: Mapping[str, Any]) -> Table:
    """The model beside the floors it must beat."""
    rows = []
    for name, row in {"model": metrics["model"], **metrics["floors"]}.items():
        verdict = row["against"]["vus_pr"]["verdict"] if "against" in row and metrics["verdict"] else ""
        figures = [number(row[key], 3) for key in ("auc_pr", "f1", "composite_f1", "point_adjusted_f1")]
        rows.append([name, number(row["vus_pr"], 3), interval(row, "vus_pr"), verdict, *figures])
    head = ["", "VUS-PR", "95 %", "the model", "AUC-PR", "F1", "composite F1", "not for ranking"]
    note = "Not for ranking: point-adjusted F1 at the best threshold by the labels, which random numbers win."
    return Table("Model and floors", head, rows, note)


def kinds(metrics: Mapping[str, Any], other: Other | None) -> Table:
    """Events found, by kind."""
    found = metrics["model"]["by_kind"]
    then = ((other.metrics.get("model") or {}).get("by_kind") or {}) if other else {}
    rows = [
        [kind, f"{row['found']} of {row['events']}"]
        + ([f"{then[kind]['found']} of {then[kind]['events']}" if kind in then else "-"] if other else [])
        for kind, row in found.items()
    ]
    return Table("Events found by kind", ["kind", "now", *([other.name] if other else [])], rows)


def confusion(row: Mapping[str, Any], title: str) -> Table:
    """Samples by label and decision."""
    true, false, anomalous = row["true_alarms"], row["false_alarms"], row["anomalous"]
    quiet = row["samples"] - anomalous - false
    rows = [
        ["anomalous", f"{true} true alarms", f"{anomalous - true} missed"],
        ["normal", f"{false} false alarms", f"{quiet} rightly quiet"],
    ]
    return Table(title, ["samples", "alarm", "no alarm"], rows)


def entities(metrics: Mapping[str, Any], order: Sequence[str], other: Other | None) -> Table:
    """One row an entity, in a given order; with the other revision's VUS-PR and F1 where it has the entity."""
    then = other.metrics["per_entity"] if other else {}
    head = ["entity", "events found", "false alarm events", "false alarms per 1000", "VUS-PR"]
    head += [*(["then"] if other else []), "best floor", "F1", *(["then"] if other else [])]
    rows = []
    for entity in order:
        if entity in metrics["unlabelled"]:
            row = metrics["unlabelled"][entity]
            text = f"{row['alarms']} alarms in {row['alarm_events']} events, no labels"
            rows.append([entity, text, *["-"] * (len(head) - 2)])
            continue
        row, before = metrics["per_entity"][entity], then.get(entity, {})
        rivals = {name: each[entity]["vus_pr"] for name, each in metrics["floors_per_entity"].items()}
        known = {name: value for name, value in rivals.items() if value is not None}
        best = max(known, key=lambda name: known[name]) if known else None
        cells = [entity, f"{row['events_found']} of {row['events']}", str(row["false_alarm_events"])]
        cells += [number(row["false_alarms_per_1000"], 2), number(row["vus_pr"], 3)]
        cells += [number(before.get("vus_pr"), 3)] if other else []
        cells += [f"{known[best]:.3f} {best}" if best else "-", number(row["f1"], 3)]
        rows.append(cells + ([number(before.get("f1"), 3)] if other else []))
    return Table("Entities", head, rows, "Those with the most missed events first.")


def proof(check: Mapping[str, Any], other: Other | None) -> Table:
    """What check.json says."""
    on_any_board = any(boards_told(tree) for tree in (check, *([other.check] if other else [])))

    def column(tree: Mapping[str, Any]) -> list[str]:
        names = [tree.get(key, []) for key in ("entities_without_alarm", "degenerate_calibration", "failures")]
        return [
            "PASSED" if tree["passed"] else "FAILED",
            f"{tree['samples']} of {tree['entities']} entities",
            f"{tree['max_score_error']:.2g}",
            "-" if "largest_share_of_tolerance" not in tree else f"{tree['largest_share_of_tolerance']:.0%}",
            str(tree["samples_in_band"]),
            str(tree["flipped_decisions"]),
            "equal" if tree["events_equal"] else f"equal but for {len(tree['events_excused'])} excused",
            *(some([str(each) for each in listed]) or "none" for listed in names),
            *([boards_told(tree) or "no board"] if on_any_board else []),
        ]

    words = ["the compiled C against PyTorch", "samples", "largest score error", "at most, of a sample's tolerance"]
    words += ["samples within tolerance of the threshold", "decisions flipped", "events", "entities without alarm"]
    words += ["degenerate calibration", "failures", *(["firmware, against the edge binary"] if on_any_board else [])]
    columns = [column(check), *([column(other.check)] if other else [])]
    rows = [list(row) for row in zip(words, *columns, strict=True)]
    return Table("Proof", ["", "now", *([other.name] if other else [])], rows)


def cost(now: Mapping[str, Any], other: Other | None) -> Table:
    """What a detector takes of the host and of boards, with growth; entities that are alike share a row."""
    ours = on_host(now) | on_boards(now)
    theirs = on_host(other.cost) | on_boards(other.cost) if other else {}
    shown = measured(ours)
    alike: dict[tuple[str, ...], list[str]] = {}
    for target, per_entity in ours.items():
        for entity, row in per_entity.items():
            before, cells = theirs.get(target, {}).get(entity, {}), [target]
            for name in shown:
                cells.append(number(row[name], 0))
                if other:
                    new = not before and row[name] is not None
                    cells.append("new" if new else growth(row[name], before.get(name)))
            alike.setdefault(tuple(cells), []).append(entity)
    rows = [[some(names), *cells] for cells, names in alike.items()]
    head = ["entity", "target"]
    for name in shown:
        head += [name, *(["growth"] if other else [])]
    notes = ["Flash of the host is weights, tables and machine code, its RAM the model's memory."]
    if boards := now.get("boards", {}):
        notes.append("A board's are the whole firmware's, the stack apart.")
        elsewhere = {board: tree["counted_on"] for board, tree in boards.items() if tree["counted_on"] != board}
        notes += [f"Instructions of {board} were counted on {counter}." for board, counter in elsewhere.items()]
    if other:
        sides = (("here", only_in(ours, theirs)), (f"in {other.name}", only_in(theirs, ours)))
        notes += [f"Only {place}: {', '.join(names)}." for place, names in sides if names]
    return Table("Cost", head, rows, " ".join(notes))


def findings(title: str, found: Sequence[Finding], note: str = "", most: int = SHOWN, named: bool = False) -> Table:
    """Events and alarms, in their order; `named` adds the entity."""
    shown = list(found[:most])
    rows = [
        [
            *([one.entity] if named else []),
            one.outcome,
            one.kind or "-",
            when(one.start, one.dated),
            when(one.end, one.dated),
            str(one.samples),
            f"{one.peak:.4g}",
            reach(one.reach),
            "-" if one.delay is None else str(one.delay),
            one.top or "-",
        ]
        for one in shown
    ]
    head = [*(["entity"] if named else []), "", "kind", "start", "end", "samples", "peak", "reach", "delay"]
    if len(found) > most:
        note = f"{note} And {len(found) - most} more.".strip()
    return Table(title, [*head, "top channel"], rows, note, shown)


def worst(found: Sequence[Finding]) -> list[Table]:
    """Over all entities: the worst misses, and the worst false alarms."""
    note = (
        "Reach: how far the highest score went from the median score (0) to the threshold (1). Top channel: the one "
        "with the largest share of that score, as the compiled C says."
    )
    misses, alarms = ([one for one in found if one.outcome == outcome] for outcome in (MISSED, FALSE))
    tables = [
        findings(f"Worst misses, of {len(misses)}", misses, note, WORST, named=True),
        findings(f"Worst false alarms, of {len(alarms)}", alarms, "", WORST, named=True),
    ]
    return [table for table in tables if table.rows]


def reach(value: float) -> str:
    """A reach in three digits.

    Examples
    --------
    >>> reach(0.98765), reach(123456.0), reach(float("inf"))
    ('0.988', '123000', 'beyond measure')
    """
    return f"{float(f'{value:.3g}'):g}" if np.isfinite(value) else "beyond measure"


def when(t: int, dated: bool) -> str:
    """A time as people read it.

    Examples
    --------
    >>> when(1700000000000, True), when(41, False)
    ('2023-11-14 22:13:20', '41')
    """
    return str(np.datetime64(t, "ms").astype("datetime64[s]")).replace("T", " ") if dated else str(t)


def _changed(name: str, change: Change) -> list[str]:
    digits = 2 if "_per_" in name else 0 if name == "delay_samples" else 3
    difference = "-" if change.difference is None else f"{change.difference:+.{max(digits, 1)}f}"
    if change.interval is not None:
        low, high = change.interval
        difference += f" ({low:+.{max(digits, 1)}f} to {high:+.{max(digits, 1)}f})"
    return [number(change.then, digits), number(change.now, digits), difference, change.word]
