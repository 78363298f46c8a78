"""Rules for sums, products and what is made of them: scalars, powers, losses, batch norm."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import masks
from .translator import Rule, Translator, argument, is_truth


def binary(t: Translator, kind: str, node: Any, a: Any, b: Any) -> str:
    """a op b, of tensors or numbers; truths are added by "or", and a sum may hide entries from softmax."""
    if kind == "add" and is_truth(t, node):
        kind = "maximum"
    if kind == "add" and (masks.is_infinite(t, a) or masks.is_infinite(t, b)):
        return t.emit("add", node, [masks.added(t, node, x, t.shape(node)) for x in (a, b)])
    if node.kwargs.get("rounding_mode") is not None:
        raise t.refusal(node, "division with rounding is not supported; torch.floor(a / b) would do")
    alpha = node.kwargs.get("alpha", 1)
    second = t.operand(b, node)
    if alpha != 1:
        second = t.emit("mul", node, [second, t.keep(f"{node.name}.alpha", np.float32(alpha), node)])
    return t.emit(kind, node, [t.operand(a, node), second])


def _two(kind: str) -> Rule:
    return lambda t, node: binary(t, kind, node, *node.args[:2])


def _rsub(t: Translator, node: Any) -> str:
    a, b = node.args[:2]
    if len(node.args) > 2 or node.kwargs.get("alpha", 1) != 1:
        raise t.refusal(node, "alpha is not supported; a product of its own would do")
    return t.emit("sub", node, [t.operand(b, node), t.operand(a, node)])


def _neg(t: Translator, node: Any) -> str:
    return binary(t, "mul", node, node.args[0], -1.0)


def _reciprocal(t: Translator, node: Any) -> str:
    return binary(t, "div", node, 1.0, node.args[0])


def _square(t: Translator, node: Any) -> str:
    return binary(t, "mul", node, node.args[0], node.args[0])


MIXES = 'mixes the windows of a batch; reduction="none" and a mean per window would do'
LARGEST_POWER = 64
"""Larger ones overflow for all but numbers near 1."""


def power(t: Translator, node: Any, x: str, exponent: float) -> str:
    """x to a constant power: products for whole numbers, roots for halves, else by logarithm (of x above 0)."""
    half = abs(exponent) % 1 == 0.5
    whole = int(abs(exponent))
    if whole > LARGEST_POWER or not (half or exponent == int(exponent)):
        return t.apply("exp", node, t.apply("mul", node, t.apply("log", node, x), exponent))
    if exponent == -0.5:
        return t.apply("rsqrt", node, x)
    name, square = t.apply("sqrt", node, x) if half else "", x
    while whole:
        if whole % 2:
            name = t.apply("mul", node, name, square) if name else square
        whole //= 2
        square = t.apply("mul", node, square, square) if whole else square
    return t.apply("div", node, 1.0, name) if exponent < 0 else name


def _pow(t: Translator, node: Any) -> str:
    base, exponent = (_number(t, x) for x in node.args)
    if isinstance(exponent, float) and exponent != 0 and not isinstance(base, float):
        return power(t, node, t.operand(base, node), exponent)
    if isinstance(base, float) and base > 0 and not isinstance(exponent, float):
        scaled = t.apply("mul", node, t.operand(exponent, node), math.log(base))
        return t.apply("exp", node, scaled)
    raise t.refusal(node, "a power needs one constant, and not 0 or below; torch.exp(b * torch.log(a)) would do")


def _number(t: Translator, value: Any) -> Any:
    """A constant of one element as a number; anything else as it is."""
    if not hasattr(value, "name"):
        return float(value)
    found = t.values[value.name]
    if t.is_constant(value) and (not hasattr(found, "numel") or found.numel() == 1):
        return float(found)
    return value


def _error(t: Translator, node: Any) -> str:
    """What a loss takes the mean of, where it is told not to."""
    if argument(node, 2, "reduction", 1) != 0:
        raise t.refusal(node, MIXES)
    return binary(t, "sub", node, *node.args[:2])


def _cross_entropy(t: Translator, node: Any) -> str:
    """(1 - y) x + softplus(-x), the binary cross entropy of logits x."""
    x, y = (t.operand(v, node) for v in node.args[:2])
    if any(v is not None for v in (argument(node, 2, "weight"), argument(node, 3, "pos_weight"))):
        raise t.refusal(node, "weights are not supported; a product of their own would do")
    if argument(node, 4, "reduction", 1) != 0:
        raise t.refusal(node, MIXES)
    left = t.apply("mul", node, t.apply("sub", node, 1.0, y), x)
    return t.apply("add", node, left, t.apply("softplus", node, t.apply("mul", node, x, -1.0)))


def _mse_loss(t: Translator, node: Any) -> str:
    error = _error(t, node)
    return t.emit("mul", node, [error, error])


def _l1_loss(t: Translator, node: Any) -> str:
    return t.emit("abs", node, [_error(t, node)])


def _huber(t: Translator, node: Any, delta: float, scale: float) -> str:
    """Squares up to delta, straight beyond: c (|e| - c / 2) with c = min(|e|, delta)."""
    size = t.apply("abs", node, _error(t, node))
    least = t.apply("minimum", node, size, delta)
    rest = t.apply("sub", node, size, t.apply("mul", node, least, 0.5))
    name = t.apply("mul", node, least, rest)
    return name if scale == 1 else t.apply("mul", node, name, scale)


def _huber_loss(t: Translator, node: Any) -> str:
    return _huber(t, node, float(argument(node, 3, "delta", 1.0)), 1.0)


def _smooth_l1_loss(t: Translator, node: Any) -> str:
    beta = float(argument(node, 3, "beta", 1.0))
    return t.apply("abs", node, _error(t, node)) if beta == 0 else _huber(t, node, beta, 1 / beta)


def _lerp(t: Translator, node: Any) -> str:
    a, b, weight = (t.operand(x, node) for x in node.args)
    return t.apply("add", node, a, t.apply("mul", node, weight, t.apply("sub", node, b, a)))


def _scaled(kind: str) -> Rule:
    """a + value * (b op c)"""

    def rule(t: Translator, node: Any) -> str:
        a, b, c = (t.operand(x, node) for x in node.args[:3])
        name, value = t.apply(kind, node, b, c), float(argument(node, 3, "value", 1))
        return t.apply("add", node, a, name if value == 1 else t.apply("mul", node, name, value))

    return rule


def _hypot(t: Translator, node: Any) -> str:
    a, b = (t.operand(x, node) for x in node.args)
    squares = t.apply("add", node, t.apply("mul", node, a, a), t.apply("mul", node, b, b))
    return t.apply("sqrt", node, squares)


def _batch_norm(t: Translator, node: Any) -> list[str | None]:
    _, weight, bias, mean, variance, _, eps = node.args
    return [by_running_statistics(t, node, weight, bias, mean, variance, eps), None, None]


def by_running_statistics(t: Translator, node: Any, *constants: Any) -> str:
    """Per channel (x - mean) * scale + bias, given weight, bias, mean, variance and eps.

    `fold` makes nothing of it beside a matrix product.
    """
    *given, eps = constants
    name = t.operand(node.args[0], node)
    gain, shift, centre, spread = (
        None if v is None else t.values[v.name].detach().cpu().numpy().astype(np.float64) for v in given
    )
    scale = (1 if gain is None else gain) / np.sqrt(spread + eps)
    _, bias, mean, variance = given
    for kind, origin, value in (("sub", mean, centre), ("mul", variance, scale), ("add", bias, shift)):
        if value is not None:
            value = value.reshape(-1, *(1,) * (len(t.shapes[name]) - 2))  # channels are axis 1
            name = t.emit(kind, node, [name, t.keep(t.names.get(origin.name, origin.name), value, node)])
    return name


RULES: dict[str, Rule] = {
    **{kind: _two(kind) for kind in ("add", "sub", "mul", "div")},
    "rsub": _rsub,
    "neg": _neg,
    "reciprocal": _reciprocal,
    "square": _square,
    "pow": _pow,
    "lerp": _lerp,
    "addcmul": _scaled("mul"),
    "addcdiv": _scaled("div"),
    "hypot": _hypot,
    "huber_loss": _huber_loss,
    "smooth_l1_loss": _smooth_l1_loss,
    "binary_cross_entropy_with_logits": _cross_entropy,
    "mse_loss": _mse_loss,
    "l1_loss": _l1_loss,
    "_native_batch_norm_legit_no_training": _batch_norm,
}
