"""Chooses each model's hyperparameters on the entities marked `tune` and freezes them in params.yaml.

Run by ``make tune``; TSAD_MIRROR names the folder or address of the archives. CANDIDATES says what was tried: few,
since every try is a draw in a lottery whose winner looks better than it is. The best mean over data sets of VUS-PR
wins, if it beats the defaults clearly. `accuracy` judges the choice on the other half.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import numpy as np
from trials import ROOT, Trial, prepared, run

from tsad_edge.data import catalog
from tsad_edge.files import write_whole

CANDIDATES: dict[str, list[dict[str, Any]]] = {
    "gan": [{}, {"tail": 10}],
    "vae": [{}, {"tail": 10}],
    "usad": [{}, {"tail": 10}],
    "pca": [{}, {"share": 0.1}, {"share": 0.3}, {"share": 1.0, "components": 16}],
    "kmeans": [{}, {"share": 0.1}, {"share": 0.2}, {"share": 0.3, "centres": 64}, {"centres": 64}],
}
"""Model -> what its defaults are compared with, the defaults themselves first: they stay where nothing is better. Other
models keep their defaults untried."""

DATASETS = ("NASA-MSL", "NASA-SMAP", "KDD-TSAD", "SMD")
"""SKAB and NAB are not among them: series so short are trained three times, and cost more than all the others."""


MARGIN = 0.01
"""Of mean VUS-PR; less is what another seed gives."""
PER_SET = 4
HYPER = re.compile(r"^  hyper:.*\n(?:    .*\n)*", re.MULTILINE)


def trials(models: list[str], datasets: list[str]) -> list[Trial]:
    """Every candidate on some entities, one seed."""
    return [
        Trial("tune", dataset, entity, "model", model, 1, tuple(sorted(hyper.items())))
        for dataset in datasets
        for entity in spread(prepared(dataset, "tune"))
        for model in models
        for hyper in CANDIDATES[model]
    ]


def spread(entities: list[str]) -> list[str]:
    """At most PER_SET of them, evenly spaced: trying takes hours enough."""
    return entities[:: -(-len(entities) // PER_SET)]


def means(results: dict[Trial, dict[str, Any]], datasets: list[str]) -> dict[tuple[str, tuple[Any, ...]], list[float]]:
    """(Model, hyperparameters) -> mean VUS-PR on each data set, over entities that have one."""
    found: dict[tuple[str, tuple[Any, ...]], dict[str, list[float]]] = {}
    for trial, result in results.items():
        per = found.setdefault((trial.name, trial.hyper), {name: [] for name in datasets})
        if result["vus_pr"] is not None:
            per[trial.dataset].append(result["vus_pr"])
    return {key: [float(np.mean(values)) for values in per.values()] for key, per in found.items()}


def chosen(scores: dict[tuple[str, tuple[Any, ...]], list[float]]) -> dict[str, dict[str, Any]]:
    """Model -> what differs from its defaults: of the candidates that beat these by MARGIN the best, or nothing."""
    means = {key: float(np.mean(values)) for key, values in scores.items()}
    found = {}
    for model in {model: None for model, _ in scores}:  # in their order
        best = max((hyper for name, hyper in scores if name == model), key=lambda hyper: means[model, hyper])
        found[model] = dict(best) if means[model, best] > means[model, ()] + MARGIN else {}
    return found


def table(scores: dict[tuple[str, tuple[Any, ...]], list[float]], datasets: list[str]) -> str:
    """What was tried, as markdown; the choice in bold."""
    winners = chosen(scores)
    lines = [f"| VUS-PR, half `tune` | {' | '.join(datasets)} | mean |", "|---" * (len(datasets) + 2) + "|"]
    for (model, hyper), values in scores.items():
        tag = f"{model} {', '.join(f'{key} {value}' for key, value in hyper) or '(defaults)'}"
        shown = f"**{tag}**" if winners[model] == dict(hyper) else tag
        lines.append(f"| {shown} | {' | '.join(f'{value:.3f}' for value in values)} | {np.mean(values):.3f} |")
    return "\n".join(lines) + "\n"


def frozen(text: str, winners: dict[str, dict[str, Any]]) -> str:
    """params.yaml with the winners in place of its train.hyper.

    Raises
    ------
    ValueError
        There is no train.hyper to replace.
    """
    rows = [
        f"    {model}: {{{', '.join(f'{key}: {value}' for key, value in hyper.items())}}}\n"
        for model, hyper in winners.items()
        if hyper
    ]
    head = "  hyper: # by model, what differs from its defaults; chosen on the tune entities by `make tune`\n"
    if not HYPER.search(text):
        raise ValueError("params.yaml: train.hyper was not found; put `  hyper: {}` below train")
    return HYPER.sub(head + "".join(rows) if rows else "  hyper: {}\n", text, count=1)


def main() -> None:
    """All trials, the table, and the choice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(CANDIDATES), choices=list(CANDIDATES), metavar="MODEL")
    parser.add_argument("--datasets", nargs="+", default=list(DATASETS), choices=list(catalog()), metavar="DATASET")
    parser.add_argument("--freeze", action="store_true", help="write the choice into params.yaml")
    parser.add_argument("--out", type=Path, help="where the table goes, too")
    asked = parser.parse_args()
    scores = means(run(trials(asked.models, asked.datasets), "tune"), asked.datasets)
    page = table(scores, asked.datasets)
    if asked.out:
        asked.out.write_text(page)
    if asked.freeze:
        params = ROOT / "params.yaml"
        write_whole(params, frozen(params.read_text(), chosen(scores)).encode())
    print(page)


if __name__ == "__main__":
    main()
