"""Every row of the model table keeps the promises of `Scorer`, and its graph.pt2 is the same bytes everywhere."""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tsad_edge
from tsad_edge import codegen
from tsad_edge.models import MODELS, build, export, hyperparameters
from tsad_edge.models.gan import Gan

NAMES = sorted(MODELS)

# What the compiler promises to know of a model's graph.
OPERATORS = {
    "abs.default",
    "add.Tensor",
    "amax.default",
    "cat.default",
    "conv1d.default",
    "div.Tensor",
    "exp.default",
    "flatten.using_ints",
    "ge.Tensor",
    "gru.input",
    "layer_norm.default",
    "leaky_relu.default",
    "linear.default",
    "lstm.input",
    "max_pool1d.default",
    "mean.dim",
    "mul.Tensor",
    "neg.default",
    "ones.default",  # a mask, which torch works out before the compiler sees it
    "permute.default",
    "relu.default",
    "reshape.default",
    "scaled_dot_product_attention.default",
    "select.int",
    "sigmoid.default",
    "slice.Tensor",
    "squeeze.dim",
    "sub.Tensor",
    "sum.dim_IntList",
    "tril.default",
    "sym_size.int",
    "tanh.default",
    "transpose.int",
    "unsqueeze.default",
    "view.default",
    "zeros.default",
}


@pytest.mark.parametrize("name", NAMES)
@given(window=st.integers(8, 40), channels=st.integers(1, 6), batch=st.integers(1, 4), seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_shapes_signs_and_mean(name: str, window: int, channels: int, batch: int, seed: int) -> None:
    torch.manual_seed(seed)
    scorer = build(name, window, channels)
    with torch.no_grad():
        score, parts = scorer(torch.randn(batch, window, channels))
    assert score.shape == (batch,) and parts.shape == (batch, channels)
    assert (parts >= 0).all()
    torch.testing.assert_close(score, parts.mean(dim=1))


@pytest.mark.parametrize("name", NAMES)
def test_raw_units_do_not_matter(name: str) -> None:
    """The same process measured in other units gives the same scores."""
    rng = np.random.default_rng(1)
    values = rng.standard_normal((200, 3)).astype(np.float32)
    units = np.array([1000.0, 1.0, 0.001], np.float32)
    torch.manual_seed(1)
    scorer = build(name, 10, 3)
    scores = []
    for factor in (np.ones(3, np.float32), units):
        scorer.fit_scale(values * factor + 5 * factor)
        with torch.no_grad():
            scores.append(scorer(torch.from_numpy((values[:10] * factor + 5 * factor)[None]))[0])
    torch.testing.assert_close(*scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_constant_channels_stay_finite(name: str) -> None:
    values = np.zeros((100, 4), np.float32)
    values[:, 0] = np.sin(np.arange(100))
    values[:, 2] = 1e6
    values[:, 3] = 1e6 + np.arange(100) % 2 * 0.0625  # one step of float32: noise
    scorer = build(name, 10, 4)
    scorer.fit_scale(values)
    assert scorer.scale[1:].tolist() == [1, 1, 1]
    scorer.fit_weight(torch.tensor([0.5, 0.0, 1e-30, 0.0]))
    assert scorer.weight.tolist() == pytest.approx([2, 1000, 1000, 1000])
    with torch.no_grad():
        assert torch.isfinite(scorer(torch.from_numpy(values[None, :10]))[0]).all()


def test_gan_scores_its_tail_and_ships_only_that() -> None:
    torch.manual_seed(1)
    gan = build("gan", 50, 5)
    assert isinstance(gan, Gan) and gan.output.out_features == gan.hyper.tail * 5
    assert sum(p.numel() for p in gan.parameters()) * 4 <= 60_000
    z = torch.randn(2, 50, 5)
    tail = gan.output(gan.features(z)).reshape(2, gan.hyper.tail, 5)
    torch.testing.assert_close(gan.errors(z), ((tail - z[:, -gan.hyper.tail :]) ** 2).mean(dim=1))


def test_gan_trains_two_networks_apart() -> None:
    """A step moves both networks, and the discriminator learns to tell noise from its flat reconstruction."""
    torch.manual_seed(1)
    gan = build("gan", 10, 2)
    learner = gan.learner()
    before = [p.clone() for p in [*gan.parameters(), *learner.judge_parameters]]  # type: ignore[attr-defined]
    losses = [learner.step(torch.randn(64, 10, 2)) for _ in range(60)]
    after = [*gan.parameters(), *learner.judge_parameters]  # type: ignore[attr-defined]
    assert all((a != b).any() for a, b in zip(before, after, strict=True))
    assert losses[-1]["discriminator"] < 0.5 * losses[0]["discriminator"]
    shipped = {id(p) for p in gan.parameters()}
    assert not any(id(p) in shipped for p in learner.judge_parameters)  # type: ignore[attr-defined]


def test_gan_corrupts_one_stretch_of_one_channel() -> None:
    torch.manual_seed(1)
    learner = build("gan", 20, 3, {"corrupted": 1.0}).learner()
    z = torch.randn(200, 20, 3)
    changed = learner.corrupt(z) != z  # type: ignore[attr-defined]
    assert (changed.any(dim=1).sum(dim=1) <= 1).all(), "more than one channel"
    flips = (changed.any(dim=2).int().diff(dim=1) != 0).sum(dim=1)
    assert (flips <= 2).all(), "more than one stretch"
    assert changed.any(dim=2).any(dim=1).float().mean() > 0.8


@pytest.mark.parametrize(
    ("name", "hyper", "words"),
    [
        ("rnn", {}, "known models: gan, lstm"),
        ("gan", {"depth": 3}, "no 'depth'"),
        ("gan", {"hidden": 0}, "train.hyper.hidden is 0"),
        ("gan", {"hidden": 2.5}, "train.hyper.hidden is 2.5"),
        ("lstm", {"learning_rate": float("nan")}, "train.hyper.learning_rate is nan"),
        ("lstm", {"epochs": True}, "train.hyper.epochs is True"),
    ],
)
def test_wrong_hyperparameters_are_named(name: str, hyper: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        hyperparameters(name, hyper)


def test_windows_a_model_cannot_use() -> None:
    with pytest.raises(ValueError, match="train.hyper.tail is 3"):
        build("gan", 3, 1)
    with pytest.raises(ValueError, match="prepare.window is 1"):
        build("lstm", 1, 1)


@pytest.mark.parametrize("name", NAMES)
def test_graph_has_a_symbolic_batch_and_known_operators(name: str, tmp_path: Path) -> None:
    scorer = build(name, 12, 3)
    export.save(scorer, tmp_path / "graph.pt2")
    program = torch.export.load(tmp_path / "graph.pt2")
    assert program.graph_signature.user_inputs == ("window",)
    used = {str(n.target).removeprefix("aten.") for n in program.graph.nodes if n.op == "call_function"}
    assert used - {"<built-in function getitem>"} <= OPERATORS
    for batch in (1, 2, 7):
        window = torch.randn(batch, 12, 3)
        with torch.no_grad():
            for ours, theirs in zip(scorer(window), program.module()(window), strict=True):
                torch.testing.assert_close(ours, theirs)
    assert [path.name for path in tmp_path.iterdir()] == ["graph.pt2"], "the temporary file is gone"


def test_training_mode_is_forced_off() -> None:
    scorer = build("gan", 10, 2)
    scorer.train()
    export.export(scorer)
    assert not scorer.training
    scorer.decoder.eval = scorer.decoder.train = lambda mode=True: scorer.decoder  # type: ignore[method-assign,assignment,misc]
    scorer.decoder.training = True
    with pytest.raises(ValueError, match="Gan.decoder is still in training mode"):
        export.export(scorer)


WRITER = """
import sys, torch
from tsad_edge.models import MODELS, build, export
for name in MODELS:
    torch.manual_seed(1)
    export.save(build(name, 12, 3), f"{sys.argv[1]}/{name}.pt2")
print(export.__file__)
"""


@pytest.mark.slow
def test_bytes_do_not_depend_on_process_or_place(tmp_path: Path) -> None:
    """Two copies of the package at different paths, two processes, two file names' directories: the same bytes."""
    package, compiler = Path(tsad_edge.__file__).parent, Path(codegen.__file__).parent
    digests = []
    for place in ("here", "some/where/else"):
        home = tmp_path / place
        for part in ("__init__.py", "files.py", "data", "models"):
            source, target = package / part, home / "tsad_edge" / part
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
        shutil.copytree(compiler, home / "tsad_edge" / "codegen")
        # -S: without the .pth files of an editable install, which come before any path.
        path = os.pathsep.join([str(home), sysconfig.get_path("purelib")])
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": str(len(place))}
        done = subprocess.run(
            [sys.executable, "-S", "-c", WRITER, str(home)], env=environment, cwd=home, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(str(home)), "the copy was imported"
        digests.append([hashlib.sha256((home / f"{name}.pt2").read_bytes()).hexdigest() for name in NAMES])
        assert not any(str(tmp_path).encode() in (home / f"{name}.pt2").read_bytes() for name in NAMES)
    assert digests[0] == digests[1]
    program = torch.export.load(tmp_path / "here/gan.pt2")
    traces = [node.meta["stack_trace"] for node in program.graph.nodes if "stack_trace" in node.meta]
    assert any('File "tsad_edge/models/base.py"' in trace for trace in traces)
    assert not any('File "/' in trace for trace in traces)
