"""Operators that compute each element from the elements at the same place: enter, the first unary ones, arithmetic."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..ir import Attr, Op
from .bounds import SHARE, TINY
from .spec import Array, Attrs, Call, Data, Inputs, Shape, Spec, number, one, same_shape, sigmoid, small_shape
from .view import View, broadcast, dense_strides, walk


def enter_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    """The window's, whose channels the table must fit."""
    window, table = shapes
    if len(window) != 3 or table != (2, window[2]):
        raise ValueError(f"a window {window} needs a table of shape (2, channels), not {table}")
    return window


def _enter(inputs: Inputs, attrs: Attrs) -> Array:
    table = one(inputs, 1)[0]
    y: Array = (one(inputs) - table[0]) * table[1]
    return y


def _enter_terms(inputs: Inputs, terms: Inputs, output: Array, attrs: Attrs) -> Array:
    table = np.abs(one(inputs, 1)[0])
    y: Array = (one(terms) + table[0]) * table[1]
    return y


def enter_sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    """A window and a table."""
    channels = r.randint(1, 5)
    return [(1, r.randint(1, 5), channels), (2, channels)], {}


ENTER = Spec(
    kind="enter",
    summary="slot = (sample - offset) * scale, once per sample when it arrives",
    aten=(),
    arity=(2, 2),
    shape=enter_shape,
    meaning=_enter,
    terms=_enter_terms,
    roundings=lambda shapes, attrs: 2,
    sample=enter_sample,
)


def _unary_calls(kernel: str) -> Callable[[Op, Mapping[str, View]], list[Call]]:
    def calls(op: Op, views: Mapping[str, View]) -> list[Call]:
        return [Call(kernel, (op.output.size, Data(op.inputs[0]), Data(op.output.name)))]

    return calls


def _unary_sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    return [small_shape(r)], {}


def unary(
    kind: str,
    summary: str,
    aten: tuple[str, ...],
    meaning: Callable[[Array], Array],
    terms: Callable[[Array, Array, Array], Array],
    roundings: float,
) -> Spec:
    """A unary row; `terms` gets input, its |terms| and output."""
    return Spec(
        kind=kind,
        summary=summary,
        aten=aten,
        arity=(1, 1),
        shape=same_shape,
        meaning=lambda inputs, attrs: meaning(one(inputs)),
        terms=lambda inputs, mags, output, attrs: terms(one(inputs), one(mags), output),
        roundings=lambda shapes, attrs: roundings,
        sample=_unary_sample,
        calls=_unary_calls(f"{kind}_f32"),
        dense=(0,),
        in_place=(0,),
        pointwise=True,
    )


def _leaky(inputs: Inputs, attrs: Attrs) -> Array:
    x, slope = one(inputs), number(attrs, "slope")
    y: Array = np.where(x > 0, x, x * x.dtype.type(slope))
    return y


def _leaky_calls(op: Op, views: Mapping[str, View]) -> list[Call]:
    slope = number(op.attrs, "slope")
    return [Call("leaky_relu_f32", (op.output.size, slope, Data(op.inputs[0]), Data(op.output.name)))]


LEAKY_RELU = Spec(
    kind="leaky_relu",
    summary="x where x > 0, else slope * x",
    aten=("leaky_relu",),
    arity=(1, 1),
    attrs={"slope": float},
    shape=same_shape,
    meaning=_leaky,
    terms=lambda inputs, mags, output, attrs: one(mags) * max(1.0, abs(number(attrs, "slope"))),
    roundings=lambda shapes, attrs: 2,
    sample=lambda r: ([small_shape(r)], {"slope": r.choice([0.0, 0.01, 0.3, 1.0, -0.5])}),
    calls=_leaky_calls,
    dense=(0,),
    in_place=(0,),
    pointwise=True,
)

# A transcendental kernel is within a few units in the last place; 8 leaves room for another implementation's.
UNARY = [
    # What is surely below 0 is exactly 0, whatever it was off by.
    unary(
        "relu",
        "max(x, 0)",
        ("relu",),
        lambda x: np.maximum(x, 0),
        lambda x, m, y: np.where(x < -SHARE * m, 0, m),
        1,
    ),
    unary("tanh", "tanh(x)", ("tanh",), np.tanh, lambda x, m, y: (1 - y * y) * m + np.abs(y), 8),
    unary("sigmoid", "1 / (1 + exp(-x))", ("sigmoid",), sigmoid, lambda x, m, y: y * (1 - y) * m + y, 8),
    unary("exp", "exp(x)", ("exp",), np.exp, lambda x, m, y: y * (m + 1), 8),
    unary("abs", "|x|", ("abs", "l1_loss (none)"), np.abs, lambda x, m, y: m, 1),
]


def aligned(inputs: Inputs) -> list[Array]:
    """All operands with equal rank: ones go between the windows' axis and the shape."""
    arrays = [one(inputs, i) for i in range(len(inputs))]
    rank = max(x.ndim for x in arrays)
    return [x.reshape(x.shape[:1] + (1,) * (rank - x.ndim) + x.shape[1:]) for x in arrays]


def broadcast_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    """The shape that all inputs repeat to."""
    return tuple(np.broadcast_shapes(*shapes))


def broadcast_calls(kernel: str) -> Callable[[Op, Mapping[str, View]], list[Call]]:
    """Calls of a kernel that walks each of its operands with strides of its own."""

    def calls(op: Op, views: Mapping[str, View]) -> list[Call]:
        shape = op.output.shape
        seen = [broadcast(views[name], shape).strides for name in op.inputs]
        found = []
        for sizes, strides, offsets in walk(shape, *seen, dense_strides(shape)):
            operands = [x for i, name in enumerate(op.inputs) for x in (Data(name, offsets[i]), strides[i])]
            found.append(Call(kernel, (sizes, *operands, Data(op.output.name, offsets[-1]))))
        return found

    return calls


def binary_sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    """Two shapes that broadcast: one is full, the other lacks or repeats dimensions."""
    full = small_shape(r)
    other = tuple(1 if r.random() < 0.4 else size for size in full)[r.randint(0, len(full) - 1) :]
    return ([full, other] if r.random() < 0.5 else [other, full]), {}


def binary(
    kind: str,
    summary: str,
    aten: tuple[str, ...],
    meaning: Callable[[Array, Array], Array],
    terms: Callable[[Array, Array, Array, Array], Array],
) -> Spec:
    """A binary row; `terms` gets both inputs and their |terms|."""

    def running(inputs: Inputs, mags: Inputs, output: Array, attrs: Attrs) -> Array:
        return terms(*aligned(inputs), *aligned(mags))

    return Spec(
        kind=kind,
        summary=summary,
        aten=aten,
        arity=(2, 2),
        shape=broadcast_shape,
        meaning=lambda inputs, attrs: meaning(*aligned(inputs)),
        terms=running,
        roundings=lambda shapes, attrs: 2,
        sample=binary_sample,
        calls=broadcast_calls(f"{kind}_f32"),
        in_place=(0, 1),
        pointwise=True,
    )


BINARY = [
    binary("add", "a + b", ("add", "addmm"), np.add, lambda a, b, ma, mb: ma + mb),
    binary("sub", "a - b", ("sub", "rsub"), np.subtract, lambda a, b, ma, mb: ma + mb),
    binary(
        "mul",
        "a * b",
        ("mul", "square", "pow (whole)", "neg", "mse_loss (none)", "batch_norm (eval)"),
        np.multiply,
        # Last: what errors alone make, and underflow; a root behind a square of zero would know of none else.
        lambda a, b, ma, mb: np.maximum(np.abs(a) * mb, ma * np.abs(b)) + SHARE * ma * mb + TINY,
    ),
    binary(
        "div",
        "a / b",
        ("div", "reciprocal"),
        np.divide,
        lambda a, b, ma, mb: np.maximum(ma / np.abs(b), np.abs(a) * mb / (b * b)),
    ),
]
