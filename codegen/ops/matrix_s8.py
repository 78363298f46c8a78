"""Matrix products of s16 values with s8 weights: linear and conv1d, with s16 or f32 results.

Each row of weights has a scale of its own. Its sum is an s32, begins with the bias, and becomes an s16 by `requantise`
with the row's multiplier and shift, or an f32 by one multiplication.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..ir import Attr, Op
from . import conv, matrix
from .activation import ACTIVATIONS
from .edges import integer_row
from .integer import (
    HALF_SIGMOID_END,
    LIMIT,
    packed,
    requantise,
    rounded,
    sigmoid,
    sigmoid_f32,
    tanh,
    tanh_f32,
    unpacked,
)
from .spec import Array, Attrs, Call, Constant, Data, Inputs, Scratch, Shape, Spec, Symbol, integer, one
from .view import View

F32_FRACTION = 16
"""Of the argument of sigmoid and tanh whose result is an f32: its scale has this factor in it."""


def natural(weight: Array, attrs: Attrs) -> Array:
    """The weights (rows, ...) in their natural order, packed or not; row groups are packed apart."""
    return _by_group(weight, attrs, unpacked) if attrs["packed"] else weight


def pack(weight: Array, attrs: Attrs) -> Array:
    """The weights as kernels read them."""
    return _by_group(weight, attrs, packed)


def _by_group(weight: Array, attrs: Attrs, order: Callable[[Array], Array]) -> Array:
    groups = integer(attrs, "groups") if "groups" in attrs else 1
    rows = weight.reshape(groups, len(weight) // groups, -1)
    return np.stack([order(group) for group in rows]).reshape(weight.shape)


def largest_sum(weight: Array, bias: Array, limit: int) -> int:
    """The largest magnitude a row's sum can reach, whatever the input."""
    rows = np.abs(weight.astype(np.int64)).reshape(len(weight), -1).sum(axis=1)
    return int((rows * limit + np.abs(bias.astype(np.int64))).max())


def product(x: Array, weight: Array) -> Array:
    """x (..., in) . weight (out, in), exactly: float64 holds every such sum."""
    y: Array = (x.astype(np.float64) @ weight.astype(np.float64).T).astype(np.int64)
    return y


def _settled(acc: Array, inputs: Inputs, attrs: Attrs) -> Array:
    """What a kernel makes of its sums (..., out), bias included."""
    act = attrs["act"]
    if len(inputs) == 4:
        value = acc.astype(np.float32) * one(inputs, 3)[0].astype(np.float32)
        if act in {"tanh", "sigmoid"}:
            at = rounded(value, HALF_SIGMOID_END << F32_FRACTION)
            return tanh_f32(at, F32_FRACTION) if act == "tanh" else sigmoid_f32(at, F32_FRACTION)
        y: Array = np.maximum(value, np.float32(0)) if act == "relu" else value
        return y
    value = requantise(acc, one(inputs, 3)[0], one(inputs, 4)[0])
    if act in {"tanh", "sigmoid"}:
        return (tanh if act == "tanh" else sigmoid)(value, integer(attrs, "fraction"))
    limit = integer(attrs, "limit")
    y = np.clip(value, 0 if act == "relu" else -limit, limit)
    return y


def _linear(inputs: Inputs, attrs: Attrs) -> Array:
    return _settled(product(one(inputs), natural(one(inputs, 1)[0], attrs)) + one(inputs, 2)[0], inputs, attrs)


def _conv(inputs: Inputs, attrs: Attrs) -> Array:
    x, weight = one(inputs).astype(np.float64), natural(one(inputs, 1)[0], attrs)  # (out, taps, in)
    as_f32 = [x, weight.transpose(1, 2, 0)[None].astype(np.float64), one(inputs, 2).astype(np.float64)]
    acc = conv.conv_sum(as_f32, {**attrs, "packed": True}).astype(np.int64)
    return _settled(acc, inputs, attrs)


def _check(shapes: Sequence[Shape], out: int) -> None:
    for shape in shapes[2:]:
        if shape != (out,):
            raise ValueError(f"a bias, multiplier, shift or scale is {shape}, not ({out},)")


def _linear_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    _check(shapes, shapes[1][0])
    return matrix.LINEAR.shape([shapes[0], shapes[1]], {"act": attrs["act"], "packed": False})


def _conv_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    out, taps, inner = shapes[1]
    _check(shapes, out)
    return conv.CONV1D.shape([shapes[0], (taps, inner, out)], {**attrs, "packed": True})


def _end(op: Op) -> list[Any]:
    """The arguments behind the input that all kernels here share."""
    names = [Constant(name) for name in op.inputs[1:]]
    act = Symbol(ACTIVATIONS[str(op.attrs["act"])])
    numbers = [integer(op.attrs, name) for name in ("fraction", "limit") if name in op.attrs]
    return [*names, act, *numbers, Data(op.output.name)]


def _linear_calls(op: Op, views: Mapping[str, View]) -> list[Call]:
    x, outer = op.inputs[0], op.output.shape[-1]
    sizes = (op.output.size // outer, views[x].shape[-1], outer)
    return [Call(f"linear_s8_{op.output.dtype}", (*sizes, Data(x), *_end(op)))]


def _conv_calls(op: Op, views: Mapping[str, View]) -> list[Call]:
    x = op.inputs[0]
    sizes, walk, data = conv.reach(x, views, op, views[op.inputs[1]].shape[1])
    walk.append(integer(op.attrs, "groups"))
    arguments = (*sizes, *op.output.shape[1:], *walk, data, views[x].strides, *_end(op), Scratch("int16_t"))
    return [Call(f"conv1d_s8_{op.output.dtype}", arguments)]


def _linear_sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    inner, outer = r.randint(1, 9), r.randint(*r.choice([(1, 9), (31, 70)]))  # kernels take 32 rows at a time
    shapes: list[Shape] = [(1, *(r.randint(1, 3) for _ in range(r.randint(0, 2))), inner), (outer, inner)]
    return shapes, {}


def _conv_sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    (x, weight, *_), attrs = conv.CONV1D.sample(r)
    packed_as, out = attrs.pop("packed"), attrs.pop("act")
    out, inner, taps = (weight[2], weight[1], weight[0]) if packed_as else weight
    return [x, (out, taps, inner)], attrs


def _conv_scratch(shapes: Sequence[Shape], attrs: Attrs) -> int:
    _, taps, inner = shapes[1]
    return -(-2 * taps * inner // 4) * 4


def _row(kind: str, summary: str, output: str, base: Spec, rest: Mapping[str, Any]) -> Spec:
    """A row of the operator table; s16 outputs take multiplier and shift, f32 outputs one scale."""
    exact = output == "f32"
    ends: dict[str, type] = {} if exact else {"fraction": int, "limit": int}
    draw = rest["sample"]

    def sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
        shapes, attrs = draw(r)
        attrs |= {"act": r.choice(list(ACTIVATIONS)), "packed": r.choice([False, True])}
        if not exact:
            attrs |= {"fraction": r.randint(6, 16), "limit": r.choice([100, LIMIT])}
        return [*shapes, *[(shapes[1][0],)] * (2 if exact else 3)], attrs

    return integer_row(
        kind=kind,
        summary=summary,
        arity=(4, 4) if exact else (5, 5),
        attrs={name: of for name, of in base.attrs.items()} | ends,
        float_roundings=1,
        sample=sample,
        constants=1,
        weights=(1,),
        pack=pack,
        reads=("s16", "s8", "s32", "f32") if exact else ("s16", "s8", "s32", "s32", "s8"),
        writes=output,
        largest=lambda values, limit, attrs: largest_sum(natural(one(values, 1), attrs), one(values, 2), limit),
        **{name: value for name, value in rest.items() if name != "sample"},
    )


def _linear_mac(shapes: Sequence[Shape], attrs: Attrs) -> int:
    return matrix.LINEAR.mac([shapes[0], shapes[1]], {"packed": False})


def _conv_mac(shapes: Sequence[Shape], attrs: Attrs) -> int:
    out, taps, inner = shapes[1]
    return conv.CONV1D.mac([shapes[0], (taps, inner, out)], {**attrs, "packed": True})


_LINEAR = {
    "shape": _linear_shape,
    "meaning": _linear,
    "calls": _linear_calls,
    "mac": _linear_mac,
    "sample": _linear_sample,
    "dense": (0,),
}
_CONV = {
    "shape": _conv_shape,
    "meaning": _conv,
    "calls": _conv_calls,
    "mac": _conv_mac,
    "sample": _conv_sample,
    "scratch": _conv_scratch,
}
MATRIX_S8 = [
    _row("linear_s8", "linear of s16 with s8 weights, s16 out", "s16", matrix.LINEAR, _LINEAR),
    _row("linear_s8_f32", "linear of s16 with s8 weights, f32 out", "f32", matrix.LINEAR, _LINEAR),
    _row("conv1d_s8", "conv1d of s16 with s8 weights, s16 out", "s16", conv.CONV1D, _CONV),
    _row("conv1d_s8_f32", "conv1d of s16 with s8 weights, f32 out", "f32", conv.CONV1D, _CONV),
]
