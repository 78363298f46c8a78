"""The verifier bites: every kind of broken graph and of broken plan is refused."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tsad_edge.codegen import Graph, VerifyError, passes, verify
from tsad_edge.codegen.ir import Buffer, Op, Tensor
from tsad_edge.codegen.ops import is_view, views


@pytest.fixture()
def planned(drawing) -> Graph:  # type: ignore[no-untyped-def]
    """window -> lstm -> linear -> tanh -> abs, and the error against the window."""
    d = drawing(random.Random(4), window=(5, 2))
    lstm = d.add("lstm", ["window", d.constant((8, 2)), d.constant((8, 2))], last=False, packed=False)
    y = d.add("tanh", [d.add("linear", [lstm, d.constant((2, 2))], act="none", packed=False)])
    d.add("abs", [d.add("sub", [d.add("exp", [y]), "window"])])
    return passes.run(d.finish())[-1][1]


def op_at(graph: Graph, kind: str) -> int:
    return next(i for i, op in enumerate(graph.ops) if op.kind == kind)


def changed(graph: Graph, which: str, **what: object) -> Graph:
    i = op_at(graph, which)
    return replace(graph, ops=(*graph.ops[:i], replace(graph.ops[i], **what), *graph.ops[i + 1 :]))  # type: ignore[arg-type]


def test_broken_graphs(planned: Graph) -> None:
    verify(planned)
    exp = planned.ops[op_at(planned, "exp")]
    constant = planned.ops[op_at(planned, "lstm")].inputs[1]
    broken = {
        "written twice": changed(planned, "exp", output=replace(exp.output, name="slot")),
        "before it is written": changed(planned, "exp", inputs=("nobody",)),
        "by rule it is": changed(planned, "exp", output=Tensor(exp.output.name, (1, 2))),
        "there is no operator": changed(planned, "exp", kind="nothing"),
        "attributes": changed(planned, "exp", attrs={"slope": 1.0}),
        "not packed": changed(planned, "linear", attrs={"act": "tanh", "packed": False}),
        "past enter": changed(planned, "sub", inputs=(exp.output.name, "window")),
        "output nobody": replace(planned, outputs=("nobody",)),
        f"output {exp.output.name} has shape": replace(planned, outputs=(exp.output.name,)),
        "0 outputs": replace(planned, outputs=()),
        "no enter": replace(planned, ops=changed(planned, "enter", kind="copy", inputs=("window",)).ops),
        "is no name": changed(planned, "exp", output=replace(exp.output, name="a b")),
        "not finite": replace(planned, constants={**planned.constants, constant: np.full((2, 8), np.nan, np.float32)}),
        "float64": replace(planned, constants={**planned.constants, constant: np.ones((2, 8))}),
    }
    for words, graph in broken.items():
        with pytest.raises(VerifyError, match=words):
            verify(graph)


def test_a_kernel_that_wants_dense_input_gets_no_view(planned: Graph) -> None:
    i = op_at(planned, "exp")
    before = planned.ops[i].inputs[0]
    turned = Op("permute", (before,), Tensor("turned", (1, 2, 5)), {"dims": (0, 2, 1)})
    back = Op("permute", ("turned",), Tensor("back", (1, 5, 2)), {"dims": (0, 2, 1)})
    fine = (*planned.ops[:i], turned, back, replace(planned.ops[i], inputs=("back",)), *planned.ops[i + 1 :])
    verify(replace(planned, ops=fine))
    flat = Op("reshape", ("turned",), Tensor("flat", (1, 10)), {"shape": (1, 10)})
    with pytest.raises(VerifyError, match="needs a copy"):
        verify(replace(planned, ops=(*planned.ops[:i], turned, flat, *planned.ops[i:])))


def test_broken_plans(planned: Graph) -> None:
    plan = planned.plan
    assert plan is not None
    names = {op.kind: op.output.name for op in planned.ops}

    def moved(name: str, **what: object) -> Graph:
        buffers = {**plan.buffers, name: replace(plan.buffers[name], **what)}  # type: ignore[arg-type]
        return replace(planned, plan=replace(plan, buffers=buffers))

    lstm, linear = names["lstm"], names["linear"]
    rest = {k: v for k, v in plan.buffers.items() if k != lstm}
    broken = {
        "alive at once": moved(linear, offset=plan.buffers[lstm].offset),
        "reaches out": moved(lstm, offset=plan.window - 1),
        "has 12 bytes of memory and needs 40": moved(lstm, size=12),
        "lies in": moved(lstm, where="fixed"),
        "lies in 'nowhere'": moved(lstm, where="nowhere"),
        "missing or too many": replace(planned, plan=replace(plan, buffers=rest)),
        "caller's array": moved(planned.outputs[0], where="arena"),
        "reaches out of fixed": moved(lstm + "/scratch", offset=4),
    }
    for words, graph in broken.items():
        with pytest.raises(VerifyError, match=words):
            verify(graph)
    extra = replace(plan, buffers={**plan.buffers, "more": Buffer("arena", 0, 1)})
    with pytest.raises(VerifyError, match="too many"):
        verify(replace(planned, plan=extra))


@given(r=st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_plans_by_simulation(r: random.Random, draw_graph) -> None:  # type: ignore[no-untyped-def]
    """A third proof: run through the program with every cell of memory knowing whose value it holds."""
    graph = passes.run(draw_graph(r))[-1][1]
    assert graph.plan is not None
    lies, owner = views(graph), dict[tuple[str, int], tuple[str, int]]()
    buffers = graph.plan.buffers

    def check(name: str) -> None:
        view = lies[name]
        if view.root in buffers:
            b = buffers[view.root]
            for cell in view.cells().ravel():
                assert owner[(b.where, b.offset + int(cell))] == (view.root, int(cell)), f"{name} was overwritten"

    for op in graph.ops:
        if is_view(op):
            continue
        for name in op.inputs:
            if name:
                check(name)
        if op.output.name in buffers:
            b = buffers[op.output.name]
            owner.update({(b.where, b.offset + i): (op.output.name, i) for i in range(b.size)})
    for name in graph.outputs:
        check(name)


def test_rows_that_a_kernel_wants_in_one_piece(drawing) -> None:  # type: ignore[no-untyped-def]
    """A transposed right side is copied for bmm; without the copy the graph is refused."""
    d = drawing(random.Random(4), window=(5, 2))
    turned = d.add("permute", [d.add("tanh", ["window"])], dims=(0, 2, 1))
    d.add("bmm", ["window", turned])
    graph = passes.run(d.finish())[-1][1]
    copy, bmm = graph.ops[op_at(graph, "copy")], graph.ops[op_at(graph, "bmm")]
    assert copy.output.name == bmm.inputs[1]
    with pytest.raises(VerifyError, match=f"wants the rows of {copy.inputs[0]} dense"):
        verify(changed(graph, "bmm", inputs=(bmm.inputs[0], copy.inputs[0])))
