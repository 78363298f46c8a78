"""Programs that write firmware into a board, by tables of what they are asked and what they answer.

Each first says which chip is there, and must say at the end that it verified. What gdb does stands in `in_gdb`. Of
pyocd, st-flash and openocd only the command lines are tested, with stand-ins: no real board was flashed by them.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from ..toolchain import find, run
from .table import Board, Chip

PARTS = {"cortex-m4f": 0xC24, "cortex-m7": 0xC27}
"""What CPUID says of a core."""

Command = tuple[str, ...]


class Tool(NamedTuple):
    """Commands with fields of `_filled`."""

    identify: Command
    id: str
    """Regular expression of what `identify` prints; its group is a number whose lowest 12 bits are the chip's id."""
    write: tuple[Command, ...]
    verified: str
    """What the last command of `write` prints after it compared the flash with the file."""


PYOCD = ("pyocd", "commander", "-W", "-t")
OPENOCD = ("openocd", "-f", "interface/stlink.cfg", "-f", "target/{openocd}.cfg", "-c")
TOOLS = {
    "pyocd": Tool(
        (*PYOCD, "cortex_m", "-c", "read32 0x{id_at}"),
        r"{id_at}:\s+(\w+)",
        (
            ("pyocd", "load", "-W", "-t", "{pyocd}", "{elf}"),
            (*PYOCD, "{pyocd}", "-c", "compare {flash_at} {image}", "-c", "reset"),
        ),
        "bytes match",
    ),
    "st-flash": Tool(
        ("st-info", "--chipid"),
        r"^0x(\w+)",
        (("st-flash", "--reset", "write", "{image}", "{flash_at}"),),
        "written and verified",
    ),
    "openocd": Tool(
        (*OPENOCD, "init", "-c", "mdw 0x{id_at}", "-c", "shutdown"),
        r"0x{id_at}: (\w+)",
        ((*OPENOCD, "program {elf} verify reset exit"),),
        "Verified OK",
    ),
}
"""The first that is installed is taken."""


def flash(board: Board, elf: Path, server: str | None) -> str:
    """Write a firmware into a board, verify it, and start it.

    Parameters
    ----------
    board : Board
    elf : Path
        The firmware; beside it a file for programs that take no .elf may be written.
    server : str or None
        HOST:PORT of a gdb server, which gdb uses; None for the first of `TOOLS` that is installed.

    Returns
    -------
    str
        The program that did it.

    Raises
    ------
    ValueError
        The board cannot be flashed this way, or `server` is no HOST:PORT.
    RuntimeError
        No program is installed, another chip is there, or what was written is not there; with the program's words.
    """
    if server is not None:
        _by_gdb(board, elf, server)
        return "gdb"
    if board.chip is None:
        raise ValueError(
            f"{board.name}: is a machine of QEMU, not a board to flash; `tsad run` runs its firmware, "
            "and --gdb HOST:PORT loads it through a gdb server"
        )
    chosen = next((name for name in TOOLS if find(name)), None)
    if chosen is None:
        raise RuntimeError(
            f"none of {', '.join(TOOLS)} was found: pip install 'tsad-edge[flash]' brings pyocd (Debian has "
            "stlink-tools and openocd); or give the gdb server of your probe (--gdb HOST:PORT)"
        )
    _by_tool(board, board.chip, elf, chosen)
    return chosen


def _by_tool(board: Board, chip: Chip, elf: Path, name: str) -> None:
    tool, image = TOOLS[name], elf.with_suffix(".bin")
    run([f"{board.prefix}objcopy", "-O", "binary", str(elf), str(image)])
    facts = {"elf": elf.name, "image": image.name, "flash_at": f"{board.flash_at:#010x}", "id_at": f"{chip.id_at:08x}"}
    facts |= {"pyocd": chip.pyocd, "openocd": chip.openocd}
    said = _said(tool.identify, facts, elf.parent)
    found = re.search(tool.id.format(**facts), said, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"{name} does not say which chip there is; nothing was written:\n{said}")
    if (there := int(found[1], 16) & 0xFFF) != chip.id:
        raise RuntimeError(
            f"wrong chip: {name} finds the id {there:#x}, and {board.name} has {chip.id:#x}; nothing was written"
        )
    for command in tool.write:
        said = _said(command, facts, elf.parent)
    if tool.verified not in said:
        raise RuntimeError(f"{name} does not say that it verified what it wrote; do not use the board:\n{said}")


def _said(command: Command, facts: dict[str, str], folder: Path) -> str:
    """All that a program prints, run where the firmware lies: names without folders need no quotes."""
    words = [word.format(**facts) for word in command]
    done = subprocess.run([find(words[0]) or words[0], *words[1:]], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)} failed ({done.returncode}):\n{(done.stdout + done.stderr).strip()}")
    return done.stdout + done.stderr


def _by_gdb(board: Board, elf: Path, server: str) -> None:
    if not re.fullmatch(r"[\w.-]+:\d+", server):
        raise ValueError(f"--gdb {server!r}: is no HOST:PORT, such as 127.0.0.1:3333")
    if board.core not in PARTS:
        raise ValueError(
            f"{board.name}: by gdb only a Cortex-M can be told from other chips; `tsad run` runs it in QEMU"
        )
    program = find("gdb-multiarch")
    if program is None:
        raise RuntimeError("gdb-multiarch was not found; install it (Debian: apt install gdb-multiarch)")
    script = Path(__file__).with_name("in_gdb.py")
    chip_id, chip_at = (board.chip.id, board.chip.id_at) if board.chip else ("", 0)
    arguments = [str(script), server, str(PARTS[board.core]), str(chip_id), str(chip_at)]
    python = f"python import sys; sys.argv = {arguments!r}"
    command = [program, "-nx", "-batch", "-ex", python, "-x", str(script), str(elf)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        words = (done.stdout.strip() or done.stderr.strip()).splitlines()
        raise RuntimeError(f"gdb at {server}: {words[-1] if words else 'ended without a word'}")
