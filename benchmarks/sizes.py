"""What the firmware of every model takes, against benchmarks/baseline.json: `make sizes`; growth is an error.

    python benchmarks/sizes.py            # measures, prints, compares
    python benchmarks/sizes.py --write    # takes what was measured as the new baseline; commit it with what changed it

The reference model of csrc/reference, and untrained models of seeded weights, window 50, 5 channels, at their default
hyperparameters: sizes and counts do not depend on what was learned. With the compiler that the baseline names nothing
may grow at all, with another by a tenth.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tsad_edge import toolchain
from tsad_edge.boards import Sample, board, cost
from tsad_edge.entity import write_c
from tsad_edge.files import read_json, write_json

WINDOW, CHANNELS = 50, 5
BOARDS = ("mps2-an386", "riscv-virt")
REFERENCE = "reference"
MODELS = (REFERENCE, "moving_z", "pca", "kmeans", "gan", "vae", "cnn", "tcn", "lstm", "gru", "transformer")
INTEGERS = tuple(f"{name}_s8" for name in ("pca", "gan", "tcn", "lstm", "gru", "transformer"))
BASELINE = Path(__file__).with_name("baseline.json")
MEASURED = (
    *("flash_bytes", "code_bytes", "static_bytes", "memory_bytes", "stack_worst_bytes", "stack_used_bytes"),
    *("instructions", "cycles"),
)
"""What is kept of `tsad_edge.boards.cost`, where a board has it."""
OTHER_COMPILER = 1.1
"""By how much figures may be larger where another compiler made them."""

Rows = dict[str, dict[str, dict[str, int]]]  # board -> model -> what -> figure


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and compare; 1 when something grew."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--write", action="store_true", help="make what was measured the baseline")
    chosen = reader.parse_args(arguments)
    now = {"schema": 1, "compilers": compilers(), "boards": measure(BOARDS, MODELS + INTEGERS)}
    print(table(now["boards"]))
    if chosen.write:
        write_json(BASELINE, now)
        return 0
    grown = growth(now, read_json(BASELINE))
    print("\n".join(grown) or "nothing grew")
    return 1 if grown else 0


def compilers() -> dict[str, str]:
    """Board -> version of the compiler that made its firmware."""
    return {name: toolchain.run([f"{board(name).prefix}gcc", "-dumpfullversion"]).strip() for name in BOARDS}


def measure(boards: Sequence[str], models: Sequence[str]) -> Rows:
    """Build, run and measure."""
    rows: Rows = {}
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        samples = {f"m_{model}": _written(model, place) for model in models}
        for name in boards:
            found = cost(board(name), place / "models", samples, place / "out" / name)["per_model"]
            rows[name] = {
                model: {what: found[f"m_{model}"][what] for what in MEASURED if what in found[f"m_{model}"]}
                for model in models
            }
    return rows


def _written(model: str, place: Path) -> Sample:
    """Write a model's C below place/models; gives what to count on."""
    draw = np.random.default_rng(1)
    if model == REFERENCE:
        shutil.copytree(toolchain.sources() / "csrc" / "reference", place / "models" / "m_reference")
        return Sample(16, draw.normal(size=(24, 3)).astype(np.float32))
    import torch

    from tsad_edge import codegen
    from tsad_edge.models import build, export

    torch.manual_seed(1)
    export.save(build(model.removesuffix("_s8"), WINDOW, CHANNELS).eval(), place / "graph.pt2")
    normal = draw.normal(size=(100, WINDOW, CHANNELS)).astype(np.float32) if model in INTEGERS else None
    made = codegen.compile_graph(codegen.load(place / "graph.pt2"), f"m_{model}", 1.0, calibration=normal)
    write_c(place / "models" / made.name, made)
    return Sample(WINDOW, draw.normal(size=(WINDOW + 8, CHANNELS)).astype(np.float32))


def growth(now: Mapping[str, Any], baseline: Mapping[str, Any]) -> list[str]:
    """A sentence for every figure that is larger than the baseline's, and for what the baseline lacks."""
    found = []
    for name, rows in now["boards"].items():
        same = now["compilers"][name] == baseline["compilers"].get(name)
        for model, row in rows.items():
            before = baseline["boards"].get(name, {}).get(model)
            if before is None:
                found.append(f"{name}, {model}: is not in {BASELINE.name}; run it with --write, and commit that")
                continue
            for what, figure in row.items():
                if figure > before.get(what, 0) * (1 if same else OTHER_COMPILER):
                    found.append(
                        f"{name}, {model}: {what} grew from {before.get(what, 0)} to {figure}; mend it, or run this "
                        "with --write and commit the new baseline with what it is worth"
                    )
    return found


def table(rows: Rows) -> str:
    """As Markdown."""
    lines = ["| board | model | " + " | ".join(MEASURED) + " |", "|---|---|" + "---|" * len(MEASURED)]
    for name, models in rows.items():
        for model, row in models.items():
            lines.append(f"| {name} | {model} | " + " | ".join(str(row.get(what, "-")) for what in MEASURED) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
