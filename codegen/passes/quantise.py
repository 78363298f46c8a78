"""Post-training quantisation: s16 values, s8 weights, s32 sums, with ranges from windows of normal operation.

Matrix products are computed in integers, and before them what there is a rule for (`integer_rules`). All behind the
last product (errors, their squares, means: the score) is float32, straight from the last sums.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ir import Attr, Graph, Grid, Op, Tensor, fresh, prune
from ..ops import TABLE
from ..ops.integer import LIMIT
from .calibrate import MASKED, Calibration, Moments, calibrate
from .integer_rules import BOUNDED, KEEP_GRID, PRODUCTS, RULES, largest_row
from .scope import NoRule, Scope

SLOT_ROOM, ROOM = 16.0, 4.0
"""Times the largest magnitude seen in calibration that slots, and all other values, can reach; squares of values reach
the square of that. Anomalies lie outside the range of training; s16 has the bits to hold them."""
RESOLUTION = 2.0**-22
"""Of float32, with room for a few roundings: samples that differ by less, relative to their offset, are constant."""


def quantise(graph: Graph, windows: NDArray[np.float32], as_float: Collection[str] = (), room: float = 1.0) -> Graph:
    """The graph in integers.

    Parameters
    ----------
    graph : Graph
        After `fuse`; float32.
    windows : ndarray (n, W, C)
        Windows of normal operation, raw samples.
    as_float : collection of str
        Outputs of operators that stay float32 though there is a rule.
    room : float
        Times SLOT_ROOM and ROOM.

    Raises
    ------
    ValueError
        See `calibrate`.
    """
    return quantised(graph, calibrate(graph, windows), as_float, room)


def quantised(graph: Graph, seen: Calibration, as_float: Collection[str] = (), room: float = 1.0) -> Graph:
    """The same, from what calibration saw before."""
    return _Quantiser(graph, seen, frozenset(as_float), room).run()


class _Quantiser(Scope):
    """Walks the operators in order and writes the quantised ones; the `Scope` that rules see."""

    def __init__(self, graph: Graph, seen: Calibration, as_float: frozenset[str], room: float) -> None:
        self.graph, self.seen, self.as_float, self.room = graph, seen, as_float, room
        self.chosen = self._choose()
        self.limits = self._limits()
        self.degrees = self._degrees()
        self.constants: dict[str, NDArray[Any]] = dict(graph.constants)
        self.ops: list[Op] = []
        self.grids: dict[str, Grid] = {}  # of s16 tensors, by the name they have now
        self.integers: dict[str, str] = {}  # a tensor's name in the graph -> its s16 form
        self.floats: dict[str, str] = {name: name for name in graph.constants}  # ... -> its f32 form
        self.taken = set(graph.shapes())

    def run(self) -> Graph:
        for op in self.graph.ops:
            self._write(op)
        outputs = tuple(self._float(name) for name in self.graph.outputs)
        return prune(replace(self.graph, ops=tuple(self.ops), constants=self.constants, outputs=outputs))

    # ------------------------------------------------------------ what is to become integers

    def _readers(self, name: str) -> list[Op]:
        """Operators that read a tensor, through those that only move values."""
        found: list[Op] = []
        for op in self.consumers.get(name, []):
            found += self._readers(op.output.name) if TABLE[op.kind].writes == "any" else [op]
        return found

    def _choose(self) -> set[str]:
        """Outputs of operators that are computed in integers: products, and what is read by nothing but chosen ones."""
        self.consumers = self.graph.consumers()
        chosen: set[str] = set()
        for op in reversed(self.graph.ops):
            name = op.output.name
            readers = [reader.output.name for reader in self._readers(name)]
            inner = bool(readers) and all(reader in chosen for reader in readers) and not self._is_told(name)
            if op.kind in RULES and name not in self.as_float and (op.kind in PRODUCTS or inner):
                chosen.add(name)
        return chosen

    def _is_told(self, name: str) -> bool:
        """Whether it is an output of the graph, through operators that only move values."""
        moved = [op.output.name for op in self.consumers.get(name, []) if TABLE[op.kind].writes == "any"]
        return name in self.graph.outputs or any(self._is_told(each) for each in moved)

    def _limits(self) -> dict[str, int]:
        """The largest magnitude each tensor may have so that no sum it goes into overflows, with 2^30 for the bias."""
        found: dict[str, int] = {}
        for op in reversed(self.graph.ops):
            name, limit = op.output.name, LIMIT
            if (
                name in self.chosen
                and op.kind in PRODUCTS
                and len(op.inputs) > 1
                and op.inputs[1] in self.graph.constants
            ):
                limit = min(LIMIT, 2**30 // largest_row(self.graph.constants[op.inputs[1]]))
            elif op.kind in KEEP_GRID or TABLE[op.kind].writes == "any":
                limit = found.get(name, LIMIT)
            for used in op.inputs:
                found[used] = min(found.get(used, LIMIT), limit)
        return found

    def _degrees(self) -> dict[str, int]:
        """How each tensor grows with the samples: 0 where it is bounded, 1 as they do, 2 as their squares."""
        found = dict.fromkeys(self.graph.constants, 0) | {self.graph.window.name: 1}
        for op in self.graph.ops:
            each = [found[used] for used in op.inputs if used]
            bounded = op.kind in BOUNDED or op.attrs.get("act") in BOUNDED
            found[op.output.name] = 0 if bounded else sum(each) if op.kind in {"mul", "bmm"} else max(each)
        return found

    # ------------------------------------------------------------ what rules ask for

    def grid(self, name: str, least: float = 0.0, room: float | None = None, noise: float = 0.0) -> Grid:
        if name in self.seen.masked:
            raise NoRule
        limit = self.limits.get(name, LIMIT)
        room = room or (ROOM * self.room) ** max(self.degrees[name], 1)
        largest = self.seen.largest[name]
        # What never moved, or no more than rounding moves it, says nothing of how far it can: as far as what is scaled.
        return Grid(max(room * (largest if largest > noise else 1.0) / limit, least, 2.0**-100), limit)

    def grid_of(self, name: str) -> Grid:
        return self.grids[name]

    def integer(self, name: str) -> str:
        if name in self.integers:
            return self.integers[name]
        if name in self.graph.constants:
            value = self.graph.constants[name]
            if np.abs(value).max() >= MASKED:
                raise NoRule
            scale = float(np.abs(value).max() or 1.0) / LIMIT
            made = self.keep(name + ".s16", np.rint(value.astype(np.float64) / scale).astype(np.int16))
            self.grids[made] = Grid(scale, LIMIT)
        elif name in self.seen.infinite:
            raise NoRule
        else:
            grid = self.grid(name)
            attrs = {"scale": float(np.float32(1 / grid.scale)), "limit": grid.limit}
            made = self._add(Op("quantise", (self._float(name),), self._tensor(name + ".s16", name, grid), attrs))
        self.integers[name] = made
        return made

    def before(self, op: Op, kind: str, inputs: tuple[str, ...], grid: Grid, attrs: Mapping[str, Attr]) -> str:
        name = op.output.name
        return self._add(Op(kind, inputs, self._tensor(f"{name}.{kind}", name, grid), attrs, op.sources))

    def moments(self, name: str) -> Moments | None:
        return self.seen.moments.get(name)

    def keep(self, wish: str, value: NDArray[Any]) -> str:
        name = fresh(self.taken, wish)
        self.taken.add(name)
        self.constants[name] = value
        return name

    def wants_float(self, name: str) -> bool:
        return self._is_told(name) or all(reader.output.name not in self.chosen for reader in self._readers(name))

    # ------------------------------------------------------------ writing

    def _tensor(self, wish: str, like: str, grid: Grid | None) -> Tensor:
        name = fresh(self.taken, wish)
        self.taken.add(name)
        return Tensor(name, self.graph.shapes()[like], grid)

    def _add(self, op: Op) -> str:
        self.ops.append(op)
        if op.output.grid is not None:
            self.grids[op.output.name] = op.output.grid
        return op.output.name

    def _float(self, name: str) -> str:
        if name not in self.floats:
            grid = self.grids[self.integers[name]]
            attrs = {"scale": float(np.float32(grid.scale))}
            made = Op("dequantise", (self.integers[name],), self._tensor(name + ".f32", name, None), attrs)
            self.floats[name] = self._add(made)
        return self.floats[name]

    def _write(self, op: Op) -> None:
        """One operator, in integers or in floats, under its own name."""
        name = op.output.name
        if op.kind == "enter":
            self._enter(op)
            return
        if TABLE[op.kind].writes == "any":
            self._move(op)
            return
        made = None
        if name in self.chosen:
            try:
                made = RULES[op.kind](op, self)
            except NoRule:
                made = None
        if made is None:
            made = replace(op, inputs=tuple(self._float(used) if used else "" for used in op.inputs))
        self._add(made)
        (self.floats if made.output.grid is None else self.integers)[name] = name

    def _enter(self, op: Op) -> None:
        offset, scale = self.graph.constants[op.inputs[1]].astype(np.float64)
        try:
            noise = float(np.abs(offset * scale).max()) * RESOLUTION
            grid = self.grid(op.output.name, room=SLOT_ROOM * self.room, noise=noise)
        except NoRule:
            raise ValueError(
                f"{op.output.name}, the scaled samples, reaches {MASKED:g} in calibration; scale them in the model"
            ) from None
        table = np.stack([offset, scale / grid.scale])
        names = (op.inputs[0], self.keep(op.inputs[1] + ".s16", table.astype(np.float32)))
        output = replace(op.output, grid=grid)
        self.integers[output.name] = self._add(Op("enter_s16", names, output, {"limit": grid.limit}, op.sources))

    def _move(self, op: Op) -> None:
        """Values that only move keep their grid; where they come together, all get the grid of the coarsest."""
        name = op.output.name
        if not all(used in self.integers for used in op.inputs):
            self.floats[name] = self._add(replace(op, inputs=tuple(self._float(used) for used in op.inputs)))
            return
        inputs = [self.integers[used] for used in op.inputs]
        grid = max((self.grids[used] for used in inputs), key=lambda each: each.scale)
        limit = min(self.grids[used].limit for used in inputs)
        if any(self.grids[used] != grid for used in inputs):
            grid = Grid(grid.scale, limit)
            inputs = [self._regrid(old, used, grid) for old, used in zip(op.inputs, inputs, strict=True)]
        self._add(replace(op, inputs=tuple(inputs), output=replace(op.output, grid=grid)))
        self.integers[name] = name

    def _regrid(self, name: str, used: str, grid: Grid) -> str:
        if self.grids[used] == grid:
            return used
        from ..ops.pointwise_s16 import factors

        left, _, shift = factors(self.grids[used].scale / grid.scale, 0.0)
        attrs = {"left": left, "right": 0, "shift": shift, "limit": grid.limit}
        return self._add(Op("add_s16", (used, used), self._tensor(name + ".regrid", name, grid), attrs))
