"""What passes ask of affine operators: y = a * x + b with constants per channel (the last axis)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..ir import Graph, Op

Vector = NDArray[np.float64]


def data_input(op: Op, graph: Graph) -> int | None:
    """Which operand of a binary operator is data where the other is constant; None where that is not so."""
    if op.kind not in {"add", "sub", "mul", "div"}:
        return None
    constant = [name in graph.constants for name in op.inputs]
    return constant.index(False) if sorted(constant) == [False, True] else None


def per_channel(op: Op, graph: Graph) -> tuple[Vector, Vector] | None:
    """(a, b), each (channels,) float64, where the operator is y = a * x + b for its data input x; else None."""
    at = data_input(op, graph)
    if at is None or not op.output.shape:
        return None
    shapes, constant = graph.shapes(), graph.constants[op.inputs[1 - at]].astype(np.float64)
    if shapes[op.inputs[at]] != op.output.shape or any(size != 1 for size in constant.shape[:-1]):
        return None
    channels = op.output.shape[-1]
    c = np.broadcast_to(constant.reshape(-1), (channels,))
    ones, zeros = np.ones(channels), np.zeros(channels)
    if op.kind == "add":
        return ones, zeros + c
    if op.kind == "sub":
        return (ones, -c) if at == 0 else (-ones, zeros + c)
    if op.kind == "mul":
        return zeros + c, zeros
    if at == 0 and np.all(c != 0):
        return 1 / c, zeros
    return None
