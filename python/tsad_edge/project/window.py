"""How long a window should be: the dominant period of the training rows, within what they and a device can hold.

Owns the rule that `tsad init` writes into a new params.yaml. Afterwards it is its owner's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LOOKED_AT = 20_000  # rows; a period of up to a quarter of them is found
REPEATS = 4  # a period must be seen so often to be believed
FASTEST = 4  # samples; what alternates faster is no period of a plant
USUAL = 50  # samples, where there is no period
LEAST, MOST = 16, 256  # samples: several of a shorter period; a longer one suits no small device, and `USUAL` must do
SHORTEST = 8  # samples, for files that hold but a few hundred rows
ROWS_A_WINDOW = 10  # training rows it takes to have a block for early stopping and one for the threshold (data/splits)


@dataclass(frozen=True)
class Period:
    """A period in samples, and the channels (by their number) that show it."""

    samples: int
    channels: tuple[int, ...]


def dominant_period(values: NDArray[np.float32]) -> Period | None:
    """The period that the channels agree on most, or None where none shows one.

    Per channel, the first clear peak of the autocorrelation: it must stand out of what noise of that length does, be
    nearly as high as any other, and come again at twice its lag. The channels vote with the height of their peaks;
    periods within a tenth of each other are one.

    Parameters
    ----------
    values : array (T, C)
        Normal operation, without missing values.

    Examples
    --------
    >>> dominant_period(np.sin(np.arange(600) / 30 * 2 * np.pi)[:, None]).samples
    30
    """
    found: dict[int, tuple[int, float]] = {}
    for channel, series in enumerate(values[:LOOKED_AT].T.astype(np.float64)):
        if (peak := _peak(series)) is not None:
            found[channel] = peak
    if not found:
        return None

    def votes(lag: int) -> list[int]:
        return [channel for channel, (other, _) in found.items() if abs(other - lag) <= 0.1 * lag]

    best = max((lag for lag, _ in found.values()), key=lambda lag: (sum(found[c][1] for c in votes(lag)), -lag))
    return Period(best, tuple(votes(best)))


def _peak(series: NDArray[np.float64]) -> tuple[int, float] | None:
    """Lag and height of the autocorrelation's first clear peak."""
    from scipy import signal

    rows = len(series)
    longest = rows // REPEATS
    flat = signal.detrend(series)
    if longest < 3 or flat.std() <= 1e-6 * max(np.abs(series).max(), 1e-30):  # constant, up to rounding
        return None
    lags = np.arange(2 * longest + 1)
    sums = signal.correlate(flat, flat, method="fft")[rows - 1 :][: len(lags)] / (rows - lags)
    likeness = sums / sums[0]
    least = max(0.2, 4 / math.sqrt(rows / 2))  # four deviations of what noise shows
    peaks, _ = signal.find_peaks(likeness, height=least, prominence=least)
    peaks = peaks[(peaks >= FASTEST) & (peaks <= longest)]
    if not peaks.size:
        return None
    first = int(peaks[likeness[peaks] >= 0.7 * likeness[peaks].max()][0])
    around = likeness[2 * first - first // 4 : 2 * first + first // 4 + 1]
    return (first, float(likeness[first])) if around.max() >= 0.5 * likeness[first] else None


def window_for(rows: int, period: Period | None) -> tuple[int, str]:
    """A window for so many training rows, and why.

    One period, or as many as make `LEAST` samples; `USUAL` where there is none, or one beyond `MOST`. At most a tenth
    of the rows.
    Below 80 training rows it is `SHORTEST`, and below four of those `tsad prepare` says that they are too few.

    Examples
    --------
    >>> window_for(3000, Period(60, (0,)))
    (60, 'one period')
    >>> window_for(3000, Period(6, (0,)))
    (18, '3 periods of 6 samples')
    >>> window_for(300, None)
    (30, '300 training rows support no more; no period was found')
    """
    if period is None:
        wanted, why = USUAL, "the usual; no period was found"
    elif period.samples > MOST:
        wanted, why = USUAL, f"the usual; the period, {period.samples} samples, is too long for a small device"
    else:
        times = -(-LEAST // period.samples)
        wanted = times * period.samples
        why = "one period" if times == 1 else f"{times} periods of {period.samples} samples"
    longest = max(rows // ROWS_A_WINDOW, SHORTEST)
    if wanted <= longest:
        return wanted, why
    found = "no period was found" if period is None else f"the period is {period.samples} samples"
    return longest, f"{rows} training rows support no more; {found}"
