"""Firmware on every board: it builds without a C library, runs in QEMU, and says what the host says, bit for bit."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tsad_edge import _core, cli
from tsad_edge.boards import board, boards, judged_on
from tsad_edge.boards.lines import Emulator
from tsad_edge.boards.protocol import Session
from tsad_edge.boards.table import mcu

Built = Callable[[str], Path]
EMULATED = sorted(name for name, each in boards().items() if each.machine)
MODEL = _core.reference("generic")  # whose bits are those of every board


def test_list_boards(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "boards"]) == 0
    text = capsys.readouterr().out
    assert cli.main(["list", "boards", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == {
        *("mps2-an386", "mps2-an500", "netduinoplus2", "riscv-virt", "nucleo-f411re", "nucleo-h7a3zi-q")
    }
    for name, row in rows.items():
        line = next(line for line in text.splitlines() if line.startswith(name + " "))
        assert row["core"] in line and f"{row['flash'] // 1024} kB" in line and f"{row['ram'] // 1024} kB" in line
        assert f"-M {row['machine']}" in line if row["machine"] else "--port" in line


def test_what_a_board_needs_is_there_for_each() -> None:
    """A driver for each board, a toolchain file for each core, and a preset of CMake for each of them."""
    rows = json.loads((mcu() / "boards.json").read_text())
    presets = json.loads((Path(__file__).parents[2] / "CMakePresets.json").read_text())["configurePresets"]
    chosen = {each["name"]: each for each in presets}
    for row in rows.values():
        assert (mcu() / "boards" / row["source"]).is_file()
        core = row["core"]
        assert (mcu() / "cores" / f"{core}.cmake").is_file()
        assert chosen[core]["toolchainFile"] == f"${{sourceDir}}/csrc/target/mcu/cores/{core}.cmake"
        assert rows[chosen[core]["cacheVariables"]["TSAD_BOARD"]]["core"] == core


SLOW = pytest.mark.slow
FIRST = ("mps2-an386", "netduinoplus2", "riscv-virt")
"""Boards whose firmware every run of the tests builds; the others' takes some seconds more each."""


def marked(names: Iterable[str]) -> list[Any]:
    return [name if name in FIRST else pytest.param(name, marks=SLOW) for name in names]


STRICT = "-Wall -Wextra -Wshadow -Wconversion -Wdouble-promotion -Wpedantic -Wc++-compat -Werror"


@pytest.mark.parametrize("name", boards())
def test_every_board_s_own_code_has_no_warnings(tools: None, name: str, tmp_path: Path) -> None:
    row = json.loads((mcu() / "boards.json").read_text())[name]
    core = (mcu() / "cores" / f"{row['core']}.cmake").read_text()
    flags, start = re.findall(r'FLAGS_INIT "(.*)"', core)[0], re.findall(r"TSAD_START (\S+)\)", core)[0]
    csrc = mcu().parents[1]
    files = (f"boards/{row['source']}", start, "frame.c", "session.c", "memory.c", "main.c")
    command = [f"{board(name).prefix}gcc", *flags.split(), "-std=c99", "-O2", "-ffreestanding", *STRICT.split(), "-c"]
    command += ["-DTSAD_MODEL=m_reference", "-DTSAD_MODEL_UPPER=M_REFERENCE", '-DTSAD_MODEL_HEADER="m_reference.h"']
    folders = (csrc, csrc / "reference", mcu(), mcu() / "freestanding")
    done = subprocess.run(
        [*command, *(f"-I{folder}" for folder in folders), *(mcu() / file for file in files)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", marked(boards()))
def test_firmware_links_without_a_c_library(firmware: Built, name: str) -> None:
    elf = firmware(name)
    listed = subprocess.run([f"{board(name).prefix}nm", elf], capture_output=True, text=True, check=True).stdout
    symbols = {line.split()[-1]: line.split()[-2] for line in listed.splitlines()}
    assert {"reset", "main", "tsad_step", "memmove", "m_reference"} <= set(symbols)
    assert "U" not in symbols.values()
    assert not {"malloc", "free", "printf", "_sbrk", "exit", "_init", "__libc_init_array"} & set(symbols)


@pytest.mark.parametrize("name", marked(EMULATED))
def test_an_emulated_board_is_bit_equal_to_the_host(firmware: Built, samples: NDArray[np.float32], name: str) -> None:
    t = np.arange(len(samples)) * 1000 + 1_700_000_000_000  # milliseconds, beyond 32 bits
    scores, alarms, events, quality = _core.Detector(MODEL).run(samples, t)
    told = judged_on(board(name), firmware(name), MODEL.id, t, samples)
    scored = ~np.isnan(scores)
    assert scored.sum() == len(samples) - 2 - 15 and len(events) >= 3 and events[-1]["end"] == t[-1]
    np.testing.assert_array_equal(~np.isnan(told.scores), scored)
    np.testing.assert_array_equal(told.scores[scored].view(np.uint32), scores[scored].view(np.uint32))
    np.testing.assert_array_equal(told.alarms, alarms)
    np.testing.assert_array_equal(told.quality, quality)
    assert quality.sum() == 2, "the two samples that are refused"
    assert told.events.tolist() == events.tolist()


def test_a_fault_ends_the_emulator_and_is_told(firmware: Built, tmp_path: Path) -> None:
    """The first instruction of tsad_step becomes an undefined one: no silence, but an error with an exit code."""
    elf, broken = firmware("mps2-an386"), tmp_path / "broken.elf"
    listed = subprocess.run(["arm-none-eabi-nm", elf], capture_output=True, text=True, check=True).stdout
    address = next(int(line.split()[0], 16) for line in listed.splitlines() if line.endswith(" tsad_step"))
    heads = subprocess.run(["arm-none-eabi-objdump", "-h", elf], capture_output=True, text=True, check=True).stdout
    row = next(line.split() for line in heads.splitlines() if " .text " in line)
    at = int(row[5], 16) + address - int(row[3], 16)  # place in the file
    whole = elf.read_bytes()
    broken.write_bytes(whole[:at] + b"\x00\xde" + whole[at + 2 :])
    with (
        Emulator(board("mps2-an386"), broken) as line,
        pytest.raises(RuntimeError, match="the firmware's emulator ended with 1"),
    ):
        Session(line, 1).sample(0, np.zeros(3, np.float32))


def test_no_emulator_is_left_where_its_parent_was_ended(firmware: Built) -> None:
    elf = firmware("riscv-virt")
    code = (
        "import sys, time; from pathlib import Path; from tsad_edge.boards import board; "
        "from tsad_edge.boards.lines import Emulator; line = Emulator(board('riscv-virt'), Path(sys.argv[1])); "
        "print(line._process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, elf], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    emulator = Path("/proc") / parent.stdout.readline().strip()
    assert "qemu" in (emulator / "cmdline").read_text()
    parent.kill()
    parent.communicate()
    for _ in range(300):
        if not emulator.exists() or "\nState:\tZ" in (emulator / "status").read_text():
            return
        time.sleep(0.1)
    pytest.fail("QEMU goes on")


@pytest.fixture
def csv(samples: NDArray[np.float32], tmp_path: Path) -> Path:
    """The samples with times, a label, another column, and the channels in another order."""
    path = tmp_path / "test.csv"
    rows = (f"{1000 * i},0,{c:.9g},7,{a:.9g},{b:.9g}" for i, (a, b, c) in enumerate(samples))
    path.write_text("\n".join(["time,label,c,other,a,b", *rows]).replace("nan", "").replace("inf", "") + "\n")
    return path


def edge(built: Path, csv: Path, *flags: str) -> str:
    portable = os.environ | {"TSAD_ISA": "generic"}
    done = subprocess.run([built, *flags, csv], capture_output=True, text=True, env=portable)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def edge_binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tsad_edge.toolchain import compile_tree, configure

    tree = tmp_path_factory.mktemp("edge")
    configure(tree)
    compile_tree(tree, "tsad-edge")
    return tree / "tsad-edge"


def test_run_prints_what_the_edge_binary_prints(
    tools: None, reference: Path, edge_binary: Path, csv: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", "--board", "mps2-an386", "--model", str(reference), str(csv)]) == 0
    assert capsys.readouterr().out == edge(edge_binary, csv)


@pytest.fixture
def serial_port(firmware: Built) -> Iterator[str]:
    """A serial port behind which there is a firmware: QEMU's, as a pseudo-terminal."""
    command = ["qemu-system-riscv32", "-M", "virt", "-bios", "none", "-nographic", "-monitor", "none", "-serial", "pty"]
    command += ["-kernel", str(firmware("riscv-virt"))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"redirected to (\S+)", process.stdout.readline())
        assert found is not None
        yield found[1]
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_run_talks_to_a_serial_port(
    serial_port: str, reference: Path, edge_binary: Path, csv: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", "--board", "nucleo-f411re", "--port", serial_port, "--model", str(reference), str(csv)]
    assert cli.main([*command, "--events"]) == 0
    assert capsys.readouterr().out == edge(edge_binary, csv, "--events")
    other = reference.parent.parent / "other"
    other.mkdir()
    for file in reference.iterdir():
        (other / file.name).write_text(file.read_text().replace(MODEL.id, "0" * 64))
    assert cli.main([*command[:-2], str(other), str(csv)]) == 1
    assert f"holds the model m_reference ({MODEL.id[:12]}...), not the one asked" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--board", "arduino"], "no board is called 'arduino'; there are mps2-an386"),
        (["--board", "nucleo-f411re"], "QEMU does not have it; connect one and give its serial port (--port)"),
        (["--board", "mps2-an386", "--port", "/dev/none"], "/dev/none: cannot be opened"),
    ],
)
def test_what_cannot_run_says_what_to_do(
    words: list[str], said: str, tools: None, reference: Path, csv: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", *words, "--model", str(reference), str(csv)]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "no column 'c', which is a channel of the model; it has a, b"),
        ("a,b,c\n1,2,x\n", "column 'c': x is not a number"),
        ("a,b,c\n1,,3\n" + "1,2,3\n" * 15, "and of these 16 there are 15; give a longer recording"),
    ],
)
def test_a_bad_csv_is_named(
    text: str, said: str, tools: None, reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.csv").write_text(text)
    command = ["run", "--board", "riscv-virt", "--model", str(reference), str(tmp_path / "bad.csv")]
    assert cli.main(command) == 1
    assert said in capsys.readouterr().err


def test_a_missing_tool_is_named(
    reference: Path, csv: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tsad_edge.boards.firmware.find", lambda name: None)
    assert cli.main(["run", "--board", "mps2-an386", "--model", str(reference), str(csv)]) == 1
    assert "arm-none-eabi-gcc was not found; install it (Debian: apt install gcc-arm" in capsys.readouterr().err
