"""Which operators of a quantised model stay float32: chosen by what each does to the score, and nothing else.

Owns the measure. What an operator becomes in integers is in `passes`; what a bearable error is, the caller says.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .interpret import interpret
from .ir import Graph, Op
from .ops import TABLE
from .passes import run
from .passes.calibrate import Calibration, calibrate
from .passes.quantise import quantised

SHARE = 0.99
"""Quantile of the windows' errors that is compared: a few windows far off the rest decide nothing."""


ROOMS = (64.0, 32.0, 16.0, 8.0, 4.0, 2.0, 1.0)
"""What is tried: with the first one slots reach 1024 times, other values 256 times what calibration saw."""
LITTLE = (1.5, 0.01)
"""Room costs little where the error is within this factor of that without it, or below this share of the unit."""
EXACT = frozenset(
    {
        *("add", "sub", "mul", "abs", "relu", "leaky_relu", "maximum", "minimum", "sum", "mean", "max", "min"),
        *("less", "less_equal", "equal", "not_equal", "where"),
    }
)
"""Float operators that round once a step, in one order, or decide: C and interpreter agree to the bit."""


def is_exact(graph: Graph) -> bool:
    """Whether the C of a graph must have the interpreter's bits: integers, and floats only in operators of EXACT."""
    spec_of = {op.kind: TABLE[op.kind] for op in graph.ops}
    floats = {kind for kind, spec in spec_of.items() if spec.writes != "any" and {*spec.reads, spec.writes} == {"f32"}}
    return floats <= EXACT


@dataclass(frozen=True)
class Loss:
    """What one operator's integers cost."""

    name: str
    """Of its output, in the graph that is quantised."""
    sources: tuple[str, ...]
    error: float
    """Of the score, this operator in float32 and the others as they were, in the caller's unit."""
    before: float
    """The same with this operator in integers, too."""


class Trial:
    """A graph, what calibration saw of it, and windows to measure scores on.

    Parameters
    ----------
    graph : Graph
        As `load` gave it.
    calibration, judged : ndarray (n, W, C)
        Windows of normal operation: for the ranges, and to measure on.
    unit : float
        What errors are divided by: the threshold.

    Raises
    ------
    ValueError
        See `passes.quantise`.
    """

    def __init__(
        self, graph: Graph, calibration: NDArray[np.float32], judged: NDArray[np.float32], unit: float
    ) -> None:
        self.graph = dict(run(graph))["fuse"]
        self.seen: Calibration = calibrate(self.graph, calibration)
        self.judged, self.unit = judged, unit
        self.exact = interpret(self.graph, judged, np.float32).scores.astype(np.float64)
        self.room = self._room()
        """Times the room that `passes.quantise` leaves for values beyond calibration's."""

    def quantised(self, as_float: Collection[str], room: float | None = None) -> Graph:
        """The graph in integers but for these operators, as `compile_graph` goes on with it."""
        return quantised(self.graph, self.seen, as_float, self.room if room is None else room)

    def error(self, as_float: Collection[str], room: float | None = None) -> float:
        """Of the score, with these operators in float32: the error of all but a hundredth of the windows."""
        made = self.quantised(as_float, room)
        scores = interpret(made, self.judged, np.float32).scores.astype(np.float64)
        with np.errstate(invalid="ignore"):
            errors = np.nan_to_num(np.abs(scores - self.exact) / self.unit, nan=np.inf)
        return float(np.quantile(errors, SHARE, method="lower"))

    def _room(self) -> float:
        """The most that costs little: values that saturate lose what tells one anomaly from another."""
        bearable = max(LITTLE[0] * self.error([], 1.0), LITTLE[1])
        return next(room for room in ROOMS if room == 1.0 or self.error([], room) <= bearable)

    def losses(self, as_float: Collection[str] = ()) -> list[Loss]:
        """Of every operator that is in integers: the costliest first."""
        before = self.error(as_float)
        made = {op.output.name for op in self.quantised(as_float).ops if TABLE[op.kind].reads[0] == "s16"}
        found = [
            Loss(op.output.name, _sources(op), self.error([*as_float, op.output.name]), before)
            for op in self.graph.ops
            if op.output.name in made
        ]
        return sorted(found, key=lambda loss: loss.error)

    def choose(self, bearable: float) -> list[Loss]:
        """What must stay float32, one after the other, until the error is bearable or nothing helps any more."""
        chosen: list[Loss] = []
        while self.error([loss.name for loss in chosen]) > bearable:
            losses = self.losses([loss.name for loss in chosen])
            if not losses or losses[0].error >= losses[0].before:
                break
            chosen.append(losses[0])
        return chosen


def _sources(op: Op) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{s} ({s.line})" for s in op.sources)) or (op.kind,)
