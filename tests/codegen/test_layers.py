"""Convolutions, pools, recurrent layers and products of tensors: whole models, drawn and real, as C against PyTorch."""

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from tsad_edge.codegen import compile_graph, load_program
from tsad_edge.codegen.ir import Graph

FEW = settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def weighted(x: Tensor) -> Tensor:
    """One number of each window, in which every element has a weight of its own."""
    flat = x.reshape(x.shape[0], -1)
    return (flat * torch.linspace(0.5, 2.0, flat.shape[1])).abs().mean(1)


class Sum(nn.Module):
    """The sum of what functions make of the window and of a layer each."""

    def __init__(self, *pairs: tuple[Callable[..., Tensor], nn.Module]) -> None:
        super().__init__()
        self.functions, self.layers = [f for f, _ in pairs], nn.ModuleList(layer for _, layer in pairs)

    def forward(self, window: Tensor) -> Tensor:
        z = (window - 0.5) * 2.0
        found = [weighted(f(z, layer)) for f, layer in zip(self.functions, self.layers, strict=True)]
        return torch.stack(found, 1).sum(1)


def samples(window: int, channels: int) -> np.ndarray:
    return np.random.default_rng(7).standard_normal((window + 6, channels))


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]


def drawn_convolution(r: random.Random, window: int, channels: int) -> nn.Module:
    taps, dilation, stride = r.randint(1, 4), r.randint(1, 3), r.randint(1, 3)
    groups = r.choice([1, 1, channels])
    reach = dilation * (taps - 1)
    padding: int | str = r.choice([r.randint(0, 3), reach, "same", "valid"])
    if padding == "same":
        stride = 1
    if padding == "valid" or (isinstance(padding, int) and 2 * padding + window <= reach):
        dilation = 1
    options = {"stride": stride, "dilation": dilation, "groups": groups, "bias": r.random() < 0.7}
    return nn.Conv1d(channels, groups * r.choice([1, 2, 5]), taps, padding=padding, **options)  # type: ignore[arg-type]


@given(r=st.randoms(use_true_random=False))
@FEW
def test_drawn_convolutions(r: random.Random, prove) -> None:  # type: ignore[no-untyped-def]
    """Straight behind `enter`, where windows overlap, and behind another one; channels first or turned by a view."""
    torch.manual_seed(r.randint(0, 999))
    window, channels = r.randint(4, 12), r.randint(1, 4)
    act = r.choice([torch.relu, torch.tanh, F.gelu])
    pairs = [
        (lambda z, c: act(c(z.transpose(1, 2))), drawn_convolution(r, window, channels)),
        (lambda z, c: c(z.transpose(1, 2))[:, :, -1], drawn_convolution(r, window, channels)),
        (lambda z, c: c(torch.tanh(c[0](z.transpose(1, 2)))), nn.Sequential(nn.Conv1d(channels, channels, 1))),
        (lambda z, c: act(c(z)), drawn_convolution(r, channels + 8, window)),  # time as channels
        (lambda z, c: c(z.flatten(1).unsqueeze(1)), drawn_convolution(r, window * channels, 1)),
        (lambda z, c: c(z.transpose(1, 2).reshape(-1, 1, window)).reshape(-1, channels, 2), nn.Conv1d(1, 2, window)),
    ]
    prove(Sum(*pairs[:3], pairs[5], *([pairs[3]] if channels > 3 else []), pairs[4]), samples(window, channels), window)


@given(r=st.randoms(use_true_random=False))
@FEW
def test_drawn_pools(r: random.Random, prove) -> None:  # type: ignore[no-untyped-def]
    window, channels, pairs = 2 * r.randint(3, 6), r.randint(1, 4), []
    for _ in range(2):
        taps, stride = r.randint(1, 4), r.choice([None, 1, 2])
        pad, whole = r.randint(0, taps // 2), r.random() < 0.5
        largest = nn.MaxPool1d(
            taps, stride, pad, dilation=r.choice([1, 1 if taps > window // 2 else 2]), ceil_mode=whole
        )
        pairs += [
            (lambda z, p: p(z.transpose(1, 2)), largest),
            (lambda z, p: p(z.transpose(1, 2)), nn.AvgPool1d(taps, stride, pad, count_include_pad=whole)),
        ]
    pairs += [
        (lambda z, p: p(z.transpose(1, 2)), nn.AdaptiveAvgPool1d(r.choice([1, 2, window]))),
        (lambda z, p: p(z.transpose(1, 2)), nn.AdaptiveMaxPool1d(r.choice([1, 2]))),
        (lambda z, p: p(z[:, :, 0]), nn.MaxPool1d(2)),
        (lambda z, p: F.max_pool1d(z.transpose(1, 2), 2, return_indices=True)[0], nn.Identity()),
    ]
    prove(Sum(*pairs), samples(window, channels), window)


@given(r=st.randoms(use_true_random=False))
@settings(FEW, max_examples=3)
def test_drawn_recurrent_layers(r: random.Random, prove) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(r.randint(0, 999))
    window, channels, pairs = r.randint(2, 9), r.randint(1, 4), []
    for kind in (nn.GRU, nn.LSTM):
        layers, hidden = r.randint(1, 2), r.randint(1, 6)
        plain = kind(channels, hidden, layers, batch_first=True, bias=r.random() < 0.7)
        turned = kind(channels, hidden, layers)
        state = torch.randn(layers, 1, hidden)

        def started(z: Tensor, m: nn.Module, state: Tensor = state, kind: type = kind) -> Tensor:
            h = state.expand(-1, z.shape[0], -1)
            return m(z, h if kind is nn.GRU else (h, h * 0.5))[0]  # type: ignore[no-any-return]

        def last(z: Tensor, m: nn.Module, kind: type = kind) -> Tensor:
            h = m(z)[1]
            return (h if kind is nn.GRU else h[0])[-1]  # type: ignore[no-any-return]

        variants = [
            (lambda z, m: m(z)[0], plain),
            (started, plain),
            (last, plain),
            (lambda z, m: m(z.transpose(0, 1))[0].transpose(0, 1), turned),
        ]
        pairs += r.sample(variants, 2)
    prove(Sum(*pairs), samples(window, channels), window)


EQUATIONS = [
    "btc,bsc->bts",
    "btc,bsc->bst",
    "btc,bsd->btsd",
    "btc,btc->b",
    "btc,btd->bcd",
    "btc,bsd->bcd",
    "bt...,bs...->b...ts",
    "btc,btc->btc",
]
WITH_CONSTANT = [
    "btc,cd->btd",
    "cd,btc->btd",
    "btc,tcd->bd",
    "btc,tcd->btd",
    "ts,btc->bsc",
    "btc,tc->b",
    "btc,tde->bced",
]


def test_einsum(prove) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    sizes = {"t": 6, "c": 3, "d": 4, "e": 2, "s": 5}
    pairs = [(lambda z, _, e=e: torch.einsum(e, z, z.tanh()), nn.Identity()) for e in EQUATIONS]
    for equation in WITH_CONSTANT:
        a, b = equation.split("->")[0].split(",")
        letters = b if "b" in a else a
        layer = nn.Module()
        layer.k = nn.Parameter(torch.randn([sizes[c] for c in letters]))
        if letters == b:
            pairs.append((lambda z, m, e=equation: torch.einsum(e, z, m.k), layer))
        else:
            pairs.append((lambda z, m, e=equation: torch.einsum(e, m.k, z), layer))
    made = prove(Sum(*pairs), samples(6, 3), 6)
    found = kinds(made.graph)
    assert {"bmm", "linear", "mul"} <= set(found)


def test_products(prove) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    left, right = torch.randn(5, 6), torch.randn(2, 3, 4)
    pairs = [
        (lambda z, _: torch.bmm(z, z.transpose(1, 2)), nn.Identity()),
        (lambda z, _: z.unsqueeze(1) @ z.transpose(1, 2).unsqueeze(1).expand(-1, 2, -1, -1), nn.Identity()),
        (lambda z, _: z.unflatten(2, (3, 1)).transpose(1, 2) @ z[:, None, :1, :2], nn.Identity()),
        (lambda z, _: left @ z, nn.Identity()),
        (lambda z, _: left[0] @ z, nn.Identity()),
        (lambda z, _: z @ right[0], nn.Identity()),
        (lambda z, _: z @ right[:1], nn.Identity()),
        (lambda z, _: z.unsqueeze(1) @ right, nn.Identity()),
        (lambda z, _: z @ right[0, :, 0], nn.Identity()),
        (lambda z, _: z.unflatten(1, (2, 3)) @ z[:, :3].transpose(1, 2).unsqueeze(1), nn.Identity()),
    ]
    made = prove(Sum(*pairs), samples(6, 3), 6)
    assert kinds(made.graph).count("linear") == 3, "one constant matrix on the right: a layer"


class Tcn(nn.Module):
    """Causal residual blocks (Bai et al. 2018): padded on both sides and cut off, or padded on the left."""

    def __init__(self, channels: int, cut: bool) -> None:
        super().__init__()
        wide = [channels, 6, 6, 6]
        norm = nn.utils.parametrizations.weight_norm
        self.cut, self.down, self.head = cut, nn.Conv1d(channels, 6, 1), nn.Linear(6, channels)
        self.first, self.second, self.norms = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for i, dilation in enumerate((1, 2, 4)):
            pad = 2 * dilation if cut else 0
            self.first.append(norm(nn.Conv1d(wide[i], 6, 3, padding=pad, dilation=dilation)))
            self.second.append(norm(nn.Conv1d(6, 6, 3, padding=pad, dilation=dilation)))
            self.norms.append(nn.BatchNorm1d(6))
            nn.init.uniform_(self.norms[i].running_mean, -1.0, 1.0)
            nn.init.uniform_(self.norms[i].running_var, 0.5, 2.0)

    def convolved(self, x: Tensor, convolution: nn.Module, reach: int) -> Tensor:
        return convolution(x)[:, :, :-reach].contiguous() if self.cut else convolution(F.pad(x, (reach, 0)))

    def forward(self, window: Tensor) -> tuple[Tensor, Tensor]:
        x = window[:, :-1].transpose(1, 2)
        for i, block in enumerate(zip(self.first, self.second, self.norms, strict=True)):
            y = torch.relu(block[2](self.convolved(x, block[0], 2 << i)))
            y = torch.relu(self.convolved(y, block[1], 2 << i))
            x = torch.relu(y + (x if i else self.down(x)))
        parts = (self.head(x[:, :, -1]) - window[:, -1]).abs()
        return parts.mean(1), parts


class DeepAnt(nn.Module):
    """A forecaster by convolutions and pools (Munir et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.seen = nn.Sequential(
            *(nn.Conv1d(channels, 8, 3), nn.ReLU(), nn.MaxPool1d(2)),
            *(nn.Conv1d(8, 8, 3), nn.ReLU(), nn.MaxPool1d(2)),
        )
        self.dense = nn.Sequential(nn.Flatten(), nn.LazyLinear(12), nn.ReLU(), nn.Dropout(), nn.Linear(12, channels))

    def forward(self, window: Tensor) -> tuple[Tensor, Tensor]:
        z = (window - 0.25) / 2.0
        parts = (self.dense(self.seen(z[:, :-1].permute(0, 2, 1))) - z[:, -1]) ** 2
        return parts.mean(1), parts


class Recurrent(nn.Module):
    """A forecaster by two recurrent layers."""

    def __init__(self, kind: type[nn.GRU] | type[nn.LSTM], channels: int) -> None:
        super().__init__()
        self.layers, self.head = kind(channels, 7, 2, batch_first=True), nn.Linear(7, channels)

    def forward(self, window: Tensor) -> tuple[Tensor, Tensor]:
        parts = (self.head(self.layers(window[:, :-1])[0][:, -1]) - window[:, -1]) ** 2
        return parts.mean(1), parts


@pytest.mark.parametrize("cut", [True, False])
def test_tcn(cut: bool, prove) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(1)
    made = prove(Tcn(3, cut), samples(40, 3), 40)
    found = kinds(made.graph)
    assert found.count("conv1d") == 6 and not {"permute", "copy", "cat", "mul", "sub.turned"} & set(found)
    assert all(op.attrs["act"] == "relu" for op in made.graph.ops if op.kind == "conv1d"), "norm and activation joined"
    assert made.cost["mac_after"] < 0.6 * made.cost["mac_before"], "only what the last step sees"


def test_deepant(prove) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(1)
    module = DeepAnt(3)
    module(torch.zeros(1, 30, 3))
    made = prove(module, samples(30, 3), 30)
    found = [kind for kind in kinds(made.graph) if kind not in {"select", "slice", "reshape"}]
    assert found == ["enter", *["conv1d", "max_pool"] * 2, "linear", "linear", "sub", "mul", "mean"]


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_two_recurrent_layers(kind: type[nn.GRU] | type[nn.LSTM], prove) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(1)
    made = prove(Recurrent(kind, 3), samples(30, 3), 30)
    layers = [op for op in made.graph.ops if op.kind == kind.__name__.lower()]
    assert [op.attrs["last"] for op in layers] == [False, True]


def test_a_convolution_of_one_step_is_a_dense_layer(export) -> None:  # type: ignore[no-untyped-def]
    module = Sum((lambda z, c: c(z.transpose(1, 2)), nn.Sequential(nn.Conv1d(3, 9, 1), nn.Conv1d(9, 2, 1))))
    made = compile_graph(load_program(export(module.eval(), 6, 3)), "m_test", 0.5)
    assert kinds(made.graph).count("linear") == 1, "two of them fold into one"
