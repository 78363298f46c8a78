"""Leaves out of a matrix product what is known of its input before any window comes: columns that never change.

A focus of zeros beside the samples, as in the first phase of TranAD: its weights are multiplied with nothing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ir import Graph, Op, Tensor, fresh, prune
from .names import inherited


def omit(graph: Graph) -> Graph:
    """Columns joined to an input as constants leave the weight; what they bring, the same for every row, is bias."""
    omitted = _Omitting(graph).run()
    return graph if omitted is None else inherited(graph, prune(omitted))


class _Omitting:
    """One walk over the matrix products."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.made = graph, graph.producers()
        self.shapes, self.constants = graph.shapes(), dict(graph.constants)
        self.ops: list[Op] = []

    def run(self) -> Graph | None:
        done = False
        for op in self.graph.ops:
            narrow = self._narrow(op) if op.kind == "linear" and not op.attrs["packed"] else None
            self.ops.append(narrow or op)
            done |= narrow is not None
        return replace(self.graph, ops=tuple(self.ops), constants=self.constants) if done else None

    def _narrow(self, op: Op) -> Op | None:
        """The product without the columns that are constant; None where there are none, or nothing else."""
        path, top = [], op.inputs[0]
        while (step := self.made.get(top)) is not None and self._keeps_columns(step):
            path.append(step)
            top = step.inputs[0]
        if step is None or step.kind != "cat" or step.attrs["dim"] != len(step.output.shape) - 1:
            return None
        rows = [self._row(name) for name in step.inputs]
        pieces = tuple(name for name, row in zip(step.inputs, rows, strict=True) if row is None)
        if not pieces or len(pieces) == len(rows):
            return None
        widths = [self.shapes[name][-1] for name in step.inputs]
        known = [np.full(width, np.nan) if row is None else row for width, row in zip(widths, rows, strict=True)]
        row = np.concatenate(known)
        free, weight = np.isnan(row), self.graph.constants[op.inputs[1]].astype(np.float64)
        weights = [self._keep(op.inputs[1], weight[:, free]), *op.inputs[2:]]
        brought = weight[:, ~free] @ row[~free]
        if np.any(brought):
            bias = next((name for name in op.inputs[2:] if name), "")
            brought = brought + (self.graph.constants[bias].astype(np.float64) if bias else 0)
            weights[1:] = [self._keep(bias or op.inputs[1], brought)]
        width = int(free.sum())
        name = pieces[0] if len(pieces) == 1 else self._emit(replace(step, inputs=pieces), width)
        for view in reversed(path):
            name = self._emit(replace(view, inputs=(name,)), width)
        return replace(op, inputs=(name, *weights))

    def _keeps_columns(self, op: Op) -> bool:
        """Whether it is a view that only moves or drops whole rows."""
        last, dims = len(op.output.shape) - 1, op.attrs.get("dims")
        if op.kind == "reshape":
            return self.shapes[op.inputs[0]][-1:] == op.output.shape[-1:]
        if op.kind == "permute":
            return isinstance(dims, tuple) and dims[-1] == last
        return op.kind in {"slice", "select"} and op.attrs["dim"] != len(self.shapes[op.inputs[0]]) - 1

    def _row(self, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None:
        """What every row of a constant tensor holds; None where it is no constant, or its rows differ."""
        op, width = self.made.get(name), self.shapes[name][-1]
        if op is not None and op.kind == "expand" and op.inputs[0] in self.constants:
            one = self.constants[op.inputs[0]]
            return np.full(width, float(one.reshape(-1)[0])) if one.size == 1 else None
        if name not in self.graph.constants:
            return None
        rows = self.graph.constants[name].astype(np.float64).reshape(-1, width)
        return rows[0] if (rows == rows[0]).all() else None

    def _keep(self, wish: str, value: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
        name = fresh(self.shapes, wish)
        self.constants[name] = np.ascontiguousarray(value, np.float32)
        self.shapes[name] = self.constants[name].shape
        return name

    def _emit(self, op: Op, width: int) -> str:
        """The same step for fewer columns."""
        made = Tensor(fresh(self.shapes, op.output.name + ".narrow"), (*op.output.shape[:-1], width))
        self.shapes[made.name] = made.shape
        attrs = {"shape": made.shape} if op.kind == "reshape" else op.attrs
        self.ops.append(replace(op, output=made, attrs=attrs))
        return made.name
