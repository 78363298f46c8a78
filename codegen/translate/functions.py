"""Rules for functions of one element: those that have a kernel, and those that are made of others."""

from __future__ import annotations

import math
from typing import Any

from .translator import Rule, Translator, argument

SATURATED = 15.0
"""From here on softplus(x) is x, to float32's precision, as PyTorch's is beyond its threshold."""


def _unary(kind: str) -> Rule:
    return lambda t, node: t.emit(kind, node, [t.operand(node.args[0], node)])


def _times(kind: str, factor: float, *, before: bool = False) -> Rule:
    """factor * f(x), or f(factor * x)."""

    def rule(t: Translator, node: Any) -> str:
        name = t.operand(node.args[0], node)
        if before:
            return t.apply(kind, node, t.apply("mul", node, name, factor))
        return t.apply("mul", node, t.apply(kind, node, name), factor)

    return rule


def _leaky_relu(t: Translator, node: Any) -> str:
    x, slope = t.operand(node.args[0], node), float(argument(node, 1, "negative_slope", 0.01))
    return x if slope == 1.0 else t.emit("leaky_relu", node, [x], slope=slope)  # of slope 1 it is nothing


def _prelu(t: Translator, node: Any) -> str:
    x, slopes = t.operand(node.args[0], node), node.args[1]
    shape = t.shape(slopes) + (1,) * (len(t.shapes[x]) - 2)  # channels are axis 1
    below = t.apply("mul", node, t.apply("minimum", node, x, 0.0), t.shaped(node, slopes, shape))
    return t.apply("add", node, t.apply("relu", node, x), below)


def _gelu(t: Translator, node: Any) -> str:
    kind = {"none": "gelu", "tanh": "gelu_tanh"}[node.kwargs.get("approximate", "none")]
    return t.emit(kind, node, [t.operand(node.args[0], node)])


def _bent(t: Translator, node: Any, alpha: float, scale: float, steepness: float) -> str:
    """scale * (x above 0, alpha * (exp(steepness * x) - 1) below): one of the two summands is always 0."""
    x = t.operand(node.args[0], node)
    below = t.apply("minimum", node, x, 0.0)
    below = below if steepness == 1 else t.apply("mul", node, below, steepness)
    below = t.apply("expm1", node, below)
    below = below if alpha == 1 else t.apply("mul", node, below, alpha)
    name = t.apply("add", node, t.apply("relu", node, x), below)
    return name if scale == 1 else t.apply("mul", node, name, scale)


def _elu(t: Translator, node: Any) -> str:
    alpha, scale, steepness = (argument(node, i + 1, n, 1.0) for i, n in enumerate(("alpha", "scale", "input_scale")))
    return _bent(t, node, float(alpha), float(scale), float(steepness))


def _celu(t: Translator, node: Any) -> str:
    alpha = float(argument(node, 1, "alpha", 1.0))
    return _bent(t, node, alpha, 1.0, 1 / alpha)


def _selu(t: Translator, node: Any) -> str:
    return _bent(t, node, 1.6732632423543772, 1.0507009873554805, 1.0)  # the paper's two numbers


def _softplus(t: Translator, node: Any) -> str:
    beta, threshold = float(argument(node, 1, "beta", 1.0)), float(argument(node, 2, "threshold", 20.0))
    x = t.operand(node.args[0], node)
    scaled = x if beta == 1 else t.apply("mul", node, x, beta)
    name = t.apply("softplus", node, scaled)
    name = name if beta == 1 else t.apply("div", node, name, beta)
    if threshold >= SATURATED:
        return name
    return t.apply("where", node, t.apply("less", node, threshold, scaled), x, name)


def _log_sigmoid(t: Translator, node: Any) -> str:
    turned = t.apply("mul", node, t.operand(node.args[0], node), -1.0)
    return t.apply("mul", node, t.apply("softplus", node, turned), -1.0)


def _mish(t: Translator, node: Any) -> str:
    x = t.operand(node.args[0], node)
    return t.apply("mul", node, x, t.apply("tanh", node, t.apply("softplus", node, x)))


def clamp(t: Translator, node: Any, x: str, low: Any, high: Any) -> str:
    """x, but not below low and not above high; either may be None, a number or a tensor."""
    for kind, bound in (("maximum", low), ("minimum", high)):
        if bound is not None and not (isinstance(bound, float) and math.isinf(bound)):
            x = t.emit(kind, node, [x, t.operand(bound, node)])
    return x


def _clamp(at_low: int, at_high: int, low: Any = None, high: Any = None) -> Rule:
    """The bounds are arguments at these places (0: none), called min and max, or min_val and max_val."""

    def rule(t: Translator, node: Any) -> str:
        bounds = []
        for at, name, default in ((at_low, "min", low), (at_high, "max", high)):
            named = node.kwargs.get(name, node.kwargs.get(f"{name}_val", default))
            bounds.append(node.args[at] if at and len(node.args) > at else named)
        return clamp(t, node, t.operand(node.args[0], node), *bounds)

    return rule


def _hard_sigmoid(t: Translator, node: Any, x: str) -> str:
    return t.apply("div", node, clamp(t, node, t.apply("add", node, x, 3.0), 0.0, 6.0), 6.0)


def _hardsigmoid(t: Translator, node: Any) -> str:
    return _hard_sigmoid(t, node, t.operand(node.args[0], node))


def _hardswish(t: Translator, node: Any) -> str:
    x = t.operand(node.args[0], node)
    return t.apply("mul", node, x, _hard_sigmoid(t, node, x))


def _glu(t: Translator, node: Any) -> str:
    name = t.operand(node.args[0], node)
    dim = argument(node, 1, "dim", -1) % len(t.shapes[name])
    half = t.shapes[name][dim] // 2
    a, b = (t.emit("slice", node, [name], dim=dim, start=i * half, stop=(i + 1) * half, step=1) for i in (0, 1))
    return t.apply("mul", node, a, t.apply("sigmoid", node, b))


def _erfc(t: Translator, node: Any) -> str:
    return t.apply("sub", node, 1.0, t.apply("erf", node, t.operand(node.args[0], node)))


def _tan(t: Translator, node: Any) -> str:
    x = t.operand(node.args[0], node)
    return t.apply("div", node, t.apply("sin", node, x), t.apply("cos", node, x))


def _round(t: Translator, node: Any) -> str:
    if node.kwargs.get("decimals", 0):
        raise t.refusal(node, "decimals are not supported; torch.round(x * 100) / 100 would do")
    return t.emit("round", node, [t.operand(node.args[0], node)])


def _ceil(t: Translator, node: Any) -> str:
    below = t.apply("floor", node, t.apply("mul", node, t.operand(node.args[0], node), -1.0))
    return t.apply("mul", node, below, -1.0)


def _trunc(t: Translator, node: Any) -> str:
    x = t.operand(node.args[0], node)
    return t.apply("mul", node, t.apply("sign", node, x), t.apply("floor", node, t.apply("abs", node, x)))


def _frac(t: Translator, node: Any) -> str:
    return t.apply("sub", node, t.operand(node.args[0], node), _trunc(t, node))


KERNELS = ("relu", "tanh", "sigmoid", "exp", "abs", "sqrt", "rsqrt", "log", "log1p", "expm1", "erf", "sin", "cos")

RULES: dict[str, Rule] = {
    **{kind: _unary(kind) for kind in (*KERNELS, "silu", "sign", "floor")},
    "leaky_relu": _leaky_relu,
    "prelu": _prelu,
    "gelu": _gelu,
    "elu": _elu,
    "celu": _celu,
    "selu": _selu,
    "softplus": _softplus,
    "log_sigmoid": _log_sigmoid,
    "mish": _mish,
    **dict.fromkeys(("clamp", "clip"), _clamp(1, 2)),
    "clamp_min": _clamp(1, 0),
    "clamp_max": _clamp(0, 1),
    "hardtanh": _clamp(1, 2, -1.0, 1.0),
    "relu6": _clamp(0, 0, 0.0, 6.0),
    "hardsigmoid": _hardsigmoid,
    "hardswish": _hardswish,
    "glu": _glu,
    "erfc": _erfc,
    "tan": _tan,
    "log2": _times("log", 1 / math.log(2)),
    "log10": _times("log", 1 / math.log(10)),
    "exp2": _times("exp", math.log(2), before=True),
    "round": _round,
    "ceil": _ceil,
    "trunc": _trunc,
    "frac": _frac,
}
