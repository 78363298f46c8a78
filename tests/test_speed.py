"""The tables of `make speed`: what misses a target says so, and only peers that are as exact as we are count."""

import importlib
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
LIMITS: Any = SimpleNamespace(mac_per_us={"f32": 50e3, "int8": 100e3})


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The modules, which find each other by name."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    names = ("speed", "sides", "networks", "verdicts", "table", "cold", "shares", "peer_files")
    return SimpleNamespace(**{name: importlib.import_module(name) for name in names})


def cell(room: Any, name: str, batch: int, cpu: dict[str, float], **more: Any) -> Any:
    """A measured one, of which the clock says twice as much."""
    settings = {"precision": "f32", "error": dict.fromkeys(cpu, 0.0), "absent": {}, "floor": 0.5} | more
    return room.sides.Cell(name=name, batch=batch, cpu=cpu, wall={side: 2 * us for side, us in cpu.items()}, **settings)


def test_targets_are_held_against_the_fastest_peer(room: Any) -> None:
    def told(**cpu: float) -> list[str]:
        sides = {"C": 1.0, "C, from Python": cpu["python"], "PyTorch": cpu["torch"], "onnxruntime": 9.0}
        return [str(verdict) for verdict in room.verdicts.verdicts(cell(room, cpu_name, 1, sides))]

    cpu_name = "gan-msl"
    assert told(python=2.0, torch=90.0) == ["5x: **missed** (4.50x)", "in C 8x: met", "2 floors: met"]
    assert told(python=2.0, torch=7.0)[1] == "in C 8x: **missed** (7.00x)", "PyTorch is the fastest now"
    cpu_name = "pca"
    assert told(python=2.0, torch=1.0) == ["2 floors: met"], "no peer target"


def test_a_peer_that_is_less_exact_does_not_count(room: Any) -> None:
    cpu = {"C": 1.0, "C, from Python": 1.5, "LiteRT static": 0.7, "onnxruntime dynamic": 1.2}
    error = {"C": 0.01, "LiteRT static": 0.3, "onnxruntime dynamic": 0.0109}
    given = cell(room, "gan-msl", 1, cpu, precision="int8", error=error)
    assert room.verdicts.fastest(given) == "onnxruntime dynamic"
    assert [str(verdict) for verdict in room.verdicts.verdicts(given)] == ["1x: **missed** (0.80x)", "2 floors: met"]
    as_exact = cell(room, "gan-msl", 1, cpu, precision="int8", error=error | {"LiteRT static": 0.01})
    assert room.verdicts.fastest(as_exact) == "LiteRT static"
    alone = cell(room, "gan-msl", 1, cpu, precision="int8", error=dict.fromkeys(error, 0.3) | {"C": 0.01})
    assert room.verdicts.fastest(alone) is None and not room.verdicts.missed(alone)
    in_floats = cell(room, "gan-msl", 1, cpu, error=error)
    assert room.verdicts.fastest(in_floats) == "LiteRT static", "in float32 all have been found exact"


def test_a_missed_cell_is_told_with_its_profile_and_its_absent_peers(room: Any) -> None:
    sides = {"C": 1.2, "C, from Python": 2.0, "PyTorch": 9.0}
    given = cell(room, "gan-msl", 1, sides, absent={"LiteRT": "its converter fails"})
    text = room.table.section([given], {room.table.key(given): "linear_f32 97 %"})
    assert "| gan-msl | 1 | 1.2 | 2 | 9 | - | 0.5 | 2.4 | PyTorch | 4.50 | 4.50 | 5x: **missed** (4.50x);" in text
    assert "2 floors: **missed** (2.40) |" in text
    assert "- LiteRT (gan-msl): its converter fails" in text
    assert "- gan-msl (1): linear_f32 97 %" in text
    assert "clock ran 2.00 times" in room.table.head(LIMITS, [given])


@pytest.mark.parametrize(("through", "verdict"), [(1.5, "target: met"), (2.5, "target: **missed**")])
def test_what_a_call_costs_is_a_target_too(room: Any, through: float, verdict: str) -> None:
    text = room.table.call([cell(room, "pca", 1, {"C": 1.0, "C, from Python": through, "PyTorch": 4.0})])
    assert f"costs {through - 1:.2f} us more" in text and f"1 us is the {verdict}" in text


def test_what_a_start_costs_is_a_target_too(room: Any) -> None:
    start = room.cold.Start
    found = {room.cold.BARE: start(130.0, 25.0), room.cold.OURS: start(144.0, 28.5), "LiteRT": start(170.0, 39.0)}
    text = room.cold.section(found)
    assert "| tsad_edge | 144 | 14.0 | 28.5 | 3.5 | 15 ms more: met; 3 MB more: **missed** (3.5) |" in text
    assert "| LiteRT | 170 | 40.0 | 39.0 | 14.0 |  |" in text


def test_a_start_is_that_of_the_process_alone(room: Any) -> None:
    small, large = (room.cold.once(f"x = bytearray({size} << 20)\n") for size in (1, 80))
    assert 75 < large.memory_mb - small.memory_mb < 85 and small.memory_mb < 30
    with pytest.raises(RuntimeError, match="cold start failed"):
        room.cold.once("import nothing_of_this_name\n")


def test_every_target_has_a_network(room: Any) -> None:
    assert {name for name, _ in (*room.networks.TARGETS, *room.networks.IN_C)} <= {*room.networks.KNOWN}


def test_errors_and_shares_are_what_they_say(room: Any) -> None:
    import doctest

    for module in (room.sides, room.shares, room.table):
        assert doctest.testmod(module) == (0, 1)


def test_attention_in_plain_operators_is_attention(room: Any) -> None:
    import torch

    network = room.networks.named(["tranad-smd"])[0]
    given = torch.from_numpy(room.networks.windows(network.series(4)))
    with torch.inference_mode():
        wanted = network.module(given)
        with room.peer_files.plain_attention():
            found = network.module(given)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_a_network_is_measured(room: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the peers that are here; in float32 all of them must compute the same."""
    out = tmp_path / "speed.md"
    assert room.speed.main(["pca", "--out", str(out)]) == 0
    assert capsys.readouterr().out == out.read_text()
    rows = [line.split(" | ") for line in out.read_text().splitlines() if line.startswith("| pca")]
    assert [row[1] for row in rows] == ["1", "512"] * 2 and all(float(row[2].split()[0]) > 0 for row in rows)
    if shutil.which("perf") is None:
        assert "linux-perf" in out.read_text() or "missed" not in out.read_text()


def test_a_side_that_computes_something_else_is_no_peer(room: Any) -> None:
    """The gate on float32 sides bites."""
    import numpy as np

    network = SimpleNamespace(
        name="sum",
        series=lambda count: np.random.default_rng(1).normal(size=(99 + count, 1)).astype(np.float32),
        exact=lambda given: given.sum((1, 2)).astype(np.float64),
    )

    class Ours:
        taken = 0

        def run(self, series: Any, *_: Any) -> None: ...
        def step(self, *_: Any) -> None: ...
        def score(self, series: Any) -> Any:
            sums = np.lib.stride_tricks.sliding_window_view(series, 100, axis=0).sum((1, 2)) if len(series) > 99 else []
            return np.concatenate([np.full(min(99, len(series)), np.nan), sums])

    ours = SimpleNamespace(detector=Ours, mac=1, weight_bytes=1)
    limits = SimpleNamespace(floor=lambda *_: 1.0)
    right: Any = lambda given: given.sum((1, 2))  # noqa: E731
    subject = SimpleNamespace(network=network, precision="f32", ours=ours, peers={1: {"right": right, "no": "gone"}})
    found = room.sides.measured(subject, 1, limits)
    assert set(found.cpu) == {"C", "C, from Python", "right"} and found.absent == {"no": "gone"}
    assert found.error["right"] < 1e-5
    subject.peers = {1: {"wrong": lambda given: 1.01 * right(given)}}
    with pytest.raises(RuntimeError, match="sum: wrong computes something else"):
        room.sides.measured(subject, 1, limits)
