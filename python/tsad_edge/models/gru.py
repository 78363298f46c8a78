"""GRU: the LSTM's forecaster with a quarter fewer weights.

Owns the architecture; error and training step come from `forecast`, scaling and weighing from `base`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from .forecast import Forecaster
from .lstm import LstmHyper


@dataclass(frozen=True)
class GruHyper(LstmHyper):
    """The LSTM's, so that the two can be compared."""


class Gru(Forecaster):
    """One-step forecaster: a GRU reads W-1 samples, a linear layer names the last; score = squared error.

    The unit is that of Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine
    translation" (EMNLP 2014); the rest is as in `lstm.Lstm`. The state starts at zero in every window, so a score
    depends on its window alone.

    Parameters
    ----------
    window, channels : int
        W (at least 2) and C.
    hyper : GruHyper

    Raises
    ------
    ValueError
        The window is shorter than two samples.

    Examples
    --------
    >>> import torch
    >>> score, parts = Gru(100, 1, GruHyper())(torch.zeros(3, 100, 1))
    >>> tuple(score.shape), tuple(parts.shape)
    ((3,), (3, 1))
    """

    def __init__(self, window: int, channels: int, hyper: GruHyper) -> None:
        super().__init__(window, channels, hyper, warm_up=(window - 1) // 4)
        self.gru = nn.GRU(channels, hyper.hidden, batch_first=True)
        self.output = nn.Linear(hyper.hidden, channels)

    def states(self, past: Tensor) -> Tensor:
        """Past (B, T, C) -> hidden state after each sample (B, T, hidden)."""
        return self.gru(past)[0]
