"""A logarithm, an exponential and a root in float32, to the bits of csrc/kernels/functions.h, without libm.

Written once more in numpy, an operation a rounding, for the twins of what a device computes. Arguments are normal
floats; their domains are those that the twins need.
"""

from __future__ import annotations

import numpy as np

f32 = np.float32

LOG = [
    f32(c)
    for c in (
        *(-7.6357506e-2, 1.2761861e-1, -1.3159683e-1, 1.4201628e-1),
        *(-1.6623408e-1, 2.0001240e-1, -2.5000820e-1, 3.3333330e-1),
    )
]
EXPM1 = [f32(c) for c in (1.9766994e-4, 1.3933228e-3, 8.3335410e-3, 4.1666485e-2, 1.6666666e-1, 0.5)]
LN2_HIGH, LN2_LOW, LOG2_E = f32(0.693359375), f32(-2.12194440e-4), f32(1.44269504)
SHIFT, HALF, ONE = f32(12582912.0), f32(0.5), f32(1)


def log(x: f32) -> f32:
    """Natural logarithm of a positive, finite, normal float.

    Examples
    --------
    >>> float(log(f32(1))), bool(abs(log(f32(20)) - np.log(20)) < 3e-7)
    (0.0, True)
    """
    bits = int(x.view(np.uint32))
    exponent = (bits - 0x3F3504F3 + 0x3F800000) >> 23
    e = f32(exponent - 127)
    f = f32(np.uint32(bits - (exponent << 23) + 0x3F800000).view(f32)) - ONE
    z = f * f
    p = LOG[0]
    for c in LOG[1:]:
        p = p * f + c
    p = p * f * z - HALF * z
    return e * LN2_HIGH + (f + (p + e * LN2_LOW))


def expm1(x: f32) -> f32:
    """e^x - 1 for x from -30 to 60.

    Examples
    --------
    >>> float(expm1(f32(0))), bool(abs(expm1(f32(2)) - np.expm1(2)) < 2e-6)
    (0.0, True)
    """
    shifted = x * LOG2_E + SHIFT
    n = shifted - SHIFT
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    p = EXPM1[0]
    for c in EXPM1[1:]:
        p = p * r + c
    up, down = f32(2.0 ** int(n)), f32(2.0 ** -int(n))
    return ((r + r * r * p) + (ONE - down)) * up


def sqrt(x: f32) -> f32:
    """Root of a positive, finite, normal float.

    Examples
    --------
    >>> float(sqrt(f32(9)))
    3.0
    """
    y = f32(np.uint32(0x5F3759DF - (int(x.view(np.uint32)) >> 1)).view(f32))
    for _ in range(3):
        y = y * (f32(1.5) - HALF * x * y * y)
    s = x * y
    return (s + x / s) * HALF
