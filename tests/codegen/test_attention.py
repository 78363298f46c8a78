"""Attention in both of PyTorch's forms, masks and what they refuse, and whole models: compiled C against PyTorch."""

import math
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from tsad_edge.codegen import UnsupportedError, compile_graph, interpret, load_program

WINDOW, WIDTH = 7, 4
LATER = torch.ones(WINDOW, WINDOW, dtype=torch.bool).triu(1)
INFINITE = torch.zeros(WINDOW, WINDOW).masked_fill(LATER, -torch.inf)
SAMPLES = np.random.default_rng(0).standard_normal((WINDOW + 5, WIDTH))


def weighted(x: Tensor) -> Tensor:
    """The mean of |x| of each window, weighted by place."""
    flat = x.reshape(x.shape[0], -1)
    return (flat * torch.linspace(0.5, 2.0, flat.shape[1])).abs().mean(1)


class Score(nn.Module):
    """One number of what a function makes of the window and of layers."""

    def __init__(self, function, *layers: nn.Module) -> None:  # type: ignore[no-untyped-def]
        super().__init__()
        self.function, self.layers = function, nn.ModuleList(layers)

    def forward(self, window: Tensor) -> Tensor:
        return weighted(self.function(window, *self.layers))


class Several(nn.Module):
    """Many such scores at once; each is one of the parts, and those that are left are 0."""

    def __init__(self, scores: list[Score]) -> None:
        super().__init__()
        self.scores = nn.ModuleList(scores)

    def forward(self, window: Tensor) -> tuple[Tensor, Tensor]:
        parts = torch.stack([score(window) for score in self.scores], 1)
        return parts.sum(1), F.pad(parts, (0, window.shape[2] - len(self.scores)))


def heads(x: Tensor) -> Tensor:
    return x.unflatten(-1, (2, -1)).transpose(1, 2)


def scores(x: Tensor) -> Tensor:
    return x @ x.transpose(1, 2) / 2


dot = F.scaled_dot_product_attention
DOT = {
    "plain": lambda w: dot(w, w, w),
    "heads": lambda w: dot(heads(w), heads(w.tanh()), heads(w + 1)),
    "scale": lambda w: dot(w, w, w, scale=0.3),
    "few keys": lambda w: dot(w, w[:, :2], w[:, 1:3]),
    "wide values": lambda w: dot(w, w, torch.cat([w, w], 2)),
    "causal": lambda w: dot(heads(w), heads(w), heads(w), is_causal=True),
    "causal with few keys": lambda w: dot(w, w[:, :3], w[:, :3], is_causal=True),
    "boolean mask": lambda w: dot(w, w, w, attn_mask=~LATER),
    "float mask": lambda w: dot(heads(w), heads(w), heads(w), attn_mask=torch.arange(7.0)[None] / 7),
    "infinite mask": lambda w: dot(w, w, w, attn_mask=INFINITE + 0.25),
    "mask of nothing": lambda w: dot(w, w, w, attn_mask=torch.zeros(7, 7)),
    "by hand": lambda w: scores(w).masked_fill(LATER, -torch.inf).softmax(-1) @ w,
    "by hand, added": lambda w: (scores(w) + INFINITE).softmax(2) @ w,
    "by hand, chosen": lambda w: torch.where(LATER, -torch.inf, scores(w)).softmax(-1) @ w,
    "by hand, finite": lambda w: scores(w).masked_fill(LATER, -1e9).softmax(-1) @ w,
    "by hand, heads": lambda w: (heads(w) @ heads(w).transpose(2, 3) + INFINITE).softmax(-1) @ heads(w),
    "by hand, a mask of the window": lambda w: scores(w).masked_fill(scores(w) > 1, -1e9).softmax(-1) @ w,
}


def test_dot_product_attention(prove) -> None:  # type: ignore[no-untyped-def]
    samples = np.random.default_rng(0).standard_normal((WINDOW + 5, 20)) / 2
    learned = Score(lambda w, m: dot(m.weight.expand(w.shape[0], 2, 20), w, w), nn.Linear(20, 2))
    prove(Several([learned, *(Score(function) for function in DOT.values())]), samples, WINDOW)


@given(r=st.randoms(use_true_random=False))
@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
def test_attention_of_random_shapes(r: random.Random, prove) -> None:  # type: ignore[no-untyped-def]
    steps, count, width = r.randint(2, 7), r.randint(1, 3), r.randint(1, 4)
    keys, values = r.randint(1, steps), r.randint(1, 4)
    project = nn.ModuleList(nn.Linear(3, count * size) for size in (width, width, values))
    allowed = torch.tensor([[r.random() < 0.5 or j == i % keys for j in range(keys)] for i in range(steps)])
    by_hand = r.random() < 0.5
    mask = r.choice([None, allowed, torch.where(allowed, 0.5, -torch.inf), torch.zeros(count, steps, 1)])

    def attend(w: Tensor, layers: nn.ModuleList) -> Tensor:
        parts = zip(layers, (w, w[:, :keys], w[:, -keys:]), strict=True)
        q, k, v = (layer(x).unflatten(-1, (count, -1)).transpose(1, 2) for layer, x in parts)
        if mask is None:
            return dot(q, k, v, is_causal=True)
        if by_hand and mask.dtype != torch.bool:
            return (q @ k.transpose(-2, -1) + mask).softmax(-1) @ v
        return dot(q, k, v, attn_mask=mask)

    prove(Score(attend, project), np.random.default_rng(r.randint(0, 99)).standard_normal((steps + 4, 3)), steps)


def first(w: Tensor, m: nn.Module, **rest) -> Tensor:  # type: ignore[no-untyped-def]
    return m(w, w, w, **rest)[0]


MULTI = {
    "with weights": (lambda w, m: torch.cat([*(t.flatten(1) for t in m(w, w, w))], 1), {}),
    "weights of each head": (lambda w, m: m(w, w, w, average_attn_weights=False)[1], {}),
    "without weights": (lambda w, m: first(w, m, need_weights=False), {}),
    "time first": (lambda w, m: first(w.transpose(0, 1), m).transpose(0, 1), {"batch_first": False}),
    "masked, with weights": (lambda w, m: first(w, m, attn_mask=LATER), {}),
    "masked, without": (lambda w, m: first(w, m, attn_mask=INFINITE, need_weights=False), {}),
    "causal": (lambda w, m: first(w, m, attn_mask=LATER, is_causal=True, need_weights=False), {}),
    "padding": (lambda w, m: first(w, m, key_padding_mask=(torch.arange(7) > 4).expand(w.shape[0], 7)), {}),
    "other keys": (lambda w, m: m(w, w[:, :3], w[:, 1:4])[0], {"bias": False}),
    "keys of another width": (lambda w, m: m(w, w[:, :, :3], w[:, :, :2])[0], {"kdim": 3, "vdim": 2}),
    "bias and zero": (first, {"add_bias_kv": True, "add_zero_attn": True}),
}


def test_multihead_attention(prove) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(1)
    samples = np.random.default_rng(1).standard_normal((WINDOW + 5, 12))
    layers = [nn.MultiheadAttention(12, 2, **{"batch_first": True, **options}) for _, options in MULTI.values()]
    prove(Several([Score(f, layer) for (f, _), layer in zip(MULTI.values(), layers, strict=True)]), samples, WINDOW)


def test_masked_entries_have_no_share_at_all(export, native) -> None:  # type: ignore[no-untyped-def]
    """However large what is hidden: the shares are exactly 0, and nothing of it reaches the score."""
    hidden = torch.zeros(WINDOW, WINDOW).masked_fill(LATER, -torch.inf)

    class Shares(nn.Module):
        def forward(self, window: Tensor) -> tuple[Tensor, Tensor]:
            shares = (window @ window.transpose(1, 2) + hidden).softmax(-1)
            return (shares @ window)[:, 0].sum(1), shares[:, 2] @ torch.eye(WINDOW)[:, :WIDTH]

    made = compile_graph(load_program(export(Shares(), WINDOW, WIDTH)), "m_shares", 0.5)
    samples = np.ones((WINDOW, WIDTH), np.float32)
    assert interpret(made.graph, samples[None]).terms[0] < 1e3, "nor of its size"
    model = native(made)
    for later in (1.0, 30.0, -1e4, 1e15):
        samples[3:] = later
        score, parts, _ = model.run(samples)
        assert parts[0, 3] == 0 and parts[0].sum() == pytest.approx(1) and score[0] == 4, (
            "the first row sees itself only"
        )


REFUSED = {
    "computed mask": (
        lambda w: dot(w, w, w, attn_mask=scores(w) > 0),
        "depends on the window .* constant one would do",
    ),
    "nothing left": (lambda w: dot(w, w, w, attn_mask=torch.ones(7, 7).bool().tril(-1)), r"row \(0, 0\) nothing"),
    "nothing left, by hand": (lambda w: (scores(w) + INFINITE.roll(1, 1) + INFINITE).softmax(-1), "for softmax"),
    "nothing left, added": (lambda w: (scores(w) + (INFINITE + INFINITE.roll(1, 1))).softmax(-1), "nothing to attend"),
    "all filled": (lambda w: scores(w).masked_fill(LATER | ~LATER, -torch.inf).softmax(-1), "nothing to attend to"),
    "filled by the window": (lambda w: scores(w).masked_fill(w @ w.mT > 1, -torch.inf).softmax(-1), "-1e9 would do"),
    "not for softmax": (lambda w: (scores(w) + INFINITE).exp(), "mask for softmax .* -1e9 would do"),
    "other axis": (lambda w: (scores(w) + INFINITE).softmax(1), "over the last axis only"),
    "plus infinity": (lambda w: (scores(w) - INFINITE).softmax(-1), "not finite"),
    "dropout": (lambda w: dot(w, w, w, dropout_p=0.1), r"dropout_p=self.dropout if self.training"),
    "grouped queries": (
        lambda w: dot(*(w[:, None].expand(-1, n, -1, -1) for n in (4, 2, 2)), enable_gqa=True),
        "repeated for every query head would do",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str, export) -> None:  # type: ignore[no-untyped-def]
    function, words = REFUSED[name]
    with pytest.raises(UnsupportedError, match=words) as error:
        load_program(export(Score(function), WINDOW, WIDTH))
    assert "test_attention.py:" in str(error.value)


# ---------------------------------------------------------------- whole models


def positions(steps: int, width: int) -> Tensor:
    """Vaswani et al., 2017: sines and cosines of the place, in frequencies."""
    angle = torch.arange(steps)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(1e4) / width))
    return torch.stack([angle.sin(), angle.cos()], 2).flatten(1)


class Forecaster(nn.Module):
    """A Transformer encoder: embedding, places, two causal layers of two heads; the error of the newest sample."""

    def __init__(self, window: int, channels: int) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(channels, 16), nn.Linear(16, channels)
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, activation="gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(16), enable_nested_tensor=False)
        self.register_buffer("place", positions(window - 1, 16))
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(window - 1))

    def forward(self, window: Tensor) -> tuple[Tensor, Tensor]:
        x = self.embed(window[:, :-1]) + self.place
        ahead = self.head(self.encoder(x, mask=self.mask, is_causal=True)[:, -1])
        parts = (ahead - window[:, -1]) ** 2
        return parts.mean(1), parts


class Kan(nn.Module):
    """Kolmogorov-Arnold layers with Fourier features: each edge is a sum of sines and cosines of its input."""

    def __init__(self, window: int, channels: int, order: int = 3) -> None:
        super().__init__()
        self.order = torch.arange(1.0, order + 1)
        self.inner, self.outer = nn.Linear(2 * order * window * channels, 6), nn.Linear(2 * order * 6, channels)

    def forward(self, window: Tensor) -> tuple[Tensor, Tensor]:
        x = window.flatten(1)
        for layer in (self.inner, self.outer):
            angle = x.unsqueeze(-1) * self.order
            x = layer(torch.cat([angle.sin(), angle.cos()], -1).flatten(1))
        parts = (x - window[:, -1]).abs()
        return F.smooth_l1_loss(x, window[:, -1], reduction="none").mean(1), parts


class Variational(nn.Module):
    """A VAE in use: the mean of the code is decoded; score is the reconstruction's error and the code's divergence."""

    def __init__(self, window: int, channels: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(window * channels, 12), nn.LayerNorm(12), nn.SiLU())
        self.mean, self.log_variance = nn.Linear(12, 3), nn.Linear(12, 3)
        self.decoder = nn.Sequential(nn.Linear(3, 12), nn.ELU(), nn.Linear(12, window * channels))

    def forward(self, window: Tensor) -> tuple[Tensor, Tensor]:
        h = self.encoder(window.flatten(1))
        mean, spread = self.mean(h), self.log_variance(h).clamp(-8, 8)
        code = mean if not self.training else mean + torch.randn_like(mean) * (spread / 2).exp()
        parts = (self.decoder(code).view_as(window) - window).pow(2).mean(1)
        divergence = -0.5 * (1 + spread - mean.pow(2) - spread.exp()).sum(1)
        return parts.mean(1) + 1e-3 * divergence, parts


class Reversible(nn.Module):
    """Instance normalisation of each window (RevIN, Kim et al., 2022) around an encoder layer in time-first order."""

    def __init__(self, window: int, channels: int) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(window, 8), nn.Linear(8, window)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16)

    def forward(self, window: Tensor) -> Tensor:
        mean, spread = window.mean(1, keepdim=True), torch.sqrt(window.var(1, keepdim=True, unbiased=False) + 1e-5)
        x = ((window - mean) / spread).permute(2, 0, 1)  # a channel is a token
        y = self.head(self.layer(self.embed(x))).permute(1, 2, 0) * spread + mean
        return torch.linalg.vector_norm(y - window, dim=(1, 2))


MODELS = {
    "encoder": Forecaster,
    "layer": lambda w, c: Score(lambda x, m: m(x), nn.TransformerEncoderLayer(c, 2, 8, batch_first=True)),
    "decoder layer": lambda w, c: Score(
        lambda x, m: m(x, x[:, :3]), nn.TransformerDecoderLayer(c, 2, 8, batch_first=True)
    ),
    "kan": Kan,
    "vae": Variational,
    "revin": Reversible,
}


@pytest.mark.parametrize("name", MODELS)
def test_models(name: str, prove) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(2)
    window, channels = 12, 4
    rng = np.random.default_rng(4)
    samples = rng.standard_normal((window + 12, channels)).cumsum(0) / 2
    samples[:, 1] = 3.0  # a dead channel
    samples[18:, 2] += 50.0  # far from what was seen
    made = prove(MODELS[name](window, channels), samples, window)
    assert made.cost["mac_after"] <= made.cost["mac_before"]


def test_weight_and_bias_are_the_norms_own(prove) -> None:  # type: ignore[no-untyped-def]

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.attend = nn.LayerNorm(4), nn.MultiheadAttention(4, 2, batch_first=True)
            nn.init.uniform_(self.norm.weight)
            nn.init.uniform_(self.norm.bias)

        def forward(self, window: Tensor) -> Tensor:
            x = self.norm(window)
            return (window + self.attend(x, x, x, need_weights=False)[0]).abs().mean((1, 2))

    made = prove(Block(), SAMPLES, WINDOW)
    (norm,) = (op for op in made.graph.ops if op.kind == "normalise")
    assert [made.graph.shapes()[name] for name in norm.inputs[1:]] == [(4,), (4,)]
    assert [op.kind for op in made.graph.ops].count("add") == 1, "the residual's own"
