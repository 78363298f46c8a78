"""Calibration and constants at their worst: the quantised graph is close to float32, or an error says what to do."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tsad_edge.codegen import Compiled, compile_graph, interpret
from tsad_edge.codegen.ir import Graph

from .conftest import Drawing

WIDTH, CHANNELS = 6, 3
Floats = NDArray[np.float32]


def windows(n: int = 400, factor: float = 1.0, offset: float = 0.0) -> Floats:
    samples = np.random.default_rng(5).standard_normal((n, CHANNELS)) * factor + offset
    return np.lib.stride_tricks.sliding_window_view(samples.astype(np.float32), WIDTH, axis=0).transpose(0, 2, 1)


SEEN, LATER = windows()[:200], windows()[200:]


class Net:
    """Scaler, a hidden layer, the squared error to the newest sample; constants can be changed before it is built."""

    def __init__(self, width: int = 5, act: str = "relu", **factors: float) -> None:
        rng = np.random.default_rng(0)
        shapes = {"w1": (width, WIDTH * CHANNELS), "b1": (width,), "w2": (CHANNELS, width), "b2": (CHANNELS,)}
        made = {k: rng.standard_normal(s) / np.sqrt(s[-1]) * factors.get(k, 1.0) for k, s in shapes.items()}
        offset, scale = factors.get("offset", 0.0), factors.get("scale", 1.0)
        self.act = act
        self.constants = {**made, "offset": np.full(CHANNELS, offset), "scale": np.full((1, CHANNELS), scale)}

    def graph(self) -> Graph:
        d = Drawing(random.Random(0), window=(WIDTH, CHANNELS))

        def constant(name: str) -> str:
            made = d.constant(self.constants[name].shape)
            d.constants[made] = self.constants[name].astype(np.float32)
            return made

        dense = {"act": "none", "packed": False}
        z = d.add("mul", [d.add("sub", ["window", constant("offset")]), constant("scale")])
        flat = d.add("reshape", [z], shape=(1, WIDTH * CHANNELS))
        hidden = d.add(self.act, [d.add("linear", [flat, constant("w1"), constant("b1")], **dense)])
        y = d.add("linear", [hidden, constant("w2"), constant("b2")], **dense)
        error = d.add("sub", [y, d.add("select", [z], dim=1, index=WIDTH - 1)])
        return graph_of(d, d.add("mul", [error, error]))


def graph_of(d: Drawing, parts: str) -> Graph:
    score = d.add("mean", [parts], dims=(1,))
    return Graph(d.window, d.constants, tuple(d.ops), (score, parts))


def error_of(graph: Graph, seen: Floats, later: Floats, share: float = 1.0) -> tuple[float, Compiled]:
    """Largest error of that share of all parts, relative to the largest part."""
    made = compile_graph(graph, "m_test", 1.0, calibration=seen)
    want, got = interpret(graph, later).parts, interpret(made.graph, later, np.float32).parts
    assert want is not None and got is not None and np.isfinite(got).all()
    return float(np.quantile(np.abs(got - want), share) / np.abs(want).max()), made


def products(made: Compiled) -> list[str]:
    return [op.kind for op in made.graph.ops if op.kind.startswith("linear")]


CALIBRATIONS: dict[str, tuple[Net, Floats, Floats]] = {
    "as it should be": (Net(), SEEN, LATER),
    "one window": (Net(), SEEN[:1], LATER),
    "constant": (Net(), np.ones_like(SEEN[:9]), LATER),
    "zero": (Net(), np.zeros_like(SEEN[:9]), LATER),
    "constant at the scaler's offset": (Net(offset=5.0), np.full_like(SEEN[:9], 5.0), LATER + 5),
    "constant but for float32's rounding": (Net(offset=5.0), np.full_like(SEEN[:9], 5.0000005), LATER + 5),
    "far from zero": (Net(offset=1e4), SEEN + np.float32(1e4), LATER + np.float32(1e4)),
    "no scaler, and far from zero": (Net(), SEEN + np.float32(1e4), LATER + np.float32(1e4)),
    "large units": (Net(scale=1e-9), SEEN * np.float32(1e9), LATER * np.float32(1e9)),
    "small units": (Net(scale=1e9), SEEN * np.float32(1e-9), LATER * np.float32(1e-9)),
    "nearly four times as far later": (Net(), SEEN, LATER * np.float32(3.8)),
}


@pytest.mark.parametrize("which", CALIBRATIONS)
def test_poor_calibration_gives_close_scores(which: str) -> None:
    net, seen, later = CALIBRATIONS[which]
    error, made = error_of(net.graph(), seen, later)
    assert error < 0.05 and products(made) == ["linear_s8", "linear_s8_f32"]


def with_value(value: float) -> Floats:
    found = SEEN[:9].copy()
    found[3, 2, 1] = value
    return found


def zero_row(net: Net) -> None:
    net.constants["w1"][2] = 0


def zero_weights(net: Net) -> None:
    net.constants["w1"][:] = 0


def all_zero(net: Net) -> None:
    for name in ("w1", "b1", "w2", "b2"):
        net.constants[name][:] = 0


def one_row_rules(net: Net) -> None:
    net.constants["w1"][1] *= 1e4


def never_active(net: Net) -> None:
    """Above zero only for samples that were not seen."""
    net.constants["b1"][:] = -6


def one_never_active(net: Net) -> None:
    never_active(net)
    net.constants["w1"][1:] *= 1e-3
    net.constants["b1"][1:] = 1e-3


@pytest.mark.parametrize("edit", [zero_row, zero_weights, all_zero, one_row_rules, never_active, one_never_active])
def test_weights_and_activations_that_tell_little(edit: Callable[[Net], None]) -> None:
    net = Net()
    edit(net)
    error, made = error_of(net.graph(), SEEN, LATER * np.float32(3.8))
    assert error < 0.02 and products(made) == ["linear_s8", "linear_s8_f32"]


@pytest.mark.parametrize("act", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("name", ["w1", "b1", "w2", "b2"])
@pytest.mark.parametrize("factor", [1e-30, 1e-10, 1e10, 1e18])
def test_weights_of_any_size(name: str, factor: float, act: str) -> None:
    """A layer whose factors no multiplier can say stays float32; nothing saturates unseen."""
    steps = act != "relu" and factor > 1 and name == "w1"  # from 0 to 1: here and there on another side
    error, made = error_of(Net(act=act, **{name: factor}).graph(), SEEN, LATER, 0.98 if steps else 1.0)
    assert error < 0.02
    assert ("linear" in products(made)) == (act != "relu" and factor > 1 and name in {"w1", "b1"})


@pytest.mark.parametrize("act", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("same", [1.0, -1.0])
def test_sums_that_could_overflow_do_not(same: float, act: str) -> None:
    """600 inputs at the limit, and weights of one sign that would all be +-127: they get fewer steps."""
    net = Net(width=600, act=act)
    net.constants["w2"][:] = same
    error, made = error_of(net.graph(), SEEN, LATER)
    last = made.graph.ops[[op.kind for op in made.graph.ops].index("linear_s8_f32")]
    fewer = np.abs(made.graph.constants[last.inputs[1]]).max() < 127
    assert error < 0.02 and fewer == (act != "relu")  # relu's results have a smaller limit instead


def lstm(hidden: int, **values: float) -> Graph:
    d, rng = Drawing(random.Random(0), window=(WIDTH, CHANNELS)), np.random.default_rng(0)

    def constant(*shape: int, value: Any) -> str:
        made = d.constant(shape)
        d.constants[made] = np.broadcast_to(value, shape).astype(np.float32)
        return made

    rows = 4 * hidden
    w = constant(rows, CHANNELS, value=rng.standard_normal((rows, CHANNELS)))
    again, bias = constant(rows, hidden, value=values["again"]), constant(rows, value=values.get("bias", 0.0))
    states = d.add("lstm", ["window", w, again, bias, constant(rows, value=0.0)], last=True, packed=False)
    head = [states, constant(CHANNELS, hidden, value=1.0), constant(CHANNELS, value=0.3)]
    return graph_of(d, d.add("abs", [d.add("linear", head, act="none", packed=False)]))


@pytest.mark.parametrize(
    ("hidden", "values", "integers"),
    [
        (7, {"again": 0.0}, True),
        (300, {"again": 0.001}, True),
        (600, {"again": 0.001}, True),
        (7, {"again": 0.1, "bias": 1e5}, True),
        (7, {"again": 1e6}, False),
        (7, {"again": 0.1, "bias": 1e12}, False),
    ],
)
def test_recurrent_layers(hidden: int, values: dict[str, float], integers: bool) -> None:
    error, made = error_of(lstm(hidden, **values), SEEN, LATER)
    assert error < 0.02 and ("lstm_s8" in [op.kind for op in made.graph.ops]) == integers


@pytest.mark.parametrize(
    ("graph", "seen", "words"),
    [
        (Net().graph(), SEEN[:0], "calibration has no window; quantisation needs at least one"),
        (
            Net().graph(),
            with_value(np.inf),
            r"calibration window 3 holds inf \(step 2, channel 1\); take it out of the training",
        ),
        (Net().graph(), with_value(np.nan), "calibration window 3 holds nan"),
        (
            Net().graph(),
            with_value(3e38),
            "overflows or is not a number for some calibration windows.*; scale the samples or",
        ),
        (Net(w1=1e30).graph(), SEEN, "so that it has no range; scale the samples or the weights, or convert as f32"),
        (lstm(7, again=0.0), SEEN * np.float32(1e31), "scaled samples, reaches 1e\\+30 .*; scale them in the model"),
    ],
)
def test_what_has_no_range_is_refused(graph: Graph, seen: Floats, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        compile_graph(graph, "m_test", 1.0, calibration=seen)


@pytest.mark.parametrize("scores", [0.01, 1.0, 5.0])
def test_masked_constant(scores: float) -> None:
    """Minus infinity as models write it: hidden steps have no share, whatever the scores beside them."""
    d = Drawing(random.Random(0), window=(WIDTH, CHANNELS))

    def constant(value: Any) -> str:
        made = d.constant(np.shape(value))
        d.constants[made] = np.asarray(value, np.float32)
        return made

    rng = np.random.default_rng(0)
    dense = {"act": "none", "packed": False}
    query, key, value = (
        d.add("linear", ["window", constant(rng.standard_normal((4, CHANNELS)))], **dense) for _ in "qkv"
    )
    product = d.add("bmm", [query, d.add("permute", [key], dims=(0, 2, 1))])
    mask = constant(np.triu(np.full((WIDTH, WIDTH), -1e38), 1))
    shares = d.add("softmax", [d.add("add", [d.add("mul", [product, constant(scores)]), mask])], dim=2, log=False)
    mixed = d.add("reshape", [d.add("bmm", [shares, value])], shape=(1, 4 * WIDTH))
    head = d.add("linear", [mixed, constant(rng.standard_normal((CHANNELS, 4 * WIDTH)))], **dense)
    error, made = error_of(graph_of(d, d.add("abs", [head])), SEEN, LATER)
    kinds = [op.kind for op in made.graph.ops]
    assert error < 0.02 and ("softmax_s16" in kinds) == (scores < 5)  # wider ones stay float32
