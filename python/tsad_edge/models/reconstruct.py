"""What window autoencoders have in common: how a window comes in, and which error is the score.

Owns the embedding of the channels and the error of the newest samples. Leaves the net and its training to each model.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from .base import Hyper, Scorer


@dataclass(frozen=True)
class ReconstructHyper(Hyper):
    """Sizes of a window autoencoder."""

    embed: int = 8
    """Values that a sample of more channels is first reduced to, the same way at every time: the first dense layer then
    has `embed` * W inputs instead of C * W (38 channels: 800 instead of 3,800)."""
    hidden: int = 32
    """Units of the hidden layers."""
    latent: int = 12
    """Units of the bottleneck."""
    tail: int = 5
    """Samples at the end of the window whose reconstruction error is the score."""


class Reconstructor(Scorer):
    """Base of window autoencoders: checks `tail`, embeds windows, compares their newest samples.

    Parameters
    ----------
    window, channels : int
        W and C.
    hyper : ReconstructHyper

    Raises
    ------
    ValueError
        `tail` is not shorter than the window.
    """

    def __init__(self, window: int, channels: int, hyper: ReconstructHyper) -> None:
        super().__init__(window, channels)
        if not 0 < hyper.tail < window:
            raise ValueError(
                f"train.hyper.tail is {hyper.tail}; it must be at least 1 and below the window of {window}"
            )
        self.hyper = hyper
        self.width = min(channels, hyper.embed)
        self.embed = nn.Linear(channels, self.width) if self.width < channels else nn.Identity()

    def embedded(self, z: Tensor) -> Tensor:
        """Windows (B, W, C) -> what the first dense layer reads (B, W * width)."""
        return self.embed(z).flatten(1)

    def tail_errors(self, tail: Tensor, z: Tensor) -> Tensor:
        """Mean squared error (B, C) of `tail` (B, tail * C), as the newest samples of windows z (B, W, C)."""
        difference = tail.reshape(-1, self.hyper.tail, self.channels) - z[:, -self.hyper.tail :]
        return (difference * difference).mean(dim=1)
