"""The detector for users: a compiled model, fed from numpy. Needs the compiled core and no PyTorch.

Owns nothing about time: guard, window, threshold and events are those of tsad.h, reached through `_core`.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from . import _core


class Run(NamedTuple):
    """What a detector says of T samples."""

    scores: NDArray[np.float32]  # (T,), NaN where there is none
    alarms: NDArray[np.bool_]  # (T,) an event goes on
    events: NDArray[Any]  # (n,) of twin.EVENT
    quality: NDArray[np.uint8]  # (T,) why a sample is in doubt: a sum of the bits of tsad.h, 0: it is not


class Detector:
    """A compiled model with its threshold; threads that share one take turns, a whole series each.

    Parameters
    ----------
    model : _core.Model
        See `load`.
    threshold : float, optional
        Instead of the model's own.
    threads : int
        So many share the work of `score`; the scores are the same.

    Examples
    --------
    >>> detector = Detector.load()  # doctest: +SKIP
    >>> scores = detector.score(values)  # doctest: +SKIP
    """

    def __init__(self, model: _core.Model, threshold: float | None = None, threads: int = 1) -> None:
        from . import _core

        self.model = model
        self._detector = _core.Detector(model, threshold, threads=threads)
        self._turn = threading.Lock()

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        threshold: float | None = None,
        isa: str | None = None,
        threads: int = 1,
    ) -> Detector:
        """Open a model library made by ``tsad convert``, or the built-in reference model.

        Parameters
        ----------
        path : str or Path, optional
            A model library; without it the reference model.
        threshold : float, optional
            Instead of the model's own.
        isa : str, optional
            Kernels for this instruction set, ``generic``, ``avx2`` or ``avx512``; by default what the environment
            variable ``TSAD_ISA`` names, or else the fastest that this machine runs. ``generic`` has every board's bits.
        threads : int
            So many share the work of `score`; the scores are the same.

        Raises
        ------
        ValueError
            There is no such file, or no such instruction set in it or in this machine.
        RuntimeError
            It is no model library, is for another version, or its weights are damaged.
        """
        from . import _core

        if path is None:
            return cls(_core.reference(isa), threshold, threads)
        if not os.path.isfile(path):
            raise ValueError(f"{path}: no such model library; `tsad convert` makes them")
        return cls(_core.Model(os.path.realpath(path), isa), threshold, threads)

    @property
    def threshold(self) -> float:
        """A sample is abnormal when its score is greater; a float32, as C holds it."""
        return float(self._detector.threshold)

    @property
    def id(self) -> str:
        """SHA-256 of all that the model was made from, as the C has it; detector.json beside it says of what."""
        return str(self.model.id)

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

    def run(self, values: NDArray[Any], t: NDArray[np.int64] | None = None) -> Run:
        """Score a series from its start, and decide: the C detector, step by step.

        Parameters
        ----------
        values : ndarray (T, C)
            As for `score`.
        t : ndarray (T,) of integers, optional
            Times, by default the sample index; they increase, unless the model's guard allows a step back.

        Raises
        ------
        ValueError
            The shape is not (T, C), or a time is refused.
        """
        samples = self._checked(values)
        times = None if t is None else np.require(t, np.int64, ["C", "A"])
        with self._turn:
            self._detector.reset()
            found = self._detector.run(samples, times)
        return Run(*found)

    def learn_baseline(self, values: NDArray[Any], file: str | Path) -> dict[str, float]:
        """Learn scaler and threshold anew from normal samples, and keep them in a file, beside those from before.

        Parameters
        ----------
        values : ndarray (T, C)
            Raw samples that somebody declares normal. As many as ``train.baseline.samples`` give the scaler; the window
            fills anew, and as many scores give the threshold. More are not looked at.
        file : str or Path
            Two slots, as ``tsad-edge --baseline`` reads them; made where there is none.

        Returns
        -------
        dict
            ``threshold``; the largest ``shift`` of a mean in deviations of training, of channel ``shifted``; the
            largest ``stretch`` of a deviation, of channel ``stretched``.

        Raises
        ------
        ValueError
            The model's baseline cannot be learned anew, the samples are too few, or what they say is beyond its limits;
            then all stays as it was.
        """
        samples = self._checked(values)
        with self._turn:
            names = ("shift", "shifted", "stretch", "stretched")
            found = dict(zip(names, self._detector.learn(samples), strict=True))
            slots = self._slots(file)
            _write_slot(file, slots, *self._detector.save_baseline(slots))
            return {"threshold": self.threshold, **found}

    def use_baseline(self, file: str | Path) -> None:
        """Put the newest baseline of a file into force.

        Raises
        ------
        ValueError
            There is no such file, or the model's baseline cannot be learned anew.
        RuntimeError
            The file holds no whole baseline of this model.
        """
        if not os.path.isfile(file):
            raise ValueError(f"{file}: no such baseline; learn_baseline makes one")
        with self._turn:
            self._detector.load_baseline(self._slots(file))

    def roll_back_baseline(self, file: str | Path) -> None:
        """Go back to the baseline before the newest of a file, after the first to what the model came with.

        Raises
        ------
        ValueError, RuntimeError
            As `use_baseline`.
        """
        with self._turn:
            slots = self._slots(file)
            _write_slot(file, slots, *self._detector.roll_back(slots))

    def _slots(self, file: str | Path) -> bytes:
        """Two slots; what a file does not hold is as erased flash."""
        room = 2 * self._detector.baseline_size
        held = b""
        if os.path.isfile(file):
            with open(file, "rb") as kept:
                held = kept.read()
        return held[:room].ljust(room, b"\xff")

    def _checked(self, values: NDArray[Any]) -> NDArray[np.float32]:
        samples = np.require(values, np.float32, ["C", "A"])
        if samples.ndim != 2 or samples.shape[1] != self.channels:
            raise ValueError(
                f"values have shape {samples.shape}; model {self.model.name} wants (samples, {self.channels})"
            )
        return samples


def _write_slot(file: str | Path, slots: bytes, image: bytes, slot: int) -> None:
    """The slots with a new image in one of them take the file's place at once."""
    # Not before they are used: a first score shall come soon.
    from pathlib import Path

    from .files import write_whole

    size = len(image)
    write_whole(Path(file), slots[: slot * size] + image + slots[(slot + 1) * size :])
