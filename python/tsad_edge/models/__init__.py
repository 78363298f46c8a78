"""The models by name. Adding one is one file beside this one (a `Scorer` and its `Settings`) and one row in MODELS."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from .base import Hyper, Learner, Scorer, Settings, Solver
from .cnn import Cnn, CnnHyper
from .gan import Gan, GanHyper
from .gru import Gru, GruHyper
from .kmeans import KMeans, KMeansHyper
from .lstm import Lstm, LstmHyper
from .moving_z import MovingZ
from .pca import Pca, PcaHyper
from .tcn import Tcn, TcnHyper
from .tranad import Tranad, TranadHyper
from .transformer import Transformer, TransformerHyper
from .usad import Usad, UsadHyper
from .vae import Vae, VaeHyper

__all__ = ["MODELS", "Hyper", "Learner", "Model", "Scorer", "Settings", "Solver", "build", "hyperparameters"]


class Model(NamedTuple):
    """A row of the table: a class built as ``scorer(window, channels, hyper)`` and the class of its hyperparameters."""

    scorer: Any
    hyper: type[Settings]
    summary: str


MODELS: dict[str, Model] = {
    "gan": Model(Gan, GanHyper, "adversarially trained autoencoder; reconstruction error of the newest samples"),
    "lstm": Model(Lstm, LstmHyper, "recurrent forecaster; squared error of the newest sample"),
    "gru": Model(Gru, GruHyper, "the lstm's forecaster with a quarter fewer weights"),
    "tcn": Model(Tcn, TcnHyper, "forecaster of causal dilated convolutions; squared error of the newest sample"),
    "cnn": Model(
        Cnn, CnnHyper, "forecaster of two convolutions and pools (DeepAnT); squared error of the newest sample"
    ),
    "transformer": Model(
        Transformer, TransformerHyper, "forecaster of one attention block; squared error of the newest sample"
    ),
    "tranad": Model(
        Tranad, TranadHyper, "forecaster that attends to its own past errors; squared error of the newest sample"
    ),
    "vae": Model(Vae, VaeHyper, "variational autoencoder; reconstruction error of the newest samples"),
    "usad": Model(
        Usad, UsadHyper, "two autoencoders, one against the other; reconstruction error of the newest samples"
    ),
    "pca": Model(Pca, PcaHyper, "principal components of windows; reconstruction error of the newest samples"),
    "kmeans": Model(KMeans, KMeansHyper, "centres of normal windows; squared distance to the nearest"),
    "moving_z": Model(
        MovingZ, Settings, "squared distance from the window's mean in its variances; nothing is trained"
    ),
}


def hyperparameters(name: str, hyper: Mapping[str, Any] | None = None) -> Settings:
    """Hyperparameters of a model: its defaults, and what `hyper` changes.

    Raises
    ------
    ValueError
        The model or a hyperparameter is unknown, or a value is of the wrong type or not positive.

    Examples
    --------
    >>> hyperparameters("lstm", {"hidden": 16}).hidden
    16
    """
    if name not in MODELS:
        raise ValueError(f"train.model is {name!r}; known models: {', '.join(MODELS)}")
    kind = MODELS[name].hyper
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    changed: dict[str, Any] = {}
    for key, value in (hyper or {}).items():
        if key not in defaults:
            raise ValueError(f"train.hyper has no {key!r} for model {name!r}; known: {', '.join(defaults) or 'none'}")
        whole = isinstance(defaults[key], int)
        fits = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if not fits or not math.isfinite(value) or value < 0 or (whole and value == 0):
            wanted = "a positive whole number" if whole else "a number of at least 0"
            raise ValueError(f"train.hyper.{key} is {value!r}; it must be {wanted}")
        changed[key] = value if whole else float(value)
    return kind(**changed)


def build(name: str, window: int, channels: int, hyper: Mapping[str, Any] | None = None) -> Scorer:
    """A fresh, untrained model; its weights are drawn from torch's global generator.

    Parameters
    ----------
    name : str
        A key of MODELS.
    window, channels : int
        W and C.
    hyper : mapping, optional
        Hyperparameters that differ from the model's defaults.

    Raises
    ------
    ValueError
        See `hyperparameters`; or the model cannot work on such windows.

    Examples
    --------
    >>> build("gan", 50, 5).window
    50
    """
    chosen = hyperparameters(name, hyper)
    scorer: Scorer = MODELS[name].scorer(window, channels, chosen)
    return scorer
