"""The detector for users: a compiled model, fed from numpy. Needs the compiled core and no PyTorch.

Owns nothing about time: window, threshold and events are those of tsad.h, reached through `_core`. `events` is the
rule for events once more, in numpy, to hold the C against.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from . import _core

EVENT = np.dtype([("id", "i8"), ("start", "i8"), ("end", "i8"), ("peak", "f4"), ("peak_t", "i8"), ("top", "i4")])
"""An event as tsad.h has it: `start`, `end`, `peak_t` are times; `top` is the channel with the largest share, or -1."""


def events(t: NDArray[Any], scores: NDArray[Any], threshold: float, top: NDArray[Any] | None = None) -> NDArray[Any]:
    """Events of a scored series: maximal runs of scored samples with score > threshold.

    A sample without a score (NaN) neither ends nor extends an event.

    Parameters
    ----------
    t : ndarray (T,) of integers
        Strictly increasing times.
    scores : ndarray (T,)
        float32 scores are compared in float32, as C does.
    threshold : float
    top : ndarray (T,) of integers, optional
        Channel with the largest share of each score.

    Returns
    -------
    structured ndarray (n,) of EVENT
        ``id`` counts from 1; ``peak_t`` is the first time of the highest score.

    Raises
    ------
    ValueError
        Lengths differ.

    Examples
    --------
    >>> found = events(np.arange(5), np.array([0, 2, np.nan, 3, 0], np.float32), threshold=1.0)
    >>> found[["id", "start", "end", "peak_t"]].tolist()
    [(1, 1, 3, 3)]
    """
    t, scores = np.asarray(t), np.asarray(scores)
    top = None if top is None else np.asarray(top)
    shapes = [each.shape for each in (t, scores, top) if each is not None]
    if any(shape != scores.reshape(-1).shape for shape in shapes):
        raise ValueError(f"t, scores and top have shapes {shapes}; all must be (T,)")
    scored = ~np.isnan(scores)
    t, scores = t[scored], scores[scored]
    alarm = scores > float(threshold)  # a Python float takes the precision of the scores
    edges = np.flatnonzero(np.diff(alarm, prepend=False, append=False))
    starts, ends = edges[::2], edges[1::2]
    found = np.zeros(len(starts), dtype=EVENT)
    if len(starts) == 0:
        return found
    peaks = np.maximum.reduceat(np.where(alarm, scores, -np.inf), starts)
    run = np.cumsum(np.diff(alarm, prepend=False) & alarm) - 1  # which event a sample with an alarm belongs to
    at_peak = np.flatnonzero(alarm & (scores == peaks[run]))
    first = at_peak[np.unique(run[at_peak], return_index=True)[1]]
    found["id"] = np.arange(1, len(starts) + 1)
    found["start"], found["end"] = t[starts], t[ends - 1]
    found["peak"], found["peak_t"] = peaks, t[first]
    found["top"] = -1 if top is None else top[scored][first]
    return found


class Detector:
    """A compiled model with its threshold; threads that share one take turns, a whole series each.

    Parameters
    ----------
    model : _core.Model
        See `load`.
    threshold : float, optional
        Instead of the model's own.

    Examples
    --------
    >>> detector = Detector.load()  # doctest: +SKIP
    >>> scores = detector.score(values)  # doctest: +SKIP
    """

    def __init__(self, model: _core.Model, threshold: float | None = None) -> None:
        from . import _core

        self.model = model
        self._detector = _core.Detector(model, threshold)
        self._turn = threading.Lock()

    @classmethod
    def load(cls, path: str | Path | None = None, threshold: float | None = None) -> Detector:
        """Open a model library made by ``tsad convert``, or the built-in reference model.

        Parameters
        ----------
        path : str or Path, optional
            A model library; without it the reference model.
        threshold : float, optional
            Instead of the model's own.

        Raises
        ------
        ValueError
            There is no such file.
        RuntimeError
            It is no model library, is for another version, or its weights are damaged.
        """
        from . import _core

        if path is None:
            return cls(_core.reference(), threshold)
        if not Path(path).is_file():
            raise ValueError(f"{path}: no such model library; `tsad convert` makes them")
        return cls(_core.Model(str(Path(path).resolve())), threshold)

    @property
    def threshold(self) -> float:
        """A sample is abnormal when its score is greater; a float32, as C holds it."""
        return float(self._detector.threshold)

    @property
    def window(self) -> int:
        """Samples in a window; the first ``window - 1`` samples have no score."""
        return int(self.model.window)

    @property
    def channels(self) -> int:
        """Values in a sample."""
        return int(self.model.channels)

    def score(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Score a series from its start.

        Parameters
        ----------
        values : ndarray (T, C)
            Raw samples; float32 in C order is used without a copy. A sample with a NaN or infinite value is missing.

        Returns
        -------
        ndarray (T,) float32
            NaN while the window fills and for missing samples.

        Raises
        ------
        ValueError
            The shape is not (T, C).
        """
        samples = self._checked(values)
        with self._turn:
            self._detector.reset()
            scores: NDArray[np.float32] = self._detector.score(samples)
        return scores

    def run(
        self, values: NDArray[Any], t: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[Any]]:
        """Score a series from its start, and decide: the C detector, step by step.

        Parameters
        ----------
        values : ndarray (T, C)
            As for `score`.
        t : ndarray (T,) of integers, optional
            Strictly increasing times; by default the sample index.

        Returns
        -------
        scores : ndarray (T,) float32
        alarms : ndarray (T,) bool
        events : structured ndarray of EVENT

        Raises
        ------
        ValueError
            The shape is not (T, C), or time does not increase.
        """
        samples = self._checked(values)
        times = None if t is None else np.require(t, np.int64, ["C", "A"])
        with self._turn:
            self._detector.reset()
            scores, alarms, found = self._detector.run(samples, times)
        return scores, alarms, found

    def _checked(self, values: NDArray[Any]) -> NDArray[np.float32]:
        samples = np.require(values, np.float32, ["C", "A"])
        if samples.ndim != 2 or samples.shape[1] != self.channels:
            raise ValueError(
                f"values have shape {samples.shape}; model {self.model.name} wants (samples, {self.channels})"
            )
        return samples
