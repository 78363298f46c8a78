"""Integer arithmetic, defined once: rounding, requantisation, saturation, and the tables behind sigmoid, tanh and exp.

csrc/kernels/integer.h says the same in C, bit for bit. Everything here works on int64 arrays, in which no sum or
product of these kernels overflows.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .spec import Array

LIMIT = 32767
"""Largest magnitude of an s16 value: symmetric, so that -x is always there."""
UNIT_SCALE = 2.0**-15
"""What sigmoid, tanh and softmax count in."""
STEP_BITS = 5
"""Tables have 2^5 entries a unit."""
HALF_SIGMOID_END = 12
"""Where sigmoid is 1 for all purposes (1 - 6e-6), and its table ends."""


def _half_sigmoid() -> NDArray[np.int64]:
    x = np.arange((HALF_SIGMOID_END << STEP_BITS) + 1) / 2.0**STEP_BITS
    found: NDArray[np.int64] = np.rint((1 / (1 + np.exp(-x)) - 0.5) * 2.0**17).astype(np.int64)
    return found


HALF_SIGMOID = _half_sigmoid()
"""(sigmoid(x) - 1/2) * 2^17 for x = 0, 1/32, ... 12."""
POWERS = np.rint(2.0 ** (15 - np.arange(33) / 32)).astype(np.int64)
"""2^(15 - f) for f = 0, 1/32, ... 1."""


def shifted(x: Array, bits: int) -> Array:
    """x / 2^bits, rounded to the nearest integer, halves up; bits may be 0."""
    y: Array = (x + ((1 << bits) >> 1)) >> bits
    return y


def requantise(acc: Array, multiplier: Array | int, shift: Array | int) -> Array:
    """acc * multiplier / 2^(32 + shift), rounded to the nearest integer, halves up.

    acc is an s32, multiplier an s32 from 0 on, shift from 1 to 31. The only way a sum becomes a value again.
    """
    product: Array = acc * multiplier
    half: Array = np.left_shift(np.int64(1), np.subtract(shift, 1))
    y: Array = ((product >> 32) + half) >> shift
    return y


def clamped(x: Array, limit: int) -> Array:
    """x, or -limit or limit where it is beyond."""
    y: Array = np.clip(x, -limit, limit)
    return y


MOST = 0.25
"""Largest factor that `requantise` can multiply by."""


def multiplier(factor: float) -> tuple[int, int]:
    """(multiplier, shift) of `requantise` for a factor, with 31 bits of it where it is not tiny.

    Raises
    ------
    ValueError
        The factor is negative, not finite or greater than MOST.

    Examples
    --------
    >>> multiplier(0.25), multiplier(0.0)
    ((2147483647, 1), (0, 1))
    """
    if not 0 <= factor <= MOST:
        raise ValueError(f"no multiplier for a factor of {factor}")
    if factor == 0:
        return 0, 1
    _, exponent = math.frexp(factor)  # factor < 2^exponent
    shift = min(max(-1 - exponent, 1), 31)
    return min(int(math.floor(factor * 2.0 ** (32 + shift) + 0.5)), 2**31 - 1), shift


def rounded(x: Array, limit: int) -> Array:
    """Floats to the nearest integer, halves away from zero; what is beyond to -limit or limit, NaN to limit."""
    with np.errstate(invalid="ignore"):
        bounded = np.where(np.isnan(x), limit, np.clip(x.astype(np.float64), -limit, limit))
    y: Array = (np.sign(bounded) * np.floor(np.abs(bounded) + 0.5)).astype(np.int64)
    return y


def half_sigmoid(x: Array, fraction: int) -> Array:
    """|sigmoid(x) - 1/2| * 2^25 of x / 2^fraction, by the table and straight lines; fraction from 5 to 16."""
    bits = fraction - STEP_BITS
    magnitude = np.minimum(np.abs(x), (HALF_SIGMOID_END << fraction) - 1)
    at, rest = magnitude >> bits, magnitude & ((1 << bits) - 1)
    low = HALF_SIGMOID[at]
    y: Array = (low << 8) + (((HALF_SIGMOID[at + 1] - low) * (rest << 8)) >> bits)
    return y


def sigmoid(x: Array, fraction: int) -> Array:
    """sigmoid(x / 2^fraction) * 2^15, at most 32767."""
    half = half_sigmoid(x, fraction)
    y: Array = np.minimum(shifted((1 << 24) + np.where(x < 0, -half, half), 10), LIMIT)
    return y


def tanh(x: Array, fraction: int) -> Array:
    """tanh(x / 2^fraction) * 2^15 within +-32767; fraction from 6 on. tanh(x) is 2 sigmoid(2x) - 1."""
    half = np.minimum(shifted(half_sigmoid(x, fraction - 1), 9), LIMIT)
    y: Array = np.where(x < 0, -half, half)
    return y


def sigmoid_f32(x: Array, fraction: int) -> Array:
    """sigmoid(x / 2^fraction) with all 25 bits of the table, as float32."""
    half = half_sigmoid(x, fraction)
    y: Array = ((1 << 24) + np.where(x < 0, -half, half)).astype(np.float32) * np.float32(2.0**-25)
    return y


def tanh_f32(x: Array, fraction: int) -> Array:
    """tanh(x / 2^fraction) with all 24 bits of the table, as float32."""
    half = half_sigmoid(x, fraction - 1)
    y: Array = np.where(x < 0, -half, half).astype(np.float32) * np.float32(2.0**-24)
    return y


def power(t: Array) -> Array:
    """2^(15 - t / 2^16), rounded, for t from 0 on."""
    whole, at, rest = t >> 16, (t >> 11) & 31, t & 2047
    line = POWERS[at] + (((POWERS[at + 1] - POWERS[at]) * rest) >> 11)
    y: Array = np.where(whole < 17, shifted(line, np.minimum(whole, 17)), 0)
    return y


def root(x: NDArray[np.uint64]) -> Array:
    """The square root, rounded down, of any unsigned 64-bit integer.

    Examples
    --------
    >>> root(np.array([0, 3, 4, 2**64 - 1], np.uint64)).tolist()
    [0, 1, 2, 4294967295]
    """
    found = np.zeros_like(x)
    for bit in reversed(range(32)):
        tried = found | np.uint64(1 << bit)
        found = np.where(tried * tried <= x, tried, found)
    return found.astype(np.int64)


def packed(weight: Array) -> Array:
    """s8 rows (out, in) in the order that kernels read them, in the same shape.

    Four rows make a panel: of every four columns each row's bytes in turn, with the middle two exchanged (what an
    SXTB16 of a word, and of the word turned by a byte, then gives is the columns in pairs); then the columns that are
    left, four bytes each. Rows that fill no panel follow, one by one, as they are.
    """
    rows, columns = weight.shape
    whole, fours = rows - rows % 4, columns - columns % 4
    panels = weight[:whole].reshape(-1, 4, columns)
    chunks = panels[:, :, :fours].reshape(len(panels), 4, fours // 4, 4)[..., [0, 2, 1, 3]].transpose(0, 2, 1, 3)
    rest = panels[:, :, fours:].transpose(0, 2, 1)
    flat = np.concatenate(
        [part.reshape(len(panels), part.size // max(len(panels), 1)) for part in (chunks, rest)], axis=1
    )
    return np.concatenate([flat.ravel(), weight[whole:].ravel()]).reshape(weight.shape)


def unpacked(weight: Array) -> Array:
    """The inverse of `packed`."""
    order = packed(np.arange(weight.size, dtype=np.int64).reshape(weight.shape)).ravel()
    found = np.empty(weight.size, weight.dtype)
    found[order] = weight.ravel()
    return found.reshape(weight.shape)
