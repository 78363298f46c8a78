"""VAE: a variational autoencoder of windows; what its code cannot say is abnormal.

Owns the architecture and its training step; window and error come from `reconstruct`, scaling and weighing from `base`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .base import LEAST_ERROR, Learner
from .reconstruct import ReconstructHyper, Reconstructor


@dataclass(frozen=True)
class VaeHyper(ReconstructHyper):
    """Sizes of the VAE."""


class Vae(Reconstructor):
    """Variational autoencoder: score = how far the newest samples are from what the mean code decodes to.

    After Kingma, Welling, "Auto-encoding variational Bayes" (ICLR 2014), and An, Cho, "Variational autoencoder based
    anomaly detection using reconstruction probability" (2015). It is trained on the reparametrised evidence lower
    bound, with a Gaussian decoder whose one variance is the best for the batch (Rybkin, Daniilidis, Levine, ICML 2021),
    so that reconstruction and divergence need no weight between them. Scoring draws nothing: the code is the encoder's
    mean. With a variance per channel, the negative logarithm of An and Cho's probability is then the squared error over
    that variance and a constant; `Scorer.fit_weight` divides by it.

    Without state between windows; compiled, at W = 100:

    channels  multiply-adds  weights  memory
    1         4,100          17 kB    1 kB
    38        63,000         132 kB   19 kB

    What the reference (AII4-0/tsad-benchmark, ``models/vae.py``) got wrong, and what differs here:

    - It works out a divergence and trains without it: nothing is variational. It regresses the next sample, too. Here
      the bound is what is climbed, and the window is what is reconstructed.
    - It runs on CUDA only, and draws noise when it scores: the same window gets another score each time. Here noise is
      for training; the branch that gives its size, and the head that writes the context out, stay behind.
    - A sigmoid on the output cannot reach values beyond the training range, and a sigmoid on the error saturates: high
      scores tie at 1.0. Here outputs are linear in standardised units and the score is unbounded.

    Parameters
    ----------
    window, channels : int
        W and C.
    hyper : VaeHyper

    Raises
    ------
    ValueError
        `tail` is not shorter than the window.

    Examples
    --------
    >>> score, parts = Vae(50, 5, VaeHyper())(torch.zeros(3, 50, 5))
    >>> tuple(score.shape), tuple(parts.shape)
    ((3,), (3, 5))
    """

    def __init__(self, window: int, channels: int, hyper: VaeHyper) -> None:
        super().__init__(window, channels, hyper)
        self.encoder = nn.Sequential(nn.Linear(window * self.width, hyper.hidden), nn.ReLU())
        self.mean = nn.Linear(hyper.hidden, hyper.latent)
        self.decoder = nn.Sequential(nn.Linear(hyper.latent, hyper.hidden), nn.ReLU())
        self.output = nn.Linear(hyper.hidden, hyper.tail * channels)

    def errors(self, z: Tensor) -> Tensor:
        """Mean squared reconstruction error (B, C) over the last `tail` samples of z (B, W, C)."""
        code = self.mean(self.encoder(self.embedded(z)))  # (B, latent)
        return self.tail_errors(self.output(self.decoder(code)), z)

    def learner(self) -> Learner:
        """What only training needs: the size of the noise, the head for the context, the optimiser."""
        return VaeLearner(self)


class VaeLearner(Learner):
    """One step up the evidence lower bound."""

    def __init__(self, vae: Vae) -> None:
        hyper = vae.hyper
        self.vae = vae
        self.log_variance = nn.Linear(hyper.hidden, hyper.latent)
        self.context = nn.Linear(hyper.hidden, (vae.window - hyper.tail) * vae.channels)
        self.optimiser, self.rate = hyper.adam(
            [*vae.parameters(), *self.log_variance.parameters(), *self.context.parameters()]
        )
        self.draws = torch.Generator().manual_seed(int(torch.randint(2**62, ())))

    def step(self, z: Tensor) -> dict[str, float]:
        """Learn from z (B, W, C): losses `reconstruction` (per value) and `divergence` (nats per window)."""
        hidden = self.vae.encoder(self.vae.embedded(z))
        mean, log_variance = self.vae.mean(hidden), self.log_variance(hidden)
        noise = torch.randn(mean.shape, generator=self.draws)
        decoded = self.vae.decoder(mean + (0.5 * log_variance).exp() * noise)
        whole = torch.cat([self.context(decoded), self.vae.output(decoded)], dim=1)
        difference = whole - z.flatten(1)
        reconstruction = (difference * difference).mean()
        divergence = 0.5 * (mean * mean + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()
        # The bound, times -2 variance / values: for any one batch the same optimum, and gradients of usual size.
        variance = reconstruction.detach().clamp_min(LEAST_ERROR)
        loss = reconstruction + 2 * variance / whole.shape[1] * divergence
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.rate.step()
        return {"reconstruction": reconstruction.item(), "divergence": divergence.item()}
