"""Rules for axes with elements put to their ends, in another order, or several times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .translator import Rule, Translator, argument


def take(t: Translator, node: Any, name: str, dim: int, indices: Sequence[int]) -> str:
    """Elements of an axis by constant indices; a slice where that says the same."""
    size = t.shapes[name][dim]
    indices = tuple(i % size for i in indices)
    if indices == tuple(range(size)):
        return name
    step = indices[1] - indices[0] if len(indices) > 1 else 1
    if step > 0 and indices == tuple(range(indices[0], indices[-1] + 1, step)):
        return t.emit("slice", node, [name], dim=dim, start=indices[0], stop=indices[-1] + 1, step=step)
    return t.emit("take", node, [name], dim=dim, indices=indices)


def _filled(t: Translator, node: Any, name: str, dim: int, before: int, after: int, value: float) -> str:
    """`value` put to both ends of an axis; where a number is negative, elements are cut off."""
    shape = t.shapes[name]
    start, stop = max(0, -before), shape[dim] - max(0, -after)
    if (start, stop) != (0, shape[dim]):
        name = t.emit("slice", node, [name], dim=dim, start=start, stop=stop, step=1)
    pieces = [name]
    for count, at in ((before, 0), (after, len(shape))):
        if count > 0:
            one = t.keep(f"{node.name}.value", np.full((1,) * len(shape), value), node)
            shape = (*shape[:dim], count, *shape[dim + 1 :])
            pieces.insert(at, t.emit("expand", node, [one], shape=shape))
    return name if len(pieces) == 1 else t.emit("cat", node, pieces, dim=dim)


def _indices(mode: str, size: int, before: int, after: int) -> list[int]:
    """Which element stands at each place behind a padding by what is there."""
    places = range(-before, size + after)
    if mode == "replicate":
        return [min(max(i, 0), size - 1) for i in places]
    if mode == "circular":
        return [i % size for i in places]
    return [i if 0 <= i < size else -i if i < 0 else 2 * (size - 1) - i for i in places]  # reflect


def _padded(t: Translator, node: Any, mode: str, value: float) -> str:
    name, widths = t.operand(node.args[0], node), [t.integer(width) for width in node.args[1]]
    rank = len(t.shapes[name])
    for i in range(len(widths) // 2):
        dim, (before, after) = rank - 1 - i, widths[2 * i : 2 * i + 2]
        if mode == "constant":
            name = _filled(t, node, name, dim, before, after, value)
        else:
            name = take(t, node, name, dim, _indices(mode, t.shapes[name][dim], before, after))
    return name


def _pad(t: Translator, node: Any) -> str:
    value = argument(node, 3, "value")
    return _padded(t, node, argument(node, 2, "mode", "constant"), 0.0 if value is None else float(value))


def _constant_pad(t: Translator, node: Any) -> str:
    return _padded(t, node, "constant", float(argument(node, 2, "value", 0)))


def _padding(mode: str) -> Rule:
    return lambda t, node: _padded(t, node, mode, 0.0)


def _flip(t: Translator, node: Any) -> str:
    name = t.operand(node.args[0], node)
    for dim in node.args[1]:
        dim %= len(t.shapes[name])
        name = take(t, node, name, dim, range(t.shapes[name][dim])[::-1])
    return name


def _roll(t: Translator, node: Any) -> str:
    name, shifts, dims = t.operand(node.args[0], node), node.args[1], argument(node, 2, "dims", ())
    if not dims:
        raise t.refusal(node, "a roll of all elements in one row is not supported; dims=(1,) would do")
    for shift, dim in zip(shifts, dims, strict=True):
        dim %= len(t.shapes[name])
        size = t.shapes[name][dim]
        name = take(t, node, name, dim, [(i - shift) % size for i in range(size)])
    return name


def _index_select(t: Translator, node: Any) -> str:
    x, dim, index = node.args
    if not t.is_constant(index) or t.is_constant(x):
        raise t.refusal(node, "indices that depend on the window are not supported; constant ones would do")
    name = t.operand(x, node)
    return take(t, node, name, dim % len(t.shapes[name]), t.values[index.name].flatten().tolist())


def _index(t: Translator, node: Any) -> str:
    """x[:, indices]: one list of indices, for one axis."""
    x, given = node.args
    (dim, *more) = [d for d, index in enumerate(given) if index is not None]
    name, index = t.operand(x, node), t.values[given[dim].name]
    if more or not t.is_constant(given[dim]) or t.is_constant(x) or index.dim() != 1 or "int" not in str(index.dtype):
        raise t.refusal(node, "only one list of constant indices for one axis is supported; torch.where does masks")
    return take(t, node, name, dim, index.tolist())


def _repeat_interleave(t: Translator, node: Any) -> str:
    name, count, dim = t.operand(node.args[0], node), node.args[1], argument(node, 2, "dim")
    if dim is None or hasattr(count, "name"):
        raise t.refusal(node, "only one count for one axis is supported; repeat_interleave(2, dim=1) would do")
    shape, dim = t.shapes[name], dim % len(t.shapes[name])
    name = t.reshape(node, name, (*shape[: dim + 1], 1, *shape[dim + 1 :]))
    name = t.emit("expand", node, [name], shape=(*shape[: dim + 1], count, *shape[dim + 1 :]))
    return t.reshape(node, name, t.shape(node))


def _diff(t: Translator, node: Any) -> str:
    name, dim = t.operand(node.args[0], node), argument(node, 2, "dim", -1)
    if len(node.args) > 3 or node.kwargs:
        raise t.refusal(node, "what is put before or behind is not supported; torch.cat would do")
    dim %= len(t.shapes[name])
    for _ in range(argument(node, 1, "n", 1)):
        size = t.shapes[name][dim]
        later, sooner = (
            t.emit("slice", node, [name], dim=dim, start=start, stop=size - 1 + start, step=1) for start in (1, 0)
        )
        name = t.emit("sub", node, [later, sooner])
    return name


RULES: dict[str, Rule] = {
    "pad": _pad,
    "constant_pad_nd": _constant_pad,
    "reflection_pad1d": _padding("reflect"),
    "replication_pad1d": _padding("replicate"),
    "flip": _flip,
    "roll": _roll,
    "index_select": _index_select,
    "index": _index,
    "repeat_interleave": _repeat_interleave,
    "diff": _diff,
}
