"""Trials: one model, trained and judged on one entity, as the pipeline's stages do it; spread over processes and kept.

Owns what one trial is, and that a finished one is not made again while its settings and the sources are the same, so
that a stopped run goes on where it stopped. `accuracy` and `tune` say which trials to make and what becomes of them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from tsad_edge import stages
from tsad_edge.data import catalog, load_labels, load_meta, load_values, to_json
from tsad_edge.files import read_json, write_json
from tsad_edge.params import Test, Train
from tsad_edge.processes import each
from tsad_edge.threshold import rate_per_1000

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "build" / "accuracy"
WINDOW = 100
ASKED = {"method": Train.threshold, "wanted_per_1000": rate_per_1000(Train.false_alarms, None)}
"""Of every threshold: the project's defaults."""
UNTRAINED = tuple(f"untrained-{number}" for number in range(1, stages.UNTRAINED + 1))
BATCH = Test.batch
JUDGING = (
    *("data", "models", "adjusted.py", "aggregate.py", "entity.py", "floors.py", "metrics.py", "params.py"),
    *("rounding.py", "scoring.py", "stages.py", "threshold.py", "train.py", "vus.py"),
)
"""Of the package, what a verdict depends on."""


@dataclass(frozen=True)
class Trial:
    """One question about one entity of one half."""

    half: str
    dataset: str
    entity: str
    kind: Literal["model", "untrained", "floor", "price"]
    """Train a model and judge it, judge it before training, judge a floor, or count a compiled model's bytes."""
    name: str
    """Of a model, or of a floor (`floors.FLOORS`)."""
    seed: int = 1
    hyper: tuple[tuple[str, Any], ...] = ()

    @property
    def path(self) -> Path:
        """Where its result is kept."""
        tag = ",".join([self.kind, self.name, *(f"{key}={value}" for key, value in self.hyper), f"seed={self.seed}"])
        return PLACE / self.half / self.dataset / tag / f"{self.entity}.json"


def prepared(dataset: str, half: str) -> list[str]:
    """Make the data of one half, of large sets the quick entities, once for all trials; returns what can be used."""
    place, entry = PLACE / half / dataset, catalog()[dataset]
    chosen = [entity for entity in entry.marks[half] if entity in entry.quick] if entry.quick else half
    params = {"prepare": {"dataset": dataset, "window": WINDOW, "entities": chosen}}
    made = {"params": params, "code": digest([ROOT / "python" / "tsad_edge" / "data"])}
    if not (place / "prepared.json").is_file() or read_json(place / "prepared.json") != made:
        place.mkdir(parents=True, exist_ok=True)
        (place / "params.yaml").write_text(yaml.safe_dump(params))
        subprocess.run([sys.executable, "-m", "tsad_edge.cli", "prepare"], cwd=place, check=True)
        write_json(place / "prepared.json", made)
    return sorted(path.parent.name for path in (place / "data" / "values").glob("*/meta.json"))


def run(trials: list[Trial], what: str) -> dict[Trial, dict[str, Any]]:
    """What each trial found, now or before: what `metrics.judge` says, or of a "price" the bytes and multiply-adds."""
    package = ROOT / "python" / "tsad_edge"
    judging = digest([package / name for name in JUDGING] + [Path(__file__)])
    pricing = digest([package / "models", ROOT / "codegen", ROOT / "csrc", Path(__file__)])
    jobs = [(trial, pricing if trial.kind == "price" else judging) for trial in trials]
    return dict(zip(trials, each(what, one, jobs, preload=("tsad_edge.train",)), strict=True))


def digest(files: Iterable[Path]) -> str:
    """Of the contents of some files and all files in some folders."""
    found = hashlib.sha256()
    for place in files:
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.suffix in {".py", ".toml", ".c", ".h"}:
                found.update(path.read_bytes())
    return found.hexdigest()


def one(trial: Trial, code: str) -> dict[str, Any]:
    """One trial's result."""
    import torch

    key = {"code": code, "trial": json.loads(json.dumps(dataclasses.asdict(trial)))}
    if trial.path.is_file():
        kept: dict[str, Any] = read_json(trial.path)
        if kept["key"] == key:
            return dict(kept["found"])
    torch.set_num_threads(1)  # trials run in parallel
    start = time.monotonic()
    found = {"model": detector, "untrained": rivals, "floor": rivals, "price": price}[trial.kind](trial)
    trial.path.parent.mkdir(parents=True, exist_ok=True)
    write_json(trial.path, {"key": key, "found": found, "seconds": time.monotonic() - start})
    return found


def data_of(trial: Trial) -> tuple[Any, Any, Any, Any]:
    """Meta, training samples, test samples and truth."""
    place = PLACE / trial.half / trial.dataset / "data"
    parts = [load_values(place / "values", trial.entity, part).values for part in ("train", "test")]
    return load_meta(place / "values", trial.entity), *parts, load_labels(place / "labels", trial.entity)


def detector(trial: Trial) -> dict[str, Any]:
    """Train, set the threshold, score, judge, as the stages do."""
    from tsad_edge.entity import calibrated
    from tsad_edge.scoring import score_series
    from tsad_edge.train import entity_seed, fit_entity

    meta, normal, series, truth = data_of(trial)
    seed = entity_seed(trial.seed, trial.entity)
    fitted = fit_entity(normal, to_json(meta.split), meta.window, trial.name, dict(trial.hyper), seed)
    limit = calibrated(
        compiled(fitted.scorer),
        fitted.held_back,
        fitted.held_back_scores,
        fitted.held_back_reference,
        ASKED["method"],
        ASKED["wanted_per_1000"],
    )
    scores = score_series(fitted.scorer, series, meta.window, batch=BATCH)
    return verdict(scores[meta.test_start :], limit.value, truth, meta)


def compiled(scorer: Any) -> Any:
    """A model as the compiler reads it, by way of the file that the pipeline writes."""
    from tsad_edge import codegen
    from tsad_edge.models import export

    with tempfile.TemporaryDirectory() as scratch:
        export.save(scorer, Path(scratch) / "graph.pt2")
        return codegen.load(Path(scratch) / "graph.pt2")


def price(trial: Trial) -> dict[str, Any]:
    """What a detector takes: weights, code, memory, multiply-adds. Training changes numbers only, so there is none."""
    from tsad_edge import codegen, toolchain
    from tsad_edge.entity import write_c
    from tsad_edge.train import untrained

    meta, normal, _, _ = data_of(trial)
    graph = compiled(untrained(trial.name, dict(trial.hyper), normal, meta.window, trial.seed))
    made = codegen.compile_graph(graph, "m_price", 0.0, entity="price", channels=meta.channels)
    with tempfile.TemporaryDirectory() as scratch:
        models, out = Path(scratch) / "models", Path(scratch) / "native"
        write_c(models / made.name, made)
        toolchain.build(models, out)
        return {**made.cost, "code_bytes": toolchain.code_bytes(toolchain.library(out, made.name))}


def rivals(trial: Trial) -> dict[str, Any]:
    """A floor, judged; of a model before training the mean of five draws."""
    from tsad_edge.aggregate import mean_of
    from tsad_edge.data import calibrations
    from tsad_edge.entity import rival, rival_threshold

    meta, normal, series, truth = data_of(trial)
    (start, end), _ = calibrations(meta.split)[0]
    fit = normal[start - meta.window + 1 : end] if len(calibrations(meta.split)) == 1 else normal
    rows = []
    for name in UNTRAINED if trial.kind == "untrained" else (trial.name,):
        score = rival(name, meta, trial.seed, trial.name, dict(trial.hyper), BATCH)
        limit, _ = rival_threshold(score, meta, normal, ASKED, smoothing=0.0)
        rows.append(verdict(score(fit, series)[meta.test_start :], limit, truth, meta))
    return mean_of(rows)


def verdict(scores: Any, limit: float, truth: Any, meta: Any) -> dict[str, Any]:
    """A sample is an alarm when its score is over a constant threshold: no guard, no rules of events."""
    from tsad_edge.entity import judged

    return judged(scores, limit, scores > limit, truth, meta.test_start, meta.window, meta.sampling_period)
