"""Views: how a tensor lies in the memory of another one. Arithmetic on shapes and strides only."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class View:
    """A tensor inside the memory of the tensor `root`; offset and strides in elements."""

    root: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def is_dense(self) -> bool:
        """Whether its elements lie one after the other, in order."""
        want = dense_strides(self.shape)
        return all(size == 1 or s == w for size, s, w in zip(self.shape, self.strides, want, strict=True))

    def has_dense_rows(self) -> bool:
        """Whether the elements of its last axis lie one after the other."""
        return self.shape[-1] == 1 or self.strides[-1] == 1

    def cells(self) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        """Element numbers within the root, in the view's own shape."""
        found = np.full(self.shape, self.offset, np.int64)
        for d, stride in enumerate(self.strides):
            steps = np.arange(self.shape[d], dtype=np.int64) * stride
            found += steps.reshape([-1 if i == d else 1 for i in range(len(self.shape))])
        return found


def dense_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Row-major strides.

    Examples
    --------
    >>> dense_strides((2, 3, 4))
    (12, 4, 1)
    """
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def reshaped(view: View, shape: Sequence[int]) -> View | None:
    """The same elements in another shape, or None where that would need a copy.

    Examples
    --------
    >>> reshaped(View("x", 0, (2, 3), (4, 1)), (6,)) is None
    True
    >>> reshaped(View("x", 0, (2, 3), (3, 1)), (3, 2)).strides
    (2, 1)
    """
    # Blocks of old dimensions that are one run of memory, innermost first: (elements, stride).
    blocks: list[list[int]] = []
    for size, stride in zip(reversed(view.shape), reversed(view.strides), strict=True):
        if size == 1:
            continue
        if blocks and stride == blocks[-1][0] * blocks[-1][1]:
            blocks[-1][0] *= size
        else:
            blocks.append([size, stride])
    strides = []
    block, step, left = 0, 1, 1
    for size in reversed(shape):
        if size == 1:
            strides.append(0)
            continue
        if left == 1:  # the block before is used up
            if block == len(blocks):
                return None
            left, step = blocks[block]
            block += 1
        if left % size:
            return None
        strides.append(step)
        step, left = step * size, left // size
    if left != 1 or block != len(blocks):
        return None
    return View(view.root, view.offset, tuple(shape), tuple(reversed(strides)))


def broadcast(view: View, shape: Sequence[int]) -> View:
    """The view repeated (stride 0) to a larger shape, by numpy's rules."""
    missing = len(shape) - len(view.shape)
    old = (1,) * missing + view.shape
    strides = (0,) * missing + view.strides
    repeated = tuple(0 if o == 1 else s for o, s in zip(old, strides, strict=True))
    return View(view.root, view.offset, tuple(shape), repeated)


def walk(
    shape: Sequence[int], *strides: Sequence[int]
) -> Iterator[tuple[tuple[int, int, int], tuple[tuple[int, int, int], ...], tuple[int, ...]]]:
    """Several strided tensors of one shape as loops over three dimensions.

    Dimensions that all tensors walk in one run are joined; where more than three are left, the outer ones are
    unrolled.

    Yields
    ------
    sizes (3,), strides (3,) of each tensor, offset of each tensor

    Examples
    --------
    >>> list(walk((2, 3, 4), (12, 4, 1), (0, 0, 1)))
    [((1, 6, 4), ((0, 4, 1), (0, 0, 1)), (0, 0))]
    """
    joined: list[tuple[int, tuple[int, ...]]] = []
    for size, *steps in zip(shape, *strides, strict=True):
        if size == 1:
            continue
        if joined and all(last == size * step for last, step in zip(joined[-1][1], steps, strict=True)):
            joined[-1] = (joined[-1][0] * size, tuple(steps))
        else:
            joined.append((size, tuple(steps)))
    outer, inner = joined[:-3], joined[-3:]
    inner = [(1, (0,) * len(strides))] * (3 - len(inner)) + inner
    sizes = (inner[0][0], inner[1][0], inner[2][0])
    count = range(len(strides))
    each = tuple((inner[0][1][t], inner[1][1][t], inner[2][1][t]) for t in count)
    for index in itertools.product(*(range(size) for size, _ in outer)):
        offsets = tuple(sum(i * steps[t] for i, (_, steps) in zip(index, outer, strict=True)) for t in count)
        yield sizes, each, offsets
