"""One detector behind the service: its model library, what detector.json says of it, and its latest scores.

All that is loaded is loaded here, before the first request: a library is code, so only whoever starts the service
says which ones; a request names one of them and nothing else. Knows nothing of HTTP.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..detector import Run
from .recent import Recent

PIECE = 256
"""Samples between two looks at the clock."""
LARGEST = np.finfo(np.float32).max


class FalseAlarms(msgspec.Struct):
    """Of detector.json: how many were wanted, and how many the threshold gives on the calibration, per 1000 samples."""

    wanted_per_1000: float
    expected_per_1000: float


class Description(msgspec.Struct):
    """What the service reads of detector.json."""

    entity: str
    channels: list[str]
    window: int
    threshold: float
    degenerate_calibration: bool
    false_alarms: FalseAlarms
    score_quantiles: dict[str, float]


class Served:
    """A loaded detector; threads take turns.

    Parameters
    ----------
    description : Path
        detector.json, as ``tsad convert`` leaves it.
    library : Path
        The model library that was made with it.

    Raises
    ------
    ValueError
        A file is missing, or the two are not of one run.
    RuntimeError
        The library is none, is for another version, or its weights are damaged.

    Examples
    --------
    >>> served = Served(Path("pump7/detector.json"), Path("pump7/libm_pump7.so"))  # doctest: +SKIP
    >>> served.run(samples, np.arange(len(samples)), time.monotonic() + 10).events  # doctest: +SKIP
    """

    def __init__(self, description: Path, library: Path) -> None:
        try:
            about = msgspec.json.decode(description.read_bytes(), type=Description)
        except msgspec.DecodeError as error:
            raise ValueError(f"{description}: {error}; run the stages train and convert again") from None
        self.about = about
        self.model = _core.Model(str(library.resolve()))
        told = (self.model.channel_names or about.channels, self.model.window, self.model.threshold)
        if told != (about.channels, about.window, float(np.float32(about.threshold))):
            raise ValueError(f"{description} and {library} are not of one run; run the stage convert again")
        self._detector = _core.Detector(self.model, batch=1)
        self._turn = threading.Lock()
        levels = np.array([float(level) for level in about.score_quantiles])
        quantiles = np.array(list(about.score_quantiles.values()))
        self.recent = Recent(levels, quantiles, self.model.threshold, about.degenerate_calibration)

    def run(self, samples: NDArray[np.float32], t: NDArray[np.int64], deadline: float) -> Run:
        """Score a series from its start and decide; as `Detector.run`, but only until `deadline` (of time.monotonic).

        Infinite scores are the largest float32, since JSON knows no infinity. Scores count as recent when all is done.

        Raises
        ------
        TimeoutError
            The deadline passed, here or while others had their turn.
        """
        if not self._turn.acquire(timeout=max(deadline - time.monotonic(), 0)):
            raise TimeoutError
        try:
            self._detector.reset()
            found = []
            for start in range(0, len(samples), PIECE):
                if time.monotonic() > deadline:
                    raise TimeoutError
                piece, last = slice(start, start + PIECE), start + PIECE >= len(samples)
                found.append(self._detector.run(samples[piece], t[piece], last))
        finally:
            self._turn.release()
        scores, alarms, events, quality = (np.concatenate(each) for each in zip(*found, strict=True))
        scores, events["peak"] = np.minimum(scores, LARGEST), np.minimum(events["peak"], LARGEST)
        self.recent.add(scores[~np.isnan(scores)])
        return Run(scores, alarms, events, quality)


def load(files: Sequence[tuple[Path, Path]]) -> dict[str, Served]:
    """Entity -> detector, from pairs of detector.json and model library.

    Raises
    ------
    ValueError, RuntimeError
        As `Served`; or two are of one entity.
    """
    found: dict[str, Served] = {}
    for description, library in files:
        one = Served(description, library)
        if one.about.entity in found:
            raise ValueError(f"{description}: entity {one.about.entity!r} is there for the second time")
        found[one.about.entity] = one
    return found
