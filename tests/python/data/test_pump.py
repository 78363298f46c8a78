"""The bundled pumps: reproducible, plausible, and neither trivial nor hopeless to judge."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tsad_edge.data.pump import CHANNELS, CURRENT, KINDS, PRESSURE, PUMPS, SPEED, TEMPERATURE, VIBRATION, pump
from tsad_edge.data.series import Entity, events_of

WINDOW = 50


@pytest.fixture(scope="module", params=PUMPS)
def one(request: pytest.FixtureRequest) -> Entity:
    return pump(request.param, seed=1)


def test_same_seed_same_bytes_other_seed_other_bytes(one: Entity) -> None:
    again, other = pump(one.name, seed=1), pump(one.name, seed=2)
    assert again.train.values.tobytes() == one.train.values.tobytes()
    assert again.test.values.tobytes() == one.test.values.tobytes()
    assert again.test.events == one.test.events
    assert other.test.values.tobytes() != one.test.values.tobytes()
    assert len({pump(name, 1).train.values.tobytes() for name in PUMPS}) == len(PUMPS)


def test_shape(one: Entity) -> None:
    for series in (one.train, one.test):
        assert series.values.shape == (6000, 5)
        assert series.values.dtype == np.float32
        assert np.isfinite(series.values).all()
        assert series.channels == CHANNELS
        assert (series.time, series.sampling_period) == ("milliseconds", 1.0)
        assert (np.diff(series.t) == 1000).all()
    assert one.test.t[0] == one.train.t[-1] + 1000


def test_faults_are_labelled_and_apart(one: Entity) -> None:
    assert one.train.labels is not None
    assert not one.train.labels.any()
    events = one.test.events
    assert {kind: sum(e.kind == kind for e in events) for kind in KINDS} == dict.fromkeys(KINDS, 2)
    assert one.test.labels is not None
    assert [(e.start, e.end) for e in events_of(one.test.labels)] == [(e.start, e.end) for e in events]
    edges = [0, *(x for e in events for x in (e.start, e.end)), len(one.test)]
    assert min(np.diff(edges)[::2]) >= 3 * WINDOW


def test_physics(one: Entity) -> None:
    x = one.train.values.astype(float)
    speed = x[:, SPEED] / x[:, SPEED].max()
    assert speed.min() < 0.5  # the load cycles span the range
    assert np.corrcoef(speed**3, x[:, CURRENT])[0, 1] > 0.97
    assert np.corrcoef(speed**2, x[:, PRESSURE])[0, 1] > 0.97
    late = [np.corrcoef(x[: len(x) - lag, CURRENT], x[lag:, TEMPERATURE])[0, 1] for lag in (0, 60)]
    assert late[1] > late[0] > 0.3  # temperature follows, later


def test_vibration_frequency_follows_speed_and_a_fault_alters_it(one: Entity) -> None:
    def frequency(values: NDArray[np.float32]) -> float:
        x = values[:, VIBRATION] - np.convolve(values[:, VIBRATION], np.ones(15) / 15, "same")
        power = np.abs(np.fft.rfft(x[10:-10] * np.hanning(len(x) - 20), 4096)) ** 2
        return float(np.fft.rfftfreq(4096)[power.argmax()])

    x = one.train.values
    spots = [(x[i : i + 120, SPEED].mean(), frequency(x[i : i + 120])) for i in range(0, 5800, 120)]
    speeds, frequencies = np.array(spots).T
    assert np.corrcoef(speeds, frequencies)[0, 1] > 0.8
    assert 0.06 < frequencies.min() < frequencies.max() < 0.2
    usual = np.poly1d(np.polyfit(speeds, frequencies, 1))
    for event in one.test.events:
        if event.kind == "frequency_change":
            part = one.test.values[event.start : event.end]
            ratio = frequency(part) / usual(part[:, SPEED].mean())
            assert ratio < 0.75 or ratio > 1.4


def test_a_stuck_sensor_freezes_alone(one: Entity) -> None:
    for event in one.test.events:
        if event.kind == "stuck_sensor":
            part = one.test.values[event.start : event.end]
            still = (part == part[0]).all(axis=0)
            assert still.sum() == 1
            moving = ~still & (np.array(CHANNELS) != "temperature")
            assert (part.std(axis=0)[moving] > 0.05 * one.train.values.std(axis=0)[moving]).all()


def test_faults_stay_within_the_usual_range(one: Entity) -> None:
    low, high = one.train.values.min(axis=0), one.train.values.max(axis=0)
    slack = 0.5 * (high - low)
    assert (one.test.values > low - slack).all()
    assert (one.test.values < high + slack).all()


def average_precision(labels: NDArray[np.uint8], scores: NDArray[np.float64]) -> float:
    hits = labels[np.argsort(-scores, kind="stable")]
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits == 1].mean())


def test_a_small_model_beats_one_liners_clearly(one: Entity) -> None:
    """A ridge forecaster finds the kinds with few false alarms; |x - mean|, |dx| and a moving z-score rank worse."""
    mean, spread = one.train.values.mean(0), one.train.values.std(0)
    train, test = ((s.values.astype(float) - mean) / spread for s in (one.train, one.test))
    assert one.test.labels is not None
    labels = one.test.labels[WINDOW - 1 :]

    def parts(z: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        w = np.lib.stride_tricks.sliding_window_view(z, WINDOW, axis=0)  # (n, C, W)
        return np.hstack([w[:, :, :-1].reshape(len(w), -1), np.ones((len(w), 1))]), w[:, :, -1]

    x, y = parts(train)
    fit = int(0.6 * len(x))
    weights = np.linalg.solve(x[:fit].T @ x[:fit] + 10 * np.eye(x.shape[1]), x[:fit].T @ y[:fit])
    normal = y - x @ weights
    error = normal[:fit].std(axis=0)
    held_back = ((normal[int(0.75 * len(x)) :] / error) ** 2).mean(axis=1)
    x, y = parts(test)
    scores = (((y - x @ weights) / error) ** 2).mean(axis=1)

    w = np.lib.stride_tricks.sliding_window_view(test, WINDOW, axis=0)
    one_liners = {
        "mean": np.abs(test).max(axis=1)[WINDOW - 1 :],
        "step": np.abs(np.diff(test, axis=0)).max(axis=1)[WINDOW - 2 :],
        "moving z": (np.abs(w[:, :, -1] - w.mean(axis=2)) / (w.std(axis=2) + 0.05)).max(axis=1),
    }
    floor = max(average_precision(labels, s) for s in one_liners.values())
    assert average_precision(labels, scores) > floor + 0.15

    alarms = scores > np.quantile(held_back, 0.999)
    found = {e.kind for e in one.test.events if alarms[e.start - WINDOW + 1 : e.end - WINDOW + 1].any()}
    assert len(found) >= 5
    near = np.convolve(one.test.labels, np.ones(2 * WINDOW + 1), "same")[WINDOW - 1 :] > 0
    assert alarms[~near].mean() < 0.01


def test_unknown_pump_and_too_short_test() -> None:
    with pytest.raises(ValueError, match=r"entity 'pump-9'.*pump-1"):
        pump("pump-9", seed=1)
    with pytest.raises(ValueError, match="test_rows 1000: twelve faults need at least"):
        pump("pump-1", seed=1, test_rows=1000)
