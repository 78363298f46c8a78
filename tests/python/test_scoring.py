"""Scoring a series: windows end where they should, a refused sample is missing, float64 is float64."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tsad_edge.models import MODELS, build, export
from tsad_edge.scoring import double, load, score_series, windows


class Weighted(nn.Module):
    """Tells by its score which samples it saw, and in what order."""

    def forward(self, window: Tensor) -> Tensor:
        place = torch.arange(1, window.shape[1] + 1, dtype=window.dtype)
        return (window.sum(dim=2) * place).sum(dim=1)


def slowly(values: np.ndarray, window: int) -> np.ndarray:
    """The definition: a loop over samples that keeps a list of those taken."""
    scores, taken = np.full(len(values), np.nan), []
    for i, sample in enumerate(values):
        if np.isfinite(sample).all():
            taken.append(sample)
            if len(taken) >= window:
                scores[i] = sum((k + 1) * float(s.sum()) for k, s in enumerate(taken[-window:]))
    return scores


@given(
    rows=st.integers(0, 40),
    channels=st.integers(1, 3),
    window=st.integers(1, 8),
    batch=st.integers(1, 9),
    holes=st.lists(st.tuples(st.integers(0, 39), st.sampled_from([np.nan, np.inf, -np.inf])), max_size=6),
)
@settings(max_examples=80, deadline=None)
def test_as_the_detector_does(rows: int, channels: int, window: int, batch: int, holes: list) -> None:
    values = np.arange(rows * channels, dtype=np.float32).reshape(rows, channels)
    for row, what in holes:
        if row < rows:
            values[row, row % channels] = what
    for dtype in (torch.float32, torch.float64):
        np.testing.assert_array_equal(score_series(Weighted(), values, window, dtype, batch), slowly(values, window))


def test_windows_are_a_view() -> None:
    series = torch.zeros(100, 3)
    view = windows(series, 10)
    assert view.shape == (91, 10, 3)
    assert view.untyped_storage().data_ptr() == series.untyped_storage().data_ptr()
    series[17, 2] = 1
    assert view[8, 9, 2] == 1 and view[17, 0, 2] == 1


def test_absurd_samples_are_no_silence() -> None:
    class Difference(nn.Module):
        def forward(self, window: Tensor) -> Tensor:
            square = window * window
            return (square - square).sum(dim=(1, 2))

    assert score_series(Difference(), np.full((2, 1), 1e30, np.float32), 1).tolist() == [np.inf, np.inf]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_float64_of_the_exported_graph(name: str, tmp_path: Path) -> None:
    """The saved graph in float64 equals the model itself in float64, and is not float32 in disguise."""
    torch.manual_seed(2)
    scorer = build(name, 12, 3).eval()
    export.save(scorer, tmp_path / "graph.pt2")
    values = np.random.default_rng(2).standard_normal((60, 3)).astype(np.float32)
    from_graph = score_series(load(tmp_path / "graph.pt2"), values, 12, torch.float64)
    np.testing.assert_allclose(from_graph[11:], score_series(scorer, values, 12, torch.float64)[11:], rtol=1e-13)
    in_float32 = score_series(load(tmp_path / "graph.pt2"), values, 12)
    gap = np.abs(from_graph - in_float32)[11:]
    assert 0 < gap.max() < 1e-4
    assert (from_graph[11:].astype(np.float32) != from_graph[11:]).any()
    assert np.isnan(from_graph[:11]).all()


def test_double_leaves_the_original_alone() -> None:
    layer = nn.Linear(2, 2)
    assert double(layer).weight.dtype == torch.float64
    assert layer.weight.dtype == torch.float32


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run `tsad train` first"):
        load(tmp_path / "graph.pt2")
    (tmp_path / "graph.pt2").write_bytes(b"half a file")
    with pytest.raises(ValueError, match="not a graph saved by torch.export"):
        load(tmp_path / "graph.pt2")
    with pytest.raises(ValueError, match="float64 of shape"):
        score_series(Weighted(), np.zeros((3, 1)), 1)  # type: ignore[arg-type]
