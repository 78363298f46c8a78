"""The rule for einsum of two tensors: axes in a fitting order, one product, axes in the order that was asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .translator import Rule, Translator


def _letters(t: Translator, node: Any, equation: str, ranks: Sequence[int]) -> tuple[str, str, str]:
    """The axes of both operands and of the result, one letter each; "..." is written out."""
    given, arrow, out = equation.replace(" ", "").partition("->")
    operands = given.split(",")
    free = [chr(c) for c in range(ord("A"), ord("z") + 1) if chr(c).isalpha() and chr(c) not in equation]
    dots = [rank - len(operand.replace("...", "")) for operand, rank in zip(operands, ranks, strict=True)]
    written = [
        "".join(free[max(dots) - d : max(dots)]) if "..." in o else "" for o, d in zip(operands, dots, strict=True)
    ]
    a, b = (operand.replace("...", axes) for operand, axes in zip(operands, written, strict=True))
    longest = max(written, key=len)
    if not arrow:
        out = "..." + "".join(sorted(c for c in {*a, *b} - {*longest} if (a + b).count(c) == 1))
    out = out.replace("...", longest)
    if any(len(set(letters)) < len(letters) for letters in (a, b, out)):
        raise t.refusal(
            node, f"einsum {equation} takes a diagonal, which is not supported; a product of two axes would do"
        )
    return a, b, out


def _turned(t: Translator, node: Any, name: str, letters: str, wanted: str) -> str:
    dims = tuple(letters.index(c) for c in wanted)
    if dims == tuple(range(len(dims))):
        return name
    if name in t.constants:
        return t.keep(name, t.constants[name].transpose(dims), node)
    return t.emit("permute", node, [name], dims=dims)


def _shaped(t: Translator, node: Any, name: str, shape: tuple[int, ...]) -> str:
    if name in t.constants:
        return t.keep(name, t.constants[name].reshape(shape), node)
    return t.reshape(node, name, shape)


def _summed(t: Translator, node: Any, name: str, letters: str, wanted: str) -> tuple[str, str]:
    """Without the axes that nobody else knows: (name, letters that are left)."""
    for letter in [c for c in letters if c not in wanted]:
        at = letters.index(letter)
        if name in t.constants:
            name = t.keep(name, t.constants[name].sum(at, dtype=float), node)
        else:
            name = t.emit("sum", node, [name], dims=(at,))
        letters = letters.replace(letter, "")
    return name, letters


def _einsum(t: Translator, node: Any) -> str:
    equation, operands = node.args[:2]
    if len(operands) != 2:
        raise t.refusal(node, f"einsum of {len(operands)} tensors is not supported; of two at a time would do")
    a, b, out = _letters(t, node, equation, [len(t.shape(x)) for x in operands])
    if t.is_constant(operands[0]):  # the constant one, if any, comes second
        operands, a, b = operands[::-1], b, a
    sizes: dict[str, int] = {}
    for letter, size in zip(a + b, t.shape(operands[0]) + t.shape(operands[1]), strict=True):
        if sizes.setdefault(letter, size) != size:
            raise t.refusal(
                node, f"einsum {equation} repeats an axis of size 1, which is not supported; expand would do"
            )
    x, a = _summed(t, node, t.operand(operands[0], node), a, b + out)
    y, b = _summed(t, node, t.operand(operands[1], node), b, a + out)
    batch, inner = ([c for c in a if c in b and (c in out) == kept] for kept in (True, False))
    rows, columns = [c for c in a if c not in b], [c for c in b if c not in a]

    def arranged(name: str, letters: str, *groups: list[str]) -> str:
        """The batch's axes, then one axis for each group."""
        name = _turned(t, node, name, letters, "".join(batch + [c for group in groups for c in group]))
        shape = (*(sizes[c] for c in batch), *(math.prod(sizes[c] for c in group) for group in groups))
        return _shaped(t, node, name, shape)

    if not inner:
        name = t.emit("mul", node, [arranged(x, a, rows, []), arranged(y, b, [], columns)])
    elif y in t.constants and not batch:
        weight = arranged(y, b, columns, inner)
        name = t.emit("linear", node, [arranged(x, a, rows, inner), weight], act="none", packed=False)
    else:
        name = t.emit("bmm", node, [arranged(x, a, rows, inner), arranged(y, b, inner, columns)])
    found = "".join(batch + rows + columns)
    return _turned(t, node, t.reshape(node, name, tuple(sizes[c] for c in found)), found, out)


RULES: dict[str, Rule] = {"einsum": _einsum}
