"""What the models of a pipeline cost on a board: the entry of cost.json.

Joins what `firmware` finds in the linked firmware with what `instructions` counts in QEMU.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .firmware import build, identity
from .instructions import per_sample
from .table import Board, boards


class Sample(NamedTuple):
    """Of one model: its window, and normal samples (T, C) to count on, at least `window` of them."""

    window: int
    values: NDArray[np.float32]


def cost(board: Board, models: Path, samples: Mapping[str, Sample], out: Path) -> dict[str, Any]:
    """Build the firmware of every model below `models` into `out`, measure it, and say what it costs.

    Parameters
    ----------
    board : Board
    models : Path
        One folder a model, as ``tsad convert`` writes them.
    samples : mapping
        C name -> what to count on.
    out : Path
        Receives the .elf files.

    Returns
    -------
    dict
        ``core``; ``counted_on``, the board whose emulator counted (another one of the same core where QEMU does not
        have this one: the same detector's code runs there); ``per_model``: C name -> `footprint.footprint` and
        `instructions.per_sample`.

    Raises
    ------
    ValueError
        A model does not fit.
    RuntimeError
        A tool is missing.
    """
    found = build(board, models, out)
    counting = board if board.machine else next(b for b in boards().values() if b.core == board.core and b.machine)
    with tempfile.TemporaryDirectory(prefix="tsad-") as scratch:
        firmware = out
        if counting != board:
            firmware = Path(scratch) / "out"
            build(counting, models, firmware)
        for name, size in found.items():
            window, values = samples[name]
            elf = firmware / f"{name}.elf"
            size |= per_sample(counting, elf, identity(models / name, name), window, values)
    return {"core": board.core, "counted_on": counting.name, "per_model": found}
