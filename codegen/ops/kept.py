"""Operators that remember from one sample to the next; only streams (passes/stream.py) have them.

As everywhere here arrays carry a leading axis, but it counts the samples of one series, in order, from a reset on.
What they remember is zeros then, and is all real once as many samples have come as their output has steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..ir import Op
from .activation import ACTIVATIONS
from .matrix import LINEAR, in_out
from .recurrent import RECURRENT
from .spec import Array, Attrs, Call, Constant, Data, Inputs, Kept, Scratch, Shape, Spec, Symbol, integer, one
from .view import View

ROWS_AT_ONCE, BLOCK = 40, 16
"""Windows under way that take a step together, and samples that wait for each other, as kernels/flight.c has them."""


def _keep_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    steps = integer(attrs, "steps")
    if len(shapes[0]) < 2 or shapes[0][:2] != (1, 1) or steps < 1:
        raise ValueError(f"{shapes[0]} is not one step (1, 1, ...), or {steps} steps are none")
    return (1, steps, *shapes[0][2:])


def _keep(inputs: Inputs, attrs: Attrs) -> Array:
    x, steps = one(inputs), integer(attrs, "steps")  # (n, 1, 1, ...)
    past = np.concatenate([np.zeros((steps - 1, *x.shape[1:]), x.dtype), x])
    seen = np.lib.stride_tricks.sliding_window_view(past[:, 0, 0], steps, axis=0)  # (n, ..., steps)
    return np.moveaxis(seen, -1, 1)[:, None]


KEEP = Spec(
    kind="keep",
    summary="the last few samples' values of a tensor of one step",
    aten=(),
    arity=(1, 1),
    attrs={"steps": int},
    shape=_keep_shape,
    meaning=_keep,
    terms=lambda inputs, mags, output, attrs: _keep(mags, attrs),
    roundings=lambda shapes, attrs: 0,
    sample=lambda r: ([(1, 1, r.randint(1, 4))], {"steps": r.randint(1, 5)}),
    calls=lambda op, views: [
        Call(
            f"keep_{op.output.dtype}",
            (
                integer(op.attrs, "steps"),
                op.output.size // op.output.shape[1],
                Data(op.inputs[0]),
                Data(op.output.name),
            ),
        )
    ],
    dense=(0,),
    reads=("any",),
    writes="any",
    state=lambda shapes, attrs: 0,
)


def _flight(base: Spec, gates: int, cells: int) -> Spec:
    """All windows under way, one row each: row r is what the layer `base` gives at step r of the window begun r ago."""

    def series(shapes: Sequence[Shape], attrs: Attrs) -> list[Shape]:
        """As the layer would see a whole window."""
        x, steps = shapes[0], integer(attrs, "steps")
        if len(x) != 3 or x[1] not in {1, steps}:
            raise ValueError(f"input {x} is neither the newest step nor {steps} windows' own")
        return [(x[0], steps, x[2]), *shapes[1:]]

    whole = {"last": False, "packed": True}

    def hidden(shapes: Sequence[Shape], attrs: Attrs) -> int:
        return base.shape(series(shapes, attrs), whole)[2]

    def meaning(inputs: Inputs, attrs: Attrs) -> Array:
        x, steps = one(inputs), integer(attrs, "steps")  # (n, 1, 1 or steps, in)
        past = np.concatenate([np.zeros((steps - 1, *x.shape[1:]), x.dtype), x])[:, 0]
        # A layer's row r sees row s of what stood r - s samples earlier: its window's own past.
        found = []
        for r in range(steps):
            own = np.stack(
                [past[steps - 1 - r + s : len(past) - r + s, s if x.shape[2] > 1 else 0] for s in range(r + 1)], 1
            )
            found.append(base.meaning([own[:, None], *inputs[1:]], {**whole, "last": True}))
        return np.stack(found, axis=2)

    def mac(shapes: Sequence[Shape], attrs: Attrs) -> int:
        # What is fed by the newest sample is the same for all windows.
        seen = series(shapes, attrs)
        return base.mac(seen, whole) - (seen[0][1] - shapes[0][1]) * gates * hidden(shapes, attrs) * seen[0][2]

    def scratch(shapes: Sequence[Shape], attrs: Attrs) -> int:
        lines = min(ROWS_AT_ONCE, integer(attrs, "steps"))
        apart = 1 if cells else 2  # a GRU's sums of the hidden state are apart
        return 4 * hidden(shapes, attrs) * (lines * apart * gates + gates + 1 + cells)

    def calls(op: Op, views: Mapping[str, View]) -> list[Call]:
        x, *constants = op.inputs
        constants += [""] * (base.arity[1] - 1 - len(constants))
        if cells:
            del constants[3]  # `layout` made one bias of two
        _, steps, inner = views[x].shape
        sizes = (integer(op.attrs, "steps"), int(steps == 1), inner, op.output.shape[2])
        given = (Constant(name) for name in constants)
        kept = [Kept()] if cells else []
        return [Call(f"{op.kind}_f32", (*sizes, Data(x), *given, Data(op.output.name), *kept, Scratch()))]

    return replace(
        base,
        kind=f"{base.kind}_flight",
        summary=f"one layer of {base.kind} for all windows under way",
        aten=(),
        attrs={"steps": int},
        shape=lambda shapes, attrs: base.shape(series(shapes, attrs), whole),
        meaning=meaning,
        roundings=lambda shapes, attrs: base.roundings(series(shapes, attrs), whole),
        mac=mac,
        scratch=scratch,
        calls=calls,
        weights=(),
        state=lambda shapes, attrs: 4 * cells * integer(attrs, "steps") * hidden(shapes, attrs),
    )


def _flat(shape: Shape, attrs: Attrs) -> Shape:
    """A whole window in one row, of which the newest step is given."""
    if len(shape) < 2 or shape[:2] != (1, 1) or integer(attrs, "steps") <= BLOCK:
        raise ValueError(f"{shape} is not one step (1, 1, ...), or {attrs['steps']} steps are at most {BLOCK}")
    return (1, integer(attrs, "steps") * math.prod(shape))


def _windows(inputs: Inputs, attrs: Attrs) -> list[Array | None]:
    x = _keep(inputs, attrs)  # (n, 1, steps, ...)
    return [x.reshape(len(x), 1, -1), *inputs[1:]]


def _linear_flight_state(shapes: Sequence[Shape], attrs: Attrs) -> int:
    out = in_out(shapes[1], attrs)[1]
    return 4 * (2 + 2 * BLOCK * math.prod(shapes[0]) + (integer(attrs, "steps") - 1) * out)


def _linear_flight_calls(op: Op, views: Mapping[str, View]) -> list[Call]:
    x, weight, bias = (*op.inputs, "")[:3]
    act = Symbol(ACTIVATIONS[str(op.attrs["act"])])
    sizes = (integer(op.attrs, "steps"), math.prod(views[x].shape), op.output.size)
    constants = Constant(weight), Constant(bias)
    return [Call("linear_flight_f32", (*sizes, Data(x), *constants, act, Data(op.output.name), Kept()))]


LINEAR_FLIGHT = replace(
    LINEAR,
    kind="linear_flight",
    summary="a dense layer on the last few samples, whose sums are under way",
    aten=(),
    attrs={**LINEAR.attrs, "steps": int},
    shape=lambda shapes, attrs: LINEAR.shape([_flat(shapes[0], attrs), *shapes[1:]], attrs),
    meaning=lambda inputs, attrs: LINEAR.meaning(_windows(inputs, attrs), attrs),
    terms=lambda inputs, mags, output, attrs: LINEAR.terms(_windows(inputs, attrs), mags, output, attrs),
    mac=lambda shapes, attrs: LINEAR.mac([_flat(shapes[0], attrs), *shapes[1:]], attrs),
    calls=_linear_flight_calls,
    weights=(),
    state=_linear_flight_state,
)

RECURRENT_FLIGHTS = [_flight(base, gates, cells) for base, gates, cells in zip(RECURRENT, (4, 3), (1, 0), strict=True)]
KEPT = [KEEP, LINEAR_FLIGHT, *RECURRENT_FLIGHTS]
