"""The operator table: each meaning against PyTorch, each kernel against the meaning, each row whole."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tsad_edge.codegen import compile_graph, ops_table
from tsad_edge.codegen.ir import Op, Tensor
from tsad_edge.codegen.ops import TABLE, infer

N = 3  # windows


def torch_linear(x, w, b=None, *, act, packed):  # type: ignore[no-untyped-def]
    y = torch.nn.functional.linear(x, w.T if packed else w, b)
    return {"none": lambda v: v, "relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}[act](y)


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


TORCH = {
    "enter": lambda x, table: (x - table[0]) * table[1],
    "linear": torch_linear,
    "lstm": torch_lstm,
    **{name: getattr(torch, name) for name in ("relu", "tanh", "sigmoid", "exp", "abs")},
    "leaky_relu": lambda x, slope: torch.nn.functional.leaky_relu(x, slope),
    **{name: getattr(torch, name) for name in ("add", "sub", "mul", "div")},
    "sum": lambda x, dims: x.sum(dims),
    "mean": lambda x, dims: x.mean(dims),
    "max": lambda x, dims: x.amax(dims),
    "reshape": lambda x, shape: x.reshape(shape),
    "select": lambda x, dim, index: x.select(dim, index),
    "slice": lambda x, dim, start, stop, step: x[(slice(None),) * dim + (slice(start, stop, step),)],
    "permute": lambda x, dims: x.permute(dims),
    "expand": lambda x, shape: x.expand(shape),
    "cat": lambda *xs, dim: torch.cat(xs, dim),
    "copy": lambda x: x.clone(),
}


def test_every_row_has_a_counterpart() -> None:
    assert set(TORCH) == set(TABLE)
    for kind, spec in TABLE.items():
        assert spec.kind == kind and (spec.view is not None) + (spec.calls is not None) + (kind == "enter") == 1
        assert f"| {kind} |" in ops_table()


@pytest.mark.parametrize("kind", TABLE)
@given(r=st.randoms(use_true_random=False), seed=st.integers(0, 99))
@settings(max_examples=12, deadline=None, derandomize=True)
def test_meaning_is_pytorchs(kind: str, r: random.Random, seed: int) -> None:
    spec = TABLE[kind]
    shapes, attrs = spec.sample(r)
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal((N, *shape)) * 3 for shape in shapes]
    constant = {"enter": 1, "linear": 1, "lstm": 1}.get(kind, len(arrays))
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
            "exp",
        }
    assert (np.asarray(terms) >= 0).all()


@pytest.mark.parametrize("kind", [k for k in TABLE if k != "enter"])
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
            if (
                i == 0 or kind in {"cat"} or (i == 1 and r.random() < 0.5 and kind not in {"linear", "lstm"})
            ) and size <= 45:
                start = r.randint(0, 45 - size)
                piece = d.add("slice", [flat], dim=1, start=start, stop=start + size, step=1)
                inputs.append(d.add("reshape", [piece], shape=shape))
            else:
                inputs.append(d.constant(shape))
        if kind == "div":  # a divisor away from 0
            away = d.add("add", [d.add("abs", [inputs[1]]), d.constant(())])
            d.constants["k" + str(len(d.constants) - 1)][...] = 0.5
            inputs[1] = away
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
    assert "neighbouring" in refused("sum", [(1, 2, 3)], dims=(0, 2))
    assert "outside" in refused("select", [(1, 2)], dim=1, index=2)
    assert "not a slice" in refused("slice", [(1, 2)], dim=1, start=1, stop=3, step=1)
    assert "differ" in refused("cat", [(1, 2), (2, 2)], dim=1)
    assert "no order" in refused("permute", [(1, 2)], dims=(0, 0))
    assert "as many" in refused("reshape", [(1, 2)], shape=(3,))
    assert "attributes" in refused("reshape", [(1, 2)])
    assert "no operator" in refused("gelu", [(1, 2)])
