"""Gives every tensor its place: lifetimes -> offsets, in place where a kernel allows it, largest first.

Places count in bytes a window: n windows take n times as much of each, so that one plan holds for every n.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ..ir import Buffer, Graph, Op, Plan
from ..ops import TABLE, View, is_enter, is_view, remembered, scratch, views


@dataclass
class Block:
    """Tensors that share a place one after the other, each written over the one before."""

    size: int
    first: int
    last: int
    names: list[str]


def plan(graph: Graph) -> Graph:
    """Add the memory plan."""
    lies, shapes = views(graph), graph.shapes()
    last = _last_reads(graph, lies)
    score = lies[graph.outputs[0]].root
    buffers: dict[str, Buffer] = {}
    blocks: dict[str, Block] = {}
    fixed = state = 0
    for i, op in enumerate(graph.ops):
        name = op.output.name
        if is_view(op) or is_enter(op):
            continue
        if needed := scratch(op, shapes):
            buffers[name + "/scratch"] = Buffer("fixed", 0, needed)
            fixed = max(fixed, needed)
        kept = remembered(op, shapes)
        if kept is not None:
            buffers[name] = Buffer("state", state, op.output.bytes)
            state += op.output.bytes
            if kept:
                buffers[name + "/kept"] = Buffer("state", state, kept)
                state += kept
            continue
        if name == score:
            buffers[name] = Buffer("scores", 0, op.output.bytes)
            continue
        block = _overwritten(op, i, blocks, last, lies)
        if block is None:
            block = Block(op.output.bytes, i, last[name], [])
        block.last = last[name]
        block.names.append(name)
        blocks[name] = block

    placed: list[tuple[int, Block]] = []
    unique = {id(block): block for block in blocks.values()}
    for block in sorted(unique.values(), key=lambda b: (-b.size, b.first)):
        at = 0
        for other_at, other in sorted(placed, key=lambda p: p[0]):
            alive = block.first <= other.last and other.first <= block.last
            if alive and at < other_at + other.size and other_at < at + block.size:
                at = other_at + other.size
        placed.append((at, block))
        buffers.update((name, Buffer("arena", at, block.size)) for name in block.names)
    window = max((at + block.size for at, block in placed), default=0)
    # Sizes in the ABI are multiples of 8 bytes.
    return replace(graph, plan=Plan(fixed + fixed % 8, window + window % 8, buffers, state + state % 8))


def _last_reads(graph: Graph, lies: dict[str, View]) -> dict[str, int]:
    """Position of the operator that reads each root last, through any view; outputs live to the end."""
    last: dict[str, int] = {}
    for i, op in enumerate(graph.ops):
        last[op.output.name] = i
        last.update((lies[name].root, i) for name in op.inputs if name)
    last.update((lies[name].root, len(graph.ops)) for name in graph.outputs)
    return last


def _overwritten(op: Op, i: int, blocks: dict[str, Block], last: dict[str, int], lies: dict[str, View]) -> Block | None:
    """The block of an input that the operator may write its output over."""
    for at in TABLE[op.kind].in_place:
        root = lies[op.inputs[at]].root
        reads = [j for j, name in enumerate(op.inputs) if name and lies[name].root == root]
        seen = [lies[op.inputs[j]] for j in reads]
        legal = all(j in TABLE[op.kind].in_place for j in reads)
        whole = all(v.is_dense() and v.offset == 0 and math.prod(v.shape) == op.output.size for v in seen)
        if root in blocks and last[root] == i and blocks[root].size == op.output.bytes and legal and whole:
            return blocks[root]
    return None
