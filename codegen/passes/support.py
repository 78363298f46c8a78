"""Time support: which steps of its inputs an operator reads for some steps of its output. Steps are axis 1."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..ir import Attr, Op
from ..ops import TABLE, Shape
from ..ops.reduce import REDUCTIONS

Steps = tuple[int, int]
"""First, and behind the last."""
SLIDING = {"conv1d", "conv1d_s8", "conv1d_s8_f32", "max_pool", "max_pool_s16", "mean_pool"}
REDUCING = {spec.kind for spec in REDUCTIONS}
LINEAR = {"linear", "linear_s8", "linear_s8_f32"}
MOVING = {"slice", "select", "take", "softmax", "cumsum"}


def whole(shape: Shape) -> Steps:
    """All steps of a tensor."""
    return (0, shape[1]) if len(shape) > 1 else (0, 0)


def reads(op: Op, steps: Steps, shapes: Mapping[str, Shape], constants: Collection[str]) -> dict[int, Steps] | None:
    """The steps of its inputs that the operator reads for these of its output; None where it cannot give less.

    Inputs that are not named are read whole.
    """
    seen, rank = [shapes[name] if name else () for name in op.inputs], len(op.output.shape)
    first, last = steps[0], steps[1] - 1
    dim, dims = op.attrs.get("dim", 0), op.attrs.get("dims")
    if op.kind in SLIDING:
        stride, dilation, left = (number(op, name) for name in ("stride", "dilation", "left"))
        start = max(0, first * stride - left)
        stop = min(seen[0][1], last * stride - left + dilation * (taps(op, shapes) - 1) + 1)
        return {0: (start, stop)} if start < stop else None  # they see nothing but padding
    if op.kind == "slice" and dim == 1:
        start, step = number(op, "start"), number(op, "step")
        return {0: (start + first * step, start + last * step + 1)}
    if op.kind == "select" and dim == 1:
        index = number(op, "index")
        return {0: (index, index + 1)} if steps == whole(op.output.shape) else None
    if TABLE[op.kind].pointwise:
        return _broadcast(op, steps, seen, constants)
    alike = (
        (op.kind in LINEAR and rank > 2)
        or (op.kind == "bmm" and rank == 3)
        or (op.kind in MOVING and isinstance(dim, int) and dim > 1)
        or (op.kind == "permute" and isinstance(dims, tuple) and dims[:2] == (0, 1))
        or (op.kind in REDUCING and isinstance(dims, tuple) and dims[0] > 1)
        or (op.kind in {"normalise", "normalise_s16"} and number(op, "axes") < rank - 1)
        or (op.kind == "softmax_s16" and number(op, "dim") > 1)
    )
    if alike:
        return {0: steps}
    return dict.fromkeys(range(len(seen)), steps) if op.kind == "cat" and dim != 1 else None


def _broadcast(op: Op, steps: Steps, seen: list[Shape], constants: Collection[str]) -> dict[int, Steps] | None:
    if len(op.output.shape) < 2:
        return None
    found = {}
    for i, shape in enumerate(seen):
        axis = len(shape) - len(op.output.shape) + 1
        if axis >= 0 and shape[axis] > 1:
            if axis != 1 and op.inputs[i] not in constants:
                return None  # its steps are no axis 1
            found[i] = steps
    return found


def padding(op: Op, steps: Steps, part: Steps, shapes: Mapping[str, Shape]) -> dict[str, Attr]:
    """`left` and `right` of a sliding operator that gives these steps from that part of its input."""
    stride, dilation = number(op, "stride"), number(op, "dilation")
    left = number(op, "left") + part[0] - steps[0] * stride
    right = (steps[1] - steps[0] - 1) * stride + dilation * (taps(op, shapes) - 1) + 1 - left - (part[1] - part[0])
    return {"left": left, "right": right}


def taps(op: Op, shapes: Mapping[str, Shape]) -> int:
    """How many steps each output of a sliding operator sees."""
    if op.kind == "conv1d":
        return shapes[op.inputs[1]][0 if op.attrs["packed"] else 2]
    return shapes[op.inputs[1]][1] if op.kind.startswith("conv1d") else number(op, "taps")


def number(op: Op, name: str) -> int:
    """An attribute that is an integer."""
    value = op.attrs[name]
    assert isinstance(value, int)
    return value
