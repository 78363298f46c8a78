"""What gdb does to bring a firmware into a board: the script that `flashers` has gdb run, in gdb's own Python.

Refuses another chip before anything is written, and starts nothing that is not what was written. It may import nothing
of this package. A refusal leaves the board halted, and the last line says why.
"""

from __future__ import annotations

import sys
from typing import Any

CPUID = 0xE000ED00


class Refused(Exception):
    """This board gets, or starts, no firmware."""


def bring(gdb: Any, where: str, part: int, chip: int | None, chip_at: int) -> None:
    """Check, load, compare, reset and let go.

    Parameters
    ----------
    gdb : module
        gdb's own, with the firmware as its program.
    where : str
        HOST:PORT of a gdb server.
    part : int
        What CPUID must say of the processor.
    chip, chip_at : int
        The chip's id, and the address of the word whose lowest 12 bits it must be; `chip` is None where any will do.

    Raises
    ------
    Refused, gdb.error
        Says what is wrong.
    """
    for setting in ("confirm off", "pagination off", "tcp auto-retry off", "mem inaccessible-by-default off"):
        gdb.execute(f"set {setting}")
    gdb.execute(f"target remote {where}")
    try:
        _require("processor (CPUID)", _word(gdb, CPUID) >> 4 & 0xFFF, part)
        if chip is not None:
            _require("chip (DBGMCU_IDCODE)", _word(gdb, chip_at) & 0xFFF, chip)
        gdb.execute("load")
        compared = gdb.execute("compare-sections", to_string=True)
        if wrong := [line for line in compared.splitlines() if "MIS-MATCHED" in line]:
            raise Refused(f"the board does not hold what was written to it, and was not started: {'; '.join(wrong)}")
        if "unknown command" in gdb.execute("monitor reset", to_string=True):  # QEMU has another word for it
            gdb.execute("monitor system_reset")
    except (Refused, gdb.error):
        gdb.execute("disconnect")  # the end of gdb would let it run
        raise
    gdb.execute("detach")


def _require(what: str, found: int | None, wanted: int) -> None:
    if found != wanted:
        raise Refused(f"wrong chip: its {what} has the id {found:#x}, not {wanted:#x}; nothing was written")


def _word(gdb: Any, address: int) -> int:
    try:
        return int(gdb.parse_and_eval(f"*(unsigned int *){address:#x}"))
    except gdb.MemoryError:
        raise Refused(f"wrong chip: it has no id at {address:#x}; nothing was written") from None


if __name__ == "__main__":
    import gdb

    where, part, chip, chip_at = sys.argv[1:]
    try:
        bring(gdb, where, int(part), int(chip) if chip else None, int(chip_at))
    except (Refused, gdb.error) as error:
        sys.stdout.write(f"{error}\n")
        sys.stdout.flush()
        gdb.execute("quit 1")
