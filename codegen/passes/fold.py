"""Folds affine chains: matrix products with nothing between, and per-channel constants beside one or a convolution.

All is computed in float64 and rounded to float32 once, at the end. Folded operators remember all their sources, and
folded constants join the names of theirs with "+".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..ir import Graph, Op, Tensor, fresh, prune
from .affine import data_input, per_channel

SHIFT_LIMIT = 16.0
"""A larger constant in front of a product is subtracted there: folded in, it would leave a small difference of large
numbers. (What is in raw units went into `enter`; what follows is about 1.)"""

Values = dict[str, NDArray[np.float64]]


def fold(graph: Graph) -> Graph:
    """Fold until nothing is left to fold."""
    graph = prune(_met(graph))
    exact: Values = {name: a.astype(np.float64) for name, a in graph.constants.items()}
    while (folded := _absorb(graph, exact)) is not None:
        graph = prune(folded)
    for chain in _chains(graph):
        graph = prune(_merge(graph, chain, exact))
    return graph


def _met(graph: Graph) -> Graph:
    """Views of whole rows move from between two matrix products behind them, so that these read each other."""
    made, readers, shapes = graph.producers(), graph.consumers(), graph.shapes()
    ops: list[Op] = []
    for op in graph.ops:
        path: list[Op] = []
        top = op.inputs[0] if _is_link(op) else ""
        while (
            (step := made.get(top)) is not None and _is_of_rows(step, shapes[step.inputs[0]]) and len(readers[top]) == 1
        ):
            path.append(step)
            top = step.inputs[0]
        if not path or step is None or not _is_link(step) or len(readers[top]) > 1 or top in graph.outputs:
            ops.append(op)
            continue
        name, shape = fresh(shapes, op.output.name + ".first"), (*step.output.shape[:-1], op.output.shape[-1])
        shapes[name] = shape
        ops.append(replace(op, inputs=(top, *op.inputs[1:]), output=Tensor(name, shape)))
        for view in reversed(path):
            last = view is path[0]
            shape = (*view.output.shape[:-1], op.output.shape[-1])
            output = op.output if last else Tensor(fresh(shapes, name), shape)
            shapes[output.name] = shape
            attrs = {"shape": shape} if view.kind == "reshape" else view.attrs
            ops.append(replace(view, inputs=(name,), output=output, attrs=attrs))
            name = output.name
    return replace(graph, ops=tuple(ops))


def _is_of_rows(op: Op, source: tuple[int, ...]) -> bool:
    """Whether it only moves whole rows, and all of them."""
    if op.kind == "permute":
        dims = op.attrs["dims"]
        return isinstance(dims, tuple) and dims[-1] == len(dims) - 1
    return op.kind == "reshape" and bool(source) and source[-1:] == op.output.shape[-1:]


def _weights(op: Op, exact: Values) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    return exact[op.inputs[1]], exact[op.inputs[2]] if len(op.inputs) > 2 and op.inputs[2] else None


def _join(names: Sequence[str]) -> str:
    return "+".join(dict.fromkeys(part for name in names if name for part in name.split("+")))


def _with_weights(
    graph: Graph,
    op: Op,
    weight: tuple[NDArray[np.float64], Sequence[str]],
    bias: tuple[NDArray[np.float64] | None, Sequence[str]],
    exact: Values,
) -> tuple[Graph, Op] | None:
    """The operator with other weights (values, the names they come from), or None where they overflow float32."""
    names, constants = [], dict(graph.constants)
    for value, sources in (weight, bias):
        if value is None:
            continue
        if value is exact.get(sources[0]):  # as it was
            names.append(sources[0])
            continue
        rounded = value.astype(np.float32)
        if not np.isfinite(rounded).all():
            return None
        name = fresh(graph.shapes().keys() | constants.keys(), _join(sources))
        constants[name], exact[name] = rounded, value
        names.append(name)
    return replace(graph, constants=constants), replace(op, inputs=(op.inputs[0], *names))


def _absorb(graph: Graph, exact: Values) -> Graph | None:
    """Fold one per-channel operator into the matrix product before or behind it; None where there is none."""
    made, readers, shapes = graph.producers(), graph.consumers(), graph.shapes()
    for op in graph.ops:
        at, step = data_input(op, graph), per_channel(op, graph)
        if at is None or step is None:
            continue
        (scale, shift), data, constant = step, op.inputs[at], op.inputs[1 - at]
        before, after = made.get(data), readers.get(op.output.name, [])
        if before is not None and _is_plain(before) and len(readers[data]) == 1 and data not in graph.outputs:
            w, b = _weights(before, exact)
            total = shift if b is None else b * scale + shift
            new_bias = total if b is not None or np.any(shift) else None
            of_outputs = scale.reshape(-1, *(1,) * (w.ndim - 1))
            scaled = (w * of_outputs, [before.inputs[1], constant]) if np.any(scale != 1) else (w, [before.inputs[1]])
            merged = replace(before, output=op.output, sources=before.sources + op.sources)
            found = _with_weights(graph, merged, scaled, (new_bias, [*before.inputs[2:], constant]), exact)
            dropped = before
        elif (
            len(after) == 1
            and after[0].kind in {"linear", "conv1d"}
            and op.output.name not in graph.outputs
            and after[0].inputs[0] == op.output.name
            and shapes[data] == op.output.shape
            and np.abs(shift).max() <= SHIFT_LIMIT
            and not (np.any(shift) and _is_padded(after[0]))
        ):
            behind = after[0]
            w, b = _weights(behind, exact)
            new_bias, bias_names = b, [*behind.inputs[2:]]
            if np.any(shift):
                new_bias = _weigh(behind, w, shift).sum(axis=tuple(range(1, w.ndim))) + (0 if b is None else b)
                bias_names = [constant, behind.inputs[1], *bias_names]
            weighed = _weigh(behind, w, scale)
            scaled = (weighed, [constant, behind.inputs[1]]) if np.any(scale != 1) else (w, [behind.inputs[1]])
            merged = replace(behind, inputs=(data, *behind.inputs[1:]), sources=op.sources + behind.sources)
            found = _with_weights(graph, merged, scaled, (new_bias, bias_names), exact)
            dropped = behind
        else:
            continue
        if found is not None:
            return _replace_ops(found[0], {op.output.name: None, dropped.output.name: None}, found[1])
    return None


def _replace_ops(graph: Graph, old: Mapping[str, None], new: Op) -> Graph:
    """Drop the operators that write `old`; `new` stands where the last of them stood."""
    last = max(i for i, op in enumerate(graph.ops) if op.output.name in old)
    ops = [new if i == last else op for i, op in enumerate(graph.ops) if i == last or op.output.name not in old]
    return replace(graph, ops=tuple(ops))


def _is_plain(op: Op) -> bool:
    return op.kind in {"linear", "conv1d"} and op.attrs["act"] == "none"


def _is_link(op: Op) -> bool:
    return op.kind == "linear" and _is_plain(op)


def _is_padded(op: Op) -> bool:
    """Whether it sees zeros that nobody computed."""
    reach = [op.attrs.get("left", 0), op.attrs.get("right", 0)]
    return any(isinstance(steps, int) and steps > 0 for steps in reach)


def _weigh(op: Op, weight: NDArray[np.float64], channels: NDArray[np.float64]) -> NDArray[np.float64]:
    """A weight (out, in, ...) times what each input channel brings; in groups an output sees its group's only."""
    groups, outputs = op.attrs.get("groups", 1), len(weight)
    assert isinstance(groups, int)
    seen = np.repeat(channels.reshape(groups, -1), outputs // groups, axis=0)
    return weight * seen.reshape(*seen.shape, *(1,) * (weight.ndim - 2))


def _chains(graph: Graph) -> list[list[Op]]:
    """Longest runs of matrix products that read each other and are read by nothing else."""
    readers = graph.consumers()
    found: list[list[Op]] = []
    seen: set[str] = set()
    for op in graph.ops:
        if not _is_link(op) or op.output.name in seen:
            continue
        chain = [op]
        while True:
            end = chain[-1].output.name
            after = readers.get(end, [])
            if end in graph.outputs or len(after) != 1 or not _is_link(after[0]) or after[0].inputs[0] != end:
                break
            chain.append(after[0])
        seen.update(link.output.name for link in chain)
        if len(chain) > 1:
            found.append(chain)
    return found


def cuts(dims: Sequence[int]) -> list[int]:
    """Which of the chain's tensors to keep so that the products cost least: the shortest path from first to last.

    Parameters
    ----------
    dims : sequence of int
        Size of the tensor before each product, and behind the last one.

    Returns
    -------
    list of int
        Indices into `dims`, the first and the last among them. Of equal paths the one that merges least.

    Examples
    --------
    >>> cuts([99, 128, 128, 99]), cuts([64, 2, 64])
    ([0, 3], [0, 1, 2])
    """
    best: list[tuple[int, int, list[int]]] = [(0, 0, [0])]
    for j in range(1, len(dims)):
        best.append(min((best[i][0] + dims[i] * dims[j], best[i][1] + j - i - 1, [*best[i][2], j]) for i in range(j)))
    return best[-1][2]


def _merge(graph: Graph, chain: list[Op], exact: Values) -> Graph:
    dims = [exact[op.inputs[1]].shape[1] for op in chain] + [chain[-1].output.shape[-1]]
    kept = cuts(dims)
    for start, stop in zip(kept, kept[1:], strict=False):
        run = chain[start:stop]
        if len(run) == 1:
            continue
        weight, bias = _weights(run[0], exact)
        for op in run[1:]:
            w, b = _weights(op, exact)
            weight = w @ weight
            bias = b if bias is None else w @ bias + (0 if b is None else b)
        sources = tuple(source for op in run for source in op.sources)
        merged = replace(run[-1], inputs=run[0].inputs, sources=sources)
        weights = [op.inputs[1] for op in run]
        # The bias holds a product of later weights too, but the layers' own biases say best where it comes from.
        biases = [name for op in run for name in op.inputs[2:]]
        found = _with_weights(graph, merged, (weight, weights), (bias, biases), exact)
        if found is not None:
            graph = _replace_ops(found[0], dict.fromkeys(op.output.name for op in run), found[1])
    return graph
