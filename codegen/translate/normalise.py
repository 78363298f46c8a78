"""Rules for what relates a row's elements to each other: layer, group, instance and RMS norm, and softmax."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .arithmetic import by_running_statistics
from .translator import Rule, Translator, argument

EPS = float(np.finfo(np.float32).eps)
"""What torch adds under the root of an RMS norm without eps."""


def _rows(t: Translator, node: Any, x: str, axes: int, eps: float, centred: bool = True) -> str:
    return t.emit("normalise", node, [x], axes=axes, centred=centred, eps=float(eps))


def _affine(t: Translator, node: Any, name: str, weight: Any, bias: Any, shape: tuple[int, ...]) -> str:
    """name * weight + bias, either of them seen in this shape; `fold` or `fuse` makes nothing of it."""
    for kind, given in (("mul", weight), ("add", bias)):
        if given is not None:
            name = t.emit(kind, node, [name, t.shaped(node, given, shape)])
    return name


def _layer_norm(t: Translator, node: Any) -> str:
    shape, eps = node.args[1], argument(node, 4, "eps", 1e-5)
    name = _rows(t, node, t.operand(node.args[0], node), len(shape), eps)
    return _affine(t, node, name, argument(node, 2, "weight"), argument(node, 3, "bias"), tuple(shape))


def _rms_norm(t: Translator, node: Any) -> str:
    shape, eps = node.args[1], argument(node, 3, "eps")
    name = _rows(t, node, t.operand(node.args[0], node), len(shape), EPS if eps is None else eps, centred=False)
    return _affine(t, node, name, argument(node, 2, "weight"), None, tuple(shape))


def _grouped(t: Translator, node: Any, groups: int, weight: Any, bias: Any, eps: float) -> str:
    """Channels are axis 1; a group of them is a row."""
    name = t.operand(node.args[0], node)
    shape = t.shapes[name]
    rows = t.reshape(node, name, (shape[0], groups, math.prod(shape[1:]) // groups))
    name = t.reshape(node, _rows(t, node, rows, 1, eps), shape)
    return _affine(t, node, name, weight, bias, (shape[1], *(1,) * (len(shape) - 2)))


def _group_norm(t: Translator, node: Any) -> str:
    weight, bias, eps = argument(node, 2, "weight"), argument(node, 3, "bias"), argument(node, 4, "eps", 1e-5)
    return _grouped(t, node, node.args[1], weight, bias, eps)


def _native_group_norm(t: Translator, node: Any) -> list[str | None]:
    _, weight, bias, _, _, _, groups, eps = node.args
    return [_grouped(t, node, groups, weight, bias, eps), None, None]


def _instance_norm(t: Translator, node: Any) -> str:
    x, weight, bias, mean, variance, of_input, _, eps = node.args[:8]
    if of_input:
        return _grouped(t, node, t.shape(x)[1], weight, bias, eps)
    return by_running_statistics(t, node, weight, bias, mean, variance, eps)


def _first(rule: Rule) -> Rule:
    """The same as the first of three results."""
    return lambda t, node: [rule(t, node), None, None]


def _softmax(log: bool) -> Rule:
    def rule(t: Translator, node: Any) -> str:
        name = t.operand(node.args[0], node)
        return t.emit("softmax", node, [name], dim=node.args[1] % max(1, len(t.shapes[name])), log=log)

    return rule


RULES: dict[str, Rule] = {
    "layer_norm": _layer_norm,
    "native_layer_norm": _first(_layer_norm),
    "rms_norm": _rms_norm,
    "group_norm": _group_norm,
    "native_group_norm": _native_group_norm,
    "instance_norm": _instance_norm,
    **dict.fromkeys(("softmax", "_softmax"), _softmax(log=False)),
    **dict.fromkeys(("log_softmax", "_log_softmax"), _softmax(log=True)),
}
