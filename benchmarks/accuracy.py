"""Models x data sets, several seeds, on entities that no choice was made on: writes benchmarks/accuracy.md.

Run by ``make accuracy``; TSAD_MIRROR names the folder or address of the archives. Every run is a pipeline of its own
below build/accuracy, spread over processes by entity; a finished one is kept and not made again as long as params and
code are the same, so that a stopped run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tsad_edge import codegen
from tsad_edge.aggregate import Resampled, mean_of
from tsad_edge.data import catalog
from tsad_edge.models import MODELS

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "build" / "accuracy"
STAGES = ("train", "test", "evaluate")
WINDOW = 100
CODE = ("python/tsad_edge/data", "python/tsad_edge/models", "codegen")
CODE_FILES = ("train", "scoring", "threshold", "floors", "metrics", "vus", "adjusted", "aggregate", "stages")


def code_digest() -> str:
    """Of all sources that a result depends on."""
    files = [path for place in CODE for path in sorted((ROOT / place).rglob("*.py"))]
    files += [ROOT / "python/tsad_edge" / f"{name}.py" for name in CODE_FILES]
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def chosen_entities(dataset: str, half: str) -> str | list[str]:
    """The entities of one half, of the large sets only the quick ones, as prepare.entities has it."""
    entry = catalog()[dataset]
    return [entity for entity in entry.marks[half] if entity in entry.quick] if entry.quick else half


def tsad(stage: str, place: Path) -> None:
    """One stage in one directory; what it says goes to a log beside it."""
    with open(place / "log.txt", "ab") as log:
        command = [sys.executable, "-m", "tsad_edge.cli", stage]
        if subprocess.run(command, cwd=place, stdout=log, stderr=log).returncode:
            raise SystemExit(f"{place.relative_to(ROOT)}: tsad {stage} failed; see log.txt there")


def prepared(dataset: str, half: str, params: dict[str, Any]) -> Path:
    """The data of one half, made once for all models and seeds."""
    place = PLACE / half / dataset
    place.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump({"prepare": params["prepare"]})
    if not (place / "data/values").is_dir() or (place / "params.yaml").read_text() != text:
        (place / "params.yaml").write_text(text)
        tsad("prepare", place)
    return place / "data"


def run(dataset: str, model: str, seed: int, half: str, hyper: dict[str, Any], code: str) -> dict[str, Any]:
    """One pipeline: its metrics, the bytes and multiply-adds of its detector, and the seconds it took."""
    params = {
        "seed": seed,
        "prepare": {"dataset": dataset, "window": WINDOW, "entities": chosen_entities(dataset, half)},
        "train": {"model": model, "hyper": hyper},
        "evaluate": {"plot_entities": 0},
    }
    tag = model + "".join(f",{key}={value}" for key, value in hyper.items())
    place = PLACE / half / dataset / f"{tag},seed={seed}"
    done = place / "done.json"
    if done.is_file():
        kept: dict[str, Any] = json.loads(done.read_text())
        if kept["params"] == params and kept["code"] == code:
            return kept
    data = prepared(dataset, half, params)
    place.mkdir(parents=True, exist_ok=True)
    (place / "params.yaml").write_text(yaml.safe_dump(params))
    (place / "data").unlink(missing_ok=True)
    (place / "data").symlink_to(os.path.relpath(data, place), target_is_directory=True)
    start = time.monotonic()
    for stage in STAGES:
        tsad(stage, place)
    found = {
        "params": params,
        "code": code,
        "seconds": time.monotonic() - start,
        "metrics": json.loads((place / "metrics.json").read_text()),
        "cost": cost(min(place.glob("artifacts/*"))),
    }
    part = done.with_suffix(".part")
    part.write_text(json.dumps(found))
    part.replace(done)
    return found


def cost(artifacts: Path) -> dict[str, int]:
    """Of one entity's detector; those of a data set differ in numbers only."""
    try:
        return codegen.compile_graph(codegen.load(artifacts / "graph.pt2"), "m_cost", 0.0).cost
    except codegen.UnsupportedError:
        return {}


def rows_of(results: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """(name, figures, verdict against the best floor) of a model and, from the first seed, of the floors."""
    metrics = [found["metrics"] for found in results]
    per_entity = {
        entity: mean_of([each["per_entity"][entity] for each in metrics]) for entity in metrics[0]["per_entity"]
    }
    families = {
        entity: catalog()[results[0]["params"]["prepare"]["dataset"]].family_of(entity) for entity in per_entity
    }
    sample, best = Resampled(families, seed=1), metrics[0]["best_floor"]
    figures = sample.overall(per_entity)
    against = sample.difference(per_entity, metrics[0]["floors_per_entity"][best], "vus_pr")
    yield results[0]["params"]["train"]["model"], figures, f"{against['verdict']} ({against['difference']:+.3f})"
    for name, floor in metrics[0]["floors"].items():
        yield name, floor, "the best floor" if name == best else ""


def table(dataset: str, half: str, results: dict[str, list[dict[str, Any]]]) -> str:
    """One data set's results as markdown, best model first, floors below."""
    first = next(iter(results.values()))
    models = {name: next(rows_of(found)) for name, found in results.items()}
    entities, seeds = len(first[0]["metrics"]["per_entity"]), len(first)
    lines = [
        f"### {dataset}: {entities} entities of the half `{half}`, {seeds} seeds",
        "",
        "| | VUS-PR (95 %) | against the best floor | AUC-PR | F1 | event F1 | UCR accuracy | false alarms per 1000 | "
        "weights, bytes | multiply-adds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, (_, figures, verdict) in sorted(models.items(), key=lambda item: -(item[1][1]["vus_pr"] or 0)):
        price = results[name][0]["cost"]
        lines.append(line(f"**{name}**", figures, verdict, price))
    floors = list(rows_of(first))[1:]
    for name, figures, verdict in sorted(floors, key=lambda row: -(row[1]["vus_pr"] or 0)):
        named = f"untrained {first[0]['params']['train']['model']}" if name == "untrained" else name
        lines.append(line(named, figures, verdict, {}))
    return "\n".join(lines)


def line(name: str, figures: dict[str, Any], verdict: str, price: dict[str, int]) -> str:
    """One row of a table."""
    interval = figures["intervals"]["vus_pr"]
    span = "" if interval is None else f" ({interval[0]:.3f}-{interval[1]:.3f})"
    cells = [name, f"{text(figures['vus_pr'])}{span}", verdict]
    cells += [text(figures[key]) for key in ("auc_pr", "f1", "event_f1", "ucr_accuracy")]
    cells.append(text(figures["false_alarms_per_1000"], 1))
    cells += [str(price.get(key, "-")) for key in ("weight_bytes", "mac_after")]
    return f"| {' | '.join(cells)} |"


def text(value: float | None, digits: int = 3) -> str:
    """A number, or a dash."""
    return "-" if value is None else f"{value:.{digits}f}"


def main() -> None:
    """All runs, then the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS), metavar="MODEL")
    parser.add_argument("--datasets", nargs="+", default=list(catalog()), choices=list(catalog()), metavar="DATASET")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--half", choices=("tune", "eval"), default="eval", help="tune is for choosing, eval for the table"
    )
    parser.add_argument("--hyper", default="{}", help="YAML of hyperparameters that differ from the models' defaults")
    parser.add_argument("--out", type=Path, help="where the tables go, too")
    chosen = parser.parse_args()
    hyper, code = yaml.safe_load(chosen.hyper), code_digest()
    jobs = [(d, m, s) for d in chosen.datasets for m in chosen.models for s in range(1, chosen.seeds + 1)]
    results: dict[str, dict[str, list[dict[str, Any]]]] = {}
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("accuracy", total=len(jobs))
        for dataset, model, seed in jobs:
            bar.update(task, description=f"{dataset} {model} seed {seed}")
            found = run(dataset, model, seed, chosen.half, hyper, code)
            results.setdefault(dataset, {}).setdefault(model, []).append(found)
            if not console.is_terminal:
                score = text(found["metrics"]["model"]["vus_pr"])
                print(
                    f"{dataset} {model} seed {seed}: VUS-PR {score}, {found['seconds']:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )
            bar.advance(task)
    page = "\n\n".join(table(dataset, chosen.half, found) for dataset, found in results.items()) + "\n"
    if chosen.out:
        chosen.out.write_text(page)
    print(page)


if __name__ == "__main__":
    main()
