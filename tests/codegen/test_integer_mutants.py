"""The comparison of integer kernels bites: each small change to their arithmetic, made in a copy, is caught by it."""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tsad_edge.codegen.ops.integer import sigmoid, tanh

from .integers import KINDS, SOURCES, Case, Kernels, build, draw_case

SETTLE, PRODUCT = "(high + (1 << (shift - 1))) >> shift", "(acc * (int64_t)m)"
CLAMP, CELLS = "x < low ? low : x > high ? high : x", "tsad_shifted(kept, 15), -TSAD_LIMIT, TSAD_LIMIT)"
MANTISSA, NEAREST = "(mantissa + (1 << (22 - exponent)))", "(mantissa + (1 << (22 - exponent))) >> (23 - exponent)"
LIFT = "TSAD_LIFT = 8192,"
LAST = "    65535,\n}"
MUTANTS = {
    # requantise and shifted
    "rounding of requantise dropped": (SETTLE, "high >> shift"),
    "shifted a bit too little": (SETTLE, "(high + (1 << (shift - 1))) >> (shift - 1)"),
    "half a unit too much": (SETTLE, "(high + (1 << shift)) >> shift"),
    "halves away from zero": ("high + (1 << (shift - 1))", "high + (1 << (shift - 1)) - (high < 0)"),
    "rounded towards zero": (SETTLE, "(high + (1 << (shift - 1))) / (1 << shift)"),
    "rounded twice": ("(acc * (int64_t)m) >> 32", "(acc * (int64_t)m + 0x80000000) >> 32"),
    "multiplier of 16 bits": (PRODUCT, "(acc * (int64_t)(m & ~0xffff))"),
    "sum of 16 bits": (PRODUCT, "((acc & ~0xff) * (int64_t)m)"),
    "product of 32 bits": (PRODUCT, "(int64_t)(int32_t)((uint32_t)acc * (uint32_t)m)"),
    "rounding of shifted dropped": ("(x + ((1 << bits) >> 1)) >> bits", "x >> bits"),
    "shifted rounds away from zero": ("(x + ((1 << bits) >> 1)) >> bits", "(x + ((1 << bits) >> 1) - (x < 0)) >> bits"),
    # saturation
    "no clamp": (CLAMP, "low < high ? x : low"),
    "no lower clamp": (CLAMP, "low < high && x > high ? high : x"),
    "no upper clamp": (CLAMP, "x < low && low < high ? low : x"),
    "wraps before it clamps": (CLAMP, "x < low ? low : (int16_t)x < high ? (int16_t)x : high"),
    "clamp of a product is asymmetric": ("act == TSAD_ACT_RELU ? 0 : -limit", "act == TSAD_ACT_RELU ? 0 : -limit - 1"),
    "relu lets -1 through": ("act == TSAD_ACT_RELU ? 0 : -limit", "act == TSAD_ACT_RELU ? -1 : -limit"),
    "clamp of a sum is asymmetric": ("right, shift), -limit, limit)", "right, shift), -limit - 1, limit)"),
    "clamp of mul is asymmetric": ("*q, m, shift), -limit, limit)", "*q, m, shift), -limit - 1, limit)"),
    "clamp of cells is asymmetric": (CELLS, "tsad_shifted(kept, 15), -32768, TSAD_LIMIT)"),
    "no clamp of cells": ("tsad_clamped(" + CELLS, "tsad_shifted(kept, 15)"),
    "sigmoid of 1 is 2^15": ("return y < TSAD_LIMIT ? y : TSAD_LIMIT;", "return y;"),
    "tanh of 1 is 2^15": ("half < TSAD_LIMIT ? half : TSAD_LIMIT", "half"),
    # floats to integers
    "a cast that truncates": (NEAREST, "mantissa >> (23 - exponent)"),
    "halves of floats up": (MANTISSA, "(mantissa + (1 << (22 - exponent)) - (int32_t)(u.bits >> 31))"),
    "a half is nothing": ("exponent < -1", "exponent < 0"),
    "what is no number becomes 0": ("if (!(x < (float)limit))", "if (x != x) return 0; if (!(x < (float)limit))"),
    "floats clamp asymmetrically": ("        return -limit;", "        return -limit - 1;"),
    "floats lose their sign": ("u.bits >> 31 ? -whole : whole", "whole"),
    # tables
    "table one entry on": ("half_sigmoid_table) + (size >> bits)", "half_sigmoid_table) + (size >> bits) + 1"),
    "table ends too soon": ("(12 << fraction) - 1", "(11 << fraction) - 1"),
    "no line between entries": ("(at[0] << 8) + (((at[1] - at[0]) * (rest << 8)) >> bits)", "at[0] << 8"),
    "line with less bits": ("((at[1] - at[0]) * (rest << 8)) >> bits", "(((at[1] - at[0]) * rest) >> bits) << 8"),
    "an entry off by one": ("61694, 61809", "61695, 61809"),
    "the last entry off by one": (LAST, LAST.replace("65535", "65534")),
    "sigmoid is even": ("(1 << 24) + (x < 0 ? -half : half), 10", "(1 << 24) + half, 10"),
    "tanh is even": ("return x < 0 ? -y : y;", "return y;"),
    "tanh with sigmoid's argument": ("tsad_half_sigmoid(x, fraction - 1), 9", "tsad_half_sigmoid(x, fraction), 9"),
    "values are lifted less": (LIFT, LIFT.replace("8192", "4096")),
    # products
    "bias of a panel dropped": ("int32_t sum0 = b[0]", "int32_t sum0 = 0"),
    "bias of a single row dropped": ("    acc[0] = b[0];\n    for", "    acc[0] = 0;\n    for"),
    "panel in natural order": ("x[i + 1] * w[2] + x[i + 2] * w[1]", "x[i + 1] * w[1] + x[i + 2] * w[2]"),
    "two rows exchanged": ("acc[1] = sum1;\n        acc[2] = sum2;", "acc[1] = sum2;\n        acc[2] = sum1;"),
    "a column of the rest in another row": ("sum2 += x[i] * w[2];", "sum2 += x[i] * w[3];"),
    "four columns too few at once": ("; i + 4 <= in; i += 4, w", "; i + 4 < in; i += 4, w"),
    "next panel begins with the same biases": ("b += 4, acc += 4", "acc += 4"),
    "s32 sums lose a bit as floats": ("(float)acc[r] * scale[r]", "(float)(acc[r] & ~1) * scale[r]"),
    "padding is not zero": ("patch[i] = 0;", "patch[i] = 1;"),
    "padding on the other side": ("tap < first || tap >= last", "tap < first || tap > last"),
    # recurrent
    "gates in PyTorch's order": ("at >= 2 * hidden && at < 3 * hidden", "at >= 3 * hidden"),
    "cells by another unit": ("tsad_shifted(i[j] * g[j], 15 - cell)", "tsad_shifted(i[j] * g[j], 14 - cell)"),
    "states of the window before": ("for (size_t j = 0; j < 2 * hidden; j++)", "for (size_t j = 0; j < hidden; j++)"),
    "a gate's share is cut off": ("(int64_t)x + (1 << 14)) >> 15", "(int64_t)x) >> 15"),
    "1 - z is a unit short": ("((1 << 15) - z[j])", "((1 << 15) - 1 - z[j])"),
    # attention
    "a share is cut off": ("<< 15) + half) / sum", "<< 15)) / sum"),
    "a share of 2^15": ("share < TSAD_LIMIT ? (int16_t)share : (int16_t)TSAD_LIMIT", "(int16_t)share"),
    "no line between powers": ("(((at[1] - at[0]) * (t & 2047)) >> 11)", "0"),
    "the mean stays in a row": ("(count * from[k] - sum)", "(count * from[k])"),
    "no eps": ("(uint64_t)((int64_t)sum * sum) + eps", "(uint64_t)((int64_t)sum * sum) + (eps > 0)"),
    "sums of 64 bits are cut": ("(acc + (((int64_t)1 << by.sum_shift) >> 1)) >> by.sum_shift", "acc >> by.sum_shift"),
    "clamp of bmm is asymmetric": ("by.shift), -by.limit, by.limit)", "by.shift), -by.limit - 1, by.limit)"),
    # values by themselves
    "leaky_relu keeps what is negative": ("x[i] > 0 ? x[i] : (int16_t)tsad_shifted(x[i] * slope, 15)", "x[i]"),
    "sum without its second half": ("+ b * TSAD_LIFT * (int64_t)right", "+ b * TSAD_LIFT * (int64_t)(right & ~0xffff)"),
    "sum rounds down": ("((int32_t)(sum >> 32) + (1 << (shift - 1))) >> shift", "(int32_t)(sum >> 32) >> shift"),
    "the smallest of a few": ("most = seen > most ? seen : most", "most = seen < most ? seen : most"),
}  # fmt: skip
"""What is wrong -> what stands once in csrc/kernels, and what is put in its place."""


@pytest.fixture(scope="module")
def expected() -> list[tuple[Case, bytes]]:
    """Drawn operators of all kinds in turn, and what the table says of each."""
    cases = [draw_case(kind, random.Random(f"{kind} {seed}")) for seed in range(60) for kind in KINDS]
    return [(case, case.meaning().tobytes()) for case in cases]


def every_value(kernels: Kernels, kernel: str, fraction: int) -> NDArray[np.int16]:
    """A function of all s16 values, as they are on the grid of 2^-fraction."""
    x = np.arange(-32767, 32768).astype(np.int16)
    y = np.empty_like(x)
    kernels.call(kernel, 1, len(x), 2**30, 11, fraction, x, 0, y, 0)
    return y


def caught(kernels: Kernels, expected: list[tuple[Case, bytes]]) -> str:
    """By what: the operator, or the table that was walked through from end to end; "" by nothing."""
    for case, want in expected:
        if kernels.run(case).tobytes() != want:
            return case.op.kind
    for function in (sigmoid, tanh):
        kernel = f"{function.__name__}_s16"
        for fraction in (6, 13, 14):
            at = np.arange(-32767, 32768, dtype=np.int64)
            if (every_value(kernels, kernel, fraction) != function(at, fraction)).any():
                return f"{kernel}, fraction {fraction}"
    return ""


def test_what_stands_there_is_not_caught(expected: list[tuple[Case, bytes]], tmp_path: Path) -> None:
    assert caught(build(tmp_path), expected) == ""


@pytest.mark.parametrize("wrong", MUTANTS)
def test_mutant_is_caught(wrong: str, expected: list[tuple[Case, bytes]], tmp_path: Path) -> None:
    old, new = MUTANTS[wrong]
    for source in [*SOURCES.glob("*.c"), *SOURCES.glob("*.h")]:
        shutil.copy2(source, tmp_path)
    holders = [path for path in tmp_path.iterdir() if old in path.read_text()]
    assert [path.read_text().count(old) for path in holders] == [1], f"{old!r} does not stand once in csrc/kernels"
    holders[0].write_text(holders[0].read_text().replace(old, new))
    assert caught(build(tmp_path, ("cc", "-O0"), tmp_path), expected)
