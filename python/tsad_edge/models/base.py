"""What every model has in common: raw window in, score and per-channel parts out, all of it one `nn.Module`.

Owns the scaler, the weights of the channels and the two small interfaces a new model fills in: `errors`, and a
`learner` that fits it batch by batch (`Learner`) or at one go (`Solver`). Leaves time, thresholds and the training loop
to others; uses only operators that the compiler knows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data import spread

LEAST_ERROR = 1e-3
"""Smallest typical error, in variances of the channel, that a weight is made from. A channel that was constant or is
predicted perfectly has a typical error near 0; its weight stays at 1000, so that it is watched closely but finite."""


@dataclass(frozen=True)
class Settings:
    """Hyperparameters of a model, all positive; that of a model with a `Solver` derives from it and adds its sizes."""


@dataclass(frozen=True)
class Hyper(Settings):
    """What the training loop needs to know; that of a model with a `Learner` derives from it and adds its sizes."""

    epochs: int = 60
    """Most epochs; where there is no block to stop on, exactly this many."""
    steps: int = 30
    """Batches in an epoch, drawn by seed: training takes no longer for a long series than for a short one."""
    batch: int = 128
    """Windows in a batch."""
    patience: int = 12
    """Epochs without improvement on the `stop` block after which training ends."""
    learning_rate: float = 3e-3
    """At the first step; see `adam`."""
    weight_decay: float = 3e-4

    def adam(self, parameters: Iterable[nn.Parameter]) -> tuple[torch.optim.Adam, torch.optim.lr_scheduler.LRScheduler]:
        """Adam, and a schedule whose rate falls in a straight line to a twentieth at the very last step."""
        optimiser = torch.optim.Adam(parameters, lr=self.learning_rate, weight_decay=self.weight_decay, fused=True)
        steps = self.epochs * self.steps
        return optimiser, torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.05, total_iters=steps)


def newest(share: float, window: int) -> int:
    """How many samples a share of the window is, at least one and at most all.

    Examples
    --------
    >>> newest(0.5, 50), newest(0.001, 50), newest(3, 50)
    (25, 1, 50)
    """
    return max(1, min(round(share * window), window))


class Learner(ABC):
    """Everything that only training needs (optimisers, a discriminator); thrown away afterwards."""

    @abstractmethod
    def step(self, z: Tensor) -> dict[str, float]:
        """Learn from standardised windows z (B, W, C) and return the losses by name."""


class Solver(ABC):
    """Fits a model at one go, in closed form or by an algorithm that is no gradient descent; thrown away afterwards."""

    @abstractmethod
    def fit(self, z: Tensor) -> None:
        """Fit to standardised windows z (n, W, C): those of the fit block, thinned out evenly, in order of time."""


class Scorer(nn.Module, ABC):
    """Base of all models: standardises, asks the subclass for errors, weighs and averages them.

    ``parts = errors * weight`` and ``score = mean(parts)``; `weight` is one over the channel's typical error, so a
    part near 1 is what normal data gives and a noisy channel cannot drown a quiet one.

    Parameters
    ----------
    window, channels : int
        W and C of the windows it scores.
    """

    offset: Tensor  # (C,) subtracted from raw samples
    scale: Tensor  # (C,) reciprocal of the standard deviation
    weight: Tensor  # (C,) reciprocal of the typical error

    def __init__(self, window: int, channels: int) -> None:
        super().__init__()
        self.window, self.channels = window, channels
        self.register_buffer("offset", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))
        self.register_buffer("weight", torch.ones(channels))

    @abstractmethod
    def errors(self, z: Tensor) -> Tensor:
        """Non-negative errors (B, C) of standardised windows z (B, W, C)."""

    @abstractmethod
    def learner(self) -> Learner | Solver:
        """What fits this model, freshly made; whatever it draws here, it draws from torch's global generator."""

    def forward(self, window: Tensor) -> tuple[Tensor, Tensor]:
        """Raw windows (B, W, C) -> score (B,) and parts (B, C)."""
        z = (window - self.offset) * self.scale
        parts = self.errors(z) * self.weight
        return parts.mean(dim=1), parts

    def fit_scale(self, values: NDArray[np.float32]) -> None:
        """Take offset and scale from normal samples (T, C). A constant channel gets scale 1 and is never divided by."""
        mean, deviation = spread(values)
        self.offset.copy_(torch.from_numpy(mean.astype(np.float32)))
        self.scale.copy_(torch.from_numpy((1.0 / deviation).astype(np.float32)))

    def fit_weight(self, typical: Tensor) -> None:
        """Take the weights from each channel's typical error (C,) on normal data."""
        self.weight.copy_(1.0 / typical.clamp_min(LEAST_ERROR))
