"""k-means: normal windows are near one of a few centres; what is far from all is abnormal. Nothing is trained by steps.

Owns the architecture and its fit; scaling and weighing come from `base`, which windows it sees from `train`.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .base import Scorer, Settings, Solver, newest


@dataclass(frozen=True)
class KMeansHyper(Settings):
    """Size of the model: centres * share * window * channels weights."""

    share: float = 0.5
    """Of the window, at its end, that is compared."""
    centres: int = 32
    """Centres of normal windows."""


class KMeans(Scorer):
    """Distance of the newest samples to the nearest of the centres of normal windows; score = squared distance.

    After Yairi, Kato, Hori, "Fault detection by mining association rules from house-keeping data" (i-SAIRAS 2001), as
    KMeansAD in Schmidl, Wenig, Papenbrock, "Anomaly detection in time series: a comprehensive evaluation" (VLDB 2022),
    fitted to standardised windows of training alone, and a sample scored by the one window that it ends, not by the
    mean over windows that hold it. All channels have one centre in common, so that a sensor that does not fit the
    others is found.

    Parameters
    ----------
    window, channels : int
        W and C.
    hyper : KMeansHyper

    Examples
    --------
    >>> score, parts = KMeans(100, 2, KMeansHyper())(torch.zeros(3, 100, 2))
    >>> tuple(score.shape), tuple(parts.shape)
    ((3,), (3, 2))
    """

    inner: Tensor  # (C * K, 1, lags) minus twice the centres, as kernels over one channel each
    square: Tensor  # (C * K,) their squared lengths

    def __init__(self, window: int, channels: int, hyper: KMeansHyper) -> None:
        super().__init__(window, channels)
        self.hyper = hyper
        self.lags = newest(hyper.share, window)
        self.register_buffer("inner", torch.zeros(channels * hyper.centres, 1, self.lags))
        self.register_buffer("square", torch.zeros(channels * hyper.centres))

    def distances(self, z: Tensor) -> Tensor:
        """Mean squared distance (B, C, K) of each channel's last `lags` samples of z (B, W, C) to each centre."""
        last = z[:, -self.lags :].transpose(1, 2)  # (B, C, lags)
        # |x - c|^2 = |x|^2 - 2 x.c + |c|^2: a product for all centres, where differences would fill memory.
        products = F.conv1d(last, self.inner, self.square, groups=self.channels)
        energy = (last * last).sum(dim=2, keepdim=True)
        return F.relu(products.reshape(-1, self.channels, self.hyper.centres) + energy) * (1.0 / self.lags)

    def errors(self, z: Tensor) -> Tensor:
        """Mean squared distance (B, C) of each channel to its part of the centre that is nearest over all channels."""
        return _nearest(self.distances(z))[1]

    def forward(self, window: Tensor) -> tuple[Tensor, Tensor]:
        """Raw windows (B, W, C) -> score (B,) and parts (B, C); distances are weighed before the nearest is chosen.

        The score does not pass through the choice: between two centres that are equally near, rounding chooses, and
        parts may jump; the least distance does not.
        """
        z = (window - self.offset) * self.scale
        return _nearest(self.distances(z) * self.weight.unsqueeze(1))

    def learner(self) -> Solver:
        """scikit-learn's k-means."""
        return KMeansSolver(self)


def _nearest(distances: Tensor) -> tuple[Tensor, Tensor]:
    """Distances (B, C, K) -> mean over channels to the nearest centre (B,), and the channels' shares in it (B, C)."""
    far = -distances.mean(dim=1)  # (B, K)
    nearest = far.amax(dim=1, keepdim=True)
    chosen = (far >= nearest).unsqueeze(1)  # (B, 1, K)
    return -nearest.squeeze(1), (distances * chosen).amax(dim=2)


class KMeansSolver(Solver):
    """Lloyd's algorithm from one k-means++ start."""

    def __init__(self, kmeans: KMeans) -> None:
        self.kmeans = kmeans
        self.seed = int(torch.randint(2**31 - 1, ()))

    def fit(self, z: Tensor) -> None:
        """Fit to z (n, W, C); where there are too few different windows, centres repeat."""
        from sklearn.cluster import KMeans as Clustering  # takes longer to import than most models to fit
        from sklearn.exceptions import ConvergenceWarning

        model = self.kmeans
        last = z[:, -model.lags :].flatten(1).numpy()
        count = min(model.hyper.centres, len(last))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different windows than centres: no harm
            found = Clustering(count, n_init=1, random_state=self.seed).fit(last).cluster_centers_
        rows = np.resize(found, (model.hyper.centres, last.shape[1]))  # repeats
        centres = rows.reshape(-1, model.lags, model.channels).transpose(2, 0, 1)  # (C, K, lags)
        kernels = torch.from_numpy(np.ascontiguousarray(centres)).reshape(-1, 1, model.lags)
        model.inner.copy_(-2.0 * kernels)
        model.square.copy_((kernels * kernels).sum(dim=(1, 2)))
