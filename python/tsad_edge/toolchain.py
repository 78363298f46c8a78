"""From generated C to binaries: runs CMake and the C compiler, finds what they made, measures its size.

Owns where the C sources are (a checkout or the installed package) and how the build is called. Knows no model.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .files import replaced


def sources() -> Path:
    """Directory that holds CMakeLists.txt and csrc: the checkout, or the copy that the wheel carries."""
    here = Path(__file__).resolve()
    for root in (here.parents[2], here.parent / "native"):
        if (root / "CMakeLists.txt").is_file() and (root / "csrc" / "tsad.h").is_file():
            return root
    raise RuntimeError(f"{here.parent / 'native'}: the C sources are not there; reinstall tsad-edge")


def build(models: Path, out: Path, *, tap: bool = False) -> None:
    """Compile every generated model below `models` and the edge binary into `out`.

    Parameters
    ----------
    models : Path
        One folder a model, each with ``<C name>.h`` and ``<C name>.c``.
    out : Path
        Receives ``tsad-edge`` and one ``lib<C name>.so`` a model; replaced whole, and only after all of it compiled.
    tap : bool
        Compile the programs with taps: a library then shows what every operator computed.

    Raises
    ------
    RuntimeError
        CMake or a compiler is missing, or the C does not compile; holds the end of the compiler's own words.
    """
    if not (os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")):
        raise RuntimeError("no C compiler found; install gcc (Debian, Ubuntu: apt install build-essential)")
    with replaced(out) as (fresh,), tempfile.TemporaryDirectory(prefix=f"{out.name}-", dir=out.parent) as scratch:
        tree = Path(scratch)
        configure(tree, f"-DTSAD_MODELS={models.resolve()}", f"-DTSAD_TAP={'ON' if tap else 'OFF'}")
        compile_tree(tree)
        for product in [edge_binary(tree), *sorted(tree.glob("libm_*.so"))]:
            shutil.copy2(product, fresh / product.name)


def configure(tree: Path, *options: str) -> None:
    """Prepare the directory `tree` for `compile_tree`; `options` are those of CMakeLists.txt.

    Raises
    ------
    RuntimeError
        CMake is missing, or finds something wrong.
    """
    cmake, ninja = find("cmake"), find("ninja")
    if cmake is None:
        raise RuntimeError(
            "cmake was not found; it is needed to compile: pip install 'tsad-edge[train]', or your system's package"
        )
    generator = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"] if ninja else []
    run([cmake, "-S", str(sources()), "-B", str(tree), *generator, "-DCMAKE_BUILD_TYPE=Release", *options])


def compile_tree(tree: Path, *targets: str) -> None:
    """Compile what `configure` prepared: all of it, or some of its targets.

    Raises
    ------
    RuntimeError
        The C does not compile or link; holds the end of the compiler's own words.
    """
    chosen = ["--target", *targets] if targets else []
    run([find("cmake") or "cmake", "--build", str(tree), "--parallel", str(os.cpu_count() or 1), *chosen])


def edge_binary(directory: Path) -> Path:
    """Path of the command-line detector that `build` made."""
    return directory / "tsad-edge"


def runnable(binary: Path) -> Path:
    """The edge binary, again with the permission to run it, which DVC's cache does not keep inside a directory."""
    if not os.access(binary, os.X_OK):
        binary.chmod(binary.stat().st_mode | 0o111)
    return binary


def library(directory: Path, c_name: str) -> Path:
    """Path of one model library that `build` made."""
    return directory / f"lib{c_name}.so"


def code_bytes(path: Path) -> int | None:
    """Bytes of machine code in a library or program, by ``size``; None where binutils is not installed."""
    tool = shutil.which("size")
    if tool is None:
        return None
    rows = [line.split() for line in run([tool, "-A", str(path)]).splitlines()]
    return sum(int(row[1]) for row in rows if row and row[0] == ".text")


def find(name: str) -> str | None:
    """A program beside this Python (a virtual environment need not be activated), or else on the PATH.

    Examples
    --------
    >>> find("no-such-program") is None
    True
    """
    return shutil.which(name, path=Path(sys.executable).parent) or shutil.which(name)


def run(command: list[str]) -> str:
    """What a program prints; a RuntimeError with the end of its words when it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        words = (done.stdout + done.stderr).strip().splitlines()
        raise RuntimeError(f"{' '.join(command[:2])} ... failed ({done.returncode}):\n" + "\n".join(words[-40:]))
    return done.stdout
