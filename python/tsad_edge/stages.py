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

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__
from .entity import (
    calibrated,
    cost_of,
    description,
    generated,
    judged,
    judged_events,
    named,
    proof,
    rival,
    rival_threshold,
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
        each("train", _train_one, jobs, preload="tsad_edge.train")


def _train_one(out: Path, entity: str, p: Train, seed: int) -> None:
    from . import codegen
    from .data import load_meta, load_values, to_json
    from .models import MODELS, export, hyperparameters
    from .threshold import METHODS, rate_per_1000
    from .train import entity_seed, fit_entity

    meta, values = load_meta(VALUES, entity), load_values(VALUES, entity, "train").values
    with named(entity):
        wanted = rate_per_1000(p.false_alarms, meta.sampling_period)
        if p.threshold not in METHODS:
            raise ValueError(f"train.threshold is {p.threshold!r}; it must be one of {', '.join(METHODS)}")
        for model, settings in p.hyper.items():
            if model not in MODELS:
                raise ValueError(f"train.hyper names model {model!r}; known models: {', '.join(MODELS)}")
            hyperparameters(model, settings)
        hyper = p.hyper.get(p.model, {})
        fitted = fit_entity(values, to_json(meta.split), meta.window, p.model, hyper, entity_seed(seed, entity))
    out.mkdir()
    export.save(fitted.scorer, out / "graph.pt2")
    with named(entity):
        limit = calibrated(
            codegen.load(out / "graph.pt2"),
            fitted.held_back,
            fitted.held_back_scores,
            fitted.held_back_reference,
            p.threshold,
            wanted,
        )
    np.savez(
        out / "calibration.npz", fit=fitted.fit, held_back=fitted.held_back, held_back_scores=fitted.held_back_scores
    )
    write_json(out / "history.json", {"schema": 1, "epochs": fitted.history})
    write_json(
        out / "detector.json",
        description(
            limit,
            fitted.held_back_scores,
            entity=entity,
            model=p.model,
            hyper=hyper,
            channels=meta.channels,
            window=meta.window,
            wanted=p.false_alarms,
            wanted_per_1000=wanted,
            sampling_period=meta.sampling_period,
            seed=seed,
        ),
    )


def test(params: Params) -> None:
    """Every test series through PyTorch, with float64 beside it, and through the floors: scores."""
    entities = sorted(path.parent.name for path in ARTIFACTS.glob("*/detector.json"))
    with replaced(SCORES) as (out,):
        jobs = [(out, entity, params.test.batch, params.seed) for entity in _listed(entities, ARTIFACTS)]
        each("test", _test_one, jobs, preload="tsad_edge.scoring")


def _test_one(out: Path, entity: str, batch: int, seed: int) -> None:
    import torch

    from .data import load_meta, load_values
    from .floors import FLOORS
    from .models import MODELS, Hyper
    from .scoring import load, score_series

    torch.set_num_threads(1)  # entities run in parallel
    meta, detector = load_meta(VALUES, entity), read_json(ARTIFACTS / entity / "detector.json")
    series, program = load_values(VALUES, entity, "test"), load(ARTIFACTS / entity / "graph.pt2")
    arrays = {
        "t": series.t,
        "model": score_series(program, series.values, meta.window, torch.float32, batch),
        "model64": score_series(program, series.values, meta.window, torch.float64, batch),
    }
    thresholds = {"model": detector["threshold"]}
    normal = load_values(VALUES, entity, "train").values
    with np.load(ARTIFACTS / entity / "calibration.npz") as file:
        fit = file["fit"]
    model, names = detector["model"], list(FLOORS)
    if issubclass(MODELS[model].hyper, Hyper):  # a model that is fitted at one go is nothing before
        names += [f"untrained-{number}" for number in range(1, UNTRAINED + 1)]
    for name in names:
        score = rival(name, meta, seed, model, detector["hyper"], batch)
        arrays[name] = score(fit, series.values)
        with named(f"{entity}, floor {name}"):
            thresholds[name] = rival_threshold(score, meta, normal, detector["false_alarms"])
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
            "thresholds": thresholds,
        },
    )


def evaluate(params: Params) -> None:
    """The scores judged with the labels, beside the floors: metrics.json and plots."""
    from .aggregate import summarise

    entities = _listed(sorted(path.stem for path in SCORES.glob("*.json")), SCORES)
    drawn = set(entities[: params.evaluate.plot_entities])
    with replaced(PLOTS) as (out,):
        jobs = [(entity, out if entity in drawn else None) for entity in entities]
        verdicts = dict(zip(entities, each("evaluate", _evaluate_one, jobs, preload="tsad_edge.metrics"), strict=True))
    abouts = {entity: read_json(SCORES / f"{entity}.json") for entity in entities}
    write_json(METRICS, {"schema": 1, **summarise(verdicts, abouts, params.seed)})


def _evaluate_one(entity: str, plots_dir: Path | None) -> dict[str, dict[str, Any]]:
    """What scored -> its verdict; where nobody labelled the series, "unlabelled" -> what can be counted."""
    from . import metrics, plots
    from .data import load_labels

    about, truth = read_json(SCORES / f"{entity}.json"), load_labels(LABELS, entity)
    start = about["test_start"]  # training has seen what lies before
    with np.load(SCORES / f"{entity}.npz") as file:
        arrays = {name: file[name][start:] for name in file}
    if plots_dir is not None:
        labels = None if truth is None else truth.labels[start:]
        limit = about["thresholds"]["model"]
        plots.timeline(plots_dir / f"{entity}.png", entity, arrays["t"], arrays["model"], limit, labels)
        if labels is not None:
            plots.precision_recall(plots_dir / f"{entity}.csv", arrays["model"], labels)
    if truth is None:
        return {"unlabelled": metrics.alarms(arrays["model"], about["thresholds"]["model"])}
    with named(entity):
        return {
            name: judged(arrays[name], limit, truth, start, about["window"], about["sampling_period"])
            for name, limit in about["thresholds"].items()
        }


def convert(params: Params) -> None:
    """Graph to C, C to model libraries and the edge binary: csrc/generated, build/native, cost.json, model.mlem."""
    from . import codegen, mlem_file, toolchain

    trained = _listed(sorted(path.parent.name for path in ARTIFACTS.glob("*/detector.json")), ARTIFACTS)
    chosen = trained if params.convert.entities == "all" else params.convert.entities
    for entity in chosen:
        if entity not in trained:
            raise ValueError(f"params.yaml: convert.entities names {entity!r}; trained are {', '.join(trained)}")
    names = codegen.c_names(chosen)
    with replaced(GENERATED) as (out,):
        jobs = [(out / names[entity], entity) for entity in chosen]
        costs = dict(zip(chosen, each("convert", _convert_one, jobs, preload="torch"), strict=True))
        toolchain.build(out, NATIVE)
        on_boards = {board: _board_cost(board, out, names) for board in params.convert.boards}
    libraries = {entity: toolchain.library(NATIVE, names[entity]) for entity in chosen}
    write_json(COST, cost_of({entity: (costs[entity], library) for entity, library in libraries.items()}, on_boards))
    mlem_file.write(MLEM, libraries)


def _board_cost(name: str, generated: Path, names: dict[str, str]) -> dict[str, Any]:
    """Firmware for one board, build/native/<board>/<C name>.elf, and what it costs, by entity."""
    from .boards import Sample, board, cost

    samples = {}
    for entity, c_name in names.items():
        with np.load(ARTIFACTS / entity / "calibration.npz") as file:
            samples[c_name] = Sample(read_json(generated / c_name / "detector.json")["window"], file["held_back"])
    found = cost(board(name), generated, samples, NATIVE / name)
    per_model = found.pop("per_model")
    return found | {"per_entity": {entity: per_model[c_name] for entity, c_name in names.items()}}


def _convert_one(folder: Path, entity: str) -> dict[str, int]:
    """One entity's C, the graph it came from, and its detector.json; returns the cost."""
    from . import codegen

    detector, graph = read_json(ARTIFACTS / entity / "detector.json"), codegen.load(ARTIFACTS / entity / "graph.pt2")
    made = generated(graph, folder.name, detector)
    write_c(folder, made)
    codegen.write_graph(made.graph, folder / "graph.txt", folder / "graph.npz")
    shutil.copy2(ARTIFACTS / entity / "detector.json", folder)
    return made.cost


def check(params: Params) -> None:
    """The compiled C over the whole test set, judged against PyTorch: check.json.

    Raises
    ------
    RuntimeError
        A gate did not hold; check.json is written all the same, and says which and where.
    """
    from .check import summarise

    compiled = _listed(sorted(path.parent.name for path in GENERATED.glob("*/detector.json")), GENERATED)
    for board in params.check.boards:
        if not (NATIVE / board).is_dir():
            raise ValueError(
                f"params.yaml: check.boards names {board!r}, for which no firmware was built; name it in "
                "convert.boards, too, and run `tsad convert`"
            )
    with replaced(CHECKED) as (out,):
        jobs = [(GENERATED / name, out, params.check.boards) for name in compiled]
        verdicts = dict(each("check", _check_one, jobs, preload="tsad_edge.check"))
    found = summarise(verdicts, params.check.max_band_share)
    write_json(CHECK, found)
    if not found["passed"]:
        raise RuntimeError("the C does not decide like PyTorch:\n  " + "\n  ".join(found["failures"]))


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
    from .data import load_labels, load_meta
    from .report.seen import Seen

    entity, start = about["entity"], about["test_start"]
    meta, truth, traced = load_meta(VALUES, entity), load_labels(LABELS, entity), None
    with np.load(SCORES / f"{entity}.npz") as file:
        t, scores = file["t"][start:], np.asarray(file["model"][start:], np.float64)
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
