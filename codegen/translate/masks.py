"""Masks of attention: where a constant says minus infinity, an entry gets no share of the softmax behind it.

Constants are finite, so the lowest float stands for minus infinity: what lies that far below the largest entry of its
row has a share of exactly 0 (softmax.c), just as PyTorch gives it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .translator import Translator

LOWEST = float(np.finfo(np.float32).min)
SAME_ROWS = {"view", "reshape", "_unsafe_view", "unsqueeze", "squeeze", "expand", "clone", "contiguous", "dropout"}
"""Operators that keep each row of the last axis as it is, if they keep its size."""


def operator(node: Any) -> str:
    """PyTorch's name of a node's operator, without the overload."""
    return getattr(node.target, "__name__", str(node.target)).split(".")[0]


def is_infinite(t: Translator, value: Any) -> bool:
    """Whether an argument is minus infinity, or a constant that holds it."""
    if not hasattr(value, "name"):
        return isinstance(value, float) and value == -math.inf
    found = t.values[value.name]
    return t.is_constant(value) and hasattr(found, "detach") and bool((found == -math.inf).any())


def values(t: Translator, value: Any) -> NDArray[Any]:
    """A constant's values, or a number's."""
    return np.asarray(t.values[value.name].detach().cpu().numpy() if hasattr(value, "name") else value)


def finite(t: Translator, node: Any, array: NDArray[Any], hidden: NDArray[Any], shape: tuple[int, ...]) -> str:
    """A constant with the lowest float for minus infinity, where it hides these entries of a softmax of this shape."""
    if not _only_for_softmax(t, node):
        raise t.refusal(node, "minus infinity is a mask for softmax over the last axis only; -1e9 would do elsewhere")
    refuse_empty(t, node, hidden, shape)
    return t.keep(f"{node.name}.mask", np.where(array == -math.inf, LOWEST, array), node)


def added(t: Translator, node: Any, value: Any, shape: tuple[int, ...]) -> str:
    """What is added to scores of this shape: any operand, or a mask of minus infinity."""
    if not is_infinite(t, value):
        return t.operand(value, node)
    array = values(t, value)
    return finite(t, node, array, array == -math.inf, shape)


def refuse_empty(t: Translator, node: Any, masked: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Refuse a mask that leaves a row nothing: PyTorch's shares are then not a number."""
    rows = np.broadcast_to(masked, shape).all(-1)
    if rows.any():
        at = tuple(int(i) for i in np.argwhere(rows)[0])
        raise t.refusal(node, f"the mask leaves row {at} nothing to attend to; one entry a row would do")


def _only_for_softmax(t: Translator, node: Any) -> bool:
    width = t.shape(node)[-1]
    for user in node.users:
        name = operator(user)
        if name in {"softmax", "_softmax"}:
            if user.args[1] % len(t.shape(user)) != len(t.shape(user)) - 1:
                return False
        elif name not in SAME_ROWS or t.shape(user)[-1] != width or not _only_for_softmax(t, user):
            return False
    return bool(node.users)
