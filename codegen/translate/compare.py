"""Rules for decisions: comparisons and logic, which give 1 or 0, choices by them, the larger and the smaller of two."""

from __future__ import annotations

import math
from typing import Any

from . import masks
from .rowwise import reduced
from .translator import Rule, Translator, is_truth


def _compare(kind: str, *, turned: bool = False) -> Rule:
    def rule(t: Translator, node: Any) -> str:
        a, b = (t.operand(x, node) for x in node.args[:2])
        return t.emit(kind, node, [b, a] if turned else [a, b])

    return rule


def _truth(t: Translator, node: Any, value: Any) -> str:
    """A tensor of 1 and 0, made of any other by asking what is not 0."""
    name = t.operand(value, node)
    return name if is_truth(t, value) else t.apply("not_equal", node, name, 0.0)


def _logic(kind: str) -> Rule:
    """and, or, xor of truths; bit by bit they are the same, if they are truths."""

    def rule(t: Translator, node: Any) -> str:
        _refuse_bits(t, node)
        return t.emit(kind, node, [_truth(t, node, x) for x in node.args[:2]])

    return rule


def _refuse_bits(t: Translator, node: Any) -> None:
    if not is_truth(t, node):
        raise t.refusal(node, "bits of integers are not supported; comparisons and logic on their results are")


def _not(t: Translator, node: Any) -> str:
    _refuse_bits(t, node)
    return t.apply("equal", node, t.operand(node.args[0], node), 0.0)


def _copy(t: Translator, node: Any) -> str:
    """Another type: from a truth to a number nothing changes, the other way it is asked what is not 0."""
    if str(node.kwargs.get("dtype")) == "torch.bool":
        return _truth(t, node, node.args[0])
    return t.operand(node.args[0], node)


def _two(kind: str) -> Rule:
    return lambda t, node: t.emit(kind, node, [t.operand(x, node) for x in node.args[:2]])


def _choose(t: Translator, node: Any, condition: Any, a: Any, b: Any) -> str:
    """a where the condition holds, else b; either may be minus infinity, as a mask for softmax."""
    names = []
    for value, at in ((a, True), (b, False)):
        if not masks.is_infinite(t, value):
            names.append(t.operand(value, node))
            continue
        if not t.is_constant(condition):
            raise t.refusal(node, "a mask that depends on the window may leave a row nothing; -1e9 would do")
        array = masks.values(t, value)
        hidden = (masks.values(t, condition) == at) & (array == -math.inf)
        names.append(masks.finite(t, node, array, hidden, t.shape(node)))
    return t.emit("where", node, [t.operand(condition, node), *names])


def _where(t: Translator, node: Any) -> str:
    if len(node.args) != 3:
        raise t.refusal(node, "places are not available; where(condition, a, b) would do")
    return _choose(t, node, *node.args)


def _masked_fill(t: Translator, node: Any) -> str:
    x, mask, value = node.args
    return _choose(t, node, mask, value, x)


def _threshold(t: Translator, node: Any) -> str:
    x, threshold, value = node.args
    name = t.operand(x, node)
    return t.apply("where", node, t.apply("less", node, float(threshold), name), name, float(value))


def _isnan(t: Translator, node: Any) -> str:
    name = t.operand(node.args[0], node)
    return t.emit("not_equal", node, [name, name])


def _quantifier(kind: str) -> Rule:
    """any or all, along axes or of everything."""
    return lambda t, node: reduced(t, node, kind, _truth(t, node, node.args[0]))


RULES: dict[str, Rule] = {
    "lt": _compare("less"),
    "gt": _compare("less", turned=True),
    "le": _compare("less_equal"),
    "ge": _compare("less_equal", turned=True),
    "eq": _compare("equal"),
    "ne": _compare("not_equal"),
    **dict.fromkeys(("logical_and", "bitwise_and", "__and__"), _logic("mul")),
    **dict.fromkeys(("logical_or", "bitwise_or", "__or__"), _logic("maximum")),
    **dict.fromkeys(("logical_xor", "bitwise_xor", "__xor__"), _logic("not_equal")),
    **dict.fromkeys(("logical_not", "bitwise_not"), _not),
    **dict.fromkeys(("_to_copy", "to"), _copy),
    "maximum": _two("maximum"),
    "minimum": _two("minimum"),
    "where": _where,
    "masked_fill": _masked_fill,
    "threshold": _threshold,
    "isnan": _isnan,
    "any": _quantifier("max"),
    "all": _quantifier("min"),
}
