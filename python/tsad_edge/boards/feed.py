"""A series through a firmware, sample by sample, and what it says of it.

Owns the conversation over a whole series. What a line is made of is `lines`' business.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..twin import EVENT, NOT_FINITE
from .lines import Emulator
from .protocol import Line, Session
from .table import Board

OK, WARMING_UP, ERR_INPUT = 0, 1, -5
"""enum tsad_status"""


class Told(NamedTuple):
    """What a firmware says of T samples, as `check.run_edge` says what the edge binary does, and its stack."""

    scores: NDArray[np.float32]  # (T,), NaN where there is none
    alarms: NDArray[np.bool_]  # (T,)
    events: NDArray[Any]  # (n,) of twin.EVENT
    quality: NDArray[np.uint8]  # (T,)
    stack_used: int  # bytes


def feed(line: Line, identity: str, t: NDArray[np.int64], values: NDArray[np.float32]) -> Told:
    """Let a firmware judge a series.

    Parameters
    ----------
    line : Line
    identity : str
        Id of the model that must be in it.
    t, values : ndarray (T,), (T, C)
        Times, strictly increasing; raw samples, NaN where a value is missing.

    Raises
    ------
    ValueError
        Another model is in the firmware.
    RuntimeError
        It does not answer, or its detector does not start.
    """
    session = Session(line, secrets.randbits(32))
    model = session.model
    if model.id != identity:
        raise ValueError(
            f"the firmware holds the model {model.name} ({model.id[:12]}...), not the one asked for "
            f"({identity[:12]}...): flash its own firmware, or name that model's folder with --model"
        )
    if model.status != OK:
        raise RuntimeError(f"the firmware's detector does not start: tsad_init says {model.status} (see csrc/tsad.h)")
    if model.channels != values.shape[1]:
        raise ValueError(f"the firmware's model has {model.channels} channels, the samples have {values.shape[1]}")
    scores, alarms = np.full(len(t), np.nan, np.float32), np.zeros(len(t), bool)
    quality = np.zeros(len(t), np.uint8)
    records = []
    for i in range(len(t)):
        step = session.sample(int(t[i]), values[i])
        if step.status == OK:
            scores[i], alarms[i] = step.score, step.alarm
        elif step.status not in (WARMING_UP, ERR_INPUT):
            raise RuntimeError(f"the firmware says status {step.status} of the sample at t = {t[i]} (see csrc/tsad.h)")
        quality[i] = NOT_FINITE if step.status == ERR_INPUT else step.quality
        if step.event is not None:
            records.append(step.event)
    last = session.finish()
    events = np.array([*records, *([last] if last else [])], dtype=EVENT)
    return Told(scores, alarms, events, quality, session.stack_used())


def judged_on(board: Board, firmware: Path, identity: str, t: NDArray[np.int64], values: NDArray[np.float32]) -> Told:
    """A series, t (T,) and values (T, C), through a firmware in QEMU."""
    with Emulator(board, firmware) as line:
        return feed(line, identity, t, values)
