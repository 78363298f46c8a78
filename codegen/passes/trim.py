"""Computes no step that nobody reads: convolutions, products and what stands between them give only the steps needed.

A forecast reads the last step of a convolution's output; a causal convolution cuts off what its padding made too much.
What is needed goes from the outputs up: of axis 1, the steps of (rows, steps, channels), one interval a tensor.
"""

from __future__ import annotations

from dataclasses import replace

from ..ir import Attr, Graph, Op, Tensor, fresh, prune, substitute
from ..ops import TABLE, Shape
from .support import SLIDING, Steps, number, padding, reads, whole


def trim(graph: Graph) -> Graph:
    """Shrink what is read in part, and slice where one reader needs less than another."""
    return _Trimming(_padding(graph)).run()


def _padding(graph: Graph) -> Graph:
    """Zeros put to the ends of a convolution's steps become its own padding, which costs nothing."""
    made, shapes, ops = graph.producers(), graph.shapes(), []

    def zeros(name: str) -> bool:
        source = made[name].inputs[0] if name in made and made[name].kind == "expand" else name
        return source in graph.constants and not graph.constants[source].any()

    for op in graph.ops:
        cat = made.get(op.inputs[0]) if op.kind == "conv1d" else None
        if cat is not None and cat.kind == "cat" and cat.attrs["dim"] == 1:
            inner = [i for i, name in enumerate(cat.inputs) if not zeros(name)]
            if len(inner) == 1:
                left, right = (
                    sum(shapes[name][1] for name in names)
                    for names in (cat.inputs[: inner[0]], cat.inputs[inner[0] + 1 :])
                )
                attrs = {**op.attrs, "left": number(op, "left") + left, "right": number(op, "right") + right}
                op = replace(op, inputs=(cat.inputs[inner[0]], *op.inputs[1:]), attrs=attrs)
        ops.append(op)
    return prune(replace(graph, ops=tuple(ops)))


class _Trimming:
    """`need` has the steps of each computed tensor that somebody reads, and that will be there."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.readers, self.old = graph, graph.consumers(), graph.shapes()
        self.need: dict[str, Steps] = {}
        self.shapes, self.constants = graph.shapes(), dict(graph.constants)
        self.ops: list[Op] = []
        self.cuts: dict[tuple[str, Steps], str] = {}

    def run(self) -> Graph:
        self._ask()
        names: dict[str, str] = {}
        for op in self.graph.ops:
            steps = self.need.get(op.output.name, (0, 0))
            parts = self._parts(op, steps) or {}
            attrs, inputs = self._attrs(op, steps, parts), list(op.inputs)
            for i, part in parts.items():
                if op.kind not in {"slice", "select"} or op.attrs["dim"] != 1:
                    inputs[i] = self._cut(op, i, part)
            shape = op.output.shape if len(op.output.shape) < 2 else _resized(op.output.shape, steps)
            self.shapes[op.output.name] = shape
            self.ops.append(replace(op, inputs=tuple(inputs), attrs=attrs, output=Tensor(op.output.name, shape)))
            if op.kind == "slice" and self.shapes[op.inputs[0]] == shape and op.output.name not in self.graph.outputs:
                names[op.output.name] = op.inputs[0]
        return prune(substitute(replace(self.graph, ops=tuple(self.ops), constants=self.constants), names))

    def _ask(self) -> None:
        """Fill `need`, from the last operator up."""
        for op in reversed(self.graph.ops):
            name, all_of_it = op.output.name, self._whole(op.output.name)
            steps = self.need.get(name, all_of_it)
            parts = None if name in self.graph.outputs else self._parts(op, steps)
            if parts is None:
                steps = all_of_it
                parts = self._parts(op, steps) or {}
            self.need[name] = steps
            for i, used in enumerate(op.inputs):
                first, last = parts.get(i, self._whole(used))
                had = self.need.get(used, (first, last))
                self.need[used] = min(first, had[0]), max(last, had[1])
        for name in (self.graph.window.name, *self.graph.constants):
            self.need[name] = self._whole(name)

    def _whole(self, name: str) -> Steps:
        return whole(self.old[name] if name else ())

    def _parts(self, op: Op, steps: Steps) -> dict[int, Steps] | None:
        return reads(op, steps, self.old, self.constants)

    def _attrs(self, op: Op, steps: Steps, parts: dict[int, Steps]) -> dict[str, Attr]:
        """Attributes that count steps, counted anew from the first one that is there."""
        attrs = dict(op.attrs)
        have = self.need[op.inputs[0]] if op.inputs and op.inputs[0] in self.need else (0, 0)
        if op.kind in SLIDING and parts:
            attrs.update(padding(op, steps, parts[0], self.old))
        elif op.kind == "slice" and attrs["dim"] == 1:
            attrs.update(start=parts[0][0] - have[0], stop=parts[0][1] - have[0])
        elif op.kind == "select" and attrs["dim"] == 1:
            attrs.update(index=number(op, "index") - have[0])
        return attrs

    def _cut(self, op: Op, i: int, part: Steps) -> str:
        """The input's steps that the operator reads."""
        name, have = op.inputs[i], self.need[op.inputs[i]]
        if name in self.constants and TABLE[op.kind].pointwise:
            axis = len(self.old[name]) - len(op.output.shape) + 1
            if part == (0, self.old[name][axis]):
                return name
            new = name if len(self.readers[name]) == 1 else fresh(self.shapes, name)
            self.constants[new] = self.graph.constants[name].take(range(*part), axis=axis)
            self.shapes[new] = self.constants[new].shape
            return new
        if have == part:
            return name
        if (name, part) not in self.cuts:
            made = Tensor(fresh(self.shapes, name + ".part"), _resized(self.old[name], part))
            self.shapes[made.name], self.cuts[name, part] = made.shape, made.name
            bounds = {"dim": 1, "start": part[0] - have[0], "stop": part[1] - have[0], "step": 1}
            self.ops.append(Op("slice", (name,), made, bounds, op.sources))
        return self.cuts[name, part]


def _resized(shape: Shape, steps: Steps) -> Shape:
    return (shape[0], steps[1] - steps[0], *shape[2:])
