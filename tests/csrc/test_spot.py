"""SPOT: the C and its plain Python twin to the same bits, and whether what they say of tails is true."""

import ctypes
import math
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import genpareto

from tsad_edge.float32 import expm1, log
from tsad_edge.spot import LEAST_SHAPE, Spot, Tail, learn, thresholds
from tsad_edge.threshold import tail_of

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
FLAGS = [
    "-std=c99",
    "-O2",
    "-ffp-contract=off",
    "-fno-trapping-math",
    f"-I{ROOT / 'csrc'}",
    f"-I{ROOT / 'csrc/kernels'}",
]
FLAGS += [f"-I{HERE / 'models/m_tiny'}"]
KERNELS = [ROOT / "csrc/kernels" / name for name in ("enter.c", "reduce.c")]
SOURCES = [*(ROOT / "csrc").glob("tsad*.c"), *KERNELS, HERE / "models/m_tiny/m_tiny.c"]

TAILS = {
    "exponential": lambda rng, n: rng.exponential(size=n),
    "normal": lambda rng, n: rng.normal(size=n),
    "uniform": lambda rng, n: rng.random(n),
    "pareto": lambda rng, n: rng.random(n) ** -0.3,
    "beta": lambda rng, n: 1 - rng.random(n) ** 0.3,
}


class CTail(ctypes.Structure):
    _fields_ = [(name, ctypes.c_float) for name in ("start", "shape", "excess")] + [("gap", ctypes.c_uint32)]


class CSpot(ctypes.Structure):
    _fields_ = [("every", ctypes.c_uint32), ("risk", ctypes.c_float), ("tail", CTail)]


@pytest.fixture(scope="session")
def device(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    library = tmp_path_factory.mktemp("spot") / "spot.so"
    command = [compiler, *FLAGS, "-shared", "-fPIC", HERE / "spot_on_host.c", *SOURCES, "-o", library]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(library))


def pointer(array: NDArray[np.float32]) -> "ctypes._Pointer[ctypes.c_float]":
    return array.ctypes.data_as(ctypes.POINTER(ctypes.c_float))


def learnt(device: ctypes.CDLL, scores: NDArray[np.float32], risk: float) -> Tail | None:
    tail = CTail()
    made = device.learn(pointer(scores), len(scores), ctypes.c_float(risk), ctypes.byref(tail))
    return Tail(tail.start, tail.shape, tail.excess, tail.gap) if made else None


def on_device(device: ctypes.CDLL, spot: Spot, threshold: float, scores: NDArray[np.float32]) -> NDArray[np.float32]:
    tail = CTail(spot.tail.start, spot.tail.shape, spot.tail.excess, spot.tail.gap)
    found = np.empty_like(scores)
    config = CSpot(spot.every, spot.risk, tail)
    held = device.run(ctypes.byref(config), ctypes.c_float(threshold), pointer(scores), len(scores), pointer(found))
    assert held == 0
    return found


def same_bits(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    return np.array_equal(a.view(np.uint32), b.view(np.uint32))


def as_f32(value: float) -> float:
    return float(np.float32(value))


# ---------------------------------------------------------------- the twin

scores_of = st.lists(st.floats(width=32) | st.floats(0, 9, width=32), max_size=300).map(
    lambda x: np.array(x, np.float32)
)
risks = st.floats(1e-9, 0.009).map(as_f32)


@st.composite
def spots(draw: st.DrawFn) -> Spot:
    tail = Tail(
        draw(st.floats(-5, 5, width=32)),
        draw(st.floats(-0.25, 0.9375, width=32) | st.sampled_from([0.0, 1e-30, -1e-8]).map(as_f32)),
        draw(st.floats(2**-10, 5, width=32)),
        draw(st.integers(1, 100)),
    )
    return Spot(draw(risks), draw(st.integers(1, 9)), tail)


@given(spot=spots(), threshold=st.floats(-9, 99, width=32), scores=scores_of)
@settings(max_examples=300, deadline=None)
def test_every_threshold_is_the_twins(
    device: ctypes.CDLL, spot: Spot, threshold: float, scores: NDArray[np.float32]
) -> None:
    assert same_bits(on_device(device, spot, threshold, scores), thresholds(spot, threshold, scores))


@given(data=st.data(), risk=risks)
@settings(max_examples=200, deadline=None)
def test_every_tail_is_the_twins(device: ctypes.CDLL, data: st.DataObject, risk: float) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    n, scale = data.draw(st.integers(450, 3300)), data.draw(st.sampled_from([1e-20, 1.0, 1e30, 1e38]))
    scores = np.round(
        TAILS[data.draw(st.sampled_from(list(TAILS)))](rng, n) * scale, data.draw(st.integers(0, 8))
    )  # ties
    scores = scores[np.abs(scores) < 3e38].astype(np.float32)
    try:
        expected = learn(scores, risk)
    except ValueError:
        expected = None
    assert learnt(device, scores, risk) == expected


def test_a_million_scores_to_the_same_bits(device: ctypes.CDLL) -> None:
    """All tails in turn, with drift, refused samples, infinities and anomalies."""
    rng = np.random.default_rng(1)
    scores = np.concatenate(
        [make(rng, 200_000) * scale for make, scale in zip(TAILS.values(), (1, 2, 3, 1, 4), strict=True)]
    )
    scores[rng.choice(10**6, 3000)] = np.nan
    scores[rng.choice(10**6, 300)] = np.inf
    scores[700_000:702_000] += 50
    scores = scores.astype(np.float32)
    spot = Spot(as_f32(1e-3), 1, learn(scores[:3000][np.isfinite(scores[:3000])], 1e-3))
    found = thresholds(spot, spot.level(), scores)
    assert len(np.unique(found)) > 5000  # it really moves
    assert same_bits(on_device(device, spot, spot.level(), scores), found)


def test_logarithm_and_exponential() -> None:
    """As good as functions.h says, whose bits they have: 1 and 2 units in the last place."""
    for x in np.geomspace(1e-12, 1e12, 4001).astype(np.float32):
        assert abs(float(log(x)) - math.log(x)) <= np.spacing(np.float32(abs(math.log(x)) + 1e-9))
    for x in np.linspace(-20, 20, 4001).astype(np.float32):
        assert abs(float(expm1(x)) - math.expm1(x)) <= 2 * np.spacing(np.float32(abs(math.expm1(x)) + 1e-9))


# ---------------------------------------------------------------- soundness

# Alarms on 1,000,000 normal scores as a multiple of those wanted (1 per 1000), from a tail learnt from 20,000: least
# and most of 40 seeds, rounded away from 1. The uniform and the beta tail end sooner (shapes of -1 and -0.3) than
# the -0.25 that SPOT takes for the least: fewer alarms than wanted, for the uniform one none.
RATES = {
    "exponential": (0.6, 2.5),
    "normal": (0.5, 2.0),
    "uniform": (0.0, 0.01),
    "pareto": (0.6, 1.7),
    "beta": (0.4, 1.2),
}


@pytest.mark.parametrize("name", TAILS)
def test_the_wanted_rate_is_kept(device: ctypes.CDLL, name: str) -> None:
    least, most = RATES[name]
    rates = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        spot = Spot(as_f32(1e-3), 1, tail_of(TAILS[name](rng, 20_000), 1.0))
        scores = TAILS[name](rng, 10**6).astype(np.float32)
        rates.append(1000 * np.mean(scores > on_device(device, spot, spot.level(), scores)))
    assert least <= min(rates) and max(rates) <= most
    assert name in {"uniform", "beta"} or 0.8 <= np.mean(rates) <= 1.5


def textbook(stream: NDArray[np.float64], first: int, risk: float, memory: int | None) -> float:
    """Share of alarms by algorithm 1 of the paper, fitted to all peaks or to the newest `memory`."""

    def level() -> float:
        up = np.sort(peaks)
        n = len(up)
        mean, spread = up.mean(), ((2 * np.arange(n) + 1 - n) * up).sum() / (n * (n - 1))
        shape, scale = 2 - mean / spread, mean * (mean / spread - 1)
        per_peak = sum(gaps) / n if memory else seen / n
        return start + scale / shape * ((risk * per_peak) ** -shape - 1)

    start = np.sort(stream[:first])[-first // 50 - 1]
    at = np.flatnonzero(stream[:first] > start)
    peaks, gaps = list(stream[at] - start), list(np.diff(at, prepend=-1))
    peaks, gaps = (peaks[-memory:], gaps[-memory:]) if memory else (peaks, gaps)
    seen, since, alarms = first, 0, 0
    limit = level()
    for x in stream[first:]:
        if x > limit:
            alarms += 1
            continue
        seen, since = seen + 1, since + 1
        if x > start:
            peaks.append(x - start)
            gaps.append(since)
            since = 0
            if memory:
                del peaks[:-memory], gaps[:-memory]
            limit = level()
    return alarms / (len(stream) - first)


@pytest.mark.parametrize("name", ["exponential", "normal", "pareto"])
def test_beside_the_papers(name: str) -> None:
    """As many alarms as the paper's rule gives with its unbounded memory; which, bounded, loses its tail."""
    stream = TAILS[name](np.random.default_rng(2), 220_000)
    spot = Spot(as_f32(1e-3), 1, tail_of(stream[:20_000], 1.0))
    later = stream[20_000:].astype(np.float32)
    ours = float(np.mean(later > thresholds(spot, spot.level(), later)))
    unbounded, bounded = (textbook(stream, 20_000, 1e-3, memory) for memory in (None, 64))
    assert 0.4 <= ours / unbounded <= 1.5
    assert bounded > 10 * ours


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.2, 0.4])
def test_the_fit_beside_scipys(device: ctypes.CDLL, shape: float) -> None:
    """Shape and scale from the 64 highest of 3249 scores against scipy's maximum likelihood on the same excesses, and
    both against the truth: the bounds are three standard errors of the better one."""
    ours, theirs = [], []
    for seed in range(40):
        scores = genpareto.rvs(shape, size=3249, random_state=seed).astype(np.float32)
        tail = learnt(device, scores, 1e-4)
        assert tail is not None
        excesses = np.sort(scores.astype(np.float64))[-64:] - tail.start
        odds = 1e-4 * tail.gap
        far = (1 + 1 / odds) ** tail.shape if tail.shape else 0.0
        reach = (far - 1) / tail.shape if tail.shape else math.log(1 + 1 / odds)
        ours.append((tail.shape, tail.excess * (1 - tail.shape) / (1 - odds * reach)))
        fitted = genpareto.fit(excesses, floc=0)
        theirs.append((max(fitted[0], float(LEAST_SHAPE)), fitted[2]))
    a, b = np.array(ours), np.array(theirs)
    assert abs(a[:, 0].mean() - shape) < 0.1 and abs(a[:, 0].mean() - b[:, 0].mean()) < 0.12
    assert np.abs(a[:, 0] - b[:, 0]).mean() < 0.12
    assert np.abs(a[:, 1] / b[:, 1] - 1).mean() < 0.12


def test_scale_that_drifts_is_followed() -> None:
    """Scores that grow by half: the rate comes back to what is wanted; a constant threshold gives many times it."""
    rng = np.random.default_rng(3)
    spot = Spot(as_f32(1e-3), 1, tail_of(rng.exponential(size=20_000), 1.0))
    scores = (rng.exponential(size=400_000) * np.linspace(1, 1.5, 400_000)).astype(np.float32)
    late = scores[200_000:]
    constant = 1000 * np.mean(late > spot.level())
    followed = 1000 * np.mean((scores > thresholds(spot, spot.level(), scores))[200_000:])
    assert constant > 5 and followed < 2.5


def test_anomalies_do_not_raise_it() -> None:
    rng = np.random.default_rng(4)
    spot = Spot(as_f32(1e-3), 1, tail_of(rng.normal(size=20_000), 1.0))
    clean = rng.normal(size=50_000).astype(np.float32)
    dirty = np.insert(clean, 25_000, 10 + rng.normal(size=5000).astype(np.float32))
    a, b = (thresholds(spot, spot.level(), scores) for scores in (clean, dirty))
    assert (b[25_000:30_000] == b[25_000]).all() and same_bits(np.delete(b, range(25_000, 30_000)), a)


# ---------------------------------------------------------------- the gate bites


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("tsad_spot.c", "if (score > d->threshold)", "if (0)"),  # alarms are learnt from
        ("tsad_spot.c", "p->skip = c->every - 1u;", "p->skip = 0u;"),  # so is each of overlapping windows
        ("tsad_baseline.c", "word_at(image, last_word(m)) == crc_of(image, 4u * (size_t)last_word(m))", "1"),
        ("tsad_baseline.c", "*slot = latest == 0;", "*slot = 0;"),  # over the only image there is
        ("tsad_baseline.c", "right &= shift <= c->shift && stretch <= c->stretch;", ""),
    ],
)
def test_a_broken_one_is_found(compiler: str, tmp_path: Path, file: str, line: str, broken: str) -> None:
    """The C tests of SPOT and of baselines fail where one line is wrong."""
    text = (ROOT / "csrc" / file).read_text()
    assert text.count(line) == 1, f"{file} has no line {line!r}: mend this test"
    (tmp_path / file).write_text(text.replace(line, broken))
    sources = [tmp_path / file, *(source for source in SOURCES if source.name != file)]
    program = HERE / ("test_spot.c" if "spot" in file else "test_baseline.c")
    command = [compiler, *FLAGS, f"-I{HERE}", program, *sources, "-lm", "-o", tmp_path / "test"]
    subprocess.run(command, check=True)
    assert subprocess.run([tmp_path / "test"], capture_output=True).returncode != 0
