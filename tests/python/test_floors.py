"""The floors are what they say, and score the samples a model scores."""

import numpy as np
import pytest

from tsad_edge.floors import CHUNK, FLOORS, score_floor

RNG = np.random.default_rng(1)
FIT = (RNG.standard_normal((400, 3)) * [1, 10, 0] + [0, 5, 7]).astype(np.float32)
SERIES = (RNG.standard_normal((120, 3)) * [1, 10, 0] + [0, 5, 7]).astype(np.float32)
WINDOW = 10


@pytest.mark.parametrize("name", FLOORS)
def test_judged_on_the_same_samples(name: str) -> None:
    series = SERIES.copy()
    series[3, 0] = np.nan
    series[50:53, 1] = np.inf
    scores = score_floor(name, FIT, series, WINDOW, seed=1)
    expected = np.isfinite(series).all(axis=1)
    expected[:WINDOW] = False  # nine samples taken and one refused
    np.testing.assert_array_equal(np.isfinite(scores), expected)
    np.testing.assert_array_equal(scores, score_floor(name, FIT, series, WINDOW, seed=1))


@pytest.mark.parametrize("name", FLOORS)
def test_short_and_empty(name: str) -> None:
    assert np.isnan(score_floor(name, FIT, SERIES[:5], WINDOW, 1)).all()
    assert len(score_floor(name, FIT, SERIES[:0], WINDOW, 1)) == 0


def test_values() -> None:
    std = np.where(FIT.std(axis=0) == 0, 1, FIT.astype(np.float64).std(axis=0))
    mean = FIT.astype(np.float64).mean(axis=0)
    i = 40
    distance = np.abs(SERIES[i] - mean) / std
    np.testing.assert_allclose(score_floor("train_mean", FIT, SERIES, WINDOW, 1)[i], distance.mean(), rtol=1e-6)
    step = np.abs(SERIES[i].astype(float) - SERIES[i - 1]) / std
    np.testing.assert_allclose(score_floor("abs_diff", FIT, SERIES, WINDOW, 1)[i], step.mean(), rtol=1e-6)
    past = SERIES[i - WINDOW + 1 : i + 1].astype(np.float64)
    spread = past.std(axis=0)
    z = np.abs(past[-1] - past.mean(axis=0)) / np.where(spread == 0, 1, spread)
    np.testing.assert_allclose(score_floor("moving_z", FIT, SERIES, WINDOW, 1)[i], z.mean(), rtol=1e-6)


def test_moving_z_in_chunks() -> None:
    long = RNG.standard_normal((2 * CHUNK + 77, 1)).astype(np.float32)
    whole = score_floor("moving_z", FIT[:, :1], long, WINDOW, 1)
    at = CHUNK + WINDOW - 1  # the first of the second chunk
    alone = score_floor("moving_z", FIT[:, :1], long[at - WINDOW + 1 : at + 1], WINDOW, 1)
    np.testing.assert_allclose(whole[at], alone[-1], rtol=1e-9)


def test_window_pca_is_what_ten_components_leave() -> None:
    """By the plane of the training windows, made here by an SVD; the newest window included, none after it."""

    def standardised(series: np.ndarray) -> np.ndarray:
        deviation = np.where(FIT.std(axis=0) == 0, 1, FIT.astype(np.float64).std(axis=0))
        return (series - FIT.astype(np.float64).mean(axis=0)) / deviation

    def windows(series: np.ndarray) -> np.ndarray:
        return np.array([standardised(series)[i : i + WINDOW].T.ravel() for i in range(len(series) - WINDOW + 1)])

    mean = windows(FIT).mean(axis=0)
    plane = np.linalg.svd(windows(FIT) - mean, full_matrices=False)[2][:10]
    centred = windows(SERIES) - mean
    expected = ((centred - centred @ plane.T @ plane) ** 2).mean(axis=1)
    np.testing.assert_allclose(score_floor("window_pca", FIT, SERIES, WINDOW, 1)[WINDOW - 1 :], expected, rtol=0.05)
    cut = score_floor("window_pca", FIT, SERIES[:60], WINDOW, 1)
    np.testing.assert_allclose(cut, score_floor("window_pca", FIT, SERIES, WINDOW, 1)[:60])


def test_random_has_a_seed() -> None:
    assert score_floor("random", FIT, SERIES, 1, 1).tolist() != score_floor("random", FIT, SERIES, 1, 2).tolist()


def test_unknown() -> None:
    with pytest.raises(ValueError, match="known floors: random, abs_diff, train_mean, moving_z, window_pca"):
        score_floor("median", FIT, SERIES, WINDOW, 1)
