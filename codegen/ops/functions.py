"""Functions of one element beyond the first activations: roots, logarithms, sines, smooth activations, rounding."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.polynomial import Chebyshev

from .bounds import SHARE, root, step
from .elementwise import unary
from .spec import Array, sigmoid

SLOPE = 1.13
"""gelu, its approximation by tanh and silu are nowhere steeper, and erf, with 2 / sqrt(pi), is as steep at 0."""


@functools.cache
def _erf_pieces() -> tuple[Chebyshev, Chebyshev]:
    """erf(sqrt(z)) / sqrt(z) for z in [0, 1], and erf in [1, 6], where it becomes 1, to float64's precision."""

    def quotient(z: Array) -> Array:
        return np.array([math.erf(math.sqrt(v)) / math.sqrt(v) for v in z])

    def plain(x: Array) -> Array:
        return np.array([math.erf(v) for v in x])

    return Chebyshev.interpolate(quotient, 16, [0, 1]), Chebyshev.interpolate(plain, 48, [1, 6])


def erf(x: Array) -> Array:
    """The error function, which numpy lacks, in the dtype of x.

    Examples
    --------
    >>> erf(np.array([0.0, 0.5, -7.0, math.nan])).round(6).tolist()
    [0.0, 0.5205, -1.0, nan]
    """
    near, far = _erf_pieces()
    a = np.abs(x).astype(np.float64)
    y = np.where(a < 1, a * near(np.minimum(a, 1) ** 2), far(np.clip(a, 1, 6)))
    result: Array = np.copysign(y, x).astype(x.dtype)
    return result


def _gelu(x: Array) -> Array:
    y: Array = x * (1 + erf(x * x.dtype.type(0.5**0.5))) / 2
    return y


def _gelu_tanh(x: Array) -> Array:
    inner = x.dtype.type((2 / math.pi) ** 0.5) * (x + x.dtype.type(0.044715) * x**3)
    y: Array = x * (1 + np.tanh(inner)) / 2
    return y


def _softplus(x: Array) -> Array:
    y: Array = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return y


# What a kernel's function is off by, in units in the last place, is at most half of the roundings here (functions.h).
FUNCTIONS = [
    unary("sqrt", "square root", ("sqrt", "pow (0.5)", "linalg_vector_norm"), np.sqrt, lambda x, m, y: root(y, m), 4),
    unary(
        "rsqrt", "1 / sqrt(x)", ("rsqrt", "pow (-0.5)"), lambda x: 1 / np.sqrt(x), lambda x, m, y: y * (m / x + 1), 8
    ),
    unary("log", "natural logarithm", ("log", "log2", "log10"), np.log, lambda x, m, y: m / np.abs(x) + np.abs(y), 4),
    unary("log1p", "log(1 + x)", ("log1p",), np.log1p, lambda x, m, y: m / np.abs(1 + x) + np.abs(y), 8),
    unary("expm1", "exp(x) - 1", ("expm1", "elu"), np.expm1, lambda x, m, y: (y + 1) * m + np.abs(y), 8),
    unary("erf", "error function", ("erf",), erf, lambda x, m, y: SLOPE * np.exp(-x * x) * m + np.abs(y), 8),
    unary("sin", "sine", ("sin",), np.sin, lambda x, m, y: m + np.abs(y), 8),
    unary("cos", "cosine", ("cos",), np.cos, lambda x, m, y: m + np.abs(y), 8),
    unary("gelu", "x (1 + erf(x / sqrt(2))) / 2", ("gelu",), _gelu, lambda x, m, y: SLOPE * m + np.abs(x), 8),
    unary(
        "gelu_tanh",
        "x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2",
        ("gelu (tanh)",),
        _gelu_tanh,
        lambda x, m, y: SLOPE * m + np.abs(x),
        8,
    ),
    unary("silu", "x / (1 + exp(-x))", ("silu",), lambda x: x * sigmoid(x), lambda x, m, y: SLOPE * m + np.abs(y), 8),
    unary(
        "softplus",
        "log(1 + exp(x))",
        ("softplus", "log_sigmoid", "mish"),
        _softplus,
        lambda x, m, y: sigmoid(x) * m + y,
        8,
    ),
    # Steps: what an error near one does is the whole step.
    unary("sign", "-1, 0 or 1", ("sign",), np.sign, lambda x, m, y: step(np.abs(x), m, 2.0) + np.abs(y), 1),
    unary(
        "floor",
        "the next integer below",
        ("floor", "ceil", "trunc"),
        np.floor,
        lambda x, m, y: step(np.abs(x - np.rint(x)), m, 1.0 + SHARE * m) + np.abs(y),
        1,
    ),
    unary(
        "round",
        "the nearest integer, halves to the even one",
        ("round",),
        np.rint,
        lambda x, m, y: step(np.abs(x - np.floor(x) - 0.5), m, 1.0 + SHARE * m) + np.abs(y),
        1,
    ),
]
