"""The same scores sample by sample: what two windows share is computed once, and kept.

Two forms. *Columns*: where a tensor's steps are the same whichever window they are seen from, only the newest is
computed, and as many of the last as somebody reads are kept. Steps that see a window's own border (padding) are
computed anew each time. *Flights*: a recurrent layer starts anew with each window, and a dense layer that sees all of a
window has weights of its own for each step, so that nothing is shared. But all windows under way take their steps
together, and weights are read once for many of them.

That a stream says what windows say, to the bit, rests on the operators alone: they are the same, on the same values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..ir import Attr, Graph, Grid, Op, Source, Tensor, fresh, prune
from ..ops import Shape, mac
from ..ops.kept import BLOCK
from ..verify import verify
from .layout import layout
from .plan import plan
from .support import SLIDING, Steps, number, padding, reads, taps

PAYS = 0.5
"""A stream of columns is worth its memory where it takes at most this share of the windowed work."""
FEWEST_ROWS, MOST_STATE = 8, 1 << 23
"""Windows under way that make a flight worth it, and most bytes that it may keep."""
LEAST_WEIGHTS, FEWEST_CHANNELS = 1 << 19, 8
"""Bytes of a dense layer's weights that are worth bringing near once for many windows, and how many they are a step."""
FEWEST_STEPS, FEWEST_OUTPUTS = 2 * BLOCK, 17
"""From which on its sums may wait, and run over their terms one by one (see "order" in kernels.h)."""


@dataclass(frozen=True)
class Streamed:
    """A stream, planned, for one sample at a time: its window has one step."""

    graph: Graph
    everywhere: bool
    """Columns save work on every machine; flights save nothing but reading weights, and want a host's memory."""
    in_bulk: bool
    """Windows of a series, taken many at once, read weights as seldom, and take all the layers behind together."""


def stream(graph: Graph) -> Streamed | None:
    """The graph as a stream, or None where that would not pay, or not be the same.

    Parameters
    ----------
    graph : Graph
        After `layout`: what the windowed program computes.
    """
    columns = _build(graph, flights=False)
    if columns is not None and _work(columns) <= PAYS * _work(graph):
        return Streamed(_planned(columns), everywhere=True, in_bulk=False)
    flights = _build(graph, flights=True)
    if flights is None:
        return None
    kinds = {op.kind for op in flights.ops if op.kind.endswith("_flight")}
    if not kinds:
        return None
    planned = _planned(flights)
    assert planned.plan is not None
    made = Streamed(planned, everywhere=False, in_bulk=kinds == {"linear_flight"})
    return made if planned.plan.state <= MOST_STATE else None


def _work(graph: Graph) -> int:
    """Multiply-adds, and values that move because they are kept."""
    return mac(graph) + sum(op.output.size for op in graph.ops if op.kind == "keep")


def _planned(graph: Graph) -> Graph:
    graph = plan(layout(graph))
    verify(graph)
    return graph


def _build(graph: Graph, *, flights: bool) -> Graph | None:
    try:
        deepest = _Streaming(graph, {}, flights)
        deepest.run()
        return _Streaming(graph, deepest.depths, flights).run()
    except _WindowedError:
        return None


class _WindowedError(Exception):
    """Something reads what no stream has."""


@dataclass(frozen=True)
class _Series:
    """A tensor whose steps, but for some at its ends, are the same in every window that has them.

    A window that comes `hop` samples later has them one step further left.
    """

    op: Op
    steps: int
    hop: int
    left: int
    right: int

    @property
    def newest(self) -> int:
        """The last step that is the same in later windows; it is computed with each sample."""
        return self.steps - 1 - self.right


class _Streaming:
    """`depths` says how many of the newest steps of each series are kept; without it all are, and it is found out."""

    def __init__(self, graph: Graph, depths: Mapping[str, int], flights: bool) -> None:
        self.graph, self.given, self.flights_too = graph, depths, flights
        self.shapes, self.producers = graph.shapes(), graph.producers()
        self.depths: dict[str, int] = {}
        self.series: dict[str, _Series] = {}
        self.flights: set[str] = set()
        self.ops: list[Op] = []
        self.names: dict[tuple[str, Steps | None], str] = {}
        self.tensors: dict[str, Tensor] = {}

    def run(self) -> Graph:
        for op in self.graph.ops:
            self._take(op)
        outputs = tuple(self._whole(name) for name in self.graph.outputs)
        window = Tensor(self.graph.window.name, (1, 1, *self.graph.window.shape[2:]))
        return prune(replace(self.graph, window=window, ops=tuple(self.ops), outputs=outputs, plan=None))

    def _take(self, op: Op) -> None:
        name = op.output.name
        if not self.ops:  # enter: each sample's slot is the newest step of a series of slots
            self.series[name] = _Series(op, op.output.shape[1], 1, 0, 0)
            self._add(op, op.inputs, op.attrs, (1, 1, *op.output.shape[2:]), (name, None))
            return
        if any(used in self.flights for used in op.inputs):
            self._take_rows(op)
            return
        found = self._equivariant(op)
        if found is not None:
            self.series[name] = found
        elif self.flights_too and op.kind in {"lstm", "gru"} and self._is_plain(op.inputs[0]):
            self._fly(op, self._newest(op.inputs[0]))
        elif self.flights_too and (steps := self._seen_whole(op)) is not None:
            attrs = {**op.attrs, "steps": self.shapes[steps][1]}
            newest = self._newest(steps)
            self._add(op, [newest, *op.inputs[1:]], attrs, op.output.shape, (name, None), kind="linear_flight")
        elif op.kind == "select" and op.attrs["dim"] == 1 and op.inputs[0] in self.series:
            index = number(op, "index")
            step = self._steps(op.inputs[0], index, index + 1)
            self._add(op, [step], {"dim": 1, "index": 0}, op.output.shape, (name, None))
        else:
            self._add(op, [self._whole(used) for used in op.inputs], op.attrs, op.output.shape, (name, None))

    # -------------------------------------------------------------- columns

    def _equivariant(self, op: Op) -> _Series | None:
        """What is the same from window to window, or None where nothing is."""
        if len(op.output.shape) < 3 or op.output.name in self.graph.outputs:
            return None
        steps = op.output.shape[1]
        same: list[int] = []
        hops: set[int] = set()
        for at in range(steps):
            parts = reads(op, (at, at + 1), self.shapes, self.graph.constants)
            if parts is None:
                return None
            for i, used in enumerate(op.inputs):
                varies = i in parts and used in self.graph.constants
                if varies or (i not in parts and used and used not in self.graph.constants):
                    return None  # a constant of its own for each step, or a tensor that is read whole
                if i in parts and used not in self.series:
                    return None
            inside = all(
                self.series[op.inputs[i]].left <= start and stop - 1 <= self.series[op.inputs[i]].newest
                for i, (start, stop) in parts.items()
            )
            full = op.kind not in SLIDING or parts[0][1] - parts[0][0] == self._extent(op)
            if parts and inside and full:
                same.append(at)
            hops |= {self.series[op.inputs[i]].hop for i in parts}
        if not same or len(hops) != 1:
            return None
        stride = number(op, "stride") if op.kind in SLIDING else number(op, "step") if self._cuts_steps(op) else 1
        return _Series(op, steps, stride * hops.pop(), same[0], steps - 1 - same[-1])

    def _extent(self, op: Op) -> int:
        return number(op, "dilation") * (taps(op, self.shapes) - 1) + 1

    @staticmethod
    def _cuts_steps(op: Op) -> bool:
        return op.kind == "slice" and op.attrs["dim"] == 1

    def _computed(self, name: str, steps: Steps, *, anew: bool = False) -> str:
        """These steps of a series, from those of its inputs; anew: from the slots on, so that they need not be kept."""
        op, key = self.series[name].op, (name + ".border" * anew, steps)
        if key not in self.names:
            parts = reads(op, steps, self.shapes, self.graph.constants)
            assert parts is not None  # each of them could be read alone
            inputs = [
                self._steps(used, *parts[i], anew=anew) if i in parts else used for i, used in enumerate(op.inputs)
            ]
            attrs = dict(op.attrs)
            if op.kind in SLIDING:
                attrs |= padding(op, steps, parts[0], self.shapes)
            elif self._cuts_steps(op):
                attrs |= {"start": 0, "stop": parts[0][1] - parts[0][0]}
            shape = (op.output.shape[0], steps[1] - steps[0], *op.output.shape[2:])
            self._add(op, inputs, attrs, shape, key)
        return self.names[key]

    def _newest(self, name: str) -> str:
        series = self.series[name]
        if (name, None) in self.names:
            return self.names[name, None]  # the slot
        return self._computed(name, (series.newest, series.newest + 1))

    def _steps(self, name: str, start: int, stop: int, *, anew: bool = False) -> str:
        """Steps of a series: its borders are computed anew, what is between them was kept."""
        series = self.series[name]
        if self._cuts_steps(series.op) and series.op.attrs["step"] == 1:  # what it cuts is kept already
            first = number(series.op, "start")
            return self._steps(series.op.inputs[0], first + start, first + stop, anew=anew)
        if anew and (name, None) not in self.names:
            return self._computed(name, (start, stop), anew=True)
        end = series.newest + 1
        pieces = []
        for low, high, border in ((0, series.left, True), (series.left, end, False), (end, series.steps, True)):
            a, b = max(start, low), min(stop, high)
            if a < b:
                pieces.append(
                    self._slice(self._computed(name, (low, high), anew=True), a - low, b - low, 1)
                    if border
                    else self._past(name, a, b)
                )
        if len(pieces) == 1:
            return pieces[0]
        shape = (1, stop - start, *self.tensors[pieces[0]].shape[2:])
        return self._add(series.op, pieces, {"dim": 1}, shape, (name + ".steps", (start, stop)), kind="cat")

    def _past(self, name: str, start: int, stop: int) -> str:
        """Steps that were the newest some samples ago."""
        series, column = self.series[name], self._newest(name)
        oldest, last = (series.newest - start) * series.hop, (series.newest - stop + 1) * series.hop
        self.depths[name] = max(self.depths.get(name, 1), oldest + 1)
        depth = self.given.get(name, self.graph.window.shape[1])
        if oldest == 0 and self.given.get(name, 1) == 1:
            return column
        if (name + ".kept", None) not in self.names:
            shape = (1, depth, *self.tensors[column].shape[2:])
            self._add(series.op, [column], {"steps": depth}, shape, (name + ".kept", None), kind="keep")
        kept = self.names[name + ".kept", None]
        seen = self._slice(kept, depth - 1 - oldest, depth - last, series.hop)
        if series.hop == 1 or stop - start == 1:
            return seen
        # Steps that lie apart would be added up in another order than those of a window.
        return self._add(series.op, [seen], {}, self.tensors[seen].shape, (name + ".near", (start, stop)), kind="copy")

    def _slice(self, name: str, start: int, stop: int, step: int) -> str:
        tensor = self.tensors[name]
        if (start, stop) == (0, tensor.shape[1]) and step == 1:
            return name
        shape = (1, len(range(start, stop, step)), *tensor.shape[2:])
        attrs: dict[str, Attr] = {"dim": 1, "start": start, "stop": stop, "step": step}
        key = (f"{name}.part", (start, stop))
        if key not in self.names:
            self.names[key] = self._append("slice", [name], attrs, shape, f"{name}.part", tensor.grid, ())
        return self.names[key]

    # -------------------------------------------------------------- flights

    def _is_plain(self, name: str) -> bool:
        """Every step of it is the newest once."""
        series = self.series.get(name)
        known = series is not None and (series.hop, series.left, series.right) == (1, 0, 0)
        return known and self.shapes[name][1] >= FEWEST_ROWS

    def _seen_whole(self, op: Op) -> str | None:
        """The series that a dense layer sees in one row, where it pays to have its sums under way."""
        made = self.producers.get(op.inputs[0])
        if op.kind != "linear" or made is None or made.kind != "reshape" or not self._is_plain(made.inputs[0]):
            return None
        steps, weights = self.shapes[made.inputs[0]], self.shapes[op.inputs[1]]
        pays = 4 * math.prod(weights) >= LEAST_WEIGHTS and math.prod(steps[2:]) >= FEWEST_CHANNELS
        exact = steps[1] >= FEWEST_STEPS and op.output.size >= FEWEST_OUTPUTS
        return made.inputs[0] if pays and exact and math.prod(steps[1:]) == weights[0] else None

    def _fly(self, op: Op, x: str) -> None:
        """All windows under way take a step."""
        steps, name, hidden = self.shapes[op.inputs[0]][1], op.output.name, op.output.shape[-1]
        flight = self._add(
            op, [x, *op.inputs[1:]], {"steps": steps}, (1, steps, hidden), (name, None), kind=f"{op.kind}_flight"
        )
        if op.attrs["last"]:
            attrs: dict[str, Attr] = {"dim": 1, "index": steps - 1}
            self.names[name, None] = self._append(
                "select", [flight], attrs, op.output.shape, f"{name}.last", op.output.grid, op.sources
            )
        else:
            self.flights.add(name)

    def _take_rows(self, op: Op) -> None:
        """What reads a flight: another layer, row by row, or the last row, whose window is complete."""
        name, steps = op.output.name, next(self.shapes[used][1] for used in op.inputs if used in self.flights)
        if op.kind in {"lstm", "gru"}:
            self._fly(op, self.names[op.inputs[0], None])
            return
        parts = reads(op, (0, steps), self.shapes, self.graph.constants) if len(op.output.shape) > 2 else None
        constant = all(used in self.flights or used in self.graph.constants for used in op.inputs)
        rows = parts is not None and op.output.shape[1] == steps and set(parts.values()) == {(0, steps)} and constant
        at_end = op.attrs.get("dim") == 1 and (
            (op.kind == "select" and op.attrs["index"] == steps - 1)
            or (op.kind == "slice" and op.attrs["start"] == steps - 1)
        )
        if not (rows and op.kind not in SLIDING) and not at_end:
            raise _WindowedError
        inputs = [self.names.get((used, None), used) for used in op.inputs]
        self._add(op, inputs, op.attrs, op.output.shape, (name, None))
        if not at_end:
            self.flights.add(name)

    # -------------------------------------------------------------- what is written

    def _whole(self, name: str) -> str:
        """A tensor as a whole window has it."""
        if name in self.flights:
            raise _WindowedError
        return (
            self._steps(name, 0, self.series[name].steps) if name in self.series else self.names.get((name, None), name)
        )

    def _add(
        self,
        op: Op,
        inputs: Sequence[str],
        attrs: Mapping[str, Attr],
        shape: Shape,
        key: tuple[str, Steps | None],
        *,
        kind: str = "",
    ) -> str:
        self.names[key] = self._append(kind or op.kind, inputs, attrs, shape, key[0], op.output.grid, op.sources)
        return self.names[key]

    def _append(
        self,
        kind: str,
        inputs: Sequence[str],
        attrs: Mapping[str, Attr],
        shape: Shape,
        wish: str,
        grid: Grid | None,
        sources: tuple[Source, ...],
    ) -> str:
        name = fresh([*self.tensors, *self.graph.constants, self.graph.window.name], wish)
        self.tensors[name] = Tensor(name, shape, grid)
        self.ops.append(Op(kind, tuple(inputs), self.tensors[name], attrs, sources))
        return name


__all__ = ["Streamed", "stream"]
