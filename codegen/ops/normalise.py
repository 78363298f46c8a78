"""Operators that relate a row's elements to each other: normalise (layer, group, instance and RMS norm) and softmax."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

import numpy as np

from ..ir import Attr, Op
from .bounds import SHARE
from .reduce import split
from .spec import Array, Attrs, Call, Constant, Data, Inputs, Shape, Spec, axis, integer, number, one
from .view import View


def _width(shape: Shape, attrs: Attrs) -> int:
    """Elements of a row: the last axes, as many as `axes` says."""
    axes = integer(attrs, "axes")
    if not 1 <= axes < len(shape):
        raise ValueError(f"axes={axes} of a tensor of rank {len(shape)}")
    return math.prod(shape[-axes:])


def _normalise_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    width = _width(shapes[0], attrs)
    for shape in shapes[1:]:
        if shape not in {(width,), ()}:
            raise ValueError(f"a weight or a bias is {shape}, not ({width},)")
    if not number(attrs, "eps") >= 0:
        raise ValueError(f"eps={attrs['eps']} is negative")
    return shapes[0]


def _rows(inputs: Inputs, attrs: Attrs) -> tuple[Array, Array | None, Array | None]:
    """x as (n, ..., width), weight and bias as (width,) or None."""
    x = one(inputs)
    weight, bias = (None if v is None else v[0] for v in (*inputs[1:], None, None)[:2])
    return x.reshape(*x.shape[: x.ndim - integer(attrs, "axes")], -1), weight, bias


def _normalise(inputs: Inputs, attrs: Attrs) -> Array:
    x, weight, bias = _rows(inputs, attrs)
    d = x - x.mean(-1, keepdims=True) if attrs["centred"] else x
    y: Array = d / np.sqrt((d * d).mean(-1, keepdims=True) + x.dtype.type(number(attrs, "eps")))
    y = y if weight is None else y * weight
    y = y if bias is None else y + bias
    return y.reshape(one(inputs).shape)


def _normalise_terms(inputs: Inputs, mags: Inputs, output: Array, attrs: Attrs) -> Array:
    """A row's spread divides its errors: where it is small, they are large.

    y = d / s with d = x - mean(x), s = sqrt(v + eps), v = mean(d^2). An error e of d moves y by e / s, and through v by
    |d| / s^3 (mean(|d| e) + mean(e^2) / 2); the square matters where a row is constant but for its errors.
    """
    x, weight, bias = _rows(inputs, attrs)
    m = one(mags).reshape(x.shape)
    centred = bool(attrs["centred"])
    d = np.abs(x - x.mean(-1, keepdims=True) if centred else x)
    e = m + m.mean(-1, keepdims=True) if centred else m
    s = np.sqrt((d * d).mean(-1, keepdims=True) + number(attrs, "eps"))
    spread = (d * e).mean(-1, keepdims=True) + SHARE / 2 * (e * e).mean(-1, keepdims=True)
    y: Array = e / s + d / s**3 * spread
    y = y if weight is None else y * np.abs(weight)
    y = y if bias is None else y + np.abs(bias)
    return y.reshape(one(mags).shape)


def _normalise_calls(op: Op, views: Mapping[str, View]) -> list[Call]:
    x, weight, bias = (*op.inputs, "", "")[:3]
    width = _width(op.output.shape, op.attrs)
    sizes = (op.output.size // width, width, int(bool(op.attrs["centred"])), number(op.attrs, "eps"))
    return [Call("normalise_f32", (*sizes, Data(x), Constant(weight), Constant(bias), Data(op.output.name)))]


def _normalise_sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    shape = (1, *(r.randint(1, 3) for _ in range(r.randint(0, 2))), r.randint(1, 9))
    axes = r.randint(1, len(shape) - 1)
    width = math.prod(shape[-axes:])
    weights = [(width,)] * r.randint(0, 2)
    return [shape, *weights], {"axes": axes, "centred": r.choice([True, False]), "eps": r.choice([1e-5, 0.01])}


def _softmax_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    axis(attrs, len(shapes[0]))
    return shapes[0]


def _softmax(inputs: Inputs, attrs: Attrs) -> Array:
    x, dim = one(inputs), integer(attrs, "dim") + 1
    d = x - x.max(dim, keepdims=True)
    e = np.exp(d)
    whole = e.sum(dim, keepdims=True)
    y: Array = d - np.log(whole) if attrs["log"] else e / whole
    return y


def _softmax_terms(inputs: Inputs, mags: Inputs, output: Array, attrs: Attrs) -> Array:
    """An error e of x moves log(y) by e and by the mean of all errors, weighted by the shares y.

    So large numbers have inexact shares: at 1000 a float32 is rounded by 6e-5, and so is y, relatively.
    What has no share at all contributes nothing, however large (a mask).
    """
    x, m, dim = one(inputs), one(mags), integer(attrs, "dim") + 1
    depth = x.max(dim, keepdims=True) - x
    share = np.exp(output) if attrs["log"] else output

    def weighed(value: Array) -> Array:
        return np.where(share == 0, 0, share * value)

    mean = weighed(m).sum(dim, keepdims=True)
    if attrs["log"]:
        y: Array = m + mean + depth + np.abs(output) + 1
        return y
    return weighed(m + mean + depth + 1)


def _softmax_calls(op: Op, views: Mapping[str, View]) -> list[Call]:
    sizes = split(op.output.shape, (integer(op.attrs, "dim"),))
    return [Call("softmax_f32", (*sizes, int(bool(op.attrs["log"])), Data(op.inputs[0]), Data(op.output.name)))]


def _softmax_sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    shape = (1, *(r.randint(1, 5) for _ in range(r.randint(1, 3))))
    return [shape], {"dim": r.randint(1, len(shape) - 1), "log": r.choice([True, False])}


ROWS = [
    Spec(
        kind="normalise",
        summary="(x - mean) / sqrt(variance + eps) * w + b over the last axes; or uncentred, x / sqrt(mean(x^2) + eps)",
        aten=("layer_norm", "group_norm", "instance_norm", "rms_norm"),
        arity=(1, 3),
        attrs={"axes": int, "centred": bool, "eps": float},
        shape=_normalise_shape,
        meaning=_normalise,
        terms=_normalise_terms,
        roundings=lambda shapes, attrs: _width(shapes[0], attrs) + 16,
        sample=_normalise_sample,
        mac=lambda shapes, attrs: 2 * math.prod(shapes[0]),
        calls=_normalise_calls,
        constants=1,
        dense=(0,),
        in_place=(0,),
    ),
    Spec(
        kind="softmax",
        summary="exp(x) / sum(exp(x)) along an axis, or its logarithm",
        aten=("softmax", "log_softmax", "scaled_dot_product_attention"),
        arity=(1, 1),
        attrs={"dim": int, "log": bool},
        shape=_softmax_shape,
        meaning=_softmax,
        terms=_softmax_terms,
        roundings=lambda shapes, attrs: shapes[0][integer(attrs, "dim")] + 12,
        sample=_softmax_sample,
        mac=lambda shapes, attrs: math.prod(shapes[0]),
        calls=_softmax_calls,
        dense=(0,),
        in_place=(0,),
    ),
]
