"""How a training series is shared out between fitting, stopping and the threshold. Owns the one rule.

A sample at index i is scored by its window, the samples i - window + 1 to i; the first `window` - 1 samples have no
score. Ranges count scored samples by their index in the series, end exclusive. Between two ranges lies a gap of a
window, so that no sample is seen by windows of two ranges (a range's first window reaches back into the gap).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

Range = tuple[int, int]

STOP_PERCENT, THRESHOLD_PERCENT = 15, 25  # of the scored samples that the gaps leave; fit has the rest


@dataclass(frozen=True)
class Blocks:
    """fit | gap | stop | gap | threshold: fit the weights, stop in time, set the threshold."""

    kind: ClassVar[Literal["blocks"]] = "blocks"
    fit: Range
    stop: Range
    threshold: Range


@dataclass(frozen=True)
class Folds:
    """half | gap | half, for short series: each half is scored by a model fitted on the other."""

    kind: ClassVar[Literal["folds"]] = "folds"
    folds: tuple[Range, Range]


Split = Blocks | Folds


def minimum_rows(window: int) -> int:
    """Rows the shortest training series needs: four windows."""
    return 4 * window


def split(rows: int, window: int) -> Split:
    """Share out a training series of `rows` samples.

    Blocks of 60, 15 and 25 percent of the scored samples that two gaps leave, where stop and threshold then hold at
    least a window of scored samples each; else two folds, each of at least a window of scored samples.

    Raises
    ------
    ValueError
        The series is shorter than four windows, or the window is not positive; names the minimum.

    Examples
    --------
    >>> split(6000, 50)
    Blocks(fit=(49, 3561), stop=(3611, 4488), threshold=(4538, 6000))
    >>> split(439, 100)
    Folds(folds=((99, 219), (319, 439)))
    """
    if window < 1:
        raise ValueError(f"window is {window}; it must be 1 or more samples")
    if rows < minimum_rows(window):
        raise ValueError(
            f"{rows} training rows are too few for window {window}: at least {minimum_rows(window)} are needed; "
            f"record for longer, or choose a window of {rows // 4} or less"
        )
    first = window - 1
    left = rows - first - 2 * window
    stop, threshold = left * STOP_PERCENT // 100, left * THRESHOLD_PERCENT // 100
    if min(stop, threshold) >= window:
        b = rows - threshold
        a = b - window - stop
        return Blocks((first, a - window), (a, a + stop), (b, rows))
    half = (rows - first - window) // 2
    return Folds(((first, first + half), (rows - half, rows)))


def calibrations(chosen: Split) -> tuple[tuple[Range, Range], ...]:
    """What the threshold comes from, as pairs of ranges: fitted on the first, the second is scored.

    Examples
    --------
    >>> calibrations(split(439, 100))
    (((319, 439), (99, 219)), ((99, 219), (319, 439)))
    """
    if isinstance(chosen, Blocks):
        return ((chosen.fit, chosen.threshold),)
    first, second = chosen.folds
    return (second, first), (first, second)


def to_json(chosen: Split) -> dict[str, Any]:
    """The split as meta.json holds it."""
    if isinstance(chosen, Folds):
        return {"kind": chosen.kind, "folds": chosen.folds}
    return {"kind": chosen.kind, "fit": chosen.fit, "stop": chosen.stop, "threshold": chosen.threshold}


def from_json(tree: dict[str, Any]) -> Split:
    """The split that meta.json holds."""
    if tree["kind"] == Folds.kind:
        one, two = tree["folds"]
        return Folds((tuple(one), tuple(two)))
    return Blocks(tuple(tree["fit"]), tuple(tree["stop"]), tuple(tree["threshold"]))
