"""The first diverging operator is named, and a sound program has none."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from tsad_edge.codegen import compile_graph, emit, first_divergence, load_program, with_constants

WINDOW, CHANNELS = 10, 3


class Both(nn.Module):
    """A dense autoencoder and an LSTM forecaster side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(CHANNELS, 4, 2, batch_first=True)
        self.head = nn.Linear(4, CHANNELS)
        self.net = nn.Sequential(
            nn.Linear(WINDOW * CHANNELS, 4), nn.Tanh(), nn.Linear(4, 8), nn.LeakyReLU(1.0), nn.Linear(8, CHANNELS)
        )

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        z = (window - 0.5) * 2.0
        ahead = self.head(self.lstm(z[:, :-1])[0][:, -1])
        return ((ahead - z[:, -1]) ** 2 + self.net(z.flatten(1)).sigmoid()).mean(1)


class Steps(nn.Module):
    """Convolution, pool, two GRU layers, and a product of what they made with itself."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = nn.Sequential(nn.Conv1d(CHANNELS, 4, 3, padding=1), nn.ReLU(), nn.MaxPool1d(2))
        self.gru = nn.GRU(4, 3, 2, batch_first=True)
        self.head = nn.Linear(5, CHANNELS)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        z = (window - 0.5) * 2.0
        states = self.gru(self.seen(z.transpose(1, 2)).transpose(1, 2))[0]
        alike = states @ states.transpose(1, 2)
        return (self.head(alike).sigmoid().mean(1) - z[:, -1]).abs().mean(1)


@pytest.fixture(scope="module", params=[Both, Steps])
def made(request, export):  # type: ignore[no-untyped-def]
    torch.manual_seed(3)
    return compile_graph(load_program(export(request.param().eval(), WINDOW, CHANNELS)), "m_both", 0.5)


SAMPLES = np.random.default_rng(5).standard_normal((WINDOW + 5, CHANNELS)).astype(np.float32)
WINDOWS = np.lib.stride_tricks.sliding_window_view(SAMPLES, WINDOW, axis=0).transpose(0, 2, 1)


def test_sound_program(made, native) -> None:  # type: ignore[no-untyped-def]
    found = first_divergence(made.graph, WINDOWS, native(made).run(SAMPLES)[2])
    assert not found.diverged and found.sources, found


def test_every_corrupted_constant_is_named(made, native) -> None:  # type: ignore[no-untyped-def]
    readers = {name: op for op in made.graph.ops for name in op.inputs}
    r = random.Random(0)
    for name, values in made.graph.constants.items():
        wrong = values.copy()
        at = tuple(r.randrange(size) for size in wrong.shape)
        wrong[at] += 0.01
        held = emit(with_constants(made.graph, {name: wrong.ravel()}), "m_both", 0.5)
        found = first_divergence(made.graph, WINDOWS, native(held).run(SAMPLES)[2])
        assert found.diverged and found.name == readers[name].output.name, (name, found)
        assert found.measured > found.bound
        layer = name.split("+")[0].rsplit(".", 1)[0]
        assert name == "enter" or ".value" in name or any(layer in source for source in found.sources), (name, found)
    folded = any("+" in name for name in made.graph.constants)
    assert folded or "gru" in {op.kind for op in made.graph.ops}, "a folded layer was among them"


def test_taps_that_do_not_fit(made, native) -> None:  # type: ignore[no-untyped-def]
    taps = native(made).run(SAMPLES)[2]
    with pytest.raises(ValueError, match=r"operator 1 .* has no tapped values"):
        first_divergence(made.graph, WINDOWS, {k: v for k, v in taps.items() if k != 1})
    with pytest.raises(ValueError, match=r"operator 0 .* not \d+"):
        first_divergence(made.graph, WINDOWS, {**taps, 0: taps[0][1:]})


def test_what_is_not_a_number_diverges(made, native) -> None:  # type: ignore[no-untyped-def]
    taps = native(made).run(SAMPLES)[2]
    bad = {**taps, 2: np.full_like(taps[2], np.nan)}
    found = first_divergence(made.graph, WINDOWS, bad)
    assert found.op == 2 and found.measured == np.inf
