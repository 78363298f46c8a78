"""Operators that only move or rename elements: most are views and cost nothing."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..ir import Attr, Op
from .spec import Array, Attrs, Call, Data, Inputs, Shape, Spec, axis, integer, ints, one, same_shape, small_shape
from .view import View, broadcast, dense_strides, reshaped, walk


def _reshape_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    shape = ints(attrs, "shape")
    if math.prod(shape) != math.prod(shapes[0]):
        raise ValueError(f"{shapes[0]} has not as many elements as {shape}")
    return shape


def _reshape_sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    shape = small_shape(r)
    shuffled = list(shape)
    r.shuffle(shuffled)
    cut = r.randint(1, len(shape))
    return [shape], {"shape": (1, *shuffled[:cut], math.prod(shuffled[cut:]))}


def _select_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    dim = axis(attrs, len(shapes[0]))
    if not 0 <= integer(attrs, "index") < shapes[0][dim]:
        raise ValueError(f"index={attrs['index']} is outside axis {dim} of {shapes[0]}")
    return shapes[0][:dim] + shapes[0][dim + 1 :]


def _select(inputs: Inputs, attrs: Attrs) -> Array:
    return one(inputs).take(integer(attrs, "index"), axis=integer(attrs, "dim") + 1)


def _select_view(view: View, attrs: Attrs, shape: Shape) -> View:
    dim = integer(attrs, "dim")
    offset = view.offset + integer(attrs, "index") * view.strides[dim]
    return View(view.root, offset, shape, view.strides[:dim] + view.strides[dim + 1 :])


def _select_sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    shape = small_shape(r, r.randint(2, 4))
    dim = r.randint(1, len(shape) - 1)
    return [shape], {"dim": dim, "index": r.randint(0, shape[dim] - 1)}


def _range(attrs: Attrs, size: int) -> range:
    start, stop, step = (integer(attrs, name) for name in ("start", "stop", "step"))
    if not (0 <= start < stop <= size and step >= 1):
        raise ValueError(f"{start}:{stop}:{step} is not a slice of {size} elements")
    return range(start, stop, step)


def _slice_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    dim = axis(attrs, len(shapes[0]))
    return (*shapes[0][:dim], len(_range(attrs, shapes[0][dim])), *shapes[0][dim + 1 :])


def _slice(inputs: Inputs, attrs: Attrs) -> Array:
    x, dim = one(inputs), integer(attrs, "dim") + 1
    return x.take(_range(attrs, x.shape[dim]), axis=dim)


def _slice_view(view: View, attrs: Attrs, shape: Shape) -> View:
    dim = integer(attrs, "dim")
    offset = view.offset + integer(attrs, "start") * view.strides[dim]
    strides = list(view.strides)
    strides[dim] *= integer(attrs, "step")
    return View(view.root, offset, shape, tuple(strides))


def _slice_sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    shape = small_shape(r, r.randint(2, 4))
    dim = r.randint(1, len(shape) - 1)
    start = r.randint(0, shape[dim] - 1)
    return [shape], {"dim": dim, "start": start, "stop": r.randint(start + 1, shape[dim]), "step": r.randint(1, 2)}


def _permute_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    dims = ints(attrs, "dims")
    if sorted(dims) != list(range(len(shapes[0]))):
        raise ValueError(f"dims={dims} is no order of the axes of {shapes[0]}")
    return tuple(shapes[0][d] for d in dims)


def _permute_view(view: View, attrs: Attrs, shape: Shape) -> View:
    return View(view.root, view.offset, shape, tuple(view.strides[d] for d in ints(attrs, "dims")))


def _permute_sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    shape = small_shape(r)
    dims = list(range(len(shape)))
    r.shuffle(dims)
    return [shape], {"dims": tuple(dims)}


def _expand_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    shape = ints(attrs, "shape")
    if tuple(np.broadcast_shapes(shapes[0], shape)) != shape:
        raise ValueError(f"{shapes[0]} does not repeat to {shape}")
    return shape


def _expand(inputs: Inputs, attrs: Attrs) -> Array:
    x, shape = one(inputs), ints(attrs, "shape")
    x = x.reshape(x.shape[:1] + (1,) * (len(shape) - x.ndim + 1) + x.shape[1:])
    return np.broadcast_to(x, x.shape[:1] + shape)


def _expand_sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    shape = small_shape(r)
    small = tuple(1 if r.random() < 0.5 else size for size in shape)
    return [small], {"shape": (*(r.randint(1, 2) for _ in range(r.randint(0, 1))), *shape)}


def _cat_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    dim = axis(attrs, len(shapes[0]))
    rest = {(*s[:dim], *s[dim + 1 :]) for s in shapes}
    if len(rest) != 1 or len({len(s) for s in shapes}) != 1:
        raise ValueError(f"{', '.join(map(str, shapes))} differ outside axis {dim}")
    return (*shapes[0][:dim], sum(s[dim] for s in shapes), *shapes[0][dim + 1 :])


def _cat(inputs: Inputs, attrs: Attrs) -> Array:
    n = max(x.shape[0] for x in inputs if x is not None)
    whole = [np.broadcast_to(x, (n, *x.shape[1:])) for x in inputs if x is not None]
    return np.concatenate(whole, axis=integer(attrs, "dim") + 1)


def copies(dtype: str, x: str, source: View, y: str, target: View) -> list[Call]:
    """Calls that copy a part of x to a part of y; offsets count from where each of them begins."""
    return [
        Call(f"copy_{dtype}", (sizes, Data(x, source.offset + ox), sx, Data(y, target.offset + oy), sy))
        for sizes, (sx, sy), (ox, oy) in walk(source.shape, source.strides, target.strides)
    ]


def _cat_calls(op: Op, views: Mapping[str, View]) -> list[Call]:
    dim, strides, at, found = integer(op.attrs, "dim"), dense_strides(op.output.shape), 0, []
    for name in op.inputs:
        view = views[name]
        target = View(op.output.name, at * strides[dim], view.shape, strides)
        found += copies(op.output.dtype, name, replace(view, offset=0), op.output.name, target)
        at += view.shape[dim]
    return found


def _cat_sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    shape = list(small_shape(r, r.randint(2, 4)))
    dim = r.randint(1, len(shape) - 1)
    pieces = [tuple(r.randint(1, 3) if d == dim else s for d, s in enumerate(shape)) for _ in range(r.randint(1, 3))]
    return [tuple(p) for p in pieces], {"dim": dim}


def _copy_calls(op: Op, views: Mapping[str, View]) -> list[Call]:
    shape, source = op.output.shape, replace(views[op.inputs[0]], offset=0)
    return copies(op.output.dtype, op.inputs[0], source, op.output.name, View("", 0, shape, dense_strides(shape)))


def _move(kind: str, summary: str, aten: tuple[str, ...], **rest: object) -> Spec:
    """A row for an operator that computes nothing: |terms| move like the values."""
    meaning = rest["meaning"]
    assert callable(meaning)
    row: dict[str, object] = {"arity": (1, 1), "reads": ("any",), "writes": "any", **rest}
    return Spec(
        kind=kind,
        summary=summary,
        aten=aten,
        terms=lambda inputs, mags, output, attrs: meaning(mags, attrs),
        roundings=lambda shapes, attrs: 0,
        **row,  # type: ignore[arg-type]
    )


MOVES = [
    _move(
        "reshape",
        "the same elements in another shape",
        ("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze"),
        attrs={"shape": tuple},
        shape=_reshape_shape,
        meaning=lambda inputs, attrs: one(inputs).reshape(one(inputs).shape[:1] + ints(attrs, "shape")),
        sample=_reshape_sample,
        view=lambda view, attrs, shape: reshaped(view, shape),
    ),
    _move(
        "select",
        "one index of an axis",
        ("select", "unbind"),
        attrs={"dim": int, "index": int},
        shape=_select_shape,
        meaning=_select,
        sample=_select_sample,
        view=_select_view,
    ),
    _move(
        "slice",
        "a range of an axis",
        ("slice", "split"),
        attrs={"dim": int, "start": int, "stop": int, "step": int},
        shape=_slice_shape,
        meaning=_slice,
        sample=_slice_sample,
        view=_slice_view,
    ),
    _move(
        "permute",
        "axes in another order",
        ("permute", "transpose", "t"),
        attrs={"dims": tuple},
        shape=_permute_shape,
        meaning=lambda inputs, attrs: one(inputs).transpose(0, *(d + 1 for d in ints(attrs, "dims"))),
        sample=_permute_sample,
        view=_permute_view,
    ),
    _move(
        "expand",
        "axes of size 1 repeated",
        ("expand", "repeat", "broadcast_tensors"),
        attrs={"shape": tuple},
        shape=_expand_shape,
        meaning=_expand,
        sample=_expand_sample,
        view=lambda view, attrs, shape: broadcast(view, shape),
    ),
    _move(
        "cat",
        "tensors one after the other along an axis",
        ("cat", "stack"),
        arity=(1, 1 << 30),
        attrs={"dim": int},
        shape=_cat_shape,
        meaning=_cat,
        sample=_cat_sample,
        calls=_cat_calls,
    ),
    _move(
        "copy",
        "the same elements, dense",
        ("clone", "contiguous"),
        shape=same_shape,
        meaning=lambda inputs, attrs: one(inputs),
        sample=lambda r: ([small_shape(r)], {}),
        calls=_copy_calls,
    ),
]
