"""Elements of an axis in any order, any number of times: paddings by what is there, flips, rolls, constant indices."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ..ir import Attr, Op
from .shape import copies
from .spec import Array, Attrs, Call, Inputs, Shape, Spec, axis, integer, ints, one, small_shape
from .view import View, dense_strides


def _shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    shape, indices = shapes[0], ints(attrs, "indices")
    dim = axis(attrs, len(shape))
    if not indices or min(indices) < 0 or max(indices) >= shape[dim]:
        raise ValueError(f"indices {indices} reach out of axis {dim} of {shape}")
    return (*shape[:dim], len(indices), *shape[dim + 1 :])


def _take(inputs: Inputs, attrs: Attrs) -> Array:
    return one(inputs).take(ints(attrs, "indices"), axis=integer(attrs, "dim") + 1)


def runs(indices: Sequence[int]) -> Iterator[tuple[int, int, int, int]]:
    """(place, first index, step, count) of the pieces that go forwards or stay in even steps.

    Examples
    --------
    >>> list(runs([2, 1, 0, 1, 2, 2, 2]))
    [(0, 2, 0, 1), (1, 1, 0, 1), (2, 0, 1, 3), (5, 2, 0, 2)]
    """
    at = 0
    while at < len(indices):
        step, count = 0, 1
        if at + 1 < len(indices) and indices[at + 1] >= indices[at]:
            step = indices[at + 1] - indices[at]
            while at + count < len(indices) and indices[at + count] == indices[at] + step * count:
                count += 1
        yield at, indices[at], step, count
        at += count


def _calls(op: Op, views: Mapping[str, View]) -> list[Call]:
    name, dim = op.inputs[0], integer(op.attrs, "dim")
    view, strides, found = views[name], dense_strides(op.output.shape), []

    def along(seen: View, first: int, step: int, count: int) -> View:
        shape, steps = list(seen.shape), list(seen.strides)
        offset = seen.offset + first * steps[dim]
        shape[dim], steps[dim] = count, step * steps[dim]
        return replace(seen, offset=offset, shape=tuple(shape), strides=tuple(steps))

    inside = replace(view, offset=0)
    whole = View(op.output.name, 0, op.output.shape, strides)
    for at, first, step, count in runs(ints(op.attrs, "indices")):
        found += copies(
            op.output.dtype, name, along(inside, first, step, count), op.output.name, along(whole, at, 1, count)
        )
    return found


def _sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    shape = small_shape(r, r.randint(2, 4))
    dim = r.randint(1, len(shape) - 1)
    return [shape], {"dim": dim, "indices": tuple(r.randrange(shape[dim]) for _ in range(r.randint(1, 7)))}


TAKE = Spec(
    kind="take",
    summary="elements of an axis by constant indices",
    aten=("pad (reflect, replicate, circular)", "flip", "roll", "index_select", "index (constant)"),
    arity=(1, 1),
    attrs={"dim": int, "indices": tuple},
    shape=_shape,
    meaning=_take,
    terms=lambda inputs, mags, output, attrs: _take(mags, attrs),
    roundings=lambda shapes, attrs: 0,
    sample=_sample,
    calls=_calls,
    reads=("any",),
    writes="any",
)
