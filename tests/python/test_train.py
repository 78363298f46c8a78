"""Training: reproducible, on its own blocks only, and better than not training."""

import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from tsad_edge import train
from tsad_edge.models import MODELS, Hyper, build
from tsad_edge.scoring import one_thread, score_series
from tsad_edge.train import PASSES, Fitted, entity_seed, fit_entity, untrained

NAMES = sorted(MODELS)
STEPPED = [name for name in NAMES if issubclass(MODELS[name].hyper, Hyper)]  # the others are fitted at one go
EXACT = {"pca", "moving_z"}  # no draw decides anything
WINDOW = 20
BLOCKS = {"kind": "blocks", "fit": [19, 700], "stop": [720, 900], "threshold": [920, 1200]}
FOLDS = {"kind": "folds", "folds": [[19, 300], [320, 600]]}
QUICK = {"epochs": 4, "steps": 10}


def quick(name: str, epochs: int = 4) -> dict[str, int]:
    """A short training, of a model that is trained by epochs."""
    return {**QUICK, "epochs": epochs} if name in STEPPED else {}


def series(seed: int = 1, rows: int = 1200) -> np.ndarray:
    """Two coupled waves, a constant channel, a little noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(rows)
    clean = np.stack([np.sin(t / 4), np.sin(t / 4) * 30 + np.cos(t / 9) * 9, np.full(rows, 7.0)], axis=1)
    noise = rng.standard_normal(clean.shape) * [0.02, 0.5, 0.0]
    return (clean + noise).astype(np.float32)


def same(a: Fitted, b: Fitted) -> bool:
    states = zip(a.scorer.state_dict().values(), b.scorer.state_dict().values(), strict=True)
    return (
        all(torch.equal(x, y) for x, y in states)
        and a.history == b.history
        and a.held_back_scores.tobytes() == b.held_back_scores.tobytes()
        and a.held_back_reference.tobytes() == b.held_back_reference.tobytes()
    )


@pytest.mark.parametrize("name", NAMES)
def test_bit_for_bit(name: str) -> None:
    """Same seed: same bits, whatever ran before; another seed: others, where draws decide. The caller's state stays."""
    threads = torch.get_num_threads()
    first = fit_entity(series(), BLOCKS, WINDOW, name, quick(name), seed=5)
    torch.manual_seed(99)
    state = torch.random.get_rng_state()
    second = fit_entity(series(), BLOCKS, WINDOW, name, quick(name), seed=5)
    assert same(first, second)
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.get_num_threads() == threads and not torch.are_deterministic_algorithms_enabled()
    assert same(first, fit_entity(series(), BLOCKS, WINDOW, name, quick(name), seed=6)) == (name in EXACT)


@pytest.mark.parametrize("name", STEPPED)
def test_an_untrained_net_is_scaled_and_weighed_but_has_learned_nothing(name: str) -> None:
    fit_on, state = series()[:700], torch.random.get_rng_state()
    net, again = (untrained(name, QUICK, fit_on, WINDOW, seed=3) for _ in range(2))
    assert torch.equal(state, torch.random.get_rng_state())
    trained = fit_entity(series(), BLOCKS, WINDOW, name, QUICK, seed=3).scorer
    for key, value in net.state_dict().items():
        assert torch.equal(value, again.state_dict()[key])
    assert torch.equal(net.offset, trained.offset) and torch.equal(net.scale, trained.scale)
    scores = score_series(net, fit_on, WINDOW)[WINDOW - 1 :]
    assert scores.mean() == pytest.approx(1, rel=0.4)  # parts near 1 on normal data; the constant channel gives less
    drawn = untrained(name, QUICK, fit_on, WINDOW, seed=4)
    assert not np.array_equal(score_series(drawn, fit_on, WINDOW)[WINDOW - 1 :], scores)


@pytest.mark.parametrize("name", NAMES)
def test_each_block_has_one_use(name: str) -> None:
    """What is outside `fit` and `stop` moves no weight; what is outside `threshold` is no held-back score."""
    one, other = series(), series()
    other[901:] += 1
    a, b = (fit_entity(values, BLOCKS, WINDOW, name, quick(name)) for values in (one, other))
    for x, y in zip(a.scorer.state_dict().values(), b.scorer.state_dict().values(), strict=True):
        assert torch.equal(x, y)
    assert not np.array_equal(a.held_back_scores, b.held_back_scores)
    assert np.array_equal(a.fit, one[:700]) and np.array_equal(a.held_back, one[901:])
    assert len(a.held_back_scores) == len(a.held_back_reference) == 1200 - 920
    with one_thread():
        again = score_series(a.scorer, a.held_back, WINDOW)[WINDOW - 1 :]
    assert np.array_equal(again.astype(np.float32), a.held_back_scores)


@pytest.mark.parametrize("name", STEPPED)
def test_learns(name: str) -> None:
    """Trained weights predict the stop block far better than fresh ones, and a fault stands out."""
    fitted = fit_entity(series(), BLOCKS, WINDOW, name)
    stops = [row["stop"] for row in fitted.history]
    assert min(stops) < 0.3 * stops[0]
    faulty = series(seed=2)
    faulty[600:620, 1] = faulty[580:600, 1][::-1]
    scores = score_series(fitted.scorer, faulty, WINDOW)
    assert scores[600:620].max() > 2 * fitted.held_back_scores.max()
    assert 0.3 < np.median(fitted.held_back_scores) * 3 / 2 < 3, "two moving channels of three, near 1 each"


def test_best_weights_come_back() -> None:
    """With a rate that wrecks the net, the weights kept are those of the best epoch, and training ends early."""
    hyper = {"learning_rate": 0.3, "patience": 3, "epochs": 40, "steps": 10}
    fitted = fit_entity(series(), BLOCKS, WINDOW, "lstm", hyper)
    stops = [row["stop"] for row in fitted.history]
    assert len(stops) < 40 and len(stops) - 1 - int(np.argmin(stops)) == 3
    values = series()[701:900]
    with torch.no_grad():
        z = torch.from_numpy((values - fitted.scorer.offset.numpy()) * fitted.scorer.scale.numpy())
        now = fitted.scorer.errors(z.unfold(0, WINDOW, 1).transpose(1, 2)).mean().item()
    assert now == pytest.approx(min(stops), rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_folds(name: str) -> None:
    values = series(rows=600)
    fitted = fit_entity(values, FOLDS, WINDOW, name, quick(name))
    assert len(fitted.held_back_scores) == (300 - 19) + (600 - 320)
    assert len(fitted.history) == quick(name).get("epochs", 1) and "stop" not in fitted.history[0]
    assert np.array_equal(fitted.fit, values)
    # The first half's scores come from a model that never saw it.
    other = values.copy()
    other[:300] = other[:300][::-1]
    changed = fit_entity(other, FOLDS, WINDOW, name, quick(name))
    own = score_series(fitted.scorer, values[:300], WINDOW)[WINDOW - 1 :]
    assert not np.array_equal(own.astype(np.float32), fitted.held_back_scores[: 300 - 19])
    assert not np.array_equal(changed.held_back_scores[300 - 19 :], fitted.held_back_scores[300 - 19 :])


def test_a_short_fold_is_not_shown_more_often_than_passes_allow() -> None:
    """The final model sees 581 windows: at 128 a batch, 4 passes are 19 batches, not the 30 that the model asks for."""
    fitted = fit_entity(series(rows=600), FOLDS, WINDOW, "gan", {"epochs": 1})
    assert fitted.scorer.hyper.steps == -(-PASSES * (600 - WINDOW + 1) // 128) == 19
    few = fit_entity(series(rows=600), FOLDS, WINDOW, "gan", {"epochs": 1, "steps": 2})
    assert few.scorer.hyper.steps == 2


def test_constant_series() -> None:
    fitted = fit_entity(np.full((1200, 1), 3.0, np.float32), BLOCKS, WINDOW, "gan", QUICK)
    assert np.isfinite(fitted.held_back_scores).all()
    assert np.ptp(fitted.held_back_scores) == 0


def test_a_call_can_be_sent_to_another_process() -> None:
    fitted = fit_entity(series(), BLOCKS, WINDOW, "gan", QUICK)
    assert same(fitted, pickle.loads(pickle.dumps(fitted)))


def test_entity_seed_is_the_same_in_every_process() -> None:
    code = "from tsad_edge.train import entity_seed; print(entity_seed(1, 'C-1'))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(run.stdout) == entity_seed(1, "C-1")
    assert len({entity_seed(s, e) for s in (1, 2) for e in ("C-1", "C-2")}) == 4
    assert entity_seed(1, "C-1") < 2**63 - 2


def test_training_runs_on_one_thread_with_deterministic_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def spy(*_: object) -> None:
        seen.append((torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()))
        raise InterruptedError

    monkeypatch.setattr(train, "_fit", spy)
    with pytest.raises(InterruptedError):
        fit_entity(series(), BLOCKS, WINDOW, "gan", QUICK)
    assert seen == [(1, True)] and not torch.are_deterministic_algorithms_enabled()


def test_training_that_diverges_is_an_error() -> None:
    with pytest.raises(ValueError, match="training diverged: .* lower train.hyper.learning_rate"):
        fit_entity(series(), BLOCKS, WINDOW, "gan", {"learning_rate": 1e30, "epochs": 2, "steps": 10})


@pytest.mark.parametrize("name", NAMES)
def test_scale_and_weights_come_from_the_fit_block(name: str) -> None:
    """A stop block of another offset and loudness may end training elsewhere, but is not what scores are scaled by."""
    one, other = series(), series()
    other[701:900] = 3 * other[701:900] + 5
    a, b = (fit_entity(values, BLOCKS, WINDOW, name, quick(name, epochs=1)) for values in (one, other))
    assert torch.equal(a.scorer.offset, b.scorer.offset) and torch.equal(a.scorer.scale, b.scorer.scale)
    assert torch.equal(a.scorer.weight, b.scorer.weight), "one epoch: the same weights are kept"


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ({**BLOCKS, "fit": [18, 700]}, r"split.fit is \[18, 700\].*at 19 or later"),
        ({**BLOCKS, "stop": [715, 900]}, r"split.stop is \[715, 900\].*at 719 or later"),
        ({**BLOCKS, "threshold": [920, 1201]}, r"split.threshold .*end by 1200"),
        ({"kind": "folds", "folds": [[19, 300], [310, 600]]}, r"split.folds\[1\]"),
        ({"kind": "random"}, "split.kind is 'random'"),
    ],
)
def test_a_split_that_mixes_its_parts(split: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fit_entity(series(), split, WINDOW, "gan")


def test_nan_in_training() -> None:
    values = series()
    values[40, 1] = np.nan
    with pytest.raises(ValueError, match="sample 40, channel 1 is nan"):
        fit_entity(values, BLOCKS, WINDOW, "gan")


def test_fresh_weights_for_each_entity() -> None:
    """Training a first entity changes nothing about the second."""
    alone = fit_entity(series(3), BLOCKS, WINDOW, "gan", QUICK, entity_seed(1, "b"))
    fit_entity(series(4), BLOCKS, WINDOW, "gan", QUICK, entity_seed(1, "a"))
    assert same(alone, fit_entity(series(3), BLOCKS, WINDOW, "gan", QUICK, entity_seed(1, "b")))
    assert build("gan", 20, 3).hyper == build("gan", 20, 3, {}).hyper
