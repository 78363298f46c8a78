"""What must hold of a graph after every pass, and of a memory plan: re-proved here by pairs, however it was made."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from .ir import NAME, WIDTHS, Buffer, Graph, Op, dtype_of
from .ops import TABLE, View, infer, is_enter, is_view, remembered, scratch, views


class VerifyError(AssertionError):
    """A pass broke the graph: a defect of the compiler, not of the user's model."""


def verify(graph: Graph) -> None:
    """Check names, order, shapes, constants, outputs and, where there is one, the memory plan.

    Raises
    ------
    VerifyError
        With the first thing that does not hold.
    """
    _constants(graph)
    _operators(graph)
    _outputs(graph)
    if graph.plan is not None:
        _kernels(graph)
        _plan(graph)


def _need(holds: bool, otherwise: str) -> None:
    if not holds:
        raise VerifyError(otherwise)


def _constants(graph: Graph) -> None:
    for name, a in graph.constants.items():
        _need(dtype_of(a) in WIDTHS, f"constant {name} is {a.dtype}")
        _need(bool(np.isfinite(a).all()), f"constant {name} holds values that are not finite")
        _need(a.size > 0, f"constant {name} is empty")


def _operators(graph: Graph) -> None:
    shapes = {graph.window.name: graph.window.shape}
    shapes.update((name, tuple(a.shape)) for name, a in graph.constants.items())
    _need(len(shapes) == len(graph.constants) + 1, f"{graph.window.name} is both input and constant")
    for name in shapes:
        _need(NAME.fullmatch(name) is not None and name != "-", f"{name!r} is no name")
    for i, op in enumerate(graph.ops):
        name = op.output.name
        _need(NAME.fullmatch(name) is not None and name != "-", f"{name!r} is no name")
        _need(name not in shapes, f"{name} is written twice")
        for used in op.inputs:
            _need(not used or used in shapes, f"{name} reads {used} before it is written")
        try:
            shape = infer(op, shapes)
        except (ValueError, TypeError, IndexError) as error:
            raise VerifyError(f"{name}: {error}") from error
        _need(shape == op.output.shape, f"{name} has shape {op.output.shape}; by rule it is {shape}")
        _need(op.output.size > 0, f"{name} is empty")
        _need(not is_enter(op) or i == 0, f"{name}: enter is not the first operator")
        shapes[name] = shape
    _types(graph)
    if graph.ops and is_enter(graph.ops[0]):
        late = [op.output.name for op in graph.ops[1:] if graph.window.name in op.inputs]
        _need(not late, f"{late} read raw samples past enter")


def _types(graph: Graph) -> None:
    """Operators read and write the data types that their rows say; values that only move keep their grid."""
    dtypes, made = graph.dtypes(), graph.producers()
    for op in graph.ops:
        spec, name = TABLE[op.kind], op.output.name
        read = [(used, spec.reads[min(i, len(spec.reads) - 1)]) for i, used in enumerate(op.inputs) if used]
        if spec.writes == "any":
            grids = [made[used].output.grid if used in made else None for used, _ in read]
            _need(all(grid == op.output.grid for grid in grids), f"{name} has another grid than what it moves")
            continue
        for used, wanted in read:
            _need(dtypes[used] == wanted, f"{name} wants {used} as {wanted}, not as {dtypes[used]}")
        _need(op.output.dtype == spec.writes, f"{name} is {op.output.dtype}; by rule it is {spec.writes}")
        grid = op.output.grid
        _need(
            grid is None or op.attrs.get("limit", grid.limit) == grid.limit, f"{name} has another limit than its grid"
        )
        if spec.largest is not None:
            limit = made[op.inputs[0]].output.grid
            assert limit is not None  # its type was looked at above
            sums = spec.largest([graph.constants.get(used) for used in op.inputs], limit.limit, op.attrs)
            _need(sums < 2**31, f"sums of {name} reach {sums}, which overflows 32 bits")


def _outputs(graph: Graph) -> None:
    shapes, made = graph.shapes(), graph.producers()
    want = [(1,), (1, graph.window.shape[2])]
    _need(1 <= len(graph.outputs) <= 2, f"{len(graph.outputs)} outputs")
    for name, shape in zip(graph.outputs, want, strict=False):
        _need(name in made, f"output {name} is computed by no operator")
        _need(shapes[name] == shape, f"output {name} has shape {shapes[name]}, not {shape}")
        _need(made[name].output.dtype == "f32", f"output {name} is not f32")


def _kernels(graph: Graph) -> None:
    """Every kernel gets what its contract asks for."""
    lies, shapes = views(graph), graph.shapes()
    _need(bool(graph.ops) and is_enter(graph.ops[0]), "there is no enter")
    for op in graph.ops:
        spec, name = TABLE[op.kind], op.output.name
        if spec.view is not None:
            seen = spec.view(lies[op.inputs[0]], op.attrs, op.output.shape)
            _need(seen is not None, f"{name} is no view: it needs a copy")
        for i in spec.dense:
            _need(lies[op.inputs[i]].is_dense(), f"{name} wants {op.inputs[i]} dense")
        for i in spec.rows:
            _need(lies[op.inputs[i]].has_dense_rows(), f"{name} wants the rows of {op.inputs[i]} dense")
        _need("packed" not in spec.attrs or op.attrs["packed"] is True, f"{name} has weights that are not packed")
        for used in op.inputs[len(op.inputs) if spec.constants is None else spec.constants :]:
            _need(not used or used in graph.constants, f"{name} wants {used} constant")
        _need(scratch(op, shapes) >= 0, f"{name} wants negative scratch")


@dataclass(frozen=True)
class Life:
    """A tensor's memory and the operators (by position) from its writing to its last reading."""

    name: str
    buffer: Buffer
    first: int
    last: int


def _lives(graph: Graph, lies: dict[str, View]) -> list[Life]:
    assert graph.plan is not None
    first, last = {}, {}
    for i, op in enumerate(graph.ops):
        if not is_view(op):
            first[op.output.name] = last[op.output.name] = i
        for used in op.inputs:
            if used and lies[used].root in first:
                last[lies[used].root] = i
    for name in graph.outputs:
        last[lies[name].root] = len(graph.ops)
    buffers = graph.plan.buffers
    return [Life(name, buffers[name], first[name], last[name]) for name in first if name in buffers]


def _plan(graph: Graph) -> None:
    plan, lies, shapes = graph.plan, views(graph), graph.shapes()
    assert plan is not None
    want = {}
    for op in graph.ops:
        if not is_view(op) and not is_enter(op):
            want[op.output.name] = op.output.bytes
            if scratch(op, shapes):
                want[op.output.name + "/scratch"] = scratch(op, shapes)
            if kept := remembered(op, shapes):
                want[op.output.name + "/kept"] = kept
    _need(set(want) == set(plan.buffers), f"buffers {sorted(set(want) ^ set(plan.buffers))} are missing or too many")
    room = {"arena": plan.window, "fixed": plan.fixed, "scores": 4, "state": plan.state}
    stay = {op.output.name for op in graph.ops if remembered(op, shapes) is not None}
    for name, buffer in plan.buffers.items():
        _need(buffer.where in room, f"{name} lies in {buffer.where!r}")
        _need(buffer.size == want[name], f"{name} has {buffer.size} bytes of memory and needs {want[name]}")
        inside = buffer.offset >= 0 and buffer.offset + buffer.size <= room[buffer.where]
        _need(inside, f"{name} reaches out of {buffer.where}")
        _need((buffer.where == "fixed") == name.endswith("/scratch"), f"{name} lies in {buffer.where}")
        _need((buffer.where == "state") == (name.removesuffix("/kept") in stay), f"{name} lies in {buffer.where}")
    score = lies[graph.outputs[0]]
    _need(
        score.root in plan.buffers and plan.buffers[score.root].where == "scores" and shapes[score.root] != (),
        "the score does not lie in the caller's array",
    )
    stays = [(name, buffer) for name, buffer in plan.buffers.items() if buffer.where == "state"]
    for (one, a), (other, b) in itertools.combinations(stays, 2):
        _need(not _overlap(a, b), f"{one} and {other} are kept in the same memory")
    for x, y in itertools.combinations(sorted(_lives(graph, lies), key=lambda life: life.first), 2):
        _apart(graph, x, y, lies)


def _overlap(a: Buffer, b: Buffer) -> bool:
    return a.where == b.where and a.offset < b.offset + b.size and b.offset < a.offset + a.size


def _apart(graph: Graph, a: Life, b: Life, lies: dict[str, View]) -> None:
    """Neither tensor is overwritten while it is wanted; a begins first."""
    if a.buffer.where == "state" or not _overlap(a.buffer, b.buffer) or a.last < b.first:
        return
    legal = a.last == b.first and a.buffer == b.buffer and _may_overwrite(graph.ops[b.first], a, lies)
    _need(legal, f"{a.name} and {b.name} are alive at once in the same memory")


def _may_overwrite(op: Op, old: Life, lies: dict[str, View]) -> bool:
    """Whether the operator reads the old tensor only as a whole, in order, by a kernel that allows y to be x."""
    for i, used in enumerate(op.inputs):
        if used and lies[used].root == old.name:
            view = lies[used]
            whole = view.is_dense() and view.offset == 0 and int(np.prod(view.shape)) == op.output.size
            if not (whole and i in TABLE[op.kind].in_place):
                return False
    return True
