"""What a sample takes on a board: instructions, counted by QEMU, and an estimate of an M4's cycles.

Owns the plugin's build and what its figures mean; how many cycles an instruction takes is `cycles`' business.
"""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..toolchain import run
from .cycles import MODEL, cycles
from .feed import feed
from .lines import Emulator
from .table import Board, mcu

SCORED = 4
"""Samples with a score that the mean is taken of, at most; the count hardly depends on the values."""


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
    places = {row[2]: int(row[0], 16) for row in _rows(run([f"{board.prefix}nm", str(firmware)])) if len(row) == 3}
    begin, end = places["tsad_step"], places["session_stepped"]
    with tempfile.TemporaryDirectory() as scratch:
        plugin, out = Path(scratch) / "count.so", Path(scratch) / "counts"
        compiler = shlex.split(os.environ.get("CC", "")) or [shutil.which("cc") or "gcc"]
        run([*compiler, "-O2", "-shared", "-fPIC", str(mcu() / "plugin" / "count.c"), "-o", str(plugin)])
        more = ["-plugin", f"{plugin},begin={begin},end={end},out={out}"]
        with Emulator(board, firmware, more) as line:
            told = feed(line, identity, np.arange(len(values)), values)
        rows = _rows(out.read_text())
    passes = [int(row[1]) for row in rows if row[0] == "pass"]
    scored = int(np.isfinite(told.scores).sum())
    if len(passes) != len(values) or not scored:
        raise RuntimeError(
            f"QEMU counted {len(passes)} passes of tsad_step for {len(values)} samples, {scored} of them with a score"
        )
    instructions = sum(passes[-scored:]) / scored
    found: dict[str, Any] = {"instructions": round(instructions), "stack_used_bytes": told.stack_used}
    if board.core == "cortex-m4f":
        counted = {int(row[1]): (int(row[2]), int(row[3])) for row in rows if row[0] == "at"}
        listing = run([f"{board.prefix}objdump", "-d", "--no-show-raw-insn", str(firmware)])
        # The samples that only fill the window are in the profile, too: few instructions, of the same mixture.
        each = cycles(listing, counted) / sum(passes)
        found |= {"cycles": round(each * instructions), "cycle_model": MODEL}
    return found


def _rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]
