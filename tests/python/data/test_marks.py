"""The halves and the quick lists of the catalog are the draw it describes, and the halves have no samples in common."""

import hashlib
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tsad_edge.data import Dataset, catalog, load_meta, prepare_dataset
from tsad_edge.data.mirror import fetch
from tsad_edge.data.timeeval import open_archive, read_entity

SEED = 1
QUICK_FAMILIES = {"SMD": 3, "KDD-TSAD": 8}
QUICK_ROWS = 40_000
RUN = 16  # samples; two series that have such a run in common hold the same recording


def draw(entry: Dataset) -> tuple[list[list[str]], list[list[str]]]:
    """The two halves, each as a list of families, and these as lists of entities, all in the order of the draw."""

    def key(name: str) -> str:
        return hashlib.sha256(f"{SEED}/{entry.name}/{name}".encode()).hexdigest()

    families: dict[str, list[str]] = {}
    for entity in sorted(set(entry.names) - set(entry.leave_out), key=key):
        families.setdefault(entry.family_of(entity), []).append(entity)
    tune: list[list[str]] = []
    evaluation: list[list[str]] = []
    for family in sorted(families, key=key):
        smaller = tune if sum(map(len, tune)) <= sum(map(len, evaluation)) else evaluation
        smaller.append(families[family])
    return tune, evaluation


def flat(families: Iterable[list[str]]) -> tuple[str, ...]:
    return tuple(sorted(entity for family in families for entity in family))


@pytest.mark.parametrize("name", catalog())
def test_the_halves_are_the_draw(name: str) -> None:
    entry = catalog()[name]
    tune, evaluation = draw(entry)
    assert (entry.tune, entry.eval) == (flat(tune), flat(evaluation))
    assert abs(len(entry.tune) - len(entry.eval)) <= 2
    assert not {entry.family_of(e) for e in entry.tune} & {entry.family_of(e) for e in entry.eval}
    assert len(entry.names) == len(set(entry.tune) | set(entry.eval)) + len(entry.leave_out)


@pytest.mark.parametrize("name", catalog())
def test_quick_takes_one_entity_of_some_families_of_each_half(name: str) -> None:
    entry = catalog()[name]
    if name not in QUICK_FAMILIES:
        assert entry.quick == ()
        assert entry.marks["quick"] == entry.names
        return
    for half in (entry.tune, entry.eval):
        families = [entry.family_of(e) for e in entry.quick if e in half]
        assert len(families) == len(set(families)) == QUICK_FAMILIES[name]
    assert entry.marks["quick"] == entry.quick


def test_families_of_kdd() -> None:
    family = catalog()["KDD-TSAD"].family_of
    for entities in (
        ["015_UCR_Anomaly_DISTORTEDECG4", "096_UCR_Anomaly_NOISEECG4", "123_UCR_Anomaly_ECG4", "122_UCR_Anomaly_ECG3"],
        ["110_UCR_Anomaly_2sddb40", "001_UCR_Anomaly_DISTORTED1sddb40"],
        ["048_UCR_Anomaly_DISTORTEDTkeepFifthMARS", "160_UCR_Anomaly_TkeepThirdMARS"],
        ["178_UCR_Anomaly_ltstdbs30791AI", "072_UCR_Anomaly_DISTORTEDltstdbs30791ES"],
        ["084_UCR_Anomaly_DISTORTEDs20101mML2", "193_UCR_Anomaly_s20101m"],
        ["212_UCR_Anomaly_Italianpowerdemand", "047_UCR_Anomaly_DISTORTEDPowerDemand4"],
    ):
        assert len({family(entity) for entity in entities}) == 1
    assert family("167_UCR_Anomaly_gait1") != family("171_UCR_Anomaly_gaitHunt2")
    assert family("201_UCR_Anomaly_CHARISfive") != family("206_UCR_Anomaly_CHARISten")
    assert family("243_UCR_Anomaly_tilt12744mtable") != family("198_UCR_Anomaly_tiltAPB2")


def runs(values: NDArray[np.float32]) -> NDArray[np.uint64]:
    """A number for each run of samples (T, C) that changes with nearly every sample: equal runs, equal numbers."""
    rng, bits = np.random.default_rng(0), values.view(np.uint32).astype(np.uint64)
    rows = (bits * rng.integers(1, 2**62, bits.shape[1], dtype=np.uint64)).sum(axis=1, dtype=np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(rows ^ (rows >> np.uint64(31)), RUN)
    numbers = np.zeros(len(windows), np.uint64)
    for column, weight in zip(windows.T, rng.integers(1, 2**62, RUN, dtype=np.uint64), strict=True):
        numbers += column * weight
    moving = np.lib.stride_tricks.sliding_window_view(np.diff(rows) != 0, RUN - 1).sum(axis=1) >= 12
    return np.unique(numbers[moving])


def test_runs_tell_a_shared_stretch() -> None:
    values = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    assert len(np.intersect1d(runs(values[:200]), runs(values[150:]))) == 50 - RUN + 1
    assert not len(np.intersect1d(runs(values[:150]), runs(values[150:])))
    assert not len(runs(np.ones((300, 2), np.float32)))


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in QUICK_FAMILIES else []) for name in catalog()],
)
def test_real_halves_share_no_samples_and_quick_is_the_draw(name: str, mirror: str) -> None:
    entry = catalog()[name]
    with tempfile.TemporaryDirectory() as scratch:  # pytest would keep hundreds of megabytes
        root = open_archive(fetch(entry.archive, mirror, scratch, entry.sha256), entry)
        rows, seen = {}, {}
        for entity in (*entry.tune, *entry.eval):
            one = read_entity(root, entity, entry)
            rows[entity] = len(one.test)
            parts = [one.test.values] if entry.test_holds_train else [one.train.values, one.test.values]
            seen[entity] = np.unique(np.concatenate([runs(values) for values in parts]))
    tuned = np.unique(np.concatenate([seen[entity] for entity in entry.tune]))
    shares = {e: len(np.intersect1d(seen[e], tuned, assume_unique=True)) / max(len(seen[e]), 1) for e in entry.eval}
    assert max(shares.values()) < 0.01, max(shares, key=shares.__getitem__)
    if entry.quick:
        quick: list[str] = []
        for half in draw(entry):
            short = [[entity for entity in family if rows[entity] <= QUICK_ROWS] for family in half]
            quick += [family[0] for family in short if family][: QUICK_FAMILIES[name]]
        assert entry.quick == tuple(sorted(quick))


def test_real_quick_run(mirror: str, tmp_path: Path, csv_files) -> None:  # type: ignore[no-untyped-def]
    values = tmp_path / "values"
    prepare_dataset(
        "SMD",
        entities="quick",
        window=100,
        mirror=mirror,
        csv=csv_files(),
        seed=1,
        values_dir=values,
        labels_dir=tmp_path / "labels",
        cache_dir=tmp_path / "cache",
    )
    assert tuple(sorted(path.name for path in values.iterdir())) == catalog()["SMD"].quick
    assert load_meta(values, "machine-1-8").family == "machine-1-8"
