"""Which operator of a compiled program computes something else than it should?

Every operator is judged by itself: run again in float64 on the inputs that the program itself had (its taps), and
compared under a bound for its own rounding. So an early error does not spoil the judgement of what follows. Integers
are computed exactly, and must be equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .ir import Graph, Op
from .ops import TABLE, Array, numbered

UNIT = 2.0**-24
"""Half a unit in the last place of float32, relative."""
TINY = 2.0**-126
RECURRENT_MARGIN = 16.0
"""A recurrent operator may be this many times as far from float64 as its own meaning in float32 is."""


@dataclass(frozen=True)
class Divergence:
    """The operator that diverges, or comes closest to it."""

    op: int
    """Its number, as taps know it; 0 is enter."""
    name: str
    sources: tuple[str, ...]
    measured: float
    """|C - float64| of the element that is farthest out of its bound, or closest to it."""
    bound: float
    """What rounding explains of that element."""

    @property
    def diverged(self) -> bool:
        """Whether rounding does not explain it."""
        return not self.measured <= self.bound


def first_divergence(graph: Graph, windows: NDArray[Any], taps: Mapping[int, NDArray[Any]]) -> Divergence:
    """Name the first operator whose output its own rounding does not explain; else the one that comes closest.

    Parameters
    ----------
    graph : Graph
        Planned, with the constants as they ought to be.
    windows : ndarray (n, W, C)
        Raw samples, n windows at stride one, as they were given to forward.
    taps : mapping of operator number -> ndarray
        ``(n, Tensor.pitch)`` for each operator; for 0, enter, the ``(W + n - 1) * C`` values of the slots.

    Raises
    ------
    ValueError
        A tap is missing or has another size.
    """
    n, width, channels = windows.shape
    values: dict[str, Array] = {name: a[None].astype(_wide(a)) for name, a in graph.constants.items()}
    values[graph.window.name] = windows[:, None].astype(np.float64)
    closest: Divergence | None = None
    numbers = {op.output.name: number for number, op in numbered(graph)}
    with np.errstate(all="ignore"):
        for op in graph.ops:
            name, inputs = op.output.name, [values[i] if i else None for i in op.inputs]
            computed = TABLE[op.kind].meaning(inputs, op.attrs)
            if name not in numbers:
                values[name] = computed  # a view: no kernel, nothing to judge
                continue
            number = numbers[name]
            count = (width + n - 1) * channels if number == 0 else n * op.output.pitch
            if number not in taps or taps[number].size != count:
                got = taps[number].size if number in taps else "no"
                raise ValueError(f"operator {number} ({name}) has {got} tapped values, not {count}")
            tapped = taps[number].astype(_wide(taps[number]))
            if number == 0:
                slots = np.lib.stride_tricks.sliding_window_view(tapped.reshape(-1, channels), width, axis=0)
                tapped = slots.transpose(0, 2, 1)
            else:
                tapped = tapped.reshape(n, -1)[:, : op.output.size]
            values[name] = tapped.reshape(n, *op.output.shape)
            found = _judge(op, number, inputs, computed, values[name])
            if found.diverged:
                return found
            if closest is None or found.measured * closest.bound > closest.measured * found.bound:
                closest = found
    assert closest is not None  # a verified graph begins with enter
    return closest


def _wide(values: NDArray[Any]) -> type[np.int64] | type[np.float64]:
    """What holds them, and what is computed of them."""
    return np.float64 if values.dtype.kind == "f" else np.int64


def _judge(op: Op, number: int, inputs: list[Array | None], computed: Array, tapped: Array) -> Divergence:
    spec = TABLE[op.kind]
    computed = np.broadcast_to(computed, tapped.shape)
    shapes = [() if x is None else x.shape[1:] for x in inputs]
    terms = spec.terms(inputs, [None if x is None else np.abs(x) for x in inputs], computed, op.attrs)
    bound = np.broadcast_to(spec.roundings(shapes, op.attrs) * UNIT * terms + TINY, tapped.shape)
    if spec.recurrent:
        single = spec.meaning([None if x is None else x.astype(np.float32) for x in inputs], op.attrs)
        bound = bound + RECURRENT_MARGIN * float(np.abs(single - computed).max())
    error = np.abs(tapped - computed)
    same = (tapped == computed) | (np.isnan(tapped) & np.isnan(computed))
    # float32 overflows where float64 does not; that is rounding, too.
    same |= np.isinf(tapped) & (np.abs(computed) > float(np.finfo(np.float32).max))
    error = np.where(same, 0.0, np.where(np.isnan(error), np.inf, error))
    bound = np.where(np.isfinite(bound), bound, np.finfo(np.float64).max)
    at = np.unravel_index(int(np.argmax(error / bound)), error.shape)
    sources = tuple(dict.fromkeys(f"{s} ({s.line})" for s in op.sources)) or (op.kind,)
    return Divergence(number, op.output.name, sources, float(error[at]), float(bound[at]))
