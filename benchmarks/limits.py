"""What this core can do at most, measured in the run that it judges: multiply-adds, and bytes read.

Owns the floors: no program of so many multiply-adds and weights can be faster here.
"""

from __future__ import annotations

import ctypes
import platform
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tsad_edge import _core, toolchain

ROUNDS, TIMES = 200_000, 50
FLAGS = {
    "avx2": ["-mavx2", "-mfma"],
    "avx512": [f"-m{part}" for part in ("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni")],
}
"""Instruction set -> how limits.c is compiled for it."""


class Limits:
    """Of one core, with what it does fastest; what memory gives is measured when somebody asks for it.

    Parameters
    ----------
    scratch : Path
        Folder that receives limits.c, compiled.
    """

    def __init__(self, scratch: Path) -> None:
        self._programs = [compiled(isa, scratch) for isa in runnable() if isa in FLAGS]
        self.mac_per_us = {precision: self._mac_per_us(precision) for precision in ("f32", "int8")}
        self._known: dict[int, float] = {}

    def _mac_per_us(self, precision: str) -> float:
        found = []
        for program in self._programs:
            work = getattr(program, precision)
            found.append(ROUNDS * work(ctypes.c_long(0)) / least(partial(work, ctypes.c_long(ROUNDS)), 1) / 1e6)
        return max(found)

    def floor(self, precision: str, mac: int, weight_bytes: int, batch: int) -> float:
        """Microseconds a window: its multiply-adds at full speed, or with a batch of 1 reading the weights.

        0 where nothing is multiplied: of such work this says nothing.
        """
        if not mac:
            return 0.0
        reading = weight_bytes / self.bytes_per_us(weight_bytes) if batch == 1 else 0.0
        return max(mac / self.mac_per_us[precision], reading)

    def bytes_per_us(self, size: int) -> float:
        """Reading so many bytes again and again, as a model reads its weights."""
        size = -(-size // 256) * 256
        if size not in self._known:
            values, rounds = np.ones(size, np.int8), max(1, 20_000_000 // size)
            place, much, often = ctypes.c_void_p(values.ctypes.data), ctypes.c_size_t(size), ctypes.c_long(rounds)
            best = min(least(partial(program.reading, place, much, often), 1) for program in self._programs)
            self._known[size] = size * rounds / best / 1e6
        return self._known[size]


def runnable() -> list[str]:
    """Instruction sets that this machine runs, the widest last."""
    found = []
    for isa in ("generic", "avx2", "avx512"):
        try:
            found.append(_core.reference(isa).isa)
        except ValueError:
            continue
    return found


def compiled(isa: str, scratch: Path) -> ctypes.CDLL:
    """limits.c."""
    library, source = scratch / f"limits-{isa}.so", Path(__file__).with_name("limits.c")
    toolchain.run(["cc", "-O3", *FLAGS[isa], "-shared", "-fPIC", str(source), "-o", str(library)])
    return ctypes.CDLL(str(library))


def least(work: Callable[[], Any], repeats: int) -> float:
    """Seconds of a call, of its fastest round."""
    return min(seconds(work, repeats)[0] for _ in range(TIMES))


def seconds(work: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Of one call: CPU time of this process, and the clock's."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.process_time() - cpu) / repeats, (time.perf_counter() - wall) / repeats


def machine() -> str:
    """The processor's name."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(": ")[2] if names else platform.machine()
