"""One name, four places: command verb = DVC stage = params section = function in stages.py."""

import inspect
from dataclasses import replace
from pathlib import Path

import yaml

from tsad_edge import cli, params, stages

ROOT = Path(__file__).parents[1]
DVC = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def test_one_name_four_places() -> None:
    names = list(DVC)
    assert names == ["prepare", "train", "test", "evaluate", "convert", "check"]
    assert list(params.STAGES) == names
    assert [s for s in yaml.safe_load((ROOT / "params.yaml").read_text()) if s != "seed"] == names
    assert [name for name in cli.VERBS if name in names] == names
    for name in names:
        assert list(inspect.signature(getattr(stages, name)).parameters) == ["params"]
        assert DVC[name]["cmd"] == f"tsad {name}"
        assert DVC[name]["params"] == ["seed", name], "a stage takes only its own section"


def test_a_stage_reads_only_its_own_section() -> None:
    for name in DVC:
        source = inspect.getsource(getattr(stages, name))
        others = [other for other in DVC if other != name and f"params.{other}" in source]
        assert others == [], f"{name} reads {others}"


def test_committed_params_are_the_defaults() -> None:
    """But for the hyperparameters, which `make tune` puts there."""
    committed = params.load(ROOT / "params.yaml")
    train = replace(params.Train(), hyper=committed.train.hyper)
    assert committed == replace(params.Params(), train=train)
