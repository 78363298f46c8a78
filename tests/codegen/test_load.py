"""Loading: what a module becomes, and every refusal with the operator and the user's line."""

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import dropout, l1_loss, mse_loss
from tsad_edge.codegen import Graph, UnsupportedError, interpret, load, load_program
from tsad_edge.codegen.load import source

from tsad_edge import codegen

HERE = Path(__file__).name


class Score(nn.Module):
    """A module from a function of the window."""

    def __init__(self, function: Callable[..., object], *layers: nn.Module) -> None:
        super().__init__()
        self.function, self.layers = function, nn.ModuleList(layers)

    def forward(self, window: torch.Tensor) -> object:
        return self.function(window, *self.layers)


@pytest.fixture()
def graph_of(export) -> Callable[..., Graph]:  # type: ignore[no-untyped-def]
    def run(function: Callable[..., object], *layers: nn.Module, train: bool = False) -> Graph:
        torch.manual_seed(0)
        return load_program(export(Score(function, *layers).train(train), 8, 3))

    return run


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]


def batch_norm(channels: int, **options: bool) -> nn.BatchNorm1d:
    """One that has seen data."""
    layer = nn.BatchNorm1d(channels, **options)
    for i, values in enumerate([*layer.parameters(), layer.running_mean, layer.running_var]):
        nn.init.uniform_(values, 0.5, 1.5 + i)  # type: ignore[arg-type]
    return layer


SUPPORTED: dict[str, tuple[Callable[..., object], list[nn.Module]]] = {
    "dense": (
        lambda w, a, b: (b(torch.relu(a(w.flatten(1)))) - 1.5).abs().mean(1),
        [nn.Linear(24, 5), nn.Linear(5, 2)],
    ),
    "dropout": (lambda w, d, a: d(a(w)).tanh().sum((1, 2)), [nn.Dropout(0.5), nn.Linear(3, 3)]),
    "lstm": (lambda w, m: m(w)[0][:, -1].square().mean(-1), [nn.LSTM(3, 4, batch_first=True)]),
    "lstm h_n": (lambda w, m: m(w)[1][0][-1].pow(2).mean(-1), [nn.LSTM(3, 4, 2, batch_first=True)]),
    "lstm time first": (lambda w, m: m(w.transpose(0, 1))[0].sum((0, 2)), [nn.LSTM(3, 4, bias=False)]),
    "lstm state": (
        lambda w, m: m(w, (torch.ones(1, w.shape[0], 2), torch.full((1, w.shape[0], 2), 0.5)))[0].mean((1, 2)),
        [nn.LSTM(3, 2, batch_first=True)],
    ),
    "lstm state like the window": (
        lambda w, m: m(w, (w.new_zeros(1, w.shape[0], 2), torch.ones_like(w[:, 0, :2])[None]))[0].mean((1, 2)),
        [nn.LSTM(3, 2, batch_first=True)],
    ),
    "lstm autoencoder": (
        lambda w, m, d, o: (o(d(m(w)[1][0][-1].unsqueeze(1).repeat(1, 8, 1))[0]) - w).abs().mean((1, 2)),
        [nn.LSTM(3, 4, batch_first=True), nn.LSTM(4, 4, batch_first=True), nn.Linear(4, 3)],
    ),
    "batch norm": (
        lambda w, a, n, b: b(torch.relu(n(a(w.flatten(1))))).mean(1),
        [nn.Linear(24, 5), batch_norm(5), nn.Linear(5, 2)],
    ),
    "batch norm over time": (lambda w, n: n(w).abs().mean((1, 2)), [batch_norm(8)]),
    "batch norm not affine": (lambda w, n: n(w).abs().mean((1, 2)), [batch_norm(8, affine=False)]),
    "repeat": (lambda w: (w.repeat(1, 2, 3)[:, 3:11] * torch.arange(9.0).repeat(w.shape[0], 8, 1)).mean((1, 2)), []),
    "repeat in front": (lambda w: w.mean(1).unsqueeze(1).repeat(1, 1, 2, 4).amax((0, 2)).mean(1), []),
    "max": (lambda w: (w - w.max(dim=1, keepdim=True).values).abs().max(2)[0].mean(1), []),
    "stack": (lambda w: torch.stack([w, w * 2], -1).amax(-1).sum((1, 2)) + torch.stack([w, -w]).amax((0, 2, 3)), []),
    "split": (lambda w: w.split([3, 5], 1)[1].sum((1, 2)) - w.split(2, dim=-1)[1].amax((1, 2)), []),
    "chunk and unbind": (lambda w: sum(c.unbind(-1)[1].abs().mean(1) for c in w.chunk(3, 1)), []),  # type: ignore[misc]
    "losses": (
        lambda w, a: (mse_loss(a(w), w, reduction="none") + l1_loss(w, -w, reduction="none")).mean((1, 2)),
        [nn.Linear(3, 3)],
    ),
    "as many as the batch": (lambda w: torch.cat([w, w])[: w.shape[0]].mean((1, 2)), []),
    "scalars": (lambda w: (2 - (1 / (3 + w.exp())) * 0.5 - -w).sum(2).amax(1), []),
    "rsub": (lambda w: torch.rsub(w, 2.0).mean((1, 2)), []),
    "alpha": (lambda w: torch.add(w, w[:, :1], alpha=0.5).sum((1, 2)), []),
    "shapes": (lambda w: torch.cat([w[:, 1::2], w[:, :4] * 2], 2).permute(0, 2, 1).reshape(-1, 24)[:, 5], []),
    "unflatten": (lambda w: w.flatten(1).unflatten(1, (2, 12))[:, 1].unsqueeze(1).squeeze(1).amax(-1), []),
    "expand": (lambda w: (w - w.mean(1, keepdim=True).expand(-1, 8, -1)).square().sum((1, 2)), []),
    "apart": (lambda w: (w.unflatten(1, (2, 4)) * 3).amax((1, 3)).sum(1), []),
    "matmul": (lambda w: (w @ torch.arange(6.0).reshape(3, 2)).sum((1, 2)), []),
    "matvec": (lambda w: (w @ torch.arange(3.0)).mean(1), []),
    "leaky": (lambda w: nn.functional.leaky_relu(w).sigmoid().mean((1, 2)), []),
    "batch written out": (lambda w: w.view(w.shape[0], w.shape[1] * 3).mean(1), []),
    "constants": (lambda w: (w * torch.arange(8.0).sin().reshape(8, 1).cumsum(0)).mean((1, 2)), []),
    "double negation": (lambda w: (-w).neg().mean((1, 2)), []),
    "divided": (lambda w: (w / torch.tensor([1.0, 2.0, 4.0])).mean((1, 2)), []),
}


@pytest.mark.parametrize("name", SUPPORTED)
def test_graph_means_what_the_module_means(name: str, export) -> None:  # type: ignore[no-untyped-def]
    function, layers = SUPPORTED[name]
    torch.manual_seed(1)
    module = Score(function, *layers).eval()
    graph = load_program(export(module, 8, 3))
    x = torch.randn(5, 8, 3)
    with torch.no_grad():
        want = module(x)
    got = interpret(graph, x.numpy())
    np.testing.assert_allclose(got.scores, want.numpy(), rtol=2e-5, atol=2e-5)
    assert graph.window.shape == (1, 8, 3)
    assert all("test_load.py" in s.line or "line unknown" in s.line for op in graph.ops for s in op.sources)


def test_parts_and_what_needs_no_operator(graph_of) -> None:  # type: ignore[no-untyped-def]
    def forward(w, d):  # type: ignore[no-untyped-def]
        parts = d(w.contiguous().clone()).mean(1)
        return parts.mean(1), parts

    graph = graph_of(forward, nn.Dropout())
    assert kinds(graph) == ["mean", "mean"] and len(graph.outputs) == 2


def test_constant_parts_of_the_graph_are_evaluated(graph_of) -> None:  # type: ignore[no-untyped-def]
    graph = graph_of(lambda w, a: a(w).sum((1, 2)), nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)))
    assert kinds(graph) == ["linear", "sum"], "weight norm is gone"


def test_parts_that_are_constant(graph_of) -> None:  # type: ignore[no-untyped-def]
    graph = graph_of(lambda w: (w.mean((1, 2)), torch.arange(3.0).expand(w.shape[0], 3)))
    parts = interpret(graph, np.zeros((5, 8, 3))).parts
    np.testing.assert_array_equal(parts, [[0, 1, 2]] * 5)


def half(w: torch.Tensor) -> torch.Tensor:
    return w.double().mean((1, 2)).float()


REFUSED: dict[str, tuple[Callable[..., object], list[nn.Module], list[str]]] = {
    "unsupported": (lambda w: w.atan().mean((1, 2)), [], ["aten.atan", "supported are", "tanh"]),
    "sorting": (lambda w: w.sort(1)[0].mean((1, 2)), [], ["aten.sort", "would do"]),
    "decimals": (lambda w: w.round(decimals=2).mean((1, 2)), [], ["aten.round", "would do"]),
    "whole division": (lambda w: (w / 2).floor().mean((1, 2)) + (w // 2).sum((1, 2)), [], ["floor_divide", "would do"]),
    "bits": (lambda w: ((w > 0).sum(1) & 3).float().mean(1), [], ["and", "bits"]),
    "whole numbers": (lambda w: w.long().float().mean((1, 2)), [], ["int64", "float32 would do"]),
    "power of two tensors": (lambda w: (w.abs() ** w).mean((1, 2)), [], ["aten.pow", "would do"]),
    "power of nothing": (lambda w: w.mean((1, 2)) + w.pow(0).sum((1, 2)), [], ["aten.pow", "would do"]),
    "no freedom": (lambda w: w[:, :1].var(1).mean(1), [], ["aten.var", "degrees of freedom"]),
    "indices twice": (lambda w: w[:, torch.arange(2), torch.arange(2)].mean(1), [], ["aten.index", "one axis"]),
    "roll of everything": (lambda w: w.roll(1).mean((1, 2)), [], ["aten.roll"]),
    "weighted entropy": (
        lambda w: nn.functional.binary_cross_entropy_with_logits(w, w, torch.ones(3), reduction="none").mean((1, 2)),
        [],
        ["entropy", "would do"],
    ),
    "learned by the window": (
        lambda w: nn.functional.conv1d(w.transpose(1, 2), w[:1, :3, :, None].flatten(2)).mean((1, 2)),
        [],
        ["aten.conv1d", "constant ones would do"],
    ),
    "convolution over channels and time": (
        lambda w, c: c(w.unsqueeze(1)).mean((1, 2, 3)),
        [nn.Conv2d(1, 2, 3)],
        ["aten.conv2d", "layers.0", "along time"],
    ),
    "transposed convolution": (
        lambda w, c: c(w.transpose(1, 2)).mean((1, 2)),
        [nn.ConvTranspose1d(3, 2, 3)],
        ["aten.conv_transpose1d", "layers.0", "torch.nn.Linear", "would do"],
    ),
    "a shorter last mean": (
        lambda w, p: p(w.transpose(1, 2)).mean((1, 2)),
        [nn.AvgPool1d(3, ceil_mode=True)],
        ["aten.avg_pool1d", "ceil_mode=False would do"],
    ),
    "pools of unequal size": (
        lambda w, p: p(w.transpose(1, 2)).mean((1, 2)),
        [nn.AdaptiveAvgPool1d(3)],
        ["adaptive_avg_pool1d", "8 steps into 3", "a divisor of 8 would do"],
    ),
    "place in a pool": (
        lambda w: nn.functional.max_pool1d(w, 3, return_indices=True)[1].float().mean((1, 2)),
        [],
        ["aten.max_pool1d_with_indices", "indices"],
    ),
    "plain recurrence": (
        lambda w, m: m(w)[0].mean((1, 2)),
        [nn.RNN(3, 2, batch_first=True)],
        ["aten.rnn_tanh", "torch.nn.GRU or torch.nn.LSTM would do"],
    ),
    "bidirectional": (
        lambda w, m: m(w)[0].mean((1, 2)),
        [nn.LSTM(3, 2, batch_first=True, bidirectional=True)],
        ["aten.lstm", "layers.0", "torch.nn.LSTM in one direction would do"],
    ),
    "bidirectional gru": (
        lambda w, m: m(w)[0].mean((1, 2)),
        [nn.GRU(3, 2, 2, batch_first=True, bidirectional=True)],
        ["aten.gru", "torch.nn.GRU in one direction would do"],
    ),
    "projection": (
        lambda w, m: m(w)[0].mean((1, 2)),
        [nn.LSTM(3, 4, batch_first=True, proj_size=2)],
        ["aten.lstm", "proj_size", "torch.nn.Linear behind it, would do"],
    ),
    "state of the window": (
        lambda w, m: m(w, w[None, :, 0])[0].mean((1, 2)),
        [nn.GRU(3, 3, batch_first=True)],
        ["aten.gru", "initial state", "would do"],
    ),
    "three at once": (lambda w: torch.einsum("btc,btc,btc->b", w, w, w), [], ["aten.einsum", "two at a time would do"]),
    "diagonal": (lambda w: torch.einsum("btt,btc->b", w[:, :3], w[:, :3]), [], ["aten.einsum", "diagonal"]),
    "an axis of one": (
        lambda w: torch.einsum("btc,bsc->b", w, w[:, :, :1]),
        [],
        ["aten.einsum", "expand would do"],
    ),
    "cell state": (lambda w, m: m(w)[1][1][-1].mean(-1), [nn.LSTM(3, 2, batch_first=True)], ["cell state"]),
    "place of the maximum": (lambda w: w.max(1)[1].float().mean(1), [], ["aten.max", "indices"]),
    "loss of the batch": (lambda w: w.mean((1, 2)) + mse_loss(w, w * 2), [], ["mse_loss", 'reduction="none"']),
    "squeeze": (lambda w, a: a(w.flatten(1)).squeeze(), [nn.Linear(24, 1)], ["aten.squeeze", "with a dimension"]),
    "squeeze inside": (lambda w, a: a(w).squeeze().mean(1), [nn.Linear(3, 1)], ["aten.squeeze", "with a dimension"]),
    "functional dropout": (lambda w: dropout(w).mean((1, 2)), [], ["dropout", "training=self.training would do"]),
    "double": (half, [], ["float64", "float32 would do"]),
    "random": (lambda w: (w + torch.randn_like(w)).mean((1, 2)), [], ["randn_like", "random"]),
    "mixing": (lambda w: (w - w.mean(0)).square().mean((1, 2)), [], ["aten.mean", "mixes"]),
    "mixing a little": (lambda w: w.mean((1, 2)) + 1e-4 * w.mean(), [], ["mixes"]),
    "mixing statistics": (lambda w: (w / w.std(0)).mean((1, 2)), [], ["aten."]),
    "mixing by order": (lambda w: w.flip(0).mean((1, 2)), [], ["aten.flip"]),
    "one score for all": (lambda w: w.mean(), [], ["aten.mean", "mixes"]),
    "no score a window": (lambda w: w.mean(1), [], ["aten.mean", "shape (3, 3)", "not (3,)"]),
    "constant by graph": (lambda w: torch.zeros(w.shape[0]), [], ["does not depend on the window"]),
    "constant by value": (lambda w: (w * 0.0).sum((1, 2)), [], ["aten.sum", "the same for random windows"]),
    "constant by saturation": (lambda w: (w.square().mean((1, 2)) + 1e6).sigmoid(), [], ["sigmoid", "cannot vary"]),
    "never finite": (lambda w: (w - w).mean((1, 2)) / 0.0, [], ["aten.div", "not finite"]),
    "infinite constant": (lambda w: (w * float("inf")).sum((1, 2)), [], ["not finite"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_operator_and_line(name: str, graph_of) -> None:  # type: ignore[no-untyped-def]
    function, layers, words = REFUSED[name]
    with pytest.raises(UnsupportedError) as error:
        graph_of(function, *layers)
    for word in [*words, f"{HERE}:"]:
        assert word in str(error.value), str(error.value)


class Unsupported(nn.Module):
    def forward(self, window: torch.Tensor) -> torch.Tensor:
        bent = torch.atan(window)
        return bent.mean((1, 2))


class Centred(nn.Module):
    def forward(self, window: torch.Tensor) -> torch.Tensor:
        centre = window.mean(0)
        return (window - centre).square().mean((1, 2))


@pytest.mark.parametrize(
    ("module", "line"), [(Unsupported(), "bent = torch.atan(window)"), (Centred(), "centre = window.mean(0)")]
)
def test_refusals_quote_the_line(module: nn.Module, line: str, export) -> None:  # type: ignore[no-untyped-def]
    """(torch keeps the frames of `forward` only: what a helper does stands for the line that calls it.)"""
    with pytest.raises(UnsupportedError) as error:
        load_program(export(module, 8, 3))
    assert f": {line})" in str(error.value) and f"({HERE}:" in str(error.value)


@pytest.mark.parametrize(
    "layer",
    [nn.Dropout(0.1), nn.LSTM(3, 3, 2, dropout=0.2, batch_first=True), nn.BatchNorm1d(8)],
    ids=["dropout", "lstm", "batch norm"],
)
def test_training_mode_left_on(layer: nn.Module, graph_of) -> None:  # type: ignore[no-untyped-def]
    def forward(w, m):  # type: ignore[no-untyped-def]
        y = m(w)
        return (y[0] if isinstance(y, tuple) else y).mean((1, 2))

    with pytest.raises(UnsupportedError, match=r"training mode is on; call .eval\(\)"):
        graph_of(forward, layer, train=True)


def test_lstm_that_trains_without_dropout_is_harmless(graph_of) -> None:  # type: ignore[no-untyped-def]
    assert "lstm" in kinds(graph_of(lambda w, m: m(w)[0].mean((1, 2)), nn.LSTM(3, 2, batch_first=True), train=True))


def exported(module: nn.Module, shapes: object, *examples: torch.Tensor) -> torch.export.ExportedProgram:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.export.export(module.eval(), examples, dynamic_shapes=shapes)  # type: ignore[arg-type]


class Mean(nn.Module):
    def forward(self, window: torch.Tensor) -> torch.Tensor:
        return window.flatten(1).mean(1)


class Two(nn.Module):
    def forward(self, window: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return (window - other).mean((1, 2))


def test_shape_of_the_input() -> None:
    batch, steps = torch.export.Dim("B"), torch.export.Dim("T")
    with pytest.raises(UnsupportedError, match=r"batch is fixed at 3; export with dynamic_shapes"):
        load_program(exported(Mean(), None, torch.zeros(3, 8, 2)))
    with pytest.raises(UnsupportedError, match="dynamic shape in dimension 1"):
        load_program(exported(Mean(), ({0: batch, 1: steps},), torch.zeros(3, 8, 2)))
    with pytest.raises(UnsupportedError, match=r"float32 tensor \(B, W, C\)"):
        load_program(exported(Mean(), ({0: batch},), torch.zeros(3, 8, dtype=torch.float64)))
    with pytest.raises(UnsupportedError, match="has 2 inputs"):
        load_program(exported(Two(), ({0: batch}, {0: batch}), torch.zeros(3, 8, 2), torch.zeros(3, 8, 2)))


def test_input_that_is_changed() -> None:
    class Scaled(nn.Module):
        def forward(self, window: torch.Tensor) -> torch.Tensor:
            return window.mul_(2).mean((1, 2))

    with pytest.raises(UnsupportedError, match=r"changes its input window; window.clone\(\) would do"):
        load_program(exported(Scaled(), ({0: torch.export.Dim("B")},), torch.zeros(3, 8, 2)))


@pytest.mark.parametrize(
    ("path", "line"),
    [("/home/me/mytorch/net.py", "net.py:3: y = f(x)"), (r"C:\me\net.py", "net.py:3: y = f(x)")],
)
def test_line_of_the_user(path: str, line: str) -> None:
    inner = "/lib/site-packages/torch/nn/modules/linear.py"
    for torchs in (inner, "torch/nn/modules/linear.py"):
        frames = [f'File "{file}", line 3, in forward\n    y = f(x)\n' for file in (path, torchs)]
        assert source(SimpleNamespace(meta={"stack_trace": "".join(frames)}, target="aten.add")).line == line


def test_module_and_function_of_one_name(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Importing load.py puts the module where the function is called."""
    monkeypatch.setattr(codegen, "load", importlib.import_module("tsad_edge.codegen.load"))
    with pytest.raises(ValueError, match="not a program"):
        codegen.load(tmp_path / "none.pt2")


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "graph.pt2"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(exported(Mean(), ({0: torch.export.Dim("B")},), torch.zeros(3, 8, 2)), path)
    assert kinds(load(path)) == ["reshape", "mean"]
    path.write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"graph.pt2: not a program"):
        load(path)
