"""What a sample, or any stretch of firmware, takes: instructions, counted by QEMU, and an estimate of an M4's cycles.

Owns the plugin's build and what its figures mean; how many cycles an instruction takes is `cycles`' business.
"""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..toolchain import run
from .cycles import MODEL, cycles
from .feed import Told, feed
from .lines import Emulator
from .table import Board, mcu

SCORED = 4
"""Samples with a score that the mean is taken of, at most; the count hardly depends on the values."""


Used = TypeVar("Used")


class Counts(NamedTuple):
    """Of one run of a firmware."""

    passes: list[int]
    """Instructions of each time that the firmware came by."""
    at: dict[int, tuple[int, int]]
    """Of all passes: address -> how often it was executed, and how often another one than its neighbour came next."""


def count(board: Board, firmware: Path, begin: str, end: str, use: Callable[[Emulator], Used]) -> tuple[Counts, Used]:
    """Count the instructions from one function's first one up to another function, while `use` uses the firmware.

    Parameters
    ----------
    board : Board
        With a machine.
    firmware : Path
        The .elf file.
    begin, end : str
        Names of the two functions; `end` is not counted.
    use : callable
        Gets the line to the running firmware.

    Raises
    ------
    RuntimeError
        QEMU, a C compiler of the host or the cross-compiler's programs are missing.
    """
    places = {row[2]: int(row[0], 16) for row in _rows(run([f"{board.prefix}nm", str(firmware)])) if len(row) == 3}
    with tempfile.TemporaryDirectory() as scratch:
        plugin, out = Path(scratch) / "count.so", Path(scratch) / "counts"
        compiler = shlex.split(os.environ.get("CC", "")) or [shutil.which("cc") or "gcc"]
        run([*compiler, "-O2", "-shared", "-fPIC", str(mcu() / "plugin" / "count.c"), "-o", str(plugin)])
        more = ["-plugin", f"{plugin},begin={places[begin]},end={places[end]},out={out}"]
        with Emulator(board, firmware, more) as line:
            used = use(line)
        rows = _rows(out.read_text())
    passes = [int(row[1]) for row in rows if row[0] == "pass"]
    return Counts(passes, {int(row[1]): (int(row[2]), int(row[3])) for row in rows if row[0] == "at"}), used


def cycles_of(board: Board, firmware: Path, counts: Counts) -> int:
    """Cycles that a Cortex-M4 takes for all passes, by the model of `cycles`; raises as `count`."""
    return cycles(run([f"{board.prefix}objdump", "-d", "--no-show-raw-insn", str(firmware)]), counts.at)


def per_sample(board: Board, firmware: Path, identity: str, window: int, values: NDArray[np.float32]) -> dict[str, Any]:
    """Run some samples on the board's emulator and count, from the call of tsad_step to its return.

    Parameters
    ----------
    board : Board
        With a machine.
    firmware, identity : Path, str
        The .elf file, and the id of the model in it.
    window : int
        W.
    values : ndarray (T, C)
        Normal samples, complete, at least W.

    Returns
    -------
    dict
        ``instructions``, exact, mean of the last samples; ``stack_used_bytes``; on a Cortex-M4 ``cycles`` and the
        ``cycle_model``.

    Raises
    ------
    RuntimeError
        QEMU, a C compiler of the host or the cross-compiler's programs are missing, or QEMU counted nothing.
    """
    values = values[: window - 1 + SCORED]

    def use(line: Emulator) -> Told:
        return feed(line, identity, np.arange(len(values)), values)

    counts, told = count(board, firmware, "tsad_step", "session_stepped", use)
    passes, scored = counts.passes, int(np.isfinite(told.scores).sum())
    if len(passes) != len(values) or not scored:
        raise RuntimeError(
            f"QEMU counted {len(passes)} passes of tsad_step for {len(values)} samples, {scored} of them with a score"
        )
    instructions = sum(passes[-scored:]) / scored
    found: dict[str, Any] = {"instructions": round(instructions), "stack_used_bytes": told.stack_used}
    if board.core == "cortex-m4f":
        # The samples that only fill the window are in the profile, too: few instructions, of the same mixture.
        each = cycles_of(board, firmware, counts) / sum(passes)
        found |= {"cycles": round(each * instructions), "cycle_model": MODEL}
    return found


def _rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]
