"""The passes, in order. Each takes a graph and returns one that computes the same; `run` verifies after every one.

sink         permutations of axes move behind what works in any order of them, until they undo each other
split_enter  what acts on each sample alone (the scaler) becomes `enter`, run once per sample
trim         of a convolution, or what else gives steps, only those stay that somebody reads
lift         a slice moves in front of what computes more than it takes, along any axis
omit         columns that never change leave a matrix product: zeros beside the samples, say
attend       keys and values of attention are not computed where the query's side is the cheaper one to project
fold         affine chains become one matrix where that is cheaper, in float64, rounded once
simplify     what computes nothing, or what was computed before, goes
fuse         an activation joins the matrix product before it, a weight and a bias their norm
quantise     where asked for: matrix products, and what comes before them, in integers
layout       weights are packed as kernels want them; copies where a view will not do
plan         every tensor gets its place in memory

Of what `layout` left, `stream` makes the same model sample by sample, where that saves work.
"""

from __future__ import annotations

from collections.abc import Callable

from ..ir import Graph
from ..verify import verify
from .attend import attend
from .fold import fold
from .fuse import fuse
from .layout import layout
from .lift import lift
from .omit import omit
from .plan import plan
from .quantise import quantise
from .simplify import simplify
from .sink import sink
from .split_enter import split_enter
from .stream import Streamed, stream
from .trim import trim

PASSES: tuple[tuple[str, Callable[[Graph], Graph]], ...] = (
    ("sink", sink),
    ("split_enter", split_enter),
    ("trim", trim),
    ("lift", lift),
    ("omit", omit),
    ("attend", attend),
    ("fold", fold),
    ("simplify", simplify),
    ("fuse", fuse),
    ("layout", layout),
    ("plan", plan),
)


def run(graph: Graph, quantised: Callable[[Graph], Graph] | None = None) -> tuple[tuple[str, Graph], ...]:
    """The graph as loaded and after every pass, each verified.

    Parameters
    ----------
    quantised : callable, optional
        What to do between `fuse` and `layout`: `quantise`, with calibration windows bound to it.

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
    middle = [] if quantised is None else [("quantise", quantised)]
    for name, function in (*PASSES[:-2], *middle, *PASSES[-2:]):
        graph = function(graph)
        verify(graph)
        found.append((name, graph))
    return tuple(found)


__all__ = ["PASSES", "Streamed", "quantise", "run", "stream"]
