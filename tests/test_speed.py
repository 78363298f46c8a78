"""The table of `make speed`: a target that is missed is printed as missed, against the fastest peer and no other."""

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
LIMITS = SimpleNamespace(mac_per_us=50e3)


@pytest.fixture
def speed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, whose neighbours it finds by name."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("speed")


def cell(speed: Any, name: str, batch: int, **cpu: float) -> Any:
    sides = {"C, avx2": cpu["c"], "C, generic": 9.0, "C, from Python": cpu["python"]} | {
        side: cpu[side] for side in ("PyTorch", "onnxruntime")
    }
    return speed.Cell(name, batch, sides, dict.fromkeys(sides, 10.0), 0.5)


def test_targets_are_held_against_the_fastest_peer(speed: Any) -> None:
    cells = [
        cell(speed, "gan-msl", 1, c=1.0, python=2.0, PyTorch=90.0, onnxruntime=9.0),
        cell(speed, "vae-msl", 1, c=1.0, python=2.0, PyTorch=4.0, onnxruntime=9.0),
        cell(speed, "pca", 1, c=1.0, python=1.1, PyTorch=4.0, onnxruntime=9.0),
    ]
    rows = [line for line in speed.table(cells, LIMITS).splitlines() if line.startswith("| ")]
    assert rows[1].endswith("| 0.5 | 2.0 | 4.50 | 5x: **missed** (4.50x); in C: 8x: met |")
    assert rows[2].endswith("| 2.00 | 2x: met |")
    assert rows[3].endswith("| 3.64 |  |"), "our own models have no target here"


@pytest.mark.parametrize(("through", "verdict"), [(1.5, "target: met"), (2.5, "target: **missed**")])
def test_what_a_call_costs_is_a_target_too(speed: Any, through: float, verdict: str) -> None:
    cells = [cell(speed, "pca", 1, c=1.0, python=through, PyTorch=4.0, onnxruntime=9.0)]
    assert f"costs {through - 1:.2f} us more" in speed.table(cells, LIMITS)
    assert f"1 us is the {verdict}" in speed.table(cells, LIMITS)


def test_every_target_has_a_network(speed: Any) -> None:
    from tsad_edge import models

    assert {name for name, _ in speed.TARGETS} <= {*speed.REFERENCE, *models.MODELS}


@pytest.mark.slow
def test_a_network_is_measured(speed: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the peers that are here, who must compute the same."""
    out = tmp_path / "speed.md"
    assert speed.main(["moving_z", "--out", str(out)]) == 0
    assert capsys.readouterr().out == out.read_text()
    rows = [line.split(" | ") for line in out.read_text().splitlines() if line.startswith("| moving_z")]
    assert [row[1] for row in rows] == ["1", "512"] and all(float(row[2]) > 0 for row in rows)
