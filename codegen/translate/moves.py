"""Rules for what only moves elements: parts of axes, axes in another order, repetition, concatenation."""

from __future__ import annotations

from typing import Any

from .translator import Rule, Translator, argument


def _same(t: Translator, node: Any) -> str:
    return t.operand(node.args[0], node)


def _reshape(t: Translator, node: Any) -> str:
    return t.reshape(node, t.operand(node.args[0], node), t.shape(node))


def _select(t: Translator, node: Any) -> str:
    x, dim, index = node.args
    shape = t.shapes[t.operand(x, node)]
    dim %= len(shape)
    return t.emit("select", node, [t.operand(x, node)], dim=dim, index=t.integer(index) % shape[dim])


def _unbind(t: Translator, node: Any) -> list[str]:
    name = t.operand(node.args[0], node)
    dim = argument(node, 1, "dim", 0) % len(t.shapes[name])
    return [t.emit("select", node, [name], dim=dim, index=i) for i in range(t.shapes[name][dim])]


def _slice(t: Translator, node: Any) -> str:
    defaults: tuple[Any, ...] = (None, 0, None, None, 1)
    x, dim, start, stop, step = tuple(node.args) + defaults[len(node.args) :]
    name = t.operand(x, node)
    dim %= len(t.shapes[name])
    start, stop = (None if bound is None else t.integer(bound) for bound in (start, stop))
    start, stop, step = slice(start, stop, step).indices(t.shapes[name][dim])  # an open end is 2**63 - 1
    if (start, stop, step) == (0, t.shapes[name][dim], 1):
        return name
    return t.emit("slice", node, [name], dim=dim, start=start, stop=stop, step=step)


def _split(t: Translator, node: Any) -> list[str]:
    name = t.operand(node.args[0], node)
    dim = argument(node, 2, "dim", 0) % len(t.shapes[name])
    pieces, start = [], 0
    for piece in t.values[node.name]:
        stop = start + int(piece.shape[dim])
        pieces.append(t.emit("slice", node, [name], dim=dim, start=start, stop=stop, step=1))
        start = stop
    return pieces


def _permute(t: Translator, node: Any) -> str:
    name = t.operand(node.args[0], node)
    return t.emit("permute", node, [name], dims=tuple(d % len(t.shapes[name]) for d in node.args[1]))


def _transpose(t: Translator, node: Any) -> str:
    name = t.operand(node.args[0], node)
    dims = list(range(len(t.shapes[name])))
    a, b = (d % len(dims) for d in node.args[1:3])
    dims[a], dims[b] = dims[b], dims[a]
    return t.emit("permute", node, [name], dims=tuple(dims))


def _t(t: Translator, node: Any) -> str:
    name = t.operand(node.args[0], node)
    return t.emit("permute", node, [name], dims=tuple(reversed(range(len(t.shapes[name])))))


def _cat(t: Translator, node: Any) -> str:
    names = [t.operand(piece, node) for piece in node.args[0]]
    dim = argument(node, 1, "dim", 0)
    return t.emit("cat", node, names, dim=dim % len(t.shapes[names[0]]))


def _stack(t: Translator, node: Any) -> str:
    names = [t.operand(piece, node) for piece in node.args[0]]
    dim = argument(node, 1, "dim", 0)
    shape = t.shapes[names[0]]
    dim %= len(shape) + 1
    rows = [t.reshape(node, name, (*shape[:dim], 1, *shape[dim:])) for name in names]
    return t.emit("cat", node, rows, dim=dim)


def _expand(t: Translator, node: Any) -> str:
    return _repeated(t, node, t.operand(node.args[0], node), t.shape(node))


def _repeated(t: Translator, node: Any, name: str, shape: tuple[int, ...]) -> str:
    return name if t.shapes[name] == shape else t.emit("expand", node, [name], shape=shape)


def _broadcast_tensors(t: Translator, node: Any) -> list[str]:
    shapes = [tuple(made.shape) for made in t.values[node.name]]
    operands = (t.operand(x, node) for x in node.args[0])
    return [_repeated(t, node, name, shape) for name, shape in zip(operands, shapes, strict=True)]


def _repeat(t: Translator, node: Any) -> str:
    """Every axis becomes two, of which the first one repeats."""
    name, counts = t.operand(node.args[0], node), [t.integer(count) for count in node.args[1]]
    shape = (1,) * (len(counts) - len(t.shapes[name])) + t.shapes[name]
    name = t.reshape(node, name, tuple(size for old in shape for size in (1, old)))
    pairs = tuple(size for pair in zip(counts, shape, strict=True) for size in pair)
    return t.reshape(node, _repeated(t, node, name, pairs), t.shape(node))


RULES: dict[str, Rule] = {
    **dict.fromkeys(("alias", "clone", "contiguous", "detach", "lift_fresh_copy", "dropout"), _same),
    **dict.fromkeys(("view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze"), _reshape),
    "select": _select,
    "unbind": _unbind,
    "slice": _slice,
    "split": _split,
    "split_with_sizes": _split,
    "permute": _permute,
    "transpose": _transpose,
    "t": _t,
    "cat": _cat,
    "stack": _stack,
    "expand": _expand,
    "broadcast_tensors": _broadcast_tensors,
    "repeat": _repeat,
}
