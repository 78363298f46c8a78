"""The running sum of |terms| covers what the C is really off by, on inputs made to be nasty, and says something still.

Each graph is an error made on purpose (a large number added and taken away again), an operator that carries or
enlarges it, and a mean. What float64 says without that error must lie within the tolerance that `tsad check` allows.
"""

import random
from collections.abc import Callable

import numpy as np
import pytest
from tsad_edge.codegen import compile_graph, interpret
from tsad_edge.codegen.diverge import UNIT
from tsad_edge.codegen.ops import TABLE
from tsad_edge.codegen.ops.bounds import SHARE

WINDOW, CHANNELS = 6, 4
rng = np.random.default_rng(0)
NOISE = rng.standard_normal((WINDOW + 4, CHANNELS))
INPUTS = {
    "noise": NOISE,
    "zeros": 0 * NOISE,
    "equal numbers": 0 * NOISE + 0.1,
    "almost equal numbers": 0.1 + 1e-6 * NOISE,
    "large, almost equal": 1e4 + 0.01 * NOISE,
    "tiny": 1e-20 * NOISE,
    "denormal": 1e-42 * NOISE,
    "one spike": NOISE + 1e4 * (np.arange(CHANNELS) == 2) * (np.arange(WINDOW + 4)[:, None] == 3),
    "whole numbers": np.rint(2 * NOISE),
    "wide": 30 * NOISE,
}


def number(d, value: float) -> str:  # type: ignore[no-untyped-def]
    name = d.constant(())
    d.constants[name][...] = value
    return name


def above(d, x: str, least: float = 0.01) -> str:  # type: ignore[no-untyped-def]
    return d.add("add", [d.add("abs", [x]), number(d, least)])


def spread(d, x: str, correction: float = 1.0) -> str:  # type: ignore[no-untyped-def]
    return d.add("sqrt", [d.add("var", [x], dims=(1,), correction=correction)])


def length(d, x: str) -> str:  # type: ignore[no-untyped-def]
    return d.add("sqrt", [d.add("sum", [d.add("mul", [x, x])], dims=(2,))])


def chosen(d, x: str) -> str:  # type: ignore[no-untyped-def]
    """The larger of x and its mean, by a comparison: where these are close, it hangs on the last places."""
    mean = d.add("reshape", [d.add("mean", [x], dims=(1,))], shape=(1, 1, CHANNELS))
    return d.add("where", [d.add("less", [mean, x]), x, d.add("mul", [mean, number(d, -1.0)])])


BUILD: dict[str, Callable] = {  # type: ignore[type-arg]
    "layer norm": lambda d, x: d.add("normalise", [x], axes=1, centred=True, eps=1e-5),
    "norm of a window": lambda d, x: d.add("normalise", [x], axes=2, centred=True, eps=1e-5),
    "layer norm, weighted": lambda d, x: d.add("normalise", [x, *(d.constant((4,)) for _ in "wb")], **LAYER),
    "rms norm": lambda d, x: d.add("normalise", [x], axes=1, centred=False, eps=1e-5),
    "softmax": lambda d, x: d.add("softmax", [x], dim=2, log=False),
    "softmax over time": lambda d, x: d.add("softmax", [d.add("mul", [x, x])], dim=1, log=False),
    "log softmax": lambda d, x: d.add("softmax", [x], dim=2, log=True),
    "standard deviation": spread,
    "norm by hand": lambda d, x: d.add("div", [x, d.add("reshape", [above(d, spread(d, x))], shape=(1, 1, CHANNELS))]),
    "length": length,
    "root": lambda d, x: d.add("sqrt", [d.add("abs", [x])]),
    "root of a square": lambda d, x: d.add("sqrt", [d.add("mul", [x, x])]),
    "rsqrt": lambda d, x: d.add("rsqrt", [above(d, x)]),
    "log": lambda d, x: d.add("log", [above(d, x)]),
    "log1p": lambda d, x: d.add("log1p", [d.add("abs", [x])]),
    "expm1": lambda d, x: d.add("expm1", [d.add("minimum", [x, number(d, 20.0)])]),
    "cumsum": lambda d, x: d.add("cumsum", [x], dim=1),
    "prod": lambda d, x: d.add("prod", [x], dims=(2,)),
    "min": lambda d, x: d.add("min", [x], dims=(1,)),
    "chosen": chosen,
    "equal": lambda d, x: d.add("equal", [d.add("relu", [x]), number(d, 0.0)]),
    "take": lambda d, x: d.add("take", [x], dim=1, indices=(2, 1, 0, 0, 5)),
    "clamp to huge": lambda d, x: d.add("minimum", [d.add("maximum", [x, number(d, -1e30)]), number(d, 1e30)]),
    **{
        kind: lambda d, x, kind=kind: d.add(kind, [x])
        for kind in ("erf", "sin", "cos", "gelu", "gelu_tanh", "silu", "softplus", "sign", "floor", "round")
    },
}
LAYER = {"axes": 1, "centred": True, "eps": 1e-5}


@pytest.mark.parametrize("name", BUILD)
def test_nasty_inputs_stay_within_the_bound(name: str, drawing, native) -> None:  # type: ignore[no-untyped-def]
    for large in (0.0, 1000.0):
        d = drawing(random.Random(1), window=(WINDOW, CHANNELS))
        x = d.add("mul", ["window", number(d, 1.0)])
        if large:
            x = d.add("sub", [d.add("add", [x, number(d, large)]), number(d, large)])
        made_of = BUILD[name](d, x)
        flat = d.add("reshape", [made_of], shape=(1, int(np.prod(d.shapes[made_of]))))
        weights = d.constant(d.shapes[flat])
        d.add("sum", [d.add("mul", [flat, weights])], dims=(1,))
        made = compile_graph(d.finish(), "m_bound", 0.5)
        shapes = made.graph.shapes()
        kept = [op for op in made.graph.ops if TABLE[op.kind].view is None]
        roundings = sum(TABLE[op.kind].roundings([shapes[i] for i in op.inputs], op.attrs) for op in kept)
        model = native(made)
        for which, samples in INPUTS.items():
            windows = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float32), WINDOW, axis=0)
            want = interpret(made.graph, windows.transpose(0, 2, 1))
            got = model.run(samples)[0]
            assert np.isfinite(got).all() and np.isfinite(want.terms).all(), (which, large)
            off = np.abs(got - want.scores)
            assert (off <= max(SHARE, UNIT * roundings) * want.terms + 2.0**-126).all(), (which, large, off, want.terms)
            if which == "noise" and not large:
                assert (SHARE * want.terms < 1e-3 * (1 + np.abs(want.scores))).all(), "a bound that says nothing"
