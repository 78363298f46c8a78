"""The curve that `dvc plots` draws is the one that the figures are made of."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tsad_edge.plots import precision_recall


def test_the_curve_is_that_of_the_figure(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    labels = (draw.random(3000) < 0.1).astype(np.uint8)
    scores = draw.normal(size=3000) + labels
    scores[[5, 900]] = np.nan, np.inf
    precision_recall(tmp_path / "a.csv", scores, labels, steps=10_000)
    recall, precision, threshold = np.loadtxt(tmp_path / "a.csv", delimiter=",", skiprows=1).T
    scored = ~np.isnan(scores)
    wanted = average_precision_score(labels[scored], np.nan_to_num(scores[scored], posinf=1e300))
    assert (np.diff(recall, prepend=0) * precision).sum() == pytest.approx(wanted, abs=1e-5)
    assert recall[-1] == 1 and (np.diff(threshold) < 0).all()
    at = len(recall) // 2
    above = scores[scored] >= threshold[at] * (1 - 1e-6)
    assert labels[scored][above].mean() == pytest.approx(precision[at], abs=0.02)


def test_a_long_series_makes_a_short_file(tmp_path: Path) -> None:
    labels = np.arange(20_000) % 7 == 0
    precision_recall(tmp_path / "a.csv", np.arange(20_000) * 0.1, labels.astype(np.uint8))
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 101


@pytest.mark.parametrize("only", [0, 1])
def test_one_class_has_no_curve(only: int, tmp_path: Path) -> None:
    precision_recall(tmp_path / "a.csv", np.arange(5.0), np.full(5, only, np.uint8))
    assert not (tmp_path / "a.csv").exists()
