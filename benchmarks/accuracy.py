"""Models x data sets, several seeds, on entities that no choice was made on: writes benchmarks/accuracy.md.

Run by ``make accuracy``; TSAD_MIRROR names the folder or address of the archives. Hyperparameters are those of
params.yaml, which `tune` chose on the other half. What a single trial is, and that it is kept, is `trials`' business.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from trials import ROOT, Trial, prepared, run

from tsad_edge.aggregate import Resampled, mean_of
from tsad_edge.data import catalog
from tsad_edge.floors import FLOORS
from tsad_edge.models import MODELS, Hyper
from tsad_edge.params import load

Rows = dict[str, dict[str, Any]]
"""Entity -> what `metrics.judge` says, mean over seeds."""
FIGURES = ("auc_pr", "f1", "composite_f1", "ucr_accuracy")


def trials(dataset: str, entities: list[str], models: list[str], seeds: int, hyper: dict[str, Any]) -> list[Trial]:
    """All that one data set's table needs."""
    found = [Trial("eval", dataset, entity, "floor", name) for name in FLOORS for entity in entities]
    for model in models:
        settings = tuple(sorted(hyper.get(model, {}).items()))
        found.append(Trial("eval", dataset, entities[0], "price", model, 1, settings))
        for entity in entities:
            for seed in range(1, seeds + 1):
                found.append(Trial("eval", dataset, entity, "model", model, seed, settings))
            if issubclass(MODELS[model].hyper, Hyper):  # a model that is fitted at one go is nothing before
                found.append(Trial("eval", dataset, entity, "untrained", model, 1, settings))
    return found


def collected(results: dict[Trial, dict[str, Any]], dataset: str) -> tuple[dict[str, Rows], dict[str, Any]]:
    """One data set's rows by what scored, models first, and what each model costs."""
    rows: dict[str, dict[str, list[dict[str, Any]]]] = {}
    costs = {}
    for trial, found in results.items():
        if trial.dataset != dataset:
            continue
        if trial.kind == "price":
            costs[trial.name] = found
        else:
            name = trial.name if trial.kind == "model" else f"{trial.name} ({trial.kind})"
            rows.setdefault(name, {}).setdefault(trial.entity, []).append(found)
    return {name: {entity: mean_of(each) for entity, each in per.items()} for name, per in rows.items()}, costs


def sampled(dataset: str, rows: dict[str, Rows]) -> Resampled:
    """Draws of a data set's families, the same for all that are compared."""
    entry = catalog()[dataset]
    return Resampled({entity: entry.family_of(entity) for entity in next(iter(rows.values()))}, seed=1)


def table(dataset: str, rows: dict[str, Rows], costs: dict[str, Any], seeds: int) -> str:
    """One data set's results as markdown, best model first, floors below."""
    sample = sampled(dataset, rows)
    figures = {name: sample.overall(per) for name, per in rows.items()}
    floors = sorted((name for name in rows if name not in costs), key=lambda name: -vus(figures[name]))
    entities = f"{len(sample.entities)} entities of the half eval{' (quick ones)' if catalog()[dataset].quick else ''}"
    lines = [
        f"<details><summary>{dataset}: {entities}, {seeds} seeds</summary>",
        "",
        "| | VUS-PR (95 %) | against the best floor | AUC-PR | F1 | composite F1 | UCR accuracy | "
        "false alarms per 1000 | weights + code, bytes | multiply-adds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in sorted(costs, key=lambda name: -vus(figures[name])):
        rivals = [floor for floor in floors if floor.endswith("(floor)") or floor == f"{name} (untrained)"]
        against = sample.difference(rows[name], rows[rivals[0]], "vus_pr")
        verdict = f"{against['verdict']}: {against['difference']:+.3f}, {rivals[0]}"
        size = f"{costs[name]['weight_bytes']} + {costs[name]['code_bytes']}"
        lines.append(line(f"**{name}**", figures[name], verdict, [size, str(costs[name]["mac_after"])]))
    lines += [line(name, figures[name], "", ["-", "-"]) for name in floors]
    lines += ["", "</details>"]
    return "\n".join(lines)


def line(name: str, figures: dict[str, Any], verdict: str, price: list[str]) -> str:
    """One row of a table."""
    interval = figures["intervals"]["vus_pr"]
    span = "" if interval is None else f" ({interval[0]:.3f}-{interval[1]:.3f})"
    cells = [name, f"{text(figures['vus_pr'])}{span}", verdict, *(text(figures[key]) for key in FIGURES)]
    return f"| {' | '.join([*cells, text(figures['false_alarms_per_1000'], 1), *price])} |"


def text(value: float | None, digits: int = 3) -> str:
    """A number, or a dash."""
    return "-" if value is None else f"{value:.{digits}f}"


def vus(figures: dict[str, Any]) -> float:
    """VUS-PR to sort by; what has none comes last."""
    return figures["vus_pr"] if figures["vus_pr"] is not None else -1.0


def overview(sets: dict[str, tuple[dict[str, Rows], dict[str, Any]]]) -> str:
    """Mean VUS-PR by data set, the mean of these, and bytes of weights and code for the fewest and most channels."""
    means = {
        (name, dataset): vus(sampled(dataset, rows).overall(per))
        for dataset, (rows, _) in sets.items()
        for name, per in rows.items()
        if not name.endswith("(untrained)")
    }
    names = sorted({name for name, _ in means}, key=lambda name: -np.mean([means[name, each] for each in sets]))
    lines = [f"| VUS-PR | {' | '.join(sets)} | mean of sets | bytes |", "|---" * (len(sets) + 3) + "|"]
    for name in names:
        sizes = [costs[name]["weight_bytes"] + costs[name]["code_bytes"] for _, costs in sets.values() if name in costs]
        size = f"{min(sizes)} to {max(sizes)}" if sizes else "-"
        cells = [f"{means[name, each]:.3f}" for each in sets]
        shown = f"**{name}**" if name in MODELS else name
        cells += [f"{np.mean([means[name, each] for each in sets]):.3f}", size]
        lines.append(f"| {' | '.join([shown, *cells])} |")
    return "\n".join(lines)


def main() -> None:
    """All trials, then the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS), metavar="MODEL")
    parser.add_argument("--datasets", nargs="+", default=list(catalog()), choices=list(catalog()), metavar="DATASET")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path, help="where the tables go, too")
    chosen = parser.parse_args()
    hyper = load(ROOT / "params.yaml").train.hyper
    wanted = [
        trial
        for dataset in chosen.datasets
        for trial in trials(dataset, prepared(dataset, "eval"), chosen.models, chosen.seeds, hyper)
    ]
    results = run(wanted, "accuracy")
    sets = {dataset: collected(results, dataset) for dataset in chosen.datasets}
    parts = [overview(sets), *(table(dataset, *found, chosen.seeds) for dataset, found in sets.items())]
    page = "\n\n".join(parts) + "\n"
    if chosen.out:
        chosen.out.write_text(page)
    print(page)


if __name__ == "__main__":
    main()
