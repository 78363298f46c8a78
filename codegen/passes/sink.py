"""Moves permutations of axes behind what works in any order of them, so that permutations meet and undo each other.

PyTorch's convolutions want (batch, channels, steps) and models turn the window for them; our kernels work time-major.
So each convolution comes with a permutation before and one behind it, and between two of them stand activations, sums
and slices, to which the order of axes is all the same. Turned, a constant is another constant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..ir import Attr, Graph, Op, Tensor, fresh, prune, substitute
from ..ops import TABLE
from ..ops.reduce import REDUCTIONS

REDUCING = {spec.kind for spec in REDUCTIONS}
Dims = tuple[int, ...]


def sink(graph: Graph) -> Graph:
    """Move permutations as far down as they go; what they leave unread vanishes."""
    return _Sinking(graph).run()


class _Sinking:
    """One walk through the graph. A tensor in `turned` is (another tensor, the order its axes are taken in)."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.readers = graph, graph.consumers()
        self.shapes, self.constants = graph.shapes(), dict(graph.constants)
        self.turned: dict[str, tuple[str, Dims]] = {}
        self.flat: dict[str, tuple[str, Dims]] = {}
        """Turned tensors in one row: all of their elements along the last axis."""
        self.filled: dict[str, str] = {}
        """Tensors that repeat one value, and where that stands."""
        self.same: dict[str, str] = {}
        self.ops: list[Op] = []

    def run(self) -> Graph:
        for op in self.graph.ops:
            op = replace(op, inputs=tuple(self.same.get(name, name) for name in op.inputs))
            if not self._moved(op):
                self.ops.append(op)
        graph = replace(self.graph, ops=tuple(self.ops), constants=self.constants)
        return prune(substitute(graph, self.same))

    def _moved(self, op: Op) -> bool:
        """Whether the operator now stands before the permutation of its input."""
        if op.kind == "permute":
            return self._permute(op)
        if op.kind == "expand" and self._size(op.inputs[0]) == 1:
            self.filled[op.output.name] = op.inputs[0]
            return False
        if TABLE[op.kind].pointwise or op.kind == "cat":
            return self._elementwise(op)
        if op.inputs[0] in self.turned:
            base, dims = self.turned[op.inputs[0]]
            if op.kind in {"slice", "select", "take", "softmax", "cumsum"}:
                at = dims[_integer(op, "dim")]
                kept = [d for d in dims if op.kind != "select" or d != at]
                return self._behind(op, (base,), {**op.attrs, "dim": at}, kept)
            if op.kind in REDUCING and "dims" in op.attrs:
                gone = tuple(sorted(dims[d] for d in _dims(op)))
                if gone != tuple(range(gone[0], gone[0] + len(gone))):
                    return False
                return self._behind(op, (base,), {**op.attrs, "dims": gone}, [d for d in dims if d not in gone])
        if op.kind in {"reshape", "select"} and op.output.shape and op.output.shape[-1] == self._size(op.inputs[0]):
            source = self.turned.get(op.inputs[0], self.flat.get(op.inputs[0]))
            if source is not None:
                self.flat[op.output.name] = source
            return False
        return op.inputs[0] in self.flat and self._row(op)

    def _size(self, name: str) -> int:
        return math.prod(self.shapes[name])

    def _permute(self, op: Op) -> bool:
        base, order = self.turned.get(op.inputs[0], (op.inputs[0], tuple(range(len(op.output.shape)))))
        dims = tuple(order[d] for d in _dims(op))
        if dims == tuple(range(len(dims))):
            if op.output.name in self.graph.outputs:
                return False
            self.same[op.output.name] = base
        else:
            self.turned[op.output.name] = base, dims
            self.ops.append(replace(op, inputs=(base,), attrs={"dims": dims}))
        return True

    def _elementwise(self, op: Op) -> bool:
        """All inputs must be turned alike; constants are turned now, and what has one axis only is reshaped."""
        orders = {self.turned[name][1] for name in op.inputs if name in self.turned}
        if len(orders) != 1:
            return False
        (dims,) = orders
        rank, inverse = len(op.output.shape), tuple(int(d) for d in np.argsort(dims))
        if len(dims) != rank:
            return False
        whole = {name: (1,) * (rank - len(self.shapes[name])) + self.shapes[name] for name in op.inputs}
        for name, shape in whole.items():
            axes = [d for d in inverse if shape[d] > 1]
            free = name in self.turned or name in self.constants or name in self.filled
            if not free and axes != sorted(axes):
                return False
        inputs = tuple(self._as(name, whole[name], inverse, op) for name in op.inputs)
        attrs = {**op.attrs, "dim": dims[_integer(op, "dim")]} if op.kind == "cat" else op.attrs
        return self._behind(op, inputs, attrs, dims)

    def _as(self, name: str, shape: Dims, inverse: Dims, op: Op) -> str:
        """The same values, seen in this shape, with axes in the inverse order."""
        if name in self.turned:
            return self.turned[name][0]
        if name in self.constants:
            old = self.constants[name]
            if old.size == 1:
                return name
            return self._constant(name, old.reshape(shape).transpose(inverse))
        kind, source = ("expand", self.filled[name]) if name in self.filled else ("reshape", name)
        return self._view(kind, source, tuple(shape[d] for d in inverse), op)

    def _view(self, kind: str, name: str, shape: Dims, op: Op) -> str:
        made = Tensor(fresh(self.shapes, name + ".turned"), shape)
        self.shapes[made.name] = shape
        self.ops.append(Op(kind, (name,), made, {"shape": shape}, op.sources))
        return made.name

    def _constant(self, name: str, value: np.ndarray[Dims, np.dtype[np.float32]]) -> str:
        """A constant in another order, under the name of the old one where nobody else reads that."""
        alone = len(self.readers.get(name, [])) == 1
        new = name if alone else fresh(self.shapes, name)
        self.constants[new] = np.ascontiguousarray(value)
        self.shapes[new] = self.constants[new].shape
        return new

    def _behind(self, op: Op, inputs: Sequence[str], attrs: Mapping[str, Attr], axes: Sequence[int]) -> bool:
        """Put the operator there, and behind it the order in which its result's axes are taken (`axes`, by size)."""
        dims = tuple(sorted(axes).index(d) for d in axes)
        shape = [0] * len(dims)
        for d, size in zip(dims, op.output.shape, strict=True):
            shape[d] = size
        if dims == tuple(range(len(dims))):
            self.ops.append(replace(op, inputs=tuple(inputs), attrs=attrs))
            return True
        made = Tensor(fresh(self.shapes, op.output.name + ".turned"), tuple(shape))
        self.shapes[made.name] = made.shape
        self.ops.append(replace(op, inputs=tuple(inputs), attrs=attrs, output=made))
        self.ops.append(Op("permute", (made.name,), op.output, {"dims": dims}, op.sources))
        self.turned[op.output.name] = made.name, dims
        return True

    def _row(self, op: Op) -> bool:
        """Of a turned tensor in one row: a reduction takes any order, a product has its weight's columns turned."""
        base, dims = self.flat[op.inputs[0]]
        shape, row = self.shapes[base], self.shapes[op.inputs[0]]
        if op.kind in REDUCING and op.attrs.get("dims") == (len(row) - 1,):
            weights: tuple[str, ...] = ()
        elif op.kind == "linear" and not op.attrs["packed"]:
            places = np.arange(math.prod(shape)).reshape([shape[d] for d in dims]).transpose(np.argsort(dims)).ravel()
            weights = (self._constant(op.inputs[1], self.constants[op.inputs[1]][:, places]), *op.inputs[2:])
        else:
            return False
        self.ops.append(replace(op, inputs=(self._view("reshape", base, row, op), *weights)))
        return True


def _dims(op: Op) -> Dims:
    dims = op.attrs["dims"]
    assert isinstance(dims, tuple)
    return dims


def _integer(op: Op, name: str) -> int:
    value = op.attrs[name]
    assert isinstance(value, int)
    return value
