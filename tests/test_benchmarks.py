"""The tables of the README: trials are kept and made anew when they must be, choices are frozen, names do not mix."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tsad_edge.data import prepare_dataset
from tsad_edge.models import hyperparameters
from tsad_edge.params import Csv, load

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def scripts() -> Any:
    """The modules of benchmarks/, which find each other by name."""
    names = ("trials", "tune", "accuracy")
    before = {name: sys.modules.get(name) for name in names}
    for name in names:
        spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    yield {name: sys.modules[name] for name in names}
    for name, module in before.items():
        sys.modules.pop(name)
        if module is not None:
            sys.modules[name] = module


@pytest.fixture
def place(scripts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One pump, where the trials look for the half `tune` of SKAB."""
    data = tmp_path / "tune" / "SKAB" / "data"
    prepare_dataset(
        "pump",
        entities=["pump-1"],
        window=50,
        mirror=None,
        csv=Csv(),
        seed=1,
        values_dir=data / "values",
        labels_dir=data / "labels",
        cache_dir=tmp_path,
    )
    monkeypatch.setattr(scripts["trials"], "PLACE", tmp_path)
    return tmp_path


def test_a_trial_is_kept_until_settings_or_sources_change(
    scripts: Any, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = scripts["trials"]
    trial = trials.Trial("tune", "SKAB", "pump-1", "model", "pca")
    found = trials.one(trial, "code 1")
    assert 0.3 < found["vus_pr"] < 1 and found["f1"] > 0
    made = []
    monkeypatch.setattr(trials, "detector", lambda trial: made.append(trial) or {"vus_pr": 0.0})
    assert trials.one(trial, "code 1") == found and made == []
    assert trials.one(trial, "code 2") == {"vus_pr": 0.0}
    other = trials.Trial("tune", "SKAB", "pump-1", "model", "pca", 1, (("share", 0.2),))
    assert trials.one(other, "code 1") == {"vus_pr": 0.0} and made == [trial, other]
    assert not list(place.rglob("*.part"))


def test_floors_and_prices_are_trials_too(scripts: Any, place: Path) -> None:
    trials = scripts["trials"]
    floor = trials.one(trials.Trial("tune", "SKAB", "pump-1", "floor", "random"), "code")
    before = trials.one(trials.Trial("tune", "SKAB", "pump-1", "untrained", "cnn"), "code")
    assert 0 < floor["vus_pr"] < 0.5 and 0 < before["vus_pr"] < 0.6
    price = trials.one(trials.Trial("tune", "SKAB", "pump-1", "price", "pca"), "code")
    assert price["weight_bytes"] > 1000 and price["code_bytes"] > 1000 and price["mac_after"] > 100


def test_the_best_mean_over_data_sets_is_chosen(scripts: Any) -> None:
    trials, tune = scripts["trials"], scripts["tune"]
    results: dict[Any, Any] = {}
    for hyper, skab, nab in (
        ((), [0.2, 0.4], [0.9]),
        ((("share", 0.1),), [0.7, 0.7], [0.5]),
        ((("share", 0.3),), [0.6], [0.6]),
    ):
        for dataset, values in (("SKAB", skab), ("NAB", nab)):
            for number, value in enumerate(values):
                trial = trials.Trial("tune", dataset, f"e{number}", "model", "pca", 1, hyper)
                results[trial] = {"vus_pr": value}
    results[trials.Trial("tune", "NAB", "e9", "model", "pca")] = {"vus_pr": None}  # nothing to rank there
    scores = tune.means(results, ["SKAB", "NAB"])
    assert scores["pca", ()] == pytest.approx([0.3, 0.9])
    assert tune.chosen(scores) == {"pca": {}}  # .6 each: the defaults, which stand first, stay
    results[trials.Trial("tune", "NAB", "e8", "model", "pca", 1, (("share", 0.1),))] = {"vus_pr": 0.51}
    assert tune.chosen(tune.means(results, ["SKAB", "NAB"])) == {"pca": {}}  # better, but by less than a seed's worth
    results[trials.Trial("tune", "NAB", "e8", "model", "pca", 1, (("share", 0.1),))] = {"vus_pr": 0.9}
    scores = tune.means(results, ["SKAB", "NAB"])
    assert tune.chosen(scores) == {"pca": {"share": 0.1}}
    assert "| **pca share 0.1** | 0.700 | 0.700 | 0.700 |" in tune.table(scores, ["SKAB", "NAB"])


def test_the_choice_is_frozen_in_params(scripts: Any) -> None:
    text = (ROOT / "params.yaml").read_text()
    frozen = scripts["tune"].frozen
    once = frozen(text, {"pca": {"share": 0.7, "components": 3}, "gan": {}})
    assert yaml.safe_load(once)["train"]["hyper"] == {"pca": {"share": 0.7, "components": 3}}
    assert frozen(once, {"pca": {"share": 0.7, "components": 3}}) == once
    assert yaml.safe_load(frozen(once, {"gan": {}}))["train"]["hyper"] == {}
    rest = {key: value for key, value in yaml.safe_load(once)["train"].items() if key != "hyper"}
    assert rest == {key: value for key, value in yaml.safe_load(text)["train"].items() if key != "hyper"}
    with pytest.raises(ValueError, match="train.hyper was not found"):
        frozen("seed: 1\n", {})


def test_what_is_frozen_was_a_candidate(scripts: Any) -> None:
    candidates = scripts["tune"].CANDIDATES
    for model, each in candidates.items():
        assert each[0] == {}
        for hyper in each:
            hyperparameters(model, hyper)
    for model, hyper in load(ROOT / "params.yaml").train.hyper.items():
        assert hyper in candidates[model]


def test_a_model_and_a_floor_of_one_name_stay_apart(scripts: Any) -> None:
    trials, accuracy = scripts["trials"], scripts["accuracy"]
    wanted = accuracy.trials("NAB", ["a", "b"], ["moving_z", "cnn"], 2, {"cnn": {"filters": 8}})
    assert len(wanted) == len(set(wanted)) == 5 * 2 + 2 + 2 * 2 * 2 + 2
    assert {trial.hyper for trial in wanted if trial.name == "cnn"} == {(("filters", 8),)}
    results: dict[Any, Any] = {trial: {"vus_pr": 0.1} for trial in wanted if trial.kind != "price"}
    results |= {trial: {"weight_bytes": 8} for trial in wanted if trial.kind == "price"}
    results[trials.Trial("eval", "NAB", "a", "model", "moving_z", 2)] = {"vus_pr": 0.3}
    rows, costs = accuracy.collected(results, "NAB")
    assert rows["moving_z"]["a"]["vus_pr"] == pytest.approx(0.2) and rows["moving_z (floor)"]["a"]["vus_pr"] == 0.1
    assert "cnn (untrained)" in rows and set(costs) == {"moving_z", "cnn"}
