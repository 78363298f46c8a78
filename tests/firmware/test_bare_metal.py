"""What firmware is made of: a preset for each core, no C library, drivers that set the registers that manuals name."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tsad_edge.boards.table import CORES, mcu
from tsad_edge.toolchain import find, run

from .conftest import ROOT
from .test_overlay import built, copied


@pytest.mark.parametrize("core", CORES)
def test_a_core_s_preset_compiles(tools: None, core: str, tmp_path: Path) -> None:
    cmake = find("cmake") or "cmake"
    done = subprocess.run([cmake, "--preset", core, "-B", tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    run([cmake, "--build", str(tmp_path), "--target", "m_reference_objects"])


def test_a_core_that_calls_a_c_library_does_not_link(tools: None, tmp_path: Path) -> None:
    """There is nothing to link it with: the proof that it needs none."""
    root = copied(tmp_path / "copy")
    source = root / "csrc" / "tsad.c"
    text, head = source.read_text(), "void tsad_reset(tsad *d) {\n"
    assert text.count(head) == 1
    built(root, "riscv-virt", tmp_path / "whole", "m_reference")
    source.write_text(text.replace(head, f"int puts(const char *text);\n{head}    (void)puts(d->model->name);\n"))
    with pytest.raises(RuntimeError, match="undefined reference to `puts'"):
        built(root, "riscv-virt", tmp_path / "broken", "m_reference")


@pytest.mark.parametrize(("ci", "code", "word"), [("true", 1, "ERROR"), ("", 0, "SKIPPED")])
def test_a_missing_tool_fails_in_continuous_integration(ci: str, code: int, word: str, tmp_path: Path) -> None:
    """And skips elsewhere, but not in silence."""
    test = "tests/firmware/test_boards.py::test_every_board_s_own_code_has_no_warnings"
    environment = os.environ | {"CI": ci, "PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rsfE", "-p", "no:cacheprovider", test],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout
    assert (
        word in done.stdout and "`make setup-qemu` installs gcc-arm-none-eabi, gcc-riscv64-unknown-elf" in done.stdout
    )


def registers(name: str, place: Path, before: dict[int, int], wanted: list[int]) -> dict[str, dict[int, int]]:
    """A driver's start, light and line on this machine: when -> address -> what the register holds."""
    source = json.loads((mcu() / "boards.json").read_text())[name]["source"]
    sources = [mcu() / "boards" / source, Path(__file__).with_name("registers.c")]
    compiler = os.environ.get("CC") or "cc"
    run([compiler, "-std=gnu99", "-O2", f"-I{mcu()}", *map(str, sources), "-o", str(place / "registers"), "-pthread"])
    asked = "".join(f"{at:#x} {value:#x}\n" for at, value in (dict.fromkeys(wanted, 0) | before).items())
    done = subprocess.run([place / "registers"], input=asked, capture_output=True, text=True, check=True)
    found: dict[str, dict[int, int]] = {}
    *rows, received = done.stdout.splitlines()
    for row in rows:
        when, at, value = row.split()
        found.setdefault(when, {})[int(at, 0)] = int(value, 0)
    return found | {"received": {0: int(received.split()[1], 0)}}


@pytest.mark.parametrize(("pll_is_up", "clock"), [(True, 42_000_000), (False, 16_000_000)])
def test_nucleo_f411re_sets_clock_line_and_light(pll_is_up: bool, clock: int, tmp_path: Path) -> None:
    """By RM0383: 84 MHz, half of it for USART2 on PA2 and PA3, whose function is 7; the light is PA5."""
    cr, pllcfgr, cfgr, ahb1enr, apb1enr, acr = 0x40023800, 0x40023804, 0x40023808, 0x40023830, 0x40023840, 0x40023C00
    moder, bsrr, afrl = 0x40020000, 0x40020018, 0x40020020
    sr, dr, brr, cr1 = 0x40004400, 0x40004404, 0x40004408, 0x4000440C
    debug_pins = 0xA8000000  # PA13 to PA15, which a debugger wants left alone
    before = {cr: 0x83 | pll_is_up << 25, moder: debug_pins, sr: 0xA0, dr: 0x55}
    found = registers("nucleo-f411re", tmp_path, before, [pllcfgr, cfgr, ahb1enr, apb1enr, acr, bsrr, afrl, brr, cr1])
    start = found["start"]
    m, n, p = start[pllcfgr] & 63, start[pllcfgr] >> 6 & 511, 2 * (start[pllcfgr] >> 16 & 3) + 2
    assert 16_000_000 // m * n // p == 84_000_000 and 1_000_000 <= 16_000_000 // m <= 2_000_000
    assert start[pllcfgr] >> 22 & 1 == 0, "of the internal oscillator"
    assert start[acr] & 15 == 2 and start[cr] >> 24 & 1 == 1
    assert (start[cfgr] & 3 == 2 and start[cfgr] >> 10 & 7 == 4) is pll_is_up
    assert start[ahb1enr] & 1 == 1 and start[apb1enr] >> 17 & 1 == 1
    assert start[moder] == debug_pins | 1 << 10 | 2 << 4 | 2 << 6 and start[afrl] == 0x7700
    assert abs(clock / start[brr] / 115_200 - 1) < 0.01 and start[cr1] == 1 << 13 | 1 << 3 | 1 << 2
    assert (found["on"][bsrr], found["off"][bsrr]) == (1 << 5, 1 << 21)
    assert found["sent"][dr] == ord("A") and found["received"][0] == ord("A")


def test_nucleo_h7a3zi_q_sets_line_and_light(tmp_path: Path) -> None:
    """By RM0455: 64 MHz as after reset, USART3 on PD8 and PD9, whose function is 7; the light is PB0."""
    ahb4enr, apb1lenr = 0x58024540, 0x58024548
    b_moder, b_bsrr, d_moder, d_afrh = 0x58020400, 0x58020418, 0x58020C00, 0x58020C24
    cr1, brr, isr, rdr, tdr = 0x40004800, 0x4000480C, 0x4000481C, 0x40004824, 0x40004828
    before = {b_moder: 0xFFFFFEBF, d_moder: 0xFFFFFFFF, isr: 0xA0, rdr: 0x55}
    found = registers("nucleo-h7a3zi-q", tmp_path, before, [ahb4enr, apb1lenr, b_bsrr, d_afrh, cr1, brr, tdr])
    start = found["start"]
    assert start[ahb4enr] == 1 << 1 | 1 << 3 and start[apb1lenr] == 1 << 18
    assert start[b_moder] == 0xFFFFFEBD and start[d_moder] == 0xFFFAFFFF and start[d_afrh] == 0x77
    assert abs(64_000_000 / start[brr] / 115_200 - 1) < 0.01 and start[cr1] == 0xD
    assert (found["on"][b_bsrr], found["off"][b_bsrr]) == (1, 1 << 16)
    assert found["sent"][tdr] == ord("A") and found["received"][0] == 0x55
