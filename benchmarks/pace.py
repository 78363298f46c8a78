"""How long the pipeline takes on NASA-MSL with the GAN, beside what the AII4.0 reference does: `make pace`.

    TSAD_MIRROR=<folder or address of the archives> python benchmarks/pace.py

Writes benchmarks/pace.md; a missed target is an error. Works below build/pace, in a project as `tsad init` makes them.
The reference's training and its threshold search are written anew here, as its sources do them; both sides are run in
turn, on the same data.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from reference_shapes import ReferenceGan
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from tsad_edge import __version__, project
from tsad_edge.adjusted import best_point_adjusted
from tsad_edge.data import entities, load_labels, load_meta, load_values, to_json
from tsad_edge.processes import each
from tsad_edge.scoring import windows
from tsad_edge.stages import DYNAMO, LABELS, SCORES, VALUES
from tsad_edge.train import entity_seed, fit_entity

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "build" / "pace"
WINDOW, EPOCHS, BATCH, HIDDEN = 100, 10, 512, 128
HYPER = {"epochs": EPOCHS}
ROUNDS = 3
TRAINING, SEARCH, REPRO = 2.0, 100.0, 60.0
"""Targets: times as fast, times as fast, seconds."""


def prepared() -> None:
    """A new project in build/pace, with nothing in it that a stage writes."""
    shutil.rmtree(PLACE, ignore_errors=True)
    texts = Path(project.__file__).parent
    dvc = re.sub(r" +- @csv@\n", "", (texts / "dvc.yaml.in").read_text())
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["prepare"] |= {"dataset": "NASA-MSL", "entities": "all", "window": WINDOW}
    params["train"] |= {"model": "gan", "hyper": {"gan": HYPER}}
    files = {
        **project.PLAIN,
        "dvc.yaml": dvc,
        "params.yaml": yaml.safe_dump(params),
        "requirements.txt": f"tsad-edge=={__version__}\n",
        ".gitignore": (texts / "gitignore.in").read_text(),
    }
    for name, text in files.items():
        (PLACE / name).parent.mkdir(parents=True, exist_ok=True)
        (PLACE / name).write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=PLACE, check=True)


def seconds(work: Callable[[], Any]) -> float:
    """How long it takes."""
    start = time.monotonic()
    work()
    return time.monotonic() - start


def materialised(entity: str) -> Tensor:
    """All windows (n, W, C) of an entity's training series, each with memory of its own, from 0 to 1."""
    values = load_values(VALUES, entity, "train").values
    low, high = values.min(axis=0), values.max(axis=0)
    scaled = (values - low) / np.where(high > low, high - low, 1)
    return windows(torch.from_numpy(scaled.astype(np.float32)), WINDOW).clone()


def reference_training(names: list[str], loading: bool) -> None:
    """Entity by entity in one process and one thread, in order of time; `loading`: by a DataLoader, as it does it.

    Its loader starts half as many processes as there are cores, for each epoch of each entity anew.
    """
    for name in names:
        model, data = ReferenceGan(WINDOW, HIDDEN), materialised(name)
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-3)
        loader = DataLoader(TensorDataset(data), BATCH, num_workers=(os.cpu_count() or 1) // 2)
        for _ in range(EPOCHS):
            losses = []
            for batch in (part for (part,) in loader) if loading else data.split(BATCH):
                loss = F.mse_loss(model(batch), batch[:, -1, 0], reduction="sum")
                loss.backward()
                optimiser.step()
                optimiser.zero_grad()
                losses.append(loss.item())


def one(entity: str) -> tuple[float, float, float]:
    """Our training of one entity: when it began and ended, and its CPU seconds."""
    meta, values = load_meta(VALUES, entity), load_values(VALUES, entity, "train").values
    start, used = time.monotonic(), time.process_time()
    fit_entity(values, to_json(meta.split), WINDOW, "gan", HYPER, entity_seed(1, entity))
    return start, time.monotonic(), time.process_time() - used


def our_training(names: list[str]) -> tuple[float, float]:
    """Seconds from the first start to the last end, of all entities over all cores, and CPU seconds: no start-up."""
    times = each("ours", one, [(name,) for name in names], preload=(DYNAMO, "tsad_edge.train"))
    starts, ends, used = zip(*times, strict=True)
    return max(ends) - min(starts), sum(used)


def adjusted(truth: Tensor, alarms: Tensor) -> Tensor:
    """Point adjustment: an event with one alarm is all alarms. Sample by sample, forwards and back."""
    found, within = alarms.clone(), False
    for i in range(len(truth)):
        if truth[i] == 0:
            within = False
        elif alarms[i] == 1 and not within:
            within, back = True, i - 1
            while back >= 0 and truth[back] == 1:
                found[back] = 1
                back -= 1
        if within:
            found[i] = 1
    return found


def reference_search(scores: Tensor, truth: Tensor) -> float:
    """The best point-adjusted F1 over 100 quantiles of the scores (T,), by the labels (T,)."""
    best = 0.0
    for share in torch.linspace(0, 1, 100):
        alarms = adjusted(truth, (scores >= torch.quantile(scores, 1 - share)).long())
        hits = float((alarms * truth).sum())
        wrong = float((alarms != truth).sum())
        best = max(best, 2 * hits / (2 * hits + wrong))
    return best


def judged(names: list[str]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Scores and labels of each entity's test series, where there is a score."""
    found = []
    for name in names:
        with np.load(SCORES / f"{name}.npz") as file:
            scores, truth = file["model"], load_labels(LABELS, name)
        assert truth is not None, f"{name} has no labels"
        there = ~np.isnan(scores)
        found.append((scores[there].astype(np.float32), truth.labels[there].astype(np.int64)))
    return found


def row(what: str, theirs: list[float], ours: list[float], target: float | None) -> tuple[str, bool]:
    """A line of the table, from the seconds of all rounds, and whether its target is met."""
    reference, mine = statistics.median(theirs), statistics.median(ours)
    ratio = reference / mine
    verdict = "for comparison" if target is None else f"{target:g}x: {'met' if ratio >= target else 'MISSED'}"
    return f"| {what} | {reference:.3g} | {mine:.3g} | {ratio:.3g}x | {verdict} |", target is None or ratio >= target


def main() -> None:
    """All of it; `dvc repro` first, whose data and scores the others need."""
    prepared()
    busy = os.getloadavg()[0]
    whole = seconds(lambda: subprocess.run(["dvc", "repro"], cwd=PLACE, check=True))
    os.chdir(PLACE)
    names, threads = entities(VALUES), torch.get_num_threads()
    loading, plain, ours, used = [], [], [], []
    torch.set_num_threads(1)
    for _ in range(ROUNDS):
        loading.append(seconds(lambda: reference_training(names, True)))
        plain.append(seconds(lambda: reference_training(names, False)))
        took, cpu = our_training(names)
        ours.append(took)
        used.append(cpu)
    torch.set_num_threads(threads)

    series = judged(names)
    theirs: list[float] = []
    exact: list[list[float]] = []
    pairs = [(torch.from_numpy(scores), torch.from_numpy(labels)) for scores, labels in series]
    search = seconds(lambda: theirs.extend(reference_search(*pair) for pair in pairs))
    searches = [
        seconds(lambda: exact.append([best_point_adjusted(*pair)["f1"] for pair in series])) for _ in range(ROUNDS)
    ]
    short = [name for name, a, b in zip(names, theirs, exact[0], strict=True) if b < a - 1e-9]
    if short:
        raise SystemExit(f"the reference's search found a better threshold than ours: {', '.join(short)}")

    met = "met" if whole < REPRO else "MISSED"
    rows = [
        row("training as the reference does it: one thread, its DataLoader", loading, ours, TRAINING),
        row("the same without DataLoader: its optimiser's steps alone", plain, ours, None),
        row("search for the threshold of the best point-adjusted F1", [search], searches, SEARCH),
        (f"| `dvc repro`, all stages, from nothing | - | {whole:.3g} | - | {REPRO:g} s: {met} |", whole < REPRO),
    ]
    samples, cores = sum(len(scores) for scores, _ in series), len(os.sched_getaffinity(0))
    lines = [
        f"NASA-MSL, GAN, {len(names)} entities, {EPOCHS} epochs, {samples:,} scored test samples; {cores} cores, load "
        f"{busy:.1f} at the start; seconds, medians of {ROUNDS} rounds in turn. Neither training has the start of "
        f"PyTorch in it; ours took {statistics.median(used):.3g} s of CPU.",
        "",
        "| what | reference | ours | ratio | target |",
        "|---|---|---|---|---|",
        *(line for line, _ in rows),
    ]
    text = "\n".join(lines) + "\n"
    (ROOT / "benchmarks" / "pace.md").write_text(text)
    print(text)
    if not all(met for _, met in rows):
        raise SystemExit("a target is missed; benchmarks/pace.md says which")


if __name__ == "__main__":
    main()
