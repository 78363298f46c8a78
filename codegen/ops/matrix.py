"""Matrix products: by constant weights (linear), and of two tensors (bmm)."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

import numpy as np

from ..ir import Attr, Op
from .activation import ACTIVATIONS, activated, activated_terms, activation_roundings, check
from .spec import Array, Attrs, Call, Constant, Data, Inputs, Shape, Spec, Symbol, one
from .view import View, dense_strides, walk


def in_out(weight: Shape, attrs: Attrs) -> tuple[int, int]:
    """(in, out) of a weight: as PyTorch keeps it (out, in), or packed (in, out)."""
    if len(weight) != 2:
        raise ValueError(f"a weight has 2 dimensions, not {weight}")
    return (weight[0], weight[1]) if attrs["packed"] else (weight[1], weight[0])


def _linear_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    x, weight = shapes[:2]
    inner, outer = in_out(weight, attrs)
    if not x or x[-1] != inner:
        raise ValueError(f"input {x} does not end in the weight's {inner} columns")
    if len(shapes) > 2 and shapes[2] not in {(outer,), ()}:
        raise ValueError(f"bias {shapes[2]} is not ({outer},)")
    check(attrs)
    return (*x[:-1], outer)


def _sum(inputs: Inputs, attrs: Attrs) -> Array:
    x, weight = one(inputs), one(inputs, 1)[0]
    y: Array = x @ (weight if attrs["packed"] else weight.T)
    return y if len(inputs) < 3 or inputs[2] is None else y + inputs[2][0]


def _linear_terms(inputs: Inputs, terms: Inputs, output: Array, attrs: Attrs) -> Array:
    # A product with weights starts the running sum anew: its own |terms|, whatever came before.
    own = _sum([None if x is None else np.abs(x) for x in inputs], attrs)
    return activated_terms(own, output, attrs)


def _linear_mac(shapes: Sequence[Shape], attrs: Attrs) -> int:
    return math.prod(shapes[0]) * in_out(shapes[1], attrs)[1]


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
    aten=("linear", "addmm", "mm", "matmul", "einsum", "conv1d (of one step)"),
    arity=(2, 3),
    attrs={"act": str, "packed": bool},
    shape=_linear_shape,
    meaning=lambda inputs, attrs: activated(_sum(inputs, attrs), attrs),
    terms=_linear_terms,
    roundings=lambda shapes, attrs: in_out(shapes[1], attrs)[0] + 2 + activation_roundings(attrs),
    sample=_linear_sample,
    mac=_linear_mac,
    calls=_linear_calls,
    dense=(0,),
    constants=1,
    weights=(1,),
)


def _bmm_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    a, b = shapes
    if len(a) != len(b) or len(a) < 2 or a[:-2] != b[:-2] or a[-1] != b[-2]:
        raise ValueError(f"{a} times {b} is no product of matrices")
    return (*a[:-1], b[-1])


def _bmm_terms(inputs: Inputs, terms: Inputs, output: Array, attrs: Attrs) -> Array:
    # Both sides are computed, and the error of either is multiplied by the other.
    a, b = np.abs(one(inputs)), np.abs(one(inputs, 1))
    y: Array = np.maximum(a @ one(terms, 1), one(terms) @ b)
    return y


def _bmm_calls(op: Op, views: Mapping[str, View]) -> list[Call]:
    a, b = (views[name] for name in op.inputs)
    (m, n), k, ys = op.output.shape[-2:], a.shape[-1], dense_strides(op.output.shape)
    found = []
    # One call for the last axis that the leading ones join to; those in front of it are unrolled.
    for sizes, each, starts in walk(op.output.shape[:-2], a.strides[:-2], b.strides[:-2], ys[:-2]):
        for i in range(sizes[0]):
            for j in range(sizes[1]):
                at = [start + i * s[0] + j * s[1] for start, s in zip(starts, each, strict=True)]
                strides_a = (each[0][2], a.strides[-2], a.strides[-1])
                strides_b = (each[1][2], b.strides[-2])  # within a row: 1
                data = (Data(op.inputs[0], at[0]), strides_a, Data(op.inputs[1], at[1]), strides_b)
                found.append(Call("bmm_f32", (sizes[2], m, k, n, *data, Data(op.output.name, at[2]))))
    return found


def _bmm_sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    lead = (1, *(r.randint(1, 2) for _ in range(r.randint(0, 2))))
    m, k, n = (r.randint(1, 3) for _ in range(3))
    return [(*lead, m, k), (*lead, k, n)], {}


BMM = Spec(
    kind="bmm",
    summary="a . b over the last two dimensions, of two tensors with equal ones in front",
    aten=("bmm", "matmul", "einsum"),
    arity=(2, 2),
    shape=_bmm_shape,
    meaning=lambda inputs, attrs: one(inputs) @ one(inputs, 1),
    terms=_bmm_terms,
    roundings=lambda shapes, attrs: shapes[0][-1] + 1,
    sample=_bmm_sample,
    mac=lambda shapes, attrs: math.prod(shapes[0]) * shapes[1][-1],
    calls=_bmm_calls,
    rows=(1,),
)
