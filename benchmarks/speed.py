"""How fast detectors are, against PyTorch and inference engines: `make speed`.

    python benchmarks/speed.py                      # all networks; prints the table
    python benchmarks/speed.py gan-msl pca --out benchmarks/speed.md

Networks are untrained: the reference's shapes (reference_shapes.py) and our own models, window 100. Everything runs on
one thread, in rounds that take turns, so that what else the machine does meets all sides alike; figures are medians of
CPU time a window, in microseconds, and count as ratios. Floors come from the peak and the bandwidth that the same run
measures. A target that is missed is printed as missed.
"""

from __future__ import annotations

import argparse
import math
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import peers
import reference_shapes as shapes
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tsad_edge import _core, codegen, models, toolchain
from tsad_edge.entity import write_c
from tsad_edge.files import write_whole
from tsad_edge.models.export import trace

WINDOW, FEW, BULK = 100, 16, 512
ROUNDS, LEAST_ROUNDS = 15, 5
LEAST_SECONDS, MOST_SECONDS = 0.004, 5.0
"""As long is a round of one side at least; as long are all rounds of one side at most, but for the least number."""
REFERENCE = {
    "gan-msl": (shapes.ReferenceGan, 1),
    "gan-smd": (partial(shapes.ReferenceGan, channels=38), 38),
    "vae-msl": (partial(shapes.ReferenceVae, channels=1), 1),
    "vae-smd": (shapes.ReferenceVae, 38),
    "lstm-msl": (shapes.ReferenceLstm, 1),
    "lstm-smd": (partial(shapes.ReferenceLstm, channels=38), 38),
    "transformer-smd": (shapes.ReferenceTransformer, 38),
    "tranad-smd": (shapes.ReferenceTranad, 38),
}
"""Networks of the reference -> what builds one, and its channels: MSL has 1, SMD 38."""
TARGETS = {
    ("gan-msl", 1): 5.0,
    ("gan-smd", 1): 2.0,
    ("vae-msl", 1): 2.0,
    ("vae-smd", 1): 1.6,
    ("lstm-msl", 1): 2.5,
    ("lstm-smd", 1): 2.5,
    ("transformer-smd", 1): 2.0,
    ("tranad-smd", 1): 2.5,
    ("tcn", 1): 5.0,
    ("cnn", 1): 5.0,
    ("gan-msl", BULK): 6.0,
    ("gan-smd", BULK): 1.6,
    ("vae-msl", BULK): 1.2,
    ("vae-smd", BULK): 1.2,
    ("lstm-msl", BULK): 1.2,
    ("lstm-smd", BULK): 1.2,
    ("transformer-smd", BULK): 1.6,
    ("tranad-smd", BULK): 2.5,
}
"""(network, windows at once) -> so many times as fast as the fastest peer."""
IN_C, IN_PYTHON = 8.0, 1.0
"""As TARGETS, for gan-msl inside C one window at a time; microseconds that Python may add to a call."""


@dataclass(frozen=True)
class Built:
    """A network as everybody runs it."""

    name: str
    channels: int
    library: Path
    rivals: dict[str, peers.Scorer]
    mac: int  # multiply-adds a window after the compiler's algebra
    weight_bytes: int


@dataclass(frozen=True)
class Cell:
    """Microseconds a window of each side, by CPU time and by the clock, and what the machine's limits allow."""

    name: str
    batch: int
    cpu: Mapping[str, float]
    wall: Mapping[str, float]
    floor: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write if asked."""
    known = [*models.MODELS, *REFERENCE]
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("networks", nargs="*", help=f"some of {', '.join(known)}; by default all")
    reader.add_argument("--out", type=Path, help="write the table there, too")
    chosen = reader.parse_args(arguments)
    if unknown := set(chosen.networks) - set(known):
        reader.error(f"no network {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    torch.set_num_threads(1)
    with threadpool_limits(1), tempfile.TemporaryDirectory(prefix="tsad-speed-") as scratch:
        limits = Limits()
        built = build(chosen.networks or known, Path(scratch))
        cells = [measured(network, limits) for network in built for measured in (stream, bulk)]
        text = table(cells, limits)
    print(text, end="")
    if chosen.out:
        write_whole(chosen.out, text.encode())
    return 0


def build(names: Sequence[str], place: Path) -> list[Built]:
    """Export and compile networks, into a folder."""
    found = []
    for name in names:
        torch.manual_seed(1)
        make, channels = REFERENCE.get(name, (None, 38))
        module = make() if make else models.build(name, WINDOW, channels)
        graph = codegen.load_program(trace(module, WINDOW, channels))
        made = codegen.compile_graph(graph, codegen.c_name(name), 1.0, entity=name)
        write_c(place / "models" / made.name, made)
        rivals = peers.of(module, WINDOW, channels, place / f"{name}.onnx")
        library = toolchain.library(place / "native", made.name)
        found.append(Built(name, channels, library, rivals, made.cost["mac_after"], made.cost["weight_bytes"]))
    toolchain.build(place / "models", place / "native")
    return found


def stream(network: Built, limits: Limits) -> Cell:
    """One window at a time, as a live stream brings them."""
    values = series(network, FEW)
    start, more = values[: WINDOW - 1], values[WINDOW - 1 :]
    ours = {isa: detector(network, isa) for isa in ("avx2", "generic")}
    for each in ours.values():
        each.run(start, None, False)
    sides: dict[str, Side] = {f"C, {isa}": partial(each.run, more, None, False) for isa, each in ours.items()}
    called = detector(network, "avx2")
    called.run(start, None, False)
    sides["C, from Python"] = partial(step_by_step, called, list(more))
    singles = [values[i : i + WINDOW][np.newaxis].copy() for i in range(FEW)]
    for name, score in network.rivals.items():
        sides[name] = partial(one_by_one, score, singles)
    floor = max(network.mac / limits.mac_per_us, network.weight_bytes / limits.bytes_per_us(network.weight_bytes))
    return measure(network.name, 1, FEW, sides, floor)


def bulk(network: Built, limits: Limits) -> Cell:
    """A series, so many windows at once as peers like; they get them copied out of it, ready to use."""
    values = series(network, BULK)
    windows = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(values, WINDOW, axis=0).transpose(0, 2, 1))
    sides: dict[str, Side] = {}
    for isa in ("avx2", "generic"):
        each = detector(network, isa)
        each.score(values[: WINDOW - 1])  # from here on every sample has a score
        sides[f"C, {isa}"] = partial(each.score, values[WINDOW - 1 :])
    wanted = sides["C, generic"]()
    for name, score in network.rivals.items():
        np.testing.assert_allclose(score(windows), wanted, 1e-3, 1e-5, err_msg=f"{name} computes something else")
        sides[name] = partial(score, windows)
    return measure(network.name, BULK, BULK, sides, network.mac / limits.mac_per_us)


Side = Callable[[], Any]


def detector(network: Built, isa: str) -> Any:
    """A new one."""
    return _core.Detector(_core.Model(str(network.library), isa))


def series(network: Built, windows: int) -> NDArray[np.float32]:
    """Samples (T, C), of as many windows."""
    return np.random.default_rng(1).normal(size=(WINDOW - 1 + windows, network.channels)).astype(np.float32)


def step_by_step(detector: Any, samples: Sequence[NDArray[np.float32]]) -> None:
    """As a Python program takes samples from a sensor."""
    for sample in samples:
        detector.step(detector.taken + 100, sample)


def one_by_one(score: peers.Scorer, windows: Sequence[NDArray[np.float32]]) -> None:
    """The same of windows."""
    for window in windows:
        score(window)


def measure(name: str, batch: int, windows: int, sides: Mapping[str, Side], floor: float) -> Cell:
    """Rounds in turns; `windows` is what one call of a side scores."""
    once = {side: seconds(work, 1)[0] for side, work in sides.items()}
    repeats = {side: max(1, math.ceil(LEAST_SECONDS / taken)) for side, taken in once.items()}
    rounds: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    for _ in range(min(ROUNDS, max(LEAST_ROUNDS, int(MOST_SECONDS / max(once.values()))))):
        for side, work in sides.items():
            rounds[side].append(seconds(work, repeats[side]))
    cpu, wall = (
        {side: 1e6 / windows * statistics.median(pair[k] for pair in taken) for side, taken in rounds.items()}
        for k in (0, 1)
    )
    return Cell(name, batch, cpu, wall, floor)


def seconds(work: Side, repeats: int) -> tuple[float, float]:
    """Of one call: CPU time of this process, and the clock's."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.process_time() - cpu) / repeats, (time.perf_counter() - wall) / repeats


class Limits:
    """What this core can do at most, by numpy's matrix product and by reading arrays that fit its caches or do not."""

    def __init__(self) -> None:
        square = np.ones((768, 768), np.float32)
        best = min(seconds(partial(np.matmul, square, square), 2)[0] for _ in range(ROUNDS))
        self.mac_per_us = 768**3 / best / 1e6
        self._known: dict[int, float] = {}

    def bytes_per_us(self, size: int) -> float:
        """Reading so many bytes again and again, as a model reads its weights."""
        size = max(size, 4096)
        if size not in self._known:
            values = np.ones(size // 4, np.float32)
            repeats = max(1, 20_000_000 // size)
            best, call = (
                min(seconds(partial(np.dot, v, v), repeats)[0] for _ in range(ROUNDS)) for v in (values, values[:8])
            )
            self._known[size] = size / max(best - call, 0.1 * best) / 1e6
        return self._known[size]


def table(cells: Sequence[Cell], limits: Limits) -> str:
    """Markdown: a row a network and batch."""
    sides = list(dict.fromkeys(side for cell in cells for side in cell.cpu))
    rows = [
        "| network | windows at once | "
        + " | ".join(sides)
        + " | floor | times the floor | times as fast as the fastest peer | target |",
        "|---|---|" + "---|" * (len(sides) + 4),
    ]
    for cell in cells:
        ours, rival = cell.cpu["C, avx2"], min(cell.cpu[side] for side in cell.cpu if not side.startswith("C"))
        through = cell.cpu.get("C, from Python", ours)
        verdicts = [verdict(rival / through, TARGETS.get((cell.name, cell.batch)))]
        if (cell.name, cell.batch) == ("gan-msl", 1):
            verdicts.append("in C: " + verdict(rival / ours, IN_C))
        figures = " | ".join(f"{cell.cpu[side]:.3g}" if side in cell.cpu else "" for side in sides)
        over = f"{ours / cell.floor:.1f}" if cell.floor else "-"  # nothing is multiplied, and there are no weights
        ratios = f"{cell.floor:.3g} | {over} | {rival / through:.2f}"
        rows.append(f"| {cell.name} | {cell.batch} | {figures} | {ratios} | {'; '.join(filter(None, verdicts))} |")
    small = min((cell for cell in cells if "C, from Python" in cell.cpu), key=lambda cell: cell.cpu["C, avx2"])
    cost = small.cpu["C, from Python"] - small.cpu["C, avx2"]
    lost = max(cell.wall["C, avx2"] / cell.cpu["C, avx2"] for cell in cells)
    return (
        f"Microseconds of CPU time a window, medians of {LEAST_ROUNDS} to {ROUNDS} rounds that take turns, on one "
        f"thread, by `make speed`. {machine()}: {limits.mac_per_us / 1e3:.1f} G multiply-adds a second at most. The "
        f"clock ran at most {lost:.2f} times as long.\n\n"
        + "\n".join(rows)
        + f"\n\nA call from Python costs {cost:.2f} us more than one from C ({small.name}, which computes least); at "
        f"most {IN_PYTHON:g} us is the target: {'met' if cost <= IN_PYTHON else '**missed**'}.\n"
    )


def verdict(found: float, wanted: float | None) -> str:
    """Of a target, if there is one."""
    if wanted is None:
        return ""
    return f"{wanted:g}x: " + ("met" if found >= wanted else f"**missed** ({found:.2f}x)")


def machine() -> str:
    """The processor's name."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(": ")[2] if names else platform.machine()


if __name__ == "__main__":
    sys.exit(main())
