"""USAD: two autoencoders of one encoder, the second trained to expose the first; score = what neither can rebuild.

Owns the architecture; window and error come from `reconstruct`, the adversarial training from `two_phase`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .base import Learner
from .reconstruct import ReconstructHyper, Reconstructor
from .two_phase import TwoPhaseLearner


@dataclass(frozen=True)
class UsadHyper(ReconstructHyper):
    """Sizes and weights of USAD."""

    alpha: float = 0.5
    """Share of the first autoencoder's error in the score, at most 1; the rest is the second's, after the first."""
    adversarial: float = 0.5
    """What the adversarial share of the losses grows to; below 1."""


class Usad(Reconstructor):
    """Two autoencoders: score = alpha |W - AE1(W)|^2 + (1 - alpha) |W - AE2(AE1(W))|^2 of the newest samples.

    After Audibert, Michiardi, Guyard, Marti, Zuluaga, "USAD: unsupervised anomaly detection on multivariate time
    series" (KDD 2020). Both share an encoder. AE2 learns to tell data from what AE1 rebuilt, by rebuilding the one well
    and the other badly; AE1 learns to rebuild so well that AE2 cannot. What AE1 gets slightly wrong, AE2 makes worse.
    Without state between windows; compiled, at W = 100:

    channels  multiply-adds  weights  memory
    1         11,000         32 kB    1 kB
    38        176,000        241 kB   34 kB

    What the paper and its code do, and what differs here:

    - The second loss is unbounded and swings as the adversarial share nears 1. Here it is bounded, see `two_phase`.
    - A sigmoid writes the output: what lies beyond the training range cannot be rebuilt, however normal. Here it is
      linear in standardised units.
    - The whole window is scored, so an alarm stays up for a window after the fault. Here only the last `tail` samples
      are; AE2's head for the others is needed in training only.
    - The first dense layer reads every channel of every sample. Here many channels are embedded first.

    Parameters
    ----------
    window, channels : int
        W and C.
    hyper : UsadHyper

    Raises
    ------
    ValueError
        `tail` is not shorter than the window, or `alpha` is above 1.

    Examples
    --------
    >>> score, parts = Usad(50, 5, UsadHyper())(torch.zeros(3, 50, 5))
    >>> tuple(score.shape), tuple(parts.shape)
    ((3,), (3, 5))
    """

    hyper: UsadHyper

    def __init__(self, window: int, channels: int, hyper: UsadHyper) -> None:
        super().__init__(window, channels, hyper)
        if hyper.alpha > 1:
            raise ValueError(f"train.hyper.alpha is {hyper.alpha}; it must be at most 1")
        self.encoder = nn.Sequential(
            nn.Linear(window * self.width, hyper.hidden), nn.ReLU(), nn.Linear(hyper.hidden, hyper.latent)
        )
        self.first = nn.Sequential(
            nn.Linear(hyper.latent, hyper.hidden), nn.ReLU(), nn.Linear(hyper.hidden, window * self.width)
        )
        self.spread = nn.Linear(self.width, channels) if self.width < channels else nn.Identity()
        self.second = nn.Sequential(nn.Linear(hyper.latent, hyper.hidden), nn.ReLU())
        self.second_output = nn.Linear(hyper.hidden, hyper.tail * channels)

    def encode(self, z: Tensor) -> Tensor:
        """Windows (B, W, C) -> code (B, latent)."""
        code: Tensor = self.encoder(self.embedded(z))
        return code

    def rebuild(self, code: Tensor) -> Tensor:
        """Code (B, latent) -> the first decoder's window (B, W, C)."""
        window: Tensor = self.spread(self.first(code).reshape(-1, self.window, self.width))
        return window

    def errors(self, z: Tensor) -> Tensor:
        """The two errors, weighed, (B, C) over the last `tail` samples of z (B, W, C)."""
        rebuilt = self.rebuild(self.encode(z))
        again = self.second_output(self.second(self.encode(rebuilt)))
        first = self.tail_errors(rebuilt[:, -self.hyper.tail :], z)
        return self.hyper.alpha * first + (1 - self.hyper.alpha) * self.tail_errors(again, z)

    def learner(self) -> Learner:
        """AE2's head for the context, and the optimisers of AE1 and AE2, both of which may change the encoder."""
        return UsadLearner(self)


class UsadLearner(TwoPhaseLearner):
    """AE1 and AE2 against each other."""

    def __init__(self, usad: Usad) -> None:
        hyper = usad.hyper
        self.usad = usad
        self.context = nn.Linear(hyper.hidden, (usad.window - hyper.tail) * usad.channels)
        encoder = [*usad.embed.parameters(), *usad.encoder.parameters()]
        super().__init__(
            hyper,
            hyper.adversarial,
            [*encoder, *usad.first.parameters(), *usad.spread.parameters()],
            [*encoder, *usad.second.parameters(), *usad.second_output.parameters(), *self.context.parameters()],
        )

    def phases(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Errors of AE1, AE2 and AE2 after AE1 on z (B, W, C), over whole windows."""
        code = self.usad.encode(z)
        rebuilt = self.usad.rebuild(code)
        real = z.flatten(1)
        again = self._second(self.usad.encode(rebuilt))
        return F.mse_loss(rebuilt, z), F.mse_loss(self._second(code), real), F.mse_loss(again, real)

    def _second(self, code: Tensor) -> Tensor:
        hidden = self.usad.second(code)
        return torch.cat([self.context(hidden), self.usad.second_output(hidden)], dim=1)  # (B, W * C)
