"""Operators that reduce neighbouring axes: sum, mean, max."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..ir import Attr, Op
from .spec import Array, Attrs, Call, Data, Inputs, Shape, Spec, ints, one, small_shape
from .view import View


def _split(shape: Shape, dims: Sequence[int]) -> tuple[int, int, int]:
    """(outer, reduced, inner) sizes; the axes must be neighbours."""
    if list(dims) != list(range(dims[0], dims[0] + len(dims))) or not 0 <= dims[0] <= dims[-1] < len(shape):
        raise ValueError(f"dims={tuple(dims)} are not neighbouring axes of {shape}")
    first, after = dims[0], dims[-1] + 1
    return math.prod(shape[:first]), math.prod(shape[first:after]), math.prod(shape[after:])


def _shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    dims = ints(attrs, "dims")
    _split(shapes[0], dims)
    return tuple(size for d, size in enumerate(shapes[0]) if d not in dims)


def _axes(attrs: Attrs) -> tuple[int, ...]:
    return tuple(d + 1 for d in ints(attrs, "dims"))  # axis 0 counts windows


def _calls(kernel: str, scale: Callable[[int], tuple[float, ...]]) -> Callable[[Op, Mapping[str, View]], list[Call]]:
    def calls(op: Op, views: Mapping[str, View]) -> list[Call]:
        outer, reduced, inner = _split(views[op.inputs[0]].shape, ints(op.attrs, "dims"))
        data = (Data(op.inputs[0]), Data(op.output.name))
        return [Call(kernel, (outer, reduced, inner, *scale(reduced), *data))]

    return calls


def _sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    shape = small_shape(r, r.randint(2, 4))
    first = r.randint(1, len(shape) - 1)
    return [shape], {"dims": tuple(range(first, r.randint(first, len(shape) - 1) + 1))}


def _reduction(
    kind: str,
    summary: str,
    aten: tuple[str, ...],
    meaning: Callable[[Array, tuple[int, ...]], Array],
    kernel: str,
    scale: Callable[[int], tuple[float, ...]],
    rounds: Callable[[int], float],
) -> Spec:
    """A reducing row; |terms| are reduced like the values."""

    def terms(inputs: Inputs, mags: Inputs, output: Array, attrs: Attrs) -> Array:
        return meaning(one(mags), _axes(attrs))

    return Spec(
        kind=kind,
        summary=summary,
        aten=aten,
        arity=(1, 1),
        attrs={"dims": tuple},
        shape=_shape,
        meaning=lambda inputs, attrs: meaning(one(inputs), _axes(attrs)),
        terms=terms,
        roundings=lambda shapes, attrs: rounds(_split(shapes[0], ints(attrs, "dims"))[1]),
        sample=_sample,
        calls=_calls(kernel, scale),
        dense=(0,),
    )


REDUCTIONS = [
    _reduction(
        kind="sum",
        summary="sum over neighbouring axes",
        aten=("sum",),
        meaning=lambda x, dims: x.sum(dims),
        kernel="sum_f32",
        scale=lambda n: (1.0,),
        rounds=float,
    ),
    _reduction(
        kind="mean",
        summary="mean over neighbouring axes",
        aten=("mean",),
        meaning=lambda x, dims: x.mean(dims, dtype=x.dtype),
        kernel="sum_f32",
        scale=lambda n: (float(np.float32(1 / n)),),
        rounds=lambda n: n + 2.0,
    ),
    _reduction(
        kind="max",
        summary="maximum over neighbouring axes",
        aten=("amax", "max"),
        meaning=lambda x, dims: x.max(dims),
        kernel="max_f32",
        scale=lambda n: (),
        rounds=lambda n: 1.0,
    ),
]
