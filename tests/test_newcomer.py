"""What a newcomer meets first: the look at what is missing, `make demo` in a fresh clone, the workflow's form."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("lacking", "package"), [("CC", "gcc"), ("CXX", "g++"), ("PYTHON", "python3")], ids=["C", "C++", "Python"]
)
def test_what_is_missing_is_named_with_its_package(lacking: str, package: str) -> None:
    environment = {**os.environ, lacking: "no-such-program"}
    done = subprocess.run(["sh", ".ci/preflight"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"(package {package})" in done.stderr and f"apt-get install {package}" in done.stderr


def test_nothing_is_missing_here() -> None:
    done = subprocess.run(["sh", ".ci/preflight"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_workflows_are_well_formed() -> None:
    workflows = sorted(map(str, (ROOT / ".github" / "workflows").glob("*.yml")))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_demo_in_a_fresh_clone(tmp_path: Path) -> None:
    """Installs everything anew: minutes. The second run must find nothing to do."""
    subprocess.run(["git", "clone", "-q", str(ROOT), str(tmp_path / "clone")], check=True)
    environment = {k: v for k, v in os.environ.items() if k not in {"VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL"}}
    environment["PATH"] = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if ".venv" not in p)
    said = [
        subprocess.run(["make", "demo"], cwd=tmp_path / "clone", env=environment, capture_output=True, text=True)
        for _ in range(2)
    ]
    assert [done.returncode for done in said] == [0, 0], said[0].stderr[-2000:] + said[1].stderr[-2000:]
    assert "Running stage 'check'" in said[0].stdout and "PASSED" in said[0].stdout
    assert "Running stage" not in said[1].stdout and "PASSED" in said[1].stdout
    assert shutil.which(str(tmp_path / "clone" / "build" / "native" / "tsad-edge"))
