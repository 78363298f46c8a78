"""The rules from PyTorch's operators to ours: a file a family, each with its RULES by the operator's name.

`translator` owns one translation and what rules are written with. A rule gets the translator and a node, adds
operators and returns the name of the result; what it cannot say it refuses, naming what would do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..ir import Graph, Source, UnsupportedError
from . import arithmetic, attention, compare, conv, einsum, functions, matrix, moves, normalise, pad, recurrent, rowwise
from .translator import Rule, Translator

ADVICE = {
    **dict.fromkeys(("argmax", "argmin", "topk", "sort"), "places are not available; amax, amin or a mean would do"),
    **dict.fromkeys(("median", "quantile", "kthvalue", "mode"), "a mean, amax or amin would do"),
    **dict.fromkeys(("cummax", "cummin", "cumprod", "logcumsumexp"), "cumsum, or amax over everything, would do"),
    **dict.fromkeys(("floor_divide", "remainder", "fmod"), "x - c * torch.floor(x / c) would do"),
    **dict.fromkeys(("gather", "scatter", "index_put"), "constant indices of one axis, x[:, [0, 2]], would do"),
    **dict.fromkeys(("conv2d", "conv3d"), conv.ALONG_TIME),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d"), conv.TRANSPOSED),
    **dict.fromkeys(("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d"), "pooling along time would do"),
    **dict.fromkeys(("rnn_tanh", "rnn_relu"), "torch.nn.GRU or torch.nn.LSTM would do"),
}
"""What to say of operators that have no rule."""

RULES: dict[str, Rule] = {
    **arithmetic.RULES,
    **functions.RULES,
    **compare.RULES,
    **rowwise.RULES,
    **normalise.RULES,
    **attention.RULES,
    **matrix.RULES,
    **einsum.RULES,
    **conv.RULES,
    **recurrent.RULES,
    **moves.RULES,
    **pad.RULES,
}


def translate(
    nodes: Any,
    window: Any,
    outputs: Sequence[Any],
    values: Mapping[str, Any],
    tainted: set[str],
    names: Mapping[str, str],
    source: Callable[[Any], Source],
    refusal: Callable[[Any, str], UnsupportedError],
) -> Graph:
    """Translate the nodes (a torch.fx graph's) that `outputs` need.

    Parameters
    ----------
    nodes, window, outputs
        All nodes, the input's, and those of score and parts.
    values : mapping
        What torch computed at every node for a batch of 1.
    tainted : set of str
        Nodes that depend on the window.
    names : mapping
        Names of parameters and buffers by node.
    source, refusal
        Where a node comes from; an error about a node.

    Raises
    ------
    UnsupportedError
        An operator without a rule, or one used in a way that its rule does not know.
    """
    return Translator(RULES, _advice, values, tainted, names, source, refusal).translate(nodes, window, outputs)


def _advice(operator: str) -> str:
    known = sorted(name for name in RULES if not name.startswith("_"))
    return ADVICE.get(operator, f"supported are {', '.join(known)}")


__all__ = ["ADVICE", "RULES", "translate"]
