"""Writes down what `speed` measured, as markdown: a row a network and batch, and where time goes that was too long."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from limits import Limits, machine
from sides import LEAST_ROUNDS, PYTHON, ROUNDS, C, Cell
from verdicts import EQUAL, IN_PYTHON, OVER_FLOOR, fastest, verdicts

TITLES = {"f32": "float32", "int8": "Integers"}


def head(limits: Limits, cells: Sequence[Cell]) -> str:
    """How the figures came about."""
    waited = [cell.wall[side] / cell.cpu[side] for cell in cells for side in cell.cpu]
    peaks = " and ".join(f"{most / 1e3:.1f} G in {what}" for what, most in limits.mac_per_us.items())
    return (
        f"Microseconds of CPU time a window of 100 samples, medians of {LEAST_ROUNDS} to {ROUNDS} rounds that take "
        f"turns, on one thread, by `make speed`. {machine()}: at most {peaks} multiply-adds a second. The clock ran "
        f"{statistics.median(waited):.2f} times as long as the CPU in the median, {max(waited):.2f} times at most; "
        "ratios by it stand beside those by CPU time. The floor is what multiply-adds, or one window at a time reading "
        f"the weights, take at these limits; {OVER_FLOOR:g} floors are the most.\n"
    )


def section(cells: Sequence[Cell], profiles: Mapping[tuple[str, str, int], str]) -> str:
    """The table of one precision."""
    precision = cells[0].precision
    ours = [C, PYTHON]
    sides = [*ours, *dict.fromkeys(side for cell in cells for side in (*cell.cpu, *cell.absent) if side not in ours)]
    titles = ["network", "windows at once", *sides, "floor", "floors", "times as fast as", "CPU", "clock", "targets"]
    lines = [f"\n## {TITLES[precision]}\n"]
    if precision == "int8":
        lines.append(
            f"After each time the error of the scores: root mean square of the difference to float64 PyTorch, over the "
            f"scores' own deviation. A peer counts whose error is at most {EQUAL:g} times ours.\n"
        )
    lines += [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    lines += [row(cell, sides) for cell in cells]
    reasons = list(dict.fromkeys(why for cell in cells for why in cell.absent.values()))
    lines += ['\n"-" stands for who is absent:\n'] if reasons else []
    lines += [f"- {who_lacks(cells, why)}: {why}" for why in reasons]
    told = [(cell, profiles[key(cell)]) for cell in cells if key(cell) in profiles]
    lines += ["\nWhere the time goes in cells that miss a target:\n"] if told else []
    lines += [f"- {cell.name} ({cell.batch}): {text}" for cell, text in told]
    return "\n".join(lines) + "\n"


def who_lacks(cells: Sequence[Cell], why: str) -> str:
    """Peers that are absent for a reason, and where."""
    found = [(side, cell.name) for cell in cells for side, reason in cell.absent.items() if reason == why]
    sides, names = (dict.fromkeys(each) for each in zip(*found, strict=True))
    return f"{', '.join(sides)} ({', '.join(names)})"


def key(cell: Cell) -> tuple[str, str, int]:
    """What names a cell."""
    return cell.name, cell.precision, cell.batch


def row(cell: Cell, sides: Sequence[str]) -> str:
    """A line of the table."""
    figures = [figure(cell, side) for side in sides]
    floor = [short(cell.floor), f"{cell.cpu[C] / cell.floor:.1f}"] if cell.floor else ["-", "-"]
    rival, through = fastest(cell), PYTHON if PYTHON in cell.cpu else C
    if rival is None:
        against = ["nobody as exact", "-", "-"]
    else:
        against = [rival, *(f"{each[rival] / each[through]:.2f}" for each in (cell.cpu, cell.wall))]
    told = "; ".join(map(str, verdicts(cell)))
    return f"| {' | '.join([cell.name, str(cell.batch), *figures, *floor, *against, told])} |"


def figure(cell: Cell, side: str) -> str:
    """Time of a side, in integers with its error; "-" for one that is absent, the reason stands below."""
    if side not in cell.cpu:
        return "-" if side in cell.absent else ""
    error = f" ({cell.error[side]:.2g})" if cell.precision == "int8" and side in cell.error else ""
    return f"{short(cell.cpu[side])}{error}"


def short(us: float) -> str:
    """Three digits, or whole microseconds.

    Examples
    --------
    >>> short(0.12345), short(5432.1)
    ('0.123', '5432')
    """
    return f"{us:.0f}" if us >= 100 else f"{us:.3g}"


def call(cells: Sequence[Cell]) -> str:
    """What a call from Python costs, by the network that computes least."""
    small = min((cell for cell in cells if PYTHON in cell.cpu), key=lambda cell: cell.cpu[C])
    cost = small.cpu[PYTHON] - small.cpu[C]
    return (
        f"\nA call from Python costs {cost:.2f} us more than one from C ({small.name}, which computes least); at most "
        f"{IN_PYTHON:g} us is the target: {'met' if cost <= IN_PYTHON else '**missed**'}.\n"
    )
