"""The models that `sizes`, `instructions` and `ratios` are about: untrained, seeded weights, default hyperparameters.

What they cost does not depend on what was learned. Owns their shape, their samples and how they are compiled.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tsad_edge import codegen, toolchain
from tsad_edge.entity import write_c
from tsad_edge.models import Scorer, build, export

WINDOW, CHANNELS = 50, 5
REFERENCE, REFERENCE_CHANNELS, REFERENCE_WINDOW = "reference", 3, 16
"""The model of csrc/reference."""
INTEGERS = "_s8"
"""What the name of a model in integers ends with."""


def written(model: str, models: Path) -> str:
    """Write a model's C below a folder; gives its C name."""
    if model == REFERENCE:
        shutil.copytree(toolchain.sources() / "csrc" / "reference", models / "m_reference")
        return "m_reference"
    graph = models.parent / "graph.pt2"
    export.save(network(model), graph)
    normal = draw(100 * WINDOW, CHANNELS).reshape(100, WINDOW, CHANNELS) if model.endswith(INTEGERS) else None
    made = codegen.compile_graph(codegen.load(graph), f"m_{model}", 1.0, calibration=normal)
    write_c(models / made.name, made)
    return made.name


def network(model: str) -> Scorer:
    """As PyTorch runs it."""
    torch.manual_seed(1)
    return build(model.removesuffix(INTEGERS), WINDOW, CHANNELS).eval()


def window(model: str) -> int:
    """W."""
    return REFERENCE_WINDOW if model == REFERENCE else WINDOW


def series(model: str, more: int) -> NDArray[np.float32]:
    """Samples (W + more, C)."""
    return draw(window(model) + more, REFERENCE_CHANNELS if model == REFERENCE else CHANNELS)


def draw(count: int, channels: int) -> NDArray[np.float32]:
    """The same samples (count, channels) every time."""
    return np.random.default_rng(1).normal(size=(count, channels)).astype(np.float32)
