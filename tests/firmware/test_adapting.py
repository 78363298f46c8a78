"""A threshold that goes on learning decides alike on a Cortex-M4F, a RISC-V and the host: from the same bits."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tsad_edge import Detector, _core, toolchain
from tsad_edge.boards import board, build, judged_on
from tsad_edge.spot import Spot, Tail, thresholds

SPOT = Spot(float(np.float32(0.02)), 1, Tail(start=0.75, shape=0.125, excess=0.0625, gap=20))
FIELDS = ".spot = {.every = 1, .risk = 0.02f, .tail = {0.75f, 0.125f, 0.0625f, 20}},"


@pytest.fixture(scope="module")
def adapting(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference model's folder, with SPOT in its config."""
    folder = tmp_path_factory.mktemp("adapting") / "m_reference"
    shutil.copytree(reference, folder)
    source, header = folder / "m_reference.c", folder / "m_reference.h"
    text, size = source.read_text(), ", 1)\n\n"
    assert text.count("    .threshold = 0.5f") == 1 and header.read_text().count(size) == 1
    source.write_text(text.replace("    .threshold = 0.5f", f"    {FIELDS}\n    .threshold = 1.0f"))
    header.write_text(header.read_text().replace(size, ", 1) + TSAD_SPOT_SIZE\n\n"))
    return folder


@pytest.fixture(scope="module")
def on_host(adapting: Path, tmp_path_factory: pytest.TempPathFactory) -> Detector:
    """The same on the host, by the kernels whose bits are the same everywhere."""
    place = tmp_path_factory.mktemp("native")
    toolchain.build(adapting.parent, place)
    return Detector(_core.Model(str(toolchain.library(place, "m_reference")), "generic"))


@pytest.mark.parametrize("name", ["mps2-an386", "riscv-virt"])
def test_boards_decide_by_the_same_threshold(
    tools: None, adapting: Path, on_host: Detector, tmp_path: Path, name: str
) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0, np.linspace(0.3, 0.4, 800)[:, np.newaxis], (800, 3)).astype(np.float32)
    values[600:620] += 3
    host = on_host.run(values)
    limits = thresholds(SPOT, 1.0, host.scores)
    assert np.array_equal(host.alarms, host.scores > limits) and on_host.threshold != 1.0
    assert len(np.unique(limits)) > 50 and (host.alarms != (host.scores > 1.0)).any() and len(host.events) > 5

    build(board(name), adapting.parent, tmp_path / name)
    told = judged_on(board(name), tmp_path / name / "m_reference.elf", on_host.id, np.arange(800), values)
    scored = ~np.isnan(host.scores)
    assert np.array_equal(told[0][scored].view(np.uint32), host.scores[scored].view(np.uint32))
    assert np.array_equal(told[1], host.alarms) and told[2].tolist() == host.events.tolist()
