"""`tsad flash`: a model's firmware into a board, and the proof that it is there: the board tells the model's id.

Owns the order: nothing is written before the port is open. `boards` builds, writes and verifies.
"""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path

from .boards import Port, board, build_one, flash, identity
from .boards.protocol import Session

PATIENCE = (2.0, 2.0, 4.0, 8.0)
"""Seconds that a board that has just been started may take to answer, question by question."""
ST_LINK = 0x0483
"""STMicroelectronics' number as a maker of USB devices."""


def into_board(board_name: str, folder: Path, port: str | None, server: str | None) -> str:
    """Build a model's firmware, write it into a board, verify it, start it, and read the model's id back.

    Parameters
    ----------
    board_name : str
        Of `boards.boards`.
    folder : Path
        With a model's C and its detector.json, as ``tsad convert`` writes them.
    port : str or None
        The board's serial port; None for the only ST-Link that is connected.
    server : str or None
        HOST:PORT of a gdb server; None for pyocd, st-flash or openocd.

    Returns
    -------
    str
        What was done, for people.

    Raises
    ------
    ValueError
        There is no such board, model, port or way; says the next step.
    RuntimeError
        A tool is missing, another chip is there, or the board does not hold or run what was written.
    """
    chosen, name = board(board_name), port or _only_port()
    with tempfile.TemporaryDirectory(prefix="tsad-") as scratch, Port(name) as line:
        elf = build_one(chosen, folder, Path(scratch))
        program = flash(chosen, elf, server)
        found = _model_id(line, name)
    wanted = identity(folder, elf.stem)
    if found != wanted:
        raise RuntimeError(
            f"{name}: the board there holds the model {found[:12]}..., not {wanted[:12]}..., which was written; "
            "--port must be the serial port of the board that was flashed"
        )
    return f"{elf.stem} runs on {chosen.name}: written and verified by {program}; {name} tells its id, {found[:12]}..."


def _model_id(line: Port, name: str) -> str:
    try:
        return Session(line, secrets.randbits(32), PATIENCE).model.id
    except (RuntimeError, OSError) as error:
        raise RuntimeError(
            f"{name}: the firmware was written and verified, but {error}; is this the board's port?"
        ) from None


def _only_port() -> str:
    try:
        from serial.tools.list_ports import comports
    except ImportError:
        raise RuntimeError("pyserial is needed to read the id back: pip install 'tsad-edge[flash]'") from None
    found = [str(each.device) for each in comports() if each.vid == ST_LINK]
    if len(found) != 1:
        raise ValueError(f"--port must name the board's serial port: ST-Links at {', '.join(found) or 'none'}")
    return found[0]
