"""The six stages of the pipeline, one function each, and `report` after them.

The only module that knows where the pipeline's files lie; it and the two that serve it, `entity` (what one detector
goes through) and `own_model` (`tsad convert` of a model trained elsewhere), are the only ones that call the compiler
(`tsad_edge.codegen`). A stage reads what dvc.yaml names as its deps, writes what it names as its outs, and takes only
its own section of params.yaml. A directory is written beside its place and then renamed, so that an interrupted stage
leaves nothing half-written. Imports stand in the functions: each stage loads what it needs, and `tsad --help` loads
nothing.

Longer than other files, since the pipeline's paths may be known nowhere else.
"""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import __version__
from .entity import (
    calibrated,
    cost_of,
    description,
    generated,
    identified,
    judged,
    judged_events,
    named,
    proof,
    rival,
    rival_threshold,
    told_of,
    write_c,
)
from .files import read_json, replaced, write_json
from .params import Params, Train
from .processes import each

VALUES, LABELS, CACHE = Path("data/values"), Path("data/labels"), Path("data/cache")
ARTIFACTS, SCORES = Path("artifacts"), Path("scores")
GENERATED, NATIVE = Path("csrc/generated"), Path("build/native")
CHECKED, PLOTS, REPORT = Path("build/check"), Path("build/plots"), Path("build/report")
PINS = Path("requirements.txt")
METRICS, CHECK, COST = Path("metrics.json"), Path("check.json"), Path("cost.json")
MLEM = Path("model.mlem")

EPOCH = 100_000_000_000
"""Milliseconds greater than this are a date (1973 and later); smaller ones count from some start."""

UNTRAINED = 5
"""Untrained nets that stand beside a trained one, each with its own draw of weights."""

DYNAMO = "torch._dynamo"
"""Imported once by a stage with PyTorch: it is larger than the rest, and what reads a graph wants it."""


def require_version() -> None:
    """Raise a ValueError where requirements.txt names another tsad-edge than the installed one.

    In a project of `tsad init` it stands for our sources among the deps of every stage: results are of the version that
    it names, or are not there.
    """
    if not PINS.is_file():
        return
    named = re.search(r"^tsad-edge(?:\[[^]]*\])?==([^\s;#]+)", PINS.read_text(), re.M)
    if named is not None and named[1] != __version__:
        raise ValueError(
            f"{PINS} names tsad-edge {named[1]}, installed is {__version__}: pip install -r {PINS}, or write "
            f"{__version__} there, and all stages run anew"
        )


def prepare(params: Params) -> str:
    """Get the data set, validate it, split it by time: data/values and, apart, data/labels. Returns notes."""
    from .data import on_request, prepare_dataset

    p = params.prepare
    notes = prepare_dataset(
        p.dataset,
        entities=p.entities,
        window=p.window,
        mirror=p.mirror,
        csv=p.csv,
        seed=params.seed,
        values_dir=VALUES,
        labels_dir=LABELS,
        cache_dir=CACHE,
    )
    own = tuple(file for file in (p.csv.train, p.csv.test) if file is not None and p.dataset == "own")
    listed = Path("dvc.yaml").read_text() if own and Path("dvc.yaml").is_file() else None
    for file in own:
        if listed is not None and file not in listed:
            notes += (f"dvc.yaml: add {file} to the deps of prepare, so that `dvc repro` sees when it changes",)
    if p.dataset in on_request():
        notes += (f"{p.dataset}: `dvc repro` cannot see when its files change; then run `dvc repro -f prepare`",)
    return "\n".join(notes)


def train(params: Params) -> None:
    """Per entity, a model on normal data and a threshold on held-back normal scores; reads no label."""
    from .data import entities

    with replaced(ARTIFACTS) as (out,):
        jobs = [(out / entity, entity, params.train, params.seed) for entity in _listed(entities(VALUES), VALUES)]
        each("train", _train_one, jobs, preload=(DYNAMO, "tsad_edge.train", "tsad_edge.codegen.load"))


def _train_one(out: Path, entity: str, p: Train, seed: int) -> None:
    from . import codegen
    from .data import load_meta, load_values, to_json
    from .models import MODELS, export, hyperparameters
    from .rules import event_rules, guard_rules
    from .threshold import METHODS, rate_per_1000
    from .train import entity_seed, fit_entity
    from .twin import smooth

    meta, series = load_meta(VALUES, entity), load_values(VALUES, entity, "train")
    values = series.values
    with named(entity):
        events = event_rules(p.events)
        wanted = rate_per_1000(p.false_alarms, meta.sampling_period)
        if p.threshold not in METHODS:
            raise ValueError(f"train.threshold is {p.threshold!r}; it must be one of {', '.join(METHODS)}")
        for model, settings in p.hyper.items():
            if model not in MODELS:
                raise ValueError(f"train.hyper names model {model!r}; known models: {', '.join(MODELS)}")
            hyperparameters(model, settings)
        hyper = p.hyper.get(p.model, {})
        fitted = fit_entity(values, to_json(meta.split), meta.window, p.model, hyper, entity_seed(seed, entity))
        guard = guard_rules(p.guard, values, series.t, meta.time != "index", meta.window)
    unbroken = np.zeros(len(fitted.held_back_scores), bool)
    held_back_scores, reference = (
        smooth(scores, unbroken, events["smoothing"])
        for scores in (fitted.held_back_scores, fitted.held_back_reference)
    )
    out.mkdir()
    export.save(fitted.scorer, out / "graph.pt2")
    with named(entity):
        limit = calibrated(
            codegen.load(out / "graph.pt2"),
            fitted.held_back,
            held_back_scores,
            reference,
            p.threshold,
            wanted,
        )
    np.savez(out / "calibration.npz", fit=fitted.fit, held_back=fitted.held_back, held_back_scores=held_back_scores)
    write_json(out / "history.json", {"schema": 1, "epochs": fitted.history})
    write_json(
        out / "detector.json",
        description(
            limit,
            held_back_scores,
            entity=entity,
            model=p.model,
            hyper=hyper,
            channels=meta.channels,
            window=meta.window,
            wanted=p.false_alarms,
            wanted_per_1000=wanted,
            sampling_period=meta.sampling_period,
            seed=seed,
            training=values,
            split=to_json(meta.split),
            guard=guard,
            events=events,
            baseline=p.baseline,
        ),
    )


def test(params: Params) -> None:
    """Every test series through PyTorch, with float64 beside it, and through the floors: scores."""
    entities = sorted(path.parent.name for path in ARTIFACTS.glob("*/detector.json"))
    with replaced(SCORES) as (out,):
        jobs = [(out, entity, params.test.batch, params.seed) for entity in _listed(entities, ARTIFACTS)]
        each("test", _test_one, jobs, preload=(DYNAMO, "tsad_edge.scoring", "sklearn.decomposition"))


def _test_one(out: Path, entity: str, batch: int, seed: int) -> None:
    import torch

    from .bulk import guard
    from .data import load_meta, load_values
    from .floors import FLOORS
    from .models import MODELS, Hyper
    from .scoring import load, score_series
    from .twin import smooth

    torch.set_num_threads(1)  # entities run in parallel
    meta, detector = load_meta(VALUES, entity), read_json(ARTIFACTS / entity / "detector.json")
    series, program = load_values(VALUES, entity, "test"), load(ARTIFACTS / entity / "graph.pt2")
    seen, share = guard(series.values, series.t, detector["guard"]), detector["events"]["smoothing"]

    def told(score: Callable[[NDArray[np.float32]], NDArray[Any]], kind: type = np.float64) -> NDArray[Any]:
        """Scores (T,) as the detector tells them, of what scores an unbroken run of samples."""
        return smooth(seen.score(score).astype(kind), seen.resets, share).astype(np.float64)

    arrays = {
        "t": series.t,
        "resets": seen.resets,
        "model": told(lambda samples: score_series(program, samples, meta.window, torch.float32, batch), np.float32),
        "model64": told(lambda samples: score_series(program, samples, meta.window, torch.float64, batch)),
    }
    thresholds, spots = {"model": detector["threshold"]}, {"model": detector["spot"]}
    normal = load_values(VALUES, entity, "train").values
    with np.load(ARTIFACTS / entity / "calibration.npz") as file:
        fit = file["fit"]
    model, names = detector["model"], list(FLOORS)
    if issubclass(MODELS[model].hyper, Hyper):  # a model that is fitted at one go is nothing before
        names += [f"untrained-{number}" for number in range(1, UNTRAINED + 1)]
    for name in names:
        score = rival(name, meta, seed, model, detector["hyper"], batch)
        arrays[name] = told(functools.partial(score, fit))
        with named(f"{entity}, floor {name}"):
            thresholds[name], spots[name] = rival_threshold(score, meta, normal, detector["false_alarms"], share)
    np.savez(out / f"{entity}.npz", allow_pickle=False, **arrays)
    write_json(
        out / f"{entity}.json",
        {
            "schema": 1,
            "entity": entity,
            "window": meta.window,
            "sampling_period": meta.sampling_period,
            "test_start": meta.test_start,
            "family": meta.family,
            "calibration_samples": detector["calibration_samples"],
            "false_alarms": detector["false_alarms"],
            "events": detector["events"],
            "thresholds": thresholds,
            "spots": spots,
        },
    )


def evaluate(params: Params) -> None:
    """The scores judged with the labels, beside the floors: metrics.json and plots."""
    from .aggregate import summarise

    entities = _listed(sorted(path.stem for path in SCORES.glob("*.json")), SCORES)
    drawn = set(entities[: params.evaluate.plot_entities])
    with replaced(PLOTS) as (out,):
        jobs = [(entity, out if entity in drawn else None) for entity in entities]
        found = each("evaluate", _evaluate_one, jobs, preload=("tsad_edge.metrics",))
    verdicts = dict(zip(entities, found, strict=True))
    abouts = {entity: read_json(SCORES / f"{entity}.json") for entity in entities}
    write_json(METRICS, {"schema": 1, **summarise(verdicts, abouts, params.seed)})


def _evaluate_one(entity: str, plots_dir: Path | None) -> dict[str, dict[str, Any]]:
    """What scored -> its verdict; where nobody labelled the series, "unlabelled" -> what can be counted."""
    from . import metrics, plots
    from .bulk import decide
    from .data import load_labels
    from .spot import held_against

    about, truth = read_json(SCORES / f"{entity}.json"), load_labels(LABELS, entity)
    start = about["test_start"]  # training has seen what lies before
    with np.load(SCORES / f"{entity}.npz") as file:
        arrays = {name: file[name][start:] for name in file}
        limits = {  # from the series' start, where the detector began to learn
            name: held_against(about["spots"][name], limit, file[name])[start:]
            for name, limit in about["thresholds"].items()
        }
    if plots_dir is not None:
        labels = None if truth is None else truth.labels[start:]
        plots.timeline(plots_dir / f"{entity}.png", entity, arrays["t"], arrays["model"], limits["model"], labels)
        if labels is not None:
            plots.precision_recall(plots_dir / f"{entity}.csv", arrays["model"], labels)
    alarms = {
        name: decide(arrays["t"], arrays[name], limit, about["events"], arrays["resets"]).alarms
        for name, limit in limits.items()
    }
    if truth is None:
        return {"unlabelled": metrics.alarms(arrays["model"], alarms["model"])}
    with named(entity):
        return {
            name: judged(arrays[name], limit, alarms[name], truth, start, about["window"], about["sampling_period"])
            for name, limit in about["thresholds"].items()
        }


def convert(params: Params) -> None:
    """Graph to C, C to model libraries and the edge binary: csrc/generated, build/native, cost.json, model.mlem."""
    from . import codegen, mlem_file, toolchain
    from .integers import SUFFIX

    trained = _listed(sorted(path.parent.name for path in ARTIFACTS.glob("*/detector.json")), ARTIFACTS)
    chosen = trained if params.convert.entities == "all" else params.convert.entities
    for entity in chosen:
        if entity not in trained:
            raise ValueError(f"params.yaml: convert.entities names {entity!r}; trained are {', '.join(trained)}")
    precision = params.convert.precision
    if precision[:1] != ["f32"] or precision[1:] not in ([], ["s8"]):
        raise ValueError(f"params.yaml: convert.precision is {precision}; it must be [f32], or [f32, s8]")
    entities = {entity + suffix: entity for suffix in ("", SUFFIX)[: len(precision)] for entity in chosen}
    names = codegen.c_names(entities)
    with replaced(GENERATED) as (out,):
        jobs = [(out / c_name, entities[detector], detector) for detector, c_name in names.items()]
        costs = dict(
            zip(names, each("convert", _convert_one, jobs, preload=(DYNAMO, "tsad_edge.codegen.load")), strict=True)
        )
        toolchain.build(out, NATIVE)
        on_boards = {board: _board_cost(board, out, entities, names) for board in params.convert.boards}
    libraries = {detector: toolchain.library(NATIVE, names[detector]) for detector in names}
    write_json(
        COST, cost_of({detector: (costs[detector], library) for detector, library in libraries.items()}, on_boards)
    )
    mlem_file.write(MLEM, {entity: libraries[entity] for entity in chosen})


def _board_cost(name: str, generated: Path, entities: Mapping[str, str], names: dict[str, str]) -> dict[str, Any]:
    """Firmware for one board, build/native/<board>/<C name>.elf, and what it costs, by detector.

    `entities` and `names` are a detector's entity and C name.
    """
    from .boards import Sample, board, cost

    samples = {}
    for detector, c_name in names.items():
        with np.load(ARTIFACTS / entities[detector] / "calibration.npz") as file:
            samples[c_name] = Sample(read_json(generated / c_name / "detector.json")["window"], file["held_back"])
    found = cost(board(name), generated, samples, NATIVE / name)
    per_model = found.pop("per_model")
    return found | {"per_entity": {detector: per_model[c_name] for detector, c_name in names.items()}}


def _convert_one(folder: Path, entity: str, name: str) -> dict[str, Any]:
    """One detector's C, the graph it came from, and its detector.json, now with the model's id; returns the cost.

    `name` is the entity's where the detector is float32, else that of the detector in integers.
    """
    from . import codegen
    from .integers import quantised

    detector, graph = read_json(ARTIFACTS / entity / "detector.json"), codegen.load(ARTIFACTS / entity / "graph.pt2")
    if name == entity:
        made = generated(graph, folder.name, detector)
    else:
        with np.load(ARTIFACTS / entity / "calibration.npz") as calibration, named(entity):
            compiled_as = functools.partial(generated, graph, folder.name)
            made, detector = quantised(graph, {**detector, "entity": name}, dict(calibration), compiled_as, told_of)
    write_c(folder, made)
    codegen.write_graph(made.graph, folder / "graph.txt", folder / "graph.npz")
    write_json(folder / "detector.json", identified(detector, made))
    return {"precision": "f32" if name == entity else "s8", **made.cost}


def check(params: Params) -> None:
    """The compiled C over the whole test set, judged against PyTorch: check.json.

    Raises
    ------
    RuntimeError
        A gate did not hold; check.json is written all the same, and says which and where.
    """
    from . import integer_proof
    from .check import summarise

    compiled = _listed(sorted(path.parent.name for path in GENERATED.glob("*/detector.json")), GENERATED)
    for board in params.check.boards:
        if not (NATIVE / board).is_dir():
            raise ValueError(
                f"params.yaml: check.boards names {board!r}, for which no firmware was built; name it in "
                "convert.boards, too, and run `tsad convert`"
            )
    told = {name: read_json(GENERATED / name / "detector.json") for name in compiled}
    in_integers = [name for name in compiled if "precision" in told[name]]
    with replaced(CHECKED) as (out,):
        jobs = [(GENERATED / name, out, params.check.boards) for name in compiled if name not in in_integers]
        verdicts = dict(each("check", _check_one, jobs, preload=("tsad_edge.check",)))
        more = [(GENERATED / name, out, params.check.boards) for name in in_integers]
        quantised = dict(each("check s8", _check_integers, more, preload=("tsad_edge.check",))) if more else {}
    found = summarise(verdicts, params.check.max_band_share)
    if quantised:
        found["s8"] = integer_proof.summarise(quantised, params.check.least_event_f1, params.check.most_vus_pr_lost)
        found["passed"] &= found["s8"]["passed"]
    write_json(CHECK, found)
    if not found["passed"]:
        failures = found["failures"] + (found["s8"]["failures"] if quantised else [])
        raise RuntimeError("the C does not decide like PyTorch:\n  " + "\n  ".join(failures))


def _check_one(folder: Path, out: Path, boards: list[str]) -> tuple[str, dict[str, Any]]:
    """One entity and its verdict."""
    from . import codegen
    from .data import load_values

    detector = read_json(folder / "detector.json")
    entity = detector["entity"]
    with np.load(SCORES / f"{entity}.npz") as file:
        pytorch32, pytorch = file["model"], file["model64"]
    graph = codegen.read_graph(folder / "graph.txt", folder / "graph.npz")
    series = load_values(VALUES, entity, "test")
    firmware = {board: NATIVE / board / f"{folder.name}.elf" for board in boards}
    csv = out / f"{entity}.csv"
    return entity, proof(graph, folder.name, detector, series, pytorch32, pytorch, NATIVE, csv, firmware)


def _check_integers(folder: Path, out: Path, boards: list[str]) -> tuple[str, dict[str, Any]]:
    """One detector in integers and its verdict; `_check_one` has written its entity's series before."""
    from . import codegen
    from .data import load_labels, load_values
    from .integer_proof import Reference, vus_pr
    from .integer_proof import proof as proof_in_integers
    from .spot import held_against

    detector = read_json(folder / "detector.json")
    entity = detector["precision"]["of"]
    about, truth = read_json(SCORES / f"{entity}.json"), load_labels(LABELS, entity)
    with np.load(SCORES / f"{entity}.npz") as file:
        scores = file["model"]
    pytorch = Reference(scores, held_against(about["spots"]["model"], about["thresholds"]["model"], scores))
    graph = codegen.read_graph(folder / "graph.txt", folder / "graph.npz")
    firmware = {board: NATIVE / board / f"{folder.name}.elf" for board in boards}
    series = load_values(VALUES, entity, "test")
    found, ours = proof_in_integers(
        graph, folder.name, detector, series, pytorch, NATIVE, out / f"{entity}.csv", firmware
    )
    start, labels = about["test_start"], None if truth is None else truth.labels[about["test_start"] :]
    pair = None if labels is None else [vus_pr(each[start:], labels, about["window"]) for each in (scores, ours)]
    return entity, {**found, "vus_pr": None if pair is None or None in pair else pair}


def results(_: Params) -> dict[str, Any]:
    """metrics.json, check.json and cost.json under one roof, each by its name."""
    files = {path.stem: path for path in (METRICS, CHECK, COST)}
    for path in files.values():
        if not path.is_file():
            raise ValueError(f"{path}: not found; run `dvc repro` (or the six stages by `tsad`) first")
    return {name: read_json(path) for name, path in files.items()}


def report(params: Params, against: str | None = None) -> str:
    """What the pipeline found, as a page of text, and as report.md and report.html in build/report.

    `against` is a git revision whose results stand beside. The time a sample takes is measured now.
    """
    from . import toolchain
    from .data import load_values
    from .report import page
    from .report.assemble import pages
    from .report.compare import Other
    from .report.revision import results as committed
    from .timing import stream

    metrics, verdicts, cost = results(params).values()
    other = None
    if against is not None:
        name, then = committed(against, (METRICS, CHECK, COST))
        other = Other(name, *then)
    folder = min(_listed(sorted(GENERATED.glob("*/detector.json")), GENERATED)).parent
    entity, library = read_json(folder / "detector.json")["entity"], toolchain.library(NATIVE, folder.name)
    binary = toolchain.runnable(toolchain.edge_binary(NATIVE))
    feed = shlex.join([*map(str, (binary, "--model", library)), f"{CHECKED / entity}.csv"])
    times = stream(library, ARTIFACTS / entity / "graph.pt2", load_values(VALUES, entity, "test").values)
    text = page(metrics, verdicts, cost, times, feed)
    abouts = [read_json(path) for path in _listed(sorted(SCORES.glob("*.json")), SCORES)]
    families = {about["entity"]: about["family"] for about in abouts}
    written = pages(metrics, verdicts, cost, list(map(_seen, abouts)), families, params.seed, text, other)
    with replaced(REPORT) as (out,):
        for name, content in zip(("report.md", "report.html"), written, strict=True):
            (out / name).write_text(content, encoding="utf-8")
    return f"{text}\n\nAlso written, with pictures: {REPORT / 'report.md'} and {REPORT / 'report.html'}"


def _seen(about: dict[str, Any]) -> Any:
    """What the report draws of one entity, from scores/<entity>.json and what else the stages left of it."""
    from .bulk import decide
    from .data import load_labels, load_meta
    from .report.seen import Seen
    from .spot import held_against

    entity, start = about["entity"], about["test_start"]
    meta, truth, traced = load_meta(VALUES, entity), load_labels(LABELS, entity), None
    with np.load(SCORES / f"{entity}.npz") as file:
        t, scores = file["t"][start:], np.asarray(file["model"][start:], np.float64)
        limits = held_against(about["spots"]["model"], about["thresholds"]["model"], file["model"])[start:]
        decided = decide(t, scores, limits, about["events"], file["resets"][start:])
    if (path := CHECKED / f"{entity}.npz").is_file():
        with np.load(path) as file:
            traced = {name: file[name] for name in file}
    events = None if truth is None else judged_events(truth, start)
    return Seen(
        entity=entity,
        t=t,
        clock="sample" if meta.time == "index" else "date" if np.any(t[:1] > EPOCH) else "milliseconds",
        scores=scores,
        threshold=about["thresholds"]["model"],
        limits=limits,
        decided=decided,
        window=about["window"],
        labels=None if truth is None else truth.labels[start:],
        events=None if events is None else [(each["start"], each["end"], each["kind"]) for each in events],
        channels=meta.channels,
        history=read_json(ARTIFACTS / entity / "history.json")["epochs"],
        traced=traced,
    )


def inventory() -> dict[str, Any]:
    """The data sets, models and operators there are; models are None where PyTorch is not installed."""
    from .codegen.ops import TABLE
    from .data import catalog, on_request

    rows: list[tuple[str, Any, Any]] = [("pump", 3, 5), ("own", 1, "any")]
    rows += [(each.name, each.entities, each.channels) for each in catalog().values()]
    rows += [(name, "on request", "-") for name in on_request()]
    try:
        from .models import MODELS

        models = {name: row.summary for name, row in MODELS.items()}
    except ImportError:
        models = None
    sets = [dict(zip(("name", "entities", "channels"), row, strict=True)) for row in rows]
    return {"data_sets": sets, "models": models, "operators": list(TABLE)}


def listing() -> str:
    """The same as text."""
    from .report import table

    there = inventory()
    rows = [["data set", "entities", "channels"], *(list(map(str, row.values())) for row in there["data_sets"])]
    models = ["to train one: pip install 'tsad-edge[train]'"]
    if there["models"] is not None:
        models = [f"{name}: {summary}" for name, summary in there["models"].items()]
    operators = ", ".join(there["operators"])
    return "\n\n".join([table(rows), "models\n  " + "\n  ".join(models), f"operators that compile\n  {operators}"])


def compiled(folder: Path) -> list[tuple[Path, Path]]:
    """(detector.json, model library) of each detector in a project, or of the one that `tsad convert --out` wrote."""
    from . import codegen, toolchain

    own = folder / "detector.json"
    if own.is_file():
        return [(own, toolchain.library(folder, codegen.c_name(read_json(own)["entity"])))]
    found = sorted((folder / GENERATED).glob("*/detector.json"))
    if not found:
        raise ValueError(
            f"{folder}: holds no compiled detector; run `dvc repro` there, or name another project, or a folder that "
            "`tsad convert --out` wrote"
        )
    return [(path, toolchain.library(folder / NATIVE, path.parent.name)) for path in found]


def board_listing() -> str:
    """The boards there are, as text."""
    from .boards import boards
    from .report import table

    rows = [(b.name, b.core, f"{b.flash // 1024} kB", f"{b.ram // 1024} kB", b.runs_on) for b in boards().values()]
    return table([["board", "core", "flash", "RAM", "runs on"], *map(list, rows)])


def run(board: str, csv: str, model: str | None = None, port: str | None = None, events: bool = False) -> str:
    """A CSV through the firmware of one model, as `on_board.run_csv`; by default of the only one that was converted."""
    from .on_board import run_csv

    return run_csv(board, _one_model(model), Path(csv), port, events)


def stream(
    source: str, model: str | None, to: str | None, time: str | None, baud: int, say: Callable[[str], None]
) -> None:
    """Samples as they come through one model, as `stream.stream`; by default of the only one that was converted."""
    from . import stream as streaming
    from . import toolchain

    folder = _one_model(model)
    [(description, library)] = compiled(folder)
    if not library.is_file():  # a project keeps its libraries together
        library = toolchain.library(folder.absolute().parents[2] / NATIVE, folder.name)
    streaming.stream(description, library, source, to, time, baud, say)


def flash(board: str, model: str | None = None, port: str | None = None, gdb: str | None = None) -> str:
    """The firmware of one model into a board, as `flash.into_board`; by default of the only one that was converted."""
    from .flash import into_board

    return into_board(board, _one_model(model), port, gdb)


def export_c(to: str, model: str | None = None) -> str:
    """One model's C with all it needs, as `drop_in.export`; by default of the only one that was converted."""
    from .drop_in import export

    return export(_one_model(model), Path(to))


def _one_model(folder: str | None) -> Path:
    folders = [Path(folder)] if folder else [path.parent for path in sorted(GENERATED.glob("*/detector.json"))]
    if len(folders) != 1:
        names = ", ".join(map(str, folders)) or f"{GENERATED} holds none"
        raise ValueError(f"--model must name one folder that tsad convert wrote ({names})")
    return folders[0]


def _listed(entities: list[Any], place: Path) -> list[Any]:
    if not entities:
        raise ValueError(f"{place}: holds nothing; run the stages before this one first (`dvc repro` does)")
    return entities
