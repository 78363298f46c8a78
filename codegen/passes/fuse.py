"""Joins an activation with the matrix product before it: one kernel, one pass over memory."""

from __future__ import annotations

from dataclasses import replace

from ..ir import Graph
from ..ops import ACTIVATIONS


def fuse(graph: Graph) -> Graph:
    """linear -> relu, tanh or sigmoid becomes one linear, where nothing else reads what lies between."""
    readers, ops, done = graph.consumers(), [], set()
    for op in graph.ops:
        if op.output.name in done:
            continue
        after = readers.get(op.output.name, [])
        between = op.kind == "linear" and op.attrs["act"] == "none" and op.output.name not in graph.outputs
        if between and len(after) == 1 and after[0].kind in ACTIVATIONS:
            act = after[0]
            done.add(act.output.name)
            op = replace(op, output=act.output, attrs={**op.attrs, "act": act.kind}, sources=op.sources + act.sources)
        ops.append(op)
    return replace(graph, ops=tuple(ops))
