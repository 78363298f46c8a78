"""Removes what computes nothing and what was computed before, and brings views into one form."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..ir import Graph, Op, Tensor, fresh, prune, substitute
from ..ops import is_view
from .affine import data_input


def simplify(graph: Graph) -> Graph:
    """Apply all rules until none changes anything."""
    while True:
        before = graph
        for rule in (_neutral, _forms, _select_of_cat, _last_state, _common):
            graph = prune(rule(graph))
        if [(op.kind, op.inputs, op.output) for op in graph.ops] == [(o.kind, o.inputs, o.output) for o in before.ops]:
            return graph


def _neutral(graph: Graph) -> Graph:
    """x * 1, x + 0, views that change nothing."""
    shapes, names = graph.shapes(), {}
    for op in graph.ops:
        at = data_input(op, graph)
        if at is not None and shapes[op.inputs[at]] == op.output.shape:
            constant = graph.constants[op.inputs[1 - at]]
            neutral = 1.0 if op.kind in {"mul", "div"} else 0.0
            if np.all(constant == neutral) and (at == 0 or op.kind in {"add", "mul"}):
                names[op.output.name] = op.inputs[at]
        alone = op.kind == "copy" or (op.kind == "cat" and len(op.inputs) == 1)
        if alone or (is_view(op) and op.kind != "permute" and shapes[op.inputs[0]] == op.output.shape):
            names[op.output.name] = op.inputs[0]
    # An output must stay the result of an operator of its own.
    made = graph.producers()
    names = {new: old for new, old in names.items() if new not in graph.outputs or old in made}
    return substitute(graph, names)


def _forms(graph: Graph) -> Graph:
    """Views of one element of an axis are selects; views that only drop, add or move axes of size 1 are reshapes."""
    made, shapes = graph.producers(), graph.shapes()
    ops: list[Op] = []
    for op in graph.ops:
        source = shapes[op.inputs[0]] if op.inputs and op.inputs[0] else ()
        shape = {"shape": op.output.shape}
        if op.kind == "slice" and len(range(*_bounds(op))) == 1 and source[_dim(op)] > 1:
            rest = op.output.shape[: _dim(op)] + op.output.shape[_dim(op) + 1 :]
            picked = Tensor(fresh(shapes, op.output.name + ".at"), rest)
            shapes[picked.name] = picked.shape
            index = {"dim": op.attrs["dim"], "index": op.attrs["start"]}
            ops.append(Op("select", op.inputs, picked, index, op.sources))
            op = Op("reshape", (picked.name,), op.output, shape, op.sources)
        elif op.kind == "select" and source[_dim(op)] == 1:
            op = replace(op, kind="reshape", attrs=shape)
        elif op.kind == "permute":
            dims = op.attrs["dims"]
            assert isinstance(dims, tuple)
            moved = [d for d in dims if source[d] > 1]
            if moved == sorted(moved):
                op = replace(op, kind="reshape", attrs=shape)
        elif op.kind == "reshape" and op.inputs[0] in made and made[op.inputs[0]].kind == "reshape":
            op = replace(op, inputs=made[op.inputs[0]].inputs)
        ops.append(op)
    return replace(graph, ops=tuple(ops))


def _dim(op: Op) -> int:
    dim = op.attrs["dim"]
    assert isinstance(dim, int)
    return dim


def _bounds(op: Op) -> tuple[int, int, int]:
    start, stop, step = (op.attrs[name] for name in ("start", "stop", "step"))
    assert isinstance(start, int) and isinstance(stop, int) and isinstance(step, int)
    return start, stop, step


def _select_of_cat(graph: Graph) -> Graph:
    """One index of a concatenation is one index of the piece it lies in."""
    made, shapes, ops = graph.producers(), graph.shapes(), []
    for op in graph.ops:
        cat = made.get(op.inputs[0]) if op.kind == "select" else None
        if cat is not None and cat.kind == "cat" and cat.attrs["dim"] == op.attrs["dim"]:
            index = op.attrs["index"]
            assert isinstance(index, int)
            for piece in cat.inputs:
                if index < shapes[piece][_dim(op)]:
                    op = replace(op, inputs=(piece,), attrs={"dim": _dim(op), "index": index})
                    break
                index -= shapes[piece][_dim(op)]
        ops.append(op)
    return replace(graph, ops=tuple(ops))


def _last_state(graph: Graph) -> Graph:
    """A recurrent layer of which only the last hidden state is read keeps only that one."""
    readers, ops, names = graph.consumers(), [], {}
    for op in graph.ops:
        after = readers.get(op.output.name, [])
        if op.attrs.get("last") is False and len(after) == 1 and op.output.name not in graph.outputs:
            select, steps = after[0], op.output.shape[1]
            if select.kind == "select" and select.attrs == {"dim": 1, "index": steps - 1}:
                hidden = Tensor(fresh(graph.shapes(), op.output.name + ".last"), select.output.shape)
                names[select.output.name] = hidden.name
                op = replace(op, output=hidden, attrs={**op.attrs, "last": True}, sources=op.sources + select.sources)
                assert math.prod(hidden.shape) == op.output.size
        ops.append(op)
    kept = tuple(op for op in ops if op.output.name not in names)
    return substitute(replace(graph, ops=kept), names)


def _common(graph: Graph) -> Graph:
    """What was computed before is not computed again."""
    seen: dict[tuple[object, ...], str] = {}
    names: dict[str, str] = {}
    for op in graph.ops:
        inputs = tuple(names.get(name, name) for name in op.inputs)
        if op.kind in {"add", "mul"}:
            inputs = tuple(sorted(inputs))
        key = (op.kind, inputs, tuple(sorted(op.attrs.items())))
        if key in seen:
            names[op.output.name] = seen[key]
        else:
            seen[key] = op.output.name
    return substitute(graph, names)
