"""Splits off the longest prefix that acts on each sample alone: slot = (x - offset) * scale, per channel.

What is split off runs once per sample instead of once per window, and its constants become the replaceable table.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..ir import Graph, Op, Source, Tensor, fresh, prune, substitute
from .affine import per_channel


def split_enter(graph: Graph) -> Graph:
    """Make the graph begin with `enter`; with the identity's table where no prefix qualifies."""
    channels = graph.window.shape[2]
    offset, scale, shift = np.zeros(channels), np.ones(channels), np.zeros(channels)
    table, end = (offset, scale), graph.window.name
    sources: tuple[Source, ...] = ()
    name, taken = graph.window.name, sources
    readers = graph.consumers()
    # Kept as (x - offset) * scale + shift: what is subtracted first is the offset, so that the usual scaler comes out
    # with its own constants.
    while len(readers.get(name, [])) == 1:
        op = readers[name][0]
        step = per_channel(op, graph)
        if step is None or op.output.name in graph.outputs or op.output.shape != graph.window.shape:
            break
        scaled, moved = step
        if name == graph.window.name and np.all(scaled == 1):
            offset = -moved
        else:
            scale, shift = scale * scaled, shift * scaled + moved
        name, taken = op.output.name, taken + op.sources
        reached = _as_table(offset, scale, shift)
        if reached is not None:
            table, end, sources = reached, name, taken
    slot = Tensor(fresh(graph.shapes(), "slot"), graph.window.shape)
    rows = fresh(graph.shapes(), "enter")
    enter = Op("enter", (graph.window.name, rows), slot, {}, sources)
    rest = substitute(graph, {end: slot.name})
    constants = {**graph.constants, rows: np.stack(table).astype(np.float32)}
    return prune(replace(rest, ops=(enter, *rest.ops), constants=constants))


def _as_table(
    offset: NDArray[np.float64], scale: NDArray[np.float64], shift: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """(offset, scale) without shift, or None where float32 cannot say it."""
    with np.errstate(all="ignore"):
        whole = np.where(shift == 0, offset, offset - shift / np.where(shift == 0, 1, scale))
        finite = np.isfinite(whole.astype(np.float32)) & np.isfinite(scale.astype(np.float32))
        # Rounded, the offset must say a shift as exactly as the addition that it replaces: not beside a far larger
        # offset, and not with a scale of nothing.
        error = np.abs(whole.astype(np.float32) - whole) * np.abs(scale)
        carried = (shift == 0) | ((error <= 2.0**-23 * np.abs(shift)) & (np.abs(scale) >= np.finfo(np.float32).tiny))
    return (whole, scale) if bool(np.all(finite & carried)) else None
