"""The networks that `speed` measures, untrained, and how fast they are wanted: the reference's shapes and our own.

Owns names, shapes, weights (seeded) and samples. What is made of a network is up to sides.py and peer_files.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import reference_shapes as shapes
import torch
from numpy.typing import NDArray

from tsad_edge import models
from tsad_edge.scoring import double

WINDOW, BULK = 100, 512
LEARNED = 64
"""Windows that ranges of integers are learned from, by everybody."""
MSL, SMD = 1, 38
"""Channels of these data sets."""
REFERENCE = {
    "gan-msl": (shapes.ReferenceGan, MSL),
    "gan-smd": (partial(shapes.ReferenceGan, channels=SMD), SMD),
    "vae-msl": (partial(shapes.ReferenceVae, channels=MSL), MSL),
    "vae-smd": (shapes.ReferenceVae, SMD),
    "lstm-msl": (shapes.ReferenceLstm, MSL),
    "lstm-smd": (partial(shapes.ReferenceLstm, channels=SMD), SMD),
    "transformer-smd": (shapes.ReferenceTransformer, SMD),
    "tranad-smd": (shapes.ReferenceTranad, SMD),
}
"""Networks of the reference -> what builds one, and its channels."""
KNOWN = (*models.MODELS, *REFERENCE)
"""Our own models have as many channels as SMD."""
TARGETS = {
    ("gan-msl", 1): 5.0,
    ("gan-smd", 1): 2.0,
    ("vae-msl", 1): 2.0,
    ("vae-smd", 1): 1.6,
    ("lstm-msl", 1): 2.5,
    ("lstm-smd", 1): 2.5,
    ("transformer-smd", 1): 2.0,
    ("tranad-smd", 1): 2.5,
    ("tcn", 1): 5.0,
    ("cnn", 1): 5.0,
    ("gan-msl", BULK): 6.0,
    ("gan-smd", BULK): 1.6,
    ("vae-msl", BULK): 1.2,
    ("vae-smd", BULK): 1.2,
    ("lstm-msl", BULK): 1.2,
    ("lstm-smd", BULK): 1.2,
    ("transformer-smd", BULK): 1.6,
    ("tranad-smd", BULK): 2.5,
}
"""(network, windows at once) -> so many times as fast as the fastest f32 peer."""
IN_C = {("gan-msl", 1): 8.0}
"""The same inside C, where TARGETS are through Python."""


@dataclass(frozen=True)
class Network:
    """One that everybody is given."""

    name: str
    channels: int
    module: torch.nn.Module

    @property
    def recurrent(self) -> bool:
        """It has a layer that goes through its window step by step."""
        return any(isinstance(part, torch.nn.RNNBase) for part in self.module.modules())

    @property
    def normal(self) -> NDArray[np.float32]:
        """Windows (LEARNED, W, C) to learn the ranges of integers from, spread over as many samples as are scored."""
        return windows(self._draw(2, BULK))[:: BULK // LEARNED]

    def series(self, count: int) -> NDArray[np.float32]:
        """Samples (W - 1 + count, C) to score, of so many windows."""
        return self._draw(1, count)

    def exact(self, given: NDArray[np.float32]) -> NDArray[np.float64]:
        """Scores (n,) of windows (n, W, C) by PyTorch in float64."""
        with torch.inference_mode():
            found = double(self.module)(torch.from_numpy(given).double())
        return np.asarray(found[0] if isinstance(found, tuple) else found)

    def _draw(self, seed: int, count: int) -> NDArray[np.float32]:
        size = (WINDOW - 1 + count, self.channels)
        return np.random.default_rng(seed).normal(size=size).astype(np.float32)


def named(names: Sequence[str]) -> list[Network]:
    """Build some of KNOWN."""
    found = []
    for name in names:
        torch.manual_seed(1)
        make, channels = REFERENCE.get(name, (None, SMD))
        found.append(Network(name, channels, (make() if make else models.build(name, WINDOW, channels)).eval()))
    return found


def windows(series: NDArray[np.float32]) -> NDArray[np.float32]:
    """All windows (n, W, C) of samples (W - 1 + n, C), copied."""
    views = np.lib.stride_tricks.sliding_window_view(series, WINDOW, axis=0)
    return np.ascontiguousarray(views.transpose(0, 2, 1))
