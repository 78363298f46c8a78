"""The deep models keep what their papers promise, and do not see the sample that they forecast."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tsad_edge.models import Learner, Scorer, build, hyperparameters
from tsad_edge.models.attention import Block, positions
from tsad_edge.models.tranad import Tranad, TranadLearner
from tsad_edge.models.transformer import Transformer
from tsad_edge.models.two_phase import TwoPhaseLearner
from tsad_edge.models.usad import Usad
from tsad_edge.models.vae import Vae, VaeLearner
from tsad_edge.train import fit_entity

DEEP = ["transformer", "tranad", "vae", "usad"]
FORECASTERS = ["transformer", "tranad"]
WINDOW = 20
BLOCKS = {"kind": "blocks", "fit": [19, 700], "stop": [720, 900], "threshold": [920, 1200]}


def seeded(name: str, window: int = WINDOW, channels: int = 3, **hyper: float) -> Scorer:
    torch.manual_seed(1)
    return build(name, window, channels, hyper).eval()


def noise(batch: int = 6, window: int = WINDOW, channels: int = 3) -> Tensor:
    return torch.randn(batch, window, channels, generator=torch.Generator().manual_seed(2))


def forecasts(scorer: Scorer, past: Tensor) -> tuple[Tensor, ...]:
    """All that a forecaster says of the next sample, (B, C) each."""
    if isinstance(scorer, Tranad):
        return scorer.forecasts(past)
    assert isinstance(scorer, Transformer)
    return (scorer.output(scorer.states(past)[:, -1]),)


@pytest.mark.parametrize("name", DEEP)
def test_a_score_depends_on_its_window_alone(name: str) -> None:
    """Scored twice, or alone instead of among others: the same, but for the order of sums."""
    scorer, z = seeded(name), noise(64)
    with torch.no_grad():
        together = scorer(z)[0]
        assert torch.equal(together, scorer(z)[0])
        torch.testing.assert_close(together, torch.cat([scorer(one)[0] for one in z.split(1)]), rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(together.flip(0), scorer(z.flip(0))[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", DEEP)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_sample_and_channel_counts(name: str, channels: int) -> None:
    """No score is a constant, not of a single channel either; none is blind to a part of its window."""
    z = noise(4, channels=channels).requires_grad_()
    score = seeded(name, channels=channels)(z)[0]
    assert score.std() > 1e-2
    (gradient,) = torch.autograd.grad(score.sum(), z)
    assert (gradient.abs().amax(dim=0) > 0).all()


@pytest.mark.parametrize("name", FORECASTERS)
def test_the_newest_sample_is_not_seen(name: str) -> None:
    """The error is that of forecasts made from the past alone: exactly quadratic in the newest sample."""
    scorer, z = seeded(name), noise()
    with torch.no_grad():
        foreseen = forecasts(scorer, z[:, :-1])
        for newest in (z[:, -1], 100 * z[:, -1], foreseen[0]):
            window = torch.cat([z[:, :-1], newest[:, None]], dim=1)
            expected = sum((forecast - newest) ** 2 for forecast in foreseen) / len(foreseen)
            torch.testing.assert_close(scorer.errors(window), expected)


@pytest.mark.parametrize("newest", [1, 4, 9])
def test_attention_looks_back_only(newest: int) -> None:
    """A state depends on its own token and all before it, and on no later one."""
    torch.manual_seed(1)
    block, tokens = Block(16, 2, 32), torch.randn(1, 9, 16, requires_grad=True)
    states = block(tokens, newest)
    assert states.shape == (1, newest, 16)
    for i in range(newest):
        at = 9 - newest + i
        (gradient,) = torch.autograd.grad(states[0, i].sum(), tokens, retain_graph=True)
        assert (gradient[0, : at + 1].abs().sum(dim=1) > 0).all() and (gradient[0, at + 1 :] == 0).all()
    torch.testing.assert_close(states[:, -1:], block(tokens, 1))


def test_attention_is_torchs_own() -> None:
    """The block computes what nn.TransformerEncoderLayer does with the same weights and a causal mask."""
    torch.manual_seed(1)
    block, tokens = Block(16, 2, 32), torch.randn(3, 9, 16)
    theirs = torch.nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True, norm_first=True)
    projections = (block.query, block.key, block.value)
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(torch.cat([p.weight for p in projections]))
        theirs.self_attn.in_proj_bias.copy_(torch.cat([p.bias for p in projections]))
    for ours, other in (
        (block.join, theirs.self_attn.out_proj),
        (block.dense[0], theirs.linear1),
        (block.dense[2], theirs.linear2),
    ):
        other.load_state_dict(ours.state_dict())
    mask = torch.nn.Transformer.generate_square_subsequent_mask(9)
    torch.testing.assert_close(block(tokens, 9), theirs(tokens, src_mask=mask, is_causal=True))


def test_positions_tell_samples_apart() -> None:
    """The order of the past matters, and the code of a position is the paper's."""
    code = positions(99, 24)
    assert code.shape == (99, 24) and code.dtype == torch.float32
    assert code[7, 4].item() == pytest.approx(np.sin(7 / 10000 ** (4 / 24)), abs=1e-6)
    assert code[7, 5].item() == pytest.approx(np.cos(7 / 10000 ** (4 / 24)), abs=1e-6)
    assert torch.cdist(code, code).fill_diagonal_(1).min() > 0.1
    for name in FORECASTERS:
        scorer, past = seeded(name), noise()[:, :-1]
        swapped = torch.cat([past[:, :5].flip(1), past[:, 5:]], dim=1)
        pairs = zip(forecasts(scorer, past), forecasts(scorer, swapped), strict=True)
        assert all((a - b).abs().max() > 1e-3 for a, b in pairs)


def test_the_transformer_is_small() -> None:
    for channels in (1, 5):
        state = seeded("transformer", 100, channels).state_dict()
        assert sum(value.numel() for value in state.values()) * 4 <= 32_000


def test_tranads_focus_is_on_errors_of_the_past() -> None:
    """Phase 2 reads, for each of the newest samples, the squared error of the forecast made before that sample."""
    scorer, past = seeded("tranad", focus=4), noise()[:, :-1]
    assert isinstance(scorer, Tranad) and scorer.reach == 4
    seen: list[Tensor] = []
    scorer.focus.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    with torch.no_grad():
        scorer.forecasts(past)
        assert len(seen) == 1 and seen[0].shape == (6, 4, 3)
        for i in range(4):
            before = 19 - 4 + i  # samples of the past that this forecast may know
            tokens = scorer.tokens(past)[:, :before]  # cut off: nothing later can leak in
            foreseen = scorer.first(scorer.block(tokens, 1))[:, 0]
            torch.testing.assert_close(seen[0][:, i], (foreseen - past[:, before]) ** 2, rtol=1e-4, atol=1e-5)


def test_tranads_focus_decides() -> None:
    """Phase 2 without its focus forecasts something else; phase 1 does not care."""
    scorer, past = seeded("tranad"), noise()[:, :-1]
    assert isinstance(scorer, Tranad)
    with torch.no_grad():
        one, two = scorer.forecasts(past)
        scorer.focus.weight.zero_()
        same, other = scorer.forecasts(past)
    assert torch.equal(one, same) and (two != other).any()
    assert seeded("tranad", 8).reach == 6, "fewer samples where the window ends"  # type: ignore[attr-defined]


def test_tranad_learns_on_forecasts_alone() -> None:
    """In training, too, no error of any phase could be had from the sample it is an error of."""
    scorer = seeded("tranad", focus=5)
    assert isinstance(scorer, Tranad)
    learner = scorer.learner()
    assert isinstance(learner, TranadLearner)
    z = noise()
    with torch.no_grad():
        phases = learner.phases(z)
        one, two = scorer.forecasts(z[:, :-1])
        # Far out, an error that does not see its sample grows by exactly the sample's own square.
        far = z.clone()
        far[:, -1] += 1000
        moved = learner.phases(far)
        for before, after, forecast in zip(phases, moved, (one, None, two), strict=True):
            if forecast is not None:
                change = ((forecast - far[:, -1]) ** 2 - (forecast - z[:, -1]) ** 2).mean() / scorer.reach
                torch.testing.assert_close(after - before, change, rtol=1e-4, atol=1e-2)


def test_vae_scores_the_mean_code() -> None:
    """Nothing is drawn, and what only training needs (size of the noise, context) is no part of what is shipped."""
    vae = seeded("vae")
    assert isinstance(vae, Vae)
    z, before = noise(), torch.random.get_rng_state()
    with torch.no_grad():
        code = vae.mean(vae.encoder(z.flatten(1)))
        tail = vae.output(vae.decoder(code)).reshape(6, vae.hyper.tail, 3)
        expected = ((tail - z[:, -vae.hyper.tail :]) ** 2).mean(dim=1)
        learner = vae.learner()
        assert isinstance(learner, VaeLearner)
        torch.random.set_rng_state(before)
        torch.testing.assert_close(vae.errors(z), expected)
        learner.log_variance.weight.fill_(9.0)
        torch.testing.assert_close(vae.errors(z), expected)
    assert torch.equal(before, torch.random.get_rng_state())
    assert not {id(p) for p in learner.log_variance.parameters()} & {id(p) for p in vae.parameters()}


def test_vae_climbs_the_bound() -> None:
    """The divergence is that of torch.distributions, it is learned from, and a code of pure noise is given up."""
    vae = seeded("vae")
    assert isinstance(vae, Vae)
    learner = vae.learner()
    assert isinstance(learner, VaeLearner)
    z = noise(256)
    with torch.no_grad():
        hidden = vae.encoder(z.flatten(1))
        code = torch.distributions.Normal(vae.mean(hidden), (0.5 * learner.log_variance(hidden)).exp())
        standard = torch.distributions.Normal(0.0, 1.0)
        expected = torch.distributions.kl_divergence(code, standard).sum(dim=1).mean().item()
    assert learner.step(z)["divergence"] == pytest.approx(expected, rel=1e-4)
    losses = [learner.step(torch.randn(128, WINDOW, 3)) for _ in range(300)]
    assert losses[-1]["divergence"] < 0.5, "noise holds nothing worth a code"
    assert losses[-1]["reconstruction"] == pytest.approx(1.0, abs=0.1)


def test_usad_scores_both_autoencoders() -> None:
    z, errors = noise(), {}
    for alpha in (0.0, 0.3, 1.0):
        usad = seeded("usad", alpha=alpha)
        assert isinstance(usad, Usad)
        with torch.no_grad():
            errors[alpha] = usad.errors(z)
            rebuilt = usad.rebuild(usad.encode(z))
            again = usad.second_output(usad.second(usad.encode(rebuilt))).reshape(6, -1, 3)
    tail = z[:, -usad.hyper.tail :]
    torch.testing.assert_close(errors[1.0], ((rebuilt[:, -usad.hyper.tail :] - tail) ** 2).mean(dim=1))
    torch.testing.assert_close(errors[0.0], ((again - tail) ** 2).mean(dim=1))
    torch.testing.assert_close(errors[0.3], 0.3 * errors[1.0] + 0.7 * errors[0.0])


@pytest.mark.parametrize("name", ["usad", "tranad"])
def test_two_phases_pull_against_each_other(name: str) -> None:
    """The second net, trained alone at a large share, drives up its own error after the first; the first does not."""
    errors = {}
    for side in ("first", "second"):
        scorer = seeded(name, adversarial=0.9)
        learner = scorer.learner()
        assert isinstance(learner, TwoPhaseLearner)
        learner.steps = 100 * learner.hyper.steps
        z = torch.sin(torch.arange(WINDOW) / 3 + torch.rand(64, 1) * 6)[:, :, None] * torch.tensor([1.0, -1.0, 2.0])
        stays = learner.second_optimiser if side == "first" else learner.first_optimiser
        stays.param_groups[0]["lr"] = 0.0
        stays.param_groups[0]["weight_decay"] = 0.0
        losses = [learner.step(z) for _ in range(60)]
        errors[side] = losses[-1]["second_after_first"] / losses[0]["second_after_first"]
        assert all(np.isfinite(list(row.values())).all() for row in losses)
    assert errors["first"] < 0.7 * errors["second"]


def test_the_adversarial_share_grows_with_the_epochs() -> None:
    learner = seeded("usad", steps=2, adversarial=0.6).learner()
    assert isinstance(learner, TwoPhaseLearner)
    shares = []
    for _ in range(6):
        shares.append(learner.share())
        learner.step(noise(32))
    assert shares == pytest.approx([0, 0, 0.3, 0.3, 0.4, 0.4])


@pytest.mark.parametrize("name", DEEP)
def test_many_channels_stay_affordable(name: str) -> None:
    """Windows of 100 samples of 38 channels: no dense layer over all 3,800 values."""
    scorer = seeded(name, 100, 38)
    assert max(p.numel() for p in scorer.parameters()) <= 26_000
    assert sum(v.numel() for v in scorer.state_dict().values()) * 4 <= (250_000 if name in ("vae", "usad") else 40_000)


@pytest.mark.parametrize("name", ["usad", "tranad"])
def test_errors_of_nothing_have_a_gradient(name: str) -> None:
    """A net that is right about everything stays as it is; the logarithm of its error 0 does no harm."""
    scorer = seeded(name)
    learner = scorer.learner()
    assert isinstance(learner, TwoPhaseLearner)
    learner.steps = 100 * learner.hyper.steps
    with torch.no_grad():
        for parameter in {*learner.first, *learner.second}:
            parameter.zero_()
    assert set(learner.step(torch.zeros(8, WINDOW, 3)).values()) == {0.0}
    assert all((parameter == 0).all() for parameter in {*learner.first, *learner.second})


@pytest.mark.parametrize("name", DEEP)
def test_constant_data_is_learned_from(name: str) -> None:
    """Where errors reach 0 nothing is divided by it, and no loss is its logarithm."""
    values = np.full((1200, 1), 3.0, np.float32)
    fitted = fit_entity(values, BLOCKS, WINDOW, name, {"epochs": 12, "steps": 20})
    assert np.isfinite(fitted.held_back_scores).all() and np.ptp(fitted.held_back_scores) == 0
    assert all(np.isfinite(list(row.values())).all() for row in fitted.history)


@pytest.mark.parametrize(
    ("name", "window", "hyper", "words"),
    [
        ("transformer", 1, {}, "prepare.window is 1"),
        ("tranad", 2, {}, "prepare.window is 2"),
        ("transformer", 20, {"width": 25}, "train.hyper.width is 25; it must be even"),
        ("tranad", 20, {"width": 16, "heads": 3}, "multiple of train.hyper.heads, 3"),
        ("vae", 5, {}, "train.hyper.tail is 5"),
        ("usad", 5, {}, "train.hyper.tail is 5"),
        ("usad", 20, {"alpha": 1.5}, "train.hyper.alpha is 1.5"),
        ("usad", 20, {"adversarial": 1.0}, "train.hyper.adversarial is 1.0; it must be below 1"),
        ("tranad", 20, {"adversarial": 1.0}, "train.hyper.adversarial is 1.0; it must be below 1"),
    ],
)
def test_what_a_model_cannot_do_is_named(name: str, window: int, hyper: dict[str, float], words: str) -> None:
    hyperparameters(name, hyper)  # no fault of type or sign
    with pytest.raises(ValueError, match=words):
        build(name, window, 1, hyper).learner()


def test_learners_are_learners() -> None:
    assert all(isinstance(seeded(name).learner(), Learner) for name in DEEP)
