"""The window that `tsad init` proposes: the period is found where there is one, and only there."""

import numpy as np
import pytest

from tsad_edge.data import Blocks, minimum_rows, split
from tsad_edge.project.window import LEAST, MOST, SHORTEST, USUAL, Period, dominant_period, window_for

DRAW = np.random.default_rng(1)


def sine(rows: int, period: float, noise: float = 0.0) -> np.ndarray:
    return np.sin(2 * np.pi * np.arange(rows) / period) + noise * DRAW.normal(size=rows)


@pytest.mark.parametrize("period", [7, 24, 60, 144, 500])
@pytest.mark.parametrize("noise", [0.0, 0.5, 1.0])
def test_a_sine_in_noise(period: int, noise: float) -> None:
    values = 20 + 5 * sine(max(20 * period, 500), period, noise)[:, None]
    found = dominant_period(values.astype(np.float32))
    assert found is not None and abs(found.samples - period) <= max(1, 0.1 * period)


def test_a_cycle_with_harmonics_on_a_drift() -> None:
    """On for 20 of 90 samples, slowly rising: one period, not one of its parts."""
    t = np.arange(3000)
    found = dominant_period(((t % 90 < 20) + 0.3 * (t % 30 < 5) + t / 500 + 0.1 * DRAW.normal(size=3000))[:, None])
    assert found is not None and abs(found.samples - 90) <= 1


@pytest.mark.parametrize("rows", [40, 100, 300, 1000, 20_000])
def test_no_period(rows: int) -> None:
    """White noise, a random walk, a slow exponential: of 60 series of each none may show a period, or hardly one."""
    wrong = 0
    for _ in range(60):
        noise = DRAW.normal(size=(rows, 1)).astype(np.float32)
        wrong += dominant_period(noise) is not None
        wrong += dominant_period(noise.cumsum(axis=0)) is not None
    assert wrong <= 6  # of 120
    assert dominant_period(np.exp(-np.arange(rows) / rows)[:, None].astype(np.float32)) is None


def test_nothing_to_see() -> None:
    assert dominant_period(np.full((500, 2), 7.0, np.float32)) is None
    assert dominant_period(np.zeros((5, 1), np.float32)) is None


def test_channels_vote() -> None:
    """Two say 40, one says 17, one is constant, one is noise."""
    channels = [sine(2000, 40, 0.3), sine(2000, 17, 0.3), sine(2000, 40.4, 0.3), np.ones(2000), DRAW.normal(size=2000)]
    found = dominant_period(np.stack(channels, axis=1).astype(np.float32))
    assert found is not None and abs(found.samples - 40) <= 1 and found.channels == (0, 2)


@pytest.mark.parametrize("rows", [32, 79, 80, 120, 500, 5000])
@pytest.mark.parametrize("period", [None, 4, 16, 30, 200, 1440])
def test_the_data_supports_the_window(rows: int, period: int | None) -> None:
    window, why = window_for(rows, None if period is None else Period(period, (0,)))
    assert SHORTEST <= window <= MOST and minimum_rows(window) <= rows and why
    assert rows < 80 or isinstance(split(rows, window), Blocks), "there are blocks for stopping and for the threshold"


def test_periods_fill_a_window() -> None:
    for period in range(4, MOST + 1):
        window, _ = window_for(5000, Period(period, (0,)))
        assert window % period == 0 and LEAST <= window < MOST + 1
    assert window_for(5000, Period(MOST + 1, (0,)))[0] == window_for(5000, None)[0] == USUAL
