"""Streams say what windows say: the interpreter's meanings, and in C, as hosts build it, every bit."""

import math
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tsad_edge.codegen import Compiled, compile_graph, interpret, load_program, mac, passes
from tsad_edge.codegen.ir import Graph, from_text, to_text
from tsad_edge.codegen.passes import stream
from tsad_edge.codegen.verify import VerifyError, verify

from tsad_edge import Detector, _core, models, toolchain
from tsad_edge.models.export import trace

from ..conftest import ISAS

SAMPLES = 60


@pytest.fixture
def flights(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Flights are made where they save nothing, too, and columns nowhere. The module with the rules."""
    rules = sys.modules[stream.__module__]  # the package has the function by that name
    for least in ("FEWEST_ROWS", "LEAST_WEIGHTS", "FEWEST_CHANNELS"):
        monkeypatch.setattr(rules, least, 1)
    monkeypatch.setattr(rules, "PAYS", 0)
    return rules


@pytest.fixture
def always(flights: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams are made where they save nothing, too: small graphs have little to save."""
    monkeypatch.setattr(flights, "PAYS", math.inf)


def convolutions(drawing, r: random.Random) -> Graph:  # type: ignore[no-untyped-def]
    """Convolutions and pools with strides, dilation and padding, what stands between them, and what reads their end."""
    d = drawing(r, window=(r.randint(8, 24), r.randint(1, 3)))
    x = d.add("mul", ["window", d.constant((d.window.shape[2],))])
    for _ in range(r.randint(1, 5)):
        _, steps, channels = d.shapes[x]
        kind, taps = r.choice(["conv1d", "conv1d", "max_pool", "mean_pool", "tanh", "linear", "cut"]), r.randint(1, 3)
        reach = {"stride": r.choice([1, 1, 2]), "dilation": r.choice([1, 1, 2])}
        reach |= {"left": r.choice([0, 0, 1, 2]), "right": r.choice([0, 0, 0, 1])}
        if kind in {"max_pool", "mean_pool"}:
            reach |= {"left": 0, "right": 0}
        if steps + reach["left"] + reach["right"] < reach["dilation"] * (taps - 1) + 2 or steps < 3:
            kind = "tanh"
        if kind == "conv1d":
            weight = d.constant((r.randint(1, 6), channels, taps))
            x = d.add(kind, [x, weight], **reach, groups=1, act=r.choice(["none", "relu"]), packed=False)
        elif kind == "linear":
            x = d.add(kind, [x, d.constant((r.randint(1, 6), channels))], act="none", packed=False)
        elif kind == "cut":
            cut = d.add("slice", [x], dim=1, start=r.randint(0, 1), stop=steps, step=r.choice([1, 1, 2]))
            rest = d.add("slice", [x], dim=1, start=steps - d.shapes[cut][1], stop=steps, step=1)
            x = d.add("sub", [cut, rest])
        elif kind == "tanh":
            x = d.add(kind, [x])
        else:
            more = {"padded": r.random() < 0.5} if kind == "mean_pool" else {}
            x = d.add(kind, [x], **reach | {"taps": taps}, **more)
    steps, channels = d.shapes[x][1:]
    if r.random() < 0.5:
        x = d.add("select", [x], dim=1, index=r.choice([steps - 1, steps // 2]))
    x = d.add("reshape", [x], shape=(1, math.prod(d.shapes[x])))
    return finished(d, d.add("linear", [x, d.constant((3, d.shapes[x][1]))], act="none", packed=False))


def recurrent(drawing, r: random.Random) -> Graph:  # type: ignore[no-untyped-def]
    """Layers of an LSTM or GRU, one on the other, of which the last state is read."""
    d = drawing(r, window=(r.randint(3, 40), r.randint(1, 3)))
    x = d.add("mul", ["window", d.constant((d.window.shape[2],))])
    if r.random() < 0.5:
        x = d.add("slice", [x], dim=1, start=0, stop=d.window.shape[1] - 1, step=1)
    for _ in range(r.randint(1, 3)):
        kind, hidden = r.choice(["lstm", "gru"]), r.randint(1, 5)
        gates = (4 if kind == "lstm" else 3) * hidden
        weights = [d.constant((gates, d.shapes[x][2])), d.constant((gates, hidden))]
        biases = [d.constant((gates,)), d.constant((gates,))] if r.random() < 0.7 else []
        states = [d.constant((hidden,)) for _ in range(gates // hidden - 2)] if biases and r.random() < 0.5 else []
        x = d.add(kind, [x, *weights, *biases, *states], last=False, packed=False)
        if r.random() < 0.3:
            x = d.add("mul", [x, d.constant(d.shapes[x][1:])])  # a constant of its own for each step
    return finished(d, d.add("select", [x], dim=1, index=d.shapes[x][1] - 1))


def dense(drawing, r: random.Random) -> Graph:  # type: ignore[no-untyped-def]
    """Dense layers that see all steps, or all but the newest, of a series in one row."""
    d = drawing(r, window=(r.randint(34, 60), r.randint(1, 9)))
    x = d.add("mul", ["window", d.constant((d.window.shape[2],))])
    if r.random() < 0.5:
        x = d.add("linear", [x, d.constant((r.randint(1, 5), d.window.shape[2]))], act="tanh", packed=False)
    late = r.choice([0, 0, 1, 2])
    x = d.add("slice", [x], dim=1, start=r.choice([0, late]), stop=d.window.shape[1] - late, step=1)
    x = d.add("reshape", [x], shape=(1, math.prod(d.shapes[x])))
    out = r.randint(17, 40)
    bias = [d.constant((out,))] if r.random() < 0.5 else []
    x = d.add("linear", [x, d.constant((out, d.shapes[x][1])), *bias], act=r.choice(["none", "relu"]), packed=False)
    return finished(d, x)


def finished(d: Any, x: str) -> Graph:
    """The mean of squares as the score; no constant is nothing, so that the score depends on samples."""
    rng = np.random.default_rng(len(d.ops))
    for value in d.constants.values():
        value[...] = rng.standard_normal(value.shape) / math.sqrt(value.size)
    score = d.add("mean", [d.add("mul", [x, x])], dims=(1,))
    return Graph(d.window, d.constants, tuple(d.ops), (score,))


def windows(samples: NDArray[Any], width: int) -> NDArray[Any]:
    return np.lib.stride_tricks.sliding_window_view(samples, width, axis=0).transpose(0, 2, 1)


def samples_of(graph: Graph, count: int = SAMPLES) -> NDArray[np.float32]:
    shape = (graph.window.shape[1] - 1 + count, graph.window.shape[2])
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def means_the_same(made: Compiled) -> bool:
    """Whether there is a stream; it must mean what the windows do."""
    final, samples = made.graph, samples_of(made.graph)
    if made.stream is None:
        return False
    by_windows = interpret(final, windows(samples, final.window.shape[1]))
    by_samples = interpret(made.stream.graph, samples[:, None])
    warm = slice(final.window.shape[1] - 1, None)
    np.testing.assert_allclose(by_samples.scores[warm], by_windows.scores, 1e-12, 1e-12)
    if by_windows.parts is not None:
        np.testing.assert_allclose(by_samples.parts[warm], by_windows.parts, 1e-12, 1e-12)
    return True


@pytest.mark.parametrize("draw", [convolutions, recurrent])
@given(r=st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_the_meaning_is_that_of_windows(draw: Callable[..., Graph], r: random.Random, drawing, always) -> None:  # type: ignore[no-untyped-def]
    made = compile_graph(draw(drawing, r), "m_test", 0.5)
    assert means_the_same(made) or draw is convolutions
    if made.stream is not None:
        assert from_text(to_text(made.stream.graph), made.stream.graph.constants) == made.stream.graph


@given(r=st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_the_meaning_of_sums_under_way_is_that_of_windows(r: random.Random, drawing, flights) -> None:  # type: ignore[no-untyped-def]
    made = compile_graph(dense(drawing, r), "m_test", 0.5)
    assert means_the_same(made) and made.stream is not None
    assert any(op.kind == "linear_flight" for op in made.stream.graph.ops)
    assert from_text(to_text(made.stream.graph), made.stream.graph.constants) == made.stream.graph


@given(r=st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_any_graph_that_streams_means_the_same(r: random.Random, drawing, always) -> None:  # type: ignore[no-untyped-def]
    d = drawing(r, window=(r.randint(4, 12), r.randint(1, 3)))
    for _ in range(r.randint(2, 7)):
        d.step(
            r.choice(
                ["conv1d", "conv1d", "linear", "lstm", "add", "max_pool", "normalise", "slice", "cat", "tanh", "mean"]
            )
        )
    means_the_same(compile_graph(d.finish(), "m_test", 0.5))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Compiled]], dict[str, Path]]:
    """Compile several models as `tsad convert` does."""

    def build(made: dict[str, Compiled]) -> dict[str, Path]:
        place = tmp_path_factory.mktemp("streams")
        for name, one in made.items():
            folder = place / "models" / name
            folder.mkdir(parents=True)
            (folder / f"{name}.h").write_text(one.header)
            (folder / f"{name}.c").write_text(one.source)
        toolchain.build(place / "models", place / "native")
        return {name: toolchain.library(place / "native", name) for name in made}

    return build


def same_bits(library: Path, samples: NDArray[np.float32], isa: str) -> None:
    """With threads a detector takes windows, without them it streams. In the middle a sample is missing."""
    missing = samples.copy()
    missing[len(samples) // 2] = np.nan
    for values in (samples, missing):
        guard = {"not_finite": "reset"}
        by_samples, by_windows = (
            _core.Detector(_core.Model(str(library), isa), guard=guard, threads=threads).score(values)
            for threads in (1, 2)
        )
        assert by_samples.tobytes() == by_windows.tobytes()
        assert np.isfinite(by_samples).any()


@pytest.mark.parametrize("isa", ISAS)
def test_in_c_every_bit_is_that_of_windows(isa: str, library, drawing, always, has_isa) -> None:  # type: ignore[no-untyped-def]
    has_isa(isa)
    made: dict[str, Compiled] = {}
    for seed in range(40):
        r = random.Random(seed)
        graph = (convolutions if seed % 3 else recurrent)(drawing, r)
        calibration = {"calibration": windows(samples_of(graph), graph.window.shape[1])} if seed % 5 == 1 else {}
        one = compile_graph(graph, f"m_{seed}", 0.5, **calibration)
        if one.stream is not None:
            made[f"m_{seed}"] = one
    assert len(made) > 25 and any("_s8" in op.kind for one in made.values() for op in one.stream.graph.ops)  # type: ignore[union-attr]
    for name, path in library(made).items():
        same_bits(path, samples_of(made[name].graph, 300), isa)


@pytest.mark.parametrize("isa", ISAS)
def test_series_and_single_samples_mix(isa: str, library, drawing, flights, has_isa) -> None:  # type: ignore[no-untyped-def]
    """Scores are those of windows to the bit, wherever a detector turns from a series' windows to a stream and back."""
    has_isa(isa)
    graphs = [dense(drawing, random.Random(seed)) for seed in range(6)]
    made = {f"m_{i}": compile_graph(graph, f"m_{i}", 0.5) for i, graph in enumerate(graphs)}
    for i, path in enumerate(library(made).values()):
        r = random.Random(i)
        assert made[f"m_{i}"].stream.in_bulk  # type: ignore[union-attr]
        samples = samples_of(graphs[i], 900)
        samples[500, 0] = np.nan
        by_windows, mixed = (
            _core.Detector(_core.Model(str(path), isa), guard={"not_finite": "reset"}, threads=threads)
            for threads in (2, 1)
        )
        whole, found, at = by_windows.score(samples), [], 0
        while at < len(samples):
            part = samples[at : at + r.choice([1, 3, 40, 200])]
            found.append(mixed.score(part) if r.random() < 0.5 else mixed.run(part, None, False)[0])
            at += len(part)
            if r.random() < 0.2:
                mixed.restore(mixed.snapshot())
        assert np.concatenate(found).tobytes() == whole.tobytes()


def compiled(name: str, window: int = 100, channels: int = 3, **more: Any) -> Compiled:
    torch.manual_seed(1)
    graph = load_program(trace(models.build(name, window, channels), window, channels))
    return compile_graph(graph, f"m_{name}", 0.5, **more)


def test_the_shipped_convolutions_stream_everywhere_and_take_less() -> None:
    for name in ("tcn", "cnn"):
        made = compiled(name, channels=38)
        assert made.stream is not None and made.stream.everywhere
        assert made.cost["mac_after"] < 0.15 * made.cost["mac_before"]
        assert made.cost["state_bytes"] > 0 and "#ifndef TSAD_TAP_ON\nstatic void state_reset" in made.source
    assert compiled("tcn", channels=38).cost["memory_bytes"] < 6000  # windowed it is 26 kB


def test_what_flies_streams_on_hosts_only() -> None:
    for name, channels in (("lstm", 3), ("gru", 3), ("gan", 38)):
        made = compiled(name, channels=channels)
        assert made.stream is not None and not made.stream.everywhere
        assert made.stream.in_bulk is (name == "gan")
        assert made.cost["state_bytes"] == 0 and "#if defined TSAD_HOST && !defined TSAD_TAP_ON\n" in made.source


@pytest.mark.parametrize("name", ["gan", "vae", "usad", "pca", "kmeans", "moving_z", "transformer", "tranad"])
def test_what_shares_nothing_stays_windowed(name: str) -> None:
    made = compiled(name)
    assert made.stream is None and "advance" not in made.source


class Reads(torch.nn.Module):
    """An LSTM of which `read` makes the score."""

    def __init__(self, read: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.read, self.layer = read, torch.nn.LSTM(2, 3, batch_first=True)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        return self.read(self.layer(window)[0])


@pytest.mark.parametrize(
    ("read", "streams"),
    [
        (lambda h: h[:, -1].square().mean(-1), True),
        (lambda h: torch.tanh(h)[:, -1].square().mean(-1), True),
        (lambda h: h.square().mean((1, 2)), False),  # of all steps of one window
        (lambda h: (h[:, 1:] - h[:, :-1])[:, -1].square().mean(-1), False),
        (lambda h: h[:, -2].square().mean(-1), False),  # of windows that are not complete yet
    ],
    ids=["last", "row by row", "all steps", "neighbours", "last but one"],
)
def test_a_flight_is_read_at_its_end_only(read: Callable[[torch.Tensor], torch.Tensor], streams: bool) -> None:
    torch.manual_seed(1)
    made = compile_graph(load_program(trace(Reads(read), 12, 2)), "m_reads", 0.5)
    assert means_the_same(made) is streams


def test_what_is_kept_has_memory_of_its_own(drawing, always) -> None:  # type: ignore[no-untyped-def]
    made = compiled("tcn")
    assert made.stream is not None and made.stream.graph.plan is not None
    text = to_text(made.stream.graph)
    (first, second) = [line for line in text.splitlines() if " state " in line][:2]
    moved = second.replace(f"state {second.split()[3]}", f"state {first.split()[3]}")
    verify(from_text(text, made.stream.graph.constants))
    with pytest.raises(VerifyError, match="kept in the same memory"):
        verify(from_text(text.replace(second, moved), made.stream.graph.constants))
    with pytest.raises(VerifyError, match="out of arena"):
        verify(from_text(text.replace(second, second.replace("state", "arena")), made.stream.graph.constants))


def test_a_step_too_early_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    streaming = sys.modules[stream.__module__]._Streaming  # type: ignore[attr-defined]
    right = streaming._past
    assert means_the_same(compiled("tcn"))
    monkeypatch.setattr(streaming, "_past", lambda self, name, start, stop: right(self, name, start - 1, stop - 1))
    with pytest.raises(AssertionError):
        means_the_same(compiled("tcn"))


def test_readme_shows_what_streams_take(library, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    made = {f"m_{name}": compiled(name, channels=38) for name in ("tcn", "cnn", "lstm", "gru", "gan")}
    on_host = {name: _core.Model(str(path)).memory for name, path in library(made).items()}
    monkeypatch.setattr(passes, "stream", lambda graph: None)
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    for name, streamed in made.items():
        windowed = compiled(name.removeprefix("m_"), channels=38).cost
        assert streamed.stream is not None
        board = [windowed["memory_bytes"], *[streamed.cost["memory_bytes"]] * streamed.stream.everywhere]
        work = f"{windowed['mac_after']:,} -> {mac(streamed.stream.graph):,}"
        row = f"| {name[2:]} | {work} | {' -> '.join(f'{size:,}' for size in board)} | {on_host[name]:,} |"
        assert row in readme


@pytest.mark.slow
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("precision", ["f32", "s8"])
@pytest.mark.parametrize("name", ["tcn", "cnn", "lstm", "gru"])
def test_a_million_samples(name: str, precision: str, isa: str, library, has_isa) -> None:  # type: ignore[no-untyped-def]
    has_isa(isa)
    window = 100 if name in {"tcn", "cnn"} else 20
    samples = np.random.default_rng(3).standard_normal((1_000_000, 3)).astype(np.float32)
    more = {"calibration": windows(samples[:500], window)} if precision == "s8" else {}
    made = compiled(name, window, **more)
    (path,) = library({made.name: made}).values()
    by_samples, by_windows = (Detector.load(path, isa=isa, threads=threads).score(samples) for threads in (1, 2))
    assert by_samples.tobytes() == by_windows.tobytes()
