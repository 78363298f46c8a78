"""Between floats and integers: enter_s16 (samples to slots), quantise and dequantise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..ir import Op
from .elementwise import enter_sample, enter_shape
from .integer import rounded
from .spec import Array, Attrs, Call, Data, Inputs, Spec, integer, number, one, same_shape, small_shape
from .view import View, dense_strides, walk


def integer_row(*, float_roundings: int = 0, **row: Any) -> Spec:
    """A row of the operator table that computes with integers: no operator of PyTorch's, and judged bit for bit.

    No bound is ever asked for, but where floats come out: of so many roundings.
    """
    return Spec(
        aten=(),
        terms=lambda inputs, terms, output, attrs: np.abs(output),
        roundings=lambda shapes, attrs: float_roundings,
        **row,
    )


def _enter(inputs: Inputs, attrs: Attrs) -> Array:
    table = one(inputs, 1)[0].astype(np.float32)
    return rounded((one(inputs).astype(np.float32) - table[0]) * table[1], integer(attrs, "limit"))


ENTER_S16 = integer_row(
    kind="enter_s16",
    summary="slot = (sample - offset) * scale in s16, rounded to nearest, once per sample when it arrives",
    arity=(2, 2),
    attrs={"limit": int},
    shape=enter_shape,
    meaning=_enter,
    sample=lambda r: (enter_sample(r)[0], {"limit": r.choice([100, 32767])}),
    writes="s16",
)


def _strided_calls(kernel: str, op: Op, views: Mapping[str, View]) -> list[Call]:
    view, scale = views[op.inputs[0]], number(op.attrs, "scale")
    extra = [integer(op.attrs, "limit")] if "limit" in op.attrs else []
    return [
        Call(kernel, (sizes, Data(op.inputs[0], ox), xs, scale, *extra, Data(op.output.name, oy)))
        for sizes, (xs, _), (ox, oy) in walk(view.shape, view.strides, dense_strides(view.shape))
    ]


QUANTISE = integer_row(
    kind="quantise",
    summary="x * scale in s16, rounded to nearest",
    arity=(1, 1),
    attrs={"scale": float, "limit": int},
    shape=same_shape,
    meaning=lambda inputs, attrs: rounded(
        one(inputs).astype(np.float32) * np.float32(number(attrs, "scale")), integer(attrs, "limit")
    ),
    sample=lambda r: ([small_shape(r)], {"scale": r.choice([0.5, 100.0, 3e4]), "limit": r.choice([100, 32767])}),
    calls=lambda op, views: _strided_calls("quantise_s16", op, views),
    writes="s16",
    pointwise=True,
)

DEQUANTISE = integer_row(
    kind="dequantise",
    summary="q * scale in f32",
    arity=(1, 1),
    attrs={"scale": float},
    shape=same_shape,
    meaning=lambda inputs, attrs: one(inputs).astype(np.float32) * np.float32(number(attrs, "scale")),
    float_roundings=1,
    sample=lambda r: ([small_shape(r)], {"scale": r.choice([0.001, 2.0])}),
    calls=lambda op, views: _strided_calls("dequantise_s16", op, views),
    reads=("s16",),
    pointwise=True,
)
