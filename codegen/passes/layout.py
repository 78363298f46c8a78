"""Packs weights as the kernels of layout "generic" want them, and copies where no view will do.

generic: the axes of weights reversed, so that outputs come last: linear (in, out), conv1d (taps, in, out), lstm
(in, 4 * hidden), (hidden, 4 * hidden) and one bias, the sum of PyTorch's two, gru likewise with 3 and both biases.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ir import Graph, Op, Tensor, fresh, prune, substitute
from ..ops import TABLE, Array, View, dense_strides, is_enter


def layout(graph: Graph) -> Graph:
    """Pack, keep once what is there twice, then copy."""
    return _copy(_once(_pack(graph)))


def _pack(graph: Graph) -> Graph:
    constants, ops = dict(graph.constants), []
    packed: dict[tuple[str, ...], str] = {}

    def keep(key: tuple[str, ...], value: Array) -> str:
        if key not in packed:
            # The packed constant takes the name over, unless something reads it as it was.
            wish = "+".join(key)
            used = [o for o in graph.ops if wish in o.inputs and "packed" not in o.attrs]
            taken = {*graph.shapes(), *constants} - (set() if used else {wish})
            packed[key] = fresh(taken, wish)
            constants[packed[key]] = np.ascontiguousarray(value)
        return packed[key]

    for op in graph.ops:
        if "packed" in op.attrs and not op.attrs["packed"]:
            inputs = list(op.inputs)
            for i in TABLE[op.kind].weights:
                inputs[i] = keep((op.inputs[i],), TABLE[op.kind].pack(graph.constants[op.inputs[i]], op.attrs))
            if op.kind == "lstm" and len(inputs) > 4 and inputs[4]:
                both = [graph.constants[name].astype(np.float64) for name in inputs[3:5]]
                inputs[3:5] = [keep((inputs[3], inputs[4]), (both[0] + both[1]).astype(np.float32)), ""]
            op = replace(op, inputs=tuple(inputs), attrs={**op.attrs, "packed": True})
        ops.append(op)
    return prune(replace(graph, constants=constants, ops=tuple(ops)))


def _once(graph: Graph) -> Graph:
    """Equal constants are one: layers that are used twice were folded twice. (The table of `enter` may be replaced.)"""
    seen: dict[tuple[str, tuple[int, ...], bytes], str] = {}
    tables = {op.inputs[1] for op in graph.ops if is_enter(op)}
    used = dict.fromkeys(name for op in graph.ops for name in op.inputs if name in graph.constants)
    names = {}
    for name in used:
        value = graph.constants[name]
        first = seen.setdefault((value.dtype.str, value.shape, value.tobytes()), name) if name not in tables else name
        if first != name:
            names[name] = first
    return prune(substitute(graph, names))


def _copy(graph: Graph) -> Graph:
    """Insert copies in front of kernels that want dense inputs, and of views that are none."""
    shapes = graph.shapes()
    grids = {op.output.name: op.output.grid for op in graph.ops}
    lies = {name: View(name, 0, shape, dense_strides(shape)) for name, shape in shapes.items()}
    ops: list[Op] = []
    copies: dict[str, str] = {}

    def dense(name: str, op: Op) -> str:
        if name not in copies:
            made = Tensor(fresh(shapes, name + ".copy"), shapes[name], grids.get(name))
            shapes[made.name] = made.shape
            lies[made.name] = View(made.name, 0, made.shape, dense_strides(made.shape))
            ops.append(Op("copy", (name,), made, {}, op.sources))
            copies[name] = made.name
        return copies[name]

    for op in graph.ops:
        spec, inputs = TABLE[op.kind], list(op.inputs)
        if spec.view is not None:
            seen = spec.view(lies[inputs[0]], op.attrs, op.output.shape)
            if seen is None:
                inputs[0] = dense(inputs[0], op)
                seen = spec.view(lies[inputs[0]], op.attrs, op.output.shape)
                assert seen is not None, f"a dense tensor has no view as {op.output}"
            lies[op.output.name] = seen
        for i in spec.dense:
            if not lies[inputs[i]].is_dense():
                inputs[i] = dense(inputs[i], op)
        for i in spec.rows:
            if not lies[inputs[i]].has_dense_rows():
                inputs[i] = dense(inputs[i], op)
        ops.append(replace(op, inputs=tuple(inputs)))

    # The score's kernel writes into the caller's array: one float a window, and a kernel of its own.
    score = graph.outputs[0]
    root = next((op for op in ops if op.output.name == lies[score].root), None)
    if root is None or is_enter(root) or root.output.size != 1:
        score = dense(score, next(op for op in ops if op.output.name == score))
    return replace(graph, ops=tuple(ops), outputs=(score, *graph.outputs[1:]))
