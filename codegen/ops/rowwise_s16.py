"""Operators on s16 values that relate a row's elements to each other: softmax_s16 and normalise_s16.

Either divides once with 32 bits an element (softmax) or once a row (normalise); neither can overflow within the sizes
stated here, which its shape rule holds to.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

import numpy as np

from ..ir import Attr, Op
from .edges import integer_row
from .integer import LIMIT, power, requantise, root
from .normalise import ROWS
from .pointwise_s16 import LIFT
from .reduce import split
from .spec import Array, Attrs, Call, Data, Inputs, Shape, axis, integer, one
from .view import View

MOST_SHARES = 1024
"""Longest axis of a softmax: shares are in units of 2^-15, and each may be off by one of them."""
WIDEST = 512
"""Longest row of a norm: what its elements are multiplied with leaves 31 bits for them."""
_NORMALISE, _SOFTMAX = ROWS


def _softmax_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    length = shapes[0][axis(attrs, len(shapes[0]))]
    if length > MOST_SHARES:
        raise ValueError(f"{length} shares; integers have room for {MOST_SHARES}")
    return shapes[0]


def _softmax(inputs: Inputs, attrs: Attrs) -> Array:
    x, dim = one(inputs), integer(attrs, "dim") + 1
    depth = (x.max(dim, keepdims=True) - x) << LIFT
    e = power(requantise(depth, integer(attrs, "multiplier"), integer(attrs, "shift")))
    whole = e.sum(dim, keepdims=True)
    y: Array = np.minimum(((e << 15) + (whole >> 1)) // whole, LIMIT)
    return y


def _softmax_calls(op: Op, views: Mapping[str, View]) -> list[Call]:
    sizes = split(op.output.shape, (integer(op.attrs, "dim"),))
    numbers = (integer(op.attrs, "multiplier"), integer(op.attrs, "shift"))
    return [Call("softmax_s16", (*sizes, *numbers, Data(op.inputs[0]), Data(op.output.name)))]


def _softmax_sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    shapes, attrs = _SOFTMAX.sample(r)
    if r.random() < 0.1:
        shapes = [(*shapes[0][:-1], MOST_SHARES)]
    # From factors with which all have equal shares to some with which the largest takes all.
    return shapes, {"dim": attrs["dim"], "multiplier": r.randint(0, 2**31 - 1), "shift": r.randint(1, 20)}


def magnitude_bits(width: int, centred: bool) -> int:
    """Bits before the point of a normalised row, which reaches sqrt(width), or centred sqrt(width - 1); 15 in all.

    Examples
    --------
    >>> magnitude_bits(24, True), magnitude_bits(16, True), magnitude_bits(16, False)
    (3, 2, 3)
    """
    most = math.sqrt(width - 1 if centred else width)
    return next(bits for bits in range(16) if most * 2.0 ** (15 - bits) <= LIMIT - 1)


def largest_eps(width: int) -> int:
    """So large may the eps of normalise_s16 be: as the largest mean square that a row can have."""
    return width * width << 30


def _normalise_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    shape = _NORMALISE.shape(shapes, {**attrs, "eps": 0.0})
    width, eps = _width(shape, attrs), integer(attrs, "eps")
    if width > WIDEST:
        raise ValueError(f"rows of {width}; integers have room for {WIDEST}")
    if not 1 <= eps <= largest_eps(width):
        raise ValueError(f"eps={eps} is not within 1 and {largest_eps(width)}")
    return shape


def _width(shape: Shape, attrs: Attrs) -> int:
    return math.prod(shape[len(shape) - integer(attrs, "axes") :])


def _normalise(inputs: Inputs, attrs: Attrs) -> Array:
    x = one(inputs)
    width = _width(x.shape, attrs)
    rows = x.reshape(-1, width)
    total = rows.sum(-1, keepdims=True) if attrs["centred"] else np.zeros((len(rows), 1), np.int64)
    square = width * (rows * rows).sum(-1, keepdims=True) - total * total + integer(attrs, "eps")  # width^2 variance
    lift = (64 - np.frexp(square.astype(np.float64))[1]).astype(np.int64) // 2
    deviation = root(square.astype(np.uint64) << (2 * lift).astype(np.uint64))  # from 2^31 on
    inverse = np.minimum((1 << 62) // deviation, 2**31 - 1)
    spread = (width * rows - total) << (lift - 1 - magnitude_bits(width, bool(attrs["centred"])))
    y: Array = requantise(spread, inverse, 14).reshape(x.shape)
    return y


def _normalise_calls(op: Op, views: Mapping[str, View]) -> list[Call]:
    width, centred = _width(op.output.shape, op.attrs), bool(op.attrs["centred"])
    numbers = (op.output.size // width, width, int(centred), integer(op.attrs, "eps"), magnitude_bits(width, centred))
    return [Call("normalise_s16", (*numbers, Data(op.inputs[0]), Data(op.output.name)))]


def _normalise_sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    shapes, attrs = _NORMALISE.sample(r)
    if r.random() < 0.2:
        shapes, attrs = [(1, r.choice([16, 17, 511, WIDEST]))], {**attrs, "axes": 1}
    most = largest_eps(_width(shapes[0], attrs))
    eps = r.choice([1, r.randint(1, 1000), 2 ** r.randint(0, most.bit_length() - 1), most])
    return shapes[:1], {"axes": attrs["axes"], "centred": attrs["centred"], "eps": eps}


ROWWISE_S16 = [
    integer_row(
        kind="normalise_s16",
        summary="as normalise, without weight and bias, in units of 2^-15 of the power of two that no row reaches",
        arity=(1, 1),
        attrs={"axes": int, "centred": bool, "eps": int},
        shape=_normalise_shape,
        meaning=_normalise,
        sample=_normalise_sample,
        mac=_NORMALISE.mac,
        calls=_normalise_calls,
        dense=(0,),
        in_place=(0,),
        reads=("s16",),
        writes="s16",
    ),
    integer_row(
        kind="softmax_s16",
        summary="as softmax, of x * multiplier / 2^(19 + shift) in units of log(2) / 2^16",
        arity=(1, 1),
        attrs={"dim": int, "multiplier": int, "shift": int},
        shape=_softmax_shape,
        meaning=_softmax,
        sample=_softmax_sample,
        mac=_SOFTMAX.mac,
        calls=_softmax_calls,
        dense=(0,),
        in_place=(0,),
        reads=("s16",),
        writes="s16",
    ),
]
