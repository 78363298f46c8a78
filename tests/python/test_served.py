"""What the pipeline leaves can be served: detector.json says what the service compares with, and the two files fit."""

import time
from pathlib import Path

import numpy as np
import pytest

from tsad_edge import Detector
from tsad_edge.data import load_values
from tsad_edge.entity import LEVELS
from tsad_edge.files import read_json
from tsad_edge.service.served import load
from tsad_edge.stages import compiled


def test_a_finished_pipeline_is_served(finished: Path) -> None:
    (files,) = compiled(finished)
    served = load([files])
    (one,) = served.values()
    series = load_values(finished / "data/values", "pump-1", "test").values
    told = one.run(series, np.arange(len(series)), time.monotonic() + 60)
    wanted = Detector.load(files[1]).run(series)
    for found, expected in zip(told, wanted, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert one.recent.count == np.isfinite(told.scores).sum()


def test_detector_json_holds_the_calibrations_quantiles(finished: Path) -> None:
    """The service needs neither artifacts nor calibration.npz."""
    (files,) = compiled(finished)
    with np.load(finished / "artifacts/pump-1/calibration.npz") as file:
        scores = file["held_back_scores"].astype(np.float64)
    found = read_json(files[0])["score_quantiles"]
    assert list(found) == [str(level) for level in LEVELS]
    np.testing.assert_allclose(list(found.values()), np.quantile(scores, LEVELS))


def test_normal_data_is_no_drift_and_another_pump_is(finished: Path) -> None:
    """The calibration's own samples through the compiled C, and the same ones a standard deviation higher."""
    (one,) = load(compiled(finished)).values()
    with np.load(finished / "artifacts/pump-1/calibration.npz") as file:
        held_back = file["held_back"]
    t, deadline = np.arange(len(held_back)), time.monotonic() + 60
    one.run(held_back, t, deadline)
    assert one.recent.drift() < 0.02
    fresh = next(iter(load(compiled(finished)).values()))
    fresh.run(held_back + held_back.std(axis=0), t, deadline)
    assert fresh.recent.drift() > 0.3


def test_two_of_one_entity(finished: Path) -> None:
    with pytest.raises(ValueError, match="'pump-1' is there for the second time"):
        load(compiled(finished) * 2)
