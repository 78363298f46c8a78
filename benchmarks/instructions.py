"""Instructions of this machine that kernels and scores take, against benchmarks/baseline.json: `make instructions`.

    python benchmarks/instructions.py            # counts, prints, compares
    python benchmarks/instructions.py --write    # takes what was counted as the new baseline; commit it with its reason

Counted by Valgrind's callgrind, so that the same code gives the same figure on a busy machine, too; more than 2 %
either way are an error. There is a row for every call of kernel_calls.c, and one for a tsad_step of every model of
untrained.py in the edge binary: the mean of as many steps as the window has. The compiler is gcc, whatever CC says;
another version makes other code, so its counts are not compared.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from baseline import Measured, agreed, judge, wants_write
from limits import runnable
from untrained import INTEGERS, REFERENCE, series, window, written

from tsad_edge import toolchain
from tsad_edge.models import MODELS

SCORES = (REFERENCE, *MODELS, *(name + INTEGERS for name in MODELS))
OFF = 0.02
"""By how much a figure may be larger or smaller than the baseline's."""
PART = re.compile(r"^desc: Trigger: (?P<why>[^\n]*)$.*?^summary: (?P<count>\d+)$", re.MULTILINE | re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Count and compare; 1 when something moved."""
    write = wants_write(__doc__, arguments)
    if not write and (why := incomparable()):
        print(why)
        return 0
    return judge(measure(SCORES), limits, write=write)


def limits(same_compiler: bool) -> tuple[float, float]:
    """How far a figure may go; those of another compiler never come here."""
    return 1 - OFF, 1 + OFF


def incomparable() -> str:
    """Why counts cannot be compared with the baseline; empty where they can."""
    here, there = compiler(), sorted(set(agreed("instructions").makers.values()))
    if there == [here]:
        return ""
    return (
        f"instructions are not compared: the baseline's code was made by {' and '.join(there) or 'nobody'}, "
        f"here by {here}; take that compiler, or run `python benchmarks/instructions.py --write` with this one"
    )


def compiler() -> str:
    """The one that is measured with, and the machine that it makes code for."""
    return " ".join(["gcc", *(toolchain.run(["gcc", f"-dump{what}"]).strip() for what in ("fullversion", "machine"))])


def measure(models: Sequence[str]) -> Measured:
    """Build and count."""
    with tempfile.TemporaryDirectory(prefix="tsad-instructions-") as scratch:
        names = build(models, Path(scratch))
        return count(Path(scratch), names)


def build(models: Sequence[str], place: Path) -> dict[str, str]:
    """Compile the calls of kernels, and models with the edge binary, in an empty folder; gives the models' C names."""
    (place / "models").mkdir()
    names = {model: written(model, place / "models") for model in models}
    options = f"-DTSAD_MODELS={place / 'models'}", "-DTSAD_CALLS=ON", "-DCMAKE_C_COMPILER=gcc"
    toolchain.configure(place / "tree", *options)
    programs = [*(f"kernel_calls_{isa}" for isa in countable()), *(["tsad-edge"] if names else []), *names.values()]
    toolchain.compile_tree(place / "tree", *programs)
    return names


def count(place: Path, names: Mapping[str, str]) -> Measured:
    """What was built there; the groups are the instruction sets that this machine can run."""
    groups = {}
    for isa in countable():
        rows = kernel_calls(place / "tree", isa)
        rows |= {f"a score, {model}": one_score(place / "tree", model, name, isa) for model, name in names.items()}
        groups[isa] = {row: {"instructions": count} for row, count in rows.items()}
    return Measured("instructions", dict.fromkeys(groups, compiler()), groups)


def countable() -> list[str]:
    """Instruction sets that this machine runs and Valgrind knows."""
    return [isa for isa in runnable() if isa != "avx512"]


def kernel_calls(tree: Path, isa: str) -> dict[str, int]:
    """Of every call of kernel_calls.c, which tells callgrind where each begins and ends."""
    program = tree / "benchmarks" / f"kernel_calls_{isa}"
    parts = counted(["--collect-atstart=no", program], {})
    said = "Client Request: "
    return {why.removeprefix(said): count for why, count in parts if why.startswith(said)}


def one_score(tree: Path, model: str, c_name: str, isa: str) -> int:
    """Of one tsad_step that scores, a mean: what recurs once a window is spread over its steps."""
    steps = window(model)
    np.savetxt(tree / "samples.csv", series(model, steps), fmt="%.9g", delimiter=",")
    command = ["--toggle-collect=tsad_step", "--dump-after=tsad_step", toolchain.edge_binary(tree)]
    command += ["--model", toolchain.library(tree, c_name), tree / "samples.csv"]
    parts = [count for why, count in counted(command, {"TSAD_ISA": isa}) if why.endswith("=tsad_step")]
    if len(parts) != window(model) + steps:
        raise RuntimeError(f"{model}: callgrind saw {len(parts)} calls of tsad_step, not {window(model) + steps}")
    return round(sum(parts[-steps:]) / steps)


def counted(command: Sequence[str | Path], environment: dict[str, str]) -> list[tuple[str, int]]:
    """Run a program under callgrind; for each dump why it was made, and how many instructions had gone into it."""
    valgrind = toolchain.find("valgrind")
    if valgrind is None:
        raise RuntimeError("valgrind was not found; Debian's package is valgrind")
    with tempfile.TemporaryDirectory(prefix="tsad-callgrind-") as scratch:
        out = Path(scratch) / "out"
        options = ["-q", "--tool=callgrind", f"--callgrind-out-file={out}", "--combine-dumps=yes"]
        settings = [f"{name}={value}" for name, value in environment.items()]
        toolchain.run(["env", *settings, valgrind, *options, *map(str, command)])
        return [(part["why"], int(part["count"])) for part in PART.finditer(out.read_text())]


if __name__ == "__main__":
    sys.exit(main())
