"""The boards there are: what csrc/target/mcu/boards.json says, which CMake reads, too.

Owns names, cores and memories. Drivers are C; how firmware is built is `firmware`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ..files import read_json
from ..toolchain import sources


class Core(NamedTuple):
    """What builds and what runs firmware of a core."""

    prefix: str
    """What the names of the compiler's programs begin with."""
    compiler_package: str
    """Debian's."""
    emulator: str
    emulator_package: str


CORES = {
    "cortex-m4f": Core("arm-none-eabi-", "gcc-arm-none-eabi", "qemu-system-arm", "qemu-system-arm"),
    "cortex-m7": Core("arm-none-eabi-", "gcc-arm-none-eabi", "qemu-system-arm", "qemu-system-arm"),
    "rv32imafc": Core("riscv64-unknown-elf-", "gcc-riscv64-unknown-elf", "qemu-system-riscv32", "qemu-system-misc"),
}


class Chip(NamedTuple):
    """What tells a real board's chip from others, and what programs that flash it call it."""

    id_at: int
    """Address of DBGMCU_IDCODE, whose lowest 12 bits are the id."""
    id: int
    pyocd: str
    """Its target, of a CMSIS pack."""
    openocd: str
    """Its file in OpenOCD's folder `target`."""


@dataclass(frozen=True)
class Board:
    """One board; sizes in bytes."""

    name: str
    core: str
    flash_at: int
    """Address of the flash."""
    flash: int
    ram: int
    stack: int
    """Of the RAM, for the stack."""
    machine: str | None
    """QEMU's name of it; None where only a real one runs the firmware."""
    line: int | None
    """Which of QEMU's serial lines the firmware talks on."""
    chip: Chip | None
    """None where QEMU's machine is all that the firmware was made for."""

    @property
    def prefix(self) -> str:
        """What the names of the compiler's programs begin with."""
        return CORES[self.core].prefix

    @property
    def runs_on(self) -> str:
        """What runs its firmware, for people."""
        if self.machine is None:
            return "the board, by --port"
        return f"QEMU ({CORES[self.core].emulator} -M {self.machine})"


def mcu() -> Path:
    """Where the C of firmware lies."""
    return sources() / "csrc" / "target" / "mcu"


@cache
def boards() -> dict[str, Board]:
    """All of them, by name.

    Examples
    --------
    >>> boards()["nucleo-f411re"].flash
    524288
    """
    rows = read_json(mcu() / "boards.json")
    return {name: _board(name, row) for name, row in rows.items()}


def _board(name: str, row: dict[str, Any]) -> Board:
    flash_at, flash = row["flash"]
    chip = row["chip"]
    found = chip and Chip(int(chip["id_at"], 16), int(chip["id"], 16), chip["pyocd"], chip["openocd"])
    core, ram, stack, machine, line = row["core"], row["ram"][1], row["stack"], row["machine"], row["line"]
    return Board(name, core, int(flash_at, 16), flash, ram, stack, machine, line, found)


def board(name: str) -> Board:
    """One by its name.

    Raises
    ------
    ValueError
        There is none of this name; says which there are.
    """
    if name not in boards():
        raise ValueError(f"no board is called {name!r}; there are {', '.join(boards())} (see `tsad list boards`)")
    return boards()[name]
