"""Computes no step that nobody reads: convolutions, products and what stands between them give only the steps needed.

A forecast reads the last step of a convolution's output; a causal convolution cuts off what its padding made too much.
What is needed goes from the outputs up: of axis 1, the steps of (rows, steps, channels), one interval a tensor.
"""

from __future__ import annotations

from dataclasses import replace

from ..ir import Attr, Graph, Op, Tensor, fresh, prune, substitute
from ..ops import TABLE, Shape
from ..ops.reduce import REDUCTIONS

Steps = tuple[int, int]
"""First, and behind the last."""
SLIDING = {"conv1d", "max_pool", "mean_pool"}
REDUCING = {spec.kind for spec in REDUCTIONS}


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
                attrs = {**op.attrs, "left": _attr(op, "left") + left, "right": _attr(op, "right") + right}
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
            name, whole = op.output.name, self._whole(op.output.name)
            steps = self.need.get(name, whole)
            parts = None if name in self.graph.outputs else self._parts(op, steps)
            if parts is None:
                steps = whole
                parts = self._parts(op, steps) or {}
            self.need[name] = steps
            for i, used in enumerate(op.inputs):
                first, last = parts.get(i, self._whole(used))
                had = self.need.get(used, (first, last))
                self.need[used] = min(first, had[0]), max(last, had[1])
        for name in (self.graph.window.name, *self.graph.constants):
            self.need[name] = self._whole(name)

    def _whole(self, name: str) -> Steps:
        shape = self.old[name] if name else ()
        return (0, shape[1]) if len(shape) > 1 else (0, 0)

    def _parts(self, op: Op, steps: Steps) -> dict[int, Steps] | None:
        """The steps of its inputs that the operator reads for these of its output; None where it cannot give less.

        Inputs that are not named are read whole.
        """
        shapes, rank = [self.old[name] if name else () for name in op.inputs], len(op.output.shape)
        first, last = steps[0], steps[1] - 1
        dim, dims = op.attrs.get("dim", 0), op.attrs.get("dims")
        if op.kind in SLIDING:
            stride, dilation, left = (_attr(op, name) for name in ("stride", "dilation", "left"))
            taps = shapes[1][2] if op.kind == "conv1d" else _attr(op, "taps")
            start = max(0, first * stride - left)
            stop = min(shapes[0][1], last * stride - left + dilation * (taps - 1) + 1)
            return {0: (start, stop)} if start < stop else None  # they see nothing but padding
        if op.kind == "slice" and dim == 1:
            start, step = _attr(op, "start"), _attr(op, "step")
            return {0: (start + first * step, start + last * step + 1)}
        if op.kind == "select" and dim == 1:
            index = _attr(op, "index")
            return {0: (index, index + 1)} if steps == self._whole(op.output.name) else None
        if TABLE[op.kind].pointwise:
            return self._broadcast(op, steps, shapes)
        alike = (
            (op.kind == "linear" and rank > 2)
            or (op.kind == "bmm" and rank == 3)
            or (op.kind in {"slice", "select", "take", "softmax", "cumsum"} and isinstance(dim, int) and dim > 1)
            or (op.kind == "permute" and isinstance(dims, tuple) and dims[:2] == (0, 1))
            or (op.kind in REDUCING and isinstance(dims, tuple) and dims[0] > 1)
            or (op.kind == "normalise" and _attr(op, "axes") < rank - 1)
        )
        if alike:
            return {0: steps}
        return dict.fromkeys(range(len(shapes)), steps) if op.kind == "cat" and dim != 1 else None

    def _broadcast(self, op: Op, steps: Steps, shapes: list[Shape]) -> dict[int, Steps] | None:
        if len(op.output.shape) < 2:
            return None
        found = {}
        for i, shape in enumerate(shapes):
            axis = len(shape) - len(op.output.shape) + 1
            if axis >= 0 and shape[axis] > 1:
                if axis != 1 and op.inputs[i] not in self.constants:
                    return None  # its steps are no axis 1
                found[i] = steps
        return found

    def _attrs(self, op: Op, steps: Steps, parts: dict[int, Steps]) -> dict[str, Attr]:
        """Attributes that count steps, counted anew from the first one that is there."""
        attrs = dict(op.attrs)
        have = self.need[op.inputs[0]] if op.inputs and op.inputs[0] in self.need else (0, 0)
        if op.kind in SLIDING and parts:
            (start, stop), stride, dilation = parts[0], _attr(op, "stride"), _attr(op, "dilation")
            taps = self.old[op.inputs[1]][2] if op.kind == "conv1d" else _attr(op, "taps")
            left = _attr(op, "left") + start - steps[0] * stride
            right = (steps[1] - steps[0] - 1) * stride + dilation * (taps - 1) + 1 - left - (stop - start)
            attrs.update(left=left, right=right)
        elif op.kind == "slice" and attrs["dim"] == 1:
            attrs.update(start=parts[0][0] - have[0], stop=parts[0][1] - have[0])
        elif op.kind == "select" and attrs["dim"] == 1:
            attrs.update(index=_attr(op, "index") - have[0])
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


def _attr(op: Op, name: str) -> int:
    value = op.attrs[name]
    assert isinstance(value, int)
    return value


def _resized(shape: Shape, steps: Steps) -> Shape:
    return (shape[0], steps[1] - steps[0], *shape[2:])
