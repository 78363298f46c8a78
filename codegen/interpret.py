"""Runs a graph by the operator table's meanings, in numpy: slow, obvious, and what all else is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .ir import Graph
from .ops import TABLE, Array

CHUNK_ELEMENTS = 1 << 22
"""Windows are run in chunks whose largest tensor has at most about this many elements."""


@dataclass(frozen=True)
class Result:
    """What a graph says about n windows."""

    scores: NDArray[Any]  # (n,)
    parts: NDArray[Any] | None  # (n, C)
    tensors: dict[str, Array]  # every tensor (n, *shape), if they were to be kept
    terms: NDArray[Any]  # (n,) running sum of |terms| since the last matrix product


def interpret(graph: Graph, windows: NDArray[Any], dtype: DTypeLike = np.float64, *, keep: bool = False) -> Result:
    """Run the graph on windows of raw samples.

    Parameters
    ----------
    graph : Graph
        After any pass.
    windows : ndarray (n, W, C)
        A sliding view is fine: it is converted chunk by chunk. For a stream: consecutive samples (n, 1, C).
    dtype
        Type that all is computed in; constants are float32 values in it.
    keep : bool
        Return every intermediate tensor too (memory: all of them, for all windows).

    Raises
    ------
    ValueError
        The windows are not of the graph's shape.

    Examples
    --------
    >>> from .ir import Op, Tensor
    >>> g = Graph(Tensor("x", (1, 2, 1)), {}, (Op("sum", ("x",), Tensor("s", (1,)), {"dims": (1, 2)}),), ("s",))
    >>> interpret(g, np.array([[[1.0], [2.0]]])).scores
    array([3.])
    """
    if windows.ndim != 3 or windows.shape[1:] != graph.window.shape[1:]:
        raise ValueError(f"windows of shape {windows.shape}; the graph wants (n, *{graph.window.shape[1:]})")
    largest = max([graph.window.size, *(op.output.size for op in graph.ops)])
    # The windows of a stream are one series' samples, and what comes later hangs on what came before.
    stream = any(TABLE[op.kind].state is not None for op in graph.ops)
    step = max(1, len(windows) if stream else CHUNK_ELEMENTS // largest)
    starts = range(0, max(1, len(windows)), step)
    found = [_run(graph, np.asarray(windows[at : at + step], dtype=dtype), keep) for at in starts]
    parts = [r.parts for r in found if r.parts is not None]
    return Result(
        np.concatenate([r.scores for r in found]),
        np.concatenate(parts) if parts else None,
        {name: np.concatenate([r.tensors[name] for r in found]) for name in found[0].tensors},
        np.concatenate([r.terms for r in found]),
    )


def _run(graph: Graph, windows: Array, keep: bool) -> Result:
    n, dtype = len(windows), windows.dtype
    x = windows[:, None]  # (n, 1, W, C)
    # Integers are computed as int64, which holds every sum and product exactly.
    values: dict[str, Array] = {
        name: a[None].astype(dtype if a.dtype.kind == "f" else np.int64) for name, a in graph.constants.items()
    }
    terms: dict[str, Array] = {name: np.abs(a) for name, a in values.items()}
    values[graph.window.name], terms[graph.window.name] = x, np.abs(x)
    last_use = {name: i for i, op in enumerate(graph.ops) for name in op.inputs}
    last_use.update((name, len(graph.ops)) for name in graph.outputs)
    kept: dict[str, Array] = {}
    with np.errstate(all="ignore"):  # infinities and NaN go through as they do in C
        for i, op in enumerate(graph.ops):
            spec, name = TABLE[op.kind], op.output.name
            inputs = [values[i] if i else None for i in op.inputs]
            values[name] = spec.meaning(inputs, op.attrs)
            terms[name] = spec.terms(inputs, [terms[i] if i else None for i in op.inputs], values[name], op.attrs)
            if keep:
                kept[name] = np.broadcast_to(values[name], (n, *op.output.shape))
            for used in dict.fromkeys(op.inputs):
                if used and last_use[used] == i:
                    del values[used], terms[used]
    score = graph.outputs[0]
    shares = None
    if len(graph.outputs) > 1:
        parts = values[graph.outputs[1]]  # (n, 1, C), or (1, 1, C) where it is a constant
        shares = np.broadcast_to(parts, (n, *parts.shape[1:])).reshape(n, -1)
    return Result(values[score].reshape(n), shares, kept, terms[score].reshape(n))
