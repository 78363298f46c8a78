"""Keeps torch from walking through a recurrent layer step by step only to learn the shape of what it returns.

To trace `aten.lstm` and `aten.gru`, torch 2.13 runs them on tensors without values by its own decompositions, a few
dozen operators a step: seconds for a window of 100, and the graph that comes out holds the one operator all the same.
The shapes follow from the arguments. Knows torch and nothing else, so that whatever exports a model may use it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._C import DispatchKey
from torch._decomp import decomposition_table

KEYS = (DispatchKey.CompositeImplicitAutograd, DispatchKey.Autograd)
"""Under these torch finds its decompositions when it exports; in its table it finds them when it decomposes."""


def _lstm(window: Tensor, state: list[Tensor], *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Shapes of ``aten.lstm.input``: states of the last layer, last hidden and last cell states."""
    hidden, cell = state
    return _states(window, hidden, rest), torch.empty_like(hidden), torch.empty_like(cell)


def _gru(window: Tensor, hidden: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    """Shapes of ``aten.gru.input``."""
    return _states(window, hidden, rest), torch.empty_like(hidden)


def _states(window: Tensor, hidden: Tensor, rest: tuple[Any, ...]) -> Tensor:
    """(B, T, units) or (T, B, units), the steps outermost in memory, as torch has them: a view depends on that.

    `rest` is params, has_biases, num_layers, dropout, train, bidirectional, batch_first.
    """
    units, steps_first = hidden.shape[2] * (2 if rest[5] else 1), window.transpose(0, 1) if rest[6] else window
    states = window.new_empty((*steps_first.shape[:2], units))
    return states.transpose(0, 1) if rest[6] else states


RULES: dict[Any, Callable[..., Any]] = {torch.ops.aten.lstm.input: _lstm, torch.ops.aten.gru.input: _gru}


@contextmanager
def never_unrolled() -> Iterator[None]:
    """While it lasts, exporting or decomposing a program asks nothing of recurrent layers but their shapes.

    Examples
    --------
    >>> layer = torch.nn.GRU(2, 4, batch_first=True).eval()
    >>> with never_unrolled():
    ...     program = torch.export.export(layer, (torch.zeros(3, 50, 2),))  # doctest: +SKIP
    """
    before = {operator: (dict(operator.py_kernels), decomposition_table[operator]) for operator in RULES}
    try:
        for operator, rule in RULES.items():
            operator.py_kernels.update(dict.fromkeys(KEYS, rule))
            decomposition_table[operator] = rule
            operator._dispatch_cache.clear()
        yield
    finally:
        for operator, (kernels, decomposition) in before.items():
            operator.py_kernels.clear()
            operator.py_kernels.update(kernels)
            decomposition_table[operator] = decomposition
            operator._dispatch_cache.clear()
