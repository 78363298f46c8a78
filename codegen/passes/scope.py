"""What rules of quantisation may ask of the pass that walks the graph, and what they say where they have no answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from ..ir import Attr, Grid, Op
from ..ops.integer import LIMIT, UNIT_SCALE
from .calibrate import Moments

UNIT = Grid(UNIT_SCALE, LIMIT)
"""Of what lies within -1 and 1."""


class NoRule(Exception):
    """The operator cannot be said in integers."""


class Scope(Protocol):
    """What a rule may ask."""

    graph: Any

    def grid(self, name: str, least: float = 0.0) -> Grid:
        """A grid for an output by what was seen of it, no finer than `least`; NoRule where that was no range."""

    def grid_of(self, name: str) -> Grid:
        """The grid of an s16 tensor."""

    def integer(self, name: str) -> str:
        """The s16 form of a tensor or constant of the graph; NoRule where a value of it stands for infinity."""

    def before(self, op: Op, kind: str, inputs: tuple[str, ...], grid: Grid, attrs: Mapping[str, Attr]) -> str:
        """Write an operator of this one's shape in front of it; the name of its output."""

    def keep(self, wish: str, value: NDArray[Any]) -> str:
        """Make a constant."""

    def moments(self, name: str) -> Moments | None:
        """Of what goes into the product with this output; None where they are not known."""

    def wants_float(self, name: str) -> bool:
        """Whether nobody reads this output as integers."""
