"""The passes for tensors of steps: permutations sink until they vanish, and nothing is computed that nobody reads."""

import math

import numpy as np
import pytest
from tsad_edge.codegen import Graph, interpret, mac, passes
from tsad_edge.codegen.ir import Op

CONV = {"stride": 1, "dilation": 1, "left": 0, "right": 0, "groups": 1, "act": "none", "packed": False}
TURN = {"dims": (0, 2, 1)}


@pytest.fixture()
def d(drawing):  # type: ignore[no-untyped-def]
    import random

    return drawing(random.Random(3), window=(12, 3))


def finish(d, name: str) -> Graph:  # type: ignore[no-untyped-def]
    """The mean of one tensor as the score."""
    row = d.add("reshape", [name], shape=(1, math.prod(d.shapes[name])))
    score = d.add("mean", [row], dims=(1,))
    return Graph(d.window, d.constants, tuple(d.ops), (score,))


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]


def only(graph: Graph, kind: str) -> Op:
    (op,) = [op for op in graph.ops if op.kind == kind]
    return op


def equal(graph: Graph, *others: Graph) -> None:
    x = np.random.default_rng(1).standard_normal((4, *graph.window.shape[1:]))
    want = interpret(graph, x).scores
    for other in others:
        np.testing.assert_allclose(interpret(other, x).scores, want, rtol=1e-6, atol=1e-6)


def test_permutations_meet_through_everything_pointwise(d) -> None:  # type: ignore[no-untyped-def]
    """Channels first, as PyTorch wants it: conv, scale per channel, activation, cut, sum, concatenation, mean."""
    x = d.add("permute", ["window"], **TURN)
    y = d.add("conv1d", [d.add("permute", [x], **TURN), d.constant((4, 3, 3))], **CONV)
    y = d.add("permute", [y], **TURN)
    y = d.add("add", [d.add("mul", [d.constant((4, 1)), y]), d.constant((1, 4, 10))])
    y = d.add("slice", [d.add("tanh", [y])], dim=2, start=0, stop=9, step=1)
    level = d.add("reshape", [d.add("mean", [y], dims=(2,))], shape=(1, 4, 1))
    both = d.add("cat", [d.add("sub", [y, level]), d.constant((1, 4, 2))], dim=2)
    graph = finish(d, d.add("max", [both], dims=(1,)))
    after = passes.sink(graph)
    assert "permute" not in kinds(after)
    assert after.shapes()[only(after, "cat").output.name] == (1, 11, 4)
    equal(graph, after)


def test_a_turned_tensor_in_one_row_turns_the_weights(d) -> None:  # type: ignore[no-untyped-def]
    x = d.add("permute", [d.add("relu", ["window"])], **TURN)
    row = d.add("reshape", [d.add("reshape", [x], shape=(1, 36))], shape=(1, 1, 36))
    row = d.add("select", [row], dim=1, index=0)
    graph = finish(d, d.add("linear", [row, d.constant((5, 36)), d.constant((5,))], act="none", packed=False))
    after = passes.run(graph)[-1][1]
    assert not {"permute", "copy"} & set(kinds(after))
    equal(graph, passes.sink(graph), after)


def test_a_constant_that_others_read_too_stays_as_it_was(d) -> None:  # type: ignore[no-untyped-def]
    k = d.constant((3, 12))
    x = d.add("mul", [d.add("permute", ["window"], **TURN), k])
    graph = finish(d, d.add("linear", [x, k], act="none", packed=False))
    after = passes.sink(graph)
    assert {a.shape for a in after.constants.values()} == {(3, 12), (1, 12, 3)}
    equal(graph, after)


def test_two_orders_at_once_stay(d) -> None:  # type: ignore[no-untyped-def]
    square = d.add("slice", ["window"], dim=1, start=0, stop=3, step=1)
    graph = finish(d, d.add("mul", [square, d.add("permute", [square], **TURN)]))
    after = passes.sink(graph)
    assert "permute" in kinds(after)
    equal(graph, after)


def test_a_scaler_on_a_turned_window_is_run_once_per_sample(d) -> None:  # type: ignore[no-untyped-def]
    x = d.add("sub", [d.add("permute", ["window"], **TURN), d.constant((3, 1))])
    graph = finish(d, d.add("tanh", [d.add("mul", [x, d.constant((1, 3, 1))])]))
    after = passes.run(graph)[-1][1]
    assert kinds(after) == ["enter", "tanh", "reshape", "mean"]
    equal(graph, after)


def test_norm_behind_a_convolution_is_folded(d) -> None:  # type: ignore[no-untyped-def]
    """(x - mean) * scale + bias per channel, in groups, with padding and stride."""
    reach = {**CONV, "stride": 2, "left": 2, "right": 1, "groups": 3}
    y = d.add("conv1d", ["window", d.constant((6, 1, 3)), d.constant((6,))], **reach)
    y = d.add("permute", [y], **TURN)
    for kind in ("sub", "mul", "add"):
        y = d.add(kind, [y, d.constant((6, 1))])
    graph = finish(d, d.add("relu", [y]))
    after = passes.run(graph)[-1][1]
    assert kinds(after) == ["enter", "conv1d", "reshape", "mean"]
    assert only(after, "conv1d").attrs["act"] == "relu"
    assert {"k1", "k3", "k4"} <= set(only(after, "conv1d").inputs[2].split("+")), "the bias names all it is made of"
    equal(graph, after)


@pytest.mark.parametrize("padded", [False, True])
def test_norm_in_front_of_a_convolution(padded: bool, d) -> None:  # type: ignore[no-untyped-def]
    """A scale goes into the weights; a shift only where no padding shows that it was there."""
    x = d.add("add", [d.add("mul", [d.add("tanh", ["window"]), d.constant((3,))]), d.constant((3,))])
    d.constants["k1"][...] = [1, 2, 3]
    graph = finish(d, d.add("conv1d", [x, d.constant((4, 3, 3))], **{**CONV, "left": int(padded)}))
    after = passes.fold(passes.split_enter(graph))
    assert kinds(after)[:-2] == ["enter", "tanh", *(["mul", "add"] if padded else []), "conv1d"]
    equal(graph, after)


def test_only_the_steps_that_the_last_one_sees(d) -> None:  # type: ignore[no-untyped-def]
    wide = {**CONV, "dilation": 2, "left": 4, "right": 4}
    y = d.add("conv1d", ["window", d.constant((4, 3, 3))], **wide)
    y = d.add("add", [d.add("slice", [y], dim=1, start=0, stop=12, step=1), d.constant((12, 4))])
    y = d.add("conv1d", [d.add("relu", [y]), d.constant((4, 4, 2))], **{**CONV, "left": 1})
    graph = finish(d, d.add("select", [y], dim=1, index=11))
    after = passes.run(graph)[-1][1]
    first, second = (op for op in after.ops if op.kind == "conv1d")
    assert (first.output.shape, second.output.shape) == ((1, 2, 4), (1, 1, 4))
    assert mac(after) == 2 * 4 * 3 * 3 + 4 * 4 * 2 and mac(graph) == 16 * 4 * 3 * 3 + 12 * 4 * 4 * 2
    equal(graph, after)


def test_one_reader_needs_all(d) -> None:  # type: ignore[no-untyped-def]
    y = d.add("conv1d", ["window", d.constant((4, 3, 3))], **{**CONV, "left": 2})
    last = d.add("select", [y], dim=1, index=3)
    graph = finish(d, d.add("add", [last, d.add("mean", [y], dims=(1,))]))
    after = passes.trim(graph)
    assert only(after, "conv1d").output.shape == (1, 12, 4) and only(after, "select").attrs["index"] == 3
    equal(graph, after)


def test_strides_pools_and_steps_between(d) -> None:  # type: ignore[no-untyped-def]
    y = d.add("conv1d", ["window", d.constant((4, 3, 2))], **{**CONV, "stride": 2, "left": 1, "right": 1})  # 7 steps
    y = d.add("max_pool", [y], taps=2, stride=2, dilation=1, left=1, right=0)  # 4 steps
    y = d.add("mean_pool", [y], taps=2, stride=1, dilation=1, left=1, right=1, padded=False)  # 5 steps
    graph = finish(d, d.add("slice", [y], dim=1, start=1, stop=4, step=2))
    after = passes.trim(graph)
    assert mac(after) == mac(graph) and only(after, "mean_pool").output.shape[1] == 3
    equal(graph, after)
    d.ops.pop(), d.ops.pop(), d.ops.pop()
    graph = finish(d, d.add("select", [y], dim=1, index=1))
    after = passes.trim(graph)
    assert only(after, "conv1d").output.shape[1] == 3 and only(after, "max_pool").output.shape[1] == 2
    equal(graph, after)


def test_nothing_but_padding_stays(d) -> None:  # type: ignore[no-untyped-def]
    y = d.add("conv1d", ["window", d.constant((4, 3, 1)), d.constant((4,))], **{**CONV, "left": 3})
    graph = finish(d, d.add("add", [d.add("select", [y], dim=1, index=1), d.add("mean", ["window"], dims=(1, 2))]))
    after = passes.trim(graph)
    assert only(after, "conv1d").output.shape == (1, 15, 4)
    equal(graph, after)


def test_zeros_in_front_become_padding(d) -> None:  # type: ignore[no-untyped-def]
    """As F.pad says it: channels first, one constant repeated to both sides."""
    zero = d.constant((1, 1, 1))
    d.constants[zero][...] = 0.0
    x = d.add("permute", [d.add("tanh", ["window"])], **TURN)
    ends = [d.add("expand", [zero], shape=(1, 3, steps)) for steps in (4, 1)]
    padded = d.add("permute", [d.add("cat", [ends[0], x, ends[1]], dim=2)], **TURN)
    graph = finish(d, d.add("conv1d", [padded, d.constant((4, 3, 3))], **{**CONV, "dilation": 2, "right": 1}))
    after = passes.run(graph)[-1][1]
    assert kinds(after) == ["enter", "tanh", "conv1d", "reshape", "mean"]
    assert (only(after, "conv1d").attrs["left"], only(after, "conv1d").attrs["right"]) == (4, 2)
    equal(graph, after)
    d.constants[zero][...] = 1.0
    assert "cat" in kinds(passes.run(graph)[-1][1]), "ones are no padding"
