"""Sums and products of two s16 tensors, whatever their grids: the attributes of add_s16 and mul_s16."""

from __future__ import annotations

from ..ir import Attr, Grid
from ..ops.integer import MOST, multiplier
from ..ops.pointwise_s16 import factors
from .scope import NoRule


def sum_of(a: Grid, b: Grid, to: Grid, sign: float = 1.0) -> dict[str, Attr]:
    """a + sign * b.

    Raises
    ------
    NoRule
        A unit of a or b is too many of the sum's.
    """
    try:
        left, right, shift = factors(a.scale / to.scale, sign * b.scale / to.scale)
    except ValueError:
        raise NoRule from None
    return {"left": left, "right": right, "shift": shift, "limit": to.limit}


def product_of(unit: float, wanted: Grid) -> tuple[Grid, dict[str, Attr]]:
    """Of products that count in `unit`: their grid, no finer than can be said, and the attributes."""
    grid = Grid(max(wanted.scale, unit / MOST), wanted.limit)
    m, shift = multiplier(min(unit / grid.scale, MOST))
    return grid, {"multiplier": m, "shift": shift, "limit": grid.limit}
