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

import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from .entity import calibrated, cost_of, description, generated, named, proof, write_c
from .files import read_json, replaced, write_json
from .params import Params, Train
from .processes import each

VALUES, LABELS, CACHE = Path("data/values"), Path("data/labels"), Path("data/cache")
ARTIFACTS, SCORES = Path("artifacts"), Path("scores")
GENERATED, NATIVE = Path("csrc/generated"), Path("build/native")
CHECKED, PLOTS = Path("build/check"), Path("build/plots")
METRICS, CHECK, COST = Path("metrics.json"), Path("check.json"), Path("cost.json")

UNTRAINED = 5
"""Untrained nets that stand beside a trained one, each with its own draw of weights."""


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
    listed = Path("dvc.yaml").read_text() if Path("dvc.yaml").is_file() else None
    for file in (p.csv.train, p.csv.test) if p.dataset == "own" else ():
        if listed is not None and file is not None and file not in listed:
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
    from .models import export
    from .threshold import METHODS, rate_per_1000
    from .train import entity_seed, fit_entity

    meta, values = load_meta(VALUES, entity), load_values(VALUES, entity, "train").values
    with named(entity):
        wanted = rate_per_1000(p.false_alarms, meta.sampling_period)
        if p.threshold not in METHODS:
            raise ValueError(f"train.threshold is {p.threshold!r}; it must be one of {', '.join(METHODS)}")
        fitted = fit_entity(values, to_json(meta.split), meta.window, p.model, p.hyper, entity_seed(seed, entity))
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
            entity=entity,
            model=p.model,
            hyper=p.hyper,
            channels=meta.channels,
            window=meta.window,
            calibration_samples=len(fitted.held_back_scores),
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

    from .data import calibrations, load_meta, load_values
    from .floors import FLOORS, score_floor
    from .models import MODELS, Hyper
    from .scoring import load, score_series
    from .threshold import choose
    from .train import entity_seed, untrained

    torch.set_num_threads(1)  # entities run in parallel
    meta, detector = load_meta(VALUES, entity), read_json(ARTIFACTS / entity / "detector.json")
    series, program = load_values(VALUES, entity, "test"), load(ARTIFACTS / entity / "graph.pt2")
    arrays = {
        "t": series.t,
        "model": score_series(program, series.values, meta.window, torch.float32, batch),
        "model64": score_series(program, series.values, meta.window, torch.float64, batch),
    }
    thresholds = {"model": detector["threshold"]}
    normal, first = load_values(VALUES, entity, "train").values, meta.window - 1
    with np.load(ARTIFACTS / entity / "calibration.npz") as file:
        fit = file["fit"]

    def floor(name: str, fit_on: Any, scored: Any) -> Any:
        return score_floor(name, fit_on, scored, meta.window, entity_seed(seed, f"{entity}/{name}"))

    def net(name: str, fit_on: Any, scored: Any) -> Any:
        draw = entity_seed(seed, f"{entity}/{name}")
        return score_series(
            untrained(detector["model"], detector["hyper"], fit_on, meta.window, draw), scored, meta.window, batch=batch
        )

    asked, names = detector["false_alarms"], list(FLOORS)
    if issubclass(MODELS[detector["model"]].hyper, Hyper):  # a model that is fitted at one go is nothing before
        names += [f"untrained-{number}" for number in range(1, UNTRAINED + 1)]
    for name in names:
        score = floor if name in FLOORS else net
        arrays[name] = score(name, fit, series.values)
        # What calibrates the model calibrates them: with folds, each half by what is fitted on the other.
        ranges = calibrations(meta.split)
        pairs = [(normal[a - first : b], normal[c - first : d]) for (a, b), (c, d) in ranges]
        held_back = np.concatenate([score(name, *pair)[first:] for pair in pairs])
        with named(f"{entity}, floor {name}"):
            thresholds[name] = choose(asked["method"], held_back, asked["wanted_per_1000"]).value
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
        judged = dict(zip(entities, each("evaluate", _evaluate_one, jobs, preload="tsad_edge.metrics"), strict=True))
    abouts = {entity: read_json(SCORES / f"{entity}.json") for entity in entities}
    write_json(METRICS, {"schema": 1, **summarise(judged, abouts, params.seed)})


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
    if truth is None:
        return {"unlabelled": metrics.alarms(arrays["model"], about["thresholds"]["model"])}
    events = [
        {"start": max(event.start - start, 0), "end": event.end - start, "kind": event.kind}
        for event in truth.events
        if event.end > start
    ]
    with named(entity):
        return {
            name: metrics.judge(
                arrays[name], threshold, truth.labels[start:], events, about["window"], about["sampling_period"]
            )
            for name, threshold in about["thresholds"].items()
        }


def convert(params: Params) -> None:
    """Graph to C, C to model libraries and the edge binary: csrc/generated, build/native, cost.json."""
    from . import codegen, toolchain

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
    write_json(COST, cost_of({entity: (costs[entity], toolchain.library(NATIVE, names[entity])) for entity in chosen}))


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
    with replaced(CHECKED) as (out,):
        jobs = [(GENERATED / name, out) for name in compiled]
        verdicts = dict(each("check", _check_one, jobs, preload="tsad_edge.check"))
    found = summarise(verdicts, params.check.max_band_share)
    write_json(CHECK, found)
    if not found["passed"]:
        raise RuntimeError("the C does not decide like PyTorch:\n  " + "\n  ".join(found["failures"]))


def _check_one(folder: Path, out: Path) -> tuple[str, dict[str, Any]]:
    """One entity and its verdict."""
    from . import codegen
    from .data import load_values

    detector = read_json(folder / "detector.json")
    entity = detector["entity"]
    with np.load(SCORES / f"{entity}.npz") as file:
        pytorch32, pytorch = file["model"], file["model64"]
    graph = codegen.read_graph(folder / "graph.txt", folder / "graph.npz")
    series = load_values(VALUES, entity, "test")
    return entity, proof(graph, folder.name, detector, series, pytorch32, pytorch, NATIVE, out / f"{entity}.csv")


def report(_: Params) -> str:
    """What the pipeline found, as a page of text; the time a sample takes is measured now."""
    from . import toolchain
    from .data import load_values
    from .report import page
    from .timing import stream

    for path in (METRICS, CHECK, COST):
        if not path.is_file():
            raise ValueError(f"{path}: not found; run `dvc repro` (or the six stages by `tsad`) first")
    folder = min(GENERATED.glob("*/detector.json")).parent
    entity, library = read_json(folder / "detector.json")["entity"], toolchain.library(NATIVE, folder.name)
    feed = shlex.join([*map(str, (toolchain.edge_binary(NATIVE), "--model", library)), f"{CHECKED / entity}.csv"])
    times = stream(library, ARTIFACTS / entity / "graph.pt2", load_values(VALUES, entity, "test").values)
    return page(read_json(METRICS), read_json(CHECK), read_json(COST), times, feed)


def listing(_: Params) -> str:
    """The data sets, models and operators there are; models only where PyTorch is installed."""
    from .codegen.ops import TABLE
    from .data import catalog, on_request
    from .report import table

    rows = [["data set", "entities", "channels"], ["pump", "3", "5"], ["own", "1", "any"]]
    rows += [[each.name, str(each.entities), str(each.channels)] for each in catalog().values()]
    rows += [[name, "on request", "-"] for name in on_request()]
    try:
        from .models import MODELS

        models = [f"{name}: {row.summary}" for name, row in MODELS.items()]
    except ImportError:
        models = ["to train one: pip install 'tsad-edge[train]'"]
    operators = ", ".join(TABLE)
    return "\n\n".join([table(rows), "models\n  " + "\n  ".join(models), f"operators that compile\n  {operators}"])


def _listed(entities: list[str], place: Path) -> list[str]:
    if not entities:
        raise ValueError(f"{place}: holds nothing; run the stages before this one first (`dvc repro` does)")
    return entities
