"""Archives in TimeEval layout: made ones for the traps, the real ones for the counts."""

import dataclasses
import hashlib
import io
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tsad_edge.data.catalog import Dataset, catalog, on_request
from tsad_edge.data.mirror import fetch
from tsad_edge.data.timeeval import UnusableError, entity_names, open_archive, read_entity

SMALL = Dataset("X", "X.zip", "univariate/X", "0" * 64, 0, 1, "none", "made up")
FILES = {
    "univariate/X/a.train.csv": "timestamp,value-0,is_anomaly\n0,1,0\n1,2,0\n",
    "univariate/X/a.test.csv": "timestamp,value-0,is_anomaly\n0,1,0\n1,2,0\n2,9,1\n",
    "univariate/X/b.train.csv": "timestamp,value-0,is_anomaly\n0,1,0\n",
    "univariate/Y/c.train.csv": "timestamp,value-0,is_anomaly\n0,1,0\n",
}


@pytest.fixture(params=["zip", "tar.xz"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"X.{request.param}"
    if request.param == "zip":
        with zipfile.ZipFile(path, "w") as file:
            for name, text in FILES.items():
                file.writestr(name, text)
    else:
        with tarfile.open(path, "w:xz") as tar:
            for name, text in {**FILES, "../evil.csv": "x"}.items():
                member = tarfile.TarInfo(name)
                member.size = len(text)
                tar.addfile(member, io.BytesIO(text.encode()))
    return path


def test_read(archive: Path) -> None:
    root = open_archive(archive, SMALL)
    assert entity_names(root) == ["a", "b"]
    one = read_entity(root, "a", SMALL)
    assert one.train.values.tolist() == [[1], [2]]  # integer columns, float32 all the same
    assert one.train.values.dtype == np.float32
    assert one.train.time == "index"
    assert [(e.start, e.end) for e in one.test.events] == [(2, 3)]
    assert one.test_start == 0
    assert not (archive.parent.parent / "evil.csv").exists()
    with pytest.raises(UnusableError, match="X entity 'b' cannot be used: it has no test file"):
        read_entity(root, "b", SMALL)


@pytest.mark.parametrize("archive", ["tar.xz"], indirect=True)
def test_a_tar_is_unpacked_once(tmp_path: Path, archive: Path) -> None:
    first = open_archive(archive, SMALL)
    archive.unlink()
    assert entity_names(open_archive(archive, SMALL)) == entity_names(first)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"X.{'0' * 12}"]  # nothing half-done beside it


def test_the_test_may_begin_with_the_training_data(archive: Path) -> None:
    holds = dataclasses.replace(SMALL, test_holds_train=True)
    one = read_entity(open_archive(archive, SMALL), "a", holds)
    assert (one.test_start, len(one.test)) == (2, 3)


def test_what_the_catalog_rules_out(archive: Path) -> None:
    ruled = dataclasses.replace(SMALL, leave_out={"a": "it is odd"})
    with pytest.raises(UnusableError, match="X entity 'a' cannot be used: it is odd"):
        read_entity(open_archive(archive, SMALL), "a", ruled)


def test_damaged_or_other_archive(tmp_path: Path, archive: Path) -> None:
    with pytest.raises(ValueError, match="no series below 'univariate/Z'"):
        entity_names(open_archive(archive, dataclasses.replace(SMALL, inner="univariate/Z", sha256="1" * 64)))
    broken = tmp_path / f"broken{archive.suffix}"
    broken.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"broken.* cannot be read"):
        open_archive(broken, dataclasses.replace(SMALL, sha256="2" * 64))
    assert not list(tmp_path.glob(".X*"))


def test_catalog_is_whole() -> None:
    assert sorted(catalog()) == ["KDD-TSAD", "NAB", "NASA-MSL", "NASA-SMAP", "SKAB", "SMD"]
    assert sorted(on_request()) == ["SWaT", "WADI"]
    for name, entry in catalog().items():
        assert entry.archive.startswith(name)
        assert entry.inner in (f"univariate/{name}", f"multivariate/{name}")
        assert (entry.channels == 1) == entry.inner.startswith("univariate")
        assert len(entry.sha256) == 64
        assert entry.licence
        assert entry.source
        assert entry.entities == len(entry.names) == len(entry.tune) + len(entry.eval) + len(entry.leave_out)
    assert {name: entry.entities for name, entry in catalog().items()} == {
        "NASA-MSL": 22,
        "NASA-SMAP": 44,
        "SMD": 15,
        "KDD-TSAD": 186,
        "SKAB": 28,
        "NAB": 6,
    }
    for asked in on_request().values():
        assert asked.where.startswith("https://")
        assert asked.sampling_period == 1.0


def test_sampling_periods() -> None:
    nab = catalog()["NAB"]
    assert {nab.period_of(name) for name in nab.names} == {300.0, 1800.0, 3600.0}
    assert nab.period_of("nyc_taxi") == 1800.0
    assert catalog()["SMD"].period_of("machine-1-2") == 60.0
    assert catalog()["NASA-MSL"].period_of("C-1") is None


@pytest.mark.parametrize("name", ["NASA-MSL", "NASA-SMAP", "SKAB", "NAB"])
def test_real_archive_is_as_the_catalog_says(name: str, mirror: str, tmp_path: Path) -> None:
    entry = catalog()[name]
    path = fetch(entry.archive, mirror, tmp_path, entry.sha256)
    assert path.stat().st_size == entry.bytes
    root = open_archive(path, entry)
    names = entity_names(root)
    assert tuple(names) == entry.names
    constant = 0
    for entity in sorted(set(names) - set(entry.leave_out)):
        one = read_entity(root, entity, entry)
        assert len(one.train.channels) == entry.channels
        assert one.train.sampling_period == one.test.sampling_period == entry.period_of(entity)
        assert one.test.labels is not None
        assert one.test.events
        constant += bool(one.train.constant_channels())
    assert constant == {"NASA-MSL": 5, "NASA-SMAP": 10}.get(name, constant)


def test_real_skab_traps(mirror: str, tmp_path: Path) -> None:
    entry = catalog()["SKAB"]
    root = open_archive(fetch(entry.archive, mirror, tmp_path, entry.sha256), entry)
    for entity, why in entry.leave_out.items():
        with pytest.raises(UnusableError, match=why):
            read_entity(root, entity, entry)
    assert not (root / "anomaly-free.test.csv").is_file()
    rows = (root / "other-2.train.csv").read_text(encoding="ascii").split()[1:]
    assert (sum(r.endswith(",1") for r in rows), len(rows)) == (296, 400)


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A directory that goes at once: pytest would keep hundreds of megabytes."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.mark.parametrize("name", ["SMD", "KDD-TSAD"])
def test_real_large_archive(name: str, mirror: str, scratch: Path) -> None:
    entry = catalog()[name]
    path = fetch(entry.archive, mirror, scratch, entry.sha256)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == entry.sha256
    root = open_archive(path, entry)
    names = entity_names(root)
    assert tuple(names) == entry.names
    for entity in names[::10]:
        one = read_entity(root, entity, entry)
        assert len(one.train.channels) == entry.channels
        assert one.test_start == (len(one.train) if name == "KDD-TSAD" else 0)
        assert min(e.start for e in one.test.events) >= one.test_start
