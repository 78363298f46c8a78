"""Operators that look at a few neighbouring steps: conv1d, max_pool and mean_pool.

Their tensors are time-major, (rows, steps, channels), as the window is; PyTorch's are (rows, channels, steps).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..ir import Attr, Op
from .activation import ACTIVATIONS, activated, activated_terms, activation_roundings, check
from .spec import Argument, Array, Attrs, Call, Constant, Data, Inputs, Shape, Spec, Symbol, integer, one
from .view import View

REACH: dict[str, type] = {"stride": int, "dilation": int, "left": int, "right": int}
"""Steps from one output to the next, between two taps, and of padding before the first and behind the last step. Less
than none leaves steps out."""


def _out_steps(steps: int, taps: int, attrs: Attrs) -> int:
    stride, dilation, left, right = (integer(attrs, name) for name in REACH)
    if stride < 1 or dilation < 1 or taps < 1:
        raise ValueError(f"stride={stride}, dilation={dilation} and {taps} taps must be 1 at least")
    room = left + steps + right - dilation * (taps - 1) - 1
    if room < 0 or steps <= -left or steps <= -right:
        raise ValueError(f"{taps} taps do not fit {steps} steps with {left} and {right} of padding")
    return room // stride + 1


def _taps(x: Array, taps: int, out_steps: int, attrs: Attrs, padding: float) -> list[Array]:
    """For each tap the steps that the outputs see through it: (n, rows, out_steps, channels)."""
    stride, dilation, left = (integer(attrs, name) for name in ("stride", "dilation", "left"))
    found = []
    for tap in range(taps):
        at = np.arange(out_steps) * stride + tap * dilation - left
        inside = (at >= 0) & (at < x.shape[2])
        seen = x.take(np.clip(at, 0, x.shape[2] - 1), axis=2)
        found.append(np.where(inside[:, None], seen, x.dtype.type(padding)))
    return found


def reach(x: str, views: Mapping[str, View], op: Op, taps: int) -> tuple[tuple[int, int, int], list[int], Data]:
    """What every kernel here is told: (rows, steps, channels), (taps, stride, dilation, before), and where x begins."""
    stride, dilation, left = (integer(op.attrs, name) for name in ("stride", "dilation", "left"))
    seen, skipped = views[x], max(0, -left)
    rows, steps, channels = seen.shape
    data = Data(x, skipped * seen.strides[1])
    return (rows, steps - skipped, channels), [taps, stride, dilation, max(0, left)], data


def _sample_reach(r: random.Random) -> tuple[list[int], int, dict[str, Attr]]:
    """([rows, steps, channels], taps, attributes)"""
    rows, steps, channels, taps = r.randint(1, 2), r.randint(1, 5), r.randint(1, 3), r.randint(1, 4)
    least = -1 if steps > 1 else 0
    stride, dilation, left = r.randint(1, 3), r.randint(1, 3), r.randint(least, 3)
    lacking = dilation * (taps - 1) + 1 - steps - left
    right = max(r.randint(least, 3), lacking)
    return [rows, steps, channels], taps, {"stride": stride, "dilation": dilation, "left": left, "right": right}


def _weight_sizes(weight: Shape, attrs: Attrs) -> tuple[int, int, int]:
    """(taps, in of a group, out) of a weight: as PyTorch keeps it (out, in, taps), or packed (taps, in, out)."""
    if len(weight) != 3:
        raise ValueError(f"a weight has 3 dimensions, not {weight}")
    return weight if attrs["packed"] else (weight[2], weight[1], weight[0])


def _conv_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    x, weight = shapes[:2]
    taps, inner, outer = _weight_sizes(weight, attrs)
    groups = integer(attrs, "groups")
    if len(x) != 3 or x[2] != groups * inner or outer % groups:
        raise ValueError(f"input {x} is not (rows, steps, {groups} * {inner}), or {outer} is no multiple of {groups}")
    if len(shapes) > 2 and shapes[2] not in {(outer,), ()}:
        raise ValueError(f"bias {shapes[2]} is not ({outer},)")
    check(attrs)
    return (x[0], _out_steps(x[1], taps, attrs), outer)


def conv_sum(inputs: Inputs, attrs: Attrs) -> Array:
    """x * w + b, before the activation."""
    x, weight, groups = one(inputs), one(inputs, 1)[0], integer(attrs, "groups")
    weight = weight if attrs["packed"] else weight.T
    taps, inner, outer = weight.shape
    steps = _out_steps(x.shape[2], taps, attrs)
    y: Array = np.zeros((*x.shape[:2], steps, outer), x.dtype)
    if len(inputs) > 2 and inputs[2] is not None:
        y = y + inputs[2][0]
    for seen, w in zip(_taps(x, taps, steps, attrs, 0.0), weight, strict=True):
        for g in range(groups):
            ins, outs = slice(g * inner, (g + 1) * inner), slice(g * outer // groups, (g + 1) * outer // groups)
            y[..., outs] += seen[..., ins] @ w[:, outs]
    return y


def seen_by(x: Array, taps: int, attrs: Attrs) -> Array:
    """What each output of a conv1d sees of x (n, rows, steps, in): (groups, outputs, taps * in / groups)."""
    groups = integer(attrs, "groups")
    steps = _out_steps(x.shape[2], taps, attrs)
    seen = np.stack(_taps(x, taps, steps, attrs, 0.0), axis=-2)  # (n, rows, out_steps, taps, in)
    apart = seen.reshape(-1, taps, groups, x.shape[3] // groups).transpose(2, 0, 1, 3)
    return apart.reshape(groups, apart.shape[1], -1)


def _conv_terms(inputs: Inputs, terms: Inputs, output: Array, attrs: Attrs) -> Array:
    # As in linear: the running sum starts anew.
    own = conv_sum([None if x is None else np.abs(x) for x in inputs], attrs)
    return activated_terms(own, output, attrs)


def _conv_mac(shapes: Sequence[Shape], attrs: Attrs) -> int:
    taps, inner, _ = _weight_sizes(shapes[1], attrs)
    return math.prod(_conv_shape(shapes, attrs)) * taps * inner


def _conv_roundings(shapes: Sequence[Shape], attrs: Attrs) -> int:
    taps, inner, _ = _weight_sizes(shapes[1], attrs)
    return taps * inner + 2 + activation_roundings(attrs)


def _conv_calls(op: Op, views: Mapping[str, View]) -> list[Call]:
    x, weight, bias = (*op.inputs, "")[:3]
    sizes, walk, data = reach(x, views, op, views[weight].shape[0])
    walk.append(integer(op.attrs, "groups"))
    act = Symbol(ACTIVATIONS[str(op.attrs["act"])])
    arguments: list[Argument] = [*sizes, *op.output.shape[1:], *walk, data, views[x].strides]
    arguments += [Constant(weight), Constant(bias), act, Data(op.output.name)]
    return [Call("conv1d_f32", tuple(arguments))]


def _conv_sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
    x, taps, reach = _sample_reach(r)
    groups, packed = r.randint(1, 3), r.choice([False, True])
    inner, outer = x[2], groups * r.choice([1, 2, 5])
    weight = (taps, inner, outer) if packed else (outer, inner, taps)
    shapes: list[Shape] = [(x[0], x[1], inner * groups), weight, *[(outer,)] * r.randint(0, 1)]
    return shapes, {**reach, "groups": groups, "act": r.choice(list(ACTIVATIONS)), "packed": packed}


CONV1D = Spec(
    kind="conv1d",
    summary="act(x * w + b) along (rows, steps, in), zeros outside, act none, relu, tanh or sigmoid",
    aten=("conv1d", "convolution"),
    arity=(2, 3),
    attrs={**REACH, "groups": int, "act": str, "packed": bool},
    shape=_conv_shape,
    meaning=lambda inputs, attrs: activated(conv_sum(inputs, attrs), attrs),
    terms=_conv_terms,
    roundings=_conv_roundings,
    sample=_conv_sample,
    mac=_conv_mac,
    calls=_conv_calls,
    constants=1,
    weights=(1,),
)


def _pool_shape(shapes: Sequence[Shape], attrs: Attrs) -> Shape:
    rows, steps, channels = shapes[0]
    taps = integer(attrs, "taps")
    out_steps = _out_steps(steps, taps, attrs)
    if not _counts(steps, out_steps, attrs).all():
        raise ValueError(f"{taps} taps see nothing but padding")
    return (rows, out_steps, channels)


def _counts(steps: int, out_steps: int, attrs: Attrs) -> Array:
    """How many real steps each output sees (out_steps, 1)."""
    ones = np.ones((1, 1, steps, 1))
    return np.sum(_taps(ones, integer(attrs, "taps"), out_steps, attrs, 0.0), axis=0)[0, 0]


def _seen(inputs: Inputs, attrs: Attrs, padding: float) -> Array:
    x, taps = one(inputs), integer(attrs, "taps")
    return np.stack(_taps(x, taps, _out_steps(x.shape[2], taps, attrs), attrs, padding))


def _max_pool(inputs: Inputs, attrs: Attrs) -> Array:
    y: Array = _seen(inputs, attrs, -np.inf).max(0)
    return y


def _mean_pool(inputs: Inputs, attrs: Attrs) -> Array:
    total: Array = _seen(inputs, attrs, 0.0).sum(0)
    if attrs["padded"]:
        return total / total.dtype.type(integer(attrs, "taps"))
    return total / _counts(one(inputs).shape[2], total.shape[2], attrs).astype(total.dtype)


def _pool(
    kind: str,
    summary: str,
    aten: tuple[str, ...],
    attrs: Mapping[str, type],
    meaning: Callable[[Inputs, Attrs], Array],
    roundings: Callable[[Attrs], float],
) -> Spec:
    """A pooling row; |terms| are pooled like the values."""

    def calls(op: Op, views: Mapping[str, View]) -> list[Call]:
        x = op.inputs[0]
        sizes, walk, data = reach(x, views, op, integer(op.attrs, "taps"))
        options = [int(bool(op.attrs[name])) for name in attrs]
        arguments: list[Argument] = [*sizes, op.output.shape[1], *walk, *options]
        return [Call(f"{kind}_f32", (*arguments, data, views[x].strides, Data(op.output.name)))]

    def sample(r: random.Random) -> tuple[list[Shape], dict[str, Attr]]:
        while True:
            x, taps, reach = _sample_reach(r)
            drawn: dict[str, Attr] = {**reach, "taps": taps, **{name: r.choice([False, True]) for name in attrs}}
            try:
                _pool_shape([tuple(x)], drawn)
            except ValueError:
                continue
            return [tuple(x)], drawn

    return Spec(
        kind=kind,
        summary=summary,
        aten=aten,
        arity=(1, 1),
        attrs={**REACH, "taps": int, **attrs},
        shape=_pool_shape,
        meaning=meaning,
        terms=lambda inputs, mags, output, attrs: meaning(mags, attrs),
        roundings=lambda shapes, attrs: roundings(attrs),
        sample=sample,
        calls=calls,
    )


MAX_POOL = _pool(
    kind="max_pool",
    summary="maximum of a few steps of (rows, steps, channels)",
    aten=("max_pool1d", "adaptive_max_pool1d"),
    attrs={},
    meaning=_max_pool,
    roundings=lambda attrs: 1.0,
)
MEAN_POOL = _pool(
    kind="mean_pool",
    summary="mean of a few steps of (rows, steps, channels), padding counted or not",
    aten=("avg_pool1d", "adaptive_avg_pool1d"),
    attrs={"padded": bool},
    meaning=_mean_pool,
    roundings=lambda attrs: integer(attrs, "taps") + 1.0,
)
