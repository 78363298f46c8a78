"""Small to install: the wheel alone scores with numpy and nothing else, and converts in an empty directory."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, cwd: Path, **more: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME"}}
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=environment | more, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a new environment that has the wheel and what pip brings for it."""
    place = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", place, ROOT, cwd=place)
    (wheel,) = place.glob("*.whl")
    venv.create(place / "env", with_pip=True)
    python = place / "env" / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel, cwd=place)
    return python


def test_bare_install_scores_with_the_reference_model(clean: Path, tmp_path: Path) -> None:
    installed = {each["name"] for each in json.loads(run(clean, "-m", "pip", "list", "--format=json", cwd=tmp_path))}
    assert installed - {"pip", "setuptools"} == {"numpy", "tsad-edge"}
    golden = ROOT / "csrc" / "reference"
    code = f"""
import numpy as np, tsad_edge
rows = np.loadtxt({str(golden / "golden.csv")!r}, delimiter=",", skiprows=1, dtype=np.float32)
wanted = np.loadtxt({str(golden / "golden_scores.csv")!r}, delimiter=",", skiprows=1, dtype=np.float32, ndmin=1)
scores = tsad_edge.Detector.load().score(rows)
assert np.allclose(scores, wanted, rtol=1e-6, atol=1e-7, equal_nan=True)  # the golden scores are exact, C is float32
print(int(np.isfinite(scores).sum()))
"""
    assert int(run(clean, "-c", code, cwd=tmp_path)) > 0


def test_bare_install_says_what_training_needs(clean: Path, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("{}")
    done = subprocess.run([clean, "-m", "tsad_edge.cli", "train"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "tsad-edge[train]" in done.stderr, done.stderr


def test_the_wheel_converts_in_an_empty_directory(clean: Path, tmp_path: Path) -> None:
    """All six stages from the installed wheel, with this environment's PyTorch lent to it."""
    lent = next((clean.parents[1] / "lib").glob("python*")) / "site-packages" / "lent.pth"
    lent.write_text(sysconfig.get_path("purelib") + "\n")  # adds the directory, but not the .pth files in it
    try:
        (tmp_path / "params.yaml").write_text(
            "prepare: {entities: [pump-1]}\ntrain: {hyper: {epochs: 2}, false_alarms: 5 per 1000 samples}\n"
        )
        where = run(clean, "-c", "import tsad_edge.stages as s; print(s.__file__)", cwd=tmp_path).strip()
        assert Path(where).is_relative_to(clean.parents[1]), "the wheel's own code runs, not the checkout's"
        for stage in ("prepare", "train", "test", "convert", "check"):
            run(clean, "-m", "tsad_edge.cli", stage, cwd=tmp_path)
        assert json.loads((tmp_path / "check.json").read_text())["passed"]
        assert (tmp_path / "build" / "native" / "libm_pump_1.so").is_file()
    finally:
        lent.unlink()
