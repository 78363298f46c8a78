"""Makes a score of a model that forecasts or reconstructs: how badly it does on the newest sample of the window.

The model gets raw units and gives raw units: its scaling is its own business. What is typical is for the caller to
measure, on normal data.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .base import LEAST_ERROR


class Adapter(nn.Module, ABC):
    """``parts = (error * scale) ** 2`` and ``score = mean(parts)``, as `Scorer` has them.

    `scale` is one over the root of the channel's typical squared error: a part near 1 is what normal data gives, and
    scaling before squaring keeps channels of very large or small units within float32. Only the newest sample counts:
    a score belongs to it, and an event ends when the fault does, not a window later.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode.
    channels : int
        C.

    Examples
    --------
    >>> adapter = Reconstruct(nn.Identity(), channels=2)
    >>> [tuple(each.shape) for each in adapter(torch.zeros(3, 9, 2))]
    [(3,), (3, 2)]
    """

    scale: Tensor  # (C,)

    def __init__(self, model: nn.Module, channels: int) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("scale", torch.ones(channels))

    @staticmethod
    @abstractmethod
    def shapes(window: int, channels: int) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
        """What the model takes, and what it may give, both without the batch."""

    @abstractmethod
    def guess(self, window: Tensor) -> Tensor:
        """What the model says the newest sample of windows (B, W, C) is: (B, C)."""

    def error(self, window: Tensor) -> Tensor:
        """Guess minus newest sample, (B, C)."""
        return self.guess(window) - window[:, -1]

    def forward(self, window: Tensor) -> tuple[Tensor, Tensor]:
        """Raw windows (B, W, C) -> score (B,) and parts (B, C)."""
        z = self.error(window) * self.scale
        parts = z * z
        return parts.mean(dim=1), parts

    def fit_scale(self, typical: NDArray[np.float64], deviation: NDArray[np.float64]) -> None:
        """Take the scale from each channel's mean squared error (C,), at least a share of its variance.

        `deviation` (C,) is as `data.spread` gives it: a channel that is constant has 1.
        """
        least = np.maximum(typical, LEAST_ERROR * deviation**2)
        self.scale.copy_(torch.from_numpy((1.0 / np.sqrt(least)).astype(np.float32)))


class Forecast(Adapter):
    """Of a model that names the next sample: (B, W-1, C) -> (B, C) or (B, 1, C)."""

    @staticmethod
    def shapes(window: int, channels: int) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
        """See `Adapter.shapes`."""
        return (window - 1, channels), [(channels,), (1, channels)]

    def guess(self, window: Tensor) -> Tensor:
        """The forecast from all samples but the newest."""
        named: Tensor = self.model(window[:, :-1])
        return named[:, 0] if named.dim() == 3 else named


class Reconstruct(Adapter):
    """Of a model that writes the window out again: (B, W, C) -> (B, W, C)."""

    @staticmethod
    def shapes(window: int, channels: int) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
        """See `Adapter.shapes`."""
        return (window, channels), [(window, channels)]

    def guess(self, window: Tensor) -> Tensor:
        """The end of the reconstruction."""
        written: Tensor = self.model(window)
        return written[:, -1]


ADAPTERS: dict[str, type[Adapter]] = {"forecast": Forecast, "reconstruct": Reconstruct}
"""What `tsad convert --adapt` takes."""
