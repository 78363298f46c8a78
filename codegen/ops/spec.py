"""What the operator table says about one kind of operator, and the vocabulary its kernel calls are written in."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ir import Attr, Op
from .view import View

Array = NDArray[Any]
Shape = tuple[int, ...]
Attrs = Mapping[str, Attr]
Inputs = Sequence[Array | None]


@dataclass(frozen=True)
class Data:
    """An argument: pointer and pitch of a tensor, `offset` elements in."""

    name: str
    offset: int = 0


@dataclass(frozen=True)
class Constant:
    """An argument: pointer to a constant, NULL for ""."""

    name: str


@dataclass(frozen=True)
class Scratch:
    """An argument: pointer to the operator's scratch memory, as a C type."""

    type: str = "float"


@dataclass(frozen=True)
class Kept:
    """An argument: pointer to what the operator remembers beside its output."""


@dataclass(frozen=True)
class Symbol:
    """An argument: a name of kernels.h."""

    name: str


Argument = Data | Constant | Scratch | Kept | Symbol | int | float | tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """One call of a kernel on n windows; n itself is the first argument of all and not listed."""

    kernel: str
    arguments: tuple[Argument, ...]


def _no_mac(shapes: Sequence[Shape], attrs: Attrs) -> int:
    return 0


def _no_scratch(shapes: Sequence[Shape], attrs: Attrs) -> int:
    return 0


@dataclass(frozen=True)
class Spec:
    """One row of the operator table. Arrays carry the windows as a leading axis: (n, *shape); constants have n = 1."""

    kind: str
    summary: str
    """What it computes, for the reader of the table."""
    aten: tuple[str, ...]
    """PyTorch operators that become it."""
    arity: tuple[int, int]
    """Fewest and most inputs; optional ones may also be given as ""."""
    shape: Callable[[Sequence[Shape], Attrs], Shape]
    """The output's shape; ValueError where inputs do not fit. An absent input has shape ()."""
    meaning: Callable[[Inputs, Attrs], Array]
    """numpy, any float dtype: slow and obvious."""
    terms: Callable[[Inputs, Inputs, Array, Attrs], Array]
    """(inputs, running |terms| of inputs, output) -> running sum of |terms| of the output."""
    roundings: Callable[[Sequence[Shape], Attrs], float]
    """At most how many float32 roundings of the sum of |terms| one element suffers."""
    sample: Callable[[random.Random], tuple[list[Shape], dict[str, Attr]]]
    """Small legal input shapes and attributes, for tests."""
    attrs: Mapping[str, type] = field(default_factory=dict)
    mac: Callable[[Sequence[Shape], Attrs], int] = _no_mac
    scratch: Callable[[Sequence[Shape], Attrs], int] = _no_scratch
    """Bytes of scratch memory its kernel wants, whole words of 4, whatever the number of windows."""
    reads: tuple[str, ...] = ("f32",)
    """Data types of its inputs, the last for all that follow; "any" for an operator that only moves values."""
    writes: str = "f32"
    """Data type of its output; "any": that of its inputs, which are all alike."""
    view: Callable[[View, Attrs, Shape], View | None] | None = None
    """For operators that move no data: the output as a view; None where only a copy will do."""
    calls: Callable[[Op, Mapping[str, View]], list[Call]] | None = None
    """For all others: the kernel calls that compute it."""
    dense: tuple[int, ...] = ()
    """Inputs that the kernel wants dense."""
    rows: tuple[int, ...] = ()
    """Inputs whose last axis the kernel wants in one piece, whatever the strides of the others."""
    weights: tuple[int, ...] = ()
    """Inputs that are weights as PyTorch keeps them, which `layout` packs. "packed" says that it has."""
    pack: Callable[[Array, Attrs], Array] = lambda weight, attrs: weight.T
    """How: the axes reversed, so that outputs come last."""
    largest: Callable[[Inputs, int, Attrs], int] | None = None
    """For sums in s32: the largest magnitude one can reach, by the constants (others are None) and the limit of x."""
    constants: int | None = None
    """First of the inputs that must be constants."""
    in_place: tuple[int, ...] = ()
    """Inputs that the output may overwrite, where they are dense and of its size."""
    pointwise: bool = False
    """Each element depends on the elements at the same place, under broadcasting; in which order, is no matter."""
    recurrent: bool = False
    """Its rounding errors feed back, so that no bound by counting roundings holds."""
    state: Callable[[Sequence[Shape], Attrs], int] | None = None
    """For operators that remember from sample to sample, as their output does: bytes of what they keep beside it."""


def same_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    """The first input's shape."""
    return shapes[0]


def one(inputs: Inputs, index: int = 0) -> Array:
    """An input that is never absent."""
    value = inputs[index]
    assert value is not None
    return value


def ints(attrs: Attrs, name: str) -> tuple[int, ...]:
    """An attribute that is a tuple of integers."""
    value = attrs[name]
    if not isinstance(value, tuple):
        raise ValueError(f"{name}={value!r} is not a list of integers")
    return value


def integer(attrs: Attrs, name: str) -> int:
    """An attribute that is an integer."""
    value = attrs[name]
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name}={value!r} is not an integer")
    return value


def number(attrs: Attrs, name: str) -> float:
    """An attribute that is a number."""
    value = attrs[name]
    if not isinstance(value, (int, float)):
        raise ValueError(f"{name}={value!r} is not a number")
    return float(value)


def axis(attrs: Attrs, rank: int, name: str = "dim") -> int:
    """An attribute that is an axis of a tensor of this rank, not negative."""
    value = integer(attrs, name)
    if not 0 <= value < rank:
        raise ValueError(f"{name}={value} is no axis of a tensor of rank {rank}")
    return value


def small_shape(r: random.Random, rank: int | None = None) -> Shape:
    """A shape with few elements whose first dimension is the batch, 1."""
    rank = r.randint(1, 4) if rank is None else rank
    return (1, *(r.randint(1, 5) for _ in range(rank - 1)))


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) without overflow, in the dtype of x."""
    e = np.exp(-np.abs(x))
    y: Array = np.where(x >= 0, 1 / (1 + e), e / (1 + e)).astype(x.dtype)
    return y
