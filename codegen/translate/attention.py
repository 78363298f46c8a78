"""Rules for attention: PyTorch's own operator, and the sum of a product and a mask that its long form begins with."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import masks
from .matrix import product
from .translator import Rule, Translator, argument


def _attention(t: Translator, node: Any) -> str:
    """softmax(q . k^T * scale + mask) . v"""
    query, key, value = node.args[:3]
    if argument(node, 4, "dropout_p", 0.0):
        raise t.refusal(node, "dropout is on: .eval(), or dropout_p=self.dropout if self.training else 0.0, would do")
    if node.kwargs.get("enable_gqa"):
        raise t.refusal(node, "enable_gqa is not supported; keys and values repeated for every query head would do")
    q, k, v = (t.operand(x, node) for x in (query, key, value))
    size, keys = t.shapes[q][-1], t.shapes[k][-2]
    scale = node.kwargs.get("scale")
    scale = 1 / math.sqrt(size) if scale is None else float(scale)
    turned = list(range(len(t.shapes[k])))
    turned[-2:] = turned[:-3:-1]
    k = t.emit("permute", node, [k], dims=tuple(turned))
    few = size <= keys  # what is scaled is the smaller one
    q = t.apply("mul", node, q, scale) if few and scale != 1 else q
    scores = product(t, node, q, k)
    scores = t.apply("mul", node, scores, scale) if not few and scale != 1 else scores
    mask = _mask(t, node, argument(node, 3, "attn_mask"), t.shapes[scores])
    scores = scores if mask is None else t.emit("add", node, [scores, mask])
    shares = t.emit("softmax", node, [scores], dim=len(t.shapes[scores]) - 1, log=False)
    return product(t, node, shares, v)


def _mask(t: Translator, node: Any, mask: Any, shape: tuple[int, ...]) -> str | None:
    """What is added to the scores, or None."""
    if argument(node, 5, "is_causal", False):
        later = np.triu(np.ones(shape[-2:], bool), 1)
        return t.keep(f"{node.name}.mask", np.where(later, masks.LOWEST, 0), node) if later.any() else None
    if mask is None:
        return None
    if not t.is_constant(mask):
        raise t.refusal(node, "a mask that depends on the window is not supported; a constant one would do")
    array = masks.values(t, mask)
    hidden = ~array if array.dtype == bool else array == -math.inf
    masks.refuse_empty(t, node, hidden, shape)
    array = np.where(hidden, masks.LOWEST, np.where(array.dtype == bool, 0, array))
    name = t.names.get(mask.name, f"{node.name}.mask")
    return t.keep(name, array, node) if array.any() else None


def _baddbmm(t: Translator, node: Any) -> str:
    """mask + a . b"""
    mask, a, b = node.args
    if node.kwargs.get("beta", 1) != 1 or node.kwargs.get("alpha", 1) != 1:
        raise t.refusal(node, "beta and alpha are not supported; products of their own would do")
    name = product(t, node, t.operand(a, node), t.operand(b, node))
    return t.emit("add", node, [name, masks.added(t, node, mask, t.shapes[name])])


RULES: dict[str, Rule] = {"scaled_dot_product_attention": _attention, "baddbmm": _baddbmm}
