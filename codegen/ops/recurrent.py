"""Recurrent layers, one operator a layer: lstm and gru."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..ir import Attr, Op
from .matrix import in_out
from .spec import Array, Attrs, Call, Constant, Data, Inputs, Scratch, Shape, Spec, one, sigmoid
from .view import View


def _sizes(shapes: Sequence[Shape], attrs: Attrs, gates: int) -> tuple[int, int, int]:
    """(steps, in, hidden), after checking all inputs against each other."""
    x, w_ih, w_hh = shapes[:3]
    if len(x) != 3 or x[0] != 1:
        raise ValueError(f"input {x} is not (1, steps, in)")
    inner, rows = in_out(w_ih, attrs)
    hidden, rows_hh = in_out(w_hh, attrs)
    if inner != x[2] or rows != gates * hidden or rows_hh != rows:
        raise ValueError(f"weights {w_ih}, {w_hh} do not fit input {x}")
    for shape, want in zip(shapes[3:], [(rows,), (rows,), (hidden,), (hidden,)], strict=False):
        if shape not in {want, ()}:
            raise ValueError(f"a bias or an initial state is {shape}, not {want}")
    return x[1], inner, hidden


def _driven(inputs: Inputs, attrs: Attrs, biases: Sequence[Array | None]) -> tuple[Array, Array]:
    """What inputs and these biases add to the gates (n, steps, gates * hidden), and w_hh (hidden, gates * hidden)."""
    w_ih, w_hh = (one(inputs, i)[0] if attrs["packed"] else one(inputs, i)[0].T for i in (1, 2))
    driven: Array = one(inputs)[:, 0] @ w_ih
    for bias in biases:
        driven = driven if bias is None else driven + bias
    return driven, w_hh


def _start(inputs: Inputs, hidden: int, state: Array | None) -> Array:
    zeros = np.zeros((len(one(inputs)), hidden), one(inputs).dtype)
    return zeros if state is None else zeros + state


def _lstm(inputs: Inputs, attrs: Attrs) -> Array:
    bias_ih, bias_hh, h0, c0 = (None if x is None else x[0] for x in (*inputs[3:], None, None, None, None)[:4])
    driven, w_hh = _driven(inputs, attrs, (bias_ih, bias_hh))
    h, c = (_start(inputs, len(w_hh), state) for state in (h0, c0))
    states = []
    for t in range(driven.shape[1]):
        i, f, g, o = np.split(driven[:, t] + h @ w_hh, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return h[:, None] if attrs["last"] else np.stack(states, axis=1)[:, None]


def _gru(inputs: Inputs, attrs: Attrs) -> Array:
    bias_ih, bias_hh, h0 = (None if x is None else x[0] for x in (*inputs[3:], None, None, None)[:3])
    driven, w_hh = _driven(inputs, attrs, (bias_ih,))
    h = _start(inputs, len(w_hh), h0)
    states = []
    for t in range(driven.shape[1]):
        fed = h @ w_hh if bias_hh is None else h @ w_hh + bias_hh
        (r, z, n), (r_h, z_h, n_h) = (np.split(gates, 3, axis=-1) for gates in (driven[:, t], fed))
        z = sigmoid(z + z_h)
        h = (1 - z) * np.tanh(n + sigmoid(r + r_h) * n_h) + z * h
        states.append(h)
    return h[:, None] if attrs["last"] else np.stack(states, axis=1)[:, None]


def _recurrent(
    kind: str,
    summary: str,
    gates: int,
    states: int,
    meaning: Callable[[Inputs, Attrs], Array],
    scratch: int,
    terms: Callable[[Inputs, Array], Array],
) -> Spec:
    """A row; inputs are x, w_ih, w_hh, b_ih, b_hh and `states` initial states; scratch counts hidden states."""

    def shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
        steps, _, hidden = _sizes(shapes, attrs, gates)
        return (1, hidden) if attrs["last"] else (1, steps, hidden)

    def mac(shapes: Sequence[Shape], attrs: Attrs) -> int:
        steps, inner, hidden = _sizes(shapes, attrs, gates)
        return steps * gates * hidden * (inner + hidden)

    def calls(op: Op, views: Mapping[str, View]) -> list[Call]:
        x, *constants = op.inputs
        constants += [""] * (4 + states - len(constants))
        if kind == "lstm":
            del constants[3]  # `layout` made one bias of two
        _, steps, inner = views[x].shape
        sizes = (steps, inner, op.output.shape[-1], int(bool(op.attrs["last"])))
        given = (Constant(name) for name in constants)
        return [Call(f"{kind}_f32", (*sizes, Data(x), *given, Data(op.output.name), Scratch()))]

    def sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
        steps, inner, hidden, packed = r.randint(1, 6), r.randint(1, 4), r.randint(1, 4), r.choice([False, True])
        w_ih, w_hh, bias, state = (inner, gates * hidden), (hidden, gates * hidden), (gates * hidden,), (hidden,)
        shapes: list[Shape] = [(1, steps, inner), w_ih if packed else w_ih[::-1], w_hh if packed else w_hh[::-1]]
        shapes += r.choice([[], [bias], [bias, bias, *[state] * states]])
        return shapes, {"last": r.choice([False, True]), "packed": packed}

    return Spec(
        kind=kind,
        summary=summary,
        aten=(kind,),
        arity=(3, 5 + states),
        attrs={"last": bool, "packed": bool},
        shape=shape,
        meaning=meaning,
        terms=lambda inputs, mags, output, attrs: terms(inputs, output),
        roundings=lambda shapes, attrs: sum(_sizes(shapes, attrs, gates)[1:]) + 32,
        sample=sample,
        mac=mac,
        scratch=lambda shapes, attrs: 4 * scratch * _sizes(shapes, attrs, gates)[2],
        calls=calls,
        dense=(0,),
        constants=1,
        weights=(1, 2),
        recurrent=True,
    )


def _gru_terms(inputs: Inputs, output: Array) -> Array:
    h0 = inputs[5] if len(inputs) > 5 else None
    return np.abs(output) + 1 + (0 if h0 is None else np.abs(h0).max())


# A state is made of numbers below 1, and a GRU's of the initial one; what the sums behind them add is for `recurrent`
# to say.
RECURRENT = [
    _recurrent(
        kind="lstm",
        summary="one layer of an LSTM over (1, steps, in): all hidden states, or the last one",
        gates=4,
        states=2,
        meaning=_lstm,
        scratch=6,
        terms=lambda inputs, output: np.abs(output) + 1,
    ),
    _recurrent(
        kind="gru",
        summary="one layer of a GRU over (1, steps, in): all hidden states, or the last one",
        gates=3,
        states=1,
        meaning=_gru,
        scratch=7,
        terms=_gru_terms,
    ),
]
