"""Figures as they were when they were last agreed on: baseline.json, what may not leave them, and how they are renewed.

Owns the file, the table and the comparison. What is measured, and how far it may move, say the gates: sizes.py (flash,
memory and a board's instructions), instructions.py (a host's), ratios.py (the clock).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tsad_edge.files import read_json, write_json

FILE = Path(__file__).with_name("baseline.json")

Rows = Mapping[str, Mapping[str, float]]  # row -> what -> figure
Limits = Callable[[bool], tuple[float, float]]
"""Whether one maker made both figures -> so many times the old one the new one must be at least and at most."""


@dataclass(frozen=True)
class Measured:
    """What a gate, which is the script of that name beside this one, measures in groups."""

    gate: str
    makers: Mapping[str, str]  # group -> what its figures depend on beside our sources: a compiler, a processor
    groups: Mapping[str, Rows]


def judge(now: Measured, limits: Limits, *, write: bool) -> int:
    """Print what was measured, and compare it or make it the baseline; 1 when something is beyond its limits."""
    print(table(now))
    if write:
        renew(now)
        return 0
    found = departures(now, agreed(now.gate), limits)
    print("\n".join(found) or f"everything is within the limits of {FILE.name}")
    return 1 if found else 0


def wants_write(description: str | None, arguments: Sequence[str] | None) -> bool:
    """Read a gate's command line, which has one option."""
    reader = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--write", action="store_true", help="make what was measured the baseline")
    return bool(reader.parse_args(arguments).write)


def agreed(gate: str) -> Measured:
    """A gate's part of the file; empty where it has none yet."""
    part = read_json(FILE).get(gate, {"makers": {}, "groups": {}})
    return Measured(gate, part["makers"], part["groups"])


def renew(now: Measured) -> None:
    """Replace a gate's part of the file, and leave the others."""
    write_json(FILE, read_json(FILE) | {now.gate: {"makers": now.makers, "groups": now.groups}})


def departures(now: Measured, before: Measured, limits: Limits) -> list[str]:
    """A sentence for every figure that left its limits, and for what the baseline lacks.

    Examples
    --------
    >>> old, new = (Measured("sizes", {"m4": "12"}, {"m4": {"gan": {"flash": size}}}) for size in (1000, 1100))
    >>> departures(new, old, lambda same: (0.0, 1.2))
    []
    >>> departures(new, old, lambda same: (0.0, 1.0))[0][:46]
    'm4, gan: flash went from 1000 to 1100 (+10.0 %'
    """
    found, renewed = [], f"python benchmarks/{now.gate}.py --write"
    for group, rows in now.groups.items():
        maker, other = now.makers[group], before.makers.get(group)
        least, most = limits(maker == other)
        for row, figures in rows.items():
            old = before.groups.get(group, {}).get(row, {})
            for what, figure in figures.items():
                if what not in old:
                    found.append(f"{group}, {row}: {what} is not in {FILE.name}; run `{renewed}`")
                elif not least * old[what] <= figure <= most * old[what]:
                    change = f"{figure / old[what] - 1:+.1%}".replace("%", " %") if old[what] else "from nothing"
                    whose = f", there by {other}, here by {maker}" if maker != other else ""
                    found.append(
                        f"{group}, {row}: {what} went from {old[what]} to {figure} ({change}{whose}); mend it, or run "
                        f"`{renewed}` and commit the new baseline with what it is worth"
                    )
    return found


def table(now: Measured) -> str:
    """As Markdown."""
    whats = list(dict.fromkeys(what for rows in now.groups.values() for row in rows.values() for what in row))
    lines = ["| | | " + " | ".join(whats) + " |", "|---|---|" + "---|" * len(whats)]
    for group, rows in now.groups.items():
        for row, figures in rows.items():
            lines.append(f"| {group} | {row} | " + " | ".join(str(figures.get(w, "-")) for w in whats) + " |")
    return "\n".join(lines)
