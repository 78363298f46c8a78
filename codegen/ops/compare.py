"""Operators that decide: the larger and the smaller of two, comparisons that give 1 or 0, a choice by such a one."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np

from ..ir import Attr
from .bounds import SHARE, step
from .elementwise import aligned, binary, binary_sample, broadcast_calls, broadcast_shape
from .spec import Array, Attrs, Inputs, Shape, Spec


def _chosen(a: Array, b: Array, ma: Array, mb: Array, first: Array) -> Array:
    """|terms| of the one that is chosen; of the larger ones where it is not certain which that is."""
    unsure = np.abs(a - b) <= SHARE * (ma + mb)
    y: Array = np.where(unsure, np.maximum(ma, mb), np.where(first, ma, mb))
    return y


def _comparison(kind: str, sign: str, aten: tuple[str, ...], meaning: Callable[[Array, Array], Array]) -> Spec:
    def compare(a: Array, b: Array) -> Array:
        return meaning(a, b).astype(np.result_type(a, b))

    return binary(
        kind,
        f"1 where a {sign} b, else 0",
        aten,
        compare,
        lambda a, b, ma, mb: compare(a, b) + step(np.abs(a - b), ma + mb, 1.0),
    )


DECISIONS = [
    binary(
        "maximum",
        "the larger of a and b",
        ("maximum", "max (two)", "clamp", "hardtanh", "relu6"),
        np.maximum,
        lambda a, b, ma, mb: _chosen(a, b, ma, mb, a > b),
    ),
    binary(
        "minimum",
        "the smaller of a and b",
        ("minimum", "min (two)", "clamp", "hardsigmoid", "hardswish"),
        np.minimum,
        lambda a, b, ma, mb: _chosen(a, b, ma, mb, a < b),
    ),
    _comparison("less", "<", ("lt", "gt"), np.less),
    _comparison("less_equal", "<=", ("le", "ge"), np.less_equal),
    _comparison("equal", "=", ("eq", "logical_not"), np.equal),
    _comparison("not_equal", "!=", ("ne", "logical_xor", "_to_copy (to bool)"), np.not_equal),
]


def _where(inputs: Inputs, attrs: Attrs) -> Array:
    c, a, b = aligned(inputs)
    return np.where(c != 0, a, b)


def _where_terms(inputs: Inputs, mags: Inputs, output: Array, attrs: Attrs) -> Array:
    c, a, b = aligned(inputs)
    mc, ma, mb = aligned(mags)
    doubt = np.maximum(mc - np.abs(c), 0)  # a condition of 0 or 1 that is certain has no |terms| beyond itself
    other = np.where(doubt > 0, doubt * np.abs(a - b), 0)  # a - b may be anything where nobody asks
    y: Array = np.where(c != 0, ma, mb) + np.where(np.isnan(other), np.inf, other)
    return y


def _where_sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    shapes, _ = binary_sample(r)
    full = max(shapes, key=len)
    return [*shapes, tuple(1 if r.random() < 0.4 else size for size in full)], {}


DECISIONS.append(
    Spec(
        kind="where",
        summary="a where c is not 0, else b",
        aten=("where", "masked_fill", "threshold"),
        arity=(3, 3),
        shape=broadcast_shape,
        meaning=_where,
        terms=_where_terms,
        roundings=lambda shapes, attrs: 0,
        sample=_where_sample,
        calls=broadcast_calls("where_f32"),
        in_place=(0, 1, 2),
        pointwise=True,
    )
)
