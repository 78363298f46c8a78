"""The one rule of sharing out a training series."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsad_edge.data.splits import Blocks, Folds, from_json, minimum_rows, split, to_json


def ranges(chosen: Blocks | Folds) -> list[tuple[int, int]]:
    return list(chosen.folds) if isinstance(chosen, Folds) else [chosen.fit, chosen.stop, chosen.threshold]


@given(window=st.integers(1, 300), more=st.integers(0, 20000))
def test_no_sample_is_seen_by_two_ranges(window: int, more: int) -> None:
    rows = minimum_rows(window) + more
    chosen = split(rows, window)
    for start, end in ranges(chosen):
        assert window - 1 <= start < end <= rows  # every sample of a range has a whole window
    for (_, end), (start, _) in itertools.pairwise(ranges(chosen)):
        assert start - window + 1 > end - 1  # the next range's first window begins after this range's last sample
    assert ranges(chosen)[0][0] == window - 1  # nothing is wasted at either end
    assert ranges(chosen)[-1][1] == rows


@given(window=st.integers(1, 300), more=st.integers(0, 20000))
def test_sizes_are_as_promised(window: int, more: int) -> None:
    rows = minimum_rows(window) + more
    chosen = split(rows, window)
    sizes = [end - start for start, end in ranges(chosen)]
    scored = rows - window + 1
    if isinstance(chosen, Folds):
        assert abs(sizes[0] - sizes[1]) == 0
        assert min(sizes) >= window
        assert scored - sum(sizes) in (window, window + 1)
        assert (scored - 2 * window) * 15 // 100 < window  # else blocks would have done
    else:
        assert scored - sum(sizes) == 2 * window
        assert min(sizes[1:]) >= window
        for size, share in zip(sizes, (0.60, 0.15, 0.25), strict=True):
            assert abs(size - share * sum(sizes)) < 2


@pytest.mark.parametrize(
    ("rows", "kind"), [(400, "folds"), (439, "folds"), (750, "folds"), (965, "folds"), (966, "blocks")]
)
def test_kinds_at_window_100(rows: int, kind: str) -> None:
    assert split(rows, 100).kind == kind


def test_too_short_names_the_minimum() -> None:
    with pytest.raises(ValueError, match="399 training rows are too few for window 100: at least 400"):
        split(399, 100)
    with pytest.raises(ValueError, match="window is 0"):
        split(400, 0)


@pytest.mark.parametrize("rows", [400, 2000])
def test_json_round_trip(rows: int) -> None:
    assert from_json(to_json(split(rows, 100))) == split(rows, 100)
