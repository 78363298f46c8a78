"""Every pass keeps what the graph computes, and does what it is for."""

import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tsad_edge.codegen import interpret, mac, passes
from tsad_edge.codegen.ir import Graph, Op, Tensor
from tsad_edge.codegen.passes.fold import cuts

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def windows_of(graph: Graph, n: int = 3) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.standard_normal((n, *graph.window.shape[1:]))


@given(r=st.randoms(use_true_random=False))
@QUICK
def test_every_pass_keeps_the_meaning(r: random.Random, draw_graph) -> None:  # type: ignore[no-untyped-def]
    graph = draw_graph(r)
    x = windows_of(graph)
    want = interpret(graph, x)
    for name, after in passes.run(graph):
        got = interpret(after, x)
        # Folding rounds constants to float32 again: as far apart as that makes the sums.
        allowed = 1e-5 * (1 + want.terms.max() + np.abs(want.scores).max())
        np.testing.assert_allclose(got.scores, want.scores, rtol=0, atol=allowed, err_msg=name)
        assert (got.parts is None) == (want.parts is None)
        if got.parts is not None:
            np.testing.assert_allclose(got.parts, want.parts, rtol=1e-4, atol=1e-4, err_msg=name)
    assert mac(after) <= mac(graph)


@given(dims=st.lists(st.integers(1, 9), min_size=2, max_size=6))
def test_cuts_are_the_cheapest(dims: list[int]) -> None:
    def cost(kept: list[int]) -> int:
        return sum(dims[a] * dims[b] for a, b in zip(kept, kept[1:], strict=False))

    inner = range(1, len(dims) - 1)
    every = [[0, *(i for i in inner if bits >> i & 1), len(dims) - 1] for bits in range(1 << len(dims))]
    kept = cuts(dims)
    assert cost(kept) == min(map(cost, every))
    assert len(kept) == max(len(k) for k in every if cost(k) == cost(kept)), "of equal ones the one that merges least"


def chain(*ops: tuple[str, tuple[str, ...], dict], window=(1, 4, 2), **constants: np.ndarray) -> Graph:  # type: ignore[no-untyped-def, type-arg]
    """A graph of named operators: (kind, inputs, attrs), each reading "" as the one before; ends in a mean."""
    from tsad_edge.codegen.ops import infer

    values = {name: np.asarray(a, np.float32) for name, a in constants.items()}
    shapes = {"window": window, **{name: a.shape for name, a in values.items()}}
    made: list[Op] = []
    last = "window"
    for kind, inputs, attrs in ops:
        op = Op(kind, tuple(i or last for i in inputs), Tensor(f"{kind}{len(made)}", ()), attrs)
        shape = infer(op, shapes)
        last = op.output.name
        shapes[last] = shape
        made.append(Op(op.kind, op.inputs, Tensor(last, shape), attrs))
    return Graph(Tensor("window", window), values, tuple(made), (last,))


SUM = ("sum", ("",), {"dims": (1, 2)})


def test_scaler_becomes_enter_with_its_own_constants() -> None:
    offset, scale = np.array([0.1, -3.7]), np.array([0.3, 11.0])
    graph = chain(("sub", ("", "o"), {}), ("mul", ("", "s"), {}), ("tanh", ("",), {}), SUM, o=offset, s=scale)
    after = passes.split_enter(graph)
    assert [op.kind for op in after.ops] == ["enter", "tanh", "sum"]
    np.testing.assert_array_equal(after.constants["enter"], np.array([offset, scale], np.float32))


@pytest.mark.parametrize(
    ("ops", "table"),
    [
        ([("mul", ("", "s"), {}), ("add", ("", "o"), {})], [[-0.5, 1.0], [2.0, 4.0]]),
        ([("sub", ("o", ""), {})], [[1.0, -4.0], [-1.0, -1.0]]),
        ([("div", ("", "s"), {})], [[0.0, 0.0], [0.5, 0.25]]),
        ([], [[0.0, 0.0], [1.0, 1.0]]),
    ],
)
def test_other_scalers(ops: list, table: list) -> None:  # type: ignore[type-arg]
    graph = chain(*ops, ("tanh", ("",), {}), SUM, o=[1.0, -4.0], s=[2.0, 4.0])
    after = passes.split_enter(graph)
    assert [op.kind for op in after.ops] == ["enter", "tanh", "sum"]
    np.testing.assert_array_equal(after.constants["enter"], np.array(table, np.float32))


def test_a_channel_scaled_to_nothing_cannot_carry_a_shift() -> None:
    graph = chain(("mul", ("", "s"), {}), ("add", ("", "o"), {}), SUM, o=[1.0, 2.0], s=[0.0, 1.0])
    after = passes.split_enter(graph)
    assert [op.kind for op in after.ops] == ["enter", "add", "sum"]
    x = windows_of(graph)
    np.testing.assert_allclose(interpret(after, x).scores, interpret(graph, x).scores)


def test_a_shift_that_float32_cannot_carry_stays_behind() -> None:
    """x - 1e5 is exact; 1e5 - 0.3 is not a float32, and its error would be a part of every slot."""
    steps = [("sub", ("", "o"), {}), ("add", ("", "b"), {}), SUM]
    graph = chain(*steps, o=[1e5, 0.0], b=[0.3, 0.3])
    after = passes.split_enter(graph)
    assert [op.kind for op in after.ops] == ["enter", "add", "sum"]
    np.testing.assert_array_equal(after.constants["enter"], np.array([[1e5, 0], [1, 1]], np.float32))


def test_what_differs_between_times_is_no_scaler() -> None:
    graph = chain(("mul", ("", "s"), {}), SUM, s=np.arange(8).reshape(4, 2))
    assert [op.kind for op in passes.split_enter(graph).ops] == ["enter", "mul", "sum"]


def test_constants_beside_a_product_are_folded_and_named() -> None:
    linear = {"act": "none", "packed": False}
    w = np.arange(6).reshape(3, 2) / 4
    graph = chain(
        ("tanh", ("",), {}),
        ("mul", ("", "s"), {}),
        ("add", ("", "o"), {}),
        ("linear", ("", "w", "b"), linear),
        ("mul", ("", "k"), {}),
        SUM,
        s=[2.0, 3.0],
        o=[0.5, 1.0],
        w=w,
        b=[1.0, 2.0, 3.0],
        k=[1.0, 2.0, 4.0],
    )
    after = passes.fold(passes.split_enter(graph))
    assert [op.kind for op in after.ops] == ["enter", "tanh", "linear", "sum"]
    assert set(after.ops[2].inputs[1].split("+")) == {"s", "w", "k"}
    x = windows_of(graph)
    np.testing.assert_allclose(interpret(after, x).scores, interpret(graph, x).scores, rtol=1e-6)


def test_a_large_shift_stays_in_front_of_the_product() -> None:
    linear = {"act": "none", "packed": False}
    graph = chain(
        ("tanh", ("",), {}), ("add", ("", "o"), {}), ("linear", ("", "w"), linear), SUM, o=[1e6, 0], w=[[1, 2]]
    )
    assert [op.kind for op in passes.fold(passes.split_enter(graph)).ops] == ["enter", "tanh", "add", "linear", "sum"]


def test_last_state_and_shared_work() -> None:
    lstm = {"last": False, "packed": False}
    pick = {"dim": 1, "index": 3}
    graph = chain(
        ("lstm", ("", "wi", "wh"), lstm),
        ("select", ("lstm0",), pick),
        ("select", ("lstm0",), pick),
        ("mul", ("select1", "select2"), {}),
        ("sum", ("",), {"dims": (1,)}),
        wi=np.ones((8, 2)),
        wh=np.ones((8, 2)) / 8,
    )
    after = passes.simplify(passes.split_enter(graph))
    assert [op.kind for op in after.ops] == ["enter", "lstm", "mul", "sum"]
    assert after.ops[1].attrs["last"] is True and after.ops[2].inputs[0] == after.ops[2].inputs[1]


def test_activation_joins_the_product() -> None:
    linear = {"act": "none", "packed": False}
    graph = chain(("linear", ("", "w"), linear), ("sigmoid", ("",), {}), SUM, w=np.ones((3, 2)))
    assert [(op.kind, op.attrs.get("act")) for op in passes.fuse(graph).ops] == [("linear", "sigmoid"), ("sum", None)]


def test_elementwise_runs_in_place() -> None:
    steps = [("exp", ("",), {}), ("abs", ("",), {}), ("leaky_relu", ("",), {"slope": 0.1}), SUM]
    graph = chain(("linear", ("", "w"), {"act": "none", "packed": False}), *steps, w=np.ones((3, 2)))
    plan = passes.run(graph)[-1][1].plan
    assert plan is not None and plan.window == 48, "one tensor's place for four"
