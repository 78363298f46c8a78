"""Moving z-score: a sample is abnormal that is far from the mean of its window. Nothing is learned but scales.

Owns the formula; scaling and weighing come from `base`. `floors.moving_z`, not squared, is the floor for other models.
"""

from __future__ import annotations

from torch import Tensor

from .base import Scorer, Settings, Solver

STILL = 1e-4
"""Added to a window's variance, in variances of training: a window that moves less than a hundredth of training's
standard deviation stands still and scores next to nothing, where the quotient would be one of rounding errors."""


class MovingZ(Scorer):
    """``(x - mean)^2 / variance`` of the window that ends at x, per channel: the square of its z-score.

    Squared as the errors of all models here are, which spares a root and keeps rounding small where x is the mean.

    Parameters
    ----------
    window, channels : int
        W and C.
    hyper : Settings
        There is none.

    Examples
    --------
    >>> import torch
    >>> score, parts = MovingZ(100, 2, Settings())(torch.zeros(3, 100, 2))
    >>> tuple(score.shape), tuple(parts.shape)
    ((3,), (3, 2))
    """

    def __init__(self, window: int, channels: int, hyper: Settings) -> None:
        super().__init__(window, channels)
        self.hyper = hyper

    def errors(self, z: Tensor) -> Tensor:
        """Squared distance (B, C) of the last sample of z (B, W, C) from its window's mean, in its variances."""
        centred = z - z.mean(dim=1, keepdim=True)
        squares = centred * centred
        return squares[:, -1] / (squares.mean(dim=1) + STILL)

    def learner(self) -> Solver:
        """Nothing to solve."""
        return _Nothing()


class _Nothing(Solver):
    def fit(self, z: Tensor) -> None:
        """Leave all as it is: each window is its own reference."""
