"""The proof ladder of one model: float64 PyTorch, float32 PyTorch, the graph after every pass, the compiled C.

Every rung goes the way the product goes: exported program, compiler, CMake, `_core`. The tolerance is the one of
`tsad check`, derived from PyTorch alone before anything of ours has run.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tsad_edge import codegen, models, scoring, toolchain
from tsad_edge.check import tolerance
from tsad_edge.detector import Detector
from tsad_edge.models.export import save

from .conftest import ISAS

WINDOW, CHANNELS, SAMPLES = 20, 4, 400


@pytest.fixture(scope="module")
def ladder(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Every model of the table, untrained but with a scaler and weights: all rungs below the C, and the C's library."""
    root, rungs = tmp_path_factory.mktemp("parity"), {}
    rng = np.random.default_rng(11)
    series = rng.standard_normal((SAMPLES, CHANNELS)).cumsum(0) / 4 + [0, 100, -3, 0.01]
    series = (series * [1, 50, 0.1, 0.001]).astype(np.float32)
    series[200:204, 2] += 40.0  # far outside of what the scaler saw
    for name in models.MODELS:
        torch.manual_seed(5)
        scorer = models.build(name, WINDOW, CHANNELS)
        scorer.fit_scale(series[:200])
        scorer.fit_weight(torch.tensor([0.5, 2.0, 1e-4, 1.0]))
        path = root / f"{name}.pt2"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own deprecations
            save(scorer, path)
            module = scoring.load(path)
            windows = scoring.windows(torch.from_numpy(series), WINDOW)
            with torch.no_grad():
                single = module(windows.contiguous())
                exact = scoring.double(module)(windows.double().contiguous())
            made = codegen.compile_graph(codegen.load(path), codegen.c_name(name), 1.0, entity=name)
        folder = root / "models" / made.name
        folder.mkdir(parents=True)
        (folder / f"{made.name}.h").write_text(made.header)
        (folder / f"{made.name}.c").write_text(made.source)
        rungs[name] = {"series": series, "windows": windows.numpy(), "single": single, "exact": exact, "made": made}
    toolchain.build(root / "models", root / "native")
    for name, rung in rungs.items():
        rung["library"] = toolchain.library(root / "native", codegen.c_name(name))
    return rungs


def allowed(rung: dict[str, Any]) -> np.ndarray:
    """Tolerance of each window's score."""
    terms = codegen.interpret(rung["made"].graph, rung["windows"]).terms
    return tolerance(rung["exact"][0].numpy(), rung["single"][0].numpy().astype(np.float64), terms)


@pytest.mark.parametrize("name", models.MODELS)
def test_every_pass(name: str, ladder: dict[str, dict[str, Any]]) -> None:
    rung = ladder[name]
    for step, graph in rung["made"].passes:
        for dtype in (np.float64, np.float32):
            scores = codegen.interpret(graph, rung["windows"], dtype).scores
            worst = np.max(np.abs(scores - rung["exact"][0].numpy()) / allowed(rung))
            assert worst <= 1, f"after {step}, in {np.dtype(dtype).name}: {worst:.2f} of what is allowed"


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", models.MODELS)
def test_compiled(name: str, isa: str, ladder: dict[str, dict[str, Any]], has_isa: Callable[[str], None]) -> None:
    """Each instruction set's program of one library, all in this process; in bulk and step by step the same bits."""
    has_isa(isa)
    rung = ladder[name]
    detector = Detector.load(Path(rung["library"]), isa=isa)
    assert detector.model.isa == isa
    scores = detector.run(rung["series"]).scores
    assert scores.tobytes() == detector.score(rung["series"]).tobytes()
    assert np.isnan(scores[: WINDOW - 1]).all()
    worst = np.max(np.abs(scores[WINDOW - 1 :] - rung["exact"][0].numpy()) / allowed(rung))
    assert worst <= 1, f"{worst:.2f} of what is allowed"


@pytest.mark.parametrize("name", models.MODELS)
def test_the_tolerance_bites(name: str, ladder: dict[str, dict[str, Any]]) -> None:
    """Weights of the last layer that are off by a thousandth are out of it."""
    rung = ladder[name]
    held = rung["made"].graph.constants
    last = [c for c in held if c.startswith("output") and c.endswith("weight")]
    worst = 0.0
    for spoiled in last or [c for c in held if np.abs(held[c]).max() < 1e30]:  # all but masks
        graph = codegen.with_constants(rung["made"].graph, {spoiled: held[spoiled].ravel() * np.float32(1.001)})
        scores = codegen.interpret(graph, rung["windows"], np.float32).scores
        worst = max(worst, float(np.max(np.abs(scores - rung["exact"][0].numpy()) / allowed(rung))))
    assert worst > 10
