"""Rules for convolution and pooling along time.

PyTorch's tensors are (rows, channels, steps), our operators' time-major: each rule turns what it reads and what it
made, and the pass `sink` takes out the turns that undo each other.
"""

from __future__ import annotations

from typing import Any

from .translator import Rule, Translator, argument

ALONG_TIME = "a convolution along time, of (batch, channels, steps), would do"
TRANSPOSED = "torch.nn.Linear to stride times the channels at each step, then a reshape, would do"


def _time_major(t: Translator, node: Any, x: Any) -> str:
    name = t.operand(x, node)
    shape = (1,) * (3 - len(t.shapes[name])) + t.shapes[name]
    return t.emit("permute", node, [t.reshape(node, name, shape)], dims=(0, 2, 1))


def _channels_first(t: Translator, node: Any, name: str, shape: tuple[int, ...]) -> str:
    return t.reshape(node, t.emit("permute", node, [name], dims=(0, 2, 1)), shape)


def _number(value: Any, otherwise: int) -> int:
    """An argument along the one axis: a number, or a list of one; an empty list is none."""
    if isinstance(value, (list, tuple)):
        return int(value[0]) if value else otherwise
    return otherwise if value is None else int(value)


def _convolve(t: Translator, node: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> str:
    x, weight, bias = (*node.args, None)[:3]
    if not t.is_constant(weight) or not t.is_constant(bias):
        raise t.refusal(node, "weights that depend on the window are not supported; constant ones would do")
    if len(t.shape(weight)) != 3 or len(t.shape(x)) != 3:
        raise t.refusal(node, f"input {t.shape(x)} is not supported; {ALONG_TIME}")
    _, inner, taps = t.shape(weight)
    stride, dilation = _number(stride, 1), _number(dilation, 1)
    if isinstance(padding, str):  # "same" puts the odd one behind
        whole = dilation * (taps - 1) if padding == "same" else 0
        left, right = whole // 2, whole - whole // 2
    else:
        left = right = _number(padding, 0)
    biases = [] if bias is None else [t.constant(bias)]
    turned = _time_major(t, node, x)
    if (taps, stride, left, right, groups) == (1, 1, 0, 0, 1):
        array = t.values[weight.name].detach().cpu().numpy()[:, :, 0]
        matrix = t.keep(t.names.get(weight.name, weight.name), array, node)
        name = t.emit("linear", node, [turned, matrix, *biases], act="none", packed=False)
    else:
        reach = {"stride": stride, "dilation": dilation, "left": left, "right": right, "groups": groups}
        name = t.emit("conv1d", node, [turned, t.constant(weight), *biases], **reach, act="none", packed=False)
    return _channels_first(t, node, name, t.shape(node))


def _conv1d(t: Translator, node: Any) -> str:
    stride, padding, dilation = (argument(node, i, n) for i, n in ((3, "stride"), (4, "padding"), (5, "dilation")))
    return _convolve(t, node, stride, padding, dilation, argument(node, 6, "groups", 1))


def _convolution(t: Translator, node: Any) -> str:
    stride, padding, dilation, transposed, _, groups = node.args[3:9]
    if transposed:
        raise t.refusal(node, f"a transposed convolution is not supported; {TRANSPOSED}")
    return _convolve(t, node, stride, padding, dilation, groups)


def _pool(
    t: Translator,
    node: Any,
    kind: str,
    shape: tuple[int, ...],
    taps: int,
    stride: int,
    dilation: int,
    left: int,
    **rest: Any,
) -> str:
    """Pool into as many steps as torch made."""
    turned = _time_major(t, node, node.args[0])
    # Behind the last step there is as much padding as these need: so ceil_mode has no rule of its own.
    right = (shape[-1] - 1) * stride + dilation * (taps - 1) + 1 - left - t.shapes[turned][1]
    reach = {"stride": stride, "dilation": dilation, "left": left, "right": right, "taps": taps}
    return _channels_first(t, node, t.emit(kind, node, [turned], **reach, **rest), shape)


def _max_pool(t: Translator, node: Any, shape: tuple[int, ...]) -> str:
    taps = _number(argument(node, 1, "kernel_size"), 0)
    stride = _number(argument(node, 2, "stride"), taps)
    left, dilation = _number(argument(node, 3, "padding"), 0), _number(argument(node, 4, "dilation"), 1)
    return _pool(t, node, "max_pool", shape, taps, stride, dilation, left)


def _max_pool1d(t: Translator, node: Any) -> str:
    return _max_pool(t, node, t.shape(node))


def _max_pool1d_with_indices(t: Translator, node: Any) -> list[str | None]:
    return [_max_pool(t, node, tuple(t.values[node.name][0].shape)), None]


def _avg_pool1d(t: Translator, node: Any) -> str:
    taps = _number(argument(node, 1, "kernel_size"), 0)
    stride = _number(argument(node, 2, "stride"), taps)
    left = _number(argument(node, 3, "padding"), 0)
    steps, whole = t.shape(node)[-1], (t.shape(node.args[0])[-1] + 2 * left - taps) // stride + 1
    if steps != whole:
        raise t.refusal(node, "a last mean over fewer steps (ceil_mode) is not supported; ceil_mode=False would do")
    padded = bool(argument(node, 5, "count_include_pad", True))
    return _pool(t, node, "mean_pool", t.shape(node), taps, stride, 1, left, padded=padded)


def _adaptive(t: Translator, node: Any, kind: str, shape: tuple[int, ...]) -> str:
    """Pools of equal size; a single one is a reduction."""
    name = t.operand(node.args[0], node)
    axis, steps, wanted = len(shape) - 1, t.shapes[name][-1], shape[-1]
    if steps % wanted:
        what = f"pools of unequal size ({steps} steps into {wanted}) are not supported; a divisor of {steps} would do"
        raise t.refusal(node, what)
    if wanted == 1:
        return t.reshape(node, t.emit(kind, node, [name], dims=(axis,)), shape)
    taps = steps // wanted
    rest = {"padded": True} if kind == "mean" else {}
    return _pool(t, node, f"{kind}_pool", shape, taps, taps, 1, 0, **rest)


def _adaptive_avg_pool1d(t: Translator, node: Any) -> str:
    return _adaptive(t, node, "mean", t.shape(node))


def _adaptive_max_pool1d(t: Translator, node: Any) -> list[str | None]:
    return [_adaptive(t, node, "max", tuple(t.values[node.name][0].shape)), None]


RULES: dict[str, Rule] = {
    "conv1d": _conv1d,
    "convolution": _convolution,
    "max_pool1d": _max_pool1d,
    "max_pool1d_with_indices": _max_pool1d_with_indices,
    "avg_pool1d": _avg_pool1d,
    "adaptive_avg_pool1d": _adaptive_avg_pool1d,
    "adaptive_max_pool1d": _adaptive_max_pool1d,
}
