"""Writes the reference model again: m_reference.h, m_reference.c, golden.csv, golden_scores.csv, beside this file.

A small dense autoencoder whose weights are a closed form (an integer hash, exact in float32), so that neither training
nor a random generator has a say in the bytes. It is the built-in model, the example to read, and what tests compare.

    python csrc/reference/generate.py
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tsad_edge import codegen

CHANNELS, WINDOW, CODE = 3, 16, 8
NAMES = ("a", "b", "c")
SAMPLES = 64
THRESHOLD = 0.5


def hashed(count: int, stream: int) -> NDArray[np.float32]:
    """Numbers in [-1, 1) in steps of 1/128, all alike on every machine; `stream` picks another sequence."""
    i = np.arange(count, dtype=np.uint64) + np.uint64(1 + 100_003 * stream)
    mixed = (i * np.uint64(2654435761)) & np.uint64(0xFFFFFFFF)
    mixed = ((mixed ^ (mixed >> np.uint64(15))) * np.uint64(2246822519)) & np.uint64(0xFFFFFFFF)
    return ((mixed >> np.uint64(24)).astype(np.float32) - 128) / 128


class Reference(torch.nn.Module):
    """Autoencoder of a window; the score is its mean squared error, the parts are the channels' shares."""

    offset: torch.Tensor
    scale: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("offset", torch.tensor([0.0, 0.5, 1.0]))
        self.register_buffer("scale", torch.tensor([1.0, 2.0, 0.5]))
        self.encoder = torch.nn.Linear(WINDOW * CHANNELS, CODE)
        self.decoder = torch.nn.Linear(CODE, WINDOW * CHANNELS)
        with torch.no_grad():
            for stream, p in enumerate(self.parameters()):
                p.copy_(torch.from_numpy(hashed(p.numel(), stream) / 8).reshape(p.shape))

    def forward(self, window: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        z = (window - self.offset) * self.scale  # (B, W, C)
        code = torch.tanh(self.encoder(z.flatten(1)))  # (B, CODE)
        again = self.decoder(code).reshape(z.shape)  # (B, W, C)
        parts = (again - z).square().mean(1)  # (B, C)
        return parts.mean(1), parts


def program() -> torch.export.ExportedProgram:
    """The reference as `torch.export` sees it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own deprecations
        batch = {"window": {0: torch.export.Dim("B")}}
        return torch.export.export(Reference().eval(), (torch.zeros(3, WINDOW, CHANNELS),), dynamic_shapes=batch)


def samples() -> NDArray[np.float32]:
    """A short recording (SAMPLES, CHANNELS): three slow waves in eighths, and a fault of four samples in the last."""
    t = np.arange(SAMPLES)
    wave = np.stack([np.round(4 * np.sin(t / (3 + c)) + hashed(SAMPLES, 9 + c)) / 8 for c in range(CHANNELS)], axis=1)
    wave[48:52, 2] += 4
    return (wave / [1.0, 2.0, 0.5] + [0.0, 0.5, 1.0]).astype(np.float32)


def files() -> dict[str, str]:
    """Text of every generated file, by name."""
    graph = codegen.load_program(program())
    made = codegen.compile_graph(
        graph, "m_reference", THRESHOLD, channels=NAMES, entity="reference", redo="python csrc/reference/generate.py"
    )
    series = samples()
    windows = np.lib.stride_tricks.sliding_window_view(series, WINDOW, axis=0).transpose(0, 2, 1)
    scores = codegen.interpret(graph, windows).scores.astype(np.float32)
    rows = [",".join(NAMES), *(",".join(f"{v:.9g}" for v in row) for row in series)]
    golden = ["score", *["nan"] * (WINDOW - 1), *(f"{score:.9g}" for score in scores)]
    return {
        "m_reference.h": made.header,
        "m_reference.c": made.source,
        "golden.csv": "\n".join(rows) + "\n",
        "golden_scores.csv": "\n".join(golden) + "\n",
    }


if __name__ == "__main__":
    for name, text in files().items():
        (Path(__file__).parent / name).write_text(text)
