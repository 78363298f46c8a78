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

from tsad_edge import toolchain

ROUNDS, TIMES = 200_000, 50
IN_A_ROUND = {"f32": 12 * 8, "int8": 12 * 16}
"""Multiply-adds of a round of limits.c."""


class Limits:
    """Of one core; what memory gives is measured when somebody asks for it.

    Parameters
    ----------
    scratch : Path
        Folder that receives limits.c, compiled.
    """

    def __init__(self, scratch: Path) -> None:
        library = scratch / "limits.so"
        source = Path(__file__).with_name("limits.c")
        toolchain.run(["cc", "-O3", "-mavx2", "-mfma", "-shared", "-fPIC", str(source), "-o", str(library)])
        loaded = ctypes.CDLL(str(library))
        self.mac_per_us = {}
        for precision, count in IN_A_ROUND.items():
            work = partial(getattr(loaded, precision), ctypes.c_long(ROUNDS))
            self.mac_per_us[precision] = ROUNDS * count / least(work, 1) / 1e6
        self._known: dict[int, float] = {}

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
        size = max(size, 4096)
        if size not in self._known:
            values = np.ones(size // 4, np.float32)
            repeats = max(1, 20_000_000 // size)
            best, call = (least(partial(np.dot, v, v), repeats) for v in (values, values[:8]))
            self._known[size] = size / max(best - call, 0.1 * best) / 1e6
        return self._known[size]


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
