"""Small to install: the wheel alone scores with numpy and nothing else, and converts in an empty directory."""

import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
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


def test_the_wheel_carries_the_overlays(clean: Path, tmp_path: Path) -> None:
    code = "from tsad_edge.toolchain import sources; print(*sorted((sources() / 'csrc/arch').glob('*/*')), sep='\\n')"
    carried = [Path(line).parts[-2:] for line in run(clean, "-c", code, cwd=tmp_path).splitlines()]
    assert carried == sorted(path.parts[-2:] for path in (ROOT / "csrc" / "arch").glob("*/*")) != []


def test_bare_install_says_what_training_needs(clean: Path, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("{}")
    done = subprocess.run([clean, "-m", "tsad_edge.cli", "train"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "tsad-edge[train]" in done.stderr, done.stderr


def test_bare_install_says_what_the_stages_lack(clean: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [clean, "-m", "tsad_edge.cli", "doctor", "--json"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr
    found = {each["name"]: each for each in json.loads(done.stdout)}
    assert not found["PyTorch"]["ok"] and "lacks pandas" in found["packages of [train]"]["found"]


def test_a_project_made_by_the_wheel_goes_to_a_proven_detector(clean: Path, tmp_path: Path) -> None:
    """`tsad init` in an empty directory, `dvc repro` there; a second time there is nothing to do.

    This environment's PyTorch is lent to the wheel's.
    """
    lent = next((clean.parents[1] / "lib").glob("python*")) / "site-packages" / "lent.pth"
    lent.write_text(sysconfig.get_path("purelib") + "\n")  # adds the directory, but not the .pth files in it
    try:
        where = run(clean, "-c", "import tsad_edge.stages as s; print(s.__file__)", cwd=tmp_path).strip()
        assert Path(where).is_relative_to(clean.parents[1]), "the wheel's own code runs, not the checkout's"
        t, noise = np.arange(1500), np.random.default_rng(1).normal(size=(1500, 2))
        waves = np.stack([np.sin(t / 5), np.cos(t / 5)], axis=1) + 0.1 * noise
        waves[1300:1310] += 3
        rows = np.column_stack([1000 * t, waves, (t // 10 == 130)])
        np.savetxt(tmp_path / "pump.csv", rows, "%d,%.4f,%.4f,%d", header="when,flow,power,fault", comments="")
        alone = {"PATH": f"{clean.parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
        columns = ["--csv", "pump.csv", "--label", "fault", "--time", "when"]
        run(clean, "-m", "tsad_edge.cli", "init", "my-plant", *columns, cwd=tmp_path)
        plant = tmp_path / "my-plant"
        run(clean, "-m", "tsad_edge.cli", "doctor", cwd=plant, **alone)
        pins = ["--no-index", "--no-deps", "-r", "requirements.txt"]
        assert "Successfully installed" not in run(clean, "-m", "pip", "install", *pins, cwd=plant), "all is there"
        knobs = plant / "params.yaml"
        assert "1 per 1000" in knobs.read_text()
        knobs.write_text(knobs.read_text().replace("1 per 1000", "9 per 1000"))
        repro = [clean, "-m", "dvc", "repro"]
        said = run(*repro, cwd=plant, **alone)
        assert said.count("Running stage") == 6
        check = json.loads((plant / "check.json").read_text())
        assert check["passed"] and check["samples"] > 500
        assert json.loads((plant / "metrics.json").read_text())["model"]["events"] == 1
        for command in re.findall(r"^    (build/native/tsad-edge .*)", (plant / "README.md").read_text(), re.M):
            assert run(*shlex.split(command), cwd=plant).count("\n") > 1
        assert "Running stage" not in run(*repro, cwd=plant, **alone)
        assert (
            run("git", "status", "--short", "-uall", "--", "data", "csrc", "build", cwd=plant)
            == "?? data/raw/pump.csv\n"
        )
    finally:
        lent.unlink()
