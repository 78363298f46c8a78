"""Whether a measured cell is fast enough: against the fastest peer that counts, and against the machine's limits."""

from __future__ import annotations

from dataclasses import dataclass

from networks import IN_C, TARGETS
from sides import PYTHON, C, Cell

OVER_FLOOR = 2.0
"""So many times the floor is the most."""
EQUAL = 1.1
"""A peer in integers counts where its score error is at most this many times ours."""
IN_PYTHON = 1.0
"""Microseconds that Python may add to a call."""


@dataclass(frozen=True)
class Verdict:
    """On one target."""

    target: str
    met: bool
    found: str

    def __str__(self) -> str:
        return f"{self.target}: met" if self.met else f"{self.target}: **missed** ({self.found})"


def peers_that_count(cell: Cell) -> list[str]:
    """Who is measured; in integers only who is as exact as we are."""
    peers = [side for side in cell.cpu if side not in (C, PYTHON)]
    if cell.precision == "f32":
        return peers
    return [peer for peer in peers if cell.error[peer] <= EQUAL * cell.error[C]]


def fastest(cell: Cell) -> str | None:
    """The fastest peer that counts, by CPU time; None where nobody does."""
    return min(peers_that_count(cell), key=cell.cpu.__getitem__, default=None)


def verdicts(cell: Cell) -> list[Verdict]:
    """On all targets of a cell: the ratio, through Python where it calls for each window, and the floor."""
    rival, key = fastest(cell), (cell.name, cell.batch)
    found = []
    if rival is not None:
        through = cell.cpu[rival] / cell.cpu.get(PYTHON, cell.cpu[C])
        inside = cell.cpu[rival] / cell.cpu[C]
        wanted = 1.0 if cell.precision == "int8" else TARGETS.get(key)
        if wanted is not None:
            found.append(Verdict(f"{wanted:g}x", through >= wanted, f"{through:.2f}x"))
        if cell.precision == "f32" and key in IN_C:
            found.append(Verdict(f"in C {IN_C[key]:g}x", inside >= IN_C[key], f"{inside:.2f}x"))
    if cell.floor:
        over = cell.cpu[C] / cell.floor
        found.append(Verdict(f"{OVER_FLOOR:g} floors", over <= OVER_FLOOR, f"{over:.2f}"))
    return found


def missed(cell: Cell) -> bool:
    """A target of it is not met."""
    return not all(verdict.met for verdict in verdicts(cell))
