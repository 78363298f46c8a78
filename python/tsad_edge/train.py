"""Fits one entity's model to its normal data. No label enters here, and nothing of one entity reaches the next.

Owns seeds, windows, the early stop and the held-back scores; how a model learns from a batch is the model's business
(`models.base.Learner`) or from all windows (`Solver`), and what becomes of the held-back scores is `threshold`'s.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

from .data import Blocks, Split, from_json
from .models import Hyper, Learner, Scorer, Solver, build
from .scoring import score_series, windows

EVALUATION_WINDOWS = 2048
"""Most windows a mean error is taken over; more are thinned out evenly."""

SOLVER_WINDOWS = 4096
"""Most windows a model is fitted to at one go; more are thinned out evenly."""

PASSES = 4
"""Most times that an epoch of a fold sees each window, on average; a short fold has so few that many are repetition."""


@dataclass(frozen=True)
class Fitted:
    """What training leaves: T1 samples to fit on, T2 to hold back, n held-back scores."""

    scorer: Scorer
    history: list[dict[str, float]]
    """Per epoch: the model's losses, and `stop`, the error on the stop block (not with folds). One row where a model is
    fitted at one go."""
    fit: NDArray[np.float32]
    """(T1, C) the series the final model was fitted on, warm-up included."""
    held_back: NDArray[np.float32]
    """(T2, C) the series the held-back scores come from, warm-up included; with folds it is `fit` itself."""
    held_back_scores: NDArray[np.float32]
    """(n,) of normal windows that the model that scored them was not fitted on."""
    held_back_reference: NDArray[np.float64]
    """(n,) the same in float64."""


def entity_seed(seed: int, entity: str) -> int:
    """The seed of one entity, from the only seed there is and the entity's name; the same in every process.

    Examples
    --------
    >>> entity_seed(1, "C-1") != entity_seed(1, "C-2")
    True
    """
    return int.from_bytes(hashlib.sha256(f"{seed}/{entity}".encode()).digest()[:7], "big")


def fit_entity(
    values: NDArray[np.float32],
    split: dict[str, Any],
    window: int,
    model: str,
    hyper: Mapping[str, Any] | None = None,
    seed: int = 1,
) -> Fitted:
    """Train one model on one entity's normal data, and score the normal data that was held back.

    With ``kind: blocks`` it is fitted on `fit`, stopped on `stop` (best weights restored) and scored on `threshold`.
    With ``kind: folds`` (series too short for three blocks) two models are each fitted on one half and score the
    other, and the final model is fitted on the whole series; all three train for the full number of epochs, of at most
    `PASSES` times the windows there are. A model that is fitted at one go sees the windows of `fit` thinned out evenly,
    and has nothing to stop.

    Bit for bit reproducible on one machine: one thread, seeded draws, deterministic kernels. The arguments can be
    pickled, so entities can be spread over processes.

    Parameters
    ----------
    values : ndarray (T, C) float32
        Normal data in raw units, finite.
    split : dict
        As meta.json holds it (`data.to_json`): ``kind`` and its ranges. Of a range [a, b], samples a to b-1 are
        scored; their windows reach back W-1 samples further.
    window : int
        W.
    model : str
        A key of `models.MODELS`.
    hyper : mapping, optional
        Hyperparameters that differ from the model's defaults.
    seed : int
        Of this entity; see `entity_seed`.

    Raises
    ------
    ValueError
        A value is not finite, the split reaches out of the series or mixes its parts, a hyperparameter is wrong, or
        training diverged.

    Examples
    --------
    >>> wave = np.sin(np.arange(900) / 5).astype(np.float32)[:, None]
    >>> split = {"kind": "blocks", "fit": [9, 500], "stop": [509, 700], "threshold": [709, 900]}
    >>> len(fit_entity(wave, split, 10, "gan", {"epochs": 2}).held_back_scores)
    191
    """
    values = np.array(values, dtype=np.float32, order="C")  # a copy: torch wants memory it may write to
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(
            f"training data: sample {row}, channel {column} is {values[row, column]}; clean it or leave it out"
        )
    shares = _checked(split, window, len(values))

    def series(start: int, end: int) -> NDArray[np.float32]:
        return values[start - window + 1 : end]

    with _reproducible():

        def fit(fit_on: NDArray[np.float32], stop_on: NDArray[np.float32] | None, draw: int) -> Any:
            return _fit(model, hyper, fit_on, stop_on, window, draw)

        if isinstance(shares, Blocks):
            fit_on, held_back = series(*shares.fit), series(*shares.threshold)
            scorer, history = fit(fit_on, series(*shares.stop), seed)
            scores, reference = _both(scorer, held_back, window)
        else:
            (start, _), (_, end) = shares.folds
            first, second = (series(*fold) for fold in shares.folds)
            fit_on = held_back = series(start, end)
            on_second = _both(fit(first, None, seed + 1)[0], second, window)
            on_first = _both(fit(second, None, seed + 2)[0], first, window)
            scores, reference = (np.concatenate(pair) for pair in zip(on_first, on_second, strict=True))
            scorer, history = fit(fit_on, None, seed)
    return Fitted(scorer, history, fit_on, held_back, scores.astype(np.float32), reference)


def untrained(
    model: str, hyper: Mapping[str, Any] | None, fit_on: NDArray[np.float32], window: int, seed: int
) -> Scorer:
    """A model as it is before its first step: scaled and weighed on normal data, its network drawn at random.

    A trained model that is no better than this has learned nothing.

    Parameters
    ----------
    model, hyper, window
        As for `fit_entity`.
    fit_on : ndarray (T1, C) float32
        Normal data, as `Fitted.fit`.
    seed : int
        Of the weights.

    Examples
    --------
    >>> wave = np.sin(np.arange(300) / 5).astype(np.float32)[:, None]
    >>> untrained("gan", None, wave, 10, seed=1).training
    False
    """
    with _reproducible(), torch.random.fork_rng(devices=[]):
        scorer = _fresh(model, hyper, fit_on, window, seed)
        scorer.fit_weight(_typical(scorer, windows(_standardised(scorer, fit_on), window)))
    return scorer.eval()


def _checked(tree: dict[str, Any], window: int, samples: int) -> Split:
    """The split, its ranges in the series, in order, and with no window that reaches into another range."""
    if tree.get("kind") not in ("blocks", "folds"):
        raise ValueError(f"split.kind is {tree.get('kind')!r}; it must be 'blocks' or 'folds'")
    split = from_json(tree)
    if isinstance(split, Blocks):
        ranges = {"fit": split.fit, "stop": split.stop, "threshold": split.threshold}
    else:
        ranges = {"folds[0]": split.folds[0], "folds[1]": split.folds[1]}
    before = 0
    for name, (start, end) in ranges.items():
        first = before + window - 1
        if not first <= start < end <= samples:
            raise ValueError(
                f"split.{name} is [{start}, {end}]; with a window of {window} it must start at {first} or later, "
                f"not be empty, and end by {samples}; run `tsad prepare` again"
            )
        before = end
    return split


def _fit(
    model: str,
    hyper: Mapping[str, Any] | None,
    fit_on: NDArray[np.float32],
    stop_on: NDArray[np.float32] | None,
    window: int,
    seed: int,
) -> tuple[Scorer, list[dict[str, float]]]:
    """One fit from fresh weights."""
    with torch.random.fork_rng(devices=[]):
        scorer = _fresh(model, hyper, fit_on, window, seed)
        z = windows(_standardised(scorer, fit_on), window)
        if stop_on is None and isinstance(scorer.hyper, Hyper):
            most = math.ceil(PASSES * len(z) / scorer.hyper.batch)
            scorer.hyper = replace(scorer.hyper, steps=min(scorer.hyper.steps, most))
        learner = scorer.learner()
    z_stop = None if stop_on is None else windows(_standardised(scorer, stop_on), window)
    if isinstance(learner, Solver):
        learner.fit(_thinned(z, SOLVER_WINDOWS))
        history = [{"epoch": 0.0}]
        if z_stop is not None:
            history[0]["stop"] = float(_typical(scorer, z_stop).mean())
    else:
        history = _epochs(scorer, learner, z, z_stop, torch.Generator().manual_seed(seed))
    scorer.fit_weight(_typical(scorer, z))
    return scorer.eval(), history


def _epochs(
    scorer: Scorer, learner: Learner, z: Tensor, z_stop: Tensor | None, draws: torch.Generator
) -> list[dict[str, float]]:
    """Train batch by batch; the weights of the epoch that does best on `z_stop` stay. Without it all epochs are run."""
    chosen: Hyper = scorer.hyper  # type: ignore[assignment]
    history: list[dict[str, float]] = []
    best, best_at, kept = float("inf"), 0, copy.deepcopy(scorer.state_dict())
    for epoch in range(chosen.epochs):
        scorer.train()
        sums: dict[str, float] = {}
        for _ in range(chosen.steps):
            drawn = torch.randint(len(z), (chosen.batch,), generator=draws)
            for name, loss in learner.step(z[drawn]).items():
                sums[name] = sums.get(name, 0.0) + loss / chosen.steps
        history.append({"epoch": float(epoch), **sums})
        if z_stop is None:
            continue
        history[-1]["stop"] = stop = float(_typical(scorer, z_stop).mean())
        if stop < best:
            best, best_at, kept = stop, epoch, copy.deepcopy(scorer.state_dict())
        elif epoch - best_at >= chosen.patience:
            break
    if z_stop is not None:
        if best == float("inf"):
            raise ValueError(
                f"training diverged: no epoch's error on the stop block is a number; lower train.hyper.learning_rate "
                f"(now {chosen.learning_rate:g})"
            )
        scorer.load_state_dict(kept)
    return history


def _fresh(model: str, hyper: Mapping[str, Any] | None, fit_on: NDArray[np.float32], window: int, seed: int) -> Scorer:
    """A model with drawn weights that knows the scale of its data; leaves torch's generator seeded."""
    torch.manual_seed(seed)
    scorer = build(model, window, fit_on.shape[1], hyper)
    scorer.fit_scale(fit_on)
    return scorer


def _standardised(scorer: Scorer, series: NDArray[np.float32]) -> Tensor:
    return (torch.from_numpy(series) - scorer.offset) * scorer.scale


def _typical(scorer: Scorer, z: Tensor) -> Tensor:
    """Mean error of each channel (C,) over windows z (n, W, C), in evaluation mode."""
    scorer.eval()
    with torch.no_grad():
        return torch.cat([scorer.errors(part) for part in _thinned(z, EVALUATION_WINDOWS).split(512)]).mean(dim=0)


def _thinned(z: Tensor, most: int) -> Tensor:
    """At most so many windows, evenly spaced."""
    return z[:: 1 + (len(z) - 1) // most]


def _both(scorer: Scorer, series: NDArray[np.float32], window: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores of a series in float32 and float64, warm-up left out."""
    score32 = score_series(scorer, series, window)
    score64 = score_series(scorer, series, window, torch.float64)
    return score32[window - 1 :], score64[window - 1 :]


@contextmanager
def _reproducible() -> Iterator[None]:
    """One thread (sums in one order) and deterministic kernels; what the caller had is put back."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        with threadpool_limits(limits=1):  # of what scikit-learn computes with
            yield
    finally:
        torch.use_deterministic_algorithms(deterministic)
        torch.set_num_threads(threads)
