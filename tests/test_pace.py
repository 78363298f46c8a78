"""`make pace` measures what it says: the reference's search is the same search, and a missed target is told."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from tsad_edge.adjusted import best_point_adjusted


@pytest.fixture(scope="module")
def pace(script: Callable[[str], Any]) -> Any:
    return script("pace")


def test_an_event_with_an_alarm_is_all_alarms(pace: Any) -> None:
    truth = torch.tensor([0, 1, 1, 1, 0, 1, 1, 0, 1])
    alarms = torch.tensor([1, 0, 1, 0, 0, 0, 0, 0, 1])
    assert pace.adjusted(truth, alarms).tolist() == [1, 1, 1, 1, 0, 0, 0, 0, 1]


@pytest.mark.parametrize("seed", range(3))
def test_both_searches_find_the_same(pace: Any, seed: int) -> None:
    """Of a hundred scores the hundred quantiles are all there are."""
    draw = np.random.default_rng(seed)
    scores, truth = draw.random(100).astype(np.float32), np.zeros(100, np.int64)
    truth[20:35] = truth[70:75] = 1
    found = pace.reference_search(torch.from_numpy(scores), torch.from_numpy(truth))
    assert found == pytest.approx(best_point_adjusted(scores, truth)["f1"])


def test_a_missed_target_is_told(pace: Any) -> None:
    assert pace.row("training", [3.0, 9.0, 4.0], [2.0, 2.0, 2.0], 2.0) == ("| training | 4 | 2 | 2x | 2x: met |", True)
    assert pace.row("training", [3.0, 3.0], [2.0, 2.0], 2.0) == ("| training | 3 | 2 | 1.5x | 2x: MISSED |", False)
