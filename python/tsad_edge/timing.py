"""How long a sample takes, the compiled C and PyTorch side by side in one run."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .detector import Detector

ROUNDS = 5
SINGLES = 300
"""Windows PyTorch is timed on."""


def stream(library: Path, graph: Path, values: NDArray[np.float32]) -> dict[str, float]:
    """Microseconds a sample of a live stream takes, one at a time, on one thread.

    Parameters
    ----------
    library : Path
        A model library.
    graph : Path
        The graph.pt2 it was compiled from.
    values : ndarray (T, C)
        A series of at least some hundred samples.

    Returns
    -------
    dict
        What scored -> microseconds; PyTorch only where it is installed.
    """
    detector = Detector.load(library)
    times = {"C, step by step": min(_seconds(lambda: detector.run(values)) for _ in range(ROUNDS)) / len(values)}
    with contextlib.suppress(ImportError):
        import torch

        from .scoring import load, windows

        torch.set_num_threads(1)
        program = load(graph)
        few = torch.from_numpy(values[: detector.window + SINGLES - 1])
        with torch.inference_mode():
            rounds = [_seconds(partial(program, one)) for one in windows(few, detector.window).split(1)]
        times["PyTorch, window by window"] = statistics.median(rounds)
    return {what: 1e6 * seconds for what, seconds in times.items()}


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
