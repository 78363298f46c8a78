"""`tsad init`: what is in a project, that its stages are this repository's, and what is refused."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tsad_edge import __version__, params, project, stages
from tsad_edge.data.prepare import read_own

ROOT = Path(__file__).parents[2]
SOURCES = (
    *("python/", "codegen", "CMakeLists.txt"),
    *("csrc/tsad", "csrc/arch", "csrc/kernels", "csrc/target", "csrc/ref", "csrc/bind"),
)


def plant(path: Path, head: str = "time,flow,power,fault", rows: int = 900) -> str:
    """A CSV with a period of 30 samples of 2 s, and a fault at its end."""
    t, draw = np.arange(rows), np.random.default_rng(4).normal(size=(rows, 2))
    columns = {
        "time": 1_700_000_000_000 + 2000 * t,
        "flow": 20 + 5 * np.sin(2 * np.pi * t / 30) + 0.2 * draw[:, 0],
        "power": 1.5 + 0.4 * np.cos(2 * np.pi * t / 30) + 0.02 * draw[:, 1] + (t // 20 == 40),
        "fault": (t // 20 == 40).astype(int),
    }
    names = head.split(",")
    body = np.stack([columns.get(name, columns["flow"]) for name in names], axis=1)
    np.savetxt(
        path, body, ["%d" if name in ("time", "fault") else "%.4f" for name in names], ",", header=head, comments=""
    )
    return str(path)


@pytest.fixture
def made(empty: Path) -> Path:
    """A project of a CSV with a time column and a label column that has to be named."""
    plant(empty / "pump 7.csv")
    project.create("my-plant", "pump 7.csv", label="fault")
    return empty / "my-plant"


def test_a_project_has_what_was_found(made: Path) -> None:
    knobs = params.load(made / "params.yaml")
    defaults = params.Params()
    csv = params.Csv(train="data/raw/pump 7.csv", time="time", label="fault")
    prepare = params.Prepare(dataset="own", window=30, csv=csv)
    assert knobs == params.Params(prepare=prepare) and knobs.train == defaults.train
    head = (made / "params.yaml").read_text().split("\nseed")[0]
    for words in ("900, of which the first 540", "2 s", "30 samples, 60 s, in flow, power", "2: flow, power"):
        assert words in head
    assert (made / "data" / "raw" / "pump 7.csv").read_bytes() == (made.parent / "pump 7.csv").read_bytes()
    assert len(yaml.safe_load((made / "dvc.yaml").read_text())["stages"]["prepare"]["deps"]) == 2
    os.chdir(made)
    assert read_own(knobs.prepare.csv, knobs.prepare.window).train.channels == ("flow", "power")


def test_a_project_holds_no_source_of_ours_and_no_open_placeholder(made: Path) -> None:
    files = [path for path in made.rglob("*") if path.is_file() and ".git/" not in str(path)]
    assert not [path for path in files if path.suffix in {".py", ".c", ".h"}]
    assert not [path for path in files if re.search(r"@\w+@", path.read_text())]
    assert {str(path.relative_to(made)) for path in files} == {*project.FILES, *project.PLAIN, "data/raw/pump 7.csv"}


def stages_of(path: Path) -> dict[str, Any]:
    stages: dict[str, Any] = yaml.safe_load(path.read_text())["stages"]
    return stages


def drift(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Stages that differ, but in what stands for our sources: the version in requirements.txt, and the CSV."""
    wrong = [] if list(ours) == list(theirs) else ["order"]
    for name, stage in ours.items():
        data = [dep for dep in stage["deps"] if not dep.startswith(SOURCES)]
        own = ["data/raw/pump 7.csv"] if name == "prepare" else []
        if {**stage, "deps": [str(stages.PINS), *own, *data]} != theirs.get(name):
            wrong.append(name)
    return wrong


def test_stages_are_those_of_this_repository(made: Path) -> None:
    ours, theirs = stages_of(ROOT / "dvc.yaml"), stages_of(made / "dvc.yaml")
    assert drift(ours, theirs) == []
    ours["check"]["outs"].append("build/more")
    ours["test"]["deps"].append("data/labels")
    assert drift(ours, theirs) == ["test", "check"], "a stage that changes is seen"


def test_params_are_those_of_this_repository(made: Path) -> None:
    ours, theirs = (yaml.safe_load((place / "params.yaml").read_text()) for place in (ROOT, made))
    assert list(ours) == list(theirs)
    assert {name: list(ours[name]) for name in params.STAGES} == {name: list(theirs[name]) for name in params.STAGES}
    assert list(ours["prepare"]["csv"]) == list(theirs["prepare"]["csv"])


def test_the_workflow_is_well_formed(made: Path) -> None:
    workflow = made / ".github" / "workflows" / "pipeline.yml"
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(workflow)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_versions_are_the_pinned_ones(made: Path) -> None:
    assert f"torch=={project.TORCH}\n" in (ROOT / "constraints.txt").read_text()
    pins = (made / "requirements.txt").read_text()
    assert f"tsad-edge[pipeline]=={__version__}\n" in pins and f"torch=={project.TORCH}\n" in pins


def test_another_version_than_the_named_one_is_refused(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tsad_edge.cli import main

    os.chdir(made)
    pins = made / "requirements.txt"
    pins.write_text(pins.read_text().replace(f"=={__version__}", "==99.1"))
    assert main(["prepare"]) == 1
    assert f"names tsad-edge 99.1, installed is {__version__}: pip install -r" in capsys.readouterr().err
    assert not (made / "data" / "values").exists()
    for text in ("numpy\n", "tsad-edge>=0.1\n", f"tsad-edge=={__version__} # ours\n"):
        pins.write_text(text)
        stages.require_version()


def test_plain_numbers_are_enough(empty: Path) -> None:
    """No time, no label, no period, and few rows."""
    draw = np.random.default_rng(2).normal(size=(200, 2))
    np.savetxt("a.csv", draw, "%.3f", ",", header='flow,"valve, open"', comments="")
    said = project.create("deep/down/plant", "a.csv")
    knobs = params.load("deep/down/plant/params.yaml").prepare
    assert (knobs.csv.time, knobs.csv.label, knobs.window) == (None, None, 12)
    assert "120 training rows support no more; no period was found" in said and "there is no time column" in said


def test_readme_tells_the_edge_binary_of_a_time_column_it_does_not_know(empty: Path) -> None:
    text = Path(plant(empty / "a.csv")).read_text()
    (empty / "b.csv").write_text(text.replace("time", "when it was", 1))
    project.create("known", "a.csv")
    project.create("unknown", "b.csv", time="when it was")
    assert "--time" not in (empty / "known" / "README.md").read_text()
    assert "libm_b.so --events --time 'when it was' data/raw/b.csv" in (empty / "unknown" / "README.md").read_text()


@pytest.mark.parametrize("name", ["null", "yes", "0", "1e3", "#2", "a: b", "é", "x'y\\z"])
def test_names_of_columns_survive_yaml(name: str) -> None:
    assert project._yaml("plain/name-1.csv") == "plain/name-1.csv"
    assert yaml.safe_load(f"key: {project._yaml(name)} # comment")["key"] == name


def test_a_gap_in_time_is_told(empty: Path) -> None:
    plant(empty / "a.csv")
    lines = (empty / "a.csv").read_text().splitlines()
    (empty / "a.csv").write_text("\n".join([*lines[:200], *lines[203:]]) + "\n")
    project.create("plant", "a.csv", label="fault")
    assert "sampling period  2 s; 1 steps are longer" in (empty / "plant" / "params.yaml").read_text()


def test_an_empty_folder_is_taken_and_stays_itself(empty: Path) -> None:
    """A shell that stands in it must not find itself in a folder that is gone."""
    csv = plant(empty / "a.csv")
    (empty / "plant").mkdir()
    before = (empty / "plant").stat().st_ino
    os.chdir("plant")
    project.create(".", csv)
    assert Path("dvc.yaml").is_file() and (empty / "plant").stat().st_ino == before


def refusal(folder: str, csv: str, **options: str) -> str:
    with pytest.raises(ValueError) as caught:
        project.create(folder, csv, **options)
    return str(caught.value)


def test_what_is_refused_says_the_next_step_and_writes_nothing(empty: Path) -> None:
    csv = plant(empty / "a.csv")
    (empty / "full").mkdir()
    (empty / "full" / "thing").touch()
    (empty / "short.csv").write_text("a\n" + "1\n" * 20)
    (empty / "gap.csv").write_text("a\n" + "1\n" * 100 + "\nnan\n" + "1\n" * 300)
    before = sorted(empty.rglob("*"))
    assert "exists and is not empty; choose a new folder" in refusal("full", csv)
    assert "exists and is not empty" in refusal("a.csv", csv)
    assert "--csv names the file" in refusal("new", "none.csv")
    assert "no column 'failure' (columns: time, flow, power, fault)" in refusal("new", csv, label="failure")
    assert "by --time" in refusal("new", csv, time="when")
    assert "is not a label" in refusal("new", csv, label="flow")
    assert "at least 32 are needed; record for longer" in refusal("new", "short.csv")
    assert "the value is missing" in refusal("new", "gap.csv")
    assert sorted(empty.rglob("*")) == before


def test_inside_a_repository_it_makes_no_other(empty: Path) -> None:
    plant(empty / "a.csv")
    subprocess.run(["git", "init", "-q"], check=True)
    assert "lies in the git repository" in project.create("plant", "a.csv")
    assert not (empty / "plant" / ".git").exists()


def test_without_git_it_says_so(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(empty / "a.csv")
    monkeypatch.setenv("PATH", "")
    assert "git was not found" in project.create("plant", "a.csv")
