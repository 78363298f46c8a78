"""The language: text that parses back, names, digests."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tsad_edge.codegen import digest, passes, read_graph, with_constants, write_graph
from tsad_edge.codegen.ir import Graph, Op, Source, Tensor, fresh, from_text, to_text

ODD = Source("net.0", "aten.linear.default", 'a.py:3: f("}") -> [1] # \u2028 "\n')


@given(r=st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_text_parses_back(r: random.Random, draw_graph) -> None:  # type: ignore[no-untyped-def]
    graph = draw_graph(r)
    for _, step in [("", graph), passes.run(graph)[-1]]:
        again = from_text(to_text(step), step.constants)
        assert again == step and again.plan == step.plan
        assert [dict(op.attrs) for op in again.ops] == [dict(op.attrs) for op in step.ops]


def test_odd_sources_and_floats_parse_back(tmp_path: Path) -> None:
    op = Op("leaky_relu", ("x",), Tensor("a.b+c", (1, 2, 1)), {"slope": 0.1}, (ODD, ODD))
    last = Op("sum", ("a.b+c",), Tensor("s", (1,)), {"dims": (1, 2)})
    graph = Graph(Tensor("x", (1, 2, 1)), {"file": np.ones(3, np.float32)}, (op, last), ("s",))
    write_graph(graph, tmp_path / "g.txt", tmp_path / "g.npz")
    again = read_graph(tmp_path / "g.txt", tmp_path / "g.npz")
    assert again == graph and again.ops[0].sources == (ODD, ODD)


@pytest.mark.parametrize("line", ["nonsense", "constant k [2]", "y = relu(x) -> [1]"])
def test_bad_text_names_its_line(line: str, tmp_path: Path) -> None:
    graph = Graph(Tensor("x", (1, 2, 1)), {}, (Op("sum", ("x",), Tensor("s", (1,)), {"dims": (1, 2)}),), ("s",))
    write_graph(graph, tmp_path / "g.txt", tmp_path / "g.npz")
    (tmp_path / "g.txt").write_text(to_text(graph) + line + "\n")
    with pytest.raises(ValueError, match="g.txt: line 4"):
        read_graph(tmp_path / "g.txt", tmp_path / "g.npz")


def test_digest_is_of_the_meaning() -> None:
    def graph(value: float, line: str) -> Graph:
        op = Op("mul", ("x", "k"), Tensor("y", (1, 2, 1)), {}, (Source("", "aten.mul", line),))
        last = Op("sum", ("y",), Tensor("s", (1,)), {"dims": (1, 2)})
        return Graph(Tensor("x", (1, 2, 1)), {"k": np.array(value, np.float32)}, (op, last), ("s",))

    assert digest(graph(2, "a.py:1")) == digest(graph(2, "b.py:9")) != digest(graph(3, "a.py:1"))
    assert graph(2, "a") == graph(2, "a") != graph(3, "a")


def test_names() -> None:
    assert fresh({"a"}, "b") == "b" and fresh({"a"}, "a") == "a_2"
    assert fresh(set(), "a b(c)") == "a_b_c" and fresh(set(), "") == "t" and fresh(set(), "-") != "-"


def test_with_constants_refuses_what_does_not_fit() -> None:
    graph = Graph(Tensor("x", (1, 2, 1)), {"k": np.ones((2, 1), np.float32)}, (), ())
    assert with_constants(graph, {"k": np.zeros(2)}).constants["k"].shape == (2, 1)
    for bad in ({"k": np.zeros(3)}, {"j": np.zeros(2)}):
        with pytest.raises(ValueError, match="no constant"):
            with_constants(graph, bad)
