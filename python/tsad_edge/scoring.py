"""Scores a whole series with PyTorch, as the C detector does it: sample by sample, a refused sample is missing.

Owns windows as views and the float64 reference of a float32 graph. Knows nothing of the model but that a window goes
in and a score comes out.
"""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


def load(path: str | Path) -> nn.Module:
    """A graph.pt2 as a module: windows (B, W, C) float32 -> score (B,), or (score, parts (B, C)).

    Raises
    ------
    ValueError
        The file is missing or is not one that `torch.export.save` wrote.

    Examples
    --------
    >>> load("artifacts/pump-1/graph.pt2")(torch.zeros(1, 50, 5))  # doctest: +SKIP
    """
    if not Path(path).is_file():
        raise ValueError(f"{path}: not found; run `tsad train` first")
    try:
        module = torch.export.load(str(path)).module(check_guards=False)
    except Exception as error:  # torch raises whatever its zip and JSON readers raise
        raise ValueError(f"{path}: not a graph saved by torch.export ({error}); run `tsad train` again") from None
    return module


def double(module: nn.Module) -> nn.Module:
    """A copy of a module that computes in float64: weights, constants, and the dtypes its graph names.

    Parameters
    ----------
    module : nn.Module
        An exported program's module or any other.

    Examples
    --------
    >>> double(nn.Linear(2, 1)).weight.dtype
    torch.float64
    """
    with warnings.catch_warnings():
        # Copying an exported module makes torch 2.13 use a name of its own that it has deprecated.
        warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
        twin = copy.deepcopy(module).double()
    if isinstance(twin, torch.fx.GraphModule):
        for node in twin.graph.nodes:
            node.args = torch.fx.node.map_aggregate(node.args, _wider)
            node.kwargs = torch.fx.node.map_aggregate(node.kwargs, _wider)
        twin.recompile()
    return twin


def _wider(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Sums in one order, so that scores are the same bits whatever the number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def windows(series: Tensor, window: int) -> Tensor:
    """All windows of a series (T, C) as one view (T-W+1, W, C) of its memory.

    Examples
    --------
    >>> windows(torch.arange(8.0).reshape(4, 2), 3).shape
    torch.Size([2, 3, 2])
    """
    return series.unfold(0, window, 1).transpose(1, 2)


def score_series(
    model: nn.Module,
    values: NDArray[np.float32],
    window: int,
    dtype: torch.dtype = torch.float32,
    batch: int = 512,
) -> NDArray[np.float64]:
    """Score every sample of a series from the window that ends there.

    Samples with a value that is not finite are taken out before windows are made, as the C detector refuses them:
    they have no score, and the windows after them reach further back.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode; takes windows (B, W, C) and gives score (B,) or (score, parts).
    values : ndarray (T, C) float32
        Raw samples.
    window : int
        W.
    dtype : torch.float32 or torch.float64
        What is computed with. float64 is the reference: the same float32 weights, exact arithmetic for all purposes.
    batch : int
        Windows scored at once.

    Returns
    -------
    ndarray (T,) float64
        NaN for the first W-1 samples taken and for those refused, and nowhere else.

    Raises
    ------
    ValueError
        `values` is not (T, C) float32.

    Examples
    --------
    >>> score_series(nn.Flatten(0), np.array([[3.0], [np.nan], [5.0]], np.float32), window=1)
    array([ 3., nan,  5.])
    """
    if batch < 1:
        raise ValueError(f"test.batch is {batch}; it must be 1 or more windows")
    values = np.asarray(values)
    if values.ndim != 2 or values.dtype != np.float32:
        raise ValueError(
            f"values is {values.dtype} of shape {values.shape}; wanted float32 of shape (samples, channels)"
        )
    if dtype == torch.float64:
        model = double(model)
    scores = np.full(len(values), np.nan)
    taken = np.flatnonzero(np.isfinite(values).all(axis=1))
    if len(taken) < window:
        return scores
    # Copied even when all samples are taken: torch wants to own writable memory.
    view = windows(torch.from_numpy(values[taken]).to(dtype), window)
    with torch.no_grad():
        found = [_only_score(model(view[start : start + batch])) for start in range(0, len(view), batch)]
    numbers = torch.cat(found).numpy()
    # Finite but absurd samples can give inf - inf; the C detector does not let that pass as "no alarm" either.
    scores[taken[window - 1 :]] = np.where(np.isnan(numbers), np.inf, numbers)
    return scores


def _only_score(output: Any) -> Tensor:
    score: Tensor = output if isinstance(output, Tensor) else output[0]
    return score
