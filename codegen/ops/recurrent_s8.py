"""Recurrent layers on s16 values with s8 weights: lstm_s8 and gru_s8, zero states first.

Gates are summed in s32 on a grid of 2^-fraction, from inputs and from states each by its own multiplier; sigmoid and
tanh are tables; states are s16 in units of 2^-15, an LSTM's cells in units of 2^-cell.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..ir import Attr, Op
from .edges import integer_row
from .integer import LIMIT, clamped, requantise, shifted, sigmoid, tanh
from .matrix_s8 import largest_sum, natural, pack, product
from .spec import Array, Attrs, Call, Constant, Data, Inputs, Scratch, Shape, Spec, integer, one
from .view import View

Step = Callable[[Array, Array, tuple[Array, Array], Attrs], tuple[Array, Array]]
"""(gates from inputs, gates from states, (h, c), attributes) -> (h, c) after."""


def _sizes(shapes: Sequence[Shape], gates: int) -> tuple[int, int, int]:
    """(steps, in, hidden), after checking all inputs against each other."""
    x, w_ih, w_hh = shapes[:3]
    if len(x) != 3 or x[0] != 1:
        raise ValueError(f"input {x} is not (1, steps, in)")
    rows, hidden = w_hh
    if w_ih != (rows, x[2]) or rows != gates * hidden:
        raise ValueError(f"weights {w_ih}, {w_hh} do not fit input {x}")
    for shape in shapes[3:]:
        if shape != (rows,):
            raise ValueError(f"a bias, multiplier or shift is {shape}, not ({rows},)")
    return x[1], x[2], hidden


def _lstm_step(driven: Array, fed: Array, states: tuple[Array, Array], attrs: Attrs) -> tuple[Array, Array]:
    fraction, cell = integer(attrs, "fraction"), integer(attrs, "cell")
    i, f, g, o = np.split(driven + fed, 4, axis=-1)
    i, f, o = (sigmoid(gate, fraction) for gate in (i, f, o))
    added = shifted(i * tanh(g, fraction), 15 - cell)
    c = clamped(shifted(f * states[1] + added, 15), LIMIT)
    return shifted(o * tanh(c, cell), 15), c


def _gru_step(driven: Array, fed: Array, states: tuple[Array, Array], attrs: Attrs) -> tuple[Array, Array]:
    fraction = integer(attrs, "fraction")
    (r, z, n), (r_h, z_h, n_h) = np.split(driven, 3, axis=-1), np.split(fed, 3, axis=-1)
    r, z = sigmoid(r + r_h, fraction), sigmoid(z + z_h, fraction)
    new = tanh(n + shifted(r * n_h, 15), fraction)
    h = shifted(z * states[0] + ((1 << 15) - z) * new, 15)
    return h, states[1]


def _recurrent(
    kind: str,
    summary: str,
    gates: int,
    attrs: Mapping[str, type],
    step: Step,
    scratch: int,
) -> Spec:
    """A row; inputs are x, w_ih, w_hh, b_ih, b_hh, multiplier and shift of either; scratch counts hidden states."""

    def meaning(inputs: Inputs, given: Attrs) -> Array:
        x, (w_ih, w_hh) = one(inputs), (natural(one(inputs, i)[0], given) for i in (1, 2))
        b_ih, b_hh, m_ih, s_ih, m_hh, s_hh = (one(inputs, i)[0] for i in range(3, 9))
        driven = requantise(product(x[:, 0], w_ih) + b_ih, m_ih, s_ih)
        h = c = np.zeros((len(x), w_hh.shape[1]), np.int64)
        states = []
        for t in range(driven.shape[1]):
            h, c = step(driven[:, t], requantise(product(h, w_hh) + b_hh, m_hh, s_hh), (h, c), given)
            states.append(h)
        return h[:, None] if given["last"] else np.stack(states, axis=1)[:, None]

    def shape(shapes: Sequence[Shape], given: Attrs) -> Shape:
        steps, _, hidden = _sizes(shapes, gates)
        return (1, hidden) if given["last"] else (1, steps, hidden)

    def mac(shapes: Sequence[Shape], given: Attrs) -> int:
        steps, inner, hidden = _sizes(shapes, gates)
        return steps * gates * hidden * (inner + hidden)

    def calls(op: Op, views: Mapping[str, View]) -> list[Call]:
        x, *constants = op.inputs
        _, steps, inner = views[x].shape
        sizes = (steps, inner, op.output.shape[-1], int(bool(op.attrs["last"])))
        numbers = [integer(op.attrs, name) for name in attrs]
        names = [Constant(name) for name in constants]
        return [Call(kind, (*sizes, Data(x), *names, *numbers, Data(op.output.name), Scratch("int16_t")))]

    def largest(values: Inputs, limit: int, given: Attrs) -> int:
        w_ih, w_hh = (natural(one(values, i), given) for i in (1, 2))
        return max(largest_sum(w_ih, one(values, 3), limit), largest_sum(w_hh, one(values, 4), LIMIT))

    def sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
        steps, inner, hidden = r.randint(1, 6), r.randint(1, 5), r.randint(*r.choice([(1, 5), (8, 17)]))
        rows: Shape = (gates * hidden,)
        drawn: dict[str, Attr] = {name: r.randint(6, 16 if name == "fraction" else 14) for name in attrs}
        drawn |= {"last": r.choice([False, True]), "packed": r.choice([False, True])}
        return [(1, steps, inner), (rows[0], inner), (rows[0], hidden), *[rows] * 6], drawn

    return integer_row(
        kind=kind,
        summary=summary,
        arity=(9, 9),
        attrs={"last": bool, "packed": bool, **attrs},
        shape=shape,
        meaning=meaning,
        sample=sample,
        mac=mac,
        scratch=lambda shapes, given: -(-2 * scratch * _sizes(shapes, gates)[2] // 4) * 4,
        calls=calls,
        dense=(0,),
        constants=1,
        weights=(1, 2),
        pack=pack,
        reads=("s16", "s8", "s8", "s32", "s32", "s32", "s8", "s32", "s8"),
        writes="s16",
        largest=largest,
    )


RECURRENT_S8 = [
    _recurrent(
        kind="lstm_s8",
        summary="one layer of an LSTM in integers: all hidden states, or the last one",
        gates=4,
        attrs={"fraction": int, "cell": int},
        step=_lstm_step,
        scratch=6,
    ),
    _recurrent(
        kind="gru_s8",
        summary="one layer of a GRU in integers: all hidden states, or the last one",
        gates=3,
        attrs={"fraction": int},
        step=_gru_step,
        scratch=4,
    ),
]
