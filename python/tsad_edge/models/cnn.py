"""CNN: a convolutional forecaster (DeepAnT); what it cannot foresee is abnormal.

Owns the architecture; error and training step come from `forecast`, scaling and weighing from `base`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from .base import Hyper
from .forecast import Forecaster

TAPS, POOL = 3, 2
"""Samples a kernel and a pool look at."""


@dataclass(frozen=True)
class CnnHyper(Hyper):
    """Size of the CNN."""

    filters: int = 16
    """Kernels of each of the two convolutions."""
    epochs: int = 30
    steps: int = 20
    batch: int = 64
    patience: int = 6
    learning_rate: float = 5e-3


class Cnn(Forecaster):
    """One-step forecaster: convolution, pool, convolution, pool, linear layer; score = squared error.

    After DeepAnT: Munir, Siddiqui, Dengel, Ahmed, "DeepAnT: a deep learning approach for unsupervised anomaly
    detection in time series" (IEEE Access 7, 2019). Two convolutions of 16 kernels instead of 32, and squared error
    instead of absolute, as in all forecasters here. Nothing of the newest sample enters its forecast.

    Parameters
    ----------
    window, channels : int
        W (at least 5: two pools halve the W-1 samples of the past twice) and C.
    hyper : CnnHyper

    Raises
    ------
    ValueError
        The window is too short.

    Examples
    --------
    >>> import torch
    >>> score, parts = Cnn(100, 1, CnnHyper())(torch.zeros(3, 100, 1))
    >>> tuple(score.shape), tuple(parts.shape)
    ((3,), (3, 1))
    """

    def __init__(self, window: int, channels: int, hyper: CnnHyper) -> None:
        steps = (window - 1) // POOL // POOL
        if steps < 1:
            raise ValueError(f"prepare.window is {window}; the cnn needs at least {POOL * POOL + 1} samples")
        super().__init__(window, channels, hyper)
        stages: list[nn.Module] = []
        for inputs in (channels, hyper.filters):
            stages += [nn.Conv1d(inputs, hyper.filters, TAPS, padding=TAPS // 2), nn.ReLU(), nn.MaxPool1d(POOL)]
        self.features = nn.Sequential(*stages)
        self.output = nn.Linear(hyper.filters * steps, channels)

    def states(self, past: Tensor) -> Tensor:
        """Past (B, W-1, C) -> all features of it as the one state (B, 1, filters * steps)."""
        return self.features(past.transpose(1, 2)).flatten(1).unsqueeze(1)
