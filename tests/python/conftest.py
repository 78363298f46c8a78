"""A small run of the whole pipeline, made once and copied by the tests that break something in it."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tsad_edge import params, stages

QUICK = """
prepare: {entities: [pump-1]}
train: {model: gan, hyper: {gan: {epochs: 3}}, false_alarms: 5 per 1000 samples}
"""


@contextlib.contextmanager
def inside(place: Path) -> Iterator[None]:
    """Work in another directory; stages know paths relative to it."""
    before = Path.cwd()
    os.chdir(place)
    try:
        yield
    finally:
        os.chdir(before)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which all six stages ran, on one pump and three epochs."""
    place = tmp_path_factory.mktemp("pipeline")
    (place / "params.yaml").write_text(QUICK)
    with inside(place):
        chosen = params.load()
        for stage in params.STAGES:
            getattr(stages, stage)(chosen)
    return place


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of it to break, as the current directory."""
    shutil.copytree(finished, tmp_path / "run")
    with inside(tmp_path / "run"):
        yield tmp_path / "run"


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Path]:
    """An empty directory, as the current one."""
    with inside(tmp_path):
        yield tmp_path


@pytest.fixture
def stage() -> Callable[[str], None]:
    """Run one stage in the current directory."""
    return lambda name: getattr(stages, name)(params.load())
