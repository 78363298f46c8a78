"""Operators that multiply by a weight matrix: linear and lstm."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

import numpy as np

from ..ir import Attr, Op
from .spec import Array, Attrs, Call, Constant, Data, Inputs, Scratch, Shape, Spec, Symbol, one, sigmoid
from .view import View

ACTIVATIONS = {"none": "TSAD_ACT_NONE", "relu": "TSAD_ACT_RELU", "tanh": "TSAD_ACT_TANH", "sigmoid": "TSAD_ACT_SIGMOID"}


def _in_out(weight: Shape, attrs: Attrs) -> tuple[int, int]:
    """(in, out) of a weight: as PyTorch keeps it (out, in), or packed (in, out)."""
    if len(weight) != 2:
        raise ValueError(f"a weight has 2 dimensions, not {weight}")
    return (weight[0], weight[1]) if attrs["packed"] else (weight[1], weight[0])


def _linear_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    x, weight = shapes[:2]
    inner, outer = _in_out(weight, attrs)
    if not x or x[-1] != inner:
        raise ValueError(f"input {x} does not end in the weight's {inner} columns")
    if len(shapes) > 2 and shapes[2] not in {(outer,), ()}:
        raise ValueError(f"bias {shapes[2]} is not ({outer},)")
    if attrs["act"] not in ACTIVATIONS:
        raise ValueError(f"no activation {attrs['act']!r}")
    return (*x[:-1], outer)


def _sum(inputs: Inputs, attrs: Attrs) -> Array:
    x, weight = one(inputs), one(inputs, 1)[0]
    y: Array = x @ (weight if attrs["packed"] else weight.T)
    return y if len(inputs) < 3 or inputs[2] is None else y + inputs[2][0]


def _linear(inputs: Inputs, attrs: Attrs) -> Array:
    y = _sum(inputs, attrs)
    if attrs["act"] == "relu":
        y = np.maximum(y, 0)
    elif attrs["act"] == "tanh":
        y = np.tanh(y)
    elif attrs["act"] == "sigmoid":
        y = sigmoid(y)
    return y


def _linear_terms(inputs: Inputs, terms: Inputs, output: Array, attrs: Attrs) -> Array:
    # A matrix product starts the running sum anew: its own |terms|, whatever came before.
    m = _sum([None if x is None else np.abs(x) for x in inputs], attrs)
    if attrs["act"] == "tanh":
        m = (1 - output * output) * m + np.abs(output)
    elif attrs["act"] == "sigmoid":
        m = output * (1 - output) * m + output
    return m


def _linear_mac(shapes: Sequence[Shape], attrs: Attrs) -> int:
    return math.prod(shapes[0]) * _in_out(shapes[1], attrs)[1]


def _linear_calls(op: Op, views: Mapping[str, View]) -> list[Call]:
    x, weight, bias = (*op.inputs, "")[:3]
    inner, outer = views[x].shape[-1], op.output.shape[-1]
    rows = op.output.size // outer
    act = Symbol(ACTIVATIONS[str(op.attrs["act"])])
    arguments = (rows, inner, outer, Data(x), Constant(weight), Constant(bias), act, Data(op.output.name))
    return [Call("linear_f32", arguments)]


def _linear_sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    inner, outer, packed = r.randint(1, 6), r.randint(1, 6), r.choice([False, True])
    weight = (inner, outer) if packed else (outer, inner)
    shapes: list[Shape] = [(1, *(r.randint(1, 3) for _ in range(r.randint(0, 2))), inner), weight]
    return shapes + [(outer,)] * r.randint(0, 1), {"act": r.choice(list(ACTIVATIONS)), "packed": packed}


LINEAR = Spec(
    kind="linear",
    summary="act(x . w + b) over the last dimension, act none, relu, tanh or sigmoid",
    aten=("linear", "addmm", "mm", "matmul"),
    arity=(2, 3),
    attrs={"act": str, "packed": bool},
    shape=_linear_shape,
    meaning=_linear,
    terms=_linear_terms,
    roundings=lambda shapes, attrs: (
        _in_out(shapes[1], attrs)[0] + 2 + (8 if attrs["act"] in {"tanh", "sigmoid"} else 0)
    ),
    sample=_linear_sample,
    mac=_linear_mac,
    calls=_linear_calls,
    dense=(0,),
)


def _lstm_sizes(shapes: Sequence[Shape], attrs: Attrs) -> tuple[int, int, int]:
    """(steps, in, hidden), after checking all inputs against each other."""
    x, w_ih, w_hh = shapes[:3]
    if len(x) != 3 or x[0] != 1:
        raise ValueError(f"input {x} is not (1, steps, in)")
    inner, gates = _in_out(w_ih, attrs)
    hidden, gates_hh = _in_out(w_hh, attrs)
    if inner != x[2] or gates != 4 * hidden or gates_hh != gates:
        raise ValueError(f"weights {w_ih}, {w_hh} do not fit input {x}")
    for shape, want in zip(shapes[3:], [(gates,), (gates,), (hidden,), (hidden,)], strict=False):
        if shape not in {want, ()}:
            raise ValueError(f"a bias or an initial state is {shape}, not {want}")
    return x[1], inner, hidden


def _lstm_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    steps, _, hidden = _lstm_sizes(shapes, attrs)
    return (1, hidden) if attrs["last"] else (1, steps, hidden)


def _lstm(inputs: Inputs, attrs: Attrs) -> Array:
    x = one(inputs)
    w_ih, w_hh = (one(inputs, i)[0] if attrs["packed"] else one(inputs, i)[0].T for i in (1, 2))
    bias_ih, bias_hh, h0, c0 = (None if x is None else x[0] for x in (*inputs[3:], None, None, None, None)[:4])
    n, _, steps, _ = x.shape
    hidden = w_hh.shape[0]
    zeros = np.zeros((n, hidden), x.dtype)
    h, c = zeros if h0 is None else zeros + h0, zeros if c0 is None else zeros + c0
    driven = x[:, 0] @ w_ih  # (n, steps, 4 * hidden)
    for bias in (bias_ih, bias_hh):
        driven = driven if bias is None else driven + bias
    states = []
    for t in range(steps):
        i, f, g, o = np.split(driven[:, t] + h @ w_hh, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return h[:, None] if attrs["last"] else np.stack(states, axis=1)[:, None]


def _lstm_mac(shapes: Sequence[Shape], attrs: Attrs) -> int:
    steps, inner, hidden = _lstm_sizes(shapes, attrs)
    return steps * 4 * hidden * (inner + hidden)


def _lstm_calls(op: Op, views: Mapping[str, View]) -> list[Call]:
    x, w_ih, w_hh, bias, _, h0, c0 = (*op.inputs, "", "", "", "")[:7]
    _, steps, inner = views[x].shape
    sizes = (steps, inner, op.output.shape[-1], int(bool(op.attrs["last"])))
    constants = (Constant(w_ih), Constant(w_hh), Constant(bias), Constant(h0), Constant(c0))
    return [Call("lstm_f32", (*sizes, Data(x), *constants, Data(op.output.name), Scratch()))]


def _lstm_sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    steps, inner, hidden, packed = r.randint(1, 6), r.randint(1, 4), r.randint(1, 4), r.choice([False, True])
    w_ih, w_hh = (inner, 4 * hidden), (hidden, 4 * hidden)
    shapes: list[Shape] = [(1, steps, inner), w_ih if packed else w_ih[::-1], w_hh if packed else w_hh[::-1]]
    shapes += r.choice([[], [(4 * hidden,)], [(4 * hidden,), (4 * hidden,), (hidden,), (hidden,)]])
    return shapes, {"last": r.choice([False, True]), "packed": packed}


LSTM = Spec(
    kind="lstm",
    summary="one layer of an LSTM over (1, steps, in): all hidden states, or the last one",
    aten=("lstm",),
    arity=(3, 7),  # x, w_ih, w_hh, b_ih, b_hh, h0, c0
    attrs={"last": bool, "packed": bool},
    shape=_lstm_shape,
    meaning=_lstm,
    # A state is a product of two numbers below 1; what the sums behind them add is for `recurrent` to say.
    terms=lambda inputs, terms, output, attrs: np.abs(output) + 1,
    roundings=lambda shapes, attrs: sum(_lstm_sizes(shapes, attrs)[1:]) + 32,
    sample=_lstm_sample,
    mac=_lstm_mac,
    scratch=lambda shapes, attrs: 6 * _lstm_sizes(shapes, attrs)[2],
    calls=_lstm_calls,
    dense=(0,),
    recurrent=True,
)
