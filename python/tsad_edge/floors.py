"""One-line detectors that every learned model must beat before it is worth its bytes.

Owns their definitions. They learn from the `fit` series only, and score exactly the samples that a windowed model
scores, so that all are judged on the same samples; their thresholds come from the same held-back series by the same
rule (`threshold.midway`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .data import spread

Values = NDArray[np.float32]
Floor = Callable[[Values, Values, int, int], NDArray[np.float64]]

CHUNK = 4096
"""Windows held in memory at once."""


def random(fit: Values, series: Values, window: int, seed: int) -> NDArray[np.float64]:
    """Uniform random numbers: what a metric gives for nothing."""
    return np.random.default_rng(seed).random(len(series))


def abs_diff(fit: Values, series: Values, window: int, seed: int) -> NDArray[np.float64]:
    """``|x_t - x_(t-1)|`` in standard deviations of `fit`, mean over channels."""
    z = _standardised(fit, series)
    return np.abs(np.diff(z, axis=0, prepend=z[:1])).mean(axis=1)


def train_mean(fit: Values, series: Values, window: int, seed: int) -> NDArray[np.float64]:
    """``|x - mean of fit|`` in standard deviations of `fit`, mean over channels."""
    return np.abs(_standardised(fit, series)).mean(axis=1)


def moving_z(fit: Values, series: Values, window: int, seed: int) -> NDArray[np.float64]:
    """``|x - mean| / std`` of the window that ends at x, mean over channels; 0 where the window is constant."""
    z = _standardised(fit, series)
    scores = np.zeros(len(z))
    for start in range(window - 1, len(z), CHUNK):
        end = min(start + CHUNK, len(z))
        view = np.lib.stride_tricks.sliding_window_view(z[start - window + 1 : end], window, axis=0)  # (n, C, W)
        mean, std = view.mean(axis=2), view.std(axis=2)
        flat = std <= 1e-6
        scores[start:end] = np.where(flat, 0.0, np.abs(z[start:end] - mean) / np.where(flat, 1.0, std)).mean(axis=1)
    return scores


FLOORS: dict[str, Floor] = {"random": random, "abs_diff": abs_diff, "train_mean": train_mean, "moving_z": moving_z}


def score_floor(name: str, fit: Values, series: Values, window: int, seed: int) -> NDArray[np.float64]:
    """Score a series with a floor, with the conventions of `scoring.score_series`.

    Parameters
    ----------
    name : str
        A key of FLOORS.
    fit : ndarray (T1, C)
        Normal data to take means and deviations from.
    series : ndarray (T, C)
        What to score: the held-back series or the test series.
    window : int
        W of the model that the floor is compared with; also what `moving_z` looks back on.
    seed : int
        For `random`; give each series its own.

    Returns
    -------
    ndarray (T,) float64
        NaN for the first W-1 samples taken and for samples with a value that is not finite.

    Raises
    ------
    ValueError
        The floor is unknown.

    Examples
    --------
    >>> fit = np.array([[0.0], [2.0]], np.float32)
    >>> score_floor("train_mean", fit, np.array([[1.0], [3.0]], np.float32), window=2, seed=1)
    array([nan,  2.])
    """
    if name not in FLOORS:
        raise ValueError(f"no floor is called {name!r}; known floors: {', '.join(FLOORS)}")
    scores = np.full(len(series), np.nan)
    taken = np.flatnonzero(np.isfinite(series).all(axis=1))
    scores[taken] = FLOORS[name](fit, series[taken], window, seed)
    scores[taken[: window - 1]] = np.nan
    return scores


def _standardised(fit: Values, series: Values) -> NDArray[np.float64]:
    """In standard deviations of `fit`; a constant channel is divided by nothing."""
    mean, deviation = spread(fit)
    return (series.astype(np.float64) - mean) / deviation
