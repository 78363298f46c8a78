"""What `evaluate` saw, to be looked at: scores over time as a picture, and a curve that `dvc plots` draws.

Owns matplotlib, and what lies in build/plots; the figures that count belong to `metrics`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def timeline(
    path: Path,
    entity: str,
    t: NDArray[np.int64],
    scores: NDArray[Any],
    thresholds: NDArray[Any],
    labels: NDArray[np.uint8] | None,
) -> None:
    """Draw one entity's scores as a PNG.

    Parameters
    ----------
    t, scores, thresholds, labels : ndarray (T,)
        Sample index or milliseconds; scores, NaN where there is none; what they are held against, scores above it are
        marked; 0 or 1, or None where nothing is known.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    positive = np.where(scores > 0, scores, np.nan)  # the axis is logarithmic
    axes.plot(t, positive, linewidth=0.7, color="tab:blue", label="score")
    axes.plot(t, thresholds, color="tab:orange", linewidth=1, label="threshold")
    alarms = scores > thresholds
    axes.plot(t[alarms], positive[alarms], ".", markersize=3, color="tab:red", label="alarm")
    if labels is not None and labels.any():
        edges = np.flatnonzero(np.diff(np.concatenate([[0], labels, [0]]).astype(np.int8)))
        for start, end in edges.reshape(-1, 2):
            axes.axvspan(t[start], t[end - 1], color="tab:green", alpha=0.2, linewidth=0)
    axes.set(title=entity, xlabel="t", ylabel="score", yscale="log" if np.isfinite(positive).any() else "linear")
    axes.margins(x=0)
    axes.legend(loc="upper left", fontsize="small")
    figure.savefig(path, dpi=100, metadata={"Software": None})


def precision_recall(path: Path, scores: NDArray[Any], labels: NDArray[np.uint8], steps: int = 100) -> None:
    """Write one entity's precision-recall curve as CSV; nothing where there is but one class.

    Columns are recall, precision, and the threshold that gives them, at the first point that reaches each of `steps`
    equal steps of recall: a file that two branches can be compared by, whatever the length of the series.

    Parameters
    ----------
    scores, labels : ndarray (T,)
        Scores, NaN where there is none; 0 or 1.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "pump.csv"
    >>> precision_recall(path, np.array([0.1, 0.9, 0.5, 0.4, np.nan]), np.array([0, 1, 0, 1, 1], np.uint8), steps=2)
    >>> print(path.read_text(), end="")
    recall,precision,threshold
    0.5,1,0.9
    1,0.666667,0.4
    """
    from sklearn.metrics import precision_recall_curve

    scored = ~np.isnan(scores)
    truth = labels[scored]
    if not 0 < truth.sum() < len(truth):
        return
    finite = np.nan_to_num(scores[scored], posinf=np.finfo(np.float64).max, neginf=np.finfo(np.float64).min)
    precision, recall, threshold = (values[::-1] for values in precision_recall_curve(truth, finite))
    # reversed, the curve begins at recall 0, a point that no threshold gives
    first = np.unique(np.searchsorted(recall[1:], np.arange(1, steps + 1) / steps - 1e-12))
    rows = np.column_stack([recall[1:][first], precision[1:][first], threshold[first]])
    np.savetxt(path, rows, "%.6g", ",", header="recall,precision,threshold", comments="")
