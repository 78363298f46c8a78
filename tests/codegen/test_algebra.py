"""Algebra on attention and on what is known beforehand: the same meaning for less work, or left alone."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from tsad_edge.codegen import compile_graph, interpret, load_program, mac, passes
from tsad_edge.codegen.ir import Graph, to_text
from tsad_edge.codegen.passes.attend import attend
from tsad_edge.codegen.passes.lift import lift
from tsad_edge.codegen.passes.omit import omit

from tsad_edge.models import build

STEPS, WIDTH = 12, 6
PLAIN = {"act": "none", "packed": False}


def same(before: Graph, after: Graph) -> None:
    """Both compute the same, within what constants rounded anew explain."""
    x = np.random.default_rng(1).standard_normal((3, *before.window.shape[1:]))
    want, got = interpret(before, x), interpret(after, x)
    allowed = 1e-5 * (1 + want.terms.max() + np.abs(want.scores).max())
    np.testing.assert_allclose(got.scores, want.scores, rtol=0, atol=allowed, err_msg=to_text(after))


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]


class Attention:
    """Draws a graph with attention in it; what is not given is drawn."""

    def __init__(self, drawing: Any, r: random.Random, **given: Any) -> None:
        self.d, self.r, self.given = drawing(r, window=(STEPS, WIDTH)), r, given

    def pick(self, name: str, *choices: Any) -> Any:
        return self.given.get(name, self.r.choice(choices))

    def linear(self, x: str, width: int, bias: bool) -> str:
        weights = [self.d.constant((width, self.d.shapes[x][-1])), *([self.d.constant((width,))] if bias else [])]
        return str(self.d.add("linear", [x, *weights], **PLAIN))

    def number(self, x: str, value: float) -> str:
        name = self.d.constant(())
        self.d.constants[name][...] = value
        return str(self.d.add("mul", [x, name]))

    def heads(self, x: str, heads: int, *, keys: bool) -> str:
        _, rows, width = self.d.shapes[x]
        apart = self.d.add("reshape", [x], shape=(1, rows, heads, width // heads))
        return str(self.d.add("permute", [apart], dims=(0, 2, 3, 1) if keys else (0, 2, 1, 3)))

    def graph(self) -> Graph:
        d, bias = self.d, self.pick("bias", True, False)
        heads, size = self.pick("heads", 1, 2, 3), self.pick("size", 1, 2, 4)
        queries = self.pick("queries", 1, 3, STEPS)
        x = d.add("tanh", ["window"])
        asking = d.add("slice", [x], dim=1, start=STEPS - queries, stop=STEPS, step=1)
        if self.pick("packed", True, False):  # one layer for all three, as nn.MultiheadAttention has it
            one = self.linear(x, 3 * heads * size, bias)
            bounds = [(i * heads * size, (i + 1) * heads * size) for i in range(3)]
            q, k, v = (d.add("slice", [one], dim=2, start=a, stop=b, step=1) for a, b in bounds)
            q = d.add("slice", [q], dim=1, start=STEPS - queries, stop=STEPS, step=1)
        else:
            q = self.linear(asking, heads * size, bias)
            k, v = (self.linear(x, heads * size, bias) for _ in range(2))
        q = self.heads(q, heads, keys=False)
        q = self.number(q, size**-0.5) if self.pick("scaled", True, False) else q
        scores = d.add("bmm", [q, self.heads(k, heads, keys=True)])
        if self.pick("masked", True, False):
            scores = d.add("add", [scores, d.constant((queries, STEPS))])
        scores = self.number(scores, 0.5) if self.pick("tempered", True, False) else scores
        shares = d.add("softmax", [scores], dim=3, log=False) if self.pick("softmax", True, True, False) else scores
        found = d.add("bmm", [shares, self.heads(v, heads, keys=False)])
        together = d.add("permute", [found], dims=(0, 2, 1, 3))
        rows = d.add("reshape", [together], shape=(1, queries, heads * size))
        if self.pick("join", True, False):
            rows = self.linear(rows, WIDTH, bias)
        flat = d.add("reshape", [d.add("tanh", [rows])], shape=(1, int(np.prod(d.shapes[rows]))))
        d.add("mean", [flat], dims=(1,))
        return Graph(d.window, d.constants, tuple(d.ops), (d.pool[-1],))


def sizes(graph: Graph) -> list[int]:
    return [op.output.size for op in graph.ops if op.kind in {"linear", "conv1d"}]


@given(r=st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
def test_attention_keeps_its_meaning(r: random.Random, drawing) -> None:  # type: ignore[no-untyped-def]
    graph = Attention(drawing, r).graph()
    costs = []
    for _, after in passes.run(graph):
        same(graph, after)
        costs.append(mac(after))
    assert costs == sorted(costs, reverse=True), "a pass made it dearer"


@given(r=st.randoms(use_true_random=False))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
def test_moved_projections_in_c(r: random.Random, drawing, native) -> None:  # type: ignore[no-untyped-def]
    graph = Attention(drawing, r, softmax=True, queries=r.choice([1, 3])).graph()
    made = compile_graph(graph, "m_test", 0.5)
    samples = np.random.default_rng(2).standard_normal((STEPS + 4, WIDTH)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(samples, STEPS, axis=0).transpose(0, 2, 1)
    want = interpret(graph, windows)
    scores = native(made).run(samples)[0]
    assert (np.abs(scores - want.scores) <= 1e-5 * (1 + want.terms)).all()


def test_one_query_of_several_heads_needs_no_keys_and_values(drawing: Any) -> None:
    fixed = {"heads": 3, "size": 4, "queries": 1, "softmax": True, "join": True, "masked": True, "tempered": True}
    for packed in (False, True):
        graph = Attention(drawing, random.Random(1), packed=packed, scaled=True, bias=True, **fixed).graph()
        after = passes.fold(attend(passes.lift(passes.trim(passes.split_enter(graph)))))
        same(graph, after)
        assert max(sizes(after)) < STEPS * 12, "keys or values of every step"
        # Queries, moved to the keys' side; scores; mean; values, moved; joined. And the softmax.
        moved = 6 * 12 + 12 * 6 + 2 * 3 * STEPS * 6 + 12 * 6 + 12 * 6
        assert mac(after) == moved + 3 * STEPS
        assert mac(graph) > 2 * mac(after)


def test_one_head_becomes_two_matrices_and_no_more(drawing: Any) -> None:
    """Wq'Wk and Wo Wv: of four products with weights two are left, and the key's bias vanishes."""
    fixed = {"heads": 1, "size": 4, "queries": STEPS, "softmax": True, "join": True, "packed": False, "bias": True}
    graph = Attention(
        drawing, random.Random(3), masked=False, scaled=True, tempered=False, **fixed | {"size": 6}
    ).graph()
    after = passes.fold(attend(passes.split_enter(graph)))
    same(graph, after)
    assert len(sizes(graph)) == 4 and len(sizes(after)) == 2
    assert mac(graph) - mac(after) == 2 * STEPS * 6 * 6
    # Named after the layers that they are made of: query and key, value and what joins.
    layers = [op.inputs[1] for op in graph.ops if op.kind == "linear"]
    assert [op.inputs[1].split("+") for op in after.ops if op.kind == "linear"] == [layers[:2], layers[2:]]


@pytest.mark.parametrize(
    ("why", "given_"),
    [
        ("heads of one feature each: every head would read all six", {"heads": 3, "size": 1, "queries": STEPS}),
        ("as many queries as keys, and narrow heads", {"heads": 2, "size": 2, "queries": STEPS}),
    ],
)
def test_where_it_would_cost_more_it_is_left_alone(why: str, given_: dict[str, int], drawing: Any) -> None:
    rest = {"softmax": True, "packed": False, "bias": True, "join": True, "masked": False}
    graph = Attention(drawing, random.Random(2), **given_, **rest).graph()
    assert attend(graph) is graph, why


def test_a_bias_that_nothing_takes_away_stays(drawing: Any) -> None:
    """Without softmax the key's bias counts, and what is no share of one does not carry the value's."""
    rest = {"heads": 2, "size": 4, "queries": 1, "packed": False, "tempered": False}
    graph = Attention(drawing, random.Random(5), softmax=False, bias=True, **rest).graph()
    assert attend(graph) is graph
    free = Attention(drawing, random.Random(5), softmax=False, bias=False, **rest).graph()
    after = attend(free)
    same(free, after)
    assert mac(after) < mac(free)


# ---------------------------------------------------------------- what is known beforehand


def joined(drawing: Any, value: Any, *, behind: bool = False) -> Graph:
    """Six channels and four constant columns beside them, turned, through one layer."""
    d = drawing(random.Random(4), window=(STEPS, WIDTH))
    x = d.add("tanh", ["window"])
    known = d.constant((1, STEPS, 4))
    d.constants[known][...] = value
    wide = d.add("cat", [known, x] if behind else [x, known], dim=2)
    turned = d.add("permute", [wide], dims=(1, 0, 2))
    y = d.add("linear", [turned, d.constant((5, 10)), d.constant((5,))], **PLAIN)
    d.add("mean", [d.add("reshape", [d.add("tanh", [y])], shape=(1, 5 * STEPS))], dims=(1,))
    return Graph(d.window, d.constants, tuple(d.ops), (d.pool[-1],))


@pytest.mark.parametrize("behind", [True, False])
@pytest.mark.parametrize("value", [0.0, [1.0, -2.0, 0.0, 3.0]])
def test_columns_that_never_change_cost_nothing(value: Any, behind: bool, drawing: Any) -> None:
    graph = joined(drawing, value, behind=behind)
    after = omit(graph)
    same(graph, after)
    assert mac(graph) - mac(after) == STEPS * 4 * 5 and "cat" not in kinds(after)


def test_columns_that_differ_from_step_to_step_stay(drawing: Any) -> None:
    graph = joined(drawing, np.arange(STEPS)[:, None])
    assert omit(graph) is graph


def test_a_layer_of_constants_alone_is_left_to_loading(drawing: Any) -> None:
    d = drawing(random.Random(4), window=(2, 2))
    known = d.constant((1, 2, 4))
    y = d.add("linear", [d.add("cat", [known, known], dim=2), d.constant((2, 8))], **PLAIN)
    d.add("mean", [d.add("reshape", [d.add("mul", [y, "window"])], shape=(1, 4))], dims=(1,))
    graph = Graph(d.window, d.constants, tuple(d.ops), (d.pool[-1],))
    assert omit(graph) is graph


class Newest(nn.Module):
    """PyTorch's own encoder, of which the newest state is read."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(WIDTH, heads, 5, 0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)

    def forward(self, window: Tensor) -> Tensor:
        state: Tensor = self.encoder(window)[:, -1]
        return state.abs().mean(1)


@pytest.mark.parametrize("heads", [1, 3])
def test_the_newest_state_asks_for_one_query(heads: int, export, prove) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(heads)
    module = Newest(heads).eval()
    graph = load_program(export(module, STEPS, WIDTH))
    after = dict(passes.run(graph))["fold"]
    same(graph, after)
    assert [op.output.shape[-2] for op in after.ops if op.kind == "softmax"][0] in {1, heads}
    assert mac(after) < mac(graph) / 4
    prove(module, np.random.default_rng(0).standard_normal((STEPS + 5, WIDTH)), STEPS)


def test_a_slice_that_saves_nothing_stays(drawing: Any) -> None:
    d = drawing(random.Random(4), window=(STEPS, WIDTH))
    part = d.add("slice", [d.add("exp", ["window"])], dim=2, start=0, stop=3, step=1)
    d.add("mean", [d.add("reshape", [part], shape=(1, 3 * STEPS))], dims=(1,))
    graph = Graph(d.window, d.constants, tuple(d.ops), (d.pool[-1],))
    assert lift(graph) is graph


@given(r=st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
def test_lifted_slices_keep_the_meaning(r: random.Random, drawing) -> None:  # type: ignore[no-untyped-def]
    """Random chains with a slice at their end, along an axis that is drawn."""
    d = drawing(r, window=(4, 6))
    for _ in range(r.randint(1, 5)):
        d.step(
            r.choice(["linear", "bmm", "softmax", "normalise", "permute", "reshape", "add", "mul", "tanh", "expand"])
        )
    x = d.pool[-1]
    wide = [axis for axis, size in enumerate(d.shapes[x]) if axis and size > 1]
    if wide:
        axis = r.choice(wide)
        start = r.randrange(d.shapes[x][axis])
        x = d.add(
            "slice", [x], dim=axis, start=start, stop=r.randint(start + 1, d.shapes[x][axis]), step=r.randint(1, 2)
        )
    graph = d.finish()
    after = lift(graph)
    same(graph, after)
    assert mac(after) < mac(graph) or after is graph


# ---------------------------------------------------------------- whole models

MODELS = {  # name, channels: multiply-adds as loaded, and after all passes, at W = 100
    ("transformer", 1): (129_801, 26_409),
    ("tranad", 38): (254_312, 197_096),
    ("vae", 38): (62_848, 62_848),
}


@pytest.mark.parametrize(("name", "channels"), MODELS)
def test_what_the_models_of_the_project_cost(name: str, channels: int, export: Callable[..., Any]) -> None:
    torch.manual_seed(0)
    graph = load_program(export(build(name, 100, channels).eval(), 100, channels))
    steps = passes.run(graph)
    for _, after in steps:
        same(graph, after)
    assert (mac(graph), mac(steps[-1][1])) == MODELS[name, channels]


@pytest.mark.parametrize(
    ("name", "channels", "window", "cost"),
    [
        ("ReferenceVae", 38, 100, (502_784, 502_784)),
        pytest.param("ReferenceTranad", 38, 100, (20_961_796, 10_306_748), marks=pytest.mark.slow),
    ],
)
def test_what_the_references_shapes_cost(  # type: ignore[no-untyped-def]
    name: str, channels: int, window: int, cost: tuple[int, int], script, export
) -> None:
    """The VAE's sigma is no part of a score, so that it is never computed: it would be 8,192 more."""
    torch.manual_seed(0)
    graph = load_program(export(getattr(script("benchmarks/reference_shapes.py"), name)().eval(), window, channels))
    steps = passes.run(graph)
    same(graph, steps[-1][1])
    assert (mac(graph), mac(steps[-1][1])) == cost
    assert not any("spread" in name for name in graph.constants)


def test_equal_constants_are_stored_once(script, export) -> None:  # type: ignore[no-untyped-def]
    """Both phases use one encoder: its folded weights are there once."""
    torch.manual_seed(0)
    final = passes.run(
        load_program(export(script("benchmarks/reference_shapes.py").ReferenceTranad(4, 3, 1).eval(), 9, 4))
    )[-1][1]
    stored = [(a.shape, a.tobytes()) for name, a in final.constants.items() if name != "enter"]
    assert len(stored) == len(set(stored)) and len(stored) < sum(len(op.inputs) - 1 for op in final.ops)
