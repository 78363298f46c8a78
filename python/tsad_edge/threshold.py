"""The threshold of a score, from held-back normal scores alone.

Owns the rule. Labels have no way in here, and neither has test data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .rounding import MARGIN, ULPS


@dataclass(frozen=True)
class Threshold:
    """A sample is abnormal when its score is greater than `value`."""

    value: float
    """Exactly a float32, as the C detector holds it."""
    degenerate: bool
    """The held-back scores tie there: `value` says "higher than ever seen", not a rate."""
    rate_per_1000: float
    """Share of the held-back scores above `value`, per 1000."""
    supported_per_1000: float
    """Lowest rate that so many scores can tell from none: one of them, per 1000."""
    tolerance: float
    """How far a score of the same model may be from another computation of it."""


def midway(
    scores: NDArray[Any],
    false_alarms_per_1000: float,
    reference: NDArray[np.float64] | None = None,
    largest_terms: float = 0.0,
) -> Threshold:
    """Threshold midway between two neighbouring held-back scores, so that rounding flips no decision.

    Of n scores in descending order s1 >= s2 >= ..., k = floor(n * rate / 1000) may lie above the threshold:

    - it is midway between sk and s(k+1);
    - where these two tie (are at most 2 tolerances apart) k becomes smaller until they do not: fewer false alarms,
      never more than were asked for;
    - with k = 0 no score lies above: the threshold is half a gap beyond the largest, s1 + (s1 - s2) / 2. That is the
      end of what was measured. A rate below `supported_per_1000` is not extrapolated to: the same value is given, and
      `supported_per_1000` says what n scores can support;
    - where even s1 and s2 tie (constant channels) it is the largest score + 4 tolerances, and `degenerate` is set.

    The tolerance is 4 times the largest difference between the float32 scores and `reference`, plus 4 units in the
    last place (float32) of the largest score or of `largest_terms`, whichever is larger: where a score is a small
    difference of large numbers (constant channels), rounding is that of the large ones.

    Parameters
    ----------
    scores : ndarray (n,)
        Held-back normal scores as PyTorch computes them in float32; finite.
    false_alarms_per_1000 : float
        Wanted rate on normal samples, from 0 to below 1000.
    reference : ndarray (n,) float64, optional
        The same scores in float64. Without it only the units in the last place count.
    largest_terms : float, optional
        Largest running sum of |terms| behind a score, as the compiler's interpreter counts it.

    Raises
    ------
    ValueError
        No scores, one that is not finite, size near the end of float32, lengths that differ, or a rate out of range.

    Examples
    --------
    >>> midway(np.arange(1000.0), 1.0).value
    998.5
    >>> midway(np.arange(10.0), 1.0).value  # ten scores cannot support 1 in 1000
    9.5
    >>> midway(np.full(100, 2.0), 1.0).degenerate
    True
    """
    exact = np.asarray(scores, dtype=np.float64)
    if exact.ndim != 1 or len(exact) == 0:
        raise ValueError(f"held-back scores have shape {exact.shape}; at least one is needed, as a 1-D array")
    if not np.isfinite(exact).all():
        at = int(np.flatnonzero(~np.isfinite(exact))[0])
        raise ValueError(f"held-back score {at} is {exact[at]}; normal data must give finite scores")
    if not 0 <= false_alarms_per_1000 < 1000:
        raise ValueError(f"train.false_alarms_per_1000 is {false_alarms_per_1000}; it must be from 0 to below 1000")
    if reference is not None and np.shape(reference) != exact.shape:
        raise ValueError(f"{len(exact)} scores, but a reference of shape {np.shape(reference)}")

    n = len(exact)
    down = np.sort(exact)[::-1]
    largest = down[0]
    gap = 0.0 if reference is None else float(np.abs(exact - reference).max())
    size = float(np.maximum(abs(largest), largest_terms))  # NaN where one is
    if not size < 2.0**126:  # the threshold could be infinite: a detector that never raises an alarm
        raise ValueError(f"held-back scores, or the terms of one, add up to {size:g}; float32 cannot hold a threshold")
    tolerance = MARGIN * gap + ULPS * float(np.spacing(np.float32(size)))
    wanted = math.floor(n * false_alarms_per_1000 / 1000 + 1e-9)  # 0.29 * 100 is 28.999999999999996

    value, degenerate = largest + 4 * tolerance, True
    for above in range(min(wanted, n - 1), -1, -1):
        upper = down[above - 1] if above else largest + (largest - down[min(1, n - 1)])
        lower = down[above] if above else largest
        if upper - lower > 2 * tolerance:
            value, degenerate = (upper + lower) / 2, False
            break
    value = float(np.float32(value))
    return Threshold(value, degenerate, 1000 * float((exact > value).mean()), 1000 / n, tolerance)
