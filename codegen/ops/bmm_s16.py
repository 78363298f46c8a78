"""Products of two s16 tensors: bmm_s16. Sums are exact in 64 bits, then shifted so that 32 bits hold them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np

from ..ir import Attr, Op
from .edges import integer_row
from .integer import LIMIT, clamped, requantise, shifted
from .matrix import BMM
from .spec import Argument, Array, Attrs, Call, Data, Inputs, Shape, integer, one
from .view import View, dense_strides, walk


def sum_shift(inner: int) -> int:
    """By so many bits sums of `inner` products are shifted: inner * 32767^2 / 2^this stays below 2^31.

    Examples
    --------
    >>> sum_shift(1), sum_shift(2), sum_shift(24)
    (0, 1, 4)
    """
    return inner.bit_length() - 1


def _bmm(inputs: Inputs, attrs: Attrs) -> Array:
    a, b = one(inputs).astype(np.float64), one(inputs, 1).astype(np.float64)  # exact below 2^53
    acc = shifted((a @ b).astype(np.int64), sum_shift(a.shape[-1]))
    value = requantise(acc, integer(attrs, "multiplier"), integer(attrs, "shift"))
    return clamped(value, integer(attrs, "limit"))


def _shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    if shapes[0][-1] >= 2**22:
        raise ValueError(f"sums of {shapes[0][-1]} products")
    return BMM.shape(shapes, attrs)


def _calls(op: Op, views: Mapping[str, View]) -> list[Call]:
    a, b = (views[name] for name in op.inputs)
    (rows, out), inner, ys = op.output.shape[-2:], a.shape[-1], dense_strides(op.output.shape)
    numbers = [integer(op.attrs, name) for name in ("multiplier", "shift", "limit")]
    found = []
    # One call for the last axis that the leading ones join to; those in front of it are unrolled.
    for sizes, each, starts in walk(op.output.shape[:-2], a.strides[:-2], b.strides[:-2], ys[:-2]):
        for i in range(sizes[0]):
            for j in range(sizes[1]):
                at = [start + i * s[0] + j * s[1] for start, s in zip(starts, each, strict=True)]
                strides = [(lead[2], *view.strides[-2:]) for lead, view in zip(each[:2], (a, b), strict=True)]
                data = (Data(op.inputs[0], at[0]), strides[0], Data(op.inputs[1], at[1]), strides[1])
                end: tuple[Argument, ...] = (sum_shift(inner), *numbers, Data(op.output.name, at[2]))
                found.append(Call("bmm_s16", (sizes[2], rows, inner, out, *data, *end)))
    return found


def _sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    shapes, _ = BMM.sample(r)
    inner = r.choice([1, 2, 3, 4, 8, 31])
    shapes = [(*shapes[0][:-1], inner), (*shapes[1][:-2], inner, shapes[1][-1])]
    return shapes, {
        "multiplier": r.choice([2**31 - 1, r.randint(0, 2**31 - 1)]),
        "shift": r.choice([1, 2, r.randint(3, 31)]),
        "limit": r.choice([100, LIMIT]),
    }


BMM_S16 = integer_row(
    kind="bmm_s16",
    summary="bmm of two tensors of s16",
    arity=(2, 2),
    attrs={"multiplier": int, "shift": int, "limit": int},
    shape=_shape,
    meaning=_bmm,
    sample=_sample,
    mac=BMM.mac,
    calls=_calls,
    reads=("s16",),
    writes="s16",
)
