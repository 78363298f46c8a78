"""exp, tanh and sigmoid of every float: within the errors that elementary.h states, and with AVX2 the same bits."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tsad_edge import toolchain


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the two C tests are built, without sanitizers."""
    tree = tmp_path_factory.mktemp("every") / "tree"
    toolchain.configure(tree, "-DTSAD_TESTS=ON")
    toolchain.compile_tree(tree, "test_elementary", "test_avx2")
    return tree / "tests" / "csrc"


@pytest.mark.slow
def test_errors_are_those_that_are_stated(tree: Path) -> None:
    done = subprocess.run([tree / "test_elementary", "1"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["exp", "tanh", "sigmoid"]


@pytest.mark.slow
def test_avx2_gives_the_same_bits(tree: Path, has_isa: Callable[[str], None]) -> None:
    has_isa("avx2")
    done = subprocess.run([tree / "test_avx2", "1"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
