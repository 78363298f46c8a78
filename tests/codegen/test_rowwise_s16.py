"""Softmax, norms and products of two tensors in integers: how exact each is, where each ends, and whole models."""

import ctypes
import math
import random
import subprocess
from fractions import Fraction
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from tsad_edge.codegen import interpret, load_program, passes
from tsad_edge.codegen.ir import Graph, Op
from tsad_edge.codegen.ir import Tensor as Node
from tsad_edge.codegen.ops import TABLE
from tsad_edge.codegen.ops.bmm_s16 import sum_shift
from tsad_edge.codegen.ops.integer import LIMIT, multiplier, root
from tsad_edge.codegen.ops.pointwise_s16 import LIFT
from tsad_edge.codegen.ops.rowwise_s16 import MOST_SHARES, WIDEST, largest_eps, magnitude_bits
from tsad_edge.codegen.passes.quantise import ROOM

from tsad_edge.models import build
from tsad_edge.models.export import export as export_model

from .integers import SOURCES

WINDOW, CHANNELS = 8, 4
LOWEST = float(np.finfo(np.float32).min)


def rows(rng: np.random.Generator, width: int) -> np.ndarray:
    """(n, 1, width) of s16 values: of every magnitude, at the limits, constant, and one unlike all others."""
    drawn = [rng.integers(-most, most + 1, (60, width)) for most in (1, 10, 1000, 9000, LIMIT)]
    alone = np.full((4, width), -LIMIT)
    alone[0, 0], alone[1, 0], alone[2, :], alone[2, -1], alone[3, :] = LIMIT, 1 - LIMIT, 0, 1, LIMIT
    return np.concatenate([*drawn, rng.choice([-LIMIT, LIMIT], (60, width)), alone])[:, None]


# ---------------------------------------------------------------- each operator


@pytest.mark.parametrize("length", [1, 2, 3, 19, 128, MOST_SHARES])
@pytest.mark.parametrize("unit", [1e-6, 1e-4, 1e-3, 0.0216])
def test_shares(length: int, unit: float) -> None:
    """A share y is within 1 + y * (length / 2 + 3) units of 2^-15 of the true one, and all of them sum up to one."""
    x = rows(np.random.default_rng(length), length)
    m, shift = multiplier(unit * math.log2(math.e) * 2.0 ** (16 - LIFT))
    found = TABLE["softmax_s16"].meaning([x], {"dim": 1, "multiplier": m, "shift": shift})
    exact = np.exp((x - x.max(-1, keepdims=True)) * unit)
    exact /= exact.sum(-1, keepdims=True)
    assert (np.abs(found - exact * 2**15) <= 1 + exact * (length / 2 + 3)).all()
    assert found.min() >= 0 and found.max() <= LIMIT
    assert np.abs(found.sum(-1) - 2**15).max() <= max(length / 2, 1)


@pytest.mark.parametrize("width", [1, 2, 3, 16, 17, 24, 257, WIDEST])
@pytest.mark.parametrize("centred", [True, False])
def test_norms(width: int, centred: bool) -> None:
    """Every element is the nearest one or, beside a half, its neighbour: within 0.501 units, whatever the row."""
    x, units = rows(np.random.default_rng(width), width), 2.0 ** (15 - magnitude_bits(width, centred))
    for eps in (1, 1000, largest_eps(width) // 1000 + 1, largest_eps(width)):
        found = TABLE["normalise_s16"].meaning([x], {"axes": 1, "centred": centred, "eps": eps})
        d = x.astype(np.longdouble)
        d = d - d.mean(-1, keepdims=True) if centred else d
        exact = d / np.sqrt((d * d).mean(-1, keepdims=True) + np.longdouble(eps) / width**2)
        assert np.abs(found - exact * units).max() <= 0.501
        assert np.abs(found).max() <= LIMIT


def test_no_row_reaches_the_end_of_its_grid() -> None:
    """Nothing is clamped: sqrt(width), or sqrt(width - 1), rounded up by one unit, is within the limit; half is not."""
    for width in range(1, WIDEST + 1):
        for centred in (True, False):
            bits, most = magnitude_bits(width, centred), math.sqrt(width - centred)
            assert most * 2.0 ** (15 - bits) + 1 <= LIMIT
            assert bits == 0 or most * 2.0 ** (16 - bits) + 1 > LIMIT


def test_roots(tmp_path: Path) -> None:
    """Rounded down exactly: beside squares, at both ends, and anywhere; in C for what is normalised, 2^62 and more."""
    near = [k * k + d for k in (2**31, 2**31 + 1, 3037000499, 2**32 - 1, 0xFFFF0000, 0xFFFF8001) for d in (-1, 0, 1)]
    r = random.Random(0)
    near += [((top << 16) | 0xFFFF) ** 2 + d for top in (0x8000, 0xB504, 0xFFFF) for d in (-1, 0, 1)]
    near += [r.randrange(2**31, 2**32) ** 2 - 1 for _ in range(5000)] + [r.randrange(2**62, 2**64) for _ in range(5000)]
    numbers = [x for x in (*near, 2**64 - 1) if 2**62 <= x < 2**64]
    found = root(np.array([0, 1, 3, 4, *numbers], np.uint64)).tolist()
    assert found == [0, 1, 1, 2, *map(math.isqrt, numbers)]
    text = '#include "integer.h"\nuint32_t root(uint64_t x);\nuint32_t root(uint64_t x) { return tsad_root(x); }\n'
    (tmp_path / "root.c").write_text(text)
    command = ["cc", "-std=c99", "-shared", "-fPIC", f"-I{SOURCES}", "-o", tmp_path / "root.so", tmp_path / "root.c"]
    subprocess.run(command, check=True)
    in_c = ctypes.CDLL(str(tmp_path / "root.so")).root
    in_c.argtypes, in_c.restype = [ctypes.c_uint64], ctypes.c_uint32
    assert [in_c(x) for x in numbers] == found[4:]


def test_sums_of_products_fit_32_bits() -> None:
    """The largest sum of so many products, rounded and shifted; shifted by a bit less, it does not."""
    for inner in [*range(1, 3000), 2**22 - 1]:
        shift, largest = sum_shift(inner), inner * LIMIT**2
        assert (largest + (1 << shift >> 1)) >> shift < 2**31
        assert shift == 0 or inner == 2**shift or largest >> (shift - 1) >= 2**31


@pytest.mark.parametrize("inner", [1, 2, 31, 300])
def test_products(inner: int) -> None:
    """Within half a unit of the result, and half of one of the shifted sum."""
    rng = np.random.default_rng(inner)
    a, b = rng.integers(-LIMIT, LIMIT + 1, (5, 1, 3, inner)), rng.integers(-LIMIT, LIMIT + 1, (5, 1, inner, 4))
    m, shift = multiplier(1e-5)
    found = TABLE["bmm_s16"].meaning([a, b], {"multiplier": m, "shift": shift, "limit": LIMIT})
    factor = Fraction(m, 2 ** (32 + shift + sum_shift(inner)))
    exact = (a @ b).astype(object) * factor
    assert np.abs(found - exact).max() <= Fraction(1, 2) + Fraction(1, 10**4)


# ---------------------------------------------------------------- rules


class Attended(nn.Module):
    """Attention with scores of any size under a mask, between two products."""

    def __init__(self, mask: Tensor, gain: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("mask", mask)
        self.gain = gain
        self.into, self.last = nn.Linear(CHANNELS, 6), nn.Linear(6, CHANNELS)

    def forward(self, window: Tensor) -> Tensor:
        x = self.into(window)
        scores = self.gain * (x @ x.transpose(1, 2)) + self.mask
        return (self.last(torch.softmax(scores, -1) @ x) - window).square().mean((1, 2))


def windows(times: float = 1.0) -> np.ndarray:
    drawn: np.ndarray = np.random.default_rng(0).standard_normal((200, WINDOW, CHANNELS)).astype(np.float32)
    return drawn * np.float32(times)


def steps(export, module: nn.Module) -> tuple[Graph, Graph]:  # type: ignore[no-untyped-def]
    """(fused, quantised) of a module."""
    graph = load_program(export(module.eval(), WINDOW, CHANNELS))
    found = dict(passes.run(graph, partial(passes.quantise, windows=windows())))
    return found["fuse"], found["quantise"]


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops if TABLE[op.kind].writes != "any"]


def later() -> Tensor:
    return torch.full((WINDOW, WINDOW), -math.inf).triu(1)


@pytest.mark.parametrize("times", [1.0, 100.0])
def test_what_a_mask_hides_has_no_share(export, times: float) -> None:  # type: ignore[no-untyped-def]
    """Also far outside the range of calibration, where scores are clamped on either side."""
    torch.manual_seed(0)
    mask = later()
    mask[:, 0] += 0.5  # finite entries count as they do in floats
    fused, made = steps(export, Attended(mask, 0.3))
    assert {"add_s16", "softmax_s16", "bmm_s16"} <= set(kinds(made)) and "softmax" not in kinds(made)
    name = next(op.output.name for op in made.ops if op.kind == "softmax_s16")
    values = interpret(made, windows(times), np.float32, keep=True).tensors[name]
    hidden = np.broadcast_to((mask == -math.inf).numpy(), values.shape)
    assert (values[hidden] == 0).all() and (values[..., 0, 0] == LIMIT).all()
    assert np.abs(values.sum(-1) - 2**15).max() <= WINDOW
    if times == 1.0:
        exact = interpret(fused, windows(), np.float64, keep=True).tensors[name]
        assert np.abs(values * 2.0**-15 - exact).max() < 0.005


def test_masks_that_integers_cannot_say(export) -> None:  # type: ignore[no-untyped-def]
    """A row that hides all is even in floats, and would not be in integers; elsewhere such numbers stay floats."""
    torch.manual_seed(0)
    mask = torch.zeros(WINDOW, WINDOW)
    mask[2] = LOWEST
    fused, made = steps(export, Attended(mask))
    assert "add" in kinds(made) and "add_s16" not in kinds(made)
    _compare(fused, made, 0.01)

    for module in (Reshaped(), Least()):
        fused, made = steps(export, module)
        assert "add" in kinds(made) and "softmax_s16" not in kinds(made)
        _compare(fused, made, 0.01)


class Reshaped(nn.Module):
    """A mask before a softmax, but not directly; scores are so small that everything near them is nearly even."""

    def __init__(self) -> None:
        super().__init__()
        self.into = nn.Linear(CHANNELS, CHANNELS)
        self.register_buffer("mask", torch.tensor([LOWEST, 0.0, LOWEST, 0.0]))

    def forward(self, window: Tensor) -> Tensor:
        scores = 0.01 * torch.tanh(self.into(window)) + self.mask
        shares = torch.softmax(scores.reshape(-1, WINDOW // 2, 2 * CHANNELS), -1)
        return self.into(shares.reshape(-1, WINDOW, CHANNELS) + window).square().mean((1, 2))


class Least(nn.Module):
    """The lowest number where there is no softmax at all."""

    def __init__(self) -> None:
        super().__init__()
        self.into = nn.Linear(CHANNELS, CHANNELS)
        self.register_buffer("mask", torch.tensor([LOWEST, 0.0, 0.0, 0.0]))

    def forward(self, window: Tensor) -> Tensor:
        return self.into(torch.relu(torch.tanh(self.into(window)) + self.mask)).square().mean((1, 2))


def _compare(fused: Graph, made: Graph, bearable: float) -> None:
    """Median error of the score, relatively."""
    exact = interpret(fused, windows(), np.float64).scores
    assert np.median(np.abs(interpret(made, windows(), np.float32).scores - exact) / exact) <= bearable


def one_operator(kind: str, shape: tuple[int, ...], **attrs: object) -> Graph:
    """window -> enter -> reshaped -> the operator -> a product -> the score."""
    size, width = math.prod(shape), shape[-1]
    constants = {
        "table": np.float32([[0] * size, [1] * size]),
        "w": np.linspace(0.01, 0.1, width, dtype=np.float32)[None],
    }
    result = Node("y", (1, *shape))
    ops = (
        Op("enter", ("window", "table"), Node("slot", (1, 1, size))),
        Op("reshape", ("slot",), Node("x", (1, *shape)), {"shape": (1, *shape)}),
        Op(kind, ("x",), result, attrs),  # type: ignore[arg-type]
        Op("linear", ("y", "w"), Node("z", (1, *shape[:-1], 1)), {"act": "none", "packed": False}),
        Op("mean", ("z",), Node("score", (1,)), {"dims": tuple(range(1, len(shape) + 1))}),
    )
    return Graph(Node("window", (1, 1, size)), constants, ops, ("score",))


NORM = {"axes": 1, "centred": True, "eps": 1e-5}
SHARES = {"dim": 2, "log": False}


@pytest.mark.parametrize(
    ("kind", "shape", "attrs", "integers"),
    [
        ("softmax", (1, 200), SHARES, True),
        ("softmax", (1, 200), {**SHARES, "log": True}, False),
        ("softmax", (MOST_SHARES, 1), {**SHARES, "dim": 1}, True),
        ("softmax", (MOST_SHARES + 1, 1), {**SHARES, "dim": 1}, False),
        ("softmax", (1, 300), SHARES, False),  # sums of the product behind it have no room for shares of 1
        ("normalise", (1, 200), NORM, True),
        ("normalise", (2, 8), {**NORM, "eps": 1e6}, False),
        ("normalise", (4, 128), {**NORM, "axes": 2}, True),
        ("normalise", (4, 129), {**NORM, "axes": 2}, False),
        ("normalise", (1, 300), NORM, False),
    ],
)
def test_where_integers_end(kind: str, shape: tuple[int, ...], attrs: dict[str, object], integers: bool) -> None:
    graph = one_operator(kind, shape, **attrs)
    drawn = np.random.default_rng(0).standard_normal((50, *graph.window.shape[1:])).astype(np.float32)
    made = passes.quantise(graph, drawn)
    assert (kind + "_s16" in kinds(made)) == integers and (kind in kinds(made)) != integers
    exact, found = interpret(graph, drawn, np.float64).scores, interpret(made, drawn, np.float32).scores
    assert np.abs(found - exact).max() <= 0.01 * max(np.abs(exact).max(), 0.1)


class Normed(nn.Module):
    """A layer norm with its own weight and bias, where several read it: PyTorch's norm behind attention."""

    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.into, self.last = nn.Linear(CHANNELS, 6), nn.Linear(6, CHANNELS)
        self.norm, self.inner = nn.LayerNorm(6, bias=bias), nn.Linear(6, 6)
        with torch.no_grad():
            self.norm.weight.uniform_(-2, 2)
            if bias:
                self.norm.bias.uniform_(-30, 30)

    def forward(self, window: Tensor) -> Tensor:
        x = self.norm(self.into(window))
        return (self.last(x + torch.relu(self.inner(x))) - window).square().mean((1, 2))


@pytest.mark.parametrize("bias", [True, False])
def test_norms_with_weights(export, bias: bool) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    fused, made = steps(export, Normed(bias))
    assert any(op.kind == "normalise" and len(op.inputs) > 1 for op in fused.ops)
    assert kinds(made).count("normalise_s16") == kinds(made).count("mul_s16") == 1
    assert kinds(made).count("add_s16") == 1 + bias and "quantise" not in kinds(made)
    _compare(fused, made, 0.01)


# ---------------------------------------------------------------- whole models


def wandering() -> np.ndarray:
    """(n, 20, 4): a random walk that leaves the range of its first 150 windows, which calibrate, ever farther."""
    walk = (np.random.default_rng(0).normal(size=(600, 4)).cumsum(0) * 0.3 * [1, 50, 0.1, 0.001]).astype(np.float32)
    return np.lib.stride_tricks.sliding_window_view(walk, 20, axis=0).transpose(0, 2, 1)


@cache
def model(name: str) -> dict[str, Graph]:
    """The graph as loaded and after every pass, quantised by windows that wander little."""
    torch.manual_seed(5)
    scorer = build(name, 20, 4)
    scorer.fit_scale(wandering()[:181, -1])
    graph = load_program(export_model(scorer.eval()))
    return dict(passes.run(graph, partial(passes.quantise, windows=wandering()[:150])))


@pytest.mark.parametrize("name", ["transformer", "tranad"])
def test_models_of_attention_are_integers_to_the_last_product(name: str) -> None:
    """From slots on, without a float in between; medians of the error: in the range of training, and of all windows."""
    made, seen = model(name)["quantise"], wandering()
    work = [op for op in made.ops if TABLE[op.kind].writes != "any"]
    last = max(i for i, op in enumerate(work) if op.kind == "linear_s8_f32")
    assert work[0].kind == "enter_s16" and "quantise" not in kinds(made)
    assert all(op.output.dtype == "s16" for op in work[:last])
    exact = interpret(model(name)["fuse"], seen, np.float64).scores
    error = np.abs(interpret(made, seen, np.float32).scores - exact) / exact
    assert np.median(error[:150]) <= 0.005 and np.median(error) <= 0.005


def test_squares_have_room() -> None:
    """TranAD adds squares of errors to what it reads again: where they are clamped like values, scores are off far."""
    made, fused = model("tranad")["quantise"], model("tranad")["fuse"]
    square = next(op.output for op in made.ops if op.kind == "mul_s16" and len(set(op.inputs)) == 1)
    seen = interpret(fused, wandering()[:150], np.float32, keep=True).tensors[square.name]
    assert square.grid is not None
    assert square.grid.scale * square.grid.limit == pytest.approx(ROOM**2 * float(np.abs(seen).max()), rel=1e-6)
