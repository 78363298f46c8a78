"""Norms, softmax, reductions, paddings of random shapes: compiled C against PyTorch."""

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from tsad_edge.codegen import compile_graph, interpret, load_program

QUICK = settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


class Score(nn.Module):
    """The mean of |x|, weighted by place, of what functions make of the window, one after the other."""

    def __init__(self, *steps: object) -> None:
        super().__init__()
        self.steps = steps
        self.layers = nn.ModuleList(step for step in steps if isinstance(step, nn.Module))
        for values in self.parameters():
            nn.init.uniform_(values, -1.5, 1.5)

    def forward(self, window: Tensor) -> Tensor:
        for step in self.steps:
            window = step(window)  # type: ignore[operator]
        flat = window.reshape(window.shape[0], -1)
        return (flat * torch.linspace(0.5, 2.0, flat.shape[1])).abs().mean(1)


class Parts(nn.Module):
    """Each function makes one part of the whole window, a mean weighted by place."""

    def __init__(self, functions: dict[str, object], *arguments: object) -> None:
        super().__init__()
        self.functions, self.arguments = functions, arguments

    def forward(self, window: Tensor) -> tuple[Tensor, Tensor]:
        made = [Score(lambda x, f=f: f(x, *self.arguments))(window) for f in self.functions.values()]
        parts = torch.stack(made, 1)
        return parts.mean(1), parts


def turned(x: Tensor) -> Tensor:
    return x.transpose(1, 2)


def noise(r: random.Random, window: int, channels: int) -> np.ndarray:
    """Samples with offsets and sizes a channel, and a dead one sometimes."""
    rng = np.random.default_rng(r.randint(0, 999))
    size = rng.choice([0.0, 0.01, 1.0, 30.0], channels, p=[0.1, 0.3, 0.4, 0.2])
    return rng.standard_normal((window + 6, channels)) * size + rng.choice([0.0, 5.0, -100.0], channels)


NORMS = ("layer", "layer read twice", "layer of two axes", "rms", "group", "group of rows", "instance", "instance seen")


@pytest.mark.parametrize("name", NORMS)
@given(r=st.randoms(use_true_random=False))
@settings(QUICK, max_examples=1)
def test_norms(name: str, r: random.Random, prove) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(r.randint(0, 99))
    window, groups = r.randint(2, 9), r.randint(1, 3)
    channels = groups * r.randint(2, 4)
    eps, affine = r.choice([1e-5, 1e-3]), r.random() < 0.6
    steps = {
        "layer": lambda: (nn.LayerNorm(channels, eps, affine), nn.Linear(channels, 3)),
        "layer read twice": lambda: (nn.LayerNorm(channels, eps, bias=r.random() < 0.5), lambda x: x + x.tanh()),
        "layer of two axes": lambda: (nn.LayerNorm((window, channels), eps, affine),),
        "rms": lambda: (nn.RMSNorm(channels, r.choice([None, eps]), affine),),
        "group": lambda: (turned, nn.GroupNorm(groups, channels, eps, affine)),
        "group of rows": lambda: (nn.Linear(channels, groups * 4), nn.GroupNorm(1, window, eps, affine)),
        "instance": lambda: (turned, nn.InstanceNorm1d(channels, eps, affine=affine), turned, nn.Linear(channels, 2)),
        "instance seen": lambda: (turned, nn.InstanceNorm1d(channels, eps, affine=affine, track_running_stats=True)),
    }
    made = prove(Score(*steps[name]()), noise(r, window, channels), window)
    kinds = [op.kind for op in made.graph.ops]
    assert ("normalise" in kinds) == (name != "instance seen")
    if name in {"layer", "layer read twice", "layer of two axes", "rms"}:
        # A weight and a bias are the norm's own, or the layer's behind it.
        assert not {"mul", "add"} & set(kinds[: kinds.index("normalise") + 2])


@given(r=st.randoms(use_true_random=False))
@QUICK
def test_softmax_along_any_axis(r: random.Random, prove) -> None:  # type: ignore[no-untyped-def]
    window, channels = r.randint(2, 8), r.randint(2, 6)
    dim = r.choice([1, 2, -1])
    function = r.choice([torch.softmax, torch.log_softmax, F.softmin, lambda x, d: torch.logsumexp(x, (d, 1))])
    scaled = r.choice([0.01, 1.0, 20.0])
    prove(Score(lambda x: function(x * scaled, dim)), noise(r, window, channels), window)


REDUCED = {
    "var": lambda x, dims: x.var(dims, keepdim=True),
    "var of the population": lambda x, dims: x.var(dims, unbiased=False),
    "std": lambda x, dims: torch.std(x, dims, correction=0.5),
    "var and mean": lambda x, dims: torch.stack([v.flatten(1).mean(1) for v in torch.var_mean(x, dims)], 1),
    "amin": lambda x, dims: x.amin(dims),
    "prod": lambda x, dims: (x / 50).prod(dims[0]),
    "norm 1": lambda x, dims: torch.linalg.vector_norm(x, 1, dims),
    "norm 2": lambda x, dims: torch.linalg.vector_norm(x, 2, dims, keepdim=True),
    "norm 3": lambda x, dims: torch.linalg.vector_norm(x, 3, dims),
    "norm inf": lambda x, dims: torch.linalg.vector_norm(x, float("inf"), dims),
    "norm -inf": lambda x, dims: torch.linalg.vector_norm(x, -float("inf"), dims),
    "norm 0": lambda x, dims: torch.linalg.vector_norm(x.round(), 0, dims),
    "min of an axis": lambda x, dims: x.min(dims[0]).values,
    "aminmax": lambda x, dims: torch.aminmax(x, dim=dims[0]).max,
    "cumsum": lambda x, dims: x.cumsum(dims[0]),
    "normalised": lambda x, dims: F.normalize(x, dim=dims[0]),
    "cosine": lambda x, dims: F.cosine_similarity(x, x.tanh() + 2, dims[0]),
    "pairwise": lambda x, dims: F.pairwise_distance(x, x.tanh()),
    "distances": lambda x, dims: torch.cdist(x.flatten(1, 2), x.flatten(1, 2)[:, :2] * 0.5),
}


@given(r=st.randoms(use_true_random=False))
@QUICK
def test_reductions_over_axes_that_are_no_neighbours(r: random.Random, prove) -> None:  # type: ignore[no-untyped-def]
    rows, window, channels = r.randint(1, 3), r.randint(2, 4), len(REDUCED)
    dims = r.choice([(1, 3), (3, 1), (2, 3), (2,)])
    functions = {name: lambda x, f=f: f(x.unflatten(1, (rows, window)), dims) for name, f in REDUCED.items()}
    prove(Parts(functions), noise(r, rows * window, channels), rows * window)


def test_variance_keeps_the_digits_in_which_large_numbers_differ(export, native) -> None:  # type: ignore[no-untyped-def]
    """Around 1e6 a float32 has sixteenths; E[x^2] - E[x]^2 would be nothing but error there."""

    class Spread(nn.Module):
        def forward(self, window: Tensor) -> Tensor:
            return window.var(1).mean(1)

    made = compile_graph(load_program(export(Spread(), 16, 1)), "m_spread", 0.5)
    samples = (1e6 + np.random.default_rng(0).integers(-8, 8, (40, 1)) / 16).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(samples, 16, axis=0).transpose(0, 2, 1)
    want = interpret(made.graph, windows).scores
    np.testing.assert_allclose(native(made).run(samples)[0], want, rtol=2e-6)


MOVED = {
    "constant": lambda x, a, b: F.pad(x, (a, b, b, a), value=0.5),
    "zeros to one side": lambda x, a, b: F.pad(turned(x), (a, 0)),
    "cut off": lambda x, a, b: F.pad(x, (0, 0, -1, b)),
    "reflect": lambda x, a, b: F.pad(turned(x), (a, b), mode="reflect"),
    "replicate": lambda x, a, b: F.pad(turned(x), (a, b), mode="replicate"),
    "circular": lambda x, a, b: F.pad(turned(x), (a, b), mode="circular"),
    "flip": lambda x, a, b: x.flip(1, 2),
    "roll": lambda x, a, b: x.roll((a, -b), (1, 2)),
    "index": lambda x, a, b: x[:, torch.tensor([a, b, 0, a])],
    "index_select": lambda x, a, b: x.index_select(2, torch.tensor([0, 1, 1])),
    "index in even steps": lambda x, a, b: x[:, [0, 2, 4]],
    "repeat_interleave": lambda x, a, b: x.repeat_interleave(2, 1),
    "diff": lambda x, a, b: x.diff(n=2, dim=1),
}


@given(r=st.randoms(use_true_random=False))
@QUICK
def test_moved_elements(r: random.Random, prove) -> None:  # type: ignore[no-untyped-def]
    window, a, b = r.randint(5, 7), r.randint(0, 3), r.randint(1, 3)
    prove(Parts(MOVED, a, b), noise(r, window, len(MOVED)), window)


def test_even_steps_are_a_slice(export) -> None:  # type: ignore[no-untyped-def]
    kinds = [op.kind for op in load_program(export(Score(lambda x: x[:, [1, 3, 5]]), 6, 2)).ops]
    assert "slice" in kinds and "take" not in kinds
