"""What the firmware of every model takes, against benchmarks/baseline.json: `make sizes`; growth is an error.

    python benchmarks/sizes.py            # measures, prints, compares
    python benchmarks/sizes.py --write    # takes what was measured as the new baseline; commit it with its reason

The models are all there are, as untrained.py makes them. With the compiler that the baseline names nothing may grow at
all, with another by a tenth; what shrinks is welcome.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from baseline import Measured, judge, wants_write
from untrained import INTEGERS, REFERENCE, series, window, written

from tsad_edge import models, toolchain
from tsad_edge.boards import Sample, board, cost

BOARDS = ("mps2-an386", "riscv-virt")
MODELS = (REFERENCE, *models.MODELS, *(name + INTEGERS for name in models.MODELS))
MEASURED = (
    *("flash_bytes", "code_bytes", "static_bytes", "memory_bytes", "stack_worst_bytes", "stack_used_bytes"),
    *("instructions", "cycles"),
)
"""What is kept of `tsad_edge.boards.cost`, where a board has it."""
OTHER_COMPILER = 1.1
"""By how much figures may be larger where another compiler made them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and compare; 1 when something grew."""
    write = wants_write(__doc__, arguments)
    return judge(measure(BOARDS, MODELS), limits, write=write)


def limits(same_compiler: bool) -> tuple[float, float]:
    """How far a figure may go."""
    return 0.0, 1.0 if same_compiler else OTHER_COMPILER


def measure(boards: Sequence[str], chosen: Sequence[str]) -> Measured:
    """Build, run and measure some models; boards are the groups."""
    groups = {}
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        names = {model: written(model, place / "models") for model in chosen}
        samples = {names[model]: Sample(window(model), series(model, 8)) for model in chosen}
        for name in boards:
            found = cost(board(name), place / "models", samples, place / "out" / name)["per_model"]
            groups[name] = {
                model: {what: found[c_name][what] for what in MEASURED if what in found[c_name]}
                for model, c_name in names.items()
            }
    return Measured("sizes", {name: compiler(name) for name in boards}, groups)


def compiler(name: str) -> str:
    """Version of the one that makes a board's firmware."""
    return toolchain.run([f"{board(name).prefix}gcc", "-dumpfullversion"]).strip()


if __name__ == "__main__":
    sys.exit(main())
