"""What detector.json says beside the threshold: choices from params.yaml, limits learned from normal samples.

The rules themselves are csrc/tsad.h's; `twin` has them in Python, `codegen.config` writes these sections as C.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .params import Baseline, Events, Guard
from .spot import LEAST_PEAKS, PEAKS, SHARE, Tail

WORDS = {
    "not_finite": ("refuse", "hold", "reset"),
    "out_of_range": ("ignore", "mark", "hold", "reset"),
    "stuck": ("ignore", "mark", "reset"),
    "jump": ("ignore", "mark", "hold", "reset"),
    "gap": ("ignore", "mark", "reset"),
    "step_back": ("refuse", "reset"),
}
"""What each kind of doubt may be answered with; the first word is off."""
MARGIN = 0.1
"""Of what training saw, to either side: how far a value may be out of range."""
TIMES = 2
"""Twice the largest change of training is a jump, and twice its longest run of equal values is stuck,"""
LEAST_STUCK = 10
"""but no shorter run than this: coarse readings repeat."""


def guard_rules(chosen: Guard, values: NDArray[np.float32], t: NDArray[np.int64], timed: bool, window: int) -> Any:
    """The section `guard`.

    Parameters
    ----------
    chosen : params.Guard
    values, t : ndarray (T, C), (T,)
        Normal samples, finite, and their times.
    timed : bool
        Whether `t` are times; an index has no gaps, so `gap` is then off.
    window : int
        W, the gap that is allowed where nothing else is said, in samples.

    Raises
    ------
    ValueError
        A policy is none for its kind, or a count is negative.

    Examples
    --------
    >>> wave = np.array([[0.0], [1.0], [1.0], [0.5]], np.float32)
    >>> told = guard_rules(Guard(), wave, np.arange(4) * 100, timed=True, window=3)
    >>> told["gap"], told["gap_most"], told["jump_most"], told["stuck_from"], round(told["high"][0], 3)
    ('reset', 300, [2.0], [10], 1.1)
    """
    policies = {kind: getattr(chosen, kind) for kind in WORDS}
    for kind, word in policies.items():
        if word not in WORDS[kind]:
            raise ValueError(f"train.guard.{kind} is {word!r}; it must be one of {', '.join(WORDS[kind])}")
    allowed = window if chosen.gap_samples is None else chosen.gap_samples
    if allowed < 0 or not 0 <= chosen.hold_samples < 2**16:
        raise ValueError(
            f"train.guard.gap_samples is {chosen.gap_samples} and hold_samples {chosen.hold_samples}; they must not be "
            f"negative, nor hold_samples more than {2**16 - 1}"
        )
    if not timed or len(t) < 2:
        policies["gap"] = "ignore"
    low, high = values.min(axis=0).astype(np.float64), values.max(axis=0).astype(np.float64)
    changes = np.abs(np.diff(values.astype(np.float64), axis=0)).max(axis=0, initial=0)
    longest = np.array([_longest_run(channel) for channel in values.T])
    limits = {
        "low": low - MARGIN * (high - low),
        "high": high + MARGIN * (high - low),
        "jump_most": TIMES * changes,
        # A channel that never changed in training may be stuck for ever.
        "stuck_from": np.where(longest == len(values), 0, np.maximum(TIMES * longest, LEAST_STUCK)),
    }
    wanted = {"out_of_range": ("low", "high"), "jump": ("jump_most",), "stuck": ("stuck_from",)}
    told = {
        name: _numbers(limits[name]) for kind, names in wanted.items() for name in names if policies[kind] != "ignore"
    }
    step = int(np.median(np.diff(t))) if policies["gap"] != "ignore" else 0
    return {**policies, "hold_most": chosen.hold_samples, "gap_most": allowed * step, **told}


def event_rules(chosen: Events) -> Any:
    """The section `events`.

    Raises
    ------
    ValueError
        A number is negative or too large.

    Examples
    --------
    >>> event_rules(Events(smoothing=3, min_on=2))
    {'smoothing': 0.5, 'hysteresis': 0.0, 'min_on': 2, 'refractory': 0, 'records': 8}
    """
    counts = {"min_on": chosen.min_on, "refractory": chosen.refractory, "records": chosen.records}
    for name, value in {"smoothing": chosen.smoothing, **counts}.items():
        if not 0 <= value < 2**31:
            raise ValueError(f"train.events.{name} is {value}; it must be 0 or more samples")
    if not 0 <= chosen.hysteresis <= 1:
        raise ValueError(f"train.events.hysteresis is {chosen.hysteresis}; it must be from 0 to 1")
    share = 2 / (chosen.smoothing + 1) if chosen.smoothing > 0 else 0.0
    return {"smoothing": float(np.float32(share)), "hysteresis": float(np.float32(chosen.hysteresis)), **counts}


def spot_rules(tail: Tail, risk: float, window: int) -> Any:
    """The section `spot`: a threshold that goes on learning, from one score in a window, as those between tell little.

    Examples
    --------
    >>> spot_rules(Tail(start=2.0, shape=0.0, excess=0.5, gap=50), 0.001, window=20)
    {'every': 20, 'risk': 0.001, 'start': 2.0, 'shape': 0.0, 'excess': 0.5, 'gap': 50}
    """
    return {"every": window, "risk": risk, **asdict(tail)}


def baseline_rules(chosen: Baseline, threshold: float, risk: float) -> Any:
    """The section `baseline`, empty where it is off; `risk` is the wanted share of normal scores above the threshold.

    Raises
    ------
    ValueError
        A number is out of its range.

    Examples
    --------
    >>> baseline_rules(Baseline(samples=1000), 2.0, 0.001)["most"]
    4.0
    """
    if chosen.samples == 0:
        return {}
    most = SHARE * (PEAKS + 1) - 1
    if not SHARE * LEAST_PEAKS <= chosen.samples <= most:
        raise ValueError(
            f"train.baseline.samples is {chosen.samples}; it must be 0, or {SHARE * LEAST_PEAKS} to {most}"
        )
    for name in ("shift", "stretch", "threshold"):
        least, value = float(name != "shift"), getattr(chosen, name)
        if not least <= value < 1e6 or value == 0:
            raise ValueError(f"train.baseline.{name} is {value}; it must be {'from 1' if least else 'above 0'}")
    if not risk < 0.5 / SHARE:
        raise ValueError(f"train.baseline: {risk:g} false alarms a sample are no tail; with fewer than 0.01 it has one")
    size, factor = abs(threshold), chosen.threshold
    limits = (threshold - (1 - 1 / factor) * size, threshold + (factor - 1) * size)
    floats = {"risk": risk, "shift": chosen.shift, "stretch": chosen.stretch, "least": limits[0], "most": limits[1]}
    return {"samples": chosen.samples, **{name: float(np.float32(value)) for name, value in floats.items()}}


def _longest_run(values: NDArray[np.float32]) -> int:
    """The most equal values in a row."""
    changes = np.flatnonzero(values[1:] != values[:-1])
    return int(np.diff(np.concatenate([[-1], changes, [len(values) - 1]])).max())


def _numbers(values: NDArray[Any]) -> list[float] | list[int]:
    """As JSON has them: the shortest that read back as the float32 that they are in C."""
    if values.dtype.kind == "i":
        return values.tolist()
    limit = float(np.finfo(np.float32).max)
    return [float(str(value)) for value in np.clip(values, -limit, limit).astype(np.float32)]
