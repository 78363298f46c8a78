"""Long series made short for drawing, without losing what one looks for: the extremes.

Owns which samples are drawn; what is drawn belongs to `figures`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def thinned(values: NDArray[Any], points: int, keep: Iterable[int] = ()) -> NDArray[np.int64]:
    """Which samples to draw: of each bucket its lowest and its highest, and a gap where it has one.

    Parameters
    ----------
    values : ndarray (T,)
        NaN where there is no value.
    points : int
        About how many samples are wanted; a series that is no longer is kept whole.
    keep : iterable of int
        Samples that must be among them, whatever their value.

    Returns
    -------
    ndarray of int
        Increasing indices, the first and the last sample among them.

    Examples
    --------
    >>> spike = np.zeros(1000)
    >>> spike[637] = 5
    >>> chosen = thinned(spike, 20, keep=[500])
    >>> 637 in chosen, 500 in chosen, len(chosen) < 30
    (True, True, True)
    """
    values = np.asarray(values, dtype=np.float64)
    if len(values) <= points:
        return np.arange(len(values))
    buckets = max(points // 2, 1)
    size = -(-len(values) // buckets)
    padded = np.full(size * -(-len(values) // size), np.nan)
    padded[: len(values)] = values
    rows = padded.reshape(-1, size)
    missing = np.isnan(rows)
    starts = np.arange(len(rows)) * size
    lowest = starts + np.where(missing, np.inf, rows).argmin(axis=1)
    highest = starts + np.where(missing, -np.inf, rows).argmax(axis=1)
    gaps = (starts + missing.argmax(axis=1))[missing.any(axis=1)]
    chosen = np.unique(np.concatenate([lowest, highest, gaps, [0, len(values) - 1], np.fromiter(keep, np.int64)]))
    return chosen[chosen < len(values)].astype(np.int64)


def worst_of(x: NDArray[Any], y: NDArray[Any], points: int) -> NDArray[np.int64]:
    """Of a cloud of points, for each stretch of x > 0 (equal in its logarithm) the one with the highest y.

    Examples
    --------
    >>> worst_of(np.array([1.0, 1.01, 50.0]), np.array([3.0, 4.0, 1.0]), 10).tolist()
    [1, 2]
    """
    if len(x) == 0:
        return np.arange(0)
    place = np.log(np.maximum(np.asarray(x, np.float64), np.finfo(np.float64).tiny))
    width = max(float(np.ptp(place)), 1e-9) / points
    bucket = np.minimum((place - place.min()) / width, points - 1).astype(np.int64)
    order = np.lexsort((-np.asarray(y, np.float64), bucket))
    first = np.unique(bucket[order], return_index=True)[1]
    return order[first]
