"""What firmware takes of a board, from its objects, the linked file and the model's header: flash, RAM, stack at worst.

Nothing is run here; `instructions` measures what a sample takes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..toolchain import run
from .table import Board

LIBRARY_STACK = 64
"""Bytes of stack a function of the compiler's own library may take: it says no figure, and calls nothing large."""
ROOTS = {"reset", "start"}
SERIAL = {"board_write", "stack_used"}
POINTED = {"session.c": SERIAL, "frame.c": SERIAL}
"""Source -> functions that it calls by pointer. The detector calls the model's by pointer, and nothing else does."""


@dataclass(frozen=True)
class Need:
    """Bytes known before linking: `flash` without kernels and its `constants`, `ram` with the stack and the model's."""

    flash: int
    constants: int
    ram: int
    memory: int


def need(board: Board, tree: Path, name: str) -> Need:
    """What the firmware of one model needs at least, from the objects in the build directory `tree`."""
    own, common = tree / "CMakeFiles" / f"{name}_objects.dir", tree / "CMakeFiles"
    model, main = next(own.rglob(f"{name}.c.obj")), next(own.rglob("main.c.obj"))
    others = [*(common / "tsad_board.dir").rglob("*.obj"), *(common / "tsad_detector.dir").rglob("*.obj")]
    others = [path for path in others if not path.name.startswith("tsad_baseline")]  # firmware calls none of it
    sections = [_sections(board, path) for path in (model, main, *others)]
    flash = sum(size for each in sections for section, size in each.items() if section.startswith((".text", ".rodata")))
    constants = sum(size for section, size in sections[0].items() if section.startswith(".rodata"))
    ram = sum(size for each in sections for section, size in each.items() if section.startswith((".data", ".bss")))
    return Need(flash, constants, ram + board.stack, _symbols(board, main)["memory"])


def footprint(board: Board, tree: Path, folder: Path) -> dict[str, Any]:
    """What the linked firmware of the model in a folder takes, in bytes.

    Returns
    -------
    dict
        ``flash_bytes`` and of it ``code_bytes`` (all but the model's weights); ``static_bytes`` (.data and .bss) and
        of it ``memory_bytes`` (the model's, of it `memory_parts`) and ``detector_bytes``; ``stack_worst_bytes``.

    Raises
    ------
    RuntimeError
        The worst case of the stack cannot be told, or is more than the board gives.
    """
    name = folder.name
    elf = tree / f"{name}.elf"
    sections, symbols = _sections(board, elf), _symbols(board, elf)
    flash = sum(sections.get(section, 0) for section in (".text", ".rodata", ".data"))
    weights = sum(size for symbol, size in symbols.items() if re.fullmatch(rf"{name}_(enter|w\d+)", symbol))
    stack = worst_stack(sorted(tree.rglob("*.ci")), set(symbols), name)
    if stack > board.stack:
        raise RuntimeError(f"{name} may take {stack} bytes of stack on {board.name}, and there are {board.stack}")
    return {
        "flash_bytes": flash,
        "code_bytes": flash - weights,
        "static_bytes": sections.get(".data", 0) + sections.get(".bss", 0),
        "memory_bytes": symbols["memory"],
        **memory_parts((folder / f"{name}.h").read_text()),
        "detector_bytes": symbols["detector"],
        "stack_worst_bytes": stack,
    }


def memory_parts(header: str) -> dict[str, int]:
    """The largest parts of the memory that a model's detector takes on a board, in bytes, as its header says.

    Returns
    -------
    dict
        ``ring_bytes``, the window's samples, or the last one of a stream; ``state_bytes`` of a stream; ``arena_bytes``.

    Examples
    --------
    >>> memory_parts("#define M_A_MEMORY (TSAD_MEMORY_SIZE(50, 20, 0, 5, 16, 520, 1) + TSAD_GUARD_SIZE(5))")
    {'ring_bytes': 1000, 'state_bytes': 0, 'arena_bytes': 536}
    """
    found = re.search(r"_MEMORY \(?TSAD_MEMORY_SIZE\(([\d, ]+)\)", header)
    assert found is not None
    window, slot, state, _, fixed, per_window, _ = map(int, found[1].split(","))
    return {"ring_bytes": slot if state else window * slot, "state_bytes": state, "arena_bytes": fixed + per_window}


def worst_stack(graphs: list[Path], linked: set[str], model: str) -> int:
    """Bytes of the deepest chain of calls from reset on, by what the compiler says (-fcallgraph-info=su).

    Parameters
    ----------
    graphs : list of Path
        A .ci file of every object.
    linked : set of str
        Functions that are in the firmware.
    model : str
        C name; calls by pointer in tsad.c reach all functions of its file.

    Raises
    ------
    RuntimeError
        A function calls itself, takes stack of a size that is not known, or calls by pointer where none is expected.
    """
    frames: dict[str, int] = {}
    calls: dict[str, set[str]] = {}
    files: dict[str, set[str]] = {}
    for path in graphs:
        source, text = path.name.removesuffix(".ci"), path.read_text()
        for title, size, kind in re.findall(r'node: { title: "([^"]+)" label: "[^"]*\\n(\d+) bytes \((\w+)\)', text):
            if kind != "static":
                raise RuntimeError(f"{title} takes stack of a size that is not known when it is compiled")
            frames[title] = int(size)
            files.setdefault(source, set()).add(title)
        for caller, callee in re.findall(r'edge: { sourcename: "([^"]+)" targetname: "([^"]+)"', text):
            calls.setdefault(caller, set()).add(callee if callee != "__indirect_call" else f"*{source}")

    def reached(pointer: str) -> set[str]:
        if pointer == "*tsad.c":
            return files[f"{model}.c"]
        if (names := POINTED.get(pointer[1:])) is None:
            raise RuntimeError(f"{pointer[1:]} calls by pointer; what it reaches must be named in footprint.POINTED")
        return {title for title in frames if title.rpartition(":")[2] in names}

    def depth(function: str, above: tuple[str, ...]) -> int:
        if function.startswith("*"):
            return max(depth(each, above) for each in reached(function))
        if function in above:
            raise RuntimeError(f"{function} calls itself, by way of {', '.join(above[above.index(function) :])}")
        if function not in frames:
            return LIBRARY_STACK
        own = frames[function]
        return own + max((depth(each, (*above, function)) for each in calls.get(function, ())), default=0)

    return max(depth(root, ()) for root in ROOTS & set(frames) & linked)


def _sections(board: Board, path: Path) -> dict[str, int]:
    rows = [line.split() for line in run([f"{board.prefix}size", "-A", str(path)]).splitlines()]
    found: dict[str, int] = {}
    for row in rows:
        if len(row) == 3 and row[1].isdigit():
            found[row[0]] = found.get(row[0], 0) + int(row[1])
    return found


def _symbols(board: Board, path: Path) -> dict[str, int]:
    """Name -> size of every symbol that has one or is a function."""
    rows = [line.split() for line in run([f"{board.prefix}nm", "-S", str(path)]).splitlines()]
    return {row[-1]: int(row[1], 16) if len(row) == 4 else 0 for row in rows if len(row) >= 3}
