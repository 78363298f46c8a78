"""PCA: principal components of normal windows; what they cannot express is abnormal. Nothing is trained by steps.

Owns the architecture and its fit; scaling and weighing come from `base`, which windows it sees from `train`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from .base import Scorer, Settings, Solver, newest

LEAST_VARIANCE = 1e-6
"""Of a component, where values have variance 1. Below, it is a direction in which normal data does not move (a constant
channel), and must not be allowed to express what moves there later."""


@dataclass(frozen=True)
class PcaHyper(Settings):
    """Size of the PCA: 2 * components * share * window * channels weights."""

    share: float = 0.5
    """Of the window, at its end, that is looked at and scored; the whole finds anomalies of shape better, a tenth those
    of level, and is enough for many channels."""
    components: int = 8
    """Principal components that are normal; at most half as many as there are values to look at."""


class Pca(Scorer):
    """Reconstruction of the newest samples from a few principal components; score = squared error.

    After Shyu, Chen, Sarinnapakorn, Chang, "A novel anomaly detection scheme based on principal component classifier"
    (ICDM Workshops 2003), on windows instead of samples (for one channel also known as Sub-PCA), fitted to standardised
    windows of training alone. In the graph: one linear layer that projects, one that reconstructs.

    Parameters
    ----------
    window, channels : int
        W and C.
    hyper : PcaHyper

    Examples
    --------
    >>> score, parts = Pca(100, 2, PcaHyper())(torch.zeros(3, 100, 2))
    >>> tuple(score.shape), tuple(parts.shape)
    ((3,), (3, 2))
    """

    def __init__(self, window: int, channels: int, hyper: PcaHyper) -> None:
        super().__init__(window, channels)
        self.hyper = hyper
        self.lags = newest(hyper.share, window)
        values = self.lags * channels
        components = max(1, min(hyper.components, values // 2))
        self.project = nn.Linear(values, components)
        self.output = nn.Linear(components, values)

    def looked_at(self, z: Tensor) -> Tensor:
        """Windows (B, W, C) -> the newest samples in one row (B, lags * C)."""
        return z[:, -self.lags :].flatten(1)

    def errors(self, z: Tensor) -> Tensor:
        """Mean squared reconstruction error (B, C) over the last `lags` samples of z (B, W, C)."""
        values = self.looked_at(z)
        difference = (self.output(self.project(values)) - values).reshape(-1, self.lags, self.channels)
        return (difference * difference).mean(dim=1)

    def learner(self) -> Solver:
        """scikit-learn's PCA."""
        return PcaSolver(self)


class PcaSolver(Solver):
    """Exact for few values; of many, a randomised algorithm finds the few components that are wanted."""

    def __init__(self, pca: Pca) -> None:
        self.pca = pca
        self.seed = int(torch.randint(2**31 - 1, ()))

    @torch.no_grad()
    def fit(self, z: Tensor) -> None:
        """Fit to z (n, W, C); where the windows have fewer components than there is room for, the rest are zero."""
        from sklearn.decomposition import PCA  # takes longer to import than most models to fit

        values = self.pca.looked_at(z).numpy()
        project, output = self.pca.project, self.pca.output
        count = min(project.out_features, len(values))
        with np.errstate(invalid="ignore"):  # shares of a variance of zero, where all channels are constant
            found = PCA(count, random_state=self.seed).fit(values)
        components = np.zeros((project.out_features, project.in_features), np.float32)
        components[:count] = found.components_ * (found.explained_variance_ > LEAST_VARIANCE)[:, None]
        project.weight.copy_(torch.from_numpy(components))
        project.bias.copy_(torch.from_numpy(-components @ found.mean_))
        output.weight.copy_(torch.from_numpy(components.T))
        output.bias.copy_(torch.from_numpy(found.mean_))
