"""The proof: does the compiled detector decide like PyTorch, on every sample of the test set?

Owns the tolerance, the comparison and the verdict of check.json, and how the edge binary is run. It never sees a
label, and does not know how the C was made.
"""

from __future__ import annotations

import csv as csv_format
import ctypes
import io
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bulk import decide
from .rounding import MARGIN, ULPS
from .twin import EVENT


@dataclass(frozen=True)
class Evidence:
    """What all sides said about one entity's test series of T samples; scores are NaN where there is none."""

    t: NDArray[np.int64]  # (T,)
    quality: NDArray[np.uint8]  # (T,) by the twin
    resets: NDArray[np.bool_]  # (T,) by the twin: the window was emptied
    rules: Mapping[str, Any]  # from score to event: the section of detector.json
    pytorch: NDArray[np.float64]  # (T,) float64 reference
    pytorch32: NDArray[np.float64]  # (T,) PyTorch as it is deployed
    terms: NDArray[np.float64]  # (T,) running sum of |terms| behind each score, from the interpreter
    threshold: float | NDArray[np.float32]  # or (T,): what each score was held against, by the twin
    core: NDArray[np.float32]  # (T,) tsad_edge._core
    core_alarms: NDArray[np.bool_]
    core_events: NDArray[Any]
    core_quality: NDArray[np.uint8]
    edge: NDArray[np.float32]  # (T,) the edge binary
    edge_alarms: NDArray[np.bool_]
    edge_events: NDArray[Any]
    edge_quality: NDArray[np.uint8]
    degenerate: bool  # threshold from tied calibration scores


def tolerance(pytorch: NDArray[Any], pytorch32: NDArray[Any], terms: NDArray[Any]) -> NDArray[np.float64]:
    """How far the C score of each sample may be from the float64 reference.

    ``4 x max|pytorch32 - pytorch|`` over the samples whose score is within a factor of 2, plus 4 units in the last
    place (float32) of the running sum of |terms|. Derived from PyTorch alone, before any C is run.

    Parameters
    ----------
    pytorch, pytorch32, terms : ndarray (n,)
        float64 reference, float32 scores, running sums. Where a score is infinite, nothing but equality will do: 0.

    Returns
    -------
    ndarray (n,)

    Examples
    --------
    >>> bool(tolerance(np.array([1.0]), np.array([1.0 + 1e-7]), np.array([1.0]))[0] < 1e-6)
    True
    """
    allowed = np.zeros(len(pytorch))
    finite = np.isfinite(pytorch) & np.isfinite(pytorch32)
    if not finite.any():
        return allowed
    exact, gap = pytorch[finite], np.abs(pytorch32[finite] - pytorch[finite])
    # Sixteenths of an octave: "a factor of 2" is then 16 bins to either side.
    bins = np.floor(16 * np.log2(np.maximum(np.abs(exact), np.finfo(np.float32).tiny))).astype(np.int64)
    bins -= bins.min()
    peak = np.zeros(bins.max() + 33)  # with 16 empty bins at either end
    np.maximum.at(peak, bins + 16, gap)
    worst = np.lib.stride_tricks.sliding_window_view(peak, 33).max(axis=1)[bins]
    largest = np.fmin(np.abs(terms[finite]), 2.0**127)  # a sum that overflowed has the last finite unit
    ulp = np.spacing(largest.astype(np.float32)).astype(np.float64)
    allowed[finite] = MARGIN * worst + ULPS * ulp
    return allowed


def judge(evidence: Evidence) -> dict[str, Any]:
    """One entity's verdict: the entry ``per_entity`` of check.json.

    ``failures`` holds a sentence for everything that is not as it must be; ``worst`` is the index of the sample that
    is furthest out of its tolerance, or None. Where PyTorch's own float32 overflows, the reference is that infinity.
    """
    e, failures = evidence, []
    scored = ~np.isnan(e.pytorch)
    if not np.array_equal(~np.isnan(e.core), scored):
        differing = np.flatnonzero(np.isnan(e.core) == scored)
        failures.append(f"{len(differing)} samples are scored by only one side, first at t = {e.t[differing[0]]}")
        scored = scored & ~np.isnan(e.core)
    # NaN has many bit patterns, so where there is no score is compared apart.
    same = e.core.shape == e.edge.shape and np.array_equal(np.isnan(e.core), np.isnan(e.edge))
    if not same or not np.array_equal(e.core.view(np.uint32)[scored], e.edge.view(np.uint32)[scored]):
        failures.append("the edge binary's scores are not those of _core, bit for bit")
    if not np.array_equal(e.core_alarms, e.edge_alarms):
        failures.append("the edge binary's alarms are not those of _core")
    if not np.array_equal(e.core_quality, e.quality):
        failures.append("the quality codes of _core are not those of the Python twin fed with the same samples")
    if not np.array_equal(e.core_quality, e.edge_quality):
        failures.append("the edge binary's quality codes are not those of _core")

    pytorch, core = _reference(e), e.core[scored].astype(np.float64)
    reference, error, allowed = _errors(e, scored)
    ratio = np.divide(error, allowed, out=np.where(error > 0, np.inf, 0.0), where=allowed > 0)
    worst = int(np.flatnonzero(scored)[np.argmax(ratio)]) if len(ratio) and ratio.max() > 1 else None
    if worst is not None:
        at = int(np.argmax(ratio))
        failures.append(
            f"{int((ratio > 1).sum())} scores are out of tolerance; the worst, at t = {e.t[worst]}, is {core[at]:.9g} "
            f"where float64 PyTorch says {reference[at]:.9g} and {allowed[at]:.3g} is allowed"
        )

    # What a score decides: whether it is over the threshold and, with hysteresis, whether it is over the lower level.
    limit = np.broadcast_to(e.threshold, e.t.shape)[scored].astype(np.float64)
    levels = [limit, limit - e.rules.get("hysteresis", 0) * np.abs(limit)]
    in_bands = [np.abs(reference - level) <= allowed for level in levels]
    flips = [(core > level) != (reference > level) for level in levels]
    in_band = np.logical_or(*in_bands)
    outside = int(np.logical_or(*(flip & ~band for flip, band in zip(flips, in_bands, strict=True))).sum())
    if outside:
        failures.append(f"{outside} decisions differ from PyTorch's outside the tolerance band")

    twin = decide(e.t, e.core, e.threshold, e.rules, e.resets)
    if not np.array_equal(e.core_alarms, twin.alarms):
        failures.append("the alarms of _core are not those of the Python twin fed with the same scores")
    told = ["id", "start", "end", "peak", "peak_t"]  # the twin has no parts, so no top channel
    if twin.events[told].tolist() != e.core_events[told].tolist():
        failures.append("the events of _core are not those of the Python twin fed with the same scores")
    if e.core_events.tolist() != e.edge_events.tolist():
        failures.append("the edge binary's events are not those of _core")
    unequal, excused = _compare_events(e, pytorch, np.flatnonzero(scored)[in_band])
    if unequal:
        failures.append(f"{len(unequal)} events differ from PyTorch's with no sample in the band, first {unequal[0]}")

    return {
        "passed": not failures,
        "samples": int(scored.sum()),
        "alarms": int(e.core_alarms.sum()),
        "max_score_error": float(error.max(initial=0.0)),
        "tolerance": float(allowed.max(initial=0.0)),
        "largest_share_of_tolerance": float(ratio.max(initial=0.0)),
        "samples_in_band": int(in_band.sum()),
        "flipped_decisions": outside,
        "events": len(e.core_events),
        "events_equal": not unequal and not excused,
        "events_excused": excused,
        "degenerate_calibration": e.degenerate,
        "failures": failures,
        "worst": worst,
    }


def judge_board(
    edge: Sequence[NDArray[Any]], told: Sequence[NDArray[Any]], source: str = "the edge binary"
) -> dict[str, Any]:
    """Whether a firmware says of a series what the edge binary says: the same bits, the same decisions and events.

    Parameters
    ----------
    edge, told : (scores (T,), alarms (T,), events, quality (T,))
        As `run_edge` gives them.
    source : str
        What else than the edge binary it is held against.

    Returns
    -------
    dict
        ``samples`` with a score, what is equal, and ``failures``, a sentence for what is not.
    """
    (scores, alarms, events, quality), (here, here_alarms, here_events, here_quality) = edge, told
    scored = ~np.isnan(scores)
    same = np.array_equal(~np.isnan(here), scored) and np.array_equal(
        here[scored].view(np.uint32), scores[scored].view(np.uint32)
    )
    equal = {
        "scores": bool(same),
        "decisions": bool(np.array_equal(here_alarms, alarms)),
        "events": here_events.tolist() == events.tolist(),
        "quality": bool(np.array_equal(here_quality, quality)),
    }
    failures = [f"its {what} are not those of {source}" for what, right in equal.items() if not right]
    told_equal = {f"{what}_equal": right for what, right in equal.items()}
    return {"samples": int(scored.sum()), **told_equal, "failures": failures}


def traced(evidence: Evidence) -> dict[str, NDArray[Any]]:
    """What the report draws of a proof: build/check/<entity>.npz.

    Returns
    -------
    dict
        Of the n samples that both sides scored: ``t``, ``reference`` (PyTorch's score), ``error`` (how far the C is
        from it) and ``tolerance``; and ``events``, the compiled C's, of `twin.EVENT`.
    """
    scored = ~np.isnan(evidence.pytorch) & ~np.isnan(evidence.core)
    reference, error, allowed = _errors(evidence, scored)
    found = {"t": evidence.t[scored], "reference": reference, "error": error, "tolerance": allowed}
    return {**found, "events": evidence.core_events}


def summarise(per_entity: dict[str, dict[str, Any]], max_band_share: float) -> dict[str, Any]:
    """check.json: the entities' verdicts joined, and the one gate that belongs to the whole data set."""
    rows = list(per_entity.values())
    samples = sum(row["samples"] for row in rows)
    in_band = sum(row["samples_in_band"] for row in rows)
    failures = [f"{name}: {text}" for name, row in per_entity.items() for text in row["failures"]]
    if not rows or samples == 0:
        failures.append("nothing was compared")
    if not in_band <= max_band_share * samples:  # so that a share of NaN passes nothing
        failures.append(f"{in_band} of {samples} samples lie in the tolerance band; at most {max_band_share:.2%} may")
    return {
        "schema": 1,
        "passed": not failures,
        "entities": len(rows),
        "samples": samples,
        "alarms": sum(row["alarms"] for row in rows),
        "max_score_error": max((row["max_score_error"] for row in rows), default=0.0),
        "tolerance": max((row["tolerance"] for row in rows), default=0.0),
        "largest_share_of_tolerance": max((row["largest_share_of_tolerance"] for row in rows), default=0.0),
        "samples_in_band": in_band,
        "flipped_decisions": sum(row["flipped_decisions"] for row in rows),
        "events_equal": all(row["events_equal"] for row in rows),
        "events_excused": [event for row in rows for event in row["events_excused"]],
        "entities_without_alarm": [name for name, row in per_entity.items() if row["alarms"] == 0],
        "degenerate_calibration": [name for name, row in per_entity.items() if row["degenerate_calibration"]],
        "failures": failures,
        "per_entity": per_entity,
    }


def write_csv(path: Path, t: NDArray[np.int64], values: NDArray[np.float32], channels: Sequence[str]) -> None:
    """Write a series as the edge binary reads it: a time column, then the channels; floats keep all their bits.

    The time column has a name that the binary knows and that no channel has.
    """
    time = next((name for name in ("timestamp", "time", "t", "date") if name not in channels), "timestamp")
    with open(path, "w", newline="") as file:
        csv_format.writer(file, lineterminator="\n").writerow([time, *channels])
        np.savetxt(file, np.column_stack([t.astype(object), values.astype(object)]), fmt="%d" + ",%.9g" * len(channels))


def run_edge(
    binary: Path, library: Path, csv: Path, isa: str | None = None
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Run the compiled edge binary over a CSV; `isa` names its kernels, ``generic`` are those of every board.

    Returns
    -------
    scores (T,) float32, alarms (T,) bool, events (of `twin.EVENT`), quality (T,) uint8

    Raises
    ------
    RuntimeError
        The binary refused; holds its own words.
    """
    environment = os.environ | ({"TSAD_ISA": isa} if isa else {})
    scores, events = (_edge(binary, library, csv, environment, *flags) for flags in ((), ("--events",)))
    rows = np.genfromtxt(io.StringIO(scores), delimiter=",", skip_header=1, ndmin=2)
    listed = np.array([_event(line) for line in events.splitlines()[1:]], dtype=EVENT)
    return rows[:, 1].astype(np.float32), rows[:, 2] > 0, listed, rows[:, 3].astype(np.uint8)


def taps(library: Path, windows: NDArray[np.float32]) -> dict[int, NDArray[Any]]:
    """What every operator of a library built with taps computes.

    Parameters
    ----------
    library : Path
        Made by `toolchain.build` with ``tap=True``.
    windows : ndarray (W, C) float32
        One window of raw samples.

    Returns
    -------
    dict
        Operator's number -> its output, flat; 0 is the step that standardises samples.
    """
    from . import _core

    seen: dict[int, NDArray[Any]] = {}
    sink_type = ctypes.CFUNCTYPE(None, ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t)

    @sink_type
    def sink(number: int, data: Any, count: int, width: int) -> None:
        values = ctypes.string_at(data, count * width)
        seen[number] = np.frombuffer(values, np.float32 if width == 4 else np.int16)

    model = _core.Model(str(library.resolve()))
    handle = ctypes.CDLL(str(library.resolve()))  # the same image that _core opened
    handle.tsad_tap_to(sink)
    try:
        _core.Detector(model, model.threshold, 1).score(np.require(windows, np.float32, ["C", "A"]))
    finally:
        handle.tsad_tap_to(sink_type(0))
    return seen


def _reference(e: Evidence) -> NDArray[np.float64]:
    """The scores (T,) that the C must have: where PyTorch's own float32 overflows, that infinity."""
    return np.where(np.isinf(e.pytorch32), e.pytorch32, e.pytorch)


def _errors(
    e: Evidence, scored: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Of the scored samples: the reference, how far the C is from it, and how far it may be."""
    reference, core = _reference(e)[scored], e.core[scored].astype(np.float64)
    with np.errstate(invalid="ignore"):
        error = np.where(core == reference, 0.0, np.abs(core - reference))
    return reference, error, tolerance(reference, e.pytorch32[scored], e.terms[scored])


def _event(line: str) -> tuple[Any, ...]:
    identity, start, end, peak, peak_t, top = line.split(",")
    return int(identity), int(start), int(end), np.float32(peak), int(peak_t), int(top)


def _edge(binary: Path, library: Path, csv: Path, environment: Mapping[str, str], *flags: str) -> str:
    command: list[str | Path] = [binary, "--model", library, *flags, csv]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise RuntimeError(f"{binary.name} ended with {done.returncode} on {csv}: {done.stderr.strip()}")
    return done.stdout


def _compare_events(
    e: Evidence, pytorch: NDArray[np.float64], in_band: NDArray[np.intp]
) -> tuple[list[list[int]], list[list[int]]]:
    """Spans [start, end] that only one side has: those that rounding does not explain, and those it does.

    It does where PyTorch's scores give the C's events as soon as the samples in the band have the C's scores.
    """

    def spans(events: NDArray[Any]) -> set[tuple[int, int]]:
        return {(int(event["start"]), int(event["end"])) for event in events}

    mixed = pytorch.copy()
    mixed[in_band] = e.core[in_band]
    ours = spans(e.core_events)
    theirs, with_ours = (
        spans(decide(e.t, scores, e.threshold, e.rules, e.resets).events) for scores in (pytorch, mixed)
    )
    unequal = ours ^ with_ours
    return [list(span) for span in sorted(unequal)], [list(span) for span in sorted((ours ^ theirs) - unequal)]
