"""Moves a slice in front of what computes more than it takes, along any axis, operator by operator.

`trim` knows the steps of (rows, steps, channels) and many readers. Here there is one reader, and any shape: attention
of several heads of which only the newest query is read asks for that one alone.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..ir import Graph, Op, Tensor, fresh, prune
from ..ops import TABLE, infer, mac
from .names import inherited


def lift(graph: Graph) -> Graph:
    """Lift until no slice goes higher; the graph as it was where that saves nothing."""
    lifted = _slices(graph)
    while (higher := _lifted(lifted)) is not None:
        lifted = prune(higher)
    return inherited(graph, lifted) if mac(lifted) < mac(graph) else graph


def _slices(graph: Graph) -> Graph:
    """Every select as a slice and a reshape."""
    shapes = graph.shapes()
    ops: list[Op] = []
    for op in graph.ops:
        if op.kind == "select":
            dim, index = op.attrs["dim"], op.attrs["index"]
            assert isinstance(dim, int) and isinstance(index, int)
            kept = (*op.output.shape[:dim], 1, *op.output.shape[dim:])
            part = Tensor(fresh(shapes, op.output.name + ".part"), kept)
            shapes[part.name] = kept
            bounds = {"dim": dim, "start": index, "stop": index + 1, "step": 1}
            ops.append(Op("slice", op.inputs, part, bounds, op.sources))
            op = Op("reshape", (part.name,), op.output, {"shape": op.output.shape}, op.sources)
        ops.append(op)
    return replace(graph, ops=tuple(ops))


def _lifted(graph: Graph) -> Graph | None:
    """One slice in front of the operator that it stood behind; None where none can."""
    made, readers, shapes = graph.producers(), graph.consumers(), graph.shapes()
    for cut in graph.ops:
        over = made.get(cut.inputs[0]) if cut.kind == "slice" else None
        if over is None or len(readers[over.output.name]) > 1 or over.output.name in graph.outputs:
            continue
        axes = _axes(over, cut, graph)
        if axes is None:
            continue
        ops: list[Op] = []
        constants, inputs = dict(graph.constants), list(over.inputs)
        for at, axis in axes.items():
            name = over.inputs[at]
            if name in constants:
                start, stop, step = (cut.attrs[key] for key in ("start", "stop", "step"))
                assert isinstance(start, int) and isinstance(stop, int) and isinstance(step, int)
                inputs[at] = fresh(shapes, name)
                part = constants[name].take(np.arange(start, stop, step), axis=axis)
                constants[inputs[at]], shapes[inputs[at]] = part, part.shape
                continue
            part_of = Tensor(fresh(shapes, name + ".part"), ())
            lower = Op("slice", (name,), part_of, {**cut.attrs, "dim": axis}, cut.sources)
            lower = replace(lower, output=Tensor(lower.output.name, infer(lower, shapes)))
            shapes[lower.output.name] = lower.output.shape
            ops.append(lower)
            inputs[at] = lower.output.name
        attrs = {"shape": cut.output.shape} if over.kind == "reshape" else over.attrs
        ops.append(replace(over, inputs=tuple(inputs), output=cut.output, attrs=attrs, sources=over.sources))
        place: dict[str, list[Op]] = {over.output.name: [], cut.output.name: ops}
        whole = tuple(new for op in graph.ops for new in place.get(op.output.name, [op]))
        return replace(graph, ops=whole, constants=constants)
    return None


def _axes(op: Op, cut: Op, graph: Graph) -> dict[int, int] | None:
    """Which inputs, along which of their axes, hold what is cut out of the operator's output; None where none do."""
    dim, shape, shapes = cut.attrs["dim"], op.output.shape, graph.shapes()
    assert isinstance(dim, int)
    rank, dims = len(shape), op.attrs.get("dims")
    if op.kind == "permute" and isinstance(dims, tuple):
        return {0: dims[dim]}
    if op.kind == "reshape":
        source = shapes[op.inputs[0]]
        before = math.prod(shape[:dim])
        same = [d for d, size in enumerate(source) if size == shape[dim] and math.prod(source[:d]) == before]
        return {0: same[0]} if shape[dim] > 1 and same else None
    if op.kind == "linear" and not op.attrs["packed"]:
        weights = {i: 0 for i, name in enumerate(op.inputs) if i and name}
        return {0: dim} if dim < rank - 1 else weights
    if op.kind == "bmm":
        return {0: dim} if dim == rank - 2 else {1: dim} if dim == rank - 1 else {0: dim, 1: dim}
    alone = (op.kind == "softmax" and op.attrs["dim"] != dim) or (
        op.kind == "normalise" and isinstance(axes := op.attrs["axes"], int) and dim < rank - axes
    )
    if alone:
        return {0: dim}
    if TABLE[op.kind].pointwise:
        found = {i: dim - rank + len(shapes[name]) for i, name in enumerate(op.inputs)}
        return {i: axis for i, axis in found.items() if axis >= 0 and shapes[op.inputs[i]][axis] > 1}
    return None
