"""What each operator becomes in integers: scales to multipliers, weights to s8, biases to s32.

`quantise` walks the graph and asks a rule here for one operator at a time; a rule that cannot say it raises NoRule, and
the operator stays float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ir import Grid, Op
from ..ops.integer import LIMIT, MOST, multiplier
from ..ops.matrix_s8 import F32_FRACTION, largest_sum
from ..ops.pointwise_s16 import LIFT
from ..ops.spec import number
from .attention_rules import ATTENTION_RULES, is_mask, masked
from .calibrate import Moments
from .pairs import product_of, sum_of
from .scope import UNIT, NoRule, Scope

FRACTIONS = range(16, 5, -1)
"""Bits behind the point of what goes into a sigmoid or tanh, the most exact first."""
CELL = 12
"""Bits behind the point of an LSTM's cells: they reach 8, where tanh is 1."""
HALF = 2**30 - 1
"""Of the largest sum."""
DAMPING = 0.01
"""This share of the mean variance is added to each, so that what hardly varied in calibration is not free to be
anything."""
CONSTANT = 1e-10
"""A mean variance below this share of the squared mean is what rounding left of zero."""


def largest_row(weight: NDArray[Any]) -> int:
    """No row of s8 weights has a sum of magnitudes above this."""
    return 127 * int(weight[0].size)


def _rows(kind: str, weight: NDArray[Any]) -> NDArray[np.float64]:
    """Weights as (rows, in); a conv1d's taps come before its channels."""
    w = weight.astype(np.float64)
    return (w.transpose(0, 2, 1) if kind == "conv1d" else w).reshape(len(w), -1)


def _scales(rows: NDArray[np.float64], bias: NDArray[np.float64], grid: Grid) -> NDArray[np.float64]:
    """What a weight of 1 stands for, by row: the largest is +-127, but bias and sum have half of 32 bits each."""
    largest = np.abs(rows).max(axis=1)
    wanted = np.where(largest > 0, largest, largest.max() or 1.0) / 127
    summed = np.abs(rows).sum(axis=1) * (grid.limit / HALF)
    return np.maximum.reduce([wanted, summed, np.abs(bias) / (grid.scale * HALF)])


def _nearest(rows: NDArray[np.float64], scales: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(np.rint(rows / scales[:, None]), -127, 127)


def _compensated(
    rows: NDArray[np.float64], scales: NDArray[np.float64], mean: NDArray[np.float64], covariance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Rounded column by column, what each one's rounding does to the sum made up for in the columns that follow.

    Source: Frantar et al., GPTQ (ICLR 2023): the update of optimal brain surgery, by a Cholesky factor.
    """
    spread = np.trace(covariance) / len(covariance)
    if not spread > CONSTANT * float(mean @ mean) / len(mean):
        return _nearest(rows, scales)
    inverse = np.linalg.inv(covariance + DAMPING * spread * np.eye(len(covariance)))
    upper = np.linalg.cholesky((inverse + inverse.T) / 2).T
    left, values = rows.copy(), np.empty_like(rows)
    for j in range(rows.shape[1]):
        values[:, j] = _nearest(left[:, j : j + 1], scales)[:, 0]
        error = (left[:, j] - values[:, j] * scales) / upper[j, j]
        left[:, j:] -= error[:, None] * upper[j, j:]
    return values


def _quantised(
    rows: NDArray[np.float64], bias: NDArray[np.float64], grid: Grid, moments: Moments | None
) -> tuple[NDArray[np.int8], NDArray[np.int32], NDArray[np.float64]]:
    """s8 weights (rows, in), s32 biases, and what the sum's unit stands for, by row; `grid` is that of the input.

    With moments the weights are rounded together, and the bias takes over what is wrong with their sum on average.
    """
    scales = _scales(rows, bias, grid)
    if moments is None:
        values = _nearest(rows, scales)
    else:
        groups = zip(
            *(np.split(each, len(moments.total)) for each in (rows, scales)),
            moments.covariance,
            moments.mean,
            strict=True,
        )
        rounded, moved = [], []
        for group, group_scales, covariance, mean in groups:
            rounded.append(_compensated(group, group_scales, mean, covariance))
            moved.append((group - rounded[-1] * group_scales[:, None]) @ mean)
        values, bias = np.concatenate(rounded), bias + np.concatenate(moved)
    units = grid.scale * scales
    weights, biases = values.astype(np.int8), np.clip(np.rint(bias / units), -HALF, HALF).astype(np.int32)
    if largest_sum(weights, biases, grid.limit) >= 2**31:
        raise NoRule
    return weights, biases, units


def _multipliers(scope: Scope, name: str, wanted: NDArray[np.float64]) -> tuple[str, str]:
    """Constants of multiplier and shift for factors, a row each."""
    if not (wanted <= MOST * (1 + 1e-9)).all():
        raise NoRule
    pairs = [multiplier(min(float(each), MOST)) for each in wanted]
    values, shifts = (np.array(column) for column in zip(*pairs, strict=True))
    return scope.keep(name + ".multiplier", values.astype(np.int32)), scope.keep(
        name + ".shift", shifts.astype(np.int8)
    )


def _fraction(largest: float) -> int:
    """The finest grid of 2^-fraction on which a factor of `largest` times it can be said."""
    for fraction in FRACTIONS:
        if largest * 2.0**fraction <= MOST:
            return fraction
    raise NoRule


def _product(op: Op, scope: Scope) -> Op:
    x, weight_name, bias_name = (*op.inputs, "")[:3]
    x, constants, name = scope.integer(x), scope.graph.constants, op.output.name
    rows = _rows(op.kind, constants[weight_name])
    bias = constants[bias_name].astype(np.float64) if bias_name else np.zeros(len(rows))
    values, b, scales = _quantised(rows, bias, scope.grid_of(x), scope.moments(name))
    if op.kind == "conv1d":
        values = values.reshape(len(values), *constants[weight_name].shape[:0:-1])
    inputs = [x, scope.keep(weight_name, values), scope.keep(bias_name or name + ".bias", b)]
    table = op.attrs["act"] in {"tanh", "sigmoid"}
    if scope.wants_float(name):
        scale = (scales * 2.0 ** (F32_FRACTION if table else 0)).astype(np.float32)
        if not np.isfinite(scale).all():
            raise NoRule
        return replace(op, kind=op.kind + "_s8_f32", inputs=(*inputs, scope.keep(name + ".scale", scale)))
    grid = UNIT if table else scope.grid(name, float(scales.max()) / MOST)
    fraction = _fraction(float(scales.max())) if table else FRACTIONS[0]
    wanted = scales * 2.0**fraction if table else scales / grid.scale
    return replace(
        op,
        kind=op.kind + "_s8",
        inputs=(*inputs, *_multipliers(scope, name, wanted)),
        output=replace(op.output, grid=grid),
        attrs={**op.attrs, "fraction": fraction, "limit": grid.limit},
    )


def _recurrent(op: Op, scope: Scope) -> Op:
    x, w_ih, w_hh, b_ih, b_hh, *states = (*op.inputs, "", "", "", "")[: 7 if op.kind == "lstm" else 6]
    constants, name = scope.graph.constants, op.output.name
    if any(state and constants[state].any() for state in states):
        raise NoRule
    x = scope.integer(x)
    made = []
    for weight, bias, grid in ((w_ih, b_ih, scope.grid_of(x)), (w_hh, b_hh, UNIT)):
        rows = _rows(op.kind, constants[weight])
        made.append(_quantised(rows, constants[bias].astype(np.float64) if bias else np.zeros(len(rows)), grid, None))
    fraction = _fraction(max(float(units.max()) for _, _, units in made))
    inputs = [scope.keep(weight, values) for weight, (values, _, _) in zip((w_ih, w_hh), made, strict=True)]
    inputs += [scope.keep(f"{name}.bias_{side}", b) for side, (_, b, _) in zip(("ih", "hh"), made, strict=True)]
    for side, (_, _, units) in zip(("ih", "hh"), made, strict=True):
        inputs += _multipliers(scope, f"{name}.{side}", units * 2.0**fraction)
    attrs = {**op.attrs, "fraction": fraction} | ({"cell": CELL} if op.kind == "lstm" else {})
    output = replace(op.output, grid=UNIT)
    return replace(op, kind=op.kind + "_s8", inputs=(x, *inputs), output=output, attrs=attrs)


def _kept(op: Op, scope: Scope) -> Op:
    """relu and max_pool: the same grid before and behind."""
    x = scope.integer(op.inputs[0])
    return replace(op, kind=op.kind + "_s16", inputs=(x,), output=replace(op.output, grid=scope.grid_of(x)))


def _leaky(op: Op, scope: Scope) -> Op:
    slope = round(number(op.attrs, "slope") * 2**15)
    if abs(slope) > LIMIT:
        raise NoRule
    return replace(_kept(op, scope), attrs={"slope": slope})


def _table(op: Op, scope: Scope) -> Op:
    x = scope.integer(op.inputs[0])
    lifted = scope.grid_of(x).scale * 2.0**-LIFT
    fraction = _fraction(lifted)
    m, shift = multiplier(lifted * 2.0**fraction)
    attrs = {"multiplier": m, "shift": shift, "fraction": fraction}
    return replace(op, kind=op.kind + "_s16", inputs=(x,), output=replace(op.output, grid=UNIT), attrs=attrs)


def _sum(op: Op, scope: Scope) -> Op:
    for mask, x in (op.inputs, op.inputs[::-1]):
        if op.kind == "add" and is_mask(mask, scope):
            return masked(op, scope, x, mask)
    a, b = (scope.integer(name) for name in op.inputs)
    grid, sign = scope.grid(op.output.name), -1.0 if op.kind == "sub" else 1.0
    attrs = sum_of(scope.grid_of(a), scope.grid_of(b), grid, sign)
    return replace(op, kind="add_s16", inputs=(a, b), output=replace(op.output, grid=grid), attrs=attrs)


def _mul(op: Op, scope: Scope) -> Op:
    a, b = (scope.integer(name) for name in op.inputs)
    grid, attrs = product_of(scope.grid_of(a).scale * scope.grid_of(b).scale, scope.grid(op.output.name))
    return replace(op, kind="mul_s16", inputs=(a, b), output=replace(op.output, grid=grid), attrs=attrs)


PRODUCTS = frozenset({"linear", "conv1d", "lstm", "gru"})
"""Matrix products with constant weights: what integers are for."""
BOUNDED = frozenset({"tanh", "sigmoid", "lstm", "gru", "normalise", "softmax"})
"""What they give is bounded, whatever goes in."""
KEEP_GRID = frozenset({"relu", "leaky_relu", "max_pool"})
RULES: dict[str, Callable[[Op, Scope], Op]] = {
    "linear": _product,
    "conv1d": _product,
    "lstm": _recurrent,
    "gru": _recurrent,
    "relu": _kept,
    "max_pool": _kept,
    "leaky_relu": _leaky,
    "tanh": _table,
    "sigmoid": _table,
    "add": _sum,
    "sub": _sum,
    "mul": _mul,
    **ATTENTION_RULES,
}
