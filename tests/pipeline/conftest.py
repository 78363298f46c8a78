"""A small project of its own: a git repository with the pipeline on one pump, run once and pushed, for tests to clone.

Owns what all tests of DVC share: the environment of a user without credentials, the project, and its remote folder.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
STRACE = bool(shutil.which("strace")) and subprocess.run(["strace", "-o", os.devnull, "true"]).returncode == 0
"""Some containers forbid tracing."""

Run = Callable[..., str]


@pytest.fixture(scope="session")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment of someone who has a name for git, no credentials, and nothing configured for git or DVC."""
    home = tmp_path_factory.mktemp("home")
    foreign = ("AWS_", "GOOGLE_", "GIT_", "DVC_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    (home / ".gitconfig").write_text("[user]\n\tname = newcomer\n\temail = newcomer@example.org\n")
    return kept | {
        "HOME": str(home),
        "GIT_CONFIG_NOSYSTEM": "1",
        "DVC_GLOBAL_CONFIG_DIR": str(home),
        "DVC_SYSTEM_CONFIG_DIR": str(home),
        "DVC_SITE_CACHE_DIR": str(home / "site"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }


@pytest.fixture(scope="session")
def run(newcomer: dict[str, str]) -> Run:
    """Run a line of the README in a folder and return what it says; `fails` is for what must not work."""

    def run(line: str, cwd: Path, fails: bool = False, **more: str) -> str:
        done = subprocess.run(shlex.split(line), cwd=cwd, env=newcomer | more, capture_output=True, text=True)
        said = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, f"{line}\n{said[-4000:]}"
        return said

    return run


@pytest.fixture(scope="session")
def strace() -> None:
    """The tests that need it skip where it is missing, but not in continuous integration."""
    if not STRACE:
        why = "strace is not installed (Debian's package is strace), or may not trace here"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)


@pytest.fixture(scope="session")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that gets one file per stage that ran in `project`: what `tracer.py` saw."""
    return tmp_path_factory.mktemp("traces")


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, run: Run, traces: Path, newcomer: dict[str, str]) -> Path:
    """Repository with all that this checkout holds, the pipeline run on one pump, committed and pushed to ../store."""
    place = tmp_path_factory.mktemp("plant") / "project"
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    small(place / "params.yaml")
    run("git init -q -b main", place)
    path = os.pathsep.join([str(traced(traces)), newcomer["PATH"]]) if STRACE else newcomer["PATH"]
    run("dvc repro", place, PATH=path)  # needs no remote
    run("dvc remote add -d storage ../store", place)
    run("dvc remote modify storage verify true", place)
    run("dvc push", place)
    run("git add -A", place)
    run("git commit -q -m 'A small pump'", place)
    return place


def small(params: Path) -> None:
    """One pump, two epochs: seconds instead of half a minute."""
    tree = yaml.safe_load(params.read_text())
    tree["prepare"]["entities"] = ["pump-1"]
    tree["train"] |= {"model": "gan", "hyper": {"gan": {"epochs": 2}}, "false_alarms": "5 per 1000 samples"}
    params.write_text(yaml.safe_dump(tree, sort_keys=False))


def traced(traces: Path) -> Path:
    """Folder with a `tsad` that runs the real one under the tracer."""
    real, tracer = Path(sys.executable).parent / "tsad", Path(__file__).with_name("tracer.py")
    command = traces / "bin" / "tsad"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tracer}" "{traces}/$1.json" "{real}" "$@"\n')
    command.chmod(0o755)
    return command.parent


@pytest.fixture
def clone(project: Path, tmp_path: Path, run: Run) -> Path:
    """A fresh clone, with the remote folder beside it as the project has it."""
    run(f"git clone -q {project} clone", tmp_path)
    shutil.copytree(project.parent / "store", tmp_path / "store")
    return tmp_path / "clone"
