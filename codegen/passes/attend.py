"""Moves projections to the side of a product of two computed matrices where there are fewer rows to project.

q . (x Wk')' = (q Wk) . x', and p . (x Wv') = (p . x) Wv', for each head: with few queries, keys and values are then
never computed. What a key's bias adds is the same for all keys, and softmax takes it away again. With one head, what
has moved meets the projection of queries or the one behind, and `fold` makes one matrix of two.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..ir import Attr, Graph, Op, Tensor, fresh, prune
from ..ops import TABLE, infer, is_view, mac
from .affine import data_input
from .fold import fold
from .names import inherited
from .sink import sink

Matrix = NDArray[np.float64]


def attend(graph: Graph) -> Graph:
    """Move what lowers cost, product by product; else the graph as it was."""
    best, before = _apart(graph), mac(fold(graph))
    cost = before
    for product in [op.output.name for op in graph.ops if op.kind == "bmm"]:
        for move in (_keys, _values):
            moved = _Moving(best).run(product, move)
            if moved is not None and (now := mac(fold(sink(moved)))) < cost:
                best, cost = moved, now
    return inherited(graph, sink(best)) if cost < before else graph


@dataclass(frozen=True)
class Projected:
    """A tensor made of a linear layer's output: [h, r, i] of it is `scale` times row rows[r], column columns[h, i]."""

    layer: Op
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    scale: float


def projected(graph: Graph, name: str, feature: int) -> Projected | None:
    """What a tensor (..., rows, features) is made of, or (..., features, rows) where `feature` is -2; None if else."""
    made, shapes = graph.producers(), graph.shapes()
    path: list[Op] = []
    top, scale = name, 1.0
    while (op := made.get(top)) is not None and op.kind != "linear":
        at = data_input(op, graph)
        if at is not None and op.kind in {"mul", "div"} and graph.constants[op.inputs[1 - at]].size == 1:
            factor = float(graph.constants[op.inputs[1 - at]].reshape(()))
            if op.output.shape != shapes[op.inputs[at]] or (op.kind == "div" and (at == 1 or factor == 0)):
                return None
            scale, top = (scale * factor if op.kind == "mul" else scale / factor), op.inputs[at]
        elif is_view(op):
            path.append(op)
            top = op.inputs[0]
        else:
            return None
    if op is None or op.attrs["act"] != "none" or op.attrs["packed"] or len(shapes[name]) < 2:
        return None
    cells = np.arange(op.output.size).reshape(1, *op.output.shape)
    for step in reversed(path):
        cells = TABLE[step.kind].meaning([cells], step.attrs)
    cells = cells.reshape(-1, *shapes[name][-2:])
    cells = cells if feature == -1 else cells.swapaxes(1, 2)
    width = op.output.shape[-1]
    rows, columns = cells[0, :, 0] // width, cells[:, 0] % width
    regular = np.array_equal(cells, rows[None, :, None] * width + columns[:, None])
    return Projected(op, rows, columns, scale) if regular else None


def _apart(graph: Graph) -> Graph:
    """Operands that are some columns of a layer which others read, too, get a layer of their own."""
    for product in [op.output.name for op in graph.ops if op.kind == "bmm"]:
        for at, feature in ((0, -1), (1, -1), (1, -2)):
            graph = _Moving(graph).run(product, partial(_own, at=at, feature=feature)) or graph
    return graph


class _Moving:
    """Writes one product anew: `emit` puts operators in front of where it stood."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.shapes, self.constants = graph, graph.shapes(), dict(graph.constants)
        self.ops: list[Op] = []

    def run(self, product: str, rule: Callable[[_Moving, Op], Op | None]) -> Graph | None:
        """The graph with what the rule made of the operator that writes `product`; None where it does not apply."""
        place = next(i for i, op in enumerate(self.graph.ops) if op.output.name == product)
        self.op = self.graph.ops[place]
        last = rule(self, self.op) if self.op.kind == "bmm" else None
        if last is None:
            return None
        ops = (*self.graph.ops[:place], *self.ops, last, *self.graph.ops[place + 1 :])
        return prune(replace(self.graph, ops=ops, constants=self.constants))

    def emit(self, kind: str, inputs: tuple[str, ...], sources: Op, **attrs: Attr) -> str:
        """One more operator; its output's name."""
        made = Op(kind, inputs, Tensor(fresh(self.shapes, self.op.output.name + ".moved"), ()), attrs, sources.sources)
        made = replace(made, output=Tensor(made.output.name, infer(made, self.shapes)))
        self.shapes[made.output.name] = made.output.shape
        self.ops.append(made)
        return made.output.name

    def view(self, name: str, *shape: int) -> str:
        """The tensor in another shape."""
        return name if self.shapes[name] == shape else self.emit("reshape", (name,), self.op, shape=shape)

    def turned(self, name: str, *dims: int) -> str:
        """The tensor with its axes in another order."""
        return self.emit("permute", (name,), self.op, dims=dims)

    def keep(self, wish: str, value: Matrix) -> str:
        """A constant."""
        name = fresh(self.shapes, wish)
        self.constants[name] = np.ascontiguousarray(value, np.float32)
        self.shapes[name] = self.constants[name].shape
        return name

    def values(self, layer: Op) -> tuple[Matrix, Matrix | None]:
        """Weight (out, in) and bias of a layer."""
        weight, bias = (*layer.inputs[1:], "")[:2]
        exact = self.graph.constants[weight].astype(np.float64)
        return exact, self.graph.constants[bias].astype(np.float64) if bias else None

    def inputs_of(self, p: Projected) -> str | None:
        """What the layer projects, (1, rows, in), only the rows that are asked for; None where these have gaps."""
        x = p.layer.inputs[0]
        width = self.shapes[x][-1]
        count = math.prod(self.shapes[x]) // width
        first, last = int(p.rows[0]), int(p.rows[-1]) + 1
        if not np.array_equal(p.rows, np.arange(first, last)):
            return None
        x = self.view(x, 1, count, width)
        return x if last - first == count else self.emit("slice", (x,), self.op, dim=1, start=first, stop=last, step=1)

    def layer(self, x: str, p: Projected) -> str:
        """The columns that are asked for, from x (1, rows, in): (1, rows, heads * features)."""
        weight, bias = self.values(p.layer)
        columns = p.columns.ravel()
        if np.array_equal(columns, np.arange(len(weight))):
            return self.emit("linear", (x, *p.layer.inputs[1:]), p.layer, act="none", packed=False)
        names = [self.keep(p.layer.inputs[1], weight[columns])]
        if bias is not None:
            names.append(self.keep(p.layer.inputs[2], bias[columns]))
        return self.emit("linear", (x, *names), p.layer, act="none", packed=False)

    def each_head(self, x: str, weights: Matrix, bias: Matrix | None, layer: Op) -> str:
        """x (1, rows, heads * in) by weights (heads, out, in), each head by its own: (1, rows, heads * out)."""
        heads, _, inner = weights.shape
        flat, names = weights.reshape(-1, inner), list(layer.inputs[1:])
        flat = flat if heads == 1 else flat[..., None]
        inputs = [x, self.keep(names[0], flat), *([] if bias is None else [self.keep(names[1], bias.ravel())])]
        if heads == 1:
            return self.emit("linear", tuple(inputs), layer, act="none", packed=False)
        reach: dict[str, Attr] = {"stride": 1, "dilation": 1, "left": 0, "right": 0}
        return self.emit("conv1d", tuple(inputs), layer, **reach, groups=heads, act="none", packed=False)

    def in_front(self, name: str, heads: int) -> str:
        """(1, rows, heads * features) -> (1, heads * rows, features)"""
        _, rows, width = self.shapes[name]
        if heads == 1:
            return name
        apart = self.turned(self.view(name, 1, rows, heads, width // heads), 0, 2, 1, 3)
        return self.view(apart, 1, heads * rows, width // heads)

    def behind(self, name: str, heads: int) -> str:
        """(1, heads * rows, features) -> (1, rows, heads * features)"""
        _, rows, width = self.shapes[name]
        if heads == 1:
            return name
        together = self.turned(self.view(name, 1, heads, rows // heads, width), 0, 2, 1, 3)
        return self.view(together, 1, rows // heads, heads * width)


def _named(name: str, op: Op) -> Op:
    """The operator that gives the product's own name and shape to what was made for it."""
    return Op("reshape", (name,), op.output, {"shape": op.output.shape}, op.sources)


def _own(m: _Moving, op: Op, at: int, feature: int) -> Op | None:
    p = projected(m.graph, op.inputs[at], feature)
    if p is None or len(np.unique(p.columns)) == p.layer.output.shape[-1] or (x := m.inputs_of(p)) is None:
        return None
    heads, features = p.columns.shape
    apart = m.view(m.layer(x, p), 1, len(p.rows), heads, features)
    name = m.turned(apart, *((0, 2, 1, 3) if feature == -1 else (0, 2, 3, 1)))
    if p.scale != 1:
        name = m.emit("mul", (name, m.keep(name + ".scale", np.array(p.scale))), op)
    operands = list(op.inputs)
    operands[at] = m.view(name, *m.shapes[op.inputs[at]])
    return replace(op, inputs=tuple(operands))


def _keys(m: _Moving, op: Op) -> Op | None:
    """q . (x W')' -> (q W) . x'"""
    p = projected(m.graph, op.inputs[1], -2)
    if p is None or (x := m.inputs_of(p)) is None:
        return None
    weight, bias = m.values(p.layer)
    if bias is not None and np.any(bias[p.columns]) and not _forgiven(m.graph, op):
        return None
    (heads, features), rows = p.columns.shape, op.output.shape[-2]
    q, scale = projected(m.graph, op.inputs[0], -1), p.scale
    asked = None if q is None else m.inputs_of(q)
    if q is not None and asked is not None and q.columns.shape == p.columns.shape:
        scale *= q.scale
        query = m.layer(asked, q)
    else:
        apart = m.turned(m.view(op.inputs[0], 1, heads, rows, features), 0, 2, 1, 3)
        query = m.view(apart, 1, rows, heads * features)
    query = m.each_head(query, scale * weight[p.columns].swapaxes(1, 2), None, p.layer)
    inputs = (m.in_front(query, heads), m.turned(x, 0, 2, 1))
    return _named(m.emit("bmm", inputs, op), op)


def _values(m: _Moving, op: Op) -> Op | None:
    """p . (x W' + b) -> (p . x) W' + b, where the shares p sum up to one"""
    p = projected(m.graph, op.inputs[1], -1)
    if p is None or (x := m.inputs_of(p)) is None:
        return None
    weight, bias = m.values(p.layer)
    if bias is not None and not _are_shares(m.graph, op.inputs[0]):
        return None
    (heads, features), rows = p.columns.shape, op.output.shape[-2]
    shares = m.view(op.inputs[0], 1, heads * rows, len(p.rows))
    mixed = m.behind(m.emit("bmm", (shares, x), op), heads)
    moved = None if bias is None else p.scale * bias[p.columns]
    found = m.each_head(mixed, p.scale * weight[p.columns], moved, p.layer)
    apart = m.turned(m.view(found, 1, rows, heads, features), 0, 2, 1, 3)
    return _named(apart, op)


def _forgiven(graph: Graph, op: Op) -> bool:
    """Whether a number that is the same along the last axis makes no difference: a softmax takes it away."""
    readers, name, shape = graph.consumers(), op.output.name, op.output.shape
    while name not in graph.outputs and len(after := readers.get(name, [])) == 1:
        (op,) = after
        at = data_input(op, graph)
        if op.kind == "softmax":
            return op.attrs["dim"] == len(shape) - 1
        number = op.kind == "mul" and at is not None and graph.constants[op.inputs[1 - at]].size == 1
        plain = op.output.shape == shape and (number or (op.kind in {"add", "sub"} and op.inputs.count(name) == 1))
        if not plain and not (op.kind == "reshape" and op.output.shape[-1:] == shape[-1:]):
            return False
        name, shape = op.output.name, op.output.shape
    return False


def _are_shares(graph: Graph, name: str) -> bool:
    """Whether the last axis sums up to one."""
    made, shapes = graph.producers(), graph.shapes()
    while (op := made.get(name)) is not None and op.kind == "reshape" and shapes[op.inputs[0]][-1] == shapes[name][-1]:
        name = op.inputs[0]
    return op is not None and op.kind == "softmax" and not op.attrs["log"] and op.attrs["dim"] == len(shapes[name]) - 1
