"""TranAD: a transformer that forecasts twice, the second time knowing where its first forecasts failed.

Owns the architecture; the block comes from `attention`, the adversarial training from `two_phase`, scaling from `base`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .attention import Block, positions
from .base import Hyper, Learner, Scorer
from .two_phase import TwoPhaseLearner


@dataclass(frozen=True)
class TranadHyper(Hyper):
    """Sizes and weights of TranAD; few, long steps, because each learns from `focus` samples of every window."""

    width: int = 16
    """Features of a sample's embedding; even, and a multiple of `heads`."""
    heads: int = 2
    inner: int = 32
    """Units of the hidden dense layers, in the block and in the decoders."""
    focus: int = 10
    """Samples at the end of the past whose forecast errors phase 2 is conditioned on; fewer where the window ends."""
    adversarial: float = 0.5
    """What the adversarial share of the losses grows to; below 1."""
    epochs: int = 40
    steps: int = 15
    batch: int = 64
    patience: int = 8
    learning_rate: float = 5e-3
    weight_decay: float = 1e-4


class Tranad(Scorer):
    """Self-conditioned forecaster: score = mean squared error of two forecasts of the newest sample.

    After Tuli, Casale, Jennings, "TranAD: deep transformer networks for anomaly detection in multivariate time series
    data" (VLDB 2022), whose two phases, focus score and adversarial training are kept, in a causal form:

    - Phase 1, focus 0: a causal transformer block reads the past W-1 samples; decoder 1 forecasts each of the newest
      `focus` of them from those before it, and the sample to come from all. The squared errors of the former are known
      by then: they are the focus (the paper's short window within a long context).
    - Phase 2: the same block reads the past again, the newest samples with the focus on them, that is with how badly
      each was foreseen; decoder 2 forecasts the sample to come.
    - Training: decoder 2 learns to fail where there is a focus, encoder and decoder 1 to leave it nothing to go by; the
      weight of that grows with the epochs (`two_phase`).

    Without state between windows; compiled, at W = 100:

    channels  multiply-adds  weights and positions  memory
    1         118,000        24 kB                  30 kB
    38        197,000        39 kB                  44 kB

    What the reference (AII4-0/tsad-benchmark, ``models/tranad.py``) got wrong, and what differs here:

    - Its decoders get the sample that they should predict as their input: copying it scores 0. So the paper's model
      does, which reconstructs its input. Here the newest sample enters nothing but the error: phase 2 is conditioned on
      errors of samples that are past, and a score can be had only from what was foreseen.
    - Its focus compares one forecast with every sample of the past. Here a sample is compared with its own forecast.
    - Only the second phase's error is trained on, with one optimiser: nothing is adversarial, and decoder 1 has no aim
      of its own. Here there are two optimisers and opposite aims.
    - Tokens are as wide as twice the channels: of a single channel, layer normalisation leaves two signs. Here samples
      are embedded first.
    - A sigmoid on the output cannot reach values beyond the training range, and ``sigmoid(mse)`` ties at 1.0. Here
      outputs are linear in standardised units and the score is unbounded.

    Parameters
    ----------
    window, channels : int
        W (at least 3) and C.
    hyper : TranadHyper

    Raises
    ------
    ValueError
        The window is shorter than three samples, or `width` is odd or no multiple of `heads`.

    Examples
    --------
    >>> import torch
    >>> score, parts = Tranad(100, 1, TranadHyper())(torch.zeros(3, 100, 1))
    >>> tuple(score.shape), tuple(parts.shape)
    ((3,), (3, 1))
    """

    position: Tensor  # (W-1, width)

    def __init__(self, window: int, channels: int, hyper: TranadHyper) -> None:
        super().__init__(window, channels)
        if window < 3:
            raise ValueError(f"prepare.window is {window}; tranad needs at least 3 samples")
        self.hyper = hyper
        self.reach = min(hyper.focus, window - 2)
        self.embed = nn.Linear(channels, hyper.width)
        self.focus = nn.Linear(channels, hyper.width, bias=False)
        self.register_buffer("position", positions(window - 1, hyper.width))
        self.block = Block(hyper.width, hyper.heads, hyper.inner)
        self.first, self.second = (self._decoder() for _ in range(2))

    def _decoder(self) -> nn.Sequential:
        width, inner = self.hyper.width, self.hyper.inner
        return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, inner), nn.ReLU(), nn.Linear(inner, self.channels))

    def tokens(self, past: Tensor) -> Tensor:
        """Past (B, W-1, C) -> (B, W-1, width)."""
        tokens: Tensor = self.embed(past) + self.position
        return tokens

    def focused(self, tokens: Tensor, past: Tensor, foreseen: Tensor) -> Tensor:
        """Tokens (B, W-1, width), the newest n of them with the focus on their samples.

        `foreseen` (B, n, C) are phase 1's forecasts of the newest n samples of `past` (B, W-1, C).
        """
        missed = foreseen - past[:, -self.reach :]
        attended = tokens[:, -self.reach :] + self.focus(missed * missed)
        return torch.cat([tokens[:, : -self.reach], attended], dim=1)

    def forecasts(self, past: Tensor) -> tuple[Tensor, Tensor]:
        """Past (B, W-1, C) -> the sample after it, foreseen by phase 1 and by phase 2, (B, C) each."""
        tokens = self.tokens(past)
        foreseen = self.first(self.block(tokens, self.reach + 1))  # of the newest n samples of the past, and the next
        again = self.second(self.block(self.focused(tokens, past, foreseen[:, :-1]), 1))
        return foreseen[:, -1], again[:, -1]

    def errors(self, z: Tensor) -> Tensor:
        """Mean of both forecasts' squared errors (B, C) of the last sample of z (B, W, C)."""
        first, second = (forecast - z[:, -1] for forecast in self.forecasts(z[:, :-1]))
        return 0.5 * (first * first + second * second)

    def learner(self) -> Learner:
        """The optimisers of encoder and decoder 1, and of decoder 2."""
        return TranadLearner(self)


class TranadLearner(TwoPhaseLearner):
    """Encoder and decoder 1 against decoder 2, over the forecasts of each window's newest samples."""

    def __init__(self, tranad: Tranad) -> None:
        self.tranad = tranad
        second = list(tranad.second.parameters())
        first = [p for p in tranad.parameters() if not any(p is q for q in second)]
        super().__init__(tranad.hyper, tranad.hyper.adversarial, first, second)

    def phases(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Errors of decoder 1 and 2 without a focus, and of decoder 2 with it, on z (B, W, C)."""
        tranad, past = self.tranad, z[:, :-1]
        reach, learned = tranad.reach, z[:, -tranad.reach :]
        tokens = tranad.tokens(past)
        states = tranad.block(tokens, reach + 1)
        foreseen = tranad.first(states)
        again = tranad.second(tranad.block(tranad.focused(tokens, past, foreseen[:, :-1]), reach))
        return (
            F.mse_loss(foreseen[:, 1:], learned),
            F.mse_loss(tranad.second(states[:, 1:]), learned),
            F.mse_loss(again, learned),
        )
