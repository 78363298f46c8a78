"""Operators that reduce neighbouring axes: sum, mean, max, min, product, variance; and running sums along one."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..ir import Attr, Op
from .bounds import SHARE
from .spec import Array, Attrs, Call, Data, Inputs, Shape, Spec, axis, integer, ints, number, one, small_shape
from .view import View


def split(shape: Shape, dims: Sequence[int]) -> tuple[int, int, int]:
    """(outer, reduced, inner) sizes; the axes must be neighbours."""
    if list(dims) != list(range(dims[0], dims[0] + len(dims))) or not 0 <= dims[0] <= dims[-1] < len(shape):
        raise ValueError(f"dims={tuple(dims)} are not neighbouring axes of {shape}")
    first, after = dims[0], dims[-1] + 1
    return math.prod(shape[:first]), math.prod(shape[first:after]), math.prod(shape[after:])


def _shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    dims = ints(attrs, "dims")
    split(shapes[0], dims)
    return tuple(size for d, size in enumerate(shapes[0]) if d not in dims)


def _axes(attrs: Attrs) -> tuple[int, ...]:
    return tuple(d + 1 for d in ints(attrs, "dims"))  # axis 0 counts windows


def _calls(kernel: str, scale: Callable[[int], tuple[float, ...]]) -> Callable[[Op, Mapping[str, View]], list[Call]]:
    def calls(op: Op, views: Mapping[str, View]) -> list[Call]:
        outer, reduced, inner = split(views[op.inputs[0]].shape, ints(op.attrs, "dims"))
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
    terms: Callable[[Array, tuple[int, ...]], Array] | None = None,
) -> Spec:
    """A reducing row; |terms| are reduced like the values, unless `terms` says otherwise."""

    def running(inputs: Inputs, mags: Inputs, output: Array, attrs: Attrs) -> Array:
        return (terms or meaning)(one(mags), _axes(attrs))

    return Spec(
        kind=kind,
        summary=summary,
        aten=aten,
        arity=(1, 1),
        attrs={"dims": tuple},
        shape=_shape,
        meaning=lambda inputs, attrs: meaning(one(inputs), _axes(attrs)),
        terms=running,
        roundings=lambda shapes, attrs: rounds(split(shapes[0], ints(attrs, "dims"))[1]),
        sample=_sample,
        calls=_calls(kernel, scale),
        dense=(0,),
    )


def _in_order(x: Array, dims: tuple[int, ...], factor: float) -> Array:
    """factor * sum, term by term in index order as the kernel adds them: in float32 the same bits."""
    count = math.prod(x.shape[d] for d in dims)
    lead, behind = x.shape[: dims[0]], x.shape[dims[-1] + 1 :]
    sums: Array = x.reshape(*lead, count, *behind).cumsum(dims[0]).take(-1, dims[0])
    return sums * x.dtype.type(factor)


def _deviations(x: Array, dims: tuple[int, ...]) -> Array:
    y: Array = x - x.mean(dims, keepdims=True, dtype=x.dtype)
    return y


def _var(inputs: Inputs, attrs: Attrs) -> Array:
    x, dims = one(inputs), _axes(attrs)
    y: Array = (_deviations(x, dims) ** 2).sum(dims) / x.dtype.type(_freedom(x.shape, dims, attrs))
    return y


def _freedom(shape: Shape, dims: Sequence[int], attrs: Attrs) -> float:
    """What the sum of squares is divided by: the count of elements less the correction."""
    found = math.prod(shape[d] for d in dims) - number(attrs, "correction")
    if found <= 0:
        raise ValueError(f"{attrs['correction']} degrees of freedom are as many as there are elements, or more")
    return found


def _var_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    found = _shape(shapes, attrs)
    _freedom(shapes[0], ints(attrs, "dims"), attrs)
    return found


def _var_terms(inputs: Inputs, mags: Inputs, output: Array, attrs: Attrs) -> Array:
    """Errors of a deviation d count twice, and their squares are all that there is where everything is equal."""
    x, m, dims = one(inputs), one(mags), _axes(attrs)
    d, e = np.abs(_deviations(x, dims)), m + m.mean(dims, keepdims=True)
    y: Array = (d * d + 2 * d * e + SHARE * e * e).sum(dims) / _freedom(x.shape, dims, attrs)
    return y


def _var_calls(op: Op, views: Mapping[str, View]) -> list[Call]:
    shape, dims = views[op.inputs[0]].shape, ints(op.attrs, "dims")
    scale = float(np.float32(1 / _freedom(shape, dims, op.attrs)))
    return [Call("var_f32", (*split(shape, dims), scale, Data(op.inputs[0]), Data(op.output.name)))]


def _var_sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    (shape,), attrs = _sample(r)
    several = math.prod(shape[d] for d in ints(attrs, "dims")) > 1
    return [shape], {**attrs, "correction": r.choice([0.0, 1.0]) if several else 0.0}


VARIANCE = Spec(
    kind="var",
    summary="variance over neighbouring axes, with a correction of the count",
    aten=("var", "std", "var_mean"),
    arity=(1, 1),
    attrs={"dims": tuple, "correction": float},
    shape=_var_shape,
    meaning=_var,
    terms=_var_terms,
    roundings=lambda shapes, attrs: split(shapes[0], ints(attrs, "dims"))[1] + 8,
    sample=_var_sample,
    mac=lambda shapes, attrs: math.prod(shapes[0]),
    calls=_var_calls,
    dense=(0,),
)


def _running_calls(op: Op, views: Mapping[str, View]) -> list[Call]:
    sizes = split(op.output.shape, (integer(op.attrs, "dim"),))
    return [Call("cumsum_f32", (*sizes, Data(op.inputs[0]), Data(op.output.name)))]


def _running_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    axis(attrs, len(shapes[0]))
    return shapes[0]


def _running_sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    shape = small_shape(r, r.randint(2, 4))
    return [shape], {"dim": r.randint(1, len(shape) - 1)}


RUNNING_SUM = Spec(
    kind="cumsum",
    summary="running sums along an axis",
    aten=("cumsum",),
    arity=(1, 1),
    attrs={"dim": int},
    shape=_running_shape,
    meaning=lambda inputs, attrs: one(inputs).cumsum(integer(attrs, "dim") + 1),
    terms=lambda inputs, mags, output, attrs: one(mags).cumsum(integer(attrs, "dim") + 1),
    roundings=lambda shapes, attrs: shapes[0][integer(attrs, "dim")],
    sample=_running_sample,
    calls=_running_calls,
    dense=(0,),
    in_place=(0,),
)


REDUCTIONS = [  # their only attribute is `dims`
    _reduction(
        kind="sum",
        summary="sum over neighbouring axes",
        aten=("sum",),
        meaning=lambda x, dims: _in_order(x, dims, 1.0),
        kernel="sum_f32",
        scale=lambda n: (1.0,),
        rounds=float,
    ),
    _reduction(
        kind="mean",
        summary="mean over neighbouring axes",
        aten=("mean",),
        meaning=lambda x, dims: _in_order(x, dims, 1 / math.prod(x.shape[d] for d in dims)),
        kernel="sum_f32",
        scale=lambda n: (float(np.float32(1 / n)),),
        rounds=lambda n: n + 2.0,
    ),
    _reduction(
        kind="max",
        summary="maximum over neighbouring axes",
        aten=("amax", "max", "any"),
        meaning=lambda x, dims: x.max(dims),
        kernel="max_f32",
        scale=lambda n: (),
        rounds=lambda n: 1.0,
    ),
    _reduction(
        kind="min",
        summary="minimum over neighbouring axes",
        aten=("amin", "min", "all"),
        meaning=lambda x, dims: x.min(dims),
        kernel="min_f32",
        scale=lambda n: (),
        rounds=lambda n: 1.0,
        terms=lambda m, dims: m.max(dims),
    ),
    _reduction(
        kind="prod",
        summary="product over neighbouring axes",
        aten=("prod",),
        meaning=lambda x, dims: x.prod(dims),
        kernel="prod_f32",
        scale=lambda n: (),
        rounds=lambda n: 1.0,
        terms=lambda m, dims: m.prod(dims) * math.prod(m.shape[d] for d in dims),
    ),
]
