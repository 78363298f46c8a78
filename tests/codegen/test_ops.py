"""The operator table: each meaning against PyTorch, each kernel against the meaning, each row whole."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tsad_edge.codegen import compile_graph, ops_table
from tsad_edge.codegen.ir import Op, Tensor
from tsad_edge.codegen.ops import TABLE, infer, is_enter

from .conftest import FLOATS

N = 3  # windows


ACT = {"none": lambda v: v, "relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}


def torch_linear(x, w, b=None, *, act, packed):  # type: ignore[no-untyped-def]
    y = torch.nn.functional.linear(x, w.T if packed else w, b)
    return ACT[act](y)


def torch_lstm(x, w_ih, w_hh, b_ih=None, b_hh=None, h0=None, c0=None, *, last, packed):  # type: ignore[no-untyped-def]
    w_ih, w_hh = (w_ih.T, w_hh.T) if packed else (w_ih, w_hh)
    hidden = w_hh.shape[1]
    cell = torch.nn.LSTM(x.shape[2], hidden, batch_first=True, dtype=torch.float64)
    zero = torch.zeros(4 * hidden, dtype=torch.float64)
    with torch.no_grad():
        for p, value in zip(cell.all_weights[0], [w_ih, w_hh, b_ih, b_hh], strict=True):
            p.copy_(zero if value is None else value)
        states = [torch.zeros(hidden, dtype=torch.float64) if s is None else s for s in (h0, c0)]
        y, _ = cell(x, tuple(s.reshape(1, 1, -1) for s in states))
    return y[:, -1] if last else y


def torch_gru(x, w_ih, w_hh, b_ih=None, b_hh=None, h0=None, *, last, packed):  # type: ignore[no-untyped-def]
    w_ih, w_hh = (w_ih.T, w_hh.T) if packed else (w_ih, w_hh)
    hidden = w_hh.shape[1]
    cell = torch.nn.GRU(x.shape[2], hidden, batch_first=True, dtype=torch.float64)
    zero = torch.zeros(3 * hidden, dtype=torch.float64)
    with torch.no_grad():
        for p, value in zip(cell.all_weights[0], [w_ih, w_hh, b_ih, b_hh], strict=True):
            p.copy_(zero if value is None else value)
        state = torch.zeros(hidden, dtype=torch.float64) if h0 is None else h0
        y, _ = cell(x, state.reshape(1, 1, -1))
    return y[:, -1] if last else y


def torch_conv1d(x, w, b=None, *, left, right, groups, act, packed, **reach):  # type: ignore[no-untyped-def]
    x = torch.nn.functional.pad(x.transpose(1, 2), (left, right))
    y = torch.nn.functional.conv1d(x, w.permute(2, 1, 0) if packed else w, b, groups=groups, **reach)
    return ACT[act](y).transpose(1, 2)


def torch_max_pool(x, *, taps, stride, dilation, left, right):  # type: ignore[no-untyped-def]
    x = torch.nn.functional.pad(x.transpose(1, 2), (left, right), value=-torch.inf)
    return torch.nn.functional.max_pool1d(x, taps, stride, dilation=dilation).transpose(1, 2)


def torch_mean_pool(x, *, taps, stride, dilation, left, right, padded):  # type: ignore[no-untyped-def]
    ones = torch.ones(1, 1, taps, dtype=x.dtype)

    def sums(values):  # type: ignore[no-untyped-def]
        values = torch.nn.functional.pad(values.flatten(0, 1)[:, None], (left, right))
        return torch.nn.functional.conv1d(values, ones, stride=stride, dilation=dilation).unflatten(0, (rows, -1))[
            :, :, 0
        ]

    x, rows = x.transpose(1, 2), len(x)
    return (sums(x) / (taps if padded else sums(torch.ones_like(x)))).transpose(1, 2)


def torch_normalise(x, w=None, b=None, *, axes, centred, eps):  # type: ignore[no-untyped-def]
    shape = x.shape[-axes:]
    w, b = (None if v is None else v.reshape(shape) for v in (w, b))
    if centred:
        return torch.nn.functional.layer_norm(x, shape, w, b, eps)
    y = torch.nn.functional.rms_norm(x, shape, w, eps)
    return y if b is None else y + b


POSITIVE = {"sqrt", "rsqrt", "log", "log1p"}
"""Defined for what is above 0 only."""
TORCH = {
    "enter": lambda x, table: (x - table[0]) * table[1],
    "linear": torch_linear,
    "conv1d": torch_conv1d,
    "lstm": torch_lstm,
    "gru": torch_gru,
    "bmm": torch.matmul,
    "max_pool": torch_max_pool,
    "mean_pool": torch_mean_pool,
    **{name: getattr(torch, name) for name in ("relu", "tanh", "sigmoid", "exp", "abs")},
    "leaky_relu": lambda x, slope: torch.nn.functional.leaky_relu(x, slope),
    **{name: getattr(torch, name) for name in ("add", "sub", "mul", "div")},
    **{name: getattr(torch, name) for name in ("sqrt", "rsqrt", "log", "log1p", "expm1", "erf", "sin", "cos")},
    **{name: getattr(torch, name) for name in ("sign", "floor", "round", "maximum", "minimum")},
    **{name: getattr(torch.nn.functional, name) for name in ("gelu", "silu")},
    "softplus": lambda x: torch.nn.functional.softplus(x, threshold=800),
    "gelu_tanh": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
    "less": lambda a, b: (a < b).double(),
    "less_equal": lambda a, b: (a <= b).double(),
    "equal": lambda a, b: (a == b).double(),
    "not_equal": lambda a, b: (a != b).double(),
    "where": lambda c, a, b: torch.where(c != 0, a, b),
    "normalise": torch_normalise,
    "softmax": lambda x, dim, log: x.log_softmax(dim) if log else x.softmax(dim),
    "sum": lambda x, dims: x.sum(dims),
    "mean": lambda x, dims: x.mean(dims),
    "max": lambda x, dims: x.amax(dims),
    "min": lambda x, dims: x.amin(dims),
    "prod": lambda x, dims: x.flatten(dims[0], dims[-1]).prod(dims[0]),
    "var": lambda x, dims, correction: x.var(dims, correction=correction),
    "cumsum": lambda x, dim: x.cumsum(dim),
    "take": lambda x, dim, indices: x.index_select(dim, torch.tensor(indices)),
    "reshape": lambda x, shape: x.reshape(shape),
    "select": lambda x, dim, index: x.select(dim, index),
    "slice": lambda x, dim, start, stop, step: x[(slice(None),) * dim + (slice(start, stop, step),)],
    "permute": lambda x, dims: x.permute(dims),
    "expand": lambda x, shape: x.expand(shape),
    "cat": lambda *xs, dim: torch.cat(xs, dim),
    "copy": lambda x: x.clone(),
}


def test_every_row_has_a_counterpart() -> None:
    assert set(TORCH) == set(FLOATS)
    for kind, spec in TABLE.items():
        if spec.state is not None:  # streams are compared with windows, see test_stream
            continue
        enters = is_enter(Op(kind, (), Tensor("y", ())))
        assert spec.kind == kind and (spec.view is not None) + (spec.calls is not None) + enters == 1
        assert f"| {kind} |" in ops_table()


@pytest.mark.parametrize("kind", FLOATS)
@given(r=st.randoms(use_true_random=False), seed=st.integers(0, 99))
@settings(max_examples=12, deadline=None, derandomize=True)
def test_meaning_is_pytorchs(kind: str, r: random.Random, seed: int) -> None:
    spec = TABLE[kind]
    shapes, attrs = spec.sample(r)
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal((N, *shape)) * 3 for shape in shapes]
    if kind in POSITIVE:
        arrays = [np.abs(a) for a in arrays]
    if kind in {"less", "less_equal", "equal", "not_equal", "where"}:  # let ties happen, and what is not true
        arrays = [np.rint(a / 2) for a in arrays]
    constant = 1 if kind == "enter" else len(arrays) if spec.constants is None else spec.constants
    arrays = [a if i < constant else a[:1] for i, a in enumerate(arrays)]
    got = spec.meaning(arrays, attrs)
    names = {f"i{i}": shape for i, shape in enumerate(shapes)}
    want_shape = infer(Op(kind, tuple(names), Tensor("y", ()), attrs), names)
    terms = spec.terms(arrays, [np.abs(a) for a in arrays], got, attrs)
    for w in range(N):
        want = TORCH[kind](*(torch.from_numpy(a[min(w, len(a) - 1)]) for a in arrays), **attrs).numpy()
        assert want.shape == want_shape
        np.testing.assert_allclose(got[w], want, rtol=1e-12, atol=1e-12)
        assert (np.broadcast_to(terms, got.shape)[w] >= np.abs(want) * (1 - 1e-9)).all() or kind in {
            "tanh",
            "lstm",
            "gru",
            "exp",
        }
    assert (np.asarray(terms) >= 0).all()


@pytest.mark.parametrize("kind", [k for k in FLOATS if k != "enter"])
def test_kernel_is_the_meaning(kind: str, drawing, native) -> None:  # type: ignore[no-untyped-def]
    """Each row's kernel calls, several drawn shapes in one program, within the row's own bound of roundings."""
    from tsad_edge.codegen import first_divergence

    r = random.Random(kind)
    d = drawing(r, window=(9, 5))
    flat = d.add("reshape", ["window"], shape=(1, 45))
    for _ in range(8):
        shapes, attrs = TABLE[kind].sample(r)
        while attrs.get("packed"):  # load only makes what is not packed yet
            shapes, attrs = TABLE[kind].sample(r)
        inputs = []
        for i, shape in enumerate(shapes):
            size = int(np.prod(shape))
            free = kind == "cat" or (r.random() < 0.5 and TABLE[kind].constants is None)
            if (i == 0 or free) and size <= 45:
                start = r.randint(0, 45 - size)
                piece = d.add("slice", [flat], dim=1, start=start, stop=start + size, step=1)
                order = list(range(len(shape)))  # its axes lie in memory in this order
                if r.random() < 0.5:
                    r.shuffle(order)
                lies = d.add("reshape", [piece], shape=tuple(shape[axis] for axis in order))
                inputs.append(d.add("permute", [lies], dims=tuple(order.index(axis) for axis in range(len(shape)))))
            else:
                inputs.append(d.constant(shape))
        if kind == "div" or kind in POSITIVE:  # away from 0
            away = d.add("add", [d.add("abs", [inputs[-1]]), d.constant(())])
            d.constants["k" + str(len(d.constants) - 1)][...] = 0.5
            inputs[-1] = away
        if kind in {"less", "less_equal", "equal", "not_equal", "where"}:  # let ties happen, and what is not true
            inputs = [d.add("round", [x]) for x in inputs]
        d.add(kind, inputs, **attrs)
    graph = d.finish()
    samples = np.random.default_rng(3).standard_normal((9 + 4, 5)).astype(np.float32)
    made = compile_graph(graph, "m_test", 0.5)
    scores, _, taps = native(made).run(samples)
    windows = np.lib.stride_tricks.sliding_window_view(samples, 9, axis=0).transpose(0, 2, 1)
    found = first_divergence(made.graph, windows, taps)
    assert not found.diverged, found
    assert np.isfinite(scores).all()


def test_shape_rules_refuse() -> None:
    def refused(kind: str, shapes: list[tuple[int, ...]], **attrs: object) -> str:
        names = {f"i{i}": s for i, s in enumerate(shapes)}
        with pytest.raises(ValueError) as error:
            infer(Op(kind, tuple(names), Tensor("y", ()), attrs), names)  # type: ignore[arg-type]
        return str(error.value)

    assert "does not end in" in refused("linear", [(1, 3), (2, 4)], act="none", packed=False)
    assert "no activation" in refused("linear", [(1, 3), (2, 3)], act="gelu", packed=False)
    assert "bias" in refused("linear", [(1, 3), (2, 3), (3,)], act="none", packed=False)
    assert "not (1, steps, in)" in refused("lstm", [(3, 4), (8, 4), (8, 2)], last=False, packed=False)
    assert "do not fit" in refused("lstm", [(1, 3, 4), (8, 5), (8, 2)], last=False, packed=False)
    reach = {"stride": 1, "dilation": 2, "left": 0, "right": 0}
    conv = {**reach, "groups": 1, "act": "none", "packed": False}
    assert "2 taps do not fit 2 steps" in refused("conv1d", [(1, 2, 3), (4, 3, 2)], **conv)
    assert "not (rows, steps, 2 * 3)" in refused("conv1d", [(1, 9, 3), (4, 3, 2)], **{**conv, "groups": 2})
    assert "bias" in refused("conv1d", [(1, 9, 3), (4, 3, 2), (3,)], **conv)
    assert "1 at least" in refused("conv1d", [(1, 9, 3), (4, 3, 2)], **{**conv, "stride": 0})
    assert "do not fit 3 steps with -3" in refused("max_pool", [(1, 3, 1)], **{**reach, "left": -3, "right": 9}, taps=1)
    assert "nothing but padding" in refused("max_pool", [(1, 3, 1)], **{**reach, "left": 4}, taps=1)
    assert "do not fit" in refused("gru", [(1, 3, 4), (8, 4), (8, 2)], last=False, packed=False)
    assert "no product" in refused("bmm", [(1, 3, 4), (1, 3, 4)])
    assert "neighbouring" in refused("sum", [(1, 2, 3)], dims=(0, 2))
    assert "outside" in refused("select", [(1, 2)], dim=1, index=2)
    assert "not a slice" in refused("slice", [(1, 2)], dim=1, start=1, stop=3, step=1)
    assert "differ" in refused("cat", [(1, 2), (2, 2)], dim=1)
    assert "no order" in refused("permute", [(1, 2)], dims=(0, 0))
    assert "as many" in refused("reshape", [(1, 2)], shape=(3,))
    assert "attributes" in refused("reshape", [(1, 2)])
    assert "no operator" in refused("nothing", [(1, 2)])
    assert "reach out" in refused("take", [(1, 2)], dim=1, indices=(2,))
    assert "degrees of freedom" in refused("var", [(1, 2)], dims=(1,), correction=2.0)
    assert "weight or a bias" in refused("normalise", [(1, 2, 3), (2,)], axes=1, centred=True, eps=1e-5)
    assert "axes=2" in refused("normalise", [(1, 3)], axes=2, centred=True, eps=1e-5)
    assert "no axis" in refused("softmax", [(1, 3)], dim=2, log=False)
