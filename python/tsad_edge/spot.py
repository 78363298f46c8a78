"""The threshold that goes on learning, as the C computes it: plain Python over numpy's float32, to the same bits.

The twin of csrc/tsad_spot.c and of csrc/tsad_statistics.c, which explains the method; it rounds once an operation, as C
does. From which scores the tail is learned that a device starts with is `threshold`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .float32 import expm1, f32, log

PEAKS = 64
"""Peaks that are remembered."""
SHARE = 50
"""One in so many normal scores is a peak where a tail is learnt."""
LEAST_SHAPE = f32(-0.25)
"""A tail with a nearer end would shrink without end."""
LEAST_PEAKS, MOST_GAP = 10, 65535
ONE, HALF = f32(1), f32(0.5)


@dataclass(frozen=True)
class Tail:
    """The tail of normal scores, as a plant sees it: tsad_tail of tsad.h."""

    start: float
    shape: float
    excess: float
    gap: int


@dataclass(frozen=True)
class Spot:
    """How a threshold goes on learning: tsad_spot_config of tsad.h. All numbers are float32."""

    risk: float
    every: int
    tail: Tail

    def level(self) -> float:
        """The threshold that this tail gives; NaN where the risk is no tail's."""
        return float(_level(self, f32(self.tail.excess), f32(self.tail.gap)))


def held_against(section: Mapping[str, Any], threshold: float, scores: NDArray[Any]) -> NDArray[np.float32]:
    """What each score (T,) of a series is held against, by the section `spot` of detector.json; empty, it is constant.

    Examples
    --------
    >>> held_against({}, 2.0, np.zeros(3)).tolist()
    [2.0, 2.0, 2.0]
    """
    if not section:
        return np.full(np.shape(scores), f32(threshold))
    tail = Tail(section["start"], section["shape"], section["excess"], section["gap"])
    return thresholds(Spot(section["risk"], section["every"], tail), threshold, scores)


def thresholds(spot: Spot, threshold: float, scores: NDArray[Any]) -> NDArray[np.float32]:
    """What each score of a series is held against, from a threshold that goes on learning.

    Parameters
    ----------
    spot : Spot
    threshold : float
        At the start.
    scores : ndarray (T,)
        In order of time, compared as float32; NaN where there is none.

    Returns
    -------
    ndarray (T,) float32

    Examples
    --------
    >>> spot = Spot(1e-3, 1, Tail(start=1.0, shape=0.0, excess=0.5, gap=50))
    >>> [f"{level:.2f}" for level in thresholds(spot, 3.0, np.array([0.5, 2.9, 4.0, 0.5]))]  # a peak, then an alarm
    ['3.00', '3.00', '2.88', '2.88']
    """
    held = np.asarray(scores, dtype=f32)
    found = np.full(held.shape, f32(threshold))
    now, last, start = f32(threshold), -1, f32(spot.tail.start)
    excess, gap = np.full(PEAKS, f32(spot.tail.excess)), np.full(PEAKS, spot.tail.gap)
    at = np.flatnonzero(np.isfinite(held))[:: spot.every]
    since = peaks = 0
    for i in at:
        if held[i] > now:
            continue
        since = min(since + 1, MOST_GAP)
        if not held[i] > start:
            continue
        excess[peaks % PEAKS], gap[peaks % PEAKS] = held[i] - start, since
        since, peaks = 0, peaks + 1
        with np.errstate(over="ignore", invalid="ignore"):
            level = _level(spot, np.add.accumulate(excess)[-1] / f32(PEAKS), f32(gap.sum()) / f32(PEAKS))
        if np.isfinite(level):
            found[last + 1 : i + 1] = now
            now, last = level, i
    found[last + 1 :] = now
    return found


def learn(scores: NDArray[Any], risk: float) -> Tail:
    """The tail of normal scores (n,), as a device learns it: tsad_tail_learn of tsad.h.

    Raises
    ------
    ValueError
        The scores do not make a tail, or the risk is not one of a tail.

    Examples
    --------
    >>> tail = learn(-np.log(np.arange(1, 3001) / 3001), 1e-3)
    >>> round(tail.start, 2), abs(tail.shape) < 0.05, round(Spot(1e-3, 1, tail).level(), 1)
    (3.9, True, 6.7)
    """
    falling = np.sort(np.asarray(scores, f32))[::-1][: PEAKS + 1]
    above = len(scores) // SHARE
    if not LEAST_PEAKS <= above < len(falling):
        raise ValueError(f"{len(scores)} scores; {LEAST_PEAKS * SHARE} to {(PEAKS + 1) * SHARE - 1} make a tail")
    start, total, spread = falling[above], f32(0), f32(0)
    n = int(np.count_nonzero(falling[:above] > start))
    with np.errstate(over="ignore", invalid="ignore"):
        for i in reversed(range(n)):
            total = total + (falling[i] - start)
            if i + 1 < n:
                spread = spread + f32((i + 1) * (n - 1 - i)) * (falling[i] - falling[i + 1])
        if n < LEAST_PEAKS or not spread > 0:
            raise ValueError(f"{n} scores lie above the {start:g} that is the start of their tail, or all are equal")
        mean = total / f32(n)
        ratio = mean / (spread / f32(n * (n - 1)))
        scale, shape = mean * (ratio - ONE), f32(2) - ratio
        shape = max(shape, -scale / (falling[0] - start))
        if shape < LEAST_SHAPE:
            shape = LEAST_SHAPE
            scale = mean * (ONE - shape)
        each = f32(len(scores)) / f32(n)
        return as_seen(start, shape, scale, each, risk)


def as_seen(start: f32, shape: f32, scale: f32, gap: f32, risk: float) -> Tail:
    """The tail of a fit to all peaks, one in `gap` scores, as it looks where those above the threshold are left out.

    Raises
    ------
    ValueError
        The risk is not one of a tail, or the tail is beyond float32.
    """
    missing = f32(risk) * gap
    if not missing < HALF:
        raise ValueError(f"is for the tail: at a risk of {risk:g} half of the peaks, one in {gap:g} scores, are alarms")
    seen = int(gap / (ONE - missing) + HALF)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        tail = Tail(float(start), float(shape), float(scale * _reach(shape, f32(risk) * f32(seen))[1]), seen)
        level = Spot(risk, 1, tail).level()
    if not (shape < 1 and tail.excess > 0 and seen <= MOST_GAP and np.isfinite(level)):
        raise ValueError(f"has a tail that float32 cannot follow: {tail}")
    return tail


def _level(spot: Spot, excess: f32, gap: f32) -> f32:
    odds = f32(spot.risk) * gap
    if not odds < ONE:
        return f32(np.nan)
    g, mean = _reach(f32(spot.tail.shape), odds)
    return f32(spot.tail.start) + excess * (g / mean)


def _reach(shape: f32, odds: f32) -> tuple[f32, f32]:
    """How far out, in scales, those peaks lie that are left out, and the mean of the others: reach_of in C."""
    far = -log(odds / (ONE + odds))
    power = shape * far
    g = far * (expm1(power) / power) if power != 0 else far
    return g, (ONE - odds * g) / (ONE - shape)
