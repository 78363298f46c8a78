"""What a single detector goes through, in the pipeline and where its model was brought along: threshold, judgement,
C, proof; and the floors beside it.

Owns what detector.json and cost.json say, and calls the compiler. Knows no path of its own: `stages` and `own_model`
say where files lie.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .data import Labels, Meta, Series
    from .params import Baseline
    from .threshold import Threshold

LEVELS = (0.01, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.99)
"""Quantiles of held-back scores that detector.json keeps, for a service to compare live ones with."""
Score = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float64]]
"""Fitted on the first series (T1, C), scores (T,) of the second (T, C)."""


@contextlib.contextmanager
def named(entity: str) -> Iterator[None]:
    """Errors from rooms that know no entities get its name."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{entity}: {error}") from None


def calibrated(
    graph: Any,
    held_back: NDArray[np.float32],
    scores: NDArray[Any],
    reference: NDArray[np.float64],
    method: str,
    wanted_per_1000: float,
) -> Threshold:
    """Threshold from held-back normal samples (T, C) and their scores (T-W+1,), float32 and float64.

    How far rounding may move a score is the compiler's knowledge; the threshold keeps its distance from it.
    """
    from . import codegen
    from .threshold import choose

    terms = codegen.interpret(graph, _windows(held_back, graph.window.shape[1]), np.float32).terms
    return choose(method, scores, wanted_per_1000, reference, float(terms.max()))


def rival(name: str, meta: Meta, seed: int, model: str, hyper: dict[str, Any], batch: int) -> Score:
    """What scores beside the model: a floor of `floors.FLOORS`, or "untrained-1" and so on, the net before training."""
    from .floors import FLOORS, score_floor
    from .scoring import score_series
    from .train import entity_seed, untrained

    draw = entity_seed(seed, f"{meta.entity}/{name}")

    def floor(fit: NDArray[np.float32], series: NDArray[np.float32]) -> NDArray[np.float64]:
        return score_floor(name, fit, series, meta.window, draw)

    def net(fit: NDArray[np.float32], series: NDArray[np.float32]) -> NDArray[np.float64]:
        return score_series(untrained(model, hyper, fit, meta.window, draw), series, meta.window, batch=batch)

    return floor if name in FLOORS else net


def rival_threshold(
    score: Score, meta: Meta, normal: NDArray[np.float32], asked: dict[str, Any], smoothing: float
) -> tuple[float, dict[str, Any]]:
    """A floor's threshold, from what calibrates the model, and how it goes on learning: as detector.json's `spot`.

    With folds, each half is scored by what is fitted on the other.

    `normal` is the training series (T, C); `asked` is detector.json's `false_alarms`, `smoothing` that of its events.
    """
    from .data import calibrations
    from .threshold import choose
    from .twin import smooth

    first = meta.window - 1
    pairs = [(normal[a - first : b], normal[c - first : d]) for (a, b), (c, d) in calibrations(meta.split)]
    held_back = np.concatenate([score(*pair)[first:] for pair in pairs])
    told = smooth(held_back, np.zeros(len(held_back), bool), smoothing)
    limit = choose(asked["method"], told, asked["wanted_per_1000"])
    return limit.value, adapting(limit, told, asked["wanted_per_1000"], meta.window)


def adapting(limit: Threshold, scores: NDArray[Any], per_1000: float, window: int) -> dict[str, Any]:
    """The section `spot` of a threshold that these scores (n,) set; empty where it is constant."""
    from .rules import spot_rules
    from .threshold import risk_of, tail_of

    return spot_rules(tail_of(scores, per_1000), risk_of(per_1000), window) if limit.method == "spot" else {}


def judged(
    scores: NDArray[Any],
    threshold: float,
    alarms: NDArray[np.bool_],
    truth: Labels,
    start: int,
    window: int,
    sampling_period: float | None,
) -> dict[str, Any]:
    """What `metrics.judge` says of scores (T - start,) of a test series (T, C) whose first samples do not count."""
    from . import metrics

    events = judged_events(truth, start)
    return metrics.judge(scores, threshold, truth.labels[start:], events, window, sampling_period, alarms)


def judged_events(truth: Labels, start: int) -> list[dict[str, Any]]:
    """The labelled events of a test series whose first samples do not count, numbered from there."""
    return [
        {"start": max(event.start - start, 0), "end": event.end - start, "kind": event.kind}
        for event in truth.events
        if event.end > start
    ]


def description(
    limit: Threshold,
    held_back_scores: NDArray[Any],
    *,
    entity: str,
    model: str,
    hyper: dict[str, Any],
    channels: Sequence[str],
    window: int,
    wanted: str,
    wanted_per_1000: float,
    sampling_period: float | None,
    seed: int | None,
    training: NDArray[np.float32],
    split: Any,
    guard: dict[str, Any],
    events: dict[str, Any],
    baseline: Baseline,
) -> dict[str, Any]:
    """detector.json, with a threshold that these scores (n,) set; `training` (T, C) and its split are for `origin`."""
    from .origin import origin
    from .rules import baseline_rules
    from .threshold import risk_of

    learned = {"entity": entity, "model": model, "hyper": hyper, "window": window, "seed": seed}
    return {
        "schema": 1,
        "entity": entity,
        "model": model,
        "hyper": hyper,
        "channels": channels,
        "window": window,
        **told_of(limit, held_back_scores, wanted, wanted_per_1000, window),
        "guard": guard,
        "events": events,
        "baseline": baseline_rules(baseline, limit.value, risk_of(wanted_per_1000)),
        "sampling_period": sampling_period,
        "seed": seed,
        "provenance": origin(training, channels, split, learned),
    }


def told_of(limit: Threshold, scores: NDArray[Any], wanted: str, wanted_per_1000: float, window: int) -> dict[str, Any]:
    """What detector.json says of a threshold, and of the held-back scores (n,) that set it."""
    quantiles = np.quantile(np.asarray(scores, np.float64), LEVELS)
    return {
        "threshold": limit.value,
        "degenerate_calibration": limit.degenerate,
        "calibration_samples": len(scores),
        "score_quantiles": dict(zip(map(str, LEVELS), quantiles.tolist(), strict=True)),
        "false_alarms": {
            "wanted": wanted,
            "wanted_per_1000": wanted_per_1000,
            "method": limit.method,
            "note": limit.note,
            "expected_per_1000": limit.rate_per_1000,
            "expected_events_per_1000": limit.events_per_1000,
            "supported_per_1000": limit.supported_per_1000,
            "extrapolated": limit.extrapolated,
        },
        "spot": adapting(limit, scores, wanted_per_1000, window),
    }


def generated(
    graph: Any, c_name: str, detector: dict[str, Any], redo: str = "tsad convert", **quantisation: Any
) -> Any:
    """The C of a graph, with what detector.json says; `redo` is the command that makes it again.

    `quantisation` is `compile_graph`'s: calibration windows, and what stays float32.
    """
    from . import codegen

    return codegen.compile_graph(
        graph,
        c_name,
        detector["threshold"],
        entity=detector["entity"],
        channels=detector["channels"],
        redo=redo,
        origin=detector["provenance"],
        rules={section: detector[section] for section in ("guard", "events", "spot", "baseline")},
        **quantisation,
    )


def identified(detector: dict[str, Any], made: Any) -> dict[str, Any]:
    """detector.json of a compiled model: with the id that is in its C, and all that this stands for."""
    return {**detector, "id": made.id, "provenance": made.provenance}


def write_c(folder: Path, made: Any) -> None:
    """One compiled model's two files."""
    folder.mkdir(parents=True)
    (folder / f"{made.name}.h").write_text(made.header)
    (folder / f"{made.name}.c").write_text(made.source)


def cost_of(
    built: dict[str, tuple[dict[str, Any], Path]], on_boards: Mapping[str, dict[str, Any]] | None = None
) -> dict[str, Any]:
    """cost.json, from every entity's cost as the compiler says it and its model library; and of boards, if any."""
    from . import toolchain

    costs = {entity: {**cost, "code_bytes": toolchain.code_bytes(library)} for entity, (cost, library) in built.items()}
    host = {"schema": 1, "target": "host", "layout": "generic", "per_entity": costs}
    return host | ({"boards": dict(on_boards)} if on_boards else {})


def proof(
    graph: Any,
    c_name: str,
    detector: dict[str, Any],
    series: Series,
    pytorch32: NDArray[np.float64],
    pytorch: NDArray[np.float64],
    native: Path,
    csv: Path,
    firmware: Mapping[str, Path] | None = None,
) -> dict[str, Any]:
    """The compiled C over a whole series, judged against PyTorch; where a score is wrong, the first operator that is.

    Parameters
    ----------
    graph : Graph
        What was compiled, after all passes.
    c_name, detector
        The model's C name, and what its detector.json says.
    series : Series
        T samples.
    pytorch32, pytorch : ndarray (T,)
        PyTorch's scores, float32 and float64.
    native : path
        Folder with the model library and the edge binary.
    csv : path
        Where the series is written for the edge binary; beside it, as .npz, goes what `check.traced` says.
    firmware : mapping, optional
        Board -> firmware with this model, which must say the same in QEMU.

    Returns
    -------
    dict
        As `check.judge`, with `diverged` where a score is wrong, and `boards` where there is firmware.
    """
    from . import codegen, toolchain
    from .boards import board, judged_on
    from .bulk import guard
    from .check import Evidence, judge, judge_board, run_edge, traced, write_csv
    from .detector import Detector
    from .spot import held_against
    from .twin import ERR_INPUT, NOT_FINITE, smooth

    window = detector["window"]
    library = toolchain.library(native, c_name)
    write_csv(csv, series.t, series.values, series.channels)
    core, core_alarms, core_events, core_quality = Detector.load(library).run(series.values, series.t)
    binary = toolchain.runnable(toolchain.edge_binary(native))
    edge, edge_alarms, edge_events, edge_quality = run_edge(binary, library, csv)

    def terms_of(samples: NDArray[np.float32]) -> NDArray[np.float64]:
        found = np.full(len(samples), np.nan)
        if len(samples) >= window:
            found[window - 1 :] = codegen.interpret(graph, _windows(samples, window), np.float32).terms
        return found

    seen = guard(series.values, series.t, detector["guard"])
    terms = smooth(seen.score(terms_of), seen.resets, detector["events"]["smoothing"])
    evidence = Evidence(
        t=series.t,
        quality=np.where(seen.refused == ERR_INPUT, NOT_FINITE, seen.quality).astype(np.uint8),
        resets=seen.resets,
        rules=detector["events"],
        pytorch=pytorch,
        pytorch32=pytorch32,
        terms=terms,
        threshold=held_against(detector["spot"], detector["threshold"], core),
        core=core,
        core_alarms=core_alarms,
        core_events=core_events,
        core_quality=core_quality,
        edge=edge,
        edge_alarms=edge_alarms,
        edge_events=edge_events,
        edge_quality=edge_quality,
        degenerate=detector["degenerate_calibration"],
    )
    verdict = judge(evidence)
    np.savez(csv.with_name(f"{csv.stem}.npz"), allow_pickle=False, **traced(evidence))
    portable = run_edge(binary, library, csv, "generic") if firmware else ()
    for name, elf in (firmware or {}).items():
        said = judged_on(board(name), elf, Detector.load(library).model.id, series.t, series.values)
        row = judge_board(portable, said[:4])
        verdict.setdefault("boards", {})[name] = row
        verdict["failures"] += [f"{name}: {text}" for text in row.pop("failures")]
        verdict["passed"] = not verdict["failures"]
    if verdict["worst"] is not None:
        end = int(np.searchsorted(seen.taken, verdict["worst"])) + 1
        found = _diverged(c_name, graph, library, seen.samples[end - window : end])
        verdict["diverged"] = found
        verdict["failures"].append(f"the first operator that diverges is {found['name']}, from {found['sources']}")
    return verdict


def _windows(samples: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    """All windows of samples (T, C) as one view (T-W+1, W, C)."""
    return np.lib.stride_tricks.sliding_window_view(samples, window, axis=0).transpose(0, 2, 1)


def _diverged(c_name: str, graph: Any, library: Path, window: Any) -> dict[str, Any]:
    """Rebuild the C with taps and the weights the library really holds; name the first operator that is wrong."""
    from . import codegen, toolchain
    from .check import taps
    from .detector import Detector

    held = codegen.with_constants(graph, dict(Detector.load(library).model.weights))
    with tempfile.TemporaryDirectory() as scratch:
        models, out = Path(scratch) / "models", Path(scratch) / "native"
        write_c(models / c_name, codegen.emit(held, c_name, 0.0))
        toolchain.build(models, out, tap=True)
        seen = taps(toolchain.library(out, c_name), window)
    found = codegen.first_divergence(graph, window[np.newaxis], seen)
    return {"name": found.name, "sources": list(found.sources), "measured": found.measured, "bound": found.bound}
