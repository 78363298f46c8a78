"""The reference's experiments are one queue file, and what it queues runs."""

import csv
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tsad_edge.data import catalog, on_request
from tsad_edge.models import MODELS

ROOT = Path(__file__).parents[2]
MODELS_RUN = {"lstm", "transformer", "gan", "vae", "tranad"}
DATASETS_RUN = {"KDD-TSAD", "NASA-MSL", "NASA-SMAP", "SMD", "SWaT", "WADI"}
"""By the reference."""

Run = Callable[..., str]


def test_the_file_names_what_the_reference_ran_and_nothing_unknown() -> None:
    text = (ROOT / "benchmarks" / "experiments.sh").read_text()
    models, datasets = (set(re.findall(rf"\${{{name}:-(.*?)}}", text)[0].split(",")) for name in ("MODELS", "DATASETS"))
    assert (models, datasets) == (MODELS_RUN, DATASETS_RUN)
    assert models <= set(MODELS) and datasets <= {*(each.name for each in catalog().values()), *on_request()}


def table(clone: Path, run: Run) -> list[dict[str, str]]:
    """Rows of `dvc exp show` that are experiments."""
    rows = csv.DictReader(run("dvc exp show --csv", clone).splitlines())
    return [row for row in rows if row["rev"] not in {"workspace", "main"}]


@pytest.mark.slow
def test_all_of_it_is_queued(clone: Path, run: Run) -> None:
    run("sh benchmarks/experiments.sh", clone)
    queued = {(row["train.model"], row["prepare.dataset"]) for row in table(clone, run)}
    assert queued == {(model, dataset) for model in MODELS_RUN for dataset in DATASETS_RUN}


@pytest.mark.slow
def test_two_of_them_run_and_compare(clone: Path, run: Run) -> None:
    run("dvc pull", clone)
    run("sh benchmarks/experiments.sh", clone, MODELS="pca,moving_z", DATASETS="pump")
    run("dvc exp run --run-all", clone)
    done = {row["train.model"]: row for row in table(clone, run)}
    assert set(done) == {"pca", "moving_z"}
    figures = {model: float(row["model.auc_pr"]) for model, row in done.items()}
    assert figures["pca"] != figures["moving_z"] and all(row["passed"] == "True" for row in done.values())
    run(f"dvc exp apply {done['pca']['Experiment']}", clone)
    assert "Running stage" not in run("dvc repro", clone)
    said = subprocess.run([sys.executable, "-m", "tsad_edge.cli", "report"], cwd=clone, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
