"""A machine with its bytes the other way round, s390x under qemu-user: C tests, scores and checksum are the same."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tsad_edge.detector import Detector

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "csrc" / "reference"
TOOLS = {"s390x-linux-gnu-gcc": "gcc-s390x-linux-gnu and libc6-dev-s390x-cross", "qemu-s390x": "qemu-user"}


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build directory with the C tests and tsad-edge, linked statically."""
    lacking = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if lacking:
        why = f"nothing ran big-endian: `make setup-qemu` installs {', '.join(lacking)}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    tree = tmp_path_factory.mktemp("s390x")
    system = {
        "CMAKE_SYSTEM_NAME": "Linux",
        "CMAKE_SYSTEM_PROCESSOR": "s390x",
        "CMAKE_C_COMPILER": "s390x-linux-gnu-gcc",
        "CMAKE_CROSSCOMPILING_EMULATOR": "qemu-s390x",
        "CMAKE_EXE_LINKER_FLAGS": "-static",
        "TSAD_TESTS": "ON",
    }
    run("cmake", "-S", ROOT, "-B", tree, "-G", "Ninja", *(f"-D{name}={value}" for name, value in system.items()))
    run("cmake", "--build", tree)
    return tree


@pytest.mark.slow
def test_the_c_tests_hold(built: Path) -> None:
    """All but the sweep over every exponent, which takes the emulator a minute; see the next test."""
    assert "100% tests passed" in run("ctest", "--test-dir", built, "--output-on-failure", "-E", "test_functions")


@pytest.mark.slow
def test_the_functions_hold(built: Path) -> None:
    assert "100% tests passed" in run("ctest", "--test-dir", built, "--output-on-failure", "-R", "test_functions")


def test_the_reference_model_scores_as_here(built: Path) -> None:
    """Bit for bit. That tsad_init takes the weights says that their checksum is the little-endian one in the model."""
    text = run("qemu-s390x", built / "tsad-edge", REFERENCE / "golden.csv")
    scores = np.loadtxt(text.splitlines(), np.float32, delimiter=",", skiprows=1, usecols=1)
    samples = np.loadtxt(REFERENCE / "golden.csv", np.float32, delimiter=",", skiprows=1)
    here = Detector.load(isa="generic").score(samples)
    scored = ~np.isnan(here)
    assert scored.any() and np.array_equal(scored, ~np.isnan(scores))
    np.testing.assert_array_equal(scores[scored].view(np.uint32), here[scored].view(np.uint32))
    exact = np.loadtxt(REFERENCE / "golden_scores.csv", skiprows=1)
    np.testing.assert_allclose(scores, exact, rtol=1e-6, atol=1e-7)


def test_it_is_big_endian(built: Path) -> None:
    assert (built / "tsad-edge").read_bytes()[5] == 2, "ELFDATA2MSB"
