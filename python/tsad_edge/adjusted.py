"""The point-adjusted F1 of the literature, its threshold chosen on the labels: for comparison with published figures.

Owns this one protocol, which flatters: it ranks nothing here, and no threshold that it finds is ever used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .vus import checked


def best_point_adjusted(scores: NDArray[Any], labels: NDArray[Any]) -> dict[str, float]:
    """The largest point-adjusted F1 that any threshold gives: exact, over all distinct scores, in O(T log T).

    **Not for ranking detectors.** An event counts as wholly found if any one of its samples alarms, and the threshold
    is the one that the labels like best: random numbers come out ahead of trained models [2]_. The figure is here only
    because others publish it [1]_.

    Parameters
    ----------
    scores : ndarray (T,)
        Higher is more abnormal. Infinite scores are allowed: +inf is the worst there is.
    labels : ndarray (T,)
        1 where anomalous, else 0. A run of ones is an event.

    Returns
    -------
    dict
        ``f1``, ``precision``, ``recall`` and ``threshold``. Here an alarm is a score that **reaches** the threshold
        (score >= threshold), so that each distinct score gives another set of alarms, that of all samples included.
        Of equally good thresholds it is the highest, which is always an event's largest score; it may be infinite.

    Raises
    ------
    ValueError
        Lengths differ, a score is NaN (leave unscored samples out first), a label is neither 0 nor 1, or there is no
        anomaly or nothing else.

    References
    ----------
    .. [1] Su et al., "Robust Anomaly Detection for Multivariate Time Series through Stochastic Recurrent Neural
       Network" (OmniAnomaly), KDD 2019.
    .. [2] Kim et al., "Towards a Rigorous Evaluation of Time-Series Anomaly Detection", AAAI 2022.

    Examples
    --------
    Random numbers and an event of 100 samples: almost perfect.

    >>> labels = np.zeros(1000, dtype=int)
    >>> labels[300:400] = 1
    >>> best = best_point_adjusted(np.random.default_rng(0).random(1000), labels)
    >>> round(best["f1"], 3), best["recall"]
    (0.99, 1.0)
    """
    scores, anomalous = checked(scores, labels)
    starts = np.flatnonzero(anomalous & ~np.r_[False, anomalous[:-1]])
    lengths = np.flatnonzero(anomalous & ~np.r_[anomalous[1:], False]) - starts + 1
    peaks = np.maximum.reduceat(scores[anomalous], np.cumsum(lengths) - lengths)
    # Between two peaks a lower threshold finds no further event, it only adds false alarms.
    thresholds = np.unique(peaks)[::-1]
    found = np.bincount(np.searchsorted(-thresholds, -peaks), weights=lengths)
    normal = np.bincount(np.searchsorted(-thresholds, -scores[~anomalous]), minlength=len(thresholds) + 1)
    true, false = np.cumsum(found), np.cumsum(normal)[: len(thresholds)]
    actual = lengths.sum()
    f1 = 2 * true / (true + false + actual)
    best = int(np.argmax(f1))
    return {
        "f1": float(f1[best]),
        "precision": float(true[best] / (true[best] + false[best])),
        "recall": float(true[best] / actual),
        "threshold": float(thresholds[best]),
    }
