"""What the parts of attention become in integers: norms, softmax and its masks, products of two tensors."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..ir import Grid, Op
from ..ops.bmm_s16 import sum_shift
from ..ops.integer import LIMIT, MOST, multiplier
from ..ops.pointwise_s16 import LIFT
from ..ops.rowwise_s16 import MOST_SHARES, WIDEST, largest_eps, magnitude_bits
from ..ops.spec import integer, number
from .calibrate import MASKED
from .pairs import product_of, sum_of
from .scope import UNIT, NoRule, Scope

HIDDEN = 12.0
"""So far below the largest entry of a softmax an entry has no share: 17 log(2), and a little for rounding."""


def _fixed(op: Op, scope: Scope, grid: Grid) -> Grid:
    """A grid that the operator cannot choose; NoRule where a product behind it has no room for all of it."""
    if scope.grid(op.output.name).limit < grid.limit:
        raise NoRule
    return grid


def _softmax(op: Op, scope: Scope) -> Op:
    dim = integer(op.attrs, "dim")
    if op.attrs["log"] or op.output.shape[dim] > MOST_SHARES:
        raise NoRule
    x = scope.integer(op.inputs[0])
    factor = scope.grid_of(x).scale * math.log2(math.e) * 2.0 ** (16 - LIFT)
    if factor > MOST:
        raise NoRule
    m, shift = multiplier(factor)
    attrs = {"dim": dim, "multiplier": m, "shift": shift}
    output = replace(op.output, grid=_fixed(op, scope, UNIT))
    return replace(op, kind="softmax_s16", inputs=(x,), output=output, attrs=attrs)


def _normalise(op: Op, scope: Scope) -> Op:
    x, weight, bias = (*op.inputs, "", "")[:3]
    axes, centred = integer(op.attrs, "axes"), bool(op.attrs["centred"])
    width = math.prod(op.output.shape[-axes:])
    if width > WIDEST or (axes > 1 and (weight or bias)):
        raise NoRule
    x = scope.integer(x)
    eps = number(op.attrs, "eps") * (width / scope.grid_of(x).scale) ** 2
    if eps > largest_eps(width):
        raise NoRule
    grid = Grid(2.0 ** (magnitude_bits(width, centred) - 15), LIMIT)
    attrs = {"axes": axes, "centred": op.attrs["centred"], "eps": max(round(eps), 1)}
    if weight or bias:
        return _affine(op, scope, scope.before(op, "normalise_s16", (x,), grid, attrs), weight, bias)
    output = replace(op.output, grid=_fixed(op, scope, grid))
    return replace(op, kind="normalise_s16", inputs=(x,), output=output, attrs=attrs)


def _affine(op: Op, scope: Scope, normed: str, weight: str, bias: str) -> Op:
    """A norm's own weight and bias: a product, then a sum."""
    grid, at = scope.grid(op.output.name), normed
    if weight:
        inputs = (normed, scope.integer(weight))
        most = float(np.abs(scope.graph.constants[bias]).max()) if bias else 0.0
        wanted = Grid(grid.scale + most / LIMIT, LIMIT) if bias else grid
        made, attrs = product_of(scope.grid_of(normed).scale * scope.grid_of(inputs[1]).scale, wanted)
        if not bias:
            return replace(op, kind="mul_s16", inputs=inputs, output=replace(op.output, grid=made), attrs=attrs)
        at = scope.before(op, "mul_s16", inputs, made, attrs)
    b = scope.integer(bias)
    attrs = sum_of(scope.grid_of(at), scope.grid_of(b), grid)
    return replace(op, kind="add_s16", inputs=(at, b), output=replace(op.output, grid=grid), attrs=attrs)


def _bmm(op: Op, scope: Scope) -> Op:
    a, b = (scope.integer(name) for name in op.inputs)
    inner = scope.graph.shapes()[op.inputs[0]][-1]
    unit = scope.grid_of(a).scale * scope.grid_of(b).scale * 2.0 ** sum_shift(inner)
    grid, attrs = product_of(unit, scope.grid(op.output.name))
    return replace(op, kind="bmm_s16", inputs=(a, b), output=replace(op.output, grid=grid), attrs=attrs)


def is_mask(name: str, scope: Scope) -> bool:
    """Whether it is a constant that says minus infinity somewhere."""
    constants = scope.graph.constants
    return name in constants and bool((constants[name] <= -MASKED).any())


def masked(op: Op, scope: Scope, x: str, mask: str) -> Op:
    """x + mask in front of a softmax: whatever x is, hidden entries are so far below others that they get no share."""
    values = scope.graph.constants[mask].astype(np.float64)
    hidden = values <= -MASKED
    readers = scope.graph.consumers().get(op.output.name, [])
    for reader in readers:
        if reader.kind != "softmax" or np.broadcast_to(hidden, op.output.shape).all(axis=reader.attrs["dim"]).any():
            raise NoRule
    x = scope.integer(x)
    grid = scope.grid_of(x)
    reach = grid.scale * grid.limit + float(np.abs(values).max(where=~hidden, initial=0.0))
    if reach >= MASKED:
        raise NoRule
    made = Grid((2 * reach + HIDDEN) / LIMIT, LIMIT)
    kept = scope.keep(mask + ".s16", np.where(hidden, -LIMIT, np.rint(values / made.scale)).astype(np.int16))
    attrs = sum_of(grid, made, made)
    return replace(op, kind="add_s16", inputs=(x, kept), output=replace(op.output, grid=made), attrs=attrs)


ATTENTION_RULES: dict[str, Callable[[Op, Scope], Op]] = {"normalise": _normalise, "softmax": _softmax, "bmm": _bmm}
