"""One-liners that every learned model must beat before it is worth its bytes.

Owns their definitions. They learn from the `fit` series only, and score exactly the samples that a windowed model
scores, so that all are judged on the same samples; their thresholds come from the same held-back series by the same
rule (`threshold.choose`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .data import spread

Values = NDArray[np.float32]
Floor = Callable[[Values, Values, int, int], NDArray[np.float64]]

CHUNK = 4096
"""Windows held in memory at once."""


def random(fit: Values, series: Values, window: int, seed: int) -> NDArray[np.float64]:
    """Uniform random numbers, others for another series: what a metric gives for nothing."""
    return np.random.default_rng([seed, zlib.crc32(series.tobytes())]).random(len(series))


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
        view = _windows(z[start - window + 1 : end], window)
        mean, std = view.mean(axis=2), view.std(axis=2)
        flat = std <= 1e-6
        scores[start:end] = np.where(flat, 0.0, np.abs(z[start:end] - mean) / np.where(flat, 1.0, std)).mean(axis=1)
    return scores


def window_pca(fit: Values, series: Values, window: int, seed: int) -> NDArray[np.float64]:
    """Squared distance of a window from the plane of the 10 principal components of `fit`, mean over its values."""
    from sklearn.decomposition import PCA

    known = _windows(_standardised(fit, fit), window)
    thinned = known[:: 1 + (len(known) - 1) // CHUNK].reshape(-1, window * fit.shape[1])
    with np.errstate(invalid="ignore"):  # sklearn divides by the variance, and constant data have none
        pca = PCA(min(10, *thinned.shape), svd_solver="randomized", random_state=seed % 2**32).fit(thinned)
    z = _standardised(fit, series)
    scores = np.zeros(len(z))
    for start in range(window - 1, len(z), CHUNK):
        end = min(start + CHUNK, len(z))
        centred = _windows(z[start - window + 1 : end], window).reshape(end - start, -1) - pca.mean_
        residual = centred - centred @ pca.components_.T @ pca.components_
        scores[start:end] = (residual * residual).mean(axis=1)
    return scores


FLOORS: dict[str, Floor] = {
    "random": random,
    "abs_diff": abs_diff,
    "train_mean": train_mean,
    "moving_z": moving_z,
    "window_pca": window_pca,
}


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
        For `random` and `window_pca`.

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


def _windows(z: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """All windows (n, C, W) of a series (T, C), as a view."""
    return np.lib.stride_tricks.sliding_window_view(z, window, axis=0)
