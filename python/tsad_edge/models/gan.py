"""GAN: the reference's default model, done right. A generator that reconstructs windows, and a critic that trains it.

Owns the architecture and its adversarial training step; scaling and weighing come from `base`, the loop from `train`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .base import Hyper, Learner, Scorer

SLOPE = 0.2
"""Of the leaky rectifiers."""


@dataclass(frozen=True)
class GanHyper(Hyper):
    """Sizes and loss weights of the GAN."""

    hidden: int = 40
    """Units of the generator's and the discriminator's hidden layers."""
    latent: int = 16
    """Units of the bottleneck; must be fewer than the values of a window, or there is nothing to learn."""
    tail: int = 3
    """Samples at the end of the window whose reconstruction error is the score."""
    adversarial: float = 0.01
    """Weight of fooling the discriminator, beside a reconstruction loss of weight 1."""
    matching: float = 0.1
    """Weight of matching the discriminator's features."""
    corrupted: float = 0.8
    """Share of the training windows in which a stretch of one sensor is swapped against another window's."""


class Gan(Scorer):
    """Adversarially trained autoencoder: score = how badly the end of the window is reconstructed.

    The generator squeezes the standardised window through a bottleneck and writes it out again. A discriminator
    learns to tell real windows from reconstructed ones; the generator learns to reconstruct, to fool it, and to match
    its features. That is the line of GANomaly (Akcay, Atapour-Abarghouei, Breckon, ACCV 2018) and BeatGAN (Zhou, Liu,
    Hooi, Cheng, Ye, IJCAI 2019). What was never seen in training is reconstructed badly. While training, most windows
    are shown with a stretch of one sensor swapped against another window's, and must come out whole (denoising:
    Vincent et al., ICML 2008): the generator learns to infer a sensor from the others instead of copying it, and the
    samples after a fault, whose windows still hold it, are reconstructed from what is sound.

    What the reference (AII4-0/tsad-benchmark, ``models/gan.py``) got wrong, and what differs here:

    - It has two networks of those names, chained into one regressor of the next value: nothing is ever shown to the
      discriminator as real or fake. Here there are two networks with two optimisers and opposite aims.
    - ``LeakyReLU(True)`` has slope 1, so either half is an affine map before its sigmoid (its 103,680 multiply-adds
      fold to 9,900). Here the slope is 0.2.
    - A sigmoid on the output cannot reach values beyond the training range, and a sigmoid on the error saturates: high
      scores tie at 1.0. Here outputs are linear in standardised units and the score is unbounded.
    - The whole window, scored, keeps an alarm up for a window after the fault is over. Here only the last `tail`
      samples are scored (the rest is context), so events end when the fault does; and only what is scored is shipped:
      the head that writes the context out again, and the discriminator, stay behind after training.

    Parameters
    ----------
    window, channels : int
        W and C.
    hyper : GanHyper

    Raises
    ------
    ValueError
        `tail` is not shorter than the window.

    Examples
    --------
    >>> score, parts = Gan(50, 5, GanHyper())(torch.zeros(3, 50, 5))
    >>> tuple(score.shape), tuple(parts.shape)
    ((3,), (3, 5))
    """

    def __init__(self, window: int, channels: int, hyper: GanHyper) -> None:
        super().__init__(window, channels)
        if not 0 < hyper.tail < window:
            raise ValueError(
                f"train.hyper.tail is {hyper.tail}; it must be at least 1 and below the window of {window}"
            )
        self.hyper = hyper
        self.encoder = nn.Sequential(
            nn.Linear(window * channels, hyper.hidden), nn.LeakyReLU(SLOPE), nn.Linear(hyper.hidden, hyper.latent)
        )
        self.decoder = nn.Sequential(nn.Linear(hyper.latent, hyper.hidden), nn.LeakyReLU(SLOPE))
        self.output = nn.Linear(hyper.hidden, hyper.tail * channels)

    def features(self, z: Tensor) -> Tensor:
        """Windows (B, W, C) -> the decoder's last hidden layer (B, hidden)."""
        return self.decoder(self.encoder(z.flatten(1)))

    def errors(self, z: Tensor) -> Tensor:
        """Mean squared reconstruction error (B, C) over the last `tail` samples of z (B, W, C)."""
        tail = self.output(self.features(z)).reshape(-1, self.hyper.tail, self.channels)
        difference = tail - z[:, -self.hyper.tail :]
        return (difference * difference).mean(dim=1)

    def learner(self) -> Learner:
        """The discriminator and both optimisers."""
        return GanLearner(self)


class GanLearner(Learner):
    """One adversarial step: the discriminator first, then the generator."""

    def __init__(self, gan: Gan) -> None:
        hyper, width = gan.hyper, gan.window * gan.channels
        self.gan = gan
        self.context = nn.Linear(hyper.hidden, width - hyper.tail * gan.channels)
        self.judge_features = nn.Sequential(
            nn.Linear(width, hyper.hidden),
            nn.LeakyReLU(SLOPE),
            nn.Linear(hyper.hidden, hyper.hidden),
            nn.LeakyReLU(SLOPE),
        )
        self.judge_output = nn.Linear(hyper.hidden, 1)
        self.generator_parameters = [*gan.parameters(), *self.context.parameters()]
        self.judge_parameters = [*self.judge_features.parameters(), *self.judge_output.parameters()]
        self.generator_optimiser, generator_rate = hyper.adam(self.generator_parameters)
        self.judge_optimiser, judge_rate = hyper.adam(self.judge_parameters)
        self.rates = [generator_rate, judge_rate]
        self.draws = torch.Generator().manual_seed(int(torch.randint(2**62, ())))

    def corrupt(self, z: Tensor) -> Tensor:
        """Swap a drawn stretch of one drawn channel in some windows of z (B, W, C) against the next window's."""
        batch, window, channels = z.shape
        drawn = torch.rand(batch, 4, 1, 1, generator=self.draws)
        edges = (drawn[:, :2] * (window + 1)).floor().sort(dim=1).values  # (B, 2, 1, 1)
        at, channel = torch.arange(window).reshape(-1, 1), torch.arange(channels)
        stretch = (edges[:, 0] <= at) & (at < edges[:, 1])  # (B, W, 1)
        hit = (drawn[:, 2] * channels).floor() == channel  # (B, 1, C)
        return torch.where(stretch & hit & (drawn[:, 3] < self.gan.hyper.corrupted), z.roll(1, 0), z)

    def step(self, z: Tensor) -> dict[str, float]:
        """Learn from z (B, W, C): losses `reconstruction`, `generator` (adversarial and matching), `discriminator`."""
        hyper, real = self.gan.hyper, z.flatten(1)  # (B, W*C)
        hidden = self.gan.features(self.corrupt(z))
        fake = torch.cat([self.context(hidden), self.gan.output(hidden)], dim=1)
        ones, zeros = torch.ones(len(z), 1), torch.zeros(len(z), 1)

        told = self.judge_output(self.judge_features(torch.cat([real, fake.detach()])))
        judge_loss = F.binary_cross_entropy_with_logits(told, torch.cat([ones, zeros]))
        self.judge_optimiser.zero_grad()
        judge_loss.backward()
        self.judge_optimiser.step()

        reconstruction = F.mse_loss(fake, real)
        seen = self.judge_features(fake)
        fooling = F.binary_cross_entropy_with_logits(self.judge_output(seen), ones)
        matching = F.mse_loss(seen, self.judge_features(real).detach())
        adversarial = hyper.adversarial * fooling + hyper.matching * matching
        self.generator_optimiser.zero_grad()
        (reconstruction + adversarial).backward(inputs=self.generator_parameters)
        self.generator_optimiser.step()
        for rate in self.rates:
            rate.step()
        return {
            "reconstruction": reconstruction.item(),
            "generator": adversarial.item(),
            "discriminator": judge_loss.item(),
        }
