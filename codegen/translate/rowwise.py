"""Rules for what is reduced along axes: sums, extremes, products, variances, norms; and for running sums."""

from __future__ import annotations

import math
from typing import Any

from .arithmetic import power
from .translator import Rule, Translator, argument


def along(t: Translator, node: Any, kind: str, x: str, given: Any, **attrs: Any) -> str:
    """Reduce x along an axis, several axes, or all (None); they are gone then."""
    rank = len(t.shapes[x])
    given = [given] if isinstance(given, int) else given
    dims = sorted({d % rank for d in given}) if given else list(range(rank))
    if attrs and dims != list(range(dims[0], dims[0] + len(dims))):  # only at once: bring them together at the end
        order = [d for d in range(rank) if d not in dims] + dims
        x = t.emit("permute", node, [x], dims=tuple(order))
        dims = list(range(rank - len(dims), rank))
    # Neighbouring axes at once, from the back, so that the numbers of those in front stay right.
    while dims:
        run = [dims.pop()]
        while dims and dims[-1] == run[0] - 1:
            run.insert(0, dims.pop())
        x = t.emit(kind, node, [x], dims=tuple(run), **attrs)
    return x


def reduced(t: Translator, node: Any, kind: str, x: str) -> str:
    """Reduce x along the axes that the node's second argument names, into the shape that torch gave it."""
    return t.reshape(node, along(t, node, kind, x, argument(node, 1, "dim")), t.shape(node))


def _reduction(kind: str) -> Rule:
    return lambda t, node: reduced(t, node, kind, t.operand(node.args[0], node))


def _extreme(kind: str, of_two: str) -> Rule:
    """Of all elements, of two tensors, or [along an axis, None for where it is]."""

    def rule(t: Translator, node: Any) -> str | list[str | None]:
        x = t.operand(node.args[0], node)
        second = argument(node, 1, "dim", node.kwargs.get("other"))
        if second is None:
            return reduced(t, node, kind, x)
        if hasattr(second, "name"):
            return t.emit(of_two, node, [x, t.operand(second, node)])
        return [t.reshape(node, along(t, node, kind, x, second), tuple(t.values[node.name][0].shape)), None]

    return rule


def _aminmax(t: Translator, node: Any) -> list[str]:
    x, dim = t.operand(node.args[0], node), node.kwargs.get("dim")
    shape = tuple(t.values[node.name][0].shape)
    return [t.reshape(node, along(t, node, kind, x, dim), shape) for kind in ("min", "max")]


def _variance(t: Translator, node: Any) -> str:
    """The axes are gone; how many degrees of freedom there are, each overload says in its own way."""
    overload = str(node.target).rsplit(".", 1)[-1]
    dims, correction = argument(node, 1, "dim"), node.kwargs.get("correction")
    correction = 1.0 if correction is None else float(correction)
    if overload in {"default", "dim"}:
        dims = None if overload == "default" else dims
        correction = float(bool(argument(node, 1 if overload == "default" else 2, "unbiased", True)))
    return along(t, node, "var", t.operand(node.args[0], node), dims, correction=correction)


def _var(t: Translator, node: Any) -> str:
    return t.reshape(node, _variance(t, node), t.shape(node))


def _std(t: Translator, node: Any) -> str:
    return t.apply("sqrt", node, _var(t, node))


def _with_mean(root: bool) -> Rule:
    """[variance or its root, mean]"""

    def rule(t: Translator, node: Any) -> list[str]:
        shape = tuple(t.values[node.name][0].shape)
        spread = t.reshape(node, _variance(t, node), shape)
        every = str(node.target).endswith("default")
        mean = along(t, node, "mean", t.operand(node.args[0], node), None if every else argument(node, 1, "dim"))
        return [t.apply("sqrt", node, spread) if root else spread, t.reshape(node, mean, shape)]

    return rule


def norm(t: Translator, node: Any, x: str, order: float, dims: Any) -> str:
    """(sum of |x|^order)^(1/order), or the largest or smallest |x|; the axes are gone."""
    if order == 0:
        return along(t, node, "sum", t.apply("not_equal", node, x, 0.0), dims)
    size = t.apply("mul", node, x, x) if order == 2 else t.apply("abs", node, x)
    if math.isinf(order):
        return along(t, node, "max" if order > 0 else "min", size, dims)
    if order not in {1, 2}:
        size = power(t, node, size, order)
    total = along(t, node, "sum", size, dims)
    return total if order == 1 else power(t, node, total, 1 / order)


def _vector_norm(t: Translator, node: Any) -> str:
    order = float(argument(node, 1, "ord", 2))
    name = norm(t, node, t.operand(node.args[0], node), order, argument(node, 2, "dim"))
    return t.reshape(node, name, t.shape(node))


def _pairwise_distance(t: Translator, node: Any) -> str:
    a, b = (t.operand(x, node) for x in node.args[:2])
    eps = float(argument(node, 3, "eps", 1e-6))
    apart = t.apply("add", node, t.apply("sub", node, a, b), eps)
    return t.reshape(node, norm(t, node, apart, float(argument(node, 2, "p", 2)), -1), t.shape(node))


def _cdist(t: Translator, node: Any) -> str:
    """Every row of a (..., p, m) against every row of b (..., r, m): (..., p, r)."""
    first, second = node.args[:2]
    (*lead_a, p, m), (*lead_b, r, _) = t.shape(first), t.shape(second)
    a, b = t.shaped(node, first, (*lead_a, p, 1, m)), t.shaped(node, second, (*lead_b, 1, r, m))
    return norm(t, node, t.emit("sub", node, [a, b]), float(argument(node, 2, "p", 2)), -1)


def _cosine_similarity(t: Translator, node: Any) -> str:
    a, b = (t.operand(x, node) for x in node.args[:2])
    dim, eps = argument(node, 2, "dim", 1), float(argument(node, 3, "eps", 1e-8))
    lengths = [t.apply("maximum", node, norm(t, node, x, 2.0, dim), eps) for x in (a, b)]
    dot = along(t, node, "sum", t.emit("mul", node, [a, b]), dim)
    return t.emit("div", node, [dot, t.emit("mul", node, lengths)])


def _logsumexp(t: Translator, node: Any) -> str:
    """The largest element first, so that nothing overflows."""
    x, dims = t.operand(node.args[0], node), argument(node, 1, "dim")
    most = along(t, node, "max", x, dims)
    dims = [dims] if isinstance(dims, int) else dims
    rank = len(t.shapes[x])
    kept = tuple(1 if d in {i % rank for i in dims} else size for d, size in enumerate(t.shapes[x]))
    rest = t.emit("sub", node, [x, t.reshape(node, most, kept)])
    total = along(t, node, "sum", t.emit("exp", node, [rest]), dims)
    return t.reshape(node, t.emit("add", node, [t.apply("log", node, total), most]), t.shape(node))


def _cumsum(t: Translator, node: Any) -> str:
    name = t.operand(node.args[0], node)
    return t.emit("cumsum", node, [name], dim=argument(node, 1, "dim") % len(t.shapes[name]))


RULES: dict[str, Rule] = {
    **{kind: _reduction(kind) for kind in ("sum", "mean", "prod")},
    "amax": _reduction("max"),
    "amin": _reduction("min"),
    "max": _extreme("max", "maximum"),
    "min": _extreme("min", "minimum"),
    "aminmax": _aminmax,
    "var": _var,
    "std": _std,
    "var_mean": _with_mean(root=False),
    "std_mean": _with_mean(root=True),
    "linalg_vector_norm": _vector_norm,
    "pairwise_distance": _pairwise_distance,
    "cdist": _cdist,
    "cosine_similarity": _cosine_similarity,
    "logsumexp": _logsumexp,
    "cumsum": _cumsum,
}
