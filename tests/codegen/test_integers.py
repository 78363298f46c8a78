"""Integer arithmetic and kernels: exact by rational numbers, the same bits from every compiler as from the table."""

import ctypes
import random
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tsad_edge.codegen.ops import TABLE
from tsad_edge.codegen.ops.integer import (
    HALF_SIGMOID,
    LIMIT,
    MOST,
    POWERS,
    multiplier,
    packed,
    power,
    requantise,
    rounded,
    shifted,
    sigmoid,
    sigmoid_f32,
    tanh,
    tanh_f32,
    unpacked,
)
from tsad_edge.codegen.ops.pointwise_s16 import LIFT, factors

from ..conftest import ISAS, needed
from .conftest import INCLUDE, PROGRAMS, kernel_sources
from .integers import KINDS, PLAIN, USERS, Kernels, build, differing, draw_case

S32 = st.one_of(
    st.integers(-(2**31) + 1, 2**31 - 1), st.sampled_from([-(2**31) + 1, 2**31 - 1, -1, 0, 1]), st.integers(-300, 300)
)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Kernels:
    return build(tmp_path_factory.mktemp("plain"))


def nearest(x: Fraction) -> int:
    """Halves up."""
    return floor(x + Fraction(1, 2))


# ---------------------------------------------------------------- kernels


@pytest.mark.parametrize("kind", KINDS)
@given(r=st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_kernel_has_the_meanings_bits(kind: str, r: random.Random, plain: Kernels) -> None:
    case = draw_case(kind, r)
    np.testing.assert_array_equal(plain.run(case), case.meaning(), str(case.op))


@pytest.mark.parametrize("command", USERS, ids=[command[0] for command in USERS])
def test_the_bits_are_the_same_under_users_flags(command: tuple[str, ...], tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    """-O3 -ffp-contract=fast -march=native."""
    needed(command[0], command[0])
    assert differing(build(tmp_path_factory.mktemp(command[0]), command), range(40)) == ""


@pytest.mark.parametrize("isa", ISAS[1:])
def test_the_bits_are_the_same_in_overlays(isa: str, has_isa: Callable[[str], None], tmp_path: Path) -> None:
    has_isa(isa)
    flags = [flag for flag in PROGRAMS[isa] if flag.startswith("-m")]
    assert differing(build(tmp_path, (*PLAIN, *flags, *INCLUDE), files=kernel_sources(isa)), range(40)) == ""


def test_nothing_overflows(tmp_path: Path) -> None:
    """No step is undefined in C: a sanitizer that stops the process at the first one, in a process of its own."""
    trap = ("cc", "-O1", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")
    code = (
        f"import integers as i, pathlib as p; print(i.differing(i.build(p.Path({str(tmp_path)!r}), {trap}), range(60)))"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True)
    assert (told.returncode, told.stdout.strip()) == (0, ""), told.stderr


def test_sums_at_their_bound(plain: Kernels) -> None:
    """The largest sum that verify lets through, with both signs: every product and the bias pull the same way."""
    spec, wide = TABLE["linear_s8_f32"], 511
    weight = np.full((5, wide), 127, np.int8)
    weight[1::2] = -127
    x = np.array([[LIMIT], [-LIMIT]], np.int16).repeat(wide, 1)
    assert spec.largest is not None
    bias = np.full(5, 2**31 - 1 - spec.largest([None, weight, np.zeros(5), None], LIMIT, {"packed": False}), np.int32)
    bias[1::2] *= -1
    y, w = np.zeros((2, 5), np.float32), spec.pack(weight, {})
    plain.call("linear_s8_f32", 2, 1, wide, 5, x, wide, w, bias, np.ones(5, np.float32), 0, y, 5)
    want = x.astype(np.int64) @ weight.T.astype(np.int64) + bias
    assert abs(want).max() == 2**31 - 1
    np.testing.assert_array_equal(y, want.astype(np.float32))


SPECIAL = [0, -0.0, 0.5, 0.49999997, 1e-45, 1e38, np.inf, np.nan, 32766.5, 32766.498, 32767, 32767.5, 2.0**15, 2.0**23]


def floats() -> np.ndarray:
    """All halves that matter and their neighbours, powers of two, what is no number, and any bits."""
    halves = np.arange(-LIMIT - 2, LIMIT + 2, dtype=np.float32) + np.float32(0.5)
    near = [np.nextafter(halves, np.float32(to)) for to in (-np.inf, np.inf)]
    powers = np.float32(2.0) ** np.arange(-140, 128, dtype=np.float32)
    bits = np.random.default_rng(0).integers(0, 2**32, 50_000, dtype=np.uint32).view(np.float32)
    special = np.array(SPECIAL, np.float32)
    return np.concatenate([halves, *near, powers, -powers, bits, special, -special])


@pytest.mark.parametrize("limit", [1, 100, LIMIT])
def test_floats_are_rounded_to_the_nearest(plain: Kernels, limit: int) -> None:
    x = floats()
    y, size, steps = np.zeros(len(x), np.int16), np.array([1, 1, len(x)], np.uintp), np.array([0, 0, 1], np.uintp)
    plain.call("quantise_s16", 1, size, x, 0, steps, 1.0, limit, y, 0)
    np.testing.assert_array_equal(y, rounded(x, limit))
    for value, got in zip(x[:: len(x) // 5000].tolist(), y[:: len(x) // 5000].tolist(), strict=True):
        whole = nearest(abs(Fraction(value))) if np.isfinite(value) else limit
        assert got == (-1 if value < 0 else 1) * min(whole, limit)


def test_samples_become_slots(plain: Kernels) -> None:
    """Whatever a sensor says, infinities and NaN too; the float operations are one subtraction and one product."""
    x = floats()
    offset, scale = np.float32([0, 3.5, -1e4, 1e30]), np.float32([1, -0.3, 1e-30])
    table = np.stack([np.resize(offset, len(x)), np.resize(scale, len(x))])
    y = np.zeros(len(x), np.int16)
    plain.call("enter_s16", len(x), x, table, 30000, y)
    with np.errstate(all="ignore"):
        want = TABLE["enter_s16"].meaning([x[None, None, None], table[None]], {"limit": 30000})
    np.testing.assert_array_equal(y, want.ravel())


# ---------------------------------------------------------------- requantisation


@given(acc=S32, m=st.one_of(st.integers(0, 2**31 - 1), st.sampled_from([2**31 - 1, 2**30])), shift=st.integers(1, 31))
@settings(max_examples=1000)
def test_requantise_is_exact(acc: int, m: int, shift: int) -> None:
    got = requantise(np.int64(acc), np.int64(m), np.int64(shift))
    assert got == nearest(Fraction(acc * m, 2 ** (32 + shift))) and abs(got) < 2**31


HALVES = {-5: -2, -3: -1, -2: -1, -1: 0, 0: 0, 1: 1, 2: 1, 3: 2, 5: 3}


@pytest.mark.parametrize(("acc", "want"), HALVES.items())
def test_halves_go_up(plain: Kernels, acc: int, want: int) -> None:
    """acc / 2 through a kernel: the factor is 2^30 / 2^(32 + 1) * 4."""
    m, shift = 2**30, 1
    assert requantise(np.int64(4 * acc), np.int64(m), np.int64(shift)) == want == nearest(Fraction(acc, 2))
    assert shifted(np.int64(acc), 1) == want
    y, zero = np.zeros(1, np.int16), np.zeros(4, np.int16)
    words = (np.zeros(4, np.int8), np.int32([4 * acc]), np.int32([m]), np.int8([shift]))
    plain.call("linear_s8_s16", 1, 1, 1, 1, zero, 1, *words, 0, 16, LIMIT, y, 1)
    assert y[0] == want


@given(factor=st.one_of(st.floats(0, MOST), st.floats(0, 2.0**-30), st.sampled_from([MOST, np.nextafter(MOST, 0)])))
def test_multipliers_have_31_bits(factor: float) -> None:
    """Or are so small that the largest sum, 2^31, is off by less than a 2^-32th."""
    m, shift = multiplier(factor)
    assert 0 <= m < 2**31 and 1 <= shift <= 31
    error = abs(Fraction(m, 2 ** (32 + shift)) - Fraction(factor))
    assert error <= max(Fraction(factor) / 2**30, Fraction(1, 2**64))


BELOW = float(np.nextafter(2.0**11, 0))
FACTOR = st.one_of(st.floats(-BELOW, BELOW), st.floats(-2, 2), st.sampled_from([BELOW, -BELOW, 0.0]))


@given(left=FACTOR, right=FACTOR)
def test_factors_of_sums(left: float, right: float) -> None:
    a, b, shift = factors(left, right)
    assert max(abs(a), abs(b)) < 2**31 and 1 <= shift <= 31
    largest = Fraction(max(abs(left), abs(right)))
    for m, factor in ((a, left), (b, right)):
        error = abs(Fraction(m, 2 ** (32 - LIFT + shift)) - Fraction(factor))
        assert error <= max(largest / 2**29, Fraction(1, 2**50))


# ---------------------------------------------------------------- tables


def test_tables_in_c(plain: Kernels) -> None:
    for name, want in (("half_sigmoid", HALF_SIGMOID), ("powers", POWERS)):
        found = (ctypes.c_uint16 * len(want)).in_dll(plain.library, f"tsad_{name}_table")
        assert list(found) == want.tolist()


@pytest.mark.parametrize("fraction", range(6, 17))
def test_sigmoid_and_tanh_over_their_whole_range(fraction: int) -> None:
    """In units of 2^-15: within 1.0 and 1.4 as s16, 0.45 and 0.9 as float32; rising, odd, and flat beyond the table."""
    x = np.arange(-(13 << fraction), (13 << fraction) + 1)
    exact = x / 2.0**fraction
    true = {"sigmoid": 2.0**15 / (1 + np.exp(-exact)), "tanh": 2.0**15 * np.tanh(exact)}
    found = {"sigmoid": sigmoid(x, fraction), "tanh": tanh(x, fraction)}
    assert np.abs(found["sigmoid"] - true["sigmoid"]).max() <= 1.0
    assert np.abs(found["tanh"] - true["tanh"]).max() <= 1.4
    assert np.abs(sigmoid_f32(x, fraction) * 2.0**15 - true["sigmoid"]).max() <= 0.45
    assert np.abs(tanh_f32(x, fraction) * 2.0**15 - true["tanh"]).max() <= 0.9
    assert all((np.diff(y) >= 0).all() for y in found.values())
    np.testing.assert_array_equal(found["tanh"], -found["tanh"][::-1])
    assert found["sigmoid"].min() >= 0 and found["sigmoid"].max() == found["tanh"].max() == LIMIT
    far = np.array([-(2**31) + 1, 2**31 - 1])
    assert sigmoid(far, fraction).tolist() == [0, LIMIT] and tanh(far, fraction).tolist() == [-LIMIT, LIMIT]


def test_powers_of_two() -> None:
    """Within 2.1 units of 2^-15 of 2^-x, falling, and 0 in the end."""
    t = np.arange(18 << 16)
    found = power(t)
    assert np.abs(found - 2.0 ** (15 - t / 2.0**16)).max() <= 2.1
    assert (np.diff(found) <= 0).all() and found[0] == 2**15 and found[-1] == 0


# ---------------------------------------------------------------- weights in panels


@given(rows=st.integers(1, 13), columns=st.integers(1, 13))
def test_packing_loses_nothing(rows: int, columns: int) -> None:
    weight = np.arange(rows * columns).reshape(rows, columns)
    np.testing.assert_array_equal(unpacked(packed(weight)), weight)
    np.testing.assert_array_equal(packed(unpacked(weight)), weight)


def test_packing_by_example() -> None:
    """Five rows of five: a panel of 4 x 4 with the middle columns exchanged, its fifth column, the fifth row."""
    weight = 10 * np.arange(1, 6)[:, None] + np.arange(1, 6)
    panel = [11, 13, 12, 14, 21, 23, 22, 24, 31, 33, 32, 34, 41, 43, 42, 44]
    assert packed(weight).ravel().tolist() == [*panel, 15, 25, 35, 45, 51, 52, 53, 54, 55]
