"""What the README and the committed result files say of the bundled demo is what a run gives."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tsad_edge import codegen, params, stages
from tsad_edge.report import page

ROOT = Path(__file__).parents[1]


def committed(name: str) -> Any:
    return json.loads((ROOT / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def rerun(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The three result files of a fresh run with the committed parameters."""
    place = tmp_path_factory.mktemp("demo")
    chosen = params.load(ROOT / "params.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for stage in params.STAGES:
            getattr(stages, stage)(chosen)
    return {name: json.loads((place / f"{name}.json").read_text()) for name in ("metrics", "check", "cost")}


def test_the_promise(rerun: dict[str, Any]) -> None:
    """At least five of six kinds found, every floor beaten on every pump, the C proven."""
    model = rerun["metrics"]["model"]
    assert len(model["by_kind"]) == 6
    assert sum(row["found"] > 0 for row in model["by_kind"].values()) >= 5
    for entity, row in rerun["metrics"]["per_entity"].items():
        for floor in rerun["metrics"]["floors_per_entity"].values():
            assert row["auc_pr"] > floor[entity]["auc_pr"]
    assert rerun["check"]["passed"] and rerun["check"]["flipped_decisions"] == 0


def test_committed_results_are_those_of_a_rerun(rerun: dict[str, Any]) -> None:
    """Within what another processor's float32 training may change."""
    ours, theirs = rerun["metrics"]["model"], committed("metrics")["model"]
    assert ours["auc_pr"] == pytest.approx(theirs["auc_pr"], abs=0.03)
    assert ours["f1"] == pytest.approx(theirs["f1"], abs=0.05)
    assert rerun["check"]["samples"] == committed("check")["samples"] and committed("check")["passed"]
    for entity, row in rerun["cost"]["per_entity"].items():
        for key in ("mac_before", "mac_after", "weight_bytes", "memory_bytes"):
            assert row[key] == committed("cost")["per_entity"][entity][key]


def block(name: str) -> str:
    """What stands in README.md between <!-- name --> and <!-- /name -->."""
    found = re.search(f"<!-- {name} -->\n(.*?)<!-- /{name} -->", (ROOT / "README.md").read_text(), re.S)
    assert found, f"README.md has no block {name}"
    return found[1]


def test_readme_shows_the_committed_results() -> None:
    measured = page(committed("metrics"), committed("check"), committed("cost"), {"x": 1.0}, "").split("\n\nTime")[0]
    assert measured in block("demo")


def test_readme_shows_the_operator_table() -> None:
    assert block("operators").strip() == codegen.ops_table().strip()


@pytest.mark.parametrize("name", ["proof", "tune", "accuracy", "pace"])
def test_readme_shows_the_tables_of_benchmarks(name: str) -> None:
    assert block(name).strip() == (ROOT / "benchmarks" / f"{name}.md").read_text().strip()


def test_readme_shows_the_tables_of_speed() -> None:
    rows = [line for line in block("speed").splitlines() if line.startswith("|")]
    assert len(rows) > 80 and set(rows) <= set((ROOT / "benchmarks/speed.md").read_text().splitlines())
