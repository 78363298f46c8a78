"""The edge binary and model libraries of the hand-written model: whole, nameless and broken in two ways; built once."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TINY = Path(__file__).parent / "models" / "m_tiny"


def make_model(folder: Path, name: str, old: str, new: str) -> None:
    """A copy of the tiny model under another name, with one change."""
    folder.mkdir(parents=True)
    for source in TINY.iterdir():
        text = source.read_text().replace("m_tiny", name).replace("M_TINY", name.upper())
        if source.suffix == ".c":
            assert text.count(old) >= 1, f"{source}: has no {old}: mend this fixture"
        (folder / f"{name}{source.suffix}").write_text(text.replace(old, new))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory with tsad-edge, libm_tiny.so, libm_nameless.so, libm_foreign.so (another ABI),
    libm_damaged.so, libm_learning.so (its baseline may be learnt anew)."""
    place = tmp_path_factory.mktemp("csrc")
    models = place / "models"
    shutil.copytree(TINY, models / "m_tiny")
    make_model(models / "m_foreign", "m_foreign", "TSAD_MODEL_ABI,", "TSAD_MODEL_ABI + 1,")
    make_model(models / "m_nameless", "m_nameless", "channel_names,", "NULL,")
    learning = ".baseline = {500, 1e-3f, 1.0f, 3.0f, 2.0f, 1.0f, 60.0f}"
    make_model(models / "m_learning", "m_learning", ".threshold = 10.0f}", f".threshold = 10.0f, {learning}}}")
    make_model(models / "m_damaged", "m_damaged", "0x2204c7ccu", "0x2204c7cdu")
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    for command in (
        ["cmake", "-S", ROOT, "-B", place / "build", *generator, f"-DTSAD_MODELS={models}", "-DTSAD_TAP=ON"],
        ["cmake", "--build", place / "build"],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return place / "build"


@pytest.fixture(scope="session")
def compiler() -> str:
    """The C compiler that CMake would take."""
    found = os.environ.get("CC") or shutil.which("cc")
    assert found, "no C compiler found; install gcc or set CC"
    return found
