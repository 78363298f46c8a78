"""THE operator table. Verifier, interpreter, emitter, cost, documentation and tests all derive from its rows.

One file per family beside this one; this file owns the table and what can be asked of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..ir import Graph, Op
from .activation import ACTIVATIONS
from .bmm_s16 import BMM_S16
from .compare import DECISIONS
from .conv import CONV1D, MAX_POOL, MEAN_POOL
from .edges import DEQUANTISE, ENTER_S16, QUANTISE
from .elementwise import BINARY, ENTER, LEAKY_RELU, UNARY
from .functions import FUNCTIONS
from .gather import TAKE
from .kept import KEPT
from .matrix import BMM, LINEAR
from .matrix_s8 import MATRIX_S8
from .normalise import ROWS
from .pointwise_s16 import BINARY_S16, MAX_POOL_S16, UNARY_S16
from .recurrent import RECURRENT
from .recurrent_s8 import RECURRENT_S8
from .reduce import REDUCTIONS, RUNNING_SUM, VARIANCE
from .rowwise_s16 import ROWWISE_S16
from .shape import MOVES
from .spec import Argument, Array, Call, Constant, Data, Inputs, Kept, Scratch, Shape, Spec, Symbol
from .view import View, dense_strides

_MATRIX = (ENTER, LINEAR, CONV1D, *RECURRENT, BMM)
_AXES = (*REDUCTIONS, VARIANCE, RUNNING_SUM)
_POINTWISE = (*UNARY, *FUNCTIONS, LEAKY_RELU, *BINARY, *DECISIONS)
_POOLS = (MAX_POOL, MEAN_POOL)
_PRODUCTS_S8 = (*MATRIX_S8, *RECURRENT_S8, BMM_S16)
_INTEGER = (ENTER_S16, *_PRODUCTS_S8, *UNARY_S16, *BINARY_S16, *ROWWISE_S16, MAX_POOL_S16, QUANTISE, DEQUANTISE)
_ALL = (*_MATRIX, *_POINTWISE, *ROWS, *_POOLS, *_AXES, *MOVES, TAKE, *_INTEGER, *KEPT)

TABLE: dict[str, Spec] = {spec.kind: spec for spec in _ALL}

NOTHING = ("alias", "clone", "contiguous", "detach", "dropout (eval)", "lift_fresh_copy", "_to_copy (to float32)")
"""PyTorch operators that compute nothing and vanish on loading."""


def infer(op: Op, shapes: dict[str, Shape]) -> Shape:
    """The shape that the operator's output must have.

    Raises
    ------
    ValueError
        No such operator, or wrong inputs or attributes.
    """
    spec = TABLE.get(op.kind)
    if spec is None:
        raise ValueError(f"there is no operator {op.kind!r}")
    fewest, most = spec.arity
    if not fewest <= len(op.inputs) <= most or "" in op.inputs[:fewest]:
        raise ValueError(f"{op.kind} with inputs {op.inputs}")
    if set(op.attrs) != set(spec.attrs):
        raise ValueError(f"{op.kind} has attributes {sorted(op.attrs)}, not {sorted(spec.attrs)}")
    for name, kind in spec.attrs.items():
        if not isinstance(op.attrs[name], kind):
            raise ValueError(f"{op.kind}: {name}={op.attrs[name]!r} is no {kind.__name__}")
    return spec.shape([shapes[name] if name else () for name in op.inputs], op.attrs)


def mac(graph: Graph) -> int:
    """Multiply-adds a window."""
    shapes = graph.shapes()
    return sum(TABLE[op.kind].mac([shapes[name] if name else () for name in op.inputs], op.attrs) for op in graph.ops)


def views(graph: Graph) -> dict[str, View]:
    """Where each tensor lies: in itself, or for operators that move no data in another one's memory.

    A view that would need a copy is given as dense memory of its own; `verify` refuses it once `layout` has run.
    """
    found = {name: View(name, 0, shape, dense_strides(shape)) for name, shape in graph.shapes().items()}
    for op in graph.ops:
        view = TABLE[op.kind].view
        if view is not None:
            seen = view(found[op.inputs[0]], op.attrs, op.output.shape)
            found[op.output.name] = seen or found[op.output.name]
    return found


def is_view(op: Op) -> bool:
    """Whether it is an operator that moves no data."""
    return TABLE[op.kind].view is not None


def is_enter(op: Op) -> bool:
    """Whether it is the operator that turns samples into slots."""
    return op.kind in {"enter", "enter_s16"}


def numbered(graph: Graph) -> Iterator[tuple[int, Op]]:
    """Operators that call a kernel, with the numbers taps know them by: enter is 0, the program's start at 1."""
    number = 0
    for op in graph.ops:
        if is_enter(op):
            yield 0, op
        elif not is_view(op):
            number += 1
            yield number, op


def scratch(op: Op, shapes: dict[str, Shape]) -> int:
    """Bytes of scratch memory that the operator's kernel wants."""
    return TABLE[op.kind].scratch([shapes[name] if name else () for name in op.inputs], op.attrs)


def remembered(op: Op, shapes: dict[str, Shape]) -> int | None:
    """Bytes that it keeps from sample to sample beside its output; None for an operator that keeps nothing."""
    state = TABLE[op.kind].state
    return None if state is None else state([shapes[name] if name else () for name in op.inputs], op.attrs)


def ops_table() -> str:
    """The table for the README, in markdown."""
    lines = ["| operator | computes | from PyTorch's |", "|---|---|---|"]
    for spec in (spec for spec in TABLE.values() if spec.state is None):
        lines.append(f"| {spec.kind} | {spec.summary.replace('|', chr(92) + '|')} | {', '.join(spec.aten) or '-'} |")
    lines.append(f"| - | nothing | {', '.join(NOTHING)} |")
    return "\n".join(lines) + "\n"


__all__ = [
    "ACTIVATIONS",
    "NOTHING",
    "TABLE",
    "Argument",
    "Array",
    "Call",
    "Constant",
    "Data",
    "Inputs",
    "Kept",
    "Scratch",
    "Shape",
    "Spec",
    "Symbol",
    "View",
    "dense_strides",
    "infer",
    "is_enter",
    "is_view",
    "mac",
    "numbered",
    "ops_table",
    "remembered",
    "scratch",
    "views",
]
