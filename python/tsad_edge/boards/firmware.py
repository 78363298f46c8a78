"""Firmware from generated C: compiles, refuses what does not fit the board, links, and says what it takes.

Owns how the cross-compiler is called, what "fits" means, and where a model's C has its id. How much firmware takes,
`footprint` measures.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from ..files import replaced
from ..toolchain import compile_tree, configure, find
from .footprint import Need, footprint, need
from .table import CORES, Board, boards, mcu


def build(board: Board, models: Path, out: Path) -> dict[str, dict[str, Any]]:
    """Compile the firmware of every generated model below `models` for a board.

    Parameters
    ----------
    board : Board
    models : Path
        One folder a model, each with ``<C name>.h`` and ``<C name>.c``.
    out : Path
        Receives one ``<C name>.elf`` a model; replaced whole, and only after all of it was linked.

    Returns
    -------
    dict
        C name -> what `footprint.footprint` says of it.

    Raises
    ------
    ValueError
        A model does not fit the board: how much it needs, what would fit, and where it would.
    RuntimeError
        CMake or the cross-compiler is missing, or the C does not compile.
    """
    names = sorted(folder.name for folder in models.iterdir() if (folder / f"{folder.name}.c").is_file())
    compiler = f"{board.prefix}gcc"
    if find(compiler) is None:
        raise RuntimeError(
            f"{compiler} was not found; install it (Debian: apt install {CORES[board.core].compiler_package})"
        )
    core = mcu() / "cores" / f"{board.core}.cmake"
    out.parent.mkdir(parents=True, exist_ok=True)
    with replaced(out) as (fresh,), tempfile.TemporaryDirectory(prefix=f"{out.name}-", dir=out.parent) as scratch:
        tree = Path(scratch).resolve()
        options = (f"-DTSAD_BOARD={board.name}", f"-DTSAD_MODELS={models.resolve()}", f"-DCMAKE_TOOLCHAIN_FILE={core}")
        configure(tree, *options)
        compile_tree(tree, "tsad_board", "tsad_detector", "tsad_kernels", *(f"{name}_objects" for name in names))
        for name in names:
            _require_room(board, name, need(board, tree, name))
        _link(board, tree)
        found = {name: footprint(board, tree, models / name) for name in names}
        for name in names:
            shutil.copy2(tree / f"{name}.elf", fresh / f"{name}.elf")
    return found


def build_one(board: Board, folder: Path, scratch: Path) -> Path:
    """Firmware of the one model in a folder that ``tsad convert`` wrote; a path below `scratch`. Raises as `build`."""
    name = model_name(folder)
    models, out = scratch / "models", scratch / "out"
    models.mkdir()
    (models / name).symlink_to(folder.resolve())
    build(board, models, out)
    return out / f"{name}.elf"


def model_name(folder: Path) -> str:
    """C name of the model in a folder that ``tsad convert`` wrote.

    Raises
    ------
    ValueError
        There is no model, or not one.
    """
    found = sorted(path.stem for path in folder.glob("m_*.c"))
    if len(found) != 1 or not (folder / "detector.json").is_file():
        raise ValueError(
            f"{folder}: is no folder of one model's C and its detector.json; --model names one that tsad convert wrote"
        )
    return found[0]


def identity(folder: Path, name: str) -> str:
    """The id in a model's C."""
    found = re.search(r'\.id = "([0-9a-f]{64})"', (folder / f"{name}.c").read_text())
    if found is None:
        raise ValueError(f"{folder / name}.c: has no id; convert the model again")
    return found[1]


def _require_room(board: Board, name: str, least: Need) -> None:
    """Refuse a model whose firmware is too large even before the kernels are added to it."""
    if least.flash <= board.flash and least.ram <= board.ram:
        return
    others = [b.name for b in boards().values() if least.flash <= b.flash and least.ram <= b.ram]
    weights, memory = (board.flash - least.flash + least.constants) // 4, board.ram - least.ram + least.memory
    elsewhere = (
        f"this one would fit {', '.join(others)}" if others else "no board of `tsad list boards` has room for it"
    )
    raise ValueError(
        f"{name} does not fit {board.name}. It needs at least {least.flash} bytes of flash, {least.constants} of them "
        f"constants, and the board has {board.flash}; it needs {least.ram} bytes of RAM, {least.memory} of them the "
        f"model's and {board.stack} stack, and the board has {board.ram}. Up to {max(weights, 0)} weights and "
        f"{max(memory, 0)} bytes of a model's memory fit this board: train a smaller one, or with a shorter window; "
        + elsewhere
    )


def _link(board: Board, tree: Path) -> None:
    """The rest of it; what was near the limit is seen now."""
    try:
        compile_tree(tree)
    except RuntimeError as error:
        over = re.search(r"(m_\w+)\.elf section .*?region `(FLASH|RAM)' overflowed by (\d+) bytes", str(error), re.S)
        if over is None:
            raise
        what, size = ("flash", board.flash) if over[2] == "FLASH" else ("RAM", board.ram)
        raise ValueError(
            f"{over[1]} does not fit {board.name}: with its kernels it is {over[3]} bytes more than the {size} bytes "
            f"of {what} there are; train a smaller model, or take a larger board of `tsad list boards`"
        ) from None
