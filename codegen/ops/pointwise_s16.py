"""Elementwise operators on s16 values: relu, leaky_relu, tanh and sigmoid; add, sub and mul; maximum of neighbours."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..ir import Attr, Op
from . import conv
from .edges import integer_row
from .elementwise import aligned, binary_sample, broadcast_calls, broadcast_shape
from .integer import LIMIT, clamped, requantise, shifted, sigmoid, tanh
from .spec import Array, Attrs, Call, Data, Inputs, Shape, Spec, integer, one, same_shape, small_shape
from .view import View

LIFT = 13
"""Values that are no sums are shifted left by so much, so that factors of up to 2^11 fit `requantise`."""


def _unary(
    kind: str,
    summary: str,
    attrs: Mapping[str, type],
    meaning: Callable[[Array, Attrs], Array],
    draw: Callable[[random.Random], dict[str, Attr]],
) -> Spec:
    def calls(op: Op, views: Mapping[str, View]) -> list[Call]:
        numbers = [integer(op.attrs, name) for name in attrs]
        return [Call(kind, (op.output.size, *numbers, Data(op.inputs[0]), Data(op.output.name)))]

    return integer_row(
        kind=kind,
        summary=summary,
        arity=(1, 1),
        attrs=attrs,
        shape=same_shape,
        meaning=lambda inputs, given: meaning(one(inputs), given),
        sample=lambda r: ([small_shape(r)], draw(r)),
        calls=calls,
        dense=(0,),
        in_place=(0,),
        reads=("s16",),
        writes="s16",
        pointwise=True,
    )


def _leaky(x: Array, attrs: Attrs) -> Array:
    y: Array = np.where(x > 0, x, shifted(x * integer(attrs, "slope"), 15))
    return y


def _table(function: Callable[[Array, int], Array]) -> Callable[[Array, Attrs], Array]:
    def meaning(x: Array, attrs: Attrs) -> Array:
        scaled = requantise(x << LIFT, integer(attrs, "multiplier"), integer(attrs, "shift"))
        return function(scaled, integer(attrs, "fraction"))

    return meaning


_TABLE: dict[str, type] = {"multiplier": int, "shift": int, "fraction": int}


def _draw_table(r: random.Random) -> dict[str, Attr]:
    return {"multiplier": r.randint(0, 2**31 - 1), "shift": r.randint(1, 4), "fraction": r.randint(6, 16)}


UNARY_S16 = [
    _unary("relu_s16", "max(x, 0), on the same grid", {}, lambda x, attrs: np.maximum(x, 0), lambda r: {}),
    _unary(
        "leaky_relu_s16",
        "x where x > 0, else x * slope / 2^15, on the same grid",
        {"slope": int},
        _leaky,
        lambda r: {"slope": r.randint(-LIMIT, LIMIT)},
    ),
    _unary("tanh_s16", "tanh(x) by table", _TABLE, _table(tanh), _draw_table),
    _unary("sigmoid_s16", "sigmoid(x) by table", _TABLE, _table(sigmoid), _draw_table),
]


def _binary(
    kind: str,
    summary: str,
    attrs: Mapping[str, type],
    meaning: Callable[[Array, Array, Attrs], Array],
    draw: Callable[[random.Random], dict[str, Attr]],
) -> Spec:
    def calls(op: Op, views: Mapping[str, View]) -> list[Call]:
        numbers = [integer(op.attrs, name) for name in attrs]
        found = broadcast_calls(kind)(op, views)
        return [Call(kind, (*call.arguments[:-1], *numbers, call.arguments[-1])) for call in found]

    def bounded(inputs: Inputs, given: Attrs) -> Array:
        a, b = aligned(inputs)
        return clamped(meaning(a, b, given), integer(given, "limit"))

    def sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
        shapes, _ = binary_sample(r)
        return shapes, draw(r) | {"shift": r.randint(1, 31), "limit": r.choice([100, LIMIT])}

    return integer_row(
        kind=kind,
        summary=summary,
        arity=(2, 2),
        attrs=attrs,
        shape=broadcast_shape,
        meaning=bounded,
        sample=sample,
        calls=calls,
        in_place=(0, 1),
        reads=("s16",),
        writes="s16",
        pointwise=True,
    )


def _add(a: Array, b: Array, attrs: Attrs) -> Array:
    left, right, shift = (integer(attrs, name) for name in ("left", "right", "shift"))
    total = ((a << LIFT) * left + (b << LIFT) * right) >> 32
    y: Array = (total + (1 << (shift - 1))) >> shift
    return y


def _mul(a: Array, b: Array, attrs: Attrs) -> Array:
    return requantise(a * b, integer(attrs, "multiplier"), integer(attrs, "shift"))


BINARY_S16 = [
    _binary(
        "add_s16",
        "a * left + b * right, each factor with its sign",
        {"left": int, "right": int, "shift": int, "limit": int},
        _add,
        lambda r: {name: r.randint(-(2**31) + 1, 2**31 - 1) for name in ("left", "right")},
    ),
    _binary(
        "mul_s16",
        "a * b",
        {"multiplier": int, "shift": int, "limit": int},
        _mul,
        lambda r: {"multiplier": r.randint(0, 2**31 - 1)},
    ),
]


def _max_pool(inputs: Inputs, attrs: Attrs) -> Array:
    floats = [one(inputs).astype(np.float64)]
    return conv.MAX_POOL.meaning(floats, attrs).astype(np.int64)


def _max_pool_calls(op: Op, views: Mapping[str, View]) -> list[Call]:
    assert conv.MAX_POOL.calls is not None
    return [Call("max_pool_s16", call.arguments) for call in conv.MAX_POOL.calls(op, views)]


MAX_POOL_S16 = integer_row(
    kind="max_pool_s16",
    summary="maximum of a few steps of (rows, steps, channels), on the same grid",
    arity=(1, 1),
    attrs=conv.MAX_POOL.attrs,
    shape=conv.MAX_POOL.shape,
    meaning=_max_pool,
    sample=conv.MAX_POOL.sample,
    calls=_max_pool_calls,
    reads=("s16",),
    writes="s16",
)


def factors(left: float, right: float) -> tuple[int, int, int]:
    """(left, right, shift) of add_s16 for two factors, of whatever sign.

    Raises
    ------
    ValueError
        A factor of 2^11 or more in magnitude, or not finite.

    Examples
    --------
    >>> factors(1.0, -0.5)
    (1073741824, -536870912, 11)
    """
    largest = max(abs(left), abs(right))
    if not largest < 2.0 ** (LIFT - 2):
        raise ValueError(f"no multiplier for a factor of {largest}")
    shift = 31
    while shift > 1 and largest * 2.0 ** (32 - LIFT + shift) >= 2**30 + 0.5:
        shift -= 1
    most = 2**31 - 1  # a factor just below 2^11 rounds to 2^31
    scaled: Sequence[int] = [max(-most, min(round(x * 2.0 ** (32 - LIFT + shift)), most)) for x in (left, right)]
    return scaled[0], scaled[1], shift
