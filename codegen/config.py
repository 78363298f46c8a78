"""What detector.json says beside the threshold, as C: the fields of tsad_config, their arrays, the memory they take.

Knows the shape of tsad_config and how policies are called; what they do is csrc/tsad.h's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import ctext

POLICIES = {
    "ignore": "TSAD_OFF",
    "refuse": "TSAD_OFF",
    "mark": "TSAD_MARK",
    "hold": "TSAD_HOLD",
    "reset": "TSAD_RESET",
}
KINDS = {
    "not_finite": (),
    "out_of_range": ("low", "high"),
    "stuck": ("stuck_from",),
    "jump": ("jump_most",),
    "gap": (),
    "step_back": (),
}
"""Kinds of doubt of the guard -> the arrays (C,) that they want where they are on."""
EVENT_BYTES, PEAKS_BYTES, LEARNING_BYTES = 40, 400, 320
"""TSAD_ROUND_UP of sizeof(tsad_event), (tsad_peaks), (tsad_learning), on every target."""


BASELINE = ("samples", "risk", "unit", "shift", "stretch", "least", "most")


@dataclass(frozen=True)
class Config:
    """Pieces of a generated file."""

    arrays: str
    """Constants that the fields point to."""
    fields: str
    """Of the initialiser of tsad_config, behind its threshold."""
    sizes: tuple[str, ...]
    """What <NAME>_MEMORY is the sum of, besides TSAD_MEMORY_SIZE."""
    size: int
    """The same in bytes."""
    constants: int
    """Bytes of flash that the arrays take."""


def config(rules: Mapping[str, Mapping[str, Any]], channels: int, unit: float = 1.0) -> Config:
    """Sections `guard`, `events`, `spot` and `baseline` of detector.json as C; what is left out is off.

    `unit` is 1 in what `enter` gives, whose integers may stand for less.

    Raises
    ------
    ValueError
        An unknown policy, or an array that is missing or not of the channels.

    Examples
    --------
    >>> made = config({"guard": {"gap": "reset", "gap_most": 5}, "events": {"records": 2}}, channels=3)
    >>> print(made.fields, *made.sizes)
        .guard = {
            .gap = TSAD_RESET,
            .gap_most = 5u,
        },
        .events = {
            .records = 2u,
        },
     TSAD_EVENTS_SIZE(2)
    """
    guard, events = rules.get("guard", {}), rules.get("events", {})
    arrays, numbers = _guard_arrays(guard, channels), _numbers(guard, "hold_most", "gap_most")
    policies = [f".{kind} = {word}" for kind in KINDS if (word := _policy(guard, kind)) != "TSAD_OFF"]
    shares = [f".{name} = {ctext.literal(events[name])}" for name in ("smoothing", "hysteresis") if events.get(name)]
    counts = _numbers(events, "min_on", "refractory", "records")
    pointers = [f".{name} = guard_{name}" for name in arrays]
    past = any(_policy(guard, kind) != "TSAD_OFF" for kind in ("stuck", "jump")) or "TSAD_HOLD" in "".join(policies)
    records = events.get("records", 0)
    spot, baseline = rules.get("spot", {}), rules.get("baseline", {})
    sizes = (
        (f"TSAD_GUARD_SIZE({channels})", (12 * channels + 7) // 8 * 8, past),
        (f"TSAD_EVENTS_SIZE({records})", EVENT_BYTES * records, records > 0),
        ("TSAD_SPOT_SIZE", PEAKS_BYTES, bool(spot)),
        (f"TSAD_BASELINE_SIZE({channels})", LEARNING_BYTES + 16 * channels, bool(baseline)),
    )
    return Config(
        arrays="".join(f"{text}\n" for text in arrays.values()),
        fields=_nested("guard", [*policies, *numbers, *pointers])
        + _nested("events", [*shares, *counts])
        + _nested("spot", _spot(spot))
        + _nested("baseline", _all({**baseline, "unit": unit} if baseline else {}, *BASELINE)),
        sizes=tuple(name for name, _, on in sizes if on),
        size=sum(size for _, size, on in sizes if on),
        constants=4 * channels * len(arrays),
    )


def _policy(guard: Mapping[str, Any], kind: str) -> str:
    word = guard.get(kind, "ignore")
    if word not in POLICIES:
        raise ValueError(f"guard.{kind} is {word!r}; it must be one of {', '.join(POLICIES)}")
    return POLICIES[word]


def _guard_arrays(guard: Mapping[str, Any], channels: int) -> dict[str, str]:
    """Field -> a static constant array, for each kind that is on."""
    found = {}
    for kind, names in KINDS.items():
        for name in names if _policy(guard, kind) != "TSAD_OFF" else ():
            values = np.asarray(guard.get(name, ()))
            if values.shape != (channels,):
                raise ValueError(f"guard.{name} has {values.size} values for {channels} channels")
            kept, dtype = (values.astype(np.uint32), "u32") if name == "stuck_from" else (values.astype("f4"), "f32")
            found[name] = "static " + ctext.array(f"guard_{name}", kept, dtype)
    return found


def _numbers(section: Mapping[str, Any], *names: str) -> list[str]:
    """Whole numbers that are not 0."""
    return [f".{name} = {section[name]}u" for name in names if section.get(name)]


def _all(section: Mapping[str, Any], *names: str) -> list[str]:
    """Whole numbers and floats of a section that is on; nothing may be missing."""
    values = [(name, section[name]) for name in names] if section else []
    return [f".{name} = {f'{value}u' if isinstance(value, int) else ctext.literal(value)}" for name, value in values]


def _spot(section: Mapping[str, Any]) -> list[str]:
    tail = ", ".join(_all(section, "start", "shape", "excess", "gap"))
    return [*_all(section, "every", "risk"), f".tail = {{{tail}}}"] if section else []


def _nested(name: str, fields: list[str]) -> str:
    """The initialiser of a struct within another one, or nothing."""
    lines = "".join(f"        {field},\n" for field in fields)
    return f"    .{name} = {{\n{lines}    }},\n" if fields else ""
