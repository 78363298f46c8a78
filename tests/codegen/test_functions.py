"""Functions of one element, decisions, powers and losses: compiled C against PyTorch, many functions in one program."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from tsad_edge.codegen import UnsupportedError, load_program

QUICK = settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # an example takes a second: shrinking one takes minutes
    suppress_health_check=[HealthCheck.too_slow],
)

SMOOTH = {
    "sqrt": lambda x: x.abs().sqrt(),
    "rsqrt": lambda x: (x.abs() + 0.01).rsqrt(),
    "log": lambda x: (x.abs() + 0.01).log(),
    "log2": lambda x: (x.abs() + 0.01).log2(),
    "log10": lambda x: (x.abs() + 0.01).log10(),
    "log1p": lambda x: x.abs().log1p(),
    "expm1": torch.expm1,
    "exp2": torch.exp2,
    "erf": torch.erf,
    "erfc": torch.erfc,
    "sin": torch.sin,
    "cos": torch.cos,
    "tan": lambda x: (x / 4).tanh().tan(),
    "far sine": lambda x: (x * 2.0**20).sin(),  # exactly
    "gelu": F.gelu,
    "gelu tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "elu": lambda x: F.elu(x, 1.3),
    "selu": F.selu,
    "celu": lambda x: F.celu(x, 1.5),
    "softplus": F.softplus,
    "softplus 2": lambda x: F.softplus(x, 2.0, 1.5),
    "mish": F.mish,
    "logsigmoid": F.logsigmoid,
    "softsign": F.softsign,
    "tanhshrink": F.tanhshrink,
    "hardtanh": F.hardtanh,
    "hardtanh 2": lambda x: F.hardtanh(x, -0.5, 2.0),
    "relu6": lambda x: F.relu6(x * 4),
    "hardsigmoid": F.hardsigmoid,
    "hardswish": F.hardswish,
    "prelu": lambda x: F.prelu(x, torch.tensor([0.3])),
    "clamp": lambda x: x.clamp(-0.5, 1.0),
    "clamp low": lambda x: x.clamp(min=0.25),
    "clamp high": lambda x: x.clamp_max(0.5),
    "clip": lambda x: x.clip(max=0.5),
    "clamp by tensors": lambda x: x.clamp(torch.tensor(-0.25), -x),
    "huge bounds": lambda x: x.clamp(-1e30, 1e30),
    "maximum": lambda x: torch.maximum(x, 0.5 - x),
    "minimum": lambda x: torch.minimum(x, 0.5 - x),
    "max of two": lambda x: torch.max(x, x * x),
    "min of two": lambda x: torch.min(x, x * x),
    "cube": lambda x: x**3,
    "power 7": lambda x: x.pow(7),
    "power -2": lambda x: (x.abs() + 0.5) ** -2,
    "power 0.5": lambda x: x.abs() ** 0.5,
    "power -0.5": lambda x: (x.abs() + 0.5) ** -0.5,
    "power 2.5": lambda x: x.abs() ** 2.5,
    "power 0.3": lambda x: (x.abs() + 0.01) ** 0.3,
    "power of a constant": lambda x: 1.7**x,
    "power in a tensor": lambda x: x ** torch.tensor(3.0),
    "lerp": lambda x: torch.lerp(x, x * x, 0.3),
    "addcmul": lambda x: torch.addcmul(x, x, x, value=0.5),
    "addcdiv": lambda x: torch.addcdiv(x, x, x.exp()),
    "hypot": lambda x: torch.hypot(x, x + 1),
    "huber": lambda x: F.huber_loss(x, x * x, reduction="none", delta=0.7),
    "smooth l1": lambda x: F.smooth_l1_loss(x, x * x, reduction="none", beta=0.3),
    "smooth l1 0": lambda x: F.smooth_l1_loss(x, x * x, reduction="none", beta=0.0),
    "entropy": lambda x: F.binary_cross_entropy_with_logits(x, x.sigmoid(), reduction="none"),
}

STEPS = {
    "sign": torch.sign,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "trunc": lambda x: (x * 3).trunc(),
    "frac": lambda x: (x * 3).frac(),
    "round": lambda x: (x * 2).round(),
    "gt": lambda x: (x > 0.5).float(),
    "ge": lambda x: (x >= 0.5).float(),
    "lt": lambda x: (x < 0.5).float(),
    "le": lambda x: torch.ge(torch.full_like(x, 0.5), x).float(),
    "eq": lambda x: (x.round() == 1).float(),
    "ne": lambda x: (x.round() != 1).float(),
    "and": lambda x: ((x > -0.5) & (x < 0.5)).float(),
    "or": lambda x: torch.logical_or(x < -0.5, x > 0.5).float(),
    "xor": lambda x: ((x < 0.5) ^ (x > -0.5)).float(),
    "not": lambda x: (~(x > 0.5)).float(),
    "not of numbers": lambda x: torch.logical_not(x.relu()).float(),
    "and of numbers": lambda x: torch.logical_and(x.relu(), x < 1).float(),
    "sum of truths": lambda x: ((x > 1) + (x > 0)).float(),
    "product of truths": lambda x: ((x > 1) * (x > 0)) * x,
    "to truth and back": lambda x: x.relu().bool().float(),
    "isnan": lambda x: x.relu().sqrt().isnan().float() + x,
    "where": lambda x: torch.where(x > 0, x, -2 * x),
    "where number": lambda x: torch.where(x > 0.5, x, 0.25),
    "where numbers": lambda x: torch.where(x > 0.5, 2.0, -1.0),
    "where of nan": lambda x: torch.where(x > 0, x.log(), x),
    "masked fill": lambda x: x.masked_fill(x > 1, -3.0),
    "threshold": lambda x: F.threshold(x, 0.1, 0.2),
    "hardshrink": F.hardshrink,
    "softshrink": F.softshrink,
    "exceedances": lambda x: (x > 0.5).sum(1, keepdim=True).float() + 0 * x,
    "any": lambda x: (x > 1).any(1, keepdim=True).float() + 0 * x,
    "all": lambda x: (x > -1).all(1, keepdim=True).float() + 0 * x,
}


class Each(nn.Module):
    """Each channel goes through a function of its own; the parts are the channels' means."""

    def __init__(self, functions: list) -> None:  # type: ignore[type-arg]
        super().__init__()
        self.functions = functions

    def forward(self, window: Tensor) -> tuple[Tensor, Tensor]:
        parts = torch.stack([f(window[:, :, i]).mean(1) for i, f in enumerate(self.functions)], 1)
        return parts.mean(1), parts


@pytest.mark.parametrize("names", [list(SMOOTH)[:30], list(SMOOTH)[30:], list(STEPS)], ids=["1", "2", "steps"])
@given(window=st.integers(1, 9), seed=st.integers(0, 9))
@QUICK
def test_each_function_is_pytorchs(names, window, seed, prove) -> None:  # type: ignore[no-untyped-def]
    functions = [{**SMOOTH, **STEPS}[name] for name in names]
    rng = np.random.default_rng(seed)
    samples = rng.standard_normal((window + 8, len(names))) * rng.choice([0.02, 1.0, 4.0], (window + 8, 1))
    made = prove(Each(functions), samples, window)
    assert len(made.graph.outputs) == 2


def test_gated_and_turned(prove) -> None:  # type: ignore[no-untyped-def]
    """GLU halves an axis; prelu has a slope a channel, along axis 1."""

    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.slopes = nn.PReLU(8)
            nn.init.uniform_(self.slopes.weight, -0.5, 0.5)

        def forward(self, window: Tensor) -> Tensor:
            return F.glu(self.slopes(window), -1).mean((1, 2)) + F.glu(window, 1).sum((1, 2))

    prove(Gated(), np.random.default_rng(0).standard_normal((12, 4)), 8)


def test_whole_powers_are_products_and_halves_roots(export) -> None:  # type: ignore[no-untyped-def]
    class Powers(nn.Module):
        def forward(self, window: Tensor) -> Tensor:
            return (window**6).mean((1, 2)) + (window.abs() ** 1.5).mean((1, 2))

    kinds = [op.kind for op in load_program(export(Powers(), 4, 2)).ops]
    assert kinds.count("mul") == 4 and kinds.count("sqrt") == 1 and "exp" not in kinds


def test_softplus_beyond_its_threshold_is_x(export) -> None:  # type: ignore[no-untyped-def]
    """Where that is what the sum rounds to, no step is emitted for it."""
    kinds = []
    for threshold in (20.0, 1.5):
        graph = load_program(export(Each([lambda x, t=threshold: F.softplus(x, 1.0, t)]), 4, 1))
        kinds.append([op.kind for op in graph.ops])
    assert "where" not in kinds[0] and "where" in kinds[1]
    assert math.log1p(math.exp(-15)) / 15 < 2.0**-25


def test_a_step_in_doubt_has_a_tolerance_of_the_step(export) -> None:  # type: ignore[no-untyped-def]
    """The mean of equal numbers may be rounded above or below them, and a comparison with it may fall either way."""
    from tsad_edge.codegen import interpret

    class Above(nn.Module):
        def forward(self, window: Tensor) -> Tensor:
            return (window > window.mean(1, keepdim=True)).float().mean((1, 2))

    graph = load_program(export(Above(), 5, 1))
    equal, apart = np.full((1, 5, 1), 0.1), np.arange(5.0).reshape(1, 5, 1)[:, [0, 1, 4, 3, 2]] ** 2
    assert interpret(graph, equal).terms[0] * 2.0**-21 == pytest.approx(1.0, rel=1e-3)
    assert interpret(graph, apart).terms[0] * 2.0**-21 < 1e-5


def test_infinity_is_no_number_outside_of_masks(export) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UnsupportedError, match="minus infinity is a mask for softmax"):
        load_program(export(Each([lambda x: torch.where(torch.arange(4) > 1, x, -torch.inf).exp()]), 4, 1))
