"""Models x data sets, several seeds, on entities that no choice was made on: writes benchmarks/accuracy.md.

Run by ``make accuracy``; TSAD_MIRROR names the folder or address of the archives. Every run is a pipeline of its own
below build/accuracy, spread over processes by entity; a finished one is kept and not made again as long as params and
sources are the same, so that a stopped run goes on where it stopped, and new metrics want no new training.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
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
WINDOW = 100
PACKAGE = ROOT / "python" / "tsad_edge"
JUDGING = ("metrics.py", "vus.py", "adjusted.py", "aggregate.py", "report.py", "cli.py", "check.py", "plots.py")
"""Of the package, what can change without a model or a score being another."""


def digest(files: Iterable[Path]) -> str:
    """Of the contents of some files and all files in some folders."""
    found = hashlib.sha256()
    for place in files:
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.suffix in {".py", ".toml", ".yaml"}:
                found.update(path.read_bytes())
    return found.hexdigest()


def sources() -> dict[str, str]:
    """Digests of what data, scores and verdicts depend on."""
    modules = [path for path in sorted(PACKAGE.glob("*.py")) if path.name not in JUDGING]
    return {
        "data": digest([PACKAGE / "data"]),
        "scores": digest([PACKAGE / "data", PACKAGE / "models", ROOT / "codegen", *modules]),
        "verdicts": digest([PACKAGE / "data", *(PACKAGE / name for name in JUDGING[:4])]),
    }


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


def prepared(dataset: str, half: str, params: dict[str, Any], code: str) -> Path:
    """The data of one half, made once for all models and seeds."""
    place = PLACE / half / dataset
    place.mkdir(parents=True, exist_ok=True)
    made = {"prepare": params["prepare"], "code": code}
    if read(place / "prepared.json") != made:
        (place / "params.yaml").write_text(yaml.safe_dump({"prepare": params["prepare"]}))
        tsad("prepare", place)
        write(place / "prepared.json", made)
    return place / "data"


def run(dataset: str, model: str, seed: int, half: str, hyper: dict[str, Any], code: dict[str, str]) -> dict[str, Any]:
    """One pipeline: its metrics, the bytes and multiply-adds of its detector, and the seconds it took."""
    params = {
        "seed": seed,
        "prepare": {"dataset": dataset, "window": WINDOW, "entities": chosen_entities(dataset, half)},
        "train": {"model": model, "hyper": hyper},
        "evaluate": {"plot_entities": 0},
    }
    tag = model + "".join(f",{key}={value}" for key, value in hyper.items())
    place = PLACE / half / dataset / f"{tag},seed={seed}"
    kept = read(place / "done.json")
    scored = kept.get("params") == params and kept["code"]["scores"] == code["scores"]
    if scored and kept["code"] == code:
        return kept
    start = time.monotonic()
    if not scored:
        data = prepared(dataset, half, params, code["data"])
        place.mkdir(parents=True, exist_ok=True)
        (place / "params.yaml").write_text(yaml.safe_dump(params))
        (place / "data").unlink(missing_ok=True)
        (place / "data").symlink_to(os.path.relpath(data, place), target_is_directory=True)
        tsad("train", place)
        tsad("test", place)
    tsad("evaluate", place)
    found = {
        "params": params,
        "code": code,
        "seconds": time.monotonic() - start,
        "metrics": read(place / "metrics.json"),
        "cost": cost(min(place.glob("artifacts/*"))),
    }
    write(place / "done.json", found)
    return found


def read(path: Path) -> dict[str, Any]:
    """A JSON file; nothing where there is none."""
    return json.loads(path.read_text()) if path.is_file() else {}


def write(path: Path, what: dict[str, Any]) -> None:
    """A JSON file, whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(what))
    part.replace(path)


def cost(artifacts: Path) -> dict[str, int]:
    """Of one entity's detector; those of a data set differ in numbers only."""
    try:
        return codegen.compile_graph(codegen.load(artifacts / "graph.pt2"), "m_cost", 0.0).cost
    except codegen.UnsupportedError:
        return {}


def judged(results: list[dict[str, Any]]) -> tuple[dict[str, Any], str]:
    """A model's figures over all seeds, and how it does against the best floor of the first."""
    metrics = [found["metrics"] for found in results]
    first = metrics[0]
    per_entity = {name: mean_of([each["per_entity"][name] for each in metrics]) for name in first["per_entity"]}
    entry = catalog()[results[0]["params"]["prepare"]["dataset"]]
    sample = Resampled({entity: entry.family_of(entity) for entity in per_entity}, seed=1)
    best = max(first["floors"], key=lambda name: first["floors"][name]["vus_pr"])
    against = sample.difference(per_entity, first["floors_per_entity"][best], "vus_pr")
    return sample.overall(per_entity), f"{against['verdict']}: {against['difference']:+.3f}, {best}"


def table(dataset: str, half: str, results: dict[str, list[dict[str, Any]]]) -> str:
    """One data set's results as markdown, best model first, floors below."""
    first = next(iter(results.values()))
    quick = ", of these the quick ones" if catalog()[dataset].quick else ""
    count = len(first[0]["metrics"]["per_entity"])
    lines = [
        f"### {dataset}: {count} entities (half `{half}`{quick}), {len(first)} seeds",
        "",
        "| | VUS-PR (95 %) | against the best floor | AUC-PR | F1 | composite F1 | UCR accuracy | "
        "false alarms per 1000 | weights, bytes | multiply-adds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    models = {name: judged(found) for name, found in results.items()}
    for name, (figures, verdict) in sorted(models.items(), key=lambda item: -(item[1][0]["vus_pr"] or 0)):
        lines.append(line(f"**{name}**", figures, verdict, results[name][0]["cost"]))
    floors = {name: floor for name, floor in first[0]["metrics"]["floors"].items() if name != "untrained"}
    for model, found in results.items():
        if "untrained" in found[0]["metrics"]["floors"]:
            floors[f"untrained {model}"] = found[0]["metrics"]["floors"]["untrained"]
    for name, figures in sorted(floors.items(), key=lambda item: -(item[1]["vus_pr"] or 0)):
        lines.append(line(name, figures, "", {}))
    return "\n".join(lines)


def line(name: str, figures: dict[str, Any], verdict: str, price: dict[str, int]) -> str:
    """One row of a table."""
    interval = figures["intervals"]["vus_pr"]
    span = "" if interval is None else f" ({interval[0]:.3f}-{interval[1]:.3f})"
    cells = [name, f"{text(figures['vus_pr'])}{span}", verdict]
    cells += [text(figures[key]) for key in ("auc_pr", "f1", "composite_f1", "ucr_accuracy")]
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
    hyper, code = yaml.safe_load(chosen.hyper), sources()
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
