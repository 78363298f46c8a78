"""A detector in integers: which operators stay float32, and a threshold of its own.

A quantised model is another model, so its threshold comes from its own scores of the held-back normal windows. What
integers are is the compiler's business; that they decide like PyTorch is `integer_proof`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .twin import smooth

SUFFIX = "_s8"
"""Behind an entity's name, where its model in integers is meant."""
CALIBRATION, JUDGED = 1000, 250
"""Windows that ranges come from, and that the effect of an operator is measured on, at most."""
BEARABLE = 0.05
"""Of the threshold: as much may a score be off, but for one window in a hundred, before an operator stays float32."""


def spread(samples: NDArray[np.float32], window: int, most: int) -> NDArray[np.float32]:
    """Windows (n, W, C) of samples (T, C), `most` of them, evenly spread.

    Examples
    --------
    >>> spread(np.arange(9, dtype=np.float32)[:, None], 3, 2)[:, 0, 0].tolist()
    [0.0, 6.0]
    """
    every = np.lib.stride_tricks.sliding_window_view(samples, window, axis=0).transpose(0, 2, 1)
    chosen = np.unique(np.linspace(0, len(every) - 1, min(len(every), most)).round().astype(int))
    return np.ascontiguousarray(every[chosen])


def quantised(
    graph: Any,
    detector: dict[str, Any],
    calibration: Mapping[str, NDArray[Any]],
    compiled: Callable[..., Any],
    told_of: Callable[..., dict[str, Any]],
) -> tuple[Any, dict[str, Any]]:
    """The model in integers, and its detector.json.

    Parameters
    ----------
    graph : codegen.Graph
        As loaded.
    detector
        detector.json of the float32 model, but for the entity's name.
    calibration : mapping
        calibration.npz: ``fit`` (T1, C), ``held_back`` (T2, C) and the held-back scores (n,).
    compiled, told_of : callable
        `entity.generated` for this graph, and `entity.told_of`.

    Raises
    ------
    ValueError
        Calibration has too little in it, or values that are not finite.
    """
    from . import codegen

    window = detector["window"]
    ranges = spread(calibration["fit"], window, CALIBRATION)
    judged = spread(calibration["held_back"], window, JUDGED)
    trial = codegen.Trial(graph, ranges, judged, abs(detector["threshold"]) or 1.0)
    # Where held-back scores tie, errors as a share of the threshold say nothing.
    stays = [] if detector["degenerate_calibration"] else trial.choose(BEARABLE)
    names = [loss.name for loss in stays]
    scores = held_back_scores(graph, trial.quantised(names), detector, calibration)
    precision = {
        "of": detector["entity"].removesuffix(SUFFIX),
        "weights": "s8",
        "room": trial.room,
        "stays_float32": [_told(loss) for loss in stays],
        "losses": [_told(loss) for loss in trial.losses(names)],
    }
    found = {**rethresholded(detector, scores, told_of), "precision": precision}
    return compiled(found, calibration=ranges, as_float=names, room=trial.room), found


def _told(loss: Any) -> dict[str, Any]:
    """An operator's loss, in shares of the threshold."""
    told = {"name": loss.name, "sources": list(loss.sources)}
    return {**told, "error": loss.before, "error_in_float32": loss.error}


def held_back_scores(
    graph: Any, in_integers: Any, detector: dict[str, Any], calibration: Mapping[str, NDArray[Any]]
) -> NDArray[np.float32]:
    """What the model in integers says of the held-back windows (n,), smoothed as the detector does it.

    With folds the held-back scores are those of other models, which were fitted on the other half. Then these scores
    are taken, each moved as the final model's score of the same rank moves by quantisation.
    """
    from . import codegen

    window, share = detector["window"], detector["events"]["smoothing"]
    windows = spread(calibration["held_back"], window, len(calibration["held_back"]))
    unbroken = np.zeros(len(windows), bool)
    before, after = (
        smooth(codegen.interpret(each, windows, np.float32).scores.astype(np.float32), unbroken, share)
        for each in (graph, in_integers)
    )
    known: NDArray[np.float32] = calibration["held_back_scores"]
    if len(known) == len(after):
        return after
    moved = np.interp(known, np.sort(before), np.sort(after) - np.sort(before))
    return (known + moved).astype(np.float32)


def rethresholded(
    detector: dict[str, Any], scores: NDArray[np.float32], told_of: Callable[..., dict[str, Any]]
) -> dict[str, Any]:
    """detector.json with the threshold that these scores (n,) set, by the same method and for the same rate."""
    from .threshold import choose

    asked = detector["false_alarms"]
    limit = choose(asked["method"], scores, asked["wanted_per_1000"], scores.astype(np.float64))
    found = told_of(limit, scores, asked["wanted"], asked["wanted_per_1000"], detector["window"])
    baseline = detector["baseline"]
    if baseline:  # its bounds are multiples of the threshold
        factor = limit.value / detector["threshold"]
        baseline = {**baseline, **{name: baseline[name] * factor for name in ("least", "most")}}
    return {**detector, **found, "baseline": baseline}
