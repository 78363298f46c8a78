"""The proof of a detector in integers: the interpreter's bits, and PyTorch's events but for a few.

What its C computes must be what the compiler's interpreter says, bit for bit. How far its decisions are from PyTorch's
is measured in events and in VUS-PR, and held against the limits of params.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .bulk import decide, guard
from .twin import smooth

if TYPE_CHECKING:
    from .data import Series

CHUNK = 256
"""Windows that are run at once where every value is looked at."""


def proof(
    graph: Any,
    c_name: str,
    detector: dict[str, Any],
    series: Series,
    pytorch: Reference,
    native: Path,
    csv: Path,
    firmware: Mapping[str, Path],
) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """The compiled model in integers over a whole series: the interpreter's bits, and PyTorch's events but for a few.

    Parameters
    ----------
    graph : codegen.Graph
        What was compiled, after all passes.
    c_name, detector
        The model's C name, and what its detector.json says.
    series : Series
        T samples, which lie in `csv` too.
    pytorch : Reference
        What PyTorch says of them.
    native : path
        Folder with the model library and the edge binary.
    firmware : mapping
        Board -> firmware with this model, which must say the same in QEMU.

    Returns
    -------
    dict
        One entity's entry of the section ``s8`` of check.json: `compared`, what saturated, and failures.
    ndarray (T,)
        The scores, as the interpreter has them.
    """
    from . import codegen, toolchain
    from .boards import board, judged_on
    from .check import judge_board, run_edge
    from .detector import Detector
    from .spot import held_against

    library, counted = toolchain.library(native, c_name), Counted(graph)
    core = Detector.load(library).run(series.values, series.t)
    binary = toolchain.runnable(toolchain.edge_binary(native))
    edge = run_edge(binary, library, csv)
    seen, rules = guard(series.values, series.t, detector["guard"]), detector["events"]
    wanted = smooth(seen.score(counted.scores), seen.resets, rules["smoothing"]).astype(np.float32)
    far = []
    if not codegen.is_exact(graph):
        exact = smooth(seen.score(counted.exact), seen.resets, rules["smoothing"])
        far = out_of_tolerance(core[0], exact, wanted)
        wanted = core[0]
    limit = held_against(detector["spot"], detector["threshold"], wanted)
    twin = decide(series.t, wanted, limit, rules, seen.resets)
    # The interpreter is asked to say all that the edge binary says, but for the channel with the largest share.
    events = core[2].copy()
    told = ["id", "start", "end", "peak", "peak_t"]
    if events[told].tolist() == twin.events[told].tolist():
        twin.events["top"] = events["top"]
    rows = {
        "_core": judge_board((wanted, twin.alarms, twin.events, core[3]), core, "the interpreter"),
        "the edge binary": judge_board(core, edge, "_core"),
    }
    portable = run_edge(binary, library, csv, "generic") if firmware else ()
    for name, elf in firmware.items():
        said = judged_on(board(name), elf, Detector.load(library).model.id, series.t, series.values)
        rows[name] = judge_board(portable, said[:4])
    reference = decide(series.t, pytorch.scores, pytorch.threshold, rules, seen.resets).events
    found = compared(series.t, (wanted, limit, twin.events), (pytorch.scores, pytorch.threshold, reference))
    verdict = {
        "samples": rows["_core"]["samples"],
        "alarms": int(core[1].sum()),
        **found,
        "saturated": counted.saturated,
        "stays_float32": [row["name"] for row in detector["precision"]["stays_float32"]],
        "loses_most": detector["precision"]["losses"][:1],
        "boards": {name: rows[name] for name in firmware},
        "failures": far + [f"{name}: {text}" for name, row in rows.items() for text in row.pop("failures")],
    }
    return verdict, wanted.astype(np.float64)


def out_of_tolerance(core: NDArray[np.float32], exact: NDArray[np.float64], single: NDArray[np.float32]) -> list[str]:
    """Scores with float operators in them that no rounding explains, if any: as `check.judge` has it for float32.

    The interpreter in float64 takes PyTorch's place, and in float32 that of what is deployed: what a rounding in front
    of an integer moves is between the two as it is between either and the C.
    """
    from .check import tolerance

    scored = ~np.isnan(exact)
    with np.errstate(invalid="ignore"):
        error = np.where(core[scored] == exact[scored], 0.0, np.abs(core[scored] - exact[scored]))
    beyond = int((error > tolerance(exact[scored], single[scored].astype(np.float64), exact[scored])).sum())
    return [f"{beyond} scores are farther from the interpreter's than its own rounding explains"] if beyond else []


class Reference(NamedTuple):
    """PyTorch's side, in float32: scores (T,) as the detector tells them, and the threshold they are held against."""

    scores: NDArray[np.float64]
    threshold: float | NDArray[np.float32]


class Counted:
    """Runs a quantised graph, and counts the values that reached the end of their grid, by operator."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.saturated: dict[str, int] = {}

    def exact(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        """The same as `scores`, float operators in float64, and nothing is counted."""
        from . import codegen

        window, found = self.graph.window.shape[1], np.full(len(samples), np.nan)
        if len(samples) >= window:
            every = np.lib.stride_tricks.sliding_window_view(samples, window, axis=0).transpose(0, 2, 1)
            found[window - 1 :] = codegen.interpret(self.graph, every, np.float64).scores
        return found

    def scores(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        """Of every window that ends in one of the samples (T, C), or NaN: (T,)."""
        from . import codegen

        window, grids = self.graph.window.shape[1], {op.output.name: op.output.grid for op in self.graph.ops}
        found = np.full(len(samples), np.nan)
        if len(samples) < window:
            return found
        every = np.lib.stride_tricks.sliding_window_view(samples, window, axis=0).transpose(0, 2, 1)
        for at in range(0, len(every), CHUNK):
            result = codegen.interpret(self.graph, every[at : at + CHUNK], np.float32, keep=True)
            start = window - 1 + at
            # As the C does, so that inf - inf does not pass for "no alarm".
            found[start : start + len(result.scores)] = np.where(np.isnan(result.scores), np.inf, result.scores)
            for name, values in result.tensors.items():
                grid = grids[name]
                if grid is not None and (beyond := int((np.abs(values) >= grid.limit).sum())):
                    self.saturated[name] = self.saturated.get(name, 0) + beyond
        return found


Side = tuple[NDArray[Any], "float | NDArray[np.float32]", NDArray[Any]]
"""Scores (T,), what they are held against, and the events that this makes."""


def compared(t: NDArray[Any], ours: Side, theirs: Side) -> dict[str, Any]:
    """How far two sides' events agree; an event is met when it overlaps one of the other side.

    Parameters
    ----------
    t : ndarray (T,)
        Times.
    ours, theirs : Side
        Of the model in integers, and of PyTorch.

    Returns
    -------
    dict
        How many events there are and are met, and every one that is not, with both sides' largest score in it as a
        share of the threshold, less 1: a small negative one says that the other side missed it by little.
    """
    differing = []
    for by, some, others in (("s8", ours[2], theirs[2]), ("pytorch", theirs[2], ours[2])):
        for event in some[[not _met(event, others) for event in some]]:
            part = slice(np.searchsorted(t, event["start"]), np.searchsorted(t, event["end"]) + 1)
            margins = [
                float(np.nanmax(scores[part] / np.broadcast_to(limit, t.shape)[part]) - 1)
                for scores, limit, _ in (ours, theirs)
            ]
            span = {"start": int(event["start"]), "end": int(event["end"])}
            differing.append({"by": by, **span, "s8": margins[0], "pytorch": margins[1]})
    return {
        "events": len(ours[2]),
        "events_met": sum(_met(event, theirs[2]) for event in ours[2]),
        "pytorch_events": len(theirs[2]),
        "pytorch_events_met": sum(_met(event, ours[2]) for event in theirs[2]),
        "differing": differing,
    }


def _met(event: Any, others: NDArray[Any]) -> bool:
    return bool(((others["start"] <= event["end"]) & (event["start"] <= others["end"])).any())


def f1(rows: Sequence[Mapping[str, Any]]) -> float:
    """Of events pooled over entities, PyTorch's taken for true; 1 where neither side has any.

    Examples
    --------
    >>> f1([{"events": 2, "events_met": 1, "pytorch_events": 1, "pytorch_events_met": 1}])
    0.6666666666666666
    """
    names = ("events", "events_met", "pytorch_events", "pytorch_events_met")
    events, met, pytorch, found = (sum(row[name] for row in rows) for name in names)
    if events == pytorch == 0:
        return 1.0
    precision, recall = met / max(events, 1), found / max(pytorch, 1)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def vus_pr(scores: NDArray[Any], labels: NDArray[Any], window: int) -> float | None:
    """VUS-PR of scores (T,) under labels (T,), those without a score left out; None where there is one class only."""
    from .vus import buffer_of, volumes

    scored = ~np.isnan(scores)
    truth = labels[scored].astype(np.uint8)
    if not 0 < truth.sum() < len(truth):
        return None
    finite = np.nan_to_num(scores[scored], posinf=np.finfo(np.float64).max)
    return volumes(finite, truth, buffer_of(window, truth))[1]


def summarise(per_entity: dict[str, dict[str, Any]], least_f1: float, most_loss: float) -> dict[str, Any]:
    """The section ``s8`` of check.json; an entity's `vus_pr` is a pair, PyTorch's and that of the integers, or None."""
    rows = list(per_entity.values())
    failures = [f"{name}: {text}" for name, row in per_entity.items() for text in row["failures"]]
    agreement, volumes = f1(rows), [row["vus_pr"] for row in rows if row["vus_pr"] is not None]
    pytorch, ours = np.mean(volumes, axis=0).tolist() if volumes else (None, None)
    worst = max(per_entity, key=lambda name: len(per_entity[name]["differing"]))
    advice = (
        f"{worst} differs most; there {_loss(per_entity[worst])}. Try one that is trained longer or has more units, "
        "or leave s8 out of convert.precision"
    )
    if not agreement >= least_f1:
        failures.append(f"F1 of its events with PyTorch's is {agreement:.3f}; at least {least_f1} is wanted. {advice}")
    if pytorch is not None and ours is not None and not pytorch - ours <= most_loss:
        failures.append(f"mean VUS-PR falls from {pytorch:.3f} to {ours:.3f}; at most {most_loss} less. {advice}")
    return {
        "passed": not failures,
        "event_f1": agreement,
        "vus_pr": {"pytorch": pytorch, "s8": ours},
        "failures": failures,
        "per_entity": per_entity,
    }


def _loss(row: Mapping[str, Any]) -> str:
    if not row["loses_most"]:
        return "no operator is in integers"
    loss = row["loses_most"][0]
    return (
        f"{loss['name']}, from {', '.join(loss['sources'])}, loses most: in float32 the score would be off by "
        f"{loss['error_in_float32']:.2%} of the threshold instead of {loss['error']:.2%}"
    )
