"""Transformer: forecasts the newest sample by attention to the ones before it; what it cannot foresee is abnormal.

Owns the architecture; the block comes from `attention`, error and training step from `forecast`, scaling from `base`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from .attention import Block, positions
from .base import Hyper
from .forecast import Forecaster


@dataclass(frozen=True)
class TransformerHyper(Hyper):
    """Sizes of the transformer."""

    width: int = 24
    """Features of a sample's embedding; even, and a multiple of `heads`."""
    heads: int = 3
    inner: int = 48
    """Units between the two dense layers of the block."""
    epochs: int = 40
    steps: int = 15
    patience: int = 8
    learning_rate: float = 5e-3
    weight_decay: float = 1e-4


class Transformer(Forecaster):
    """One-step forecaster: the newest of W-1 past samples asks them all, and a linear layer names the next.

    After Vaswani et al., "Attention is all you need" (NeurIPS 2017): samples are embedded, get the sine and cosine of
    their position, and pass one block of attention and dense layers. Only the last state is read out, so there is one
    query a window: the work grows with W, not with its square. A second block took eight times the work and found
    hardly more. Without state between windows; compiled, at W = 100:

    channels  multiply-adds  weights and positions  memory
    1         26,000         29 kB                  30 kB
    38        115,000        36 kB                  45 kB

    What the reference (AII4-0/tsad-benchmark, ``models/transformer.py``) got wrong, and what differs here:

    - It is given the sample it should predict: its decoder's input is the target. Here the newest sample enters nothing
      but the error.
    - Tokens are as wide as there are channels: of a single channel, layer normalisation leaves a constant, and so is
      every forecast. Here a sample is embedded before anything is normalised.
    - No token knows its position, so the order of the past has no meaning. Here positions are added.
    - 2,048 units in the dense layers of each block, dropout on the forecast, and ``sigmoid(mse)``, which ties at 1.0.
      Here they have 48, and the score is the squared error itself, per channel.

    Parameters
    ----------
    window, channels : int
        W (at least 2) and C.
    hyper : TransformerHyper

    Raises
    ------
    ValueError
        The window is shorter than two samples, or `width` is odd or no multiple of `heads`.

    Examples
    --------
    >>> import torch
    >>> score, parts = Transformer(100, 1, TransformerHyper())(torch.zeros(3, 100, 1))
    >>> tuple(score.shape), tuple(parts.shape)
    ((3,), (3, 1))
    """

    position: Tensor  # (W-1, width)

    def __init__(self, window: int, channels: int, hyper: TransformerHyper) -> None:
        super().__init__(window, channels, hyper)
        self.embed = nn.Linear(channels, hyper.width)
        self.register_buffer("position", positions(window - 1, hyper.width))
        self.block = Block(hyper.width, hyper.heads, hyper.inner)
        self.norm = nn.LayerNorm(hyper.width)
        self.output = nn.Linear(hyper.width, channels)

    def states(self, past: Tensor) -> Tensor:
        """Past (B, W-1, C) -> what is known after its last sample (B, 1, width)."""
        state: Tensor = self.norm(self.block(self.embed(past) + self.position, newest=1))
        return state
