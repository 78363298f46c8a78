"""Networks in the shapes of the AII4.0 reference pipeline, untrained: what the compiler makes of them is measured.

They are not our models: tsad_edge/models has those. What they get wrong is kept on purpose.
"""

from __future__ import annotations

import torch
from torch import nn


class ReferenceGan(nn.Module):
    """The reference's GAN on NASA-MSL: window 100, one channel, of which the last sample is the target.

    Generator 99-128-128-128-99 and discriminator 99-128-128-128-1. ``LeakyReLU(True)`` has slope 1, so each half is
    affine up to its sigmoid: 103,680 multiply-adds are worth 9,900.
    """

    def __init__(self, window: int = 100, hidden: int = 128) -> None:
        super().__init__()
        inner = window - 1
        self.generator = self._half(inner, hidden, inner)
        self.discriminator = self._half(inner, hidden, 1)

    @staticmethod
    def _half(inner: int, hidden: int, outer: int) -> nn.Sequential:
        sizes = [inner, hidden, hidden, hidden, outer]
        layers: list[nn.Module] = []
        for a, b in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(a, b), nn.LeakyReLU(True)]  # type: ignore[arg-type]
        return nn.Sequential(*layers[:-1], nn.Sigmoid())

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        """Score (B,) of windows (B, W, 1): how real the generated window looks."""
        past = window[:, :-1].flatten(1)  # (B, W - 1)
        score: torch.Tensor = self.discriminator(self.generator(past)).squeeze(1)
        return score
