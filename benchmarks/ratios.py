"""How many times as fast as PyTorch models are by the clock, against benchmarks/baseline.json: `make bench`.

    python benchmarks/ratios.py            # measures, prints, compares
    python benchmarks/ratios.py --write    # takes what was measured as the new baseline; commit it with its reason

Some models of untrained.py, on one thread, both sides in turns as `sides` has them: a stream, one window at a
time, and a series in bulk. A ratio below two thirds of the baseline's is an error; one that rises is welcome.
"""

from __future__ import annotations

import math
import statistics
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parent))
from baseline import Measured, judge, wants_write
from limits import machine
from peers import pytorch
from sides import BULK, FEW, Side, each, in_turns
from untrained import WINDOW, network, series, written

from tsad_edge import _core, toolchain
from tsad_edge.scoring import windows

MODELS = ("gan", "pca", "lstm", "tcn", "transformer")
REPEATS = 5
SLOWER = 1.5
"""By how much a ratio may be smaller than the baseline's."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and compare; 1 when something became slower."""
    write = wants_write(__doc__, arguments)
    return judge(ratios(MODELS), limits, write=write)


def limits(same_machine: bool) -> tuple[float, float]:
    """How far a ratio may go, on any machine."""
    return 1 / SLOWER, math.inf


def ratios(models: Sequence[str]) -> Measured:
    """PyTorch's time over ours; the groups are the ways to score."""
    groups: dict[str, dict[str, dict[str, float]]] = {"one window at a time": {}, f"{BULK} windows at once": {}}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory(prefix="tsad-ratios-") as scratch, threadpool_limits(1):
            place = Path(scratch)
            names = {model: written(model, place / "models") for model in models}
            toolchain.build(place / "models", place / "native")
            for model, name in names.items():
                library = toolchain.library(place / "native", name)
                for rows, sides, count in zip(groups.values(), (stream, bulk), (FEW, BULK), strict=True):
                    rows[model] = {"times as fast as PyTorch": ratio(sides(model, library), count)}
    finally:
        torch.set_num_threads(threads)
    return Measured("ratios", dict.fromkeys(groups, f"{machine()}, torch {torch.__version__}"), groups)


def ratio(sides: dict[str, Side], count: int) -> float:
    """By the clock; the middle one of some, because another program may take the processor for a whole measurement."""
    walls = [in_turns(sides, count)[1] for _ in range(REPEATS)]
    return round(statistics.median(wall["PyTorch"] / wall["C"] for wall in walls), 2)


def stream(model: str, library: Path) -> dict[str, Side]:
    """Both sides of FEW windows, one by one."""
    values, score = series(model, FEW - 1), pytorch(network(model))
    detector = _core.Detector(_core.Model(str(library)))
    detector.run(values[: WINDOW - 1], None, False)
    ours, singles = partial(detector.run, values[WINDOW - 1 :], None, False), np.split(copies(values), FEW)
    return {"C": ours, "PyTorch": partial(each, score, singles)}


def bulk(model: str, library: Path) -> dict[str, Side]:
    """Both sides of BULK windows, which PyTorch gets copied out of the series."""
    values, score = series(model, BULK - 1), pytorch(network(model))
    detector = _core.Detector(_core.Model(str(library)))
    detector.score(values[: WINDOW - 1])
    ours, given = partial(detector.score, values[WINDOW - 1 :]), copies(values)
    np.testing.assert_allclose(ours(), score(given), 1e-3, 1e-5, err_msg=f"{model}: PyTorch computes something else")
    return {"C": ours, "PyTorch": partial(score, given)}


def copies(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """All windows (n, W, C) of samples (W - 1 + n, C)."""
    return windows(torch.from_numpy(values), WINDOW).numpy().copy()


if __name__ == "__main__":
    sys.exit(main())
