"""`tsad flash`: by gdb into a real gdb server, QEMU's, with another chip and memory that does not keep what is written.

Of pyocd, st-flash and openocd the command lines are tested, by stand-ins that record them: there is no board here.
"""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from tsad_edge import _core, cli
from tsad_edge.boards import board, flash, flashers
from tsad_edge.toolchain import find

Built = Callable[[str], Path]
MODEL = _core.reference()
TOOLS = tuple(flashers.TOOLS)


@pytest.fixture(scope="module")
def gdb(tools: None) -> str:
    found = find("gdb-multiarch")
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("nothing was flashed: `make setup-qemu` installs gdb")
    return str(found)


class Machine(NamedTuple):
    """One in QEMU that waits for its first instruction, with nothing in its memory."""

    port: str
    server: str
    process: subprocess.Popen[str]


@pytest.fixture
def machine(gdb: str) -> Iterator[Callable[[str], Machine]]:
    """Start one by its name in QEMU."""
    started = []

    def start(name: str) -> Machine:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            at = probe.getsockname()
        command = ["qemu-system-arm", "-M", name, "-nographic", "-monitor", "none", "-serial", "pty", "-S"]
        command += ["-gdb", f"tcp:127.0.0.1:{at[1]}"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        started.append(process)
        assert process.stdout is not None
        found = re.search(r"redirected to (\S+)", process.stdout.readline())
        assert found is not None
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(at) == 0:
                    return Machine(found[1], f"127.0.0.1:{at[1]}", process)
            time.sleep(0.05)
        pytest.fail("QEMU's gdb server does not listen")

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=30)


def first_words(gdb: str, server: str) -> list[int]:
    """What is at the start of the flash."""
    command = [gdb, "-nx", "-batch", "-ex", f"target remote {server}", "-ex", "x/4xw 0", "-ex", "disconnect"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [int(word, 16) for word in re.findall(r"\t0x(\w+)", said)]


@pytest.fixture
def built(firmware: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tsad flash` finds the firmware built: one test lets it build."""
    monkeypatch.setattr("tsad_edge.flash.build_one", lambda board, *_: firmware(board.name))


def flashed(reference: Path, name: str, *more: str) -> int:
    return cli.main(["flash", "--board", name, "--model", str(reference), *more])


def test_gdb_writes_verifies_starts_and_the_board_tells_its_model(
    machine: Callable[[str], Machine],
    reference: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The port is found as that of the only ST-Link."""
    one = machine("mps2-an386")
    connected = [SimpleNamespace(device="/dev/none", vid=None), SimpleNamespace(device=one.port, vid=0x0483)]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: connected)
    assert flashed(reference, "mps2-an386", "--gdb", one.server) == 0, capsys.readouterr().err
    assert capsys.readouterr().out == (
        f"m_reference runs on mps2-an386: written and verified by gdb; {one.port} tells its id, {MODEL.id[:12]}...\n"
    )


def test_another_processor_is_refused_and_nothing_written(
    machine: Callable[[str], Machine], gdb: str, built: None, reference: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = machine("mps2-an500")
    assert flashed(reference, "mps2-an386", "--port", one.port, "--gdb", one.server) == 1
    assert "wrong chip: its processor (CPUID) has the id 0xc27, not 0xc24; nothing was" in capsys.readouterr().err
    assert first_words(gdb, one.server) == [0, 0, 0, 0] and one.process.poll() is None


def test_another_chip_with_the_right_processor_is_refused(
    machine: Callable[[str], Machine], gdb: str, firmware: Built
) -> None:
    one = machine("mps2-an386")
    with pytest.raises(RuntimeError, match=r"wrong chip: its chip \(DBGMCU_IDCODE\) has the id 0x0, not 0x431"):
        flash(board("nucleo-f411re"), firmware("mps2-an386"), one.server)
    assert first_words(gdb, one.server) == [0, 0, 0, 0] and one.process.poll() is None


def test_what_memory_does_not_keep_is_not_started(
    machine: Callable[[str], Machine], gdb: str, firmware: Built, tmp_path: Path
) -> None:
    """The machine's memory at 4 MB is that at 0 again: constants that are written there overwrite the code."""
    one, broken = machine("mps2-an386"), tmp_path / "broken.elf"
    elf = firmware("mps2-an386")
    move = ("arm-none-eabi-objcopy", "--change-section-address", ".rodata=0x400000")
    subprocess.run([*move, elf, broken], check=True)
    with pytest.raises(RuntimeError, match=r"does not hold what was .* not started: Section \.text, .* MIS-MATCHED"):
        flash(board("mps2-an386"), broken, one.server)
    time.sleep(0.2)
    assert one.process.poll() is None  # had it run, it would have faulted, and QEMU ended
    assert flash(board("mps2-an386"), elf, one.server) == "gdb"
    assert first_words(gdb, one.server)[0] == 0x20001000


def test_a_port_where_another_model_answers_is_seen(
    machine: Callable[[str], Machine],
    firmware: Built,
    reference: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one, other = machine("mps2-an386"), machine("mps2-an386")
    flash(board("mps2-an386"), firmware("mps2-an386"), other.server)
    changed = tmp_path / "m_reference"
    changed.mkdir()
    for file in reference.iterdir():
        (changed / file.name).write_text(file.read_text().replace(MODEL.id, "0" * 64))
    assert flashed(changed, "mps2-an386", "--port", other.port, "--gdb", one.server) == 1
    assert f"the board there holds the model {MODEL.id[:12]}..., not 000000000000..." in capsys.readouterr().err


def test_a_board_that_does_not_answer_is_told(
    machine: Callable[[str], Machine],
    reference: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The port is that of a machine that stands still."""
    one, other = machine("mps2-an386"), machine("mps2-an386")
    monkeypatch.setattr("tsad_edge.flash.PATIENCE", (0.2, 0.2))
    assert flashed(reference, "mps2-an386", "--port", other.port, "--gdb", one.server) == 1
    assert "written and verified, but the firmware does not answer: asked 2 times" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "server", "said"),
    [
        ("mps2-an386", "127.0.0.1", "'127.0.0.1': is no HOST:PORT, such as 127.0.0.1:3333"),
        ("mps2-an386", "127.0.0.1:1", "127.0.0.1:1: Connection refused"),
        ("riscv-virt", "127.0.0.1:1", "only a Cortex-M can be told from other chips"),
        ("mps2-an386", None, "is a machine of QEMU, not a board to flash; `tsad run` runs its firmware"),
        ("nucleo-f411re", None, "none of pyocd, st-flash, openocd was found: pip install 'tsad-edge[flash]'"),
    ],
)
def test_what_cannot_be_flashed_says_what_to_do(
    gdb: str, firmware: Built, name: str, server: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flashers, "find", {"gdb-multiarch": gdb}.get)
    with pytest.raises((ValueError, RuntimeError), match=re.escape(said)):
        flash(board(name), firmware("mps2-an386"), server)


@pytest.mark.parametrize(("devices", "said"), [([], "none"), (["/dev/ttyACM0", "/dev/ttyACM1"], "ACM0, /dev/ttyACM1")])
def test_a_port_that_is_not_clear_must_be_named(
    reference: Path,
    devices: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    connected = [SimpleNamespace(device=device, vid=0x0483) for device in devices]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: connected)
    assert flashed(reference, "nucleo-f411re") == 1
    err = capsys.readouterr().err
    assert "--port must name the board's serial port: ST-Links at " in err and said in err


STAND_IN = """#!/bin/sh
said="$(basename $0) $*"
echo "$said" >>{folder}/asked
for file in $(echo "$said" | grep -o "fw\\.[a-z]*"); do test -s $file || exit 9; done
case "$said" in *read32* | *mdw* | *chipid*) exec cat {folder}/id ;; esac
cat {folder}/says >&2
exit $(cat {folder}/code)
"""
SPOKEN = {
    "pyocd": ("e0042000:  {id:08x}    |..d1|", "All 100 bytes match."),
    "st-flash": ("0x{id:x}", "Flash written and verified! jolly good!"),
    "openocd": ("0xe0042000: {id:08x} ", "** Verified OK **"),
}
"""What each prints, as its sources have it: of a chip, and when it has verified."""
STLINK = "openocd -f interface/stlink.cfg -f target/stm32f4x.cfg -c"
ASKED = {
    "pyocd": [
        "pyocd commander -W -t cortex_m -c read32 0xe0042000",
        "pyocd load -W -t stm32f411retx fw.elf",
        "pyocd commander -W -t stm32f411retx -c compare 0x08000000 fw.bin -c reset",
    ],
    "st-flash": ["st-info --chipid", "st-flash --reset write fw.bin 0x08000000"],
    "openocd": [
        f"{STLINK} init -c mdw 0xe0042000 -c shutdown",
        f"{STLINK} program fw.elf verify reset exit",
    ],
}


class StandIns(NamedTuple):
    """Programs that say what they are told to, and write down what they are asked."""

    folder: Path
    elf: Path

    def say(self, name: str, chip: int = 0x10006431, verified: str | None = None, code: int = 0) -> None:
        identity, proof = SPOKEN[name]
        (self.folder / "id").write_text(identity.format(id=chip if name != "st-flash" else chip & 0xFFF) + "\n")
        (self.folder / "says").write_text((proof if verified is None else verified) + "\n")
        (self.folder / "code").write_text(str(code))

    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().splitlines()


@pytest.fixture
def stand_ins(firmware: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], StandIns]:
    """Only this tool, and those that come after it, are installed."""

    def installed(first: str) -> StandIns:
        for name in (*TOOLS[TOOLS.index(first) :], "st-info"):
            (tmp_path / name).write_text(STAND_IN.format(folder=tmp_path))
            (tmp_path / name).chmod(0o755)
        monkeypatch.setattr(flashers, "find", lambda name: shutil.which(name, path=tmp_path))
        elf = tmp_path / "fw.elf"
        shutil.copy2(firmware("mps2-an386"), elf)
        return StandIns(tmp_path, elf)

    return installed


@pytest.mark.parametrize("name", TOOLS)
def test_the_first_tool_that_is_there_gets_these_commands(stand_ins: Callable[[str], StandIns], name: str) -> None:
    made = stand_ins(name)
    made.say(name)
    assert flash(board("nucleo-f411re"), made.elf, None) == name
    assert made.asked() == ASKED[name]


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_that_finds_another_chip_writes_nothing(stand_ins: Callable[[str], StandIns], name: str) -> None:
    made = stand_ins(name)
    made.say(name, chip=0x10006433)
    with pytest.raises(RuntimeError, match=f"wrong chip: {name} finds the id 0x433, and nucleo-f411re has 0x431"):
        flash(board("nucleo-f411re"), made.elf, None)
    (made.folder / "id").write_text("No connected debug probes\n")
    with pytest.raises(RuntimeError, match="(?s)does not say which chip .* nothing was written:\nNo connected debug"):
        flash(board("nucleo-f411re"), made.elf, None)
    assert made.asked() == ASKED[name][:1] * 2


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_that_fails_or_does_not_verify_is_an_error(stand_ins: Callable[[str], StandIns], name: str) -> None:
    made = stand_ins(name)
    made.say(name, verified="Mismatched byte at 0x08000010")
    with pytest.raises(RuntimeError, match="(?s)does not say that it verified .*Mismatched byte at 0x08000010"):
        flash(board("nucleo-f411re"), made.elf, None)
    made.say(name, verified="erase failed", code=3)
    with pytest.raises(RuntimeError, match=r"failed \(3\):\nerase failed"):
        flash(board("nucleo-f411re"), made.elf, None)
