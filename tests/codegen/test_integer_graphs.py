"""Whole quantised graphs, drawn and exported: scores, parts and every operator's output have the interpreter's bits."""

import random
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn
from tsad_edge.codegen import Compiled, compile_graph, first_divergence, interpret, load_program, passes, with_constants
from tsad_edge.codegen.ir import Graph, from_text, to_text
from tsad_edge.codegen.ops import TABLE, numbered
from tsad_edge.codegen.passes.quantise import RULES
from tsad_edge.codegen.precision import EXACT

from ..conftest import needed
from .integers import USERS

MOVES = ("reshape", "permute", "select", "slice", "cat", "take")
OFTEN = ("linear", "conv1d", "lstm", "gru")


def sliding(samples: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    return np.lib.stride_tricks.sliding_window_view(samples, width, axis=0).transpose(0, 2, 1)


def draw(drawing, r: random.Random) -> Graph:  # type: ignore[no-untyped-def, type-arg]
    """A graph of operators that integers have a rule for, among others that move values."""
    d = drawing(r, window=(r.randint(2, 9), r.randint(1, 5)))
    if r.random() < 0.5:  # a scaler
        offset, scale = d.constant((d.window.shape[2],)), d.constant((1, d.window.shape[2]))
        d.add("mul", [d.add("sub", ["window", offset]), scale])
    for _ in range(r.randint(2, 8)):
        d.step(r.choice([*RULES, *OFTEN, *OFTEN, *MOVES]))
    read = {name for op in d.ops for name in op.inputs}
    for name in [name for name in d.pool if name not in read and len(d.shapes[name]) > 1]:
        if r.random() < 0.8:  # what comes before a product is in integers
            d.add("linear", [name, d.constant((r.randint(1, 9), d.shapes[name][-1]))], act="none", packed=False)
    return d.finish()  # type: ignore[no-any-return]


def samples_of(graph: Graph) -> NDArray[np.float32]:
    """As they were in training, then far beyond, at last such as no sensor gives."""
    _, width, channels = graph.window.shape
    samples = np.random.default_rng(1).standard_normal((width + 40, channels)).astype(np.float32)
    samples[width + 10 :] *= 30
    samples[width + 20 :: 5] = [[np.inf], [-np.inf], [np.nan], [3e38]]
    return samples


def quantised(graph: Graph) -> Compiled:
    rng = np.random.default_rng(2)
    windows = rng.standard_normal((20, *graph.window.shape[1:])).astype(np.float32)
    return compile_graph(graph, "m_test", 0.5, calibration=windows)


def exact(graph: Graph) -> set[str]:
    """Tensors that depend on no float operator but EXACT ones and those between floats and integers."""
    found = {graph.window.name, *graph.constants}
    for op in graph.ops:
        spec = TABLE[op.kind]
        integers = "s16" in {*spec.reads, spec.writes} or spec.writes == "any"
        if (integers or op.kind in EXACT) and all(name in found for name in op.inputs if name):
            found.add(op.output.name)
    return found


def compare(made: Compiled, native, samples: NDArray[np.float32]) -> bool:  # type: ignore[no-untyped-def]
    """Hold the C against the interpreter; whether all of it was bit for bit."""
    graph = made.graph
    windows = sliding(samples, graph.window.shape[1])
    want = interpret(graph, windows, np.float32, keep=True)
    scores, parts, taps = native(made).run(samples)
    sure = exact(graph)
    for number, op in numbered(graph):
        name = op.output.name
        if name in sure and number:  # 0, the slots, is looked at by first_divergence
            got = taps[number].reshape(len(windows), -1)[:, : op.output.size]
            assert got.tobytes() == want.tensors[name].astype(got.dtype).tobytes(), f"{number}: {op}"
    # The others are judged one by one, on what the C gave them; integers must be equal there too.
    assert not (found := first_divergence(graph, windows, taps)).diverged, found
    if graph.outputs[0] in sure:
        assert scores.tobytes() == want.scores.astype(np.float32).tobytes()
    if len(graph.outputs) > 1 and graph.outputs[1] in sure:
        assert parts.tobytes() == want.parts.astype(np.float32).tobytes()
    return all(name in sure for name in graph.outputs)


def test_most_drawn_graphs_are_held_to_the_bit(drawing) -> None:  # type: ignore[no-untyped-def]
    """Of the graphs below, as they are drawn: what the words "bit for bit" rest on."""
    whole = products = 0
    for seed in range(100):
        graph = quantised(draw(drawing, random.Random(seed))).graph
        whole += all(name in exact(graph) for name in graph.outputs)
        products += any(TABLE[op.kind].largest is not None for op in graph.ops)
    assert whole >= 50 and products >= 90, (whole, products)


@given(r=st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_c_is_the_interpreter(r: random.Random, drawing, native) -> None:  # type: ignore[no-untyped-def]
    graph = draw(drawing, r)
    made, samples = quantised(graph), samples_of(graph)
    assert from_text(to_text(made.graph), made.graph.constants) == made.graph
    compare(made, native, samples)
    model = native(made)
    whole = model.run(samples)[0]
    for batch in (1, 7):
        assert model.run(samples, batch)[0].tobytes() == whole.tobytes(), "a window's score depends on its batch"


@given(r=st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_layout_and_plan_keep_every_bit(r: random.Random, drawing) -> None:  # type: ignore[no-untyped-def]
    graph = draw(drawing, r)
    windows = sliding(samples_of(graph), graph.window.shape[1])
    rng = np.random.default_rng(2)
    calibration = rng.standard_normal((20, *graph.window.shape[1:])).astype(np.float32)
    steps = dict(passes.run(graph, partial(passes.quantise, windows=calibration)))
    want = interpret(steps["quantise"], windows, np.float32).scores
    assert interpret(steps["plan"], windows, np.float32).scores.tobytes() == want.tobytes()


@pytest.mark.parametrize(
    "command", [pytest.param(USERS[0], id="gcc"), pytest.param(USERS[1], id="clang", marks=pytest.mark.slow)]
)
def test_the_bits_are_the_same_under_users_flags(command: tuple[str, ...], drawing, native_by) -> None:  # type: ignore[no-untyped-def]
    """-O3 -ffp-contract=fast -march=native, kernels and program, float operators of the tail too."""
    needed(command[0], command[0])
    native = native_by(*command, "-std=c99", "-fPIC")
    for seed in range(12):
        graph = draw(drawing, random.Random(seed))
        compare(quantised(graph), native, samples_of(graph))


class Detector(nn.Module):
    """Scaler, layers by name, and the squared error to the newest sample."""

    def __init__(self, kind: str, channels: int) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.register_buffer("offset", torch.linspace(-2, 3, channels))
        self.kind = kind
        self.rnn = {"lstm": nn.LSTM, "gru": nn.GRU}.get(kind, nn.LSTM)(channels, 7, 2, batch_first=True)
        self.conv = nn.Sequential(
            nn.Conv1d(channels, 6, 3, dilation=2, padding=2), nn.LeakyReLU(0.2), nn.Conv1d(6, 7, 3)
        )
        self.dense = nn.Sequential(nn.Linear(11 * channels, 9), nn.Tanh(), nn.Linear(9, 7), nn.ReLU())
        self.head = nn.Linear(7, channels)

    def forward(self, window: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = (window - self.offset) * 0.5
        before, last = x[:, :-1], x[:, -1]
        if self.kind == "dense":
            seen = self.dense(before.flatten(1))
        elif self.kind == "conv":
            seen = self.conv(before.transpose(1, 2))[:, :, -1]
        else:
            seen = self.rnn(before)[0][:, -1]
        parts = (self.head(seen) - last) ** 2
        return parts.mean(1), parts


@pytest.mark.parametrize("kind", ["dense", "conv", "lstm", "gru"])
def test_networks_are_whole_to_the_bit(kind: str, export, native) -> None:  # type: ignore[no-untyped-def]
    """From samples to score and parts, and close to what float32 says."""
    graph = load_program(export(Detector(kind, 4).eval(), 12, 4))
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((300, 4)).astype(np.float32).cumsum(0) * np.float32(0.1)
    windows = sliding(samples, 12)
    made = compile_graph(graph, "m_test", 0.5, calibration=windows[:150])
    assert compare(made, native, samples)
    want, got = interpret(graph, windows).scores, interpret(made.graph, windows, np.float32).scores
    assert np.median(np.abs(got - want) / want) < 0.02


def test_one_wrong_weight_is_named(export, native) -> None:  # type: ignore[no-untyped-def]
    """By a single step of a single s8 weight: integers leave no room for rounding."""
    graph = load_program(export(Detector("dense", 4).eval(), 12, 4))
    samples = np.random.default_rng(0).standard_normal((40, 4)).astype(np.float32)
    windows = sliding(samples, 12)
    made = compile_graph(graph, "m_test", 0.5, calibration=windows)
    taps = native(made).run(samples)[2]
    assert not first_divergence(made.graph, windows, taps).diverged
    op = next(op for op in made.graph.ops if op.kind == "linear_s8")
    weights = made.graph.constants[op.inputs[1]].copy()
    weights[0, 0] += 1 if weights[0, 0] < 0 else -1
    found = first_divergence(with_constants(made.graph, {op.inputs[1]: weights}), windows, taps)
    assert found.diverged and found.name == op.output.name and "aten" in found.sources[0]
