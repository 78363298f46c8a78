"""exp, tanh and sigmoid of every float: within the errors that elementary.h states, and on x86 the same bits."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tsad_edge import toolchain

from ..conftest import ISAS


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the C tests are built, without sanitizers."""
    tree = tmp_path_factory.mktemp("every") / "tree"
    toolchain.configure(tree, "-DTSAD_TESTS=ON")
    toolchain.compile_tree(tree, "test_elementary", *(f"test_{isa}" for isa in ISAS[1:]))
    return tree / "tests" / "csrc"


@pytest.mark.slow
def test_errors_are_those_that_are_stated(tree: Path) -> None:
    done = subprocess.run([tree / "test_elementary", "1"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["exp", "tanh", "sigmoid"]


@pytest.mark.slow
@pytest.mark.parametrize("isa", ISAS[1:])
def test_others_give_the_same_bits(tree: Path, isa: str, has_isa: Callable[[str], None]) -> None:
    has_isa(isa)
    done = subprocess.run([tree / f"test_{isa}", "1"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
