"""The latest scores of a detector beside those of its calibration: live quantiles, alarm rate and drift.

Keeps a bounded number of scores and nothing else; knows neither models nor requests.
"""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

KEPT = 10_000
"""Scores that the live figures are about."""


class Recent:
    """A ring of the latest scores; threads may add and read at once.

    Parameters
    ----------
    levels, quantiles : ndarray (Q,)
        Of the scores in the calibration: a share `levels[i]` of them is at most `quantiles[i]`.
    threshold : float
        A score above it is an alarm.
    degenerate : bool
        All scores of the calibration tie, and the threshold lies above them by what rounding may do.
    kept : int
        Scores to keep.

    Examples
    --------
    >>> recent = Recent(np.array([0.5, 0.9]), np.array([5.0, 9.0]), threshold=9.5, degenerate=False)
    >>> recent.add(np.arange(1, 11, dtype=np.float32))
    >>> recent.count, recent.alarm_rate(), recent.drift()
    (10, 0.1, 0.0)
    >>> recent.add(np.full(10, 20, np.float32))
    >>> recent.alarm_rate(), recent.drift()
    (0.55, 0.45)
    """

    def __init__(
        self,
        levels: NDArray[np.float64],
        quantiles: NDArray[np.float64],
        threshold: float,
        degenerate: bool,
        kept: int = KEPT,
    ) -> None:
        self.levels, self.quantiles, self.threshold = levels, quantiles, threshold
        # Two scores that differ by less are the same one, rounded by PyTorch and by C.
        self._slack = threshold - quantiles if degenerate else 1e-4 * np.abs(quantiles)
        self._ring = np.empty(kept, np.float32)
        self._next, self._turn = 0, threading.Lock()
        self.count = 0

    def add(self, scores: NDArray[np.float32]) -> None:
        """Scores (n,) without NaN, the latest one last."""
        scores = scores[-len(self._ring) :]
        with self._turn:
            until_end = len(self._ring) - self._next
            self._ring[self._next : self._next + len(scores)] = scores[:until_end]
            self._ring[: max(len(scores) - until_end, 0)] = scores[until_end:]
            self._next = (self._next + len(scores)) % len(self._ring)
            self.count = min(self.count + len(scores), len(self._ring))

    def _scores(self) -> NDArray[np.float32]:
        """A copy (count,), in no order."""
        with self._turn:
            return self._ring[: self.count].copy()

    def live_quantiles(self) -> NDArray[np.float64]:
        """At the calibration's levels (Q,); NaN while there are no scores."""
        scores = self._scores()
        if len(scores) == 0:
            return np.full(len(self.levels), np.nan)
        return np.quantile(scores.astype(np.float64), self.levels)

    def alarm_rate(self) -> float:
        """Share of the scores above the threshold; NaN while there are none."""
        scores = self._scores()
        return float(np.mean(scores > np.float32(self.threshold))) if len(scores) else np.nan

    def drift(self) -> float:
        """Distance of the scores from those of the calibration, from 0 to 1; NaN while there are none.

        The largest difference, over the calibration's quantiles, between its share of scores up to there and the live
        one: Kolmogorov and Smirnov's statistic at these places. It has no unit, so one limit does for all models.
        """
        scores = np.sort(self._scores())
        if len(scores) == 0:
            return np.nan
        # Where scores tie at a quantile, any level between the share below and the share up to it is met.
        below = np.searchsorted(scores, self.quantiles - self._slack, side="left") / len(scores)
        up_to = np.searchsorted(scores, self.quantiles + self._slack, side="right") / len(scores)
        return float(np.max(np.maximum(np.maximum(self.levels - up_to, below - self.levels), 0)))
