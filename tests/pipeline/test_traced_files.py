"""The files each stage really opens, compiler and edge binary included, are its deps and outs in dvc.yaml."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]

Trace = dict[str, list[str]]


def paths(stage: dict[str, Any], *kinds: str) -> list[str]:
    """Paths that a stage lists under some keys."""
    listed = [path for kind in kinds for path in stage.get(kind, [])]
    return [next(iter(path)) if isinstance(path, dict) else path for path in listed]


OUTS = {out for stage in STAGES.values() for out in paths(stage, "outs", "metrics", "plots")}


def below(name: str, places: list[str]) -> bool:
    return any(name == place or name.startswith(f"{place}/") for place in places)


def faults(stage: dict[str, Any], seen: Trace, command_line: set[str]) -> list[str]:
    """What a trace has that a stage does not declare, and the other way round.

    `command_line` is what `tsad` loads whatever the verb. What the stage made itself, it may read.
    """
    deps, outs = paths(stage, "deps"), paths(stage, "outs", "metrics", "plots")
    here = set(seen["found"])
    strange = [n for n in seen["read"] if n in here and n not in command_line and not below(n, [*deps, "params.yaml"])]
    return [
        *(f"reads {name}" for name in strange),
        *(f"writes {name}" for name in seen["wrote"] if not below(name, outs)),
        *(f"writes {name} outside" for name in seen["wrote outside"]),
        *(f"never reads {dep}" for dep in deps if dep in OUTS and not any(below(n, [dep]) for n in seen["read"])),
        *(f"never writes {out}" for out in outs if not any(below(n, [out]) for n in seen["wrote"])),
    ]


@pytest.fixture(scope="module")
def watch(strace: None, project: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Trace]:
    """Trace some Python in the project's folder."""
    result = tmp_path_factory.mktemp("watched") / "trace.json"

    def watch(code: str) -> Trace:
        tracer = [sys.executable, Path(__file__).with_name("tracer.py"), result]
        done = subprocess.run([*tracer, sys.executable, "-c", code], cwd=project, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(result.read_text())

    return watch


@pytest.fixture(scope="module")
def command_line(watch: Callable[[str], Trace]) -> set[str]:
    return set(watch("import tsad_edge.cli, tsad_edge.project")["read"])  # the latter compares versions


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_opens_what_it_declares(name: str, traces: Path, command_line: set[str]) -> None:
    seen = json.loads((traces / f"{name}.json").read_text())
    # Labels are for detectors in integers, of which the demo has none.
    assert faults(STAGES[name], seen, command_line) == (["never reads data/labels"] if name == "check" else [])
    code = [name for name in seen["read"] if name.endswith((".py", ".c"))]
    assert "python/tsad_edge/stages.py" in code and ("csrc/tsad.c" in code) == (name == "convert")


GREEDY = """
import os
from multiprocessing import get_context
from pathlib import Path
from tsad_edge.files import read_json
from tsad_edge.params import load
from tsad_edge.stages import prepare
prepare(load())
os.system("cat metrics.json >/dev/null; echo left > left.txt")
with get_context("forkserver").Pool(1) as pool:
    pool.map(read_json, [Path("check.json")])
"""


def test_a_file_more_is_seen_in_any_process(watch: Callable[[str], Trace], command_line: set[str]) -> None:
    seen = watch(GREEDY)
    found = faults(STAGES["prepare"], seen, command_line)
    assert found == ["reads check.json", "reads metrics.json", "writes left.txt"]


def test_a_dep_that_nobody_reads_is_seen(traces: Path, command_line: set[str]) -> None:
    seen = json.loads((traces / "evaluate.json").read_text())
    stage = STAGES["evaluate"]
    assert faults(stage | {"deps": [*stage["deps"], "artifacts"]}, seen, command_line) == ["never reads artifacts"]
    assert "reads scores/pump-1.json" in faults(stage | {"deps": stage["deps"][:-1]}, seen, command_line)
