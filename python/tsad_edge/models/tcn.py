"""TCN: a forecaster of causal, dilated convolutions; what it cannot foresee is abnormal.

Owns the architecture; error and training step come from `forecast`, scaling and weighing from `base`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from .base import Hyper
from .forecast import Forecaster


@dataclass(frozen=True)
class TcnHyper(Hyper):
    """Size of the TCN; few steps, because each learns from every sample that has the receptive field before it."""

    filters: int = 16
    """Kernels of each convolution."""
    taps: int = 3
    """Samples a kernel looks at, `dilation` apart."""
    levels: int = 8
    """Most residual blocks, of dilation 1, 2, 4, ...; fewer where the window has no room for so many."""
    epochs: int = 25
    steps: int = 12
    batch: int = 64
    patience: int = 5
    learning_rate: float = 1e-2
    weight_decay: float = 1e-4


def receptive_field(taps: int, levels: int) -> int:
    """Samples that one output of so many blocks depends on.

    Examples
    --------
    >>> [receptive_field(3, levels) for levels in (0, 1, 2, 4)]
    [1, 5, 13, 61]
    """
    return 1 + 2 * (taps - 1) * (2**levels - 1)


class Block(nn.Module):
    """Two causal convolutions of one dilation, and a shortcut around them."""

    def __init__(self, inputs: int, filters: int, taps: int, dilation: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(inputs, filters, taps, dilation=dilation)
        self.second = nn.Conv1d(filters, filters, taps, dilation=dilation)
        self.shortcut = nn.Identity() if inputs == filters else nn.Conv1d(inputs, filters, 1)
        self.used = 2 * (taps - 1) * dilation

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T) -> (B, filters, T - used): only outputs that need no padding."""
        y = F.relu(self.second(F.relu(self.first(x))))
        return F.relu(y + self.shortcut(x[:, :, self.used :]))


class Tcn(Forecaster):
    """One-step forecaster: a stack of causal dilated convolutions, read out at its last column; score = squared error.

    After Bai, Kolter, Koltun, "An empirical evaluation of generic convolutional and recurrent networks for sequence
    modeling" (arXiv:1803.01271, 2018), without weight normalisation and dropout. There are as many blocks as the
    W-1 samples of the past have room for, so that nothing is padded: a score depends on `reach` samples and the newest,
    in whatever window they stand.

    Parameters
    ----------
    window, channels : int
        W and C.
    hyper : TcnHyper

    Raises
    ------
    ValueError
        The window has no room for one block, or a kernel has a single tap, which sees no past.

    Examples
    --------
    >>> import torch
    >>> tcn = Tcn(100, 1, TcnHyper())
    >>> score, parts = tcn(torch.zeros(3, 100, 1))
    >>> tuple(score.shape), tuple(parts.shape), tcn.reach
    ((3,), (3, 1), 61)
    """

    def __init__(self, window: int, channels: int, hyper: TcnHyper) -> None:
        if hyper.taps < 2:
            raise ValueError(f"train.hyper.taps is {hyper.taps}; a convolution along time needs at least 2")
        levels = hyper.levels
        while receptive_field(hyper.taps, levels) > window - 1:
            levels -= 1
        if levels < 1:
            least = receptive_field(hyper.taps, 1) + 1
            raise ValueError(f"prepare.window is {window}; a tcn of {hyper.taps} taps needs at least {least} samples")
        super().__init__(window, channels, hyper, reach=receptive_field(hyper.taps, levels))
        inputs = [channels, *[hyper.filters] * (levels - 1)]
        self.blocks = nn.Sequential(*(Block(n, hyper.filters, hyper.taps, 2**i) for i, n in enumerate(inputs)))
        self.output = nn.Linear(hyper.filters, channels)

    def states(self, past: Tensor) -> Tensor:
        """Past (B, T, C) -> states (B, T - reach + 1, filters)."""
        return self.blocks(past.transpose(1, 2)).transpose(1, 2)
