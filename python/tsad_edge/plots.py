"""Pictures of what `evaluate` saw: scores over time with threshold, true anomalies and alarms.

Owns matplotlib; numbers belong to `metrics`.
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
    threshold: float,
    labels: NDArray[np.uint8] | None,
) -> None:
    """Draw one entity's scores as a PNG.

    Parameters
    ----------
    t, scores, labels : ndarray (T,)
        Sample index or milliseconds; scores, NaN where there is none; 0 or 1, or None where nothing is known.
    threshold : float
        Drawn as a line; scores above it are marked.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    positive = np.where(scores > 0, scores, np.nan)  # the axis is logarithmic
    axes.plot(t, positive, linewidth=0.7, color="tab:blue", label="score")
    axes.axhline(threshold, color="tab:orange", linewidth=1, label="threshold")
    alarms = scores > threshold
    axes.plot(t[alarms], positive[alarms], ".", markersize=3, color="tab:red", label="alarm")
    if labels is not None and labels.any():
        edges = np.flatnonzero(np.diff(np.concatenate([[0], labels, [0]]).astype(np.int8)))
        for start, end in edges.reshape(-1, 2):
            axes.axvspan(t[start], t[end - 1], color="tab:green", alpha=0.2, linewidth=0)
    axes.set(title=entity, xlabel="t", ylabel="score", yscale="log" if np.isfinite(positive).any() else "linear")
    axes.margins(x=0)
    axes.legend(loc="upper left", fontsize="small")
    figure.savefig(path, dpi=100, metadata={"Software": None})
