"""VUS-ROC and VUS-PR: areas under two curves, averaged over how far the labels are allowed to be off in time.

Owns the two volumes and the buffer they are taken over. Which samples are judged, and what is made of the figures, is
left to `metrics`. `make oracle` compares this file with aeon, an independent implementation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

THRESHOLDS = 250  # as many as the authors' code and aeon sample


def buffer_of(window: int, labels: NDArray[Any]) -> int:
    """The widest buffer to take the volumes over: the window, but no more than the longest run of normal samples.

    A buffer that wide still leaves at least one sample of that run wholly normal. With a wider one every sample of the
    series may count as anomalous, and a false alarm is then no longer a false alarm.

    Parameters
    ----------
    window : int
        W in samples: a window still sees an event W - 1 samples after its end.
    labels : ndarray (T,)
        1 where anomalous, else 0.

    Raises
    ------
    ValueError
        The window is negative, or a label is neither 0 nor 1.

    Examples
    --------
    >>> labels = np.array([0, 0, 0, 1, 1, 0, 0, 0, 0, 0])
    >>> buffer_of(4, labels), buffer_of(100, labels)
    (4, 5)
    """
    if window < 0:
        raise ValueError(f"window is {window}; it must be 0 or more samples")
    labels = np.asarray(labels)
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(f"labels hold {np.setdiff1d(labels, (0, 1))[:5].tolist()}; only 0 and 1 have a meaning")
    runs = np.diff(np.flatnonzero(labels), prepend=-1, append=len(labels)) - 1
    return min(int(window), int(runs.max()))


def volumes(scores: NDArray[Any], labels: NDArray[Any], buffer: int) -> tuple[float, float]:
    """VUS-ROC and VUS-PR of one series: means of the range-based areas over the buffers 0, 1, ..., `buffer`.

    A buffer of b samples gives each event a slope on both sides: a sample at distance d counts as anomalous to a share
    of sqrt(1 - d/b), at most b//2 samples before the first and b//2 - 1 after the last sample of the event. Recall is
    that share's sum over the alarms, divided by the mean of its sum over all samples with and without slopes, times
    the share of events (with slopes; those that touch are one) that hold an alarm. Thresholds are 250 of the sorted
    scores, evenly spaced by rank; an alarm is a score not below the threshold. Only the order of scores matters.

    Parameters
    ----------
    scores : ndarray (T,)
        Higher is more abnormal. Infinite scores are allowed: +inf is the worst there is.
    labels : ndarray (T,)
        1 where anomalous, else 0.
    buffer : int
        Widest buffer in samples, see `buffer_of`. Time and memory grow with it: 250 numbers for each.

    Returns
    -------
    vus_roc, vus_pr : float
        From 0 to 1, higher is better. With slopes not even scores that equal the labels reach 1.

    Raises
    ------
    ValueError
        Lengths differ, a score is NaN (leave unscored samples out first), a label is neither 0 nor 1, there is no
        anomaly or nothing else, or the buffer is negative.

    Notes
    -----
    Equal to `range_roc_vus_score` and `range_pr_vus_score` of aeon 1.6 with ``max_buffer_size=buffer``, and with them
    in what one may not expect:

    - Constant scores give (0, 0), although the curves' own areas would not be 0.
    - The slope after an event is one sample shorter than the slope before it.
    - Where two slopes overlap, their sum is cut to 1, and as no slope is below sqrt(1/2), a sample that two of them
      reach counts as fully anomalous. Slopes also run on through neighbouring events.
    - Buffers 0 and 1 both have no slope, so that the plain labels count twice.
    - The curve of precision and recall begins at precision 1 and is joined by straight lines, which is generous; ties
      between scores and series of fewer than 250 samples only repeat thresholds.

    aeon also says that it takes +inf for 1 and NaN for 0, but then uses the raw scores: +inf is the worst there too,
    and with a NaN its VUS-PR is NaN. It gives NaN twice without an anomaly, and NaN and 1 without a normal sample. Here
    these are errors.

    References
    ----------
    Paparrizos et al., "Volume Under the Surface: A New Accuracy Evaluation Measure for Time-Series Anomaly Detection",
    PVLDB 15(11), 2022.

    Examples
    --------
    The alarm comes two samples before the label: worth nothing point by point, something with a buffer.

    >>> labels, scores = np.zeros(100, dtype=int), np.zeros(100)
    >>> labels[50:55], scores[48:50] = 1, 1.0
    >>> for buffer in (0, 8):
    ...     print([round(volume, 3) for volume in volumes(scores, labels, buffer)])
    [0.489, 0.025]
    [0.585, 0.394]
    """
    scores, anomalous = checked(scores, labels)
    if buffer < 0:
        raise ValueError(f"buffer is {buffer}; it must be 0 or more samples")
    if scores.min() == scores.max():
        return 0.0, 0.0
    first = _first_threshold(scores)
    alarms = np.cumsum(np.bincount(first, minlength=THRESHOLDS))  # (250,)
    true, found = _over_buffers(first, anomalous, buffer)  # (buffer + 1, 250)

    # The last threshold is the lowest score: all samples alarm.
    total = (anomalous.sum() + true[:, -1:]) / 2  # (buffer + 1, 1)
    recall = np.minimum(true / total, 1) * found
    fallout = np.minimum((alarms - true) / (len(scores) - total), 1)
    precision = true / alarms
    zero, one = np.zeros_like(total), np.ones_like(total)
    roc = np.trapezoid(np.hstack([zero, recall, one]), np.hstack([zero, fallout, one]))
    pr = np.trapezoid(np.hstack([one, precision]), np.hstack([zero, recall]))
    return float(roc.mean()), float(pr.mean())


def checked(scores: NDArray[Any], labels: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scores (T,) as float64 and which samples are anomalous; ValueError where a ranking would have no meaning.

    Examples
    --------
    >>> checked(np.array([1, 2]), np.array([0, 1]))[1].tolist()
    [False, True]
    """
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise ValueError(f"scores have shape {scores.shape} and labels {labels.shape}; both must be (T,)")
    if np.isnan(scores).any():
        where = np.flatnonzero(np.isnan(scores))
        raise ValueError(f"{len(where)} scores are NaN, the first at {where[0]}; leave out samples without a score")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(f"labels hold {np.setdiff1d(labels, (0, 1))[:5].tolist()}; only 0 and 1 have a meaning")
    anomalous = labels == 1
    if not anomalous.any():
        raise ValueError(f"no anomaly among {len(labels)} samples; there is nothing to find")
    if anomalous.all():
        raise ValueError(f"nothing but anomalies among {len(labels)} samples; there is nothing to tell them from")
    return scores, anomalous


def _first_threshold(scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """Index of the first of the falling thresholds at which a sample alarms."""
    falling = np.sort(scores)[::-1]
    thresholds = falling[np.linspace(0, len(scores) - 1, THRESHOLDS, dtype=np.int_)]
    return np.searchsorted(-thresholds, -scores)


def _over_buffers(
    first: NDArray[np.intp], anomalous: NDArray[np.bool_], buffer: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum of the labels with slopes over the alarms, and share of events found, per buffer and threshold.

    From one buffer to the next only the slopes' weights change, and every other time each event grows by a sample on
    both sides. So sums over thresholds are sums over the `first` thresholds of the samples concerned.
    """
    starts = np.flatnonzero(anomalous & ~np.r_[False, anomalous[:-1]])
    lasts = np.flatnonzero(anomalous & ~np.r_[anomalous[1:], False])
    gaps = starts[1:] - lasts[:-1]
    lengths = lasts - starts + 1
    earliest = np.minimum.reduceat(first[anomalous], np.cumsum(lengths) - lengths)
    plain = np.bincount(first[anomalous], minlength=THRESHOLDS)
    sample, distance, once, twice = _slopes(anomalous, starts, lasts, buffer // 2)
    first_on_slope = first[sample]

    true, found = np.empty((buffer + 1, THRESHOLDS)), np.empty((buffer + 1, THRESHOLDS))
    for width in range(buffer + 1):
        half = width // 2
        near = np.searchsorted(once, half, side="right")
        share = np.where(twice[:near] <= half, 1.0, np.sqrt(1 - distance[:near] / max(width, 1)))
        true[width] = plain + np.bincount(first_on_slope[:near], share, THRESHOLDS)
        if half > 0 and width % 2 == 0:
            # Beyond the series' ends this meets the outermost sample again, which the event already has.
            before, after = np.maximum(starts - half, 0), np.minimum(lasts + half - 1, len(first) - 1)
            earliest = np.minimum(earliest, np.minimum(first[before], first[after]))
        apart = np.flatnonzero(np.r_[True, gaps > 2 * half])
        events = np.minimum.reduceat(earliest, apart)
        found[width] = np.bincount(events, minlength=THRESHOLDS) / len(events)
    return np.cumsum(true, axis=1), np.cumsum(found, axis=1)


def _slopes(
    anomalous: NDArray[np.bool_], starts: NDArray[np.intp], lasts: NDArray[np.intp], reach: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Normal samples within `reach` of an event: index, distance, and the half buffers at which one slope reaches
    the sample and at which a second one does; in the order of the former."""
    sample = np.flatnonzero(~anomalous)
    event = np.searchsorted(starts, sample)  # the next one
    never = len(anomalous) + reach + 1
    starts, lasts = np.r_[starts, never, never], np.r_[-never, -never, lasts]
    to_next, to_second_next = starts[event] - sample, starts[event + 1] - sample
    since, since_second = sample - lasts[event + 1], sample - lasts[event]
    once = np.minimum(to_next, since + 1)
    twice = np.minimum(np.maximum(to_next, since + 1), np.minimum(to_second_next, since_second + 1))
    distance = np.minimum(to_next, since)  # of the slope that is there alone
    reached = np.flatnonzero(once <= reach)
    reached = reached[np.argsort(once[reached], kind="stable")]
    return sample[reached], distance[reached], once[reached], twice[reached]
