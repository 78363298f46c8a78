"""Who may look at whom (DESIGN: strictly down, no sideways imports), read from the sources themselves."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Python: each layer may import what stands in a later one.
PYTHON_LAYERS = [
    ["cli"],
    ["registry"],
    ["stages", "own_model", "doctor", "service"],
    ["integers", "integer_proof"],
    ["entity", "report", "on_board", "flash", "drop_in", "mlem_native", "stream"],
    ["boards"],
    [
        "train",
        "threshold",
        "rules",
        "check",
        "aggregate",
        "toolchain",
        "timing",
        "bring",
        "project",
        "mlem_file",
        "deploy",
    ],
    ["models", "metrics", "floors", "scoring", "plots", "detector", "weights", "spot", "bulk"],
    ["data", "origin", "params", "twin", "processes", "rounding", "adjusted", "untrusted", "float32", "_core"],
    ["files", "vus"],
]
COMPILING = {"stages", "own_model", "entity", "integers", "integer_proof"}
"""Who may import the compiler: the pipeline, a model brought along, and what both do for one detector."""
# The compiler: the same rule.
CODEGEN_LAYERS = [
    ["__init__"],
    ["precision"],
    ["load", "emit", "diverge", "provenance"],
    ["passes", "program"],
    ["translate", "verify", "interpret", "config", "unrolled"],
    ["ctext"],
    ["ops"],
    ["ir"],
]
# C: file (or folder) -> headers it may include with quotes.
C_INCLUDES = {
    **{
        f"csrc/{part}": {"tsad.h", "tsad_parts.h"}
        for part in ("tsad.c", "tsad_guard.c", "tsad_event.c", "tsad_parts.h")
    },
    "csrc/arch": {
        "kernels.h",
        "cells.h",
        "eight.h",
        "elementary.h",
        "functions.h",
        "integer.h",
        "lanes.h",
        "lines.h",
        "many.h",
        "panels.h",
        "recurrent_s8.h",
        "shares.h",
        "tiles.h",
    },
    "csrc/kernels": {
        "kernels.h",
        "kernels_s16.h",
        "cells.h",
        "centre.h",
        "elementary.h",
        "functions.h",
        "integer.h",
        "lines.h",
        "shares.h",
        "taps.h",
    },
    "csrc/target": {
        *(
            "tsad.h",
            "baseline.h",
            "csv.h",
            "columns.h",
            "fail.h",
            "m_reference.h",
            "frame.h",
            "session.h",
            "board.h",
            "start.h",
        ),
    },
    "csrc/bindings.cpp": {"tsad.h", "crew.hpp", "columns.h"},
    "csrc/crew.hpp": {"tsad.h"},
    "csrc/reference": {"tsad.h", "kernels.h", "m_reference.h"},
}


def imports(path: Path) -> set[tuple[int, str]]:
    """(line, dotted name) of every import below `path`'s package, relative ones by their first name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            names = [node.module] if node.module else [alias.name for alias in node.names]
            found |= {(node.level, name) for name in names if name != "__version__"}
        elif isinstance(node, ast.Import):
            found |= {(0, alias.name) for alias in node.names}
    return found


def layer_of(name: str, layers: list[list[str]]) -> int:
    for depth, names in enumerate(layers):
        if name in names:
            return depth
    raise AssertionError(f"{name} stands in no layer: put it into the table of tests/test_layering.py")


def room_files(root: Path, room: str) -> list[Path]:
    """The files of a module or package below `root`."""
    return sorted((root / room).rglob("*.py")) if (root / room).is_dir() else [root / f"{room}.py"]


def violations(root: Path, layers: list[list[str]]) -> list[str]:
    """Imports that do not go strictly down; within a package all is allowed."""
    wrong = []
    rooms = {p.stem for p in root.glob("*.py")} | {p.parent.name for p in root.glob("*/__init__.py")}
    for room in sorted(rooms - {"__init__"}):
        for path in room_files(root, room):
            depth = 1 if path.parent == root else 1 + len(path.parent.relative_to(root).parts)
            for level, name in imports(path):
                if level != depth:
                    continue  # another package, or the room's own
                target = name.split(".")[0]
                if name == "codegen.unrolled":
                    continue  # knows torch and nothing else
                if target == "codegen":
                    if room not in COMPILING:
                        wrong.append(f"{path.name} imports codegen; only {', '.join(sorted(COMPILING))} may")
                elif target == room:
                    continue
                elif layer_of(target, layers) <= layer_of(room, layers):
                    wrong.append(f"{path.name} imports {target}, which is not below it")
    return wrong


def test_python_goes_down() -> None:
    assert violations(ROOT / "python/tsad_edge", PYTHON_LAYERS) == []


def test_codegen_goes_down_and_stays_inside() -> None:
    root = ROOT / "codegen"
    assert violations(root, CODEGEN_LAYERS) == []
    for path in root.rglob("*.py"):
        for level, name in imports(path):
            assert not name.startswith("tsad_edge"), f"{path.name} imports {name}: relative imports only"
            depth = 1 + len(path.parent.relative_to(root).parts)
            assert level <= depth, f"{path.name} reaches out of codegen"
            assert name.split(".")[0] != "torch" or path.name in {"load.py", "unrolled.py"}, (
                f"{path.name} imports torch; only load.py and unrolled.py may"
            )


def test_only_the_command_prints() -> None:
    for path in [*(ROOT / "python/tsad_edge").rglob("*.py"), *(ROOT / "codegen").rglob("*.py")]:
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        prints = [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]
        assert prints == [] or path.name == "cli.py", f"{path.name} prints in line {prints}"


def test_a_sideways_import_is_seen(tmp_path: Path) -> None:
    for name, text in {"a": "from . import b\n", "b": "from .c import x\n", "c": "from .a import y\n"}.items():
        (tmp_path / f"{name}.py").write_text(text)
    found = violations(tmp_path, [["a"], ["b", "c"]])
    assert found == ["b.py imports c, which is not below it", "c.py imports a, which is not below it"]


@pytest.mark.parametrize("room", C_INCLUDES)
def test_c_includes(room: str) -> None:
    path = ROOT / room
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix in {".c", ".h", ".cpp"})
    assert files, f"{room} is gone: mend the table"
    for file in files:
        for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', file.read_text(), re.M):
            assert Path(name).name in C_INCLUDES[room], f"{file.name} includes {name}"


def test_import_is_light(python_says) -> None:  # type: ignore[no-untyped-def]
    """`import tsad_edge` brings neither torch nor pandas, not even with the detector."""
    heavy = "{'torch', 'pandas', 'sklearn', 'matplotlib', 'rich'}"
    assert python_says(f"import sys, tsad_edge; tsad_edge.Detector; print(sorted({heavy} & set(sys.modules)))") == "[]"
