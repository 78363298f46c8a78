"""Our VUS against aeon, our point-adjusted search against the plain loop: equal figures, and how much sooner.

Run by ``make oracle``, in an environment of its own with aeon. Rewrites tests/python/golden_vus.json with aeon's
figures, by which the unit tests judge without aeon. Ends with 1 if a figure differs or a promised ratio is missed.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from aeon.benchmarking.metrics.anomaly_detection import range_pr_vus_score, range_roc_vus_score

from tsad_edge.adjusted import best_point_adjusted
from tsad_edge.vus import volumes

TESTS = Path(__file__).parents[1] / "tests" / "python"
TOLERANCE = 1e-9
RANDOM_CASES = 60
LOOP_SAMPLES = 4000
VUS_RATIO, LOOP_RATIO = 50, 100

DEFAULTS = {"seed": 0, "samples": 400, "buffer": 20, "events": [[100, 130]], "lift": 0.5, "levels": None, "infinite": 0}
CASES: dict[str, dict[str, Any]] = {
    "one event": {},
    "random scores": {"lift": 0.0},
    "the wrong way round": {"lift": -0.5},
    "buffer 0": {"buffer": 0},
    "buffer 1": {"buffer": 1},
    "buffer 2": {"buffer": 2},
    "odd buffer": {"buffer": 33},
    "buffer longer than the series": {"samples": 60, "events": [[20, 23], [40, 41]], "buffer": 150},
    "event at the start": {"events": [[0, 12]]},
    "event at the end": {"events": [[388, 400]]},
    "events at both ends": {"events": [[0, 1], [399, 400]]},
    "slopes that touch": {"events": [[100, 110], [129, 140]]},
    "slopes just apart": {"events": [[100, 110], [130, 140]]},
    "slopes that overlap": {"events": [[100, 110], [115, 116], [122, 150]]},
    "every other sample": {"events": [[i, i + 1] for i in range(1, 100, 2)], "samples": 120},
    "many short events": {"events": [[i, i + 1 + i % 3] for i in range(5, 400, 17)], "buffer": 40},
    "all normal but one": {"events": [[0, 100], [101, 200]], "samples": 200},
    "ties": {"levels": 3},
    "nearly constant": {"levels": 1, "lift": 0.2},
    "constant": {"levels": 0},
    "infinite scores": {"infinite": 30},
    "two samples": {"samples": 2, "events": [[1, 2]], "buffer": 3},
    "buffer far longer than the series": {"samples": 5, "events": [[0, 2]], "buffer": 80},
    "249 samples": {"samples": 249},
    "250 samples": {"samples": 250},
    "251 samples": {"samples": 251},
    "8000 samples": {"samples": 8000, "events": [[i, i + 40] for i in range(700, 8000, 800)], "buffer": 100},
}


def test_module(name: str) -> ModuleType:
    """A file of the test suite: it builds the series, and holds the plain loop."""
    spec = importlib.util.spec_from_file_location(name, TESTS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def aeon_volumes(scores: np.ndarray, labels: np.ndarray, buffer: int) -> tuple[float, float]:
    """aeon's VUS-ROC and VUS-PR."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constant scores
        roc = range_roc_vus_score(labels, scores, max_buffer_size=buffer)
        return float(roc), float(range_pr_vus_score(labels, scores, max_buffer_size=buffer))


def random_case(seed: int) -> dict[str, Any]:
    """A short series with one to eight events anywhere, each shorter than the buffer or longer."""
    random = np.random.RandomState(seed)
    samples = int(random.randint(20, 300))
    starts = random.randint(1, samples, random.randint(1, 9))
    events = [[int(start), int(start + random.randint(1, 15))] for start in starts]
    changes = {"seed": seed, "samples": samples, "buffer": int(random.randint(0, 40)), "events": events}
    return DEFAULTS | changes | {"lift": float(random.random_sample()), "levels": [None, 2, 8][random.randint(3)]}


def gap(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The larger difference of the two volumes; what is not a number is as far apart as can be."""
    return float(np.nan_to_num(np.abs(np.subtract(one, other)).max(), nan=np.inf))


def seconds(call: Callable[[], object], repeats: int) -> float:
    """The shortest of some runs."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return min(taken)


def write_golden(cases: list[dict[str, Any]]) -> None:
    """One case a line; figures rounded so that another machine writes the same file."""
    lines = ",\n".join(json.dumps(case, separators=(",", ":"), allow_nan=False) for case in cases)
    head = f'"schema": 1, "source": "aeon {version("aeon")}, written by make oracle"'
    (TESTS / "golden_vus.json").write_text(f'{{{head}, "cases": [\n{lines}\n]}}\n')


def main() -> int:
    """Compare, write, measure, and print the table."""
    vus, adjusted = test_module("test_vus"), test_module("test_adjusted")
    golden, apart = [], {}
    for name, changes in CASES.items():
        case = DEFAULTS | changes
        scores, labels = vus.build(case)
        theirs = aeon_volumes(scores, labels, case["buffer"])
        apart[name] = gap(theirs, volumes(scores, labels, case["buffer"]))
        golden.append({"name": name} | case | {"vus_roc": round(theirs[0], 12), "vus_pr": round(theirs[1], 12)})
    write_golden(golden)
    for seed in range(1, RANDOM_CASES + 1):
        case = random_case(seed)
        scores, labels = vus.build(case)
        theirs = aeon_volumes(scores, labels, case["buffer"])
        apart[f"random {seed}"] = gap(theirs, volumes(scores, labels, case["buffer"]))
    farthest = max(apart, key=lambda name: apart[name])

    case = golden[-1]
    scores, labels = vus.build(case)
    theirs_s = seconds(lambda: range_pr_vus_score(labels, scores, max_buffer_size=case["buffer"]), 2)
    ours_s = seconds(lambda: volumes(scores, labels, case["buffer"]), 20)
    scores, labels = scores[:LOOP_SAMPLES], labels[:LOOP_SAMPLES]
    loop_s = seconds(lambda: adjusted.search(scores, labels), 1)
    best_s = seconds(lambda: best_point_adjusted(scores, labels), 20)
    same = adjusted.search(scores, labels) == best_point_adjusted(scores, labels)

    close = apart[farthest] <= TOLERANCE
    print(f"aeon {version('aeon')}, {len(apart)} cases: at most {apart[farthest]:.1e} apart ({farthest})\n")
    print("| | reference, s | ours, s | times as fast | figures |")
    print("|---|---|---|---|---|")
    print(
        f"| ours: VUS-ROC and VUS-PR, aeon: VUS-PR only; {case['samples']} samples, buffer {case['buffer']} | "
        f"{theirs_s:.2f} | {ours_s:.4f} | {theirs_s / ours_s:.0f} | within {TOLERANCE:.0e}: {close} |"
    )
    print(
        f"| best point-adjusted F1, reference: a loop per threshold; {LOOP_SAMPLES} samples | "
        f"{loop_s:.2f} | {best_s:.5f} | {loop_s / best_s:.0f} | equal: {same} |"
    )
    kept = close and same and theirs_s / ours_s >= VUS_RATIO and loop_s / best_s >= LOOP_RATIO
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
