"""The passes, in order. Each takes a graph and returns one that computes the same; `run` verifies after every one.

split_enter  what acts on each sample alone (the scaler) becomes `enter`, run once per sample
fold         affine chains become one matrix where that is cheaper, in float64, rounded once
simplify     what computes nothing, or what was computed before, goes
fuse         an activation joins the matrix product before it
layout       weights are packed as kernels want them; copies where a view will not do
plan         every tensor gets its place in memory
"""

from __future__ import annotations

from collections.abc import Callable

from ..ir import Graph
from ..verify import verify
from .fold import fold
from .fuse import fuse
from .layout import layout
from .plan import plan
from .simplify import simplify
from .split_enter import split_enter

PASSES: tuple[tuple[str, Callable[[Graph], Graph]], ...] = (
    ("split_enter", split_enter),
    ("fold", fold),
    ("simplify", simplify),
    ("fuse", fuse),
    ("layout", layout),
    ("plan", plan),
)


def run(graph: Graph) -> tuple[tuple[str, Graph], ...]:
    """The graph as loaded and after every pass, each verified.

    Returns
    -------
    tuple of (pass name, Graph)
        The first is ("load", graph), the last is planned and can be emitted.

    Raises
    ------
    VerifyError
        A pass broke the graph: a defect of the compiler.
    """
    verify(graph)
    found = [("load", graph)]
    for name, function in PASSES:
        graph = function(graph)
        verify(graph)
        found.append((name, graph))
    return tuple(found)
