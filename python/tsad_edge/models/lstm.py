"""LSTM: forecasts the newest sample from the ones before it; what it cannot foresee is abnormal.

Owns the architecture; error and training step come from `forecast`, scaling and weighing from `base`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from .base import Hyper
from .forecast import Forecaster


@dataclass(frozen=True)
class LstmHyper(Hyper):
    """Size of the LSTM; few, long steps, because each walks through a whole window."""

    hidden: int = 32
    """Units of the one layer."""
    epochs: int = 25
    steps: int = 12
    batch: int = 64
    patience: int = 5
    learning_rate: float = 1e-2
    weight_decay: float = 1e-4


class Lstm(Forecaster):
    """One-step forecaster: an LSTM reads W-1 samples, a linear layer names the last; score = squared error.

    After Malhotra, Vig, Shroff, Agarwal, "Long short term memory networks for anomaly detection in time series"
    (ESANN 2015) and Hundman et al., "Detecting spacecraft anomalies using LSTMs and nonparametric dynamic
    thresholding" (KDD 2018). The state starts at zero in every window, so a score depends on its window alone.

    What the reference (AII4-0/tsad-benchmark, ``models/lstm.py``) got wrong, and what differs here:

    - Two layers of 256 units for one channel: 78 million multiply-adds per sample. Here one layer of 32.
    - Only the last step of each window is learned from. Here every step past a short warm-up forecasts its successor
      while training: about W targets from a window instead of one.
    - Dropout of the last state, on top of a squashed error (``sigmoid(mse)``) that ties at 1.0. Here the score is the
      squared error itself, per channel.

    Parameters
    ----------
    window, channels : int
        W (at least 2) and C.
    hyper : LstmHyper

    Raises
    ------
    ValueError
        The window is shorter than two samples.

    Examples
    --------
    >>> import torch
    >>> score, parts = Lstm(100, 1, LstmHyper())(torch.zeros(3, 100, 1))
    >>> tuple(score.shape), tuple(parts.shape)
    ((3,), (3, 1))
    """

    def __init__(self, window: int, channels: int, hyper: LstmHyper) -> None:
        super().__init__(window, channels, hyper, warm_up=(window - 1) // 4)
        self.lstm = nn.LSTM(channels, hyper.hidden, batch_first=True)
        self.output = nn.Linear(hyper.hidden, channels)

    def states(self, past: Tensor) -> Tensor:
        """Past (B, T, C) -> hidden state after each sample (B, T, hidden)."""
        return self.lstm(past)[0]
