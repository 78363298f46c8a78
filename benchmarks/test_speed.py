"""Native against PyTorch, side by side in one run, one thread: `make bench`.

Prints times; what counts is their ratio, which says more than either on a noisy machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from tsad_edge import codegen, toolchain
from tsad_edge.detector import Detector
from tsad_edge.models import build, export
from tsad_edge.scoring import load, windows

WINDOW, CHANNELS, SAMPLES = 50, 5, 4096


@pytest.fixture(scope="module", params=["gan", "lstm"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Detector]:
    """The same untrained model as PyTorch runs it and as it was compiled."""
    place = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(1)
    torch.set_num_threads(1)
    export.save(build(request.param, WINDOW, CHANNELS).eval(), place / "graph.pt2")
    made = codegen.compile_graph(codegen.load(place / "graph.pt2"), "m_speed", 1.0, entity="speed")
    folder = place / "models" / "m_speed"
    folder.mkdir(parents=True)
    (folder / "m_speed.h").write_text(made.header)
    (folder / "m_speed.c").write_text(made.source)
    toolchain.build(place / "models", place / "native")
    return load(place / "graph.pt2"), Detector.load(toolchain.library(place / "native", "m_speed"))


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(SAMPLES + WINDOW - 1, CHANNELS)).astype(np.float32)


@pytest.mark.benchmark(group="a stream, one window at a time")
@pytest.mark.parametrize("side", ["C", "PyTorch"])
def test_stream(benchmark: Any, pair: tuple[Any, Detector], values: np.ndarray, side: str) -> None:
    program, detector = pair
    few = values[: WINDOW + 63]
    singles = windows(torch.from_numpy(few), WINDOW).split(1)

    def pytorch() -> None:
        with torch.inference_mode():
            for single in singles:
                program(single)

    work: Callable[[], Any] = pytorch if side == "PyTorch" else lambda: detector.run(few)
    benchmark.extra_info["windows"] = len(singles)
    benchmark(work)


@pytest.mark.benchmark(group="a series in bulk")
@pytest.mark.parametrize("side", ["C", "PyTorch"])
def test_bulk(benchmark: Any, pair: tuple[Any, Detector], values: np.ndarray, side: str) -> None:
    program, detector = pair
    batches = windows(torch.from_numpy(values), WINDOW).split(512)

    def pytorch() -> None:
        with torch.inference_mode():
            for batch in batches:
                program(batch)

    work: Callable[[], Any] = pytorch if side == "PyTorch" else lambda: detector.score(values)
    benchmark.extra_info["windows"] = SAMPLES
    benchmark(work)
