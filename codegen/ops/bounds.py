"""What rounding may do where a function is not smooth: at steps, and at a root's zero.

`terms` of an operator carries an error of its inputs on by the function's slope. Where that says nothing, these say
how far the output may really be off when every value may be off by SHARE of its running sum of |terms|.
"""

from __future__ import annotations

import numpy as np

from .spec import Array

SHARE = 2.0**-21
"""Four units in the last place: what a proof allows of the running sum of |terms|."""

TINY = 2.0**-126
"""The smallest float32 with all its digits: what is smaller is rounded as if it were this one."""


def step(distance: Array, terms: Array, jump: float | Array) -> Array:
    """|terms| of a jump that lies `distance` away: all of it where values with these |terms| may reach it, else 0.

    Without |terms| a value is exactly 0, and there is no doubt.

    A decision that hangs on the last places may fall the other way on another machine; the tolerance of such a sample
    is the jump, and whoever counts samples in the band of their threshold counts it.

    Examples
    --------
    >>> one = np.array(1.0)
    >>> float(step(np.array(1e-7), one, 1.0)) * SHARE, float(step(np.array(1e-3), one, 1.0))
    (1.0, 0.0)
    """
    return np.where((distance <= SHARE * terms) & (terms > 0), jump / SHARE, 0.0)


def root(output: Array, terms: Array) -> Array:
    """|terms| of sqrt(x), given itself and those of x: sqrt(x + d) is never farther from sqrt(x) than sqrt(d).

    Examples
    --------
    >>> float(root(np.array(2.0), np.array(4.0))), float(root(np.array(1e-30), np.array(1.0))) * SHARE <= SHARE**0.5
    (4.0, True)
    """
    y: Array = np.fmin(terms / output, np.sqrt(terms / SHARE)) + output
    return y
