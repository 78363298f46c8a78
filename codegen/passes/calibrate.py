"""What calibration windows show of a float32 graph: how large each tensor gets, and what goes into its products."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..interpret import interpret
from ..ir import Graph, Op
from ..ops import TABLE, Array
from ..ops.conv import seen_by

CHUNK = 256
"""Windows run at once."""
MASKED = 1e30
"""Magnitudes from here on stand for infinity, in masks; they say nothing about a range, and no grid holds them."""


@dataclass
class Moments:
    """Of the vectors (in,) that a matrix product multiplies: how many there were, their sum, their products' sum."""

    count: int
    total: NDArray[np.float64]  # (groups, in)
    products: NDArray[np.float64]  # (groups, in, in)

    @property
    def mean(self) -> NDArray[np.float64]:
        """(groups, in)"""
        return self.total / self.count

    @property
    def covariance(self) -> NDArray[np.float64]:
        """(groups, in, in)"""
        mean = self.mean
        found: NDArray[np.float64] = self.products / self.count - mean[:, :, None] * mean[:, None, :]
        return found


@dataclass
class Calibration:
    """What was seen."""

    largest: dict[str, float] = field(default_factory=dict)
    """Largest magnitude of every tensor; of a relu's, of what goes into it: what never was positive may be so later."""
    masked: set[str] = field(default_factory=set)
    """Tensors in which something stands for infinity."""
    moments: dict[str, Moments] = field(default_factory=dict)
    """Of the inputs of every linear and conv1d, by the name of its output."""
    infinite: set[str] = field(default_factory=set)
    """Tensors with values that stand for infinity."""


def calibrate(graph: Graph, windows: NDArray[np.float32]) -> Calibration:
    """Run the graph over the windows (n, W, C).

    Raises
    ------
    ValueError
        No window, or values in them, or behind an operator, that are not finite.
    """
    if len(windows) == 0:
        raise ValueError("calibration has no window; quantisation needs at least one")
    if not np.isfinite(windows).all():
        window, step, channel = (int(index[0]) for index in np.nonzero(~np.isfinite(windows)))
        raise ValueError(
            f"calibration window {window} holds {windows[window, step, channel]} (step {step}, channel {channel}); "
            "take it out of the training data"
        )
    found = Calibration()
    for at in range(0, len(windows), CHUNK):
        tensors = interpret(graph, windows[at : at + CHUNK], np.float32, keep=True).tensors
        for name, values in tensors.items():
            if not np.isfinite(values).all():
                raise ValueError(
                    f"{name} overflows or is not a number for some calibration windows, so that it has no range; "
                    "scale the samples or the weights, or convert as f32"
                )
            _see(found, name, values)
        for op in graph.ops:
            if op.attrs.get("act") == "relu":
                inputs = [tensors[i] if i in tensors else graph.constants[i][None] if i else None for i in op.inputs]
                _see(found, op.output.name, TABLE[op.kind].meaning(inputs, {**op.attrs, "act": "none"}))
            if op.kind in {"linear", "conv1d"} and op.inputs[0] in tensors:
                _add(found.moments, op, _vectors(op, graph, tensors[op.inputs[0]].astype(np.float64)))
    return found


def _see(found: Calibration, name: str, values: Array) -> None:
    sizes = np.abs(values)
    most = float(sizes.max(where=sizes < MASKED, initial=0.0))
    found.largest[name] = max(found.largest.get(name, 0.0), most)
    if (sizes >= MASKED).any():
        found.masked.add(name)


def _vectors(op: Op, graph: Graph, x: Array) -> NDArray[Any]:
    """(groups, count, in) of what rows of weights are multiplied with; a conv1d's taps come before its channels."""
    if op.kind == "linear":
        return x.reshape(1, -1, x.shape[-1])
    return seen_by(x, graph.constants[op.inputs[1]].shape[2], op.attrs)


def _add(moments: dict[str, Moments], op: Op, x: NDArray[Any]) -> None:
    new = Moments(x.shape[1], x.sum(axis=1), x.transpose(0, 2, 1) @ x)
    old = moments.get(op.output.name, Moments(0, np.zeros_like(new.total), np.zeros_like(new.products)))
    moments[op.output.name] = Moments(old.count + new.count, old.total + new.total, old.products + new.products)
