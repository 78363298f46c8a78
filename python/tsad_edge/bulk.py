"""The guard and the decisions of a whole series at one go: what `twin` says, without a step in Python for each sample.

Owns only how to get there faster. Samples that the guard does not merely mark are the twin's own steps, and of
decisions there is one step for each run of samples over the threshold. Smoothing rounds from score to score: it has no
other form than the twin's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .twin import EVENT, GAP, JUMP, NOT_FINITE, OUT_OF_RANGE, STUCK, Decided, Guarded, Past, Watch

LEAST, MOST = 32, 65536
"""Samples that are looked at together: few after a troubled one, twice as many each time that none was."""


def guard(values: NDArray[np.float32], t: NDArray[np.int64], rules: Mapping[str, Any]) -> Guarded:
    """As `twin.guard`.

    Examples
    --------
    >>> rules = {"jump": "hold", "jump_most": [1.0], "hold_most": 1}
    >>> guard(np.array([[0], [5], [1], [9], [9]], np.float32), np.arange(5), rules).quality.tolist()
    [0, 72, 0, 72, 8]
    """
    watch, count = Watch(rules, values.shape[1]), len(values)
    quality, resets, refused = np.zeros(count, np.uint8), np.zeros(count, np.bool_), np.zeros(count, np.int8)
    taken, samples = np.ones(count, np.bool_), values.astype(np.float32)
    at, block = 0, LEAST
    while at < count:
        if at > 0 and _follows(watch, values[at - 1], int(t[at - 1])):
            found = _calm(watch, values[at - 1 : at + block], t[at - 1 : at + block])
            quality[at : at + len(found)] = found
            at, block = at + len(found), min(2 * block, MOST) if len(found) == block else LEAST
        if at < count:
            look = watch.look(values[at], int(t[at]))
            quality[at], resets[at], refused[at] = look[:3]
            if look.taken is None:
                taken[at] = False
            else:
                samples[at] = look.taken
            at += 1
    return Guarded(np.flatnonzero(taken), samples[taken], quality, resets, refused)


def _follows(watch: Watch, x: NDArray[np.float32], now: int) -> bool:
    """Whether all that the guard remembers is this sample (C,), taken as it was."""
    past = watch.past
    return past is not None and watch.before == now and not past.held.any() and bool((past.last == x).all())


def _calm(watch: Watch, values: NDArray[np.float32], t: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Qualities of the samples that follow the first one of (n + 1, C), up to one that is not taken as it is.

    `watch` then is where it would be after so many steps.
    """
    limits, past = watch.limits, watch.past
    assert past is not None  # `_follows` has seen it
    last, x, moved = values[:-1], values[1:], np.diff(t)
    again, number = x == last, np.arange(1, len(values))[:, np.newaxis]
    begun = np.maximum.accumulate(np.where(again, 0, number), axis=0)  # the sample that a run of equal values began at
    same = np.where(begun == 0, past.same + number, number - begun + 1)
    finite = np.isfinite(x)
    doubts = NOT_FINITE * ~finite
    if limits.looks & OUT_OF_RANGE:
        doubts |= OUT_OF_RANGE * (finite & ((x < limits.low) | (x > limits.high)))
    if limits.looks & STUCK:
        doubts |= STUCK * (finite & again & (same >= limits.stuck_from) & (limits.stuck_from > 0))
    if limits.looks & JUMP:
        with np.errstate(invalid="ignore", over="ignore"):
            doubts |= JUMP * (finite & (np.abs(x - last) > limits.jump_most))
    found = np.bitwise_or.reduce(doubts, axis=1)
    if limits.looks & GAP:
        found |= GAP * (moved > limits.gap_most)
    troubled = (found & (NOT_FINITE | limits.holds | limits.resets) != 0) | (moved <= 0)
    calm = int(np.argmax(troubled)) if troubled.any() else len(x)
    if calm > 0:
        watch.before, watch.past = int(t[calm]), Past(x[calm - 1], same[calm - 1], watch.never)
    return found[:calm].astype(np.uint8)


def decide(
    t: NDArray[Any],
    scores: NDArray[Any],
    threshold: float | NDArray[Any],
    rules: Mapping[str, Any] | None = None,
    resets: NDArray[np.bool_] | None = None,
) -> Decided:
    """As `twin.decide`, which knows the channel with the largest share, too.

    Examples
    --------
    >>> found = decide(np.arange(5), np.array([0, 2, np.nan, 3, 0], np.float32), threshold=1.0)
    >>> found.events[["id", "start", "end", "peak_t"]].tolist()
    [(1, 1, 3, 3)]
    """
    t, scores, rules = np.asarray(t), np.asarray(scores), rules or {}
    least, refractory = max(rules.get("min_on", 0), 1), rules.get("refractory", 0)
    on = np.broadcast_to(np.asarray(threshold, scores.dtype), scores.shape)
    share = scores.dtype.type(np.float32(rules.get("hysteresis", 0)))
    there = np.flatnonzero(~np.isnan(scores))
    with np.errstate(invalid="ignore"):  # a threshold without end
        off = on if share == 0 else on - share * np.abs(on)
        over, stays = scores > on, scores > off
    begins = np.flatnonzero(over)
    ends = ~stays & ~np.isnan(scores)
    if resets is not None:
        ends |= resets
    ends, count = np.flatnonzero(ends), len(scores)
    alarms, at = np.zeros(count, bool), 0
    found: list[tuple[Any, ...]] = []
    while (which := np.searchsorted(begins, at)) < len(begins):
        begin = begins[which]
        following = np.searchsorted(ends, begin, "right")
        end = ends[following] if following < len(ends) else count
        run = there[slice(*np.searchsorted(there, (begin, end)))]  # its samples with a score
        if len(run) < least:
            at = end  # a reset; what ended another run is not over the threshold
            continue
        alarms[run[least - 1 :]] = True
        peak = run[np.argmax(scores[run])]
        found.append((len(found) + 1, t[begin], t[run[-1]], scores[peak], t[peak], -1))
        at = end + 1
        if refractory:  # so many samples with a score begin no event
            after = np.searchsorted(there, at) + refractory
            at = there[after] if after < len(there) else count
    return Decided(alarms, np.array(found, EVENT))
