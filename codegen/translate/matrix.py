"""Rules for matrix products: with constant weights, and of two computed tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .translator import Rule, Translator


def _linear(t: Translator, node: Any) -> str:
    x, weight, bias = (*node.args, None)[:3]
    if not t.is_constant(weight) or not t.is_constant(bias) or t.is_constant(x):
        raise t.refusal(node, "weights that depend on the window are not supported; constant ones would do")
    inputs = [t.operand(x, node), t.constant(weight)] + ([t.constant(bias)] if bias is not None else [])
    return t.emit("linear", node, inputs, act="none", packed=False)


def _times(t: Translator, node: Any, x: Any, weight: Any) -> str:
    """x @ weight with a constant vector or matrix."""
    array = t.array(weight)
    matrix = array.reshape(array.shape[-2:] if array.ndim > 1 else (-1, 1))
    turned = t.keep(f"{t.constant(weight)}.t", matrix.T, node)
    name = t.emit("linear", node, [t.operand(x, node), turned], act="none", packed=False)
    return t.reshape(node, name, t.shapes[name][:-1]) if array.ndim == 1 else name


def product(t: Translator, node: Any, a: str, b: str) -> str:
    """a @ b of two tensors of our own, by the rules of torch.matmul."""
    rows, columns = len(t.shapes[a]) == 1, len(t.shapes[b]) == 1
    a = t.reshape(node, a, (1, *t.shapes[a])) if rows else a
    b = t.reshape(node, b, (*t.shapes[b], 1)) if columns else b
    (*lead_a, m, k), (*lead_b, inner, n) = t.shapes[a], t.shapes[b]
    lead = tuple(np.broadcast_shapes(tuple(lead_a), tuple(lead_b)))
    a, b = (
        name if t.shapes[name] == shape else t.emit("expand", node, [name], shape=shape)
        for name, shape in ((a, (*lead, m, k)), (b, (*lead, inner, n)))
    )
    kept = (() if rows else (m,)) + (() if columns else (n,))
    return t.reshape(node, t.emit("bmm", node, [a, b]), (*lead, *kept))


def _matmul(t: Translator, node: Any) -> str:
    a, b = node.args
    if t.is_constant(b) and math.prod(t.shape(b)[:-2]) == 1 and len(t.shape(a)) >= len(t.shape(b)):
        return _times(t, node, a, b)
    return product(t, node, t.operand(a, node), t.operand(b, node))


def _addmm(t: Translator, node: Any) -> str:
    if node.kwargs.get("beta", 1) != 1 or node.kwargs.get("alpha", 1) != 1:
        raise t.refusal(node, "beta and alpha are not supported; torch.nn.Linear would do")
    if t.is_constant(node.args[1]) or not t.is_constant(node.args[2]):
        raise t.refusal(node, "only data @ constant matrix is supported; torch.nn.Linear would do")
    return t.emit("add", node, [_times(t, node, *node.args[1:3]), t.operand(node.args[0], node)])


RULES: dict[str, Rule] = {
    "linear": _linear,
    **dict.fromkeys(("mm", "bmm", "mv", "matmul"), _matmul),
    "addmm": _addmm,
}
