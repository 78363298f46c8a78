"""Overlays: their kernels give the portable ones' bits, firmware takes them and says so, and a dense layer is fast."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tsad_edge import cli
from tsad_edge.boards import board
from tsad_edge.boards.instructions import count, cycles_of
from tsad_edge.boards.lines import Emulator
from tsad_edge.boards.table import mcu
from tsad_edge.toolchain import find, run

ROOT = Path(__file__).parents[2]
KERNELS = ("lines", "linear", "conv1d", "bmm", "lstm", "gru")
OVERLAY = b"\0cortexm_dsp\0"
"""TSAD_ISA in a binary."""
MOST = 3.8
"""M4 cycles for a multiply-add of a dense layer."""


def built(root: Path, name: str, tree: Path, target: str = "overlay", *more: str) -> Path:
    """A firmware of this folder's CMakeLists.txt for a board, all warnings being errors."""
    core = mcu() / "cores" / f"{board(name).core}.cmake"
    options = ["-G", "Ninja", "-DTSAD_TESTS=ON", f"-DTSAD_BOARD={name}", f"-DCMAKE_TOOLCHAIN_FILE={core}", *more]
    run([find("cmake") or "cmake", "-S", str(root), "-B", str(tree), *options])
    run([find("cmake") or "cmake", "--build", str(tree), "--target", target])
    return tree / "tests" / "firmware" / f"{target}.elf"


def copied(root: Path) -> Path:
    """A copy of all that `built` builds from, to break."""
    for part in ("csrc", "tests/firmware", "benchmarks"):
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("generated", "__pycache__"))
    shutil.copy2(ROOT / "CMakeLists.txt", root)
    return root


def asked(line: Emulator, question: str) -> str:
    """The firmware's answer."""
    line.send(question.encode())
    answer = b""
    while not answer.endswith(b"\n"):
        answer += line.receive(60)
    return answer.decode().strip()


@pytest.fixture(scope="module")
def overlay(tools: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    place = tmp_path_factory.mktemp("overlay")

    def of(name: str) -> Path:
        if not (place / name).is_dir():
            built(ROOT, name, place / name)
        return place / name / "tests" / "firmware" / "overlay.elf"

    return of


@pytest.mark.parametrize("name", ["mps2-an386", pytest.param("mps2-an500", marks=pytest.mark.slow)])
def test_overlay_and_portable_kernels_give_the_same_bits(overlay: Callable[[str], Path], name: str) -> None:
    """400 shapes each: 1 to 40 inputs and outputs, several rows and windows, gaps, strides, with and without bias."""
    with Emulator(board(name), overlay(name)) as line:
        assert asked(line, "c") == "".join(f"{kernel} same," for kernel in KERNELS)


def test_an_overlay_that_differs_is_seen(tools: None, tmp_path: Path) -> None:
    """Products that are not rounded, and a result too many."""
    root = copied(tmp_path / "copy")
    source = root / "csrc" / "arch" / "cortexm_dsp" / "lines.c"
    right = source.read_text()
    product = '"vmul.f32 s" #n ", s" #n ", " x "\\n\\t"'
    total = '"vadd.f32 s" #sum ", s" #sum ", s" #n "\\n\\t"'
    fused = {
        product: '"vmov.f32 s26, " x "\\n\\t"',
        total: '"vfma.f32 s" #sum ", s" #n ", s26\\n\\t"',
        '"s25", "cc"': '"s25", "s26", "cc"',
    }
    for fault in (fused, {"add_1(in": "add_2(in"}):
        wrong = right
        for old, new in fault.items():
            assert wrong.count(old) == 1, old
            wrong = wrong.replace(old, new)
        source.write_text(wrong)
        with Emulator(board("mps2-an386"), built(root, "mps2-an386", tmp_path / "tree")) as line:
            assert "lines differs,linear differs," in asked(line, "c")


@pytest.mark.parametrize(("shape", "macs"), [("square", 128 * 128), ("gan", 11_880)])
def test_a_dense_layer_takes_few_cycles(overlay: Callable[[str], Path], shape: str, macs: int) -> None:
    """And the count tells kernels apart: the portable ones take more."""
    m4, elf = board("mps2-an386"), overlay("mps2-an386")
    each = {}
    for kernels, question in (("cortexm_dsp", shape[0]), ("portable", shape[0].upper())):
        counts, _ = count(m4, elf, shape, "counted", lambda line, question=question: asked(line, question))
        (instructions,) = counts.passes
        each[kernels] = cycles_of(m4, elf, counts) / macs
        print(
            f"{shape}: {kernels} {instructions / macs:.2f} instructions, {each[kernels]:.2f} M4 cycles a multiply-add"
        )
    assert each["cortexm_dsp"] <= MOST < each["portable"]


@pytest.mark.parametrize(("name", "has"), [("mps2-an386", True), ("mps2-an500", True), ("riscv-virt", False)])
def test_firmware_says_which_kernels_it_has(firmware: Callable[[str], Path], name: str, has: bool) -> None:
    assert (OVERLAY in firmware(name).read_bytes()) is has


def test_an_exported_folder_takes_the_overlay_and_passes_its_vectors(
    tools: None, reference: Path, tmp_path: Path
) -> None:
    """On a Cortex-M4F, built as the folder's own CMakeLists.txt says; on the host it takes plain C."""
    out = tmp_path / "detector"
    assert cli.main(["export", "--model", str(reference), "--to", str(out)]) == 0
    assert json.loads((out / "cost.json").read_text())["overlays"] == {"cortexm_dsp": ["lines.c"]}
    elf = built(ROOT, "mps2-an386", tmp_path / "tree", "exported", f"-DTSAD_EXPORTED={out}")
    assert OVERLAY in elf.read_bytes()
    with Emulator(board("mps2-an386"), elf) as line:
        assert asked(line, "") == "0"
    host = tmp_path / "host"
    run([find("cmake") or "cmake", "-S", str(out), "-B", str(host)])
    run([find("cmake") or "cmake", "--build", str(host)])
    assert subprocess.run([host / "example"]).returncode == 0
    assert OVERLAY not in (host / "example").read_bytes()
