"""The portable kernels, one by one: each makes the same bits on this machine, a Cortex-M4F and a RISC-V."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tsad_edge.boards import board
from tsad_edge.boards.lines import Emulator
from tsad_edge.drop_in import defined

from .conftest import CSRC, ROOT
from .test_overlay import asked, built, copied

HERE = Path(__file__).parent


def sums(answer: str) -> dict[str, str]:
    """Label of a call -> sum of what kernels wrote until then."""
    rows = [row.rpartition(":") for row in answer.split(";") if row]
    return {label: value for label, _, value in rows}


@pytest.fixture(scope="module")
def on_host(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What this machine's compiler makes of them."""
    program = tmp_path_factory.mktemp("calls") / "calls"
    folders = (HERE / "stand_in", CSRC / "target" / "mcu", CSRC / "kernels", CSRC)
    command = [os.environ.get("CC") or "cc", "-std=c99", "-O3", "-ffp-contract=off", *(f"-I{each}" for each in folders)]
    calls = program.with_suffix(".o")
    for more in (
        ["-Dmain=calls", "-c", ROOT / "benchmarks" / "kernel_calls.c", "-o", calls],
        [calls, HERE / "every_kernel.c", HERE / "stdio_board.c", *(CSRC / "kernels").glob("*.c"), "-o", program],
    ):
        done = subprocess.run([*command, *more], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return sums(subprocess.run([program], input="?", capture_output=True, text=True, check=True).stdout.strip())


@pytest.fixture(scope="module")
def on_board(tools: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, str]]:
    def of(name: str, root: Path = ROOT) -> dict[str, str]:
        elf = built(root, name, tmp_path_factory.mktemp("tree"), "every_kernel")
        with Emulator(board(name), elf) as line:
            return sums(asked(line, "?"))

    return of


def test_every_kernel_is_called(on_host: dict[str, str]) -> None:
    """All that programs call: their parts are called by these."""
    there = {op for file in (CSRC / "kernels").glob("*.c") for op in defined(file.read_text())}
    contract = "".join((CSRC / "kernels" / name).read_text() for name in ("kernels.h", "kernels_s16.h"))
    kernels = {op for op in there & set(re.findall(r"\((\w+)\)", contract)) if not op.endswith("_table")}
    called = {label.partition(",")[0] for label in on_host}
    assert len(kernels) > 70 and kernels <= called, "add calls to benchmarks/kernel_calls.c"
    assert len(set(on_host.values())) > len(on_host) * 0.95, "each leaves other bits behind"


@pytest.mark.parametrize("name", ["mps2-an386", "riscv-virt"])
def test_each_makes_the_same_bits_on_a_board(
    name: str, on_board: Callable[..., dict[str, str]], on_host: dict[str, str]
) -> None:
    assert on_board(name) == on_host


def test_products_that_are_not_rounded_are_seen(
    on_board: Callable[..., dict[str, str]], on_host: dict[str, str], tmp_path: Path
) -> None:
    """As by a compiler that is let contract them; what has no product is still the same."""
    root = copied(tmp_path / "copy")
    text = (root / "CMakeLists.txt").read_text()
    assert text.count(" -ffp-contract=off ") == 1
    (root / "CMakeLists.txt").write_text(text.replace(" -ffp-contract=off ", " -ffp-contract=fast "))
    found = on_board("mps2-an386", root)
    assert found.keys() == on_host.keys() and found["add_lines_f32"] != on_host["add_lines_f32"]
