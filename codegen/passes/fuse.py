"""Joins what follows a kernel with it: an activation with its matrix product, an affine step with its norm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..ir import Graph, Op, fresh, prune
from ..ops import ACTIVATIONS
from .affine import data_input

Rule = Callable[[Graph, Op, Op], tuple[Graph, Op] | None]


def fuse(graph: Graph) -> Graph:
    """linear or conv1d -> relu, tanh or sigmoid, and normalise -> mul -> add, where nothing reads what lies between."""
    return prune(_joined(_joined(graph, _activation), _affine))


def _joined(graph: Graph, rule: Rule) -> Graph:
    """Let a rule join each operator with the one reader that it has, again and again."""
    readers, made, ops, gone = graph.consumers(), graph, [], set()
    for op in graph.ops:
        if op.output.name in gone:
            continue
        while len(after := readers.get(op.output.name, [])) == 1 and op.output.name not in graph.outputs:
            found = rule(made, op, after[0])
            if found is None:
                break
            made, op = found
            gone.add(op.output.name)
        ops.append(op)
    return replace(made, ops=tuple(ops))


def _activation(graph: Graph, op: Op, after: Op) -> tuple[Graph, Op] | None:
    if op.attrs.get("act") != "none" or after.kind not in ACTIVATIONS:
        return None
    attrs = {**op.attrs, "act": after.kind}
    return graph, replace(op, output=after.output, attrs=attrs, sources=op.sources + after.sources)


def _affine(graph: Graph, op: Op, after: Op) -> tuple[Graph, Op] | None:
    """A product with a constant of the row's shape, then a sum with one: the norm's own weight and bias."""
    place = {"mul": 1, "add": 2}.get(after.kind)
    at = data_input(after, graph)
    if op.kind != "normalise" or place is None or at is None or len(op.inputs) > place:
        return None
    axes, constant = op.attrs["axes"], graph.constants[after.inputs[1 - at]]
    assert isinstance(axes, int)
    row = op.output.shape[-axes:]
    if after.output.shape != op.output.shape or any(size != 1 for size in constant.shape[:-axes]):
        return None
    whole = np.ascontiguousarray(np.broadcast_to(constant.reshape(constant.shape[-axes:]), row).reshape(-1))
    name = after.inputs[1 - at]
    alone = sum(name in o.inputs for o in graph.ops) == 1
    name = name if alone else fresh(graph.shapes(), name)
    inputs = (*op.inputs, *[""] * (place - len(op.inputs)), name)
    fused = replace(op, inputs=inputs, output=after.output, sources=op.sources + after.sources)
    return replace(graph, constants={**graph.constants, name: whole}), fused
