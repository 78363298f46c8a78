"""A baseline learnt anew through the doors on a host: _core, Detector and tsad-edge. Its limits and power cuts are
tested in test_baseline.c."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tsad_edge import Detector, _core
from tsad_edge.float32 import f32, sqrt
from tsad_edge.spot import Spot, learn

N, W, C = 500, 3, 2
OFFSET, SCALE = np.array([1, -1], np.float32), np.array([0.5, 2], np.float32)  # see m_tiny.h


def normal(seed: int, n: int = 2 * N + W - 1, shift: float = 0.0, stretch: float = 1.0) -> NDArray[np.float32]:
    """Samples that are normal for the tiny model, or moved by so many deviations."""
    noise = np.random.default_rng(seed).normal(shift, stretch, size=(n, C))
    return (OFFSET + noise / SCALE).astype(np.float32)


@pytest.fixture
def detector(built: Path) -> Detector:
    return Detector.load(built / "libm_learning.so")


def edge(built: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [built / "tsad-edge", "--model", built / "libm_learning.so", *words]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True)


def twin(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The table (2, C) that is learnt from samples (N, C), in plain float32."""
    mean, squares = np.zeros(C, f32), np.zeros(C, f32)
    for count, x in enumerate((samples - OFFSET) * SCALE, 1):
        off = x - mean
        mean = mean + off / f32(count)
        squares = squares + off * (x - mean)
    times = [sqrt(each) if each > 0 else f32(1) for each in squares / f32(len(samples))]
    return np.array([OFFSET + mean / SCALE, SCALE / np.array(times)])


@given(seed=st.integers(0, 10**6), shift=st.floats(-2.5, 2.5), stretch=st.floats(0.6, 1.8), constant=st.booleans())
@settings(max_examples=60, deadline=None)
def test_what_is_learnt_is_the_twins(built: Path, seed: int, shift: float, stretch: float, constant: bool) -> None:
    samples = normal(seed, shift=shift, stretch=stretch)
    if constant:
        samples[:, 1] = OFFSET[1] + np.float32(0.3)
    core = _core.Detector(_core.Model(str(built / "libm_learning.so")))
    core.learn(samples)
    image, slot = core.save_baseline(b"\xff" * 2 * core.baseline_size)
    assert slot == 0 and len(image) == core.baseline_size
    table = np.frombuffer(image[44:-4], "<f4").reshape(2, C)
    assert np.array_equal(table.view(np.uint32), twin(samples[:N]).view(np.uint32))
    scores = core.score(samples[N:])[W - 1 :]
    tail = learn(scores, 1e-3)
    start, shape, excess = np.frombuffer(image[28:40], "<f4").tolist()
    assert (start, shape, excess, int.from_bytes(image[40:44], "little")) == tuple(vars(tail).values())
    assert core.threshold == Spot(1e-3, 1, tail).level()


def test_a_file_keeps_two(detector: Detector, built: Path, tmp_path: Path) -> None:
    file, series = tmp_path / "plant.baseline", normal(9, 50)
    factory, before = detector.threshold, detector.score(series)
    thresholds, scores = [], []
    for seed in (1, 2, 3):
        found = detector.learn_baseline(normal(seed, shift=0.5), file)
        assert found["threshold"] == detector.threshold != factory and 0.3 < found["shift"] < 0.8
        thresholds.append(detector.threshold)
        scores.append(detector.score(series))
    other = Detector.load(built / "libm_learning.so")
    assert np.array_equal(other.score(series), before, equal_nan=True)
    other.use_baseline(file)
    assert other.threshold == thresholds[2] and np.array_equal(other.score(series), scores[2], equal_nan=True)
    other.roll_back_baseline(file)
    assert other.threshold == thresholds[1] and np.array_equal(other.score(series), scores[1], equal_nan=True)
    detector.use_baseline(file)
    assert detector.threshold == thresholds[1]
    (tmp_path / "one").write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    detector.roll_back_baseline(tmp_path / "one")
    assert detector.threshold == factory and np.array_equal(detector.score(series), before, equal_nan=True)


def test_what_cannot_be_learnt(detector: Detector, built: Path, tmp_path: Path) -> None:
    file = tmp_path / "plant.baseline"
    before = detector.threshold, detector.score(normal(1, 9)).tolist()
    for samples, words in (
        (normal(1, 2 * N), "1000 are too few; 500 give the scaler, and 502 more a threshold"),
        (normal(1, N // 2), "250 are too few"),
        (normal(1, shift=4), r"refused.*largest shift is [34]\.\d+ deviations.*allowed are.*3\.0"),
        (normal(1, stretch=3), "refused.*largest stretch 2.9|refused.*largest stretch 3.0"),
        (normal(1) * 0 + OFFSET, "refused"),
        (np.full((2 * N, C), np.nan), "too few"),
    ):
        with pytest.raises(ValueError, match=words):
            detector.learn_baseline(samples, file)
        assert not file.exists() and (detector.threshold, detector.score(normal(1, 9)).tolist())[0] == before[0]
        assert str(detector.score(normal(1, 9)).tolist()) == str(before[1])
    with pytest.raises(ValueError, match="no such baseline"):
        detector.use_baseline(file)
    with pytest.raises(RuntimeError, match="no whole image"):
        detector.roll_back_baseline(file)
    file.write_bytes(b"\xff" * 1000)
    with pytest.raises(RuntimeError, match="no whole image"):
        detector.use_baseline(file)
    with pytest.raises(ValueError, match=r"m_tiny cannot be learnt anew: train\.baseline\.samples was 0"):
        Detector.load(built / "libm_tiny.so").learn_baseline(normal(1), file)


def test_the_edge_binary_has_the_same_file(detector: Detector, built: Path, tmp_path: Path) -> None:
    csv, ours, theirs = tmp_path / "normal.csv", tmp_path / "ours", tmp_path / "theirs"
    np.savetxt(csv, normal(4, shift=1), "%.9g", ",")
    found = detector.learn_baseline(normal(4, shift=1), ours)
    told = edge(built, "--baseline", theirs, "--learn", csv)
    assert told.returncode == 0 and told.stdout.startswith(
        f"threshold {found['threshold']:.9g}, largest shift of a mean"
    )
    half = detector._detector.baseline_size
    assert theirs.read_bytes() == ours.read_bytes()[:half]  # the second slot was never written
    rows = edge(built, "--baseline", theirs, csv).stdout.splitlines()[W:]
    scores = detector.run(normal(4, shift=1)).scores[W - 1 :]
    assert [np.float32(row.split(",")[1]) for row in rows] == scores.tolist()
    assert edge(built, csv).stdout != edge(built, "--baseline", theirs, csv).stdout

    assert edge(built, "--baseline", theirs, "--learn", csv).returncode == 0
    assert theirs.stat().st_size == 2 * half
    assert edge(built, "--baseline", theirs, "--rollback").stdout == f"threshold {found['threshold']:.9g}\n"
    assert edge(built, "--baseline", ours, "--rollback").stdout == "threshold 10\n"


def test_what_the_edge_binary_says(built: Path, tmp_path: Path) -> None:
    good, short, far, empty = (tmp_path / name for name in ("good.csv", "short.csv", "far.csv", "empty"))
    np.savetxt(good, normal(4), "%.9g", ",")
    np.savetxt(short, normal(4, 600), "%.9g", ",")
    np.savetxt(far, normal(4, shift=9), "%.9g", ",")
    empty.write_bytes(b"")
    for words, code, text in (
        (["--baseline", tmp_path / "none", short], 3, "none: cannot be read: No such file or directory; --learn makes"),
        (["--baseline", empty, short], 3, "holds no whole baseline of this model, m_learning"),
        (["--baseline", empty, "--rollback"], 3, "holds no whole baseline of this model"),
        (["--baseline", empty, "--learn", short], 3, "too short: 500 complete rows give the scaler, and 502 more"),
        (["--baseline", empty, "--learn", far], 3, "refused, the baseline stays: threshold nan, largest shift"),
        (["--baseline", tmp_path / "no/where", "--learn", good], 1, "no/where: cannot be written: No such file"),
        (["--learn", short], 2, "do not go together"),
        (["--baseline", empty, "--threshold", "1", short], 2, "do not go together"),
    ):
        done = edge(built, *words)
        assert (done.returncode, text in done.stderr) == (code, True), done.stderr
    tiny = [built / "tsad-edge", "--model", built / "libm_tiny.so", "--baseline", empty, short]
    done = subprocess.run(tiny, capture_output=True, text=True)
    assert done.returncode == 4 and "m_tiny cannot be learnt anew" in done.stderr
