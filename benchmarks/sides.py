"""What `speed` measures: our detectors and the peers, in rounds that take turns, and how far each one's scores are off.

Owns how a network becomes our library and what a round is. How long is long enough is said in table.py.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import peer_files
import peers
from limits import Limits, seconds
from networks import BULK, WINDOW, Network, windows
from numpy.typing import NDArray

from tsad_edge import _core, codegen, toolchain
from tsad_edge.entity import write_c
from tsad_edge.models.export import trace

FEW, JUDGED = 16, 64
"""One window at a time: those of a round, and those that errors are judged by; in bulk both are BULK."""
ROUNDS, LEAST_ROUNDS = 15, 3
LEAST_SECONDS, MOST_SECONDS = 0.004, 3.0
"""As long is a round of one side at least; as long are all rounds of one side at most, but for the least number."""
C, PYTHON = "C", "C, from Python"
"""Our sides: a series given to the core at once, and sample by sample."""
ALIKE = 1e-3
"""Farther off than this, as `error` says it, a float32 side computes something else."""
Precision = Literal["f32", "int8"]
Side = Callable[[], Any]


@dataclass(frozen=True)
class Compiled:
    """A network as our library."""

    library: Path
    mac: int  # multiply-adds a window takes, after the compiler's algebra; of a stream, a sample
    weight_bytes: int  # that a window must read; sums under way share the reading of a dense layer's

    def detector(self) -> Any:
        """A new one, with the kernels that this machine runs fastest."""
        return _core.Detector(_core.Model(str(self.library), None))


@dataclass(frozen=True)
class Subject:
    """A network in one precision, as everybody runs it."""

    network: Network
    precision: Precision
    ours: Compiled
    peers: Mapping[int, peers.Found]  # windows at once -> peers


@dataclass(frozen=True)
class Cell:
    """Microseconds a window of each side, by CPU time and by the clock, and how far its scores are off."""

    name: str
    precision: Precision
    batch: int
    cpu: Mapping[str, float]
    wall: Mapping[str, float]
    error: Mapping[str, float]
    absent: Mapping[str, str]
    floor: float
    """Microseconds that the machine's limits allow at least."""


def subjects(networks: Sequence[Network], place: Path) -> list[Subject]:
    """Compile networks and write what their peers read, below a folder."""
    compiled = _compiled(networks, place)
    tflite = peer_files.litert(networks)
    found = []
    for network in networks:
        floats, integers = peers.files(network, place)
        f32 = {batch: peers.f32(network, floats, tflite[network.name, batch]) for batch in (1, BULK)}
        int8 = {batch: peers.int8(integers, tflite[network.name, batch]) for batch in (1, BULK)}
        found.append(Subject(network, "f32", compiled[network.name, "f32"], f32))
        found.append(Subject(network, "int8", compiled[network.name, "int8"], int8))
    return found


def _compiled(networks: Sequence[Network], place: Path) -> dict[tuple[str, str], Compiled]:
    found = {}
    for network in networks:
        graph = codegen.load_program(trace(network.module, WINDOW, network.channels))
        for precision, normal in (("f32", None), ("int8", network.normal)):
            name = codegen.c_name(f"{network.name}-{precision}")
            made = codegen.compile_graph(graph, name, 1.0, entity=network.name, calibration=normal)
            write_c(place / "models" / name, made)
            runs = made.stream.graph if made.stream else made.graph
            shared = sum(runs.constants[op.inputs[1]].nbytes for op in runs.ops if op.kind == "linear_flight")
            library = toolchain.library(place / "native", name)
            found[network.name, precision] = Compiled(library, codegen.mac(runs), made.cost["weight_bytes"] - shared)
    toolchain.build(place / "models", place / "native")
    return found


def measured(subject: Subject, batch: int, limits: Limits) -> Cell:
    """Rounds in turns, of one window at a time or of BULK."""
    network, ours = subject.network, subject.ours
    count = FEW if batch == 1 else BULK
    judged = network.series(JUDGED if batch == 1 else BULK)
    given = windows(judged)
    exact = network.exact(given)
    sides = {C: in_c(subject, batch)}
    if batch == 1:
        sides[PYTHON] = step_by_step(ours.detector(), network.series(count))
    error = {C: off(scored(ours.detector(), judged), exact)}
    absent = {}
    for name, score in subject.peers[batch].items():
        if isinstance(score, str):
            absent[name] = score
            continue
        parts = np.split(given, len(given) // batch)
        error[name] = off(np.concatenate([score(part).reshape(-1) for part in parts]), exact)
        sides[name] = partial(each, score, parts[: count // batch])
    if subject.precision == "f32" and (wrong := [name for name, by in error.items() if by > ALIKE]):
        raise RuntimeError(f"{network.name}: {', '.join(wrong)} computes something else: {error}")
    cpu, wall = in_turns(sides, count)
    floor = limits.floor(subject.precision, ours.mac, ours.weight_bytes, batch)
    return Cell(network.name, subject.precision, batch, cpu, wall, error, absent, floor)


def in_c(subject: Subject, batch: int) -> Side:
    """Our core on a series, after the window has filled: one window at a time, or in bulk."""
    detector, network = subject.ours.detector(), subject.network
    series = network.series(FEW if batch == 1 else BULK)
    if batch == 1:
        detector.run(series[: WINDOW - 1], None, False)
        return partial(detector.run, series[WINDOW - 1 :], None, False)
    detector.score(series[: WINDOW - 1])
    return partial(detector.score, series[WINDOW - 1 :])


def step_by_step(detector: Any, series: NDArray[np.float32]) -> Side:
    """As a Python program takes samples from a sensor."""
    detector.run(series[: WINDOW - 1], None, False)
    samples = list(series[WINDOW - 1 :])

    def work() -> None:
        for sample in samples:
            detector.step(detector.taken + 100, sample)

    return work


def each(score: peers.Scorer, parts: Sequence[NDArray[np.float32]]) -> None:
    """Windows in parts, copied out of the series and ready to use."""
    for part in parts:
        score(part)


def scored(detector: Any, series: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores of all windows of a series."""
    scores: NDArray[np.float32] = detector.score(series)[WINDOW - 1 :]
    return scores


def off(scores: NDArray[Any], exact: NDArray[np.float64]) -> float:
    """Root mean square of what scores are off, over the exact scores' own deviation; 0 is exact.

    Examples
    --------
    >>> off(np.array([1.1, 3.1]), np.array([1.0, 3.0]))
    0.1
    """
    return float(round(np.sqrt(np.mean((scores.astype(np.float64) - exact) ** 2)) / exact.std(), 9))


def in_turns(sides: Mapping[str, Side], count: int) -> tuple[dict[str, float], dict[str, float]]:
    """Medians of CPU time and of the clock's, microseconds a window; `count` is what one call of a side scores."""
    once = {side: seconds(work, 1)[0] for side, work in sides.items()}
    repeats = {side: max(1, math.ceil(LEAST_SECONDS / taken)) for side, taken in once.items()}
    rounds: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    for _ in range(min(ROUNDS, max(LEAST_ROUNDS, int(MOST_SECONDS / max(once.values()))))):
        for side, work in sides.items():
            rounds[side].append(seconds(work, repeats[side]))
    cpu, wall = (
        {side: 1e6 / count * statistics.median(pair[k] for pair in taken) for side, taken in rounds.items()}
        for k in (0, 1)
    )
    return cpu, wall
