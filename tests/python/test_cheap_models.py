"""The small models are what they are named after: scikit-learn's, the floors', forecasters that do not look ahead."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans as Clustering
from sklearn.decomposition import PCA

from tsad_edge import train
from tsad_edge.floors import score_floor
from tsad_edge.models import MODELS, Learner, Scorer, Solver, build
from tsad_edge.models.base import LEAST_ERROR
from tsad_edge.models.forecast import Forecaster
from tsad_edge.models.kmeans import KMeans
from tsad_edge.models.moving_z import STILL
from tsad_edge.models.pca import Pca
from tsad_edge.models.tcn import Tcn, receptive_field
from tsad_edge.scoring import score_series, windows
from tsad_edge.train import fit_entity

WINDOW = 20
BLOCKS = {"kind": "blocks", "fit": [19, 700], "stop": [720, 900], "threshold": [920, 1200]}
SOLVED = ["pca", "kmeans", "moving_z"]
FORECASTERS = ["lstm", "gru", "cnn", "tcn"]


def series(rows: int = 1200, seed: int = 1) -> np.ndarray:
    """Two waves of one clock in other units, a constant channel, a little noise."""
    rng, t = np.random.default_rng(seed), np.arange(rows)
    clean = np.stack([np.sin(t / 4), np.sin(t / 4) * 30 + np.cos(t / 9) * 9, np.full(rows, 7.0)], axis=1)
    return (clean + rng.standard_normal(clean.shape) * [0.02, 0.5, 0.0]).astype(np.float32)


def solved(name: str, values: np.ndarray, hyper: dict[str, float] | None = None) -> tuple[Scorer, torch.Tensor]:
    """A model fitted to all windows of a series, and those windows, standardised."""
    torch.manual_seed(3)
    scorer = build(name, WINDOW, values.shape[1], hyper)
    learner = scorer.learner()
    assert isinstance(learner, Solver)
    scorer.fit_scale(values)
    z = windows((torch.from_numpy(values) - scorer.offset) * scorer.scale, WINDOW)
    learner.fit(z)
    return scorer, z


@pytest.mark.parametrize(("share", "lags"), [(0.35, 7), (1.0, 20), (2.5, 20)])
def test_pca_is_that_of_scikit_learn(share: float, lags: int) -> None:
    pca, z = solved("pca", series(), {"share": share, "components": 5})
    assert isinstance(pca, Pca) and pca.lags == lags
    newest = z[:, -pca.lags :].flatten(1).numpy()
    theirs = PCA(5).fit(newest)
    rest = newest - theirs.inverse_transform(theirs.transform(newest))
    expected = (rest**2).reshape(len(z), pca.lags, 3).mean(axis=1)
    np.testing.assert_allclose(pca.errors(z).detach(), expected, rtol=1e-3, atol=1e-6)


def test_pca_of_many_values_is_drawn_by_seed() -> None:
    """Above 1000 values scikit-learn's randomised algorithm is used; its draws are ours."""
    values = np.random.default_rng(1).standard_normal((300, 60)).astype(np.float32)
    one, two = (solved("pca", values, {"share": 1.0})[0].state_dict() for _ in range(2))
    assert one["project.weight"].shape == (8, 1200)
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_kmeans_is_that_of_scikit_learn() -> None:
    """Score = squared distance to scikit-learn's nearest centre, per value; parts are its channels'."""
    kmeans, z = solved("kmeans", series(), {"share": 0.45, "centres": 8})
    assert isinstance(kmeans, KMeans)
    newest = z[:, -9:].flatten(1).numpy()
    theirs = Clustering(8, n_init=1, random_state=kmeans_seed()).fit(newest)
    distance = theirs.transform(newest)
    errors = kmeans.errors(z).numpy()
    np.testing.assert_allclose(errors.mean(axis=1), distance.min(axis=1) ** 2 / newest.shape[1], rtol=1e-3, atol=1e-5)
    nearest = theirs.cluster_centers_[distance.argmin(axis=1)].reshape(len(z), 9, 3)
    np.testing.assert_allclose(errors, ((z[:, -9:].numpy() - nearest) ** 2).mean(axis=1), rtol=1e-3, atol=1e-5)


def kmeans_seed() -> int:
    """What the solver of `solved` draws: the first number after the seed, for nothing is drawn before."""
    torch.manual_seed(3)
    return int(torch.randint(2**31 - 1, ()))


def test_kmeans_weighs_before_it_chooses() -> None:
    """Two centres, one near in each channel: the heavier channel decides."""
    kmeans = build("kmeans", 2, 2, {"share": 0.5, "centres": 2})
    assert isinstance(kmeans, KMeans)
    centres = torch.tensor([[0.0, 10.0], [10.0, 0.0]])  # [channel, centre]: centre 0 is (0, 10), centre 1 is (10, 0)
    kmeans.inner.copy_(-2 * centres.reshape(4, 1, 1))
    kmeans.square.copy_(centres.reshape(4) ** 2)
    sample = torch.zeros(1, 2, 2)
    for weight, score, parts in (([3.0, 1.0], 50.0, [0.0, 100.0]), ([1.0, 3.0], 50.0, [100.0, 0.0])):
        kmeans.weight.copy_(torch.tensor(weight))
        found = kmeans(sample)
        assert found[0].tolist() == [score] and found[1].tolist() == [parts]


def test_kmeans_repeats_centres_where_windows_repeat() -> None:
    values = np.zeros((200, 1), np.float32)
    values[::2] = 1.0
    kmeans, z = solved("kmeans", values)
    np.testing.assert_allclose(kmeans.errors(z), 0, atol=1e-4)
    assert torch.isfinite(kmeans(torch.full((1, WINDOW, 1), 1e6))[0]).all()


@pytest.mark.parametrize("name", ["pca", "kmeans"])
def test_fewer_windows_than_the_model_has_room_for(name: str) -> None:
    scorer, z = solved(name, series(WINDOW + 2))
    assert len(z) == 3
    assert scorer.errors(z).max() < 1e-3, "three windows are known by heart"


@pytest.mark.parametrize("name", ["pca", "kmeans"])
def test_a_fault_stands_out_in_its_channel(name: str) -> None:
    fitted = fit_entity(series(), BLOCKS, WINDOW, name)
    assert fitted.history == [{"epoch": 0.0, "stop": fitted.history[0]["stop"]}]
    faulty = series(seed=2)
    faulty[600:620, 1] = faulty[580:600, 1][::-1]
    scores = score_series(fitted.scorer, faulty, WINDOW)
    assert scores[600:620].max() > 2 * fitted.held_back_scores.max()
    with torch.no_grad():
        parts = fitted.scorer(torch.from_numpy(faulty[596:616])[None])[1][0]
    assert parts.argmax() == 1


def test_moving_z_is_the_floor_but_for_windows_that_stand_still() -> None:
    """Per channel, error = floor^2 * variance / (variance + STILL): its square, where the window moves."""
    values = series()[:, :1]
    fit, test = values[:700], values[700:]
    test[100:150] = test[100]
    scorer = build("moving_z", WINDOW, 1)
    scorer.fit_scale(fit)
    floor = score_floor("moving_z", fit, test, WINDOW, seed=1)
    scores = score_series(scorer, test, WINDOW)
    moves = np.full(len(test), np.nan)
    moves[WINDOW - 1 :] = windows(torch.from_numpy(test / fit.std()), WINDOW).var(dim=1, correction=0)[:, 0]
    np.testing.assert_allclose(scores, floor**2 * moves / (moves + STILL), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(scores[:100], floor[:100] ** 2, rtol=0.01)
    assert scores[119:150].max() < 1e-6


@pytest.mark.parametrize("name", FORECASTERS)
def test_the_last_sample_is_not_in_its_own_forecast(name: str) -> None:
    torch.manual_seed(1)
    scorer = build(name, WINDOW, 3)
    assert isinstance(scorer, Forecaster)
    z = torch.randn(4, WINDOW, 3)
    with torch.no_grad():
        forecast = scorer.output(scorer.states(z[:, :-1])[:, -1])
        for last in (z[:, -1], z[:, -1] + 100):
            moved = torch.cat([z[:, :-1], last[:, None]], dim=1)
            torch.testing.assert_close(scorer.errors(moved), (forecast - last) ** 2, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["lstm", "gru", "tcn"])
def test_states_know_only_what_was_before_them(name: str) -> None:
    """While training, each state forecasts its successor; a change must not reach any state before it."""
    torch.manual_seed(1)
    scorer = build(name, 30, 2, {"levels": 2} if name == "tcn" else {})
    assert isinstance(scorer, Forecaster)
    past = torch.randn(1, 29, 2)
    changed = past.clone()
    changed[:, 25] += 1
    with torch.no_grad():
        one, two = scorer.states(past), scorer.states(changed)
    moved = (one != two).any(dim=2)[0]
    assert not moved[: -29 + 25].any() and moved[-29 + 25], "states are counted from the end"


@pytest.mark.parametrize("taps", [2, 3, 5])
@pytest.mark.parametrize("window", [12, 30, 64])
def test_receptive_field_of_the_tcn(taps: int, window: int) -> None:
    """The score depends on every one of the `reach` samples before the last, and on none earlier."""
    torch.manual_seed(1)
    tcn = build("tcn", window, 1, {"taps": taps}).double()
    assert isinstance(tcn, Tcn)
    levels = len(tcn.blocks)
    assert tcn.reach == receptive_field(taps, levels) <= window - 1 < receptive_field(taps, levels + 1)
    z = torch.randn(64, window, 1, dtype=torch.float64, requires_grad=True)
    tcn.errors(z).sum().backward()
    assert z.grad is not None
    reached = (z.grad != 0).any(dim=0)[:, 0].tolist()
    assert reached == [i >= window - 1 - tcn.reach for i in range(window)]


def test_levels_of_the_tcn_can_be_fewer() -> None:
    tcn = build("tcn", 100, 1, {"levels": 2})
    assert isinstance(tcn, Tcn) and len(tcn.blocks) == 2 and tcn.reach == 13


@pytest.mark.parametrize("name", [*SOLVED, *FORECASTERS])
def test_scores_do_not_depend_on_the_batch(name: str) -> None:
    torch.manual_seed(1)
    scorer = solved(name, series())[0] if name in SOLVED else build(name, WINDOW, 3)
    batch = windows(torch.from_numpy(series(60, seed=5)), WINDOW)
    with torch.no_grad():
        together = scorer(batch)
        for i in (0, 7, 30):
            for whole, alone in zip(together, scorer(batch[i : i + 1]), strict=True):
                torch.testing.assert_close(whole[i : i + 1], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "score"), [("pca", 1 / LEAST_ERROR), ("kmeans", 1 / LEAST_ERROR), ("moving_z", 0)])
def test_constant_training_data(name: str, score: float) -> None:
    """What never moved is watched as closely as weights allow; for a window that stands still that is nowhere."""
    fitted = fit_entity(np.full((1200, 1), 3.0, np.float32), BLOCKS, WINDOW, name)
    assert np.ptp(fitted.held_back_scores) == 0
    moved = score_series(fitted.scorer, np.full((40, 1), 4.0, np.float32), WINDOW)[-1]
    assert moved == pytest.approx(score, rel=1e-4)


def test_a_solver_sees_windows_from_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most so many, evenly spaced, of the fit block alone."""
    seen = []
    monkeypatch.setattr(train, "SOLVER_WINDOWS", 100)
    monkeypatch.setattr("tsad_edge.models.pca.PcaSolver.fit", lambda self, z: seen.append(z))
    values = np.arange(1200, dtype=np.float32)[:, None]
    fitted = fit_entity(values, BLOCKS, WINDOW, "pca")
    raw = (seen[0][:, -1, 0] / fitted.scorer.scale + fitted.scorer.offset).round().int().tolist()
    assert raw == list(range(19, 700, 7)) and len(raw) <= 100


@pytest.mark.parametrize("name", [*SOLVED, "gru", "cnn", "tcn"])
def test_weights_fit_a_microcontroller(name: str) -> None:
    """At most 32 kB as float32, for one channel and a window of 100."""
    scorer = build(name, 100, 1)
    assert sum(tensor.numel() * 4 for tensor in scorer.state_dict().values()) <= 32 * 1024
    assert isinstance(scorer.learner(), Solver if name in SOLVED else Learner)


@pytest.mark.parametrize(
    ("name", "window", "hyper", "words"),
    [
        ("gru", 1, {}, "prepare.window is 1"),
        ("cnn", 4, {}, "prepare.window is 4; the cnn needs at least 5"),
        ("tcn", 5, {}, "prepare.window is 5; a tcn of 3 taps needs at least 6"),
        ("tcn", 50, {"taps": 1}, "train.hyper.taps is 1"),
        ("pca", 50, {"epochs": 3}, "no 'epochs' for model 'pca'; known: share, components"),
        ("moving_z", 50, {"hidden": 3}, "no 'hidden' for model 'moving_z'; known: none"),
    ],
)
def test_what_a_model_cannot_work_with(name: str, window: int, hyper: dict[str, int], words: str) -> None:
    assert name in MODELS
    with pytest.raises(ValueError, match=words):
        build(name, window, 1, hyper)
