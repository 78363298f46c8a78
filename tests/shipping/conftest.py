"""A small project, run and committed, and a real registry on loopback: what tests of shipping share."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tsad_edge import __version__, params, project, stages

PARAMS = """
seed: 1
prepare: {entities: [pump-1, pump-2]}
train: {false_alarms: 5 per 1000 samples}
test: {batch: 512}
evaluate: {plot_entities: 0}
convert: {entities: all}
check: {max_band_share: 0.001}
"""
USER = {f"GIT_{role}_{what}": "plant" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

ROOT = Path(__file__).parents[2]
Git = Callable[..., str]


@pytest.fixture(scope="session")
def shell() -> Git:
    """Run a program in a folder and return what it says."""

    def run(place: Path, *command: str | Path) -> str:
        done = subprocess.run(list(map(str, command)), cwd=place, env=os.environ | USER, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, shell: Git) -> Path:
    """A project of `tsad init`'s kind, on two pumps: all stages ran, dvc.lock says so, everything is committed."""
    place = tmp_path_factory.mktemp("plant") / "project"
    place.mkdir()
    for name, text in project.PLAIN.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    here = Path(project.__file__).parent
    (place / "dvc.yaml").write_text((here / "dvc.yaml.in").read_text().replace("      - @csv@\n", ""))
    shutil.copy(here / "gitignore.in", place / ".gitignore")
    (place / "requirements.txt").write_text(f"tsad-edge=={__version__}\n")
    (place / "params.yaml").write_text(PARAMS)
    for name in (".mlem.yaml", "service_tsad.mlem"):
        shutil.copy(ROOT / name, place)
    before = Path.cwd()
    os.chdir(place)
    try:
        for stage in params.STAGES:
            getattr(stages, stage)(params.load())
    finally:
        os.chdir(before)
    shell(place, "git", "init", "-q", "-b", "main")
    shell(place, sys.executable, "-m", "dvc", "commit", "--force")
    shell(place, "git", "add", "-A")
    shell(place, "git", "commit", "-q", "-m", "Two pumps")
    return place


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory, shell: Git) -> Path:
    """Our wheel, built of this checkout."""
    place = tmp_path_factory.mktemp("wheels")
    shell(place, sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", place, ROOT)
    (made,) = place.glob("*.whl")
    return made


@pytest.fixture
def plant(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to work in, as the current directory."""
    place = tmp_path / "project"
    shutil.copytree(finished, place, symlinks=True)
    monkeypatch.chdir(place)
    for name, value in USER.items():
        monkeypatch.setenv(name, value)
    return place


@pytest.fixture(scope="session")
def mlem_python() -> Path:
    """Python of an environment that has MLEM; a minute the first time, kept in build/."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", "build/mlem/.ready"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / "build/mlem/bin/python"


@pytest.fixture
def mlem(mlem_python: Path, shell: Git) -> Git:
    """Run a line of MLEM's in a folder and return what it says."""
    return lambda place, line: shell(place, mlem_python.with_name("mlem"), *shlex.split(line))
