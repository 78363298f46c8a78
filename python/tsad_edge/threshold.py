"""The threshold of a score, from held-back normal scores alone: five methods, one knob.

Owns the methods, the wanted false-alarm rate, and the step that keeps every threshold clear of rounding. Labels have
no way in here, and neither has test data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .rounding import MARGIN, ULPS
from .spot import LEAST_SHAPE, Spot, Tail, as_seen

Scores = NDArray[np.float64]

LOWEST = 1e-6
"""Per 1000. A lower rate, 0 too, is this one to every method but quantile: no level of theirs is without alarms."""
PEAKS = 10
"""Fewer peaks than this give no tail."""


@dataclass(frozen=True)
class Threshold:
    """A sample is abnormal when its score is greater than `value`."""

    value: float
    """Exactly a float32, as the C detector holds it."""
    method: str
    """The method that was really used, a name of `METHODS`."""
    note: str
    """Why it is not the one that was asked for; empty where it is."""
    degenerate: bool
    """The held-back scores tie there: `value` says "higher than ever seen", not a rate."""
    extrapolated: bool
    """The wanted rate is below `supported_per_1000`, and a fitted tail put `value` beyond the largest score."""
    rate_per_1000: float
    """Share of the held-back scores above `value`, per 1000."""
    events_per_1000: float
    """Runs of consecutive held-back scores above `value`, per 1000 scores."""
    supported_per_1000: float
    """Lowest rate that so many scores can tell from none: one of them, per 1000."""
    tolerance: float
    """How far a score of the same model may be from another computation of it."""


class _Unfit(ValueError):
    """These scores or this rate are not for this method; says why."""


def rate_per_1000(wanted: str, sampling_period: float | None, knob: str = "train.false_alarms") -> float:
    """Wanted false alarms as samples per 1000. Samples count, not events: of these there are as many or fewer.

    Parameters
    ----------
    wanted : str
        ``N per 1000 samples`` or ``N per day``; N from 0.
    sampling_period : float or None
        Seconds from sample to sample, None where unknown; only ``per day`` needs it.
    knob : str
        What messages call it.

    Raises
    ------
    ValueError
        Another text, ``per day`` without a sampling period, or a rate below 0 or from 1000 per 1000.

    Examples
    --------
    >>> rate_per_1000("1 per 1000 samples", None)
    1.0
    >>> round(rate_per_1000("2 per day", 60.0), 3)
    1.389
    """
    number, _, unit = wanted.strip().partition(" per ")
    try:
        rate = {"1000 samples": 1.0, "day": 1000 / 86400}[unit] * float(number)
    except (KeyError, ValueError):
        raise ValueError(f"{knob} is {wanted!r}; it must be like '1 per 1000 samples' or '2 per day'") from None
    if unit == "day":
        if sampling_period is None or not 0 < sampling_period < math.inf:
            raise ValueError(
                f"{knob} is {wanted!r}, but the sampling period is {sampling_period or 'unknown'}; give the data a "
                "time column (in params.yaml: prepare.csv.time), or write 'N per 1000 samples'"
            )
        rate *= sampling_period
    return _in_range(rate, wanted, knob)


def choose(
    method: str, scores: NDArray[Any], per_1000: float, reference: Scores | None = None, largest_terms: float = 0.0
) -> Threshold:
    """Threshold by one of `METHODS`, put where rounding flips no decision.

    Where a method cannot do it (too few peaks, no spread, a rate that is no tail), ``quantile`` takes its place and
    `note` says why. The level is then made safe, never with more held-back scores above it:

    - a gap between two neighbours among the scores is safe if it is wider than 2 tolerances. A level in none goes up to
      the next one; there ``quantile`` takes the middle, and the others keep at least 4 tolerances (half of the gap, if
      that is less) from its ends;
    - above the largest the level keeps as far away (4 tolerances, or half of the gap below it);
    - where the largest tie (constant channels) these 4 tolerances are all there is to go by: `degenerate`.

    The tolerance is 4 times the largest difference between `scores` and `reference`, plus 4 units in the last place
    (float32) of the largest score or of `largest_terms`, whichever is larger: where a score is a small difference of
    large numbers (constant channels), rounding is that of the large ones.

    Parameters
    ----------
    method : str
        A name of `METHODS`.
    scores : ndarray (n,)
        Held-back normal scores, float32 of PyTorch, in order of time; finite.
    per_1000 : float
        Wanted rate of normal samples above the threshold, from 0 to below 1000 per 1000.
    reference : ndarray (n,) float64, optional
        The same scores in float64. Without it only the units in the last place count.
    largest_terms : float, optional
        Largest running sum of |terms| behind a score, as the compiler's interpreter counts it.

    Raises
    ------
    ValueError
        Unknown method, no scores, one that is not finite, size near the end of float32, lengths that differ, or a rate
        out of range.

    Examples
    --------
    >>> choose("quantile", np.arange(1000.0), 1.0).value
    998.5
    >>> choose("quantile", np.arange(10.0), 1.0).value  # ten scores cannot support 1 in 1000
    9.5
    >>> choose("pot", np.arange(400.0), 1.0).note
    'pot needs 10 peaks, and of 400 scores 8 lie above their 98 % quantile'
    """
    exact = np.asarray(scores, dtype=np.float64)
    if method not in METHODS:
        raise ValueError(f"unknown threshold method {method!r}; known are {', '.join(METHODS)}")
    if exact.ndim != 1 or len(exact) == 0:
        raise ValueError(f"held-back scores have shape {exact.shape}; at least one is needed, as a 1-D array")
    if not np.isfinite(exact).all():
        at = int(np.flatnonzero(~np.isfinite(exact))[0])
        raise ValueError(f"held-back score {at} is {exact[at]}; normal data must give finite scores")
    if reference is not None and np.shape(reference) != exact.shape:
        raise ValueError(f"{len(exact)} scores, but a reference of shape {np.shape(reference)}")
    rate, largest = _in_range(per_1000, per_1000), float(exact.max())
    gap = 0.0 if reference is None else float(np.abs(exact - reference).max())
    size = _in_float32(float(np.maximum(abs(largest), largest_terms)))  # NaN where one is
    tolerance = MARGIN * gap + ULPS * float(np.spacing(np.float32(size)))

    try:
        used, note, level = method, "", METHODS[method](exact, rate)
    except _Unfit as why:
        used, note, level = "quantile", f"{method} {why}", _quantile(exact, rate)
    safe, degenerate = _clear_of_rounding(exact, level, tolerance, used == "quantile")
    value = float(np.float32(_in_float32(safe)))
    above, supported = exact > value, 1000 / len(exact)
    extrapolated = used != "quantile" and not degenerate and rate < supported and level > largest
    alarms, events = float(above.mean()), float(np.mean(above & ~np.append(False, above[:-1])))
    return Threshold(value, used, note, degenerate, extrapolated, 1000 * alarms, 1000 * events, supported, tolerance)


def fit_pareto(excesses: Scores) -> tuple[float, float]:
    """Shape and scale of a generalised Pareto tail (as scipy's ``genpareto``) from excesses (n,), ascending, above 0.

    Probability-weighted moments, Hosking and Wallis, "Parameter and Quantile Estimation for the Generalized Pareto
    Distribution", 1987 (their k is minus the shape). A tail that ended below the largest excess ends there: Dupuis and
    Tsao, "A hybrid estimator for generalized Pareto and extreme-value distributions", 1998. ValueError where all equal.

    Examples
    --------
    >>> shape, scale = fit_pareto(-np.log(np.arange(999, 0, -1) / 1000))  # exponential: 0 and 1
    >>> abs(shape) < 0.02 and abs(scale - 1) < 0.02
    True
    """
    n, mean = len(excesses), float(excesses.mean())
    weights = np.arange(1.0 - n, n, 2)  # summed without @, whose threads cost more than they save in SPOT's loop
    spread = float((weights * excesses).sum()) / (n * (n - 1))  # half of the mean difference between two excesses
    if not spread > 0:
        raise _Unfit("has no tail to fit: all peaks are equal")
    scale = mean * (mean / spread - 1)
    return max(2 - mean / spread, -scale / float(excesses[-1])), scale


def tail_of(scores: NDArray[Any], per_1000: float) -> Tail:
    """The tail of held-back scores (n,) that a detector with method ``spot`` starts from.

    As `spot.learn`, but in float64 and from all peaks, however many there are. ValueError where there is no tail.

    Examples
    --------
    >>> tail_of(-np.log(np.arange(1, 10001) / 10001), 1.0).gap
    53
    """
    exact = np.asarray(scores, dtype=np.float64)
    start, excesses = _peaks(exact, per_1000)
    shape, scale = fit_pareto(excesses)
    if shape < LEAST_SHAPE:
        shape, scale = float(LEAST_SHAPE), float(excesses.mean()) * (1 - float(LEAST_SHAPE))
    with np.errstate(over="ignore"):
        fit = [np.float32(number) for number in (start, shape, scale, len(exact) / len(excesses))]
    try:
        return as_seen(fit[0], fit[1], fit[2], fit[3], risk_of(per_1000))
    except ValueError as why:
        raise _Unfit(str(why)) from None


def risk_of(per_1000: float) -> float:
    """A wanted rate as detector.json tells a device: the share of normal scores above the threshold, a float32.

    Examples
    --------
    >>> risk_of(1000 / 1024)
    0.0009765625
    """
    return float(np.float32(max(per_1000, LOWEST) / 1000))


def _quantile(scores: Scores, per_1000: float) -> float:
    """The largest score that k = floor(n * rate) others may exceed; half a gap beyond the largest where k is 0."""
    down = np.sort(scores)[::-1]
    allowed = math.floor(len(scores) * per_1000 / 1000 + 1e-9)  # 0.29 * 100 is 28.999999999999996
    return float(down[min(allowed, len(down) - 1)]) if allowed else _half_a_gap_beyond(down)


def _mean_sigma(scores: Scores, per_1000: float) -> float:
    ascending = np.sort(scores)  # so that the order of time has no say in how the sums are rounded
    return float(ascending.mean() + _sigmas(per_1000) * ascending.std())


def _mad(scores: Scores, per_1000: float) -> float:
    middle = float(np.median(scores))
    deviation = float(np.median(np.abs(scores - middle)))
    if deviation <= ULPS * float(np.spacing(np.float32(np.abs(scores).max()))):
        raise _Unfit("has no spread to go by: but for rounding, half of the scores or more are equal")
    return middle + _sigmas(per_1000) * 1.4826 * deviation


def _pot(scores: Scores, per_1000: float) -> float:
    start, excesses = _peaks(scores, per_1000)
    return start + _excess_at(excesses, len(scores), per_1000)


def _spot(scores: Scores, per_1000: float) -> float:
    return Spot(risk_of(per_1000), 1, tail_of(scores, per_1000)).level()


Method = Callable[[Scores, float], float]
METHODS: dict[str, Method] = {"quantile": _quantile, "mean_sigma": _mean_sigma, "mad": _mad, "pot": _pot, "spot": _spot}
"""(Held-back scores in order of time, wanted rate per 1000) -> level. When to use which:

- ``quantile``: when in doubt. Assumes nothing, and stays at the end of what was measured.
- ``mean_sigma``: mean + k sigma. For bell-shaped scores; on skewed ones many times as many alarms as wanted.
- ``mad``: median + k * 1.4826 * MAD. The same, where some anomalies may hide among the scores.
- ``pot``: for a rate too low for so many scores (500 or more), whatever their tail: a generalised Pareto tail through
  the peaks above their 98 % quantile.
- ``spot``: as ``pot`` at first, and the detector goes on learning from the scores it sees, alarms left out. For rates
  below 10 per 1000 where the scale of normal scores drifts. A tail with an end is taken to end later than it does
  (shape -0.25 at least), which gives fewer alarms than wanted. After Siffer, Fouque, Termier, Largouet, "Anomaly
  Detection in Streams with Extreme Value Theory", KDD 2017; csrc/tsad_statistics.c says what differs.

k = Phi^-1(1 - rate / 1000)."""


def _sigmas(per_1000: float) -> float:
    return -NormalDist().inv_cdf(max(per_1000, LOWEST) / 1000)


def _peaks(scores: Scores, per_1000: float) -> tuple[float, Scores]:
    """The 98 % quantile, and by how much each score above it exceeds it, ascending."""
    ascending = np.sort(scores)
    start = float(ascending[-1 - len(scores) // 50])
    excesses = ascending[ascending > start] - start
    if len(excesses) < PEAKS:
        raise _Unfit(f"needs {PEAKS} peaks, and of {len(scores)} scores {len(excesses)} lie above their 98 % quantile")
    if len(scores) * per_1000 / 1000 >= len(excesses):
        raise _Unfit(f"is for the tail: {per_1000:g} per 1000 are no fewer than lie above the 98 % quantile")
    return start, excesses


def _excess_at(excesses: Scores, seen: int, per_1000: float) -> float:
    """What the tail exceeds at the wanted rate, `seen` scores having given these excesses."""
    shape, scale = fit_pareto(excesses)
    share = min(1.0, seen * max(per_1000, LOWEST) / 1000 / len(excesses))
    return -scale * math.log(share) if shape == 0 else scale * math.expm1(-shape * math.log(share)) / shape


def _half_a_gap_beyond(down: Scores) -> float:
    """The end of what was measured."""
    return float((down[0] + (down[0] - down[min(1, len(down) - 1)]) + down[0]) / 2)


def _clear_of_rounding(scores: Scores, level: float, tolerance: float, middle: bool) -> tuple[float, bool]:
    """The level moved as `choose` says, and whether it had to be put beyond scores that tie."""
    down = np.sort(scores)[::-1]
    wide = down[:-1] - down[1:] > 2 * tolerance
    gaps = np.flatnonzero(wide[: np.count_nonzero(down > level)])
    if len(gaps):
        upper, lower = float(down[gaps[-1]]), float(down[gaps[-1] + 1])
        away = min(4 * tolerance, (upper - lower) / 2)
        return (upper + lower) / 2 if middle else min(max(level, lower + away), upper - away), False
    beyond = float(down[0]) + 4 * tolerance
    if wide[:1].any():
        return max(level, min(beyond, _half_a_gap_beyond(down))), False
    return max(level, beyond), level <= beyond


def _in_range(rate: float, wanted: str | float, knob: str = "train.false_alarms") -> float:
    if not 0 <= rate < 1000:
        raise ValueError(f"{knob} is {wanted!r}: {rate:g} per 1000 samples; it must be >= 0 and < 1000")
    return rate


def _in_float32(size: float) -> float:
    if not abs(size) < 2.0**126:  # the threshold could be infinite: a detector that never raises an alarm
        raise ValueError(f"held-back scores, their terms or their tail reach {size:g}; float32 cannot hold a threshold")
    return size
