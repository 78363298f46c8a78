"""What a data set is made of: a series, its events, and the entity (one machine, one channel) that has two of them.

Owns the types every reader of this package returns; knows nothing of files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Time = Literal["index", "milliseconds"]

CONSTANT = 1e-6
"""A channel whose standard deviation is below this share of its magnitude is constant: float32 noise, no signal."""


@dataclass(frozen=True)
class Event:
    """An anomaly: samples ``start`` to ``end`` (exclusive) of a series, and its kind where that is known."""

    start: int
    end: int
    kind: str | None = None


@dataclass(frozen=True)
class Series:
    """Samples of one entity in order of time.

    `values` is (T, C) float32 in raw units, `t` (T,) int64: the sample index, or milliseconds (since 1970 where the
    source says dates). `sampling_period` is in seconds, None where unknown. `labels` is (T,) uint8, 1 is anomalous,
    None where nobody labelled it; NaN in `values` is a missing value.
    """

    entity: str
    channels: tuple[str, ...]
    values: NDArray[np.float32]
    t: NDArray[np.int64]
    time: Time = "index"
    sampling_period: float | None = None
    labels: NDArray[np.uint8] | None = None
    events: tuple[Event, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def constant_channels(self) -> tuple[str, ...]:
        """Names of the channels that never change."""
        moves = np.any(self.values != self.values[:1], axis=0)
        return tuple(name for name, moving in zip(self.channels, moves, strict=True) if not moving)


@dataclass(frozen=True)
class Entity:
    """Normal operation to learn from and a series to judge.

    Samples of `test` before `test_start` are no part of the test: some archives repeat the training data there.
    """

    train: Series
    test: Series
    test_start: int = 0
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The entity's name."""
        return self.train.entity


def spread(values: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean (C,) and standard deviation (C,) of samples (T, C); the deviation of a constant channel is given as 1.

    Examples
    --------
    >>> [numbers.tolist() for numbers in spread(np.array([[1, 7], [3, 7]], np.float32))]
    [[2.0, 7.0], [1.0, 1.0]]
    """
    exact = values.astype(np.float64)
    mean, deviation = exact.mean(axis=0), exact.std(axis=0)
    constant = deviation <= np.maximum(CONSTANT * np.abs(mean), 1e-30)  # whose reciprocal is still a float32
    return mean, np.where(constant, 1.0, deviation)


def events_of(labels: NDArray[np.uint8]) -> tuple[Event, ...]:
    """Runs of ones as events of unknown kind.

    Parameters
    ----------
    labels : (T,) array of 0 and 1

    Examples
    --------
    >>> events_of(np.array([0, 1, 1, 0, 1], np.uint8))
    (Event(start=1, end=3, kind=None), Event(start=4, end=5, kind=None))
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([0], labels.astype(np.int8), [0]))))
    return tuple(Event(int(a), int(b)) for a, b in edges.reshape(-1, 2))
