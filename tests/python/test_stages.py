"""The pipeline on real files: what each stage writes, that labels reach only evaluate, that bytes repeat."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tsad_edge import stages
from tsad_edge.params import load
from tsad_edge.spot import held_against

Stage = Callable[[str], None]
DETECTOR, COMPILED = "artifacts/pump-1/detector", "csrc/generated/m_pump_1/detector.json"


def digest(*places: Path) -> dict[str, str]:
    """SHA-256 of every file below some directories."""
    files = (path for place in places for path in sorted(place.rglob("*")) if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_whole_chain(copied: Path) -> None:
    check = json.loads(Path("check.json").read_text())
    assert check["passed"] and check["failures"] == [] and check["entities"] == 1
    assert check["samples"] > 5000 and check["flipped_decisions"] == 0
    assert 0 < check["largest_share_of_tolerance"] <= 1
    cost = json.loads(Path("cost.json").read_text())["per_entity"]["pump-1"]
    assert cost["mac_after"] <= cost["mac_before"] and cost["weight_bytes"] > 1000 and cost["code_bytes"] > 100
    metrics = json.loads(Path("metrics.json").read_text())
    assert set(metrics["floors"]) == {"random", "abs_diff", "train_mean", "moving_z", "window_pca", "untrained"}
    assert metrics["verdict"] == "not distinguishable" and metrics["model"]["intervals"]["vus_pr"] is None  # one pump
    assert len(metrics["model"]["by_kind"]) == 6
    assert Path("build/plots/pump-1.png").stat().st_size > 1000


def test_train_and_test_repeat_to_the_byte_and_need_no_labels(copied: Path, stage: Stage) -> None:
    before = digest(Path("artifacts"), Path("scores"))
    shutil.rmtree("data/labels")
    for name in ("train", "test", "convert", "check"):
        stage(name)
    assert digest(Path("artifacts"), Path("scores")) == before


def test_convert_repeats_to_the_byte(copied: Path, stage: Stage) -> None:
    before = {k: v for k, v in digest(Path("csrc/generated")).items()}
    stage("convert")
    assert digest(Path("csrc/generated")) == before


def test_what_training_has_seen_is_not_judged(copied: Path, stage: Stage) -> None:
    """A test series that repeats the training data (KDD-TSAD): judged from `test_start` on, events cut there."""
    labels = json.loads(Path("data/labels/pump-1.json").read_text())
    cut = labels["events"][2]["start"] + 3
    about = json.loads(Path("scores/pump-1.json").read_text())
    Path("scores/pump-1.json").write_text(json.dumps(about | {"test_start": cut}))
    stage("evaluate")
    row = json.loads(Path("metrics.json").read_text())["per_entity"]["pump-1"]
    assert row["samples"] == 6000 - cut and row["unscored"] == 0
    assert row["events"] == len(labels["events"]) - 2
    with np.load("data/labels/pump-1.npz") as file:
        assert row["anomalous"] == file["labels"][cut:].sum()


@pytest.mark.parametrize(
    ("hyper", "words"),
    [
        ({"gna": {}}, "train.hyper names model 'gna'; known models: gan, lstm"),
        ({"lstm": {"depth": 2}}, "train.hyper has no 'depth' for model 'lstm'"),  # though gan is trained
    ],
)
def test_wrong_hyperparameters_stop_training(copied: Path, hyper: dict[str, object], words: str) -> None:
    chosen = load("params.yaml")
    with pytest.raises(ValueError, match=f"pump-1: {words}"):
        stages.train(replace(chosen, train=replace(chosen.train, hyper=hyper)))


def test_floors_are_calibrated_as_the_model_is(empty: Path, stage: Stage) -> None:
    """A short series: each half by what is fitted on the other, or a floor would look better than it is."""
    from tsad_edge.data import load_values
    from tsad_edge.floors import score_floor
    from tsad_edge.threshold import choose

    draw = np.random.default_rng(5)
    rows = draw.normal(size=(400, 1)) + np.linspace(0, 3, 400)[:, None]
    Path("all.csv").write_text("a\n" + "\n".join(f"{value:.4f}" for (value,) in rows) + "\n")
    Path("params.yaml").write_text(
        "prepare: {dataset: own, window: 50, csv: {train: all.csv, train_fraction: 0.6}}\n"
        "train: {model: gan, hyper: {gan: {epochs: 1}}, false_alarms: 9 per 1000 samples}"
    )
    for name in ("prepare", "train", "test"):
        stage(name)
    (a, b), (c, d) = json.loads(Path("data/values/all/meta.json").read_text())["split"]["folds"]
    series = load_values("data/values", "all", "train").values
    halves = series[a - 49 : b], series[c - 49 : d]
    scores = [score_floor("train_mean", fit, scored, 50, 1)[49:] for fit, scored in (halves[::-1], halves)]
    limits = json.loads(Path("scores/all.json").read_text())["thresholds"]
    assert limits["train_mean"] == choose("quantile", np.concatenate(scores), 9.0).value


def test_a_threshold_that_goes_on_learning(copied: Path, stage: Stage) -> None:
    """From calibration through evaluation in order of time to the proof, which sees where a device learns otherwise."""
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("train: {", "train: {threshold: spot, baseline: {samples: 600}, "))
    for name in ("train", "test", "evaluate", "convert", "check"):
        stage(name)
    detector, scores = (json.loads(Path(f"{place}.json").read_text()) for place in (DETECTOR, "scores/pump-1"))
    assert detector["false_alarms"]["method"] == "spot" and detector["spot"]["every"] == detector["window"]
    assert detector["baseline"]["samples"] == 600 and set(scores["spots"]) == set(scores["thresholds"])
    with np.load("scores/pump-1.npz") as file:
        limits = held_against(detector["spot"], detector["threshold"], file["model"])
        alarms = int((file["model"] > limits).sum())
    assert len(np.unique(limits)) > 2 and limits[0] == np.float32(detector["threshold"])
    assert json.loads(Path("metrics.json").read_text())["per_entity"]["pump-1"]["alarms"] == alarms
    assert json.loads(Path("check.json").read_text())["passed"]

    Path(COMPILED).write_text(json.dumps({**detector, "spot": {**detector["spot"], "excess": 1.0}}))
    with pytest.raises(RuntimeError, match="alarms of _core are not those of the Python twin"):
        stage("check")


def test_scrambled_labels_change_nothing_but_labels(empty: Path, stage: Stage) -> None:
    """The same CSV twice, the label column shuffled the second time: every byte is the same up to `evaluate`."""
    draw = np.random.default_rng(5)
    values = draw.normal(size=(900, 2)).round(3)
    Path("params.yaml").write_text(
        "prepare: {dataset: own, window: 20, csv: {train: all.csv, label: fault, train_fraction: 0.6}}\n"
        "train: {model: gan, hyper: {gan: {epochs: 2}}, false_alarms: 9 per 1000 samples}"
    )
    seen = []
    for shuffled in (False, True):
        labels = np.zeros(900, int)
        labels[700:720] = 1
        if shuffled:
            labels[540:] = draw.permutation(labels[540:])
        rows = [f"{a},{b},{c}" for (a, b), c in zip(values, labels, strict=True)]
        Path("all.csv").write_text("a,b,fault\n" + "\n".join(rows) + "\n")
        for name in ("prepare", "train", "test", "convert", "check", "evaluate"):
            stage(name)
        blind = digest(Path("data/values"), Path("artifacts"), Path("scores"), Path("csrc/generated"))
        seen.append((blind, digest(Path("data/labels")), json.loads(Path("metrics.json").read_text())))
    assert seen[0][0] == seen[1][0], "nothing before evaluate depends on labels"
    assert seen[0][1] != seen[1][1] and seen[0][2] != seen[1][2], "labels and metrics do"


def test_a_failed_stage_leaves_what_was_there(copied: Path, stage: Stage) -> None:
    before = digest(Path("artifacts"))
    meta = Path("data/values/pump-1/train.npz")
    meta.write_bytes(meta.read_bytes()[:1000])
    with pytest.raises(Exception):  # noqa: B017 - numpy's own word for a damaged archive
        stage("train")
    assert digest(Path("artifacts")) == before
    assert not list(Path().glob(".artifacts*"))


@pytest.mark.parametrize("name", ["train", "test", "evaluate", "convert"])
def test_a_stage_before_its_turn_says_what_to_run(name: str, empty: Path, stage: Stage) -> None:
    Path("params.yaml").write_text("")
    with pytest.raises(ValueError, match="dvc repro"):
        stage(name)


def test_report_is_a_page(copied: Path) -> None:
    from tsad_edge import params, stages

    text = stages.report(params.load())
    for words in (
        "Events found",
        "NOT distinguishable from a floor",
        "not for ranking",
        "PASSED",
        "RAM B",
        "C, step by step",
        "tsad-edge --model",
    ):
        assert words in text
    assert max(map(len, text.splitlines())) <= 140


def test_readme_shows_every_json_file_as_it_is(finished: Path) -> None:
    """One example of each file the stages write, with the keys it really has."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    shown = dict(re.findall(r"`([\w/<>]+\.json)`\n\n```json\n(.*?)```", readme, re.S))
    written = {
        str(path.relative_to(finished)).replace("pump-1", "<entity>")
        for path in finished.rglob("*.json")
        if not path.is_relative_to(finished / "csrc")  # copies of detector.json
    }
    assert set(shown) == written
    for name, text in shown.items():
        example, real = json.loads(text), json.loads((finished / name.replace("<entity>", "pump-1")).read_text())
        assert example["schema"] == real["schema"] == 1
        assert set(example) == set(real), name


def test_prepare_says_which_files_dvc_does_not_watch(empty: Path) -> None:
    """`dvc repro` sees a new CSV only where it is a dep."""
    from tsad_edge import params, stages

    Path("normal.csv").write_text("a\n" + "\n".join(str(i % 7) for i in range(200)) + "\n")
    Path("params.yaml").write_text("prepare: {dataset: own, window: 10, csv: {train: normal.csv}}")
    assert "dvc.yaml" not in stages.prepare(params.load())
    Path("dvc.yaml").write_text("stages: {}\n")
    assert "add normal.csv to the deps of prepare" in stages.prepare(params.load())
    Path("dvc.yaml").write_text("stages: {prepare: {cmd: tsad prepare, deps: [normal.csv]}}\n")
    assert "dvc.yaml" not in stages.prepare(params.load())
