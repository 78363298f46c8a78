"""The detector's rules once more, in plain Python: guard, smoothing, events. What C says is held against this.

Slow and obvious; float32 where C has float, one rounding an operation, so that the bits are the same. The rules are
stated in csrc/tsad.h, the parameters are the sections `guard` and `events` of detector.json; what is left out is off.
Knows no model: `Guarded.score` takes what scores an unbroken run of samples.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

EVENT = np.dtype([("id", "i8"), ("start", "i8"), ("end", "i8"), ("peak", "f4"), ("peak_t", "i8"), ("top", "i4")])
"""An event as tsad.h has it: `start`, `end`, `peak_t` are times; `top` is the channel with the largest share, or -1."""

NOT_FINITE, OUT_OF_RANGE, STUCK, JUMP, GAP, STEP_BACK, HELD = (1 << bit for bit in range(7))
"""enum tsad_quality"""
KINDS = {
    "not_finite": NOT_FINITE,
    "out_of_range": OUT_OF_RANGE,
    "stuck": STUCK,
    "jump": JUMP,
    "gap": GAP,
    "step_back": STEP_BACK,
}
"""Why a sample may not be believed, as detector.json names it."""
ERR_INPUT, ERR_TIME = -5, -6
"""enum tsad_status"""


class Guarded(NamedTuple):
    """What becomes of T samples before any model sees them; n of them are taken."""

    taken: NDArray[np.intp]  # (n,) which
    samples: NDArray[np.float32]  # (n, C) as they go into the window: held values are the last ones
    quality: NDArray[np.uint8]  # (T,) sum of what was found
    resets: NDArray[np.bool_]  # (T,) the window was emptied before this sample
    refused: NDArray[np.int8]  # (T,) 0, or the error that tsad_step gives

    def runs(self) -> list[slice]:
        """Unbroken runs of the taken samples, each the content of windows that were never emptied."""
        broken = np.cumsum(self.resets)[self.taken]
        edges = [0, *(np.flatnonzero(np.diff(broken)) + 1).tolist(), len(self.taken)]
        return [slice(*pair) for pair in itertools.pairwise(edges)]

    def score(self, scorer: Callable[[NDArray[np.float32]], NDArray[Any]]) -> NDArray[np.float64]:
        """Scores (T,), NaN where there is none, by what scores a run of samples (m, C) as (m,)."""
        scores = np.full(len(self.quality), np.nan)
        for run in self.runs():
            scores[self.taken[run]] = scorer(self.samples[run])
        return scores

    def window_quality(self, window: int) -> NDArray[np.uint8]:
        """What was found in the last W samples taken (T,), this one included; 0 where a sample is left out."""
        found = np.zeros(len(self.quality), np.uint8)
        for run in self.runs():
            recent: deque[int] = deque(maxlen=window)
            for i in self.taken[run]:
                recent.append(int(self.quality[i]))
                found[i] = np.bitwise_or.reduce(recent)
        return found


def guard(values: NDArray[np.float32], t: NDArray[np.int64], rules: Mapping[str, Any]) -> Guarded:
    """Look at samples (T, C) at times (T,), as the guard of tsad.h does.

    Parameters
    ----------
    values, t
        Raw samples, float32, and their times.
    rules : mapping
        The section `guard` of detector.json: a policy for each of `KINDS`, and what it wants to know: ``low``,
        ``high``, ``jump_most``, ``stuck_from`` (C,), ``gap_most``, ``hold_most``.

    Examples
    --------
    >>> rules = {"jump": "hold", "jump_most": [1.0], "hold_most": 1}
    >>> seen = guard(np.array([[0], [5], [1], [9], [9]], np.float32), np.arange(5), rules)
    >>> seen.samples.ravel().tolist(), seen.quality.tolist()
    ([0.0, 0.0, 1.0, 1.0, 9.0], [0, 72, 0, 72, 8])
    """
    watch = Watch(rules, values.shape[1])
    looks = [watch.look(x, now) for x, now in zip(values, t.tolist(), strict=True)]
    taken = np.flatnonzero([look.taken is not None for look in looks])
    samples = np.array([looks[i].taken for i in taken], np.float32).reshape(-1, values.shape[1])
    quality = np.array([look.quality for look in looks], np.uint8)
    resets = np.array([look.reset for look in looks], np.bool_)
    refused = np.array([look.refused for look in looks], np.int8)
    return Guarded(taken, samples, quality, resets, refused)


class Look(NamedTuple):
    """What becomes of one sample."""

    quality: int
    reset: bool
    refused: int
    taken: NDArray[np.float32] | None  # (C,) as it goes into the window; None: it is left out


class Watch:
    """The guard from sample to sample: its rules, and what it remembers; `bulk` goes on from there."""

    def __init__(self, rules: Mapping[str, Any], channels: int) -> None:
        self.limits = _Limits(rules, channels)
        self.before: int | None = None
        """Time of the last sample that was not refused."""
        self.past: Past | None = None
        self.none, self.never = np.zeros(channels, bool), np.zeros(channels, np.int64)

    def look(self, x: NDArray[np.float32], now: int) -> Look:
        """One sample (C,) at its time."""
        limits, moved = self.limits, 0 if self.before is None else now - self.before
        found = STEP_BACK if moved < 0 else GAP if moved > limits.gap_most and limits.looks & GAP else 0
        if self.before is not None and (moved == 0 or (moved < 0 and not limits.looks & STEP_BACK)):
            return Look(0, False, ERR_TIME, None)
        reset, left_out, hold = found & limits.resets != 0, False, self.none
        known = None if reset else self.past

        doubts = limits.doubts(x, known)
        if doubts.any():
            found |= int(np.bitwise_or.reduce(doubts))
            if found & NOT_FINITE and not limits.looks & NOT_FINITE:
                return Look(0, False, ERR_INPUT, None)
            to_hold = doubts & limits.holds != 0
            hold = to_hold & (known.held < limits.hold_most) if known else self.none
            resetting = doubts & limits.resets | np.where(to_hold & ~hold, doubts & limits.holds, 0)
            left_out = bool((resetting & (NOT_FINITE | OUT_OF_RANGE)).any())
            reset |= bool(resetting.any())
            if hold.any() and reset:  # with the window goes what one channel would have repeated
                left_out = True
            elif hold.any():
                found |= HELD
        self.before, past = now, None if reset else self.past
        self.past = past
        if left_out:
            return Look(found, reset, 0, None)

        if past is None:
            self.past = Past(x, self.never + 1, self.never)
        elif hold is self.none:
            self.past = Past(x, np.where(x == past.last, past.same + 1, 1), self.never)
        else:
            same = np.where(x == past.last, past.same + 1, 1)
            self.past = Past(
                np.where(hold, past.last, x), np.where(hold, past.same, same), np.where(hold, past.held + 1, 0)
            )
        return Look(found, reset, 0, self.past.last)


class Past(NamedTuple):
    """What a window that is not empty knows of each channel (C,): the value taken last, how often, how long held."""

    last: NDArray[np.float32]
    same: NDArray[np.int64]
    held: NDArray[np.int64]


class _Limits:
    """The rules as arrays (C,) and sums of bits."""

    def __init__(self, rules: Mapping[str, Any], channels: int) -> None:
        def kinds(*policies: str) -> int:
            return sum(bit for kind, bit in KINDS.items() if rules.get(kind) in policies)

        def numbers(name: str, kind: type) -> NDArray[Any]:
            return np.broadcast_to(np.asarray(rules.get(name, 0), kind), channels)

        self.looks, self.holds, self.resets = kinds("mark", "hold", "reset"), kinds("hold"), kinds("reset")
        self.low, self.high = numbers("low", np.float32), numbers("high", np.float32)
        self.jump_most, self.stuck_from = numbers("jump_most", np.float32), numbers("stuck_from", np.int64)
        self.hold_most, self.gap_most = rules.get("hold_most", 0), rules.get("gap_most", 0)

    def doubts(self, x: NDArray[np.float32], past: Past | None) -> NDArray[np.int64]:
        """What is wrong with each value of a sample, all (C,)."""
        finite = np.isfinite(x)
        found = NOT_FINITE * ~finite
        if self.looks & OUT_OF_RANGE:
            found = found | OUT_OF_RANGE * (finite & ((x < self.low) | (x > self.high)))
        if self.looks & STUCK and past is not None:
            again = past.same + 1 >= self.stuck_from
            found = found | STUCK * (finite & (x == past.last) & again & (self.stuck_from > 0))
        if self.looks & JUMP and past is not None:
            with np.errstate(invalid="ignore", over="ignore"):
                found = found | JUMP * (finite & (np.abs(x - past.last) > self.jump_most))
        return found


def smooth(scores: NDArray[Any], resets: NDArray[np.bool_], share: float) -> NDArray[Any]:
    """A model's scores (T,) as the detector tells them: ``s += share * (score - s)``, anew after a reset.

    In the precision of the scores; NaN is a sample without a score, and an infinite score begins anew, too.

    Examples
    --------
    >>> smooth(np.array([8, 0, np.nan, 0], np.float32), np.zeros(4, bool), 0.5)
    array([ 8.,  4., nan,  2.], dtype=float32)
    """
    if share == 0:
        return scores
    told, a, s = scores.copy(), scores.dtype.type(np.float32(share)), None
    with np.errstate(over="ignore"):
        for i, (x, reset) in enumerate(zip(scores, resets.tolist(), strict=True)):
            if reset:
                s = None
            if np.isnan(x):
                continue
            told[i] = x if s is None else s + a * (x - s)
            s = told[i] if np.isfinite(told[i]) else None
    return told


class Decided(NamedTuple):
    """What becomes of T scores."""

    alarms: NDArray[np.bool_]  # (T,)
    events: NDArray[Any]  # (n,) of EVENT; one that goes on at the end is ended there


def decide(
    t: NDArray[Any],
    scores: NDArray[Any],
    threshold: float | NDArray[Any],
    rules: Mapping[str, Any] | None = None,
    resets: NDArray[np.bool_] | None = None,
    top: NDArray[Any] | None = None,
) -> Decided:
    """Alarms and events of a scored series.

    Parameters
    ----------
    t : ndarray (T,) of integers
        Times.
    scores : ndarray (T,)
        Smoothed, NaN where there is none; float32 scores are compared in float32, as C does.
    threshold : float or ndarray (T,)
        For all scores, or for each: see `spot.held_against`.
    rules : mapping, optional
        The section `events` of detector.json; by default an event is a run of samples with score > threshold.
    resets : ndarray (T,) bool, optional
        Where the window was emptied: that ends an event.
    top : ndarray (T,) of integers, optional
        Channel with the largest share of each score.

    Raises
    ------
    ValueError
        Lengths differ.

    Examples
    --------
    >>> found = decide(np.arange(5), np.array([0, 2, np.nan, 3, 0], np.float32), threshold=1.0)
    >>> found.events[["id", "start", "end", "peak_t"]].tolist()
    [(1, 1, 3, 3)]
    >>> decide(np.arange(5), np.array([0, 2, 1, 3, 0], np.float32), 1.0, {"min_on": 2}).events.tolist()
    []
    """
    rules = rules or {}
    t, scores = np.asarray(t), np.asarray(scores)
    resets = np.zeros(len(scores), bool) if resets is None else resets
    top = np.full(len(scores), -1) if top is None else np.asarray(top)
    shapes = [each.shape for each in (t, scores, resets, top)]
    if any(shape != scores.reshape(-1).shape for shape in shapes):
        raise ValueError(f"t, scores, resets and top have shapes {shapes}; all must be (T,)")
    on = np.broadcast_to(np.asarray(threshold, scores.dtype), scores.shape)
    share = scores.dtype.type(np.float32(rules.get("hysteresis", 0)))
    with np.errstate(invalid="ignore"):  # a threshold without end
        off = on if share == 0 else on - share * np.abs(on)
    alarms, found = np.zeros(len(scores), bool), []
    run: list[Any] | None = None  # id, start, end, peak, peak_t, top; an event once it is long enough
    length = quiet = ended = 0
    for i, (now, score, reset) in enumerate(zip(t.tolist(), scores, resets.tolist(), strict=True)):
        was_event = run is not None and length >= rules.get("min_on", 0)
        if run is not None and (reset or not (score > off[i] or np.isnan(score))):
            if was_event:
                found.append((ended := ended + 1, *run))
                quiet = rules.get("refractory", 0)
            run = None
            if not reset or was_event:
                continue
        if np.isnan(score):
            continue
        if run is None and quiet > 0:
            quiet -= 1
        elif run is None and score > on[i]:
            run, length = [now, now, score, now, top[i]], 1
        elif run is not None:
            run[1], length = now, length + 1
            if score > run[2]:
                run[2:] = [score, now, top[i]]
        alarms[i] = run is not None and length >= rules.get("min_on", 0)
    if run is not None and length >= rules.get("min_on", 0):
        found.append((ended + 1, *run))
    return Decided(alarms, np.array(found, EVENT))
