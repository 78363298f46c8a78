"""The stage itself: what it writes, what it leaves out, and that labels change no value."""

import hashlib
import importlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsad_edge.data import Blocks, Dataset, Folds, entities, load_labels, load_meta, load_values, prepare_dataset


@pytest.fixture
def prepare(tmp_path: Path, csv_files) -> Callable[..., tuple[str, ...]]:  # type: ignore[no-untyped-def]
    def run(dataset: str, **changes: Any) -> tuple[str, ...]:
        arguments: dict[str, Any] = {"entities": "all", "window": 50, "mirror": None, "csv": csv_files(), "seed": 1}
        for name in ("values", "labels", "cache"):
            arguments[f"{name}_dir"] = tmp_path / "data" / name
        return prepare_dataset(dataset, **arguments | changes)

    return run


def digest(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_pump(prepare: Callable[..., tuple[str, ...]], tmp_path: Path) -> None:
    values, labels = tmp_path / "data" / "values", tmp_path / "data" / "labels"
    assert prepare("pump") == ()
    assert entities(values) == ["pump-1", "pump-2", "pump-3"]
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == ["labels", "values"]
    assert sorted(p.name for p in (values / "pump-1").iterdir()) == ["meta.json", "test.npz", "train.npz"]
    meta = load_meta(values, "pump-1")
    assert meta.channels[0] == "speed"
    assert (meta.window, meta.sampling_period, meta.time, meta.test_start) == (50, 1.0, "milliseconds", 0)
    assert meta.family == "pump-1"
    assert meta.split == Blocks((49, 3561), (3611, 4488), (4538, 6000))
    tree = json.loads((values / "pump-1" / "meta.json").read_text())
    assert tree["split"] == {"kind": "blocks", "fit": [49, 3561], "stop": [3611, 4488], "threshold": [4538, 6000]}
    assert tree["schema"] == 1
    test = load_values(values, "pump-1", "test")
    assert (str(test.values.dtype), str(test.t.dtype), test.labels) == ("float32", "int64", None)
    known = load_labels(labels, "pump-1")
    assert known is not None
    assert len(known.events) == 12
    assert known.labels.sum() == sum(e.end - e.start for e in known.events)


def test_same_bytes_again_and_nothing_stale(prepare: Callable[..., tuple[str, ...]], tmp_path: Path) -> None:
    prepare("pump")
    first = digest(tmp_path)
    prepare("pump")
    assert digest(tmp_path) == first
    prepare("pump", entities=["pump-2"])
    assert digest(tmp_path) == {name: sha for name, sha in first.items() if "pump-2" in name}


def test_an_error_leaves_all_as_it_was(prepare: Callable[..., tuple[str, ...]], tmp_path: Path) -> None:
    prepare("pump", entities=["pump-1"])
    first = digest(tmp_path)
    with pytest.raises(ValueError, match="no entity is usable with window 5000"):
        prepare("pump", window=5000)
    with pytest.raises(ValueError, match="pump-1: 6000 training rows are too few for window 5000: at least 20000"):
        prepare("pump", window=5000, entities=["pump-1"])
    assert digest(tmp_path) == first
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == ["labels", "values"]


def test_labels_change_no_value(prepare: Callable[..., tuple[str, ...]], tmp_path: Path, csv_files) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(0)
    seen = []
    for _ in range(2):
        rows = "".join(f"{i},{int(rng.random() < 0.3)}\n" for i in range(500))
        (tmp_path / "plant.csv").write_text("flow,is_anomaly\n" + rows)
        prepare("own", csv=csv_files(str(tmp_path / "plant.csv")))
        seen.append((digest(tmp_path / "data" / "values"), digest(tmp_path / "data" / "labels")))
    assert seen[0][0] == seen[1][0]
    assert seen[0][1] != seen[1][1]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], str]:
    """Make an archive of five short series whose labels come from a seed, known as data set X; returns its mirror."""

    def make(seed: int) -> str:
        rng, mirror = np.random.default_rng(seed), tmp_path / f"mirror-{seed}"
        mirror.mkdir()
        with zipfile.ZipFile(mirror / "X.zip", "w") as file:
            for entity, (name, rows) in enumerate([("1a1", 400), ("2a1", 400), ("3a2", 400), ("4b", 400), ("5b", 30)]):
                for part in ("train", "test"):
                    values = np.random.default_rng([entity, len(part)]).normal(size=rows)
                    lines = [f"{i},{x:.6f},{int(rng.random() < 0.3)}\n" for i, x in enumerate(values)]
                    file.writestr(f"univariate/X/{name}.{part}.csv", "timestamp,value-0,is_anomaly\n" + "".join(lines))
        entry = Dataset(
            "X",
            "X.zip",
            "univariate/X",
            hashlib.sha256((mirror / "X.zip").read_bytes()).hexdigest(),
            (mirror / "X.zip").stat().st_size,
            1,
            "none",
            "made up",
            tune=("1a1", "2a1"),
            eval=("3a2", "4b", "5b"),
            family=r"\d(a)",
            same={"4b": "5b"},
            sampling_period={"4b": 5.0},
        )
        monkeypatch.setattr(importlib.import_module("tsad_edge.data.prepare"), "catalog", lambda: {"X": entry})
        return str(mirror)

    return make


def test_labels_of_an_archive_change_no_value(
    prepare: Callable[..., tuple[str, ...]], made: Callable[[int], str], tmp_path: Path
) -> None:
    seen = []
    for seed in (1, 2):
        prepare("X", mirror=made(seed))
        seen.append((digest(tmp_path / "data" / "values"), digest(tmp_path / "data" / "labels")))
    assert len(seen[0][0]) == 12
    assert seen[0][0] == seen[1][0]
    assert all(seen[0][1][file] != sha for file, sha in seen[1][1].items())


def test_marks_choose_entities(
    prepare: Callable[..., tuple[str, ...]], made: Callable[[int], str], tmp_path: Path
) -> None:
    mirror, values = made(1), tmp_path / "data" / "values"
    left_out = "left out: 5b: 30 training rows are too few"
    for chosen, expected in [
        ("tune", ["1a1", "2a1"]),
        ("eval", ["3a2", "4b"]),
        ("quick", ["1a1", "2a1", "3a2", "4b"]),  # there is no list: all
        ("all", ["1a1", "2a1", "3a2", "4b"]),
        ("4b", ["4b"]),
        (["4b", "1a1"], ["1a1", "4b"]),
    ]:
        notes = prepare("X", mirror=mirror, entities=chosen)
        assert entities(values) == expected
        assert [note[: len(left_out)] for note in notes] == [left_out] * (chosen in ("eval", "quick", "all"))
    prepare("X", mirror=mirror)
    assert [load_meta(values, name).family for name in entities(values)] == ["a", "a", "a", "5b"]
    assert [load_meta(values, name).sampling_period for name in entities(values)] == [None, None, None, 5.0]
    with pytest.raises(
        ValueError, match=r"no 'half'; write all, tune, eval, quick, or a list of names from 1a1, 2a1, 3"
    ):
        prepare("X", mirror=mirror, entities="half")
    with pytest.raises(ValueError, match="has no 'tune'; write"):
        prepare("X", mirror=mirror, entities=["tune"])
    with pytest.raises(ValueError, match="5b: 30 training rows are too few"):
        prepare("X", mirror=mirror, entities=["5b"])


def test_own_without_labels_and_with_a_constant_channel(  # type: ignore[no-untyped-def]
    prepare: Callable[..., tuple[str, ...]], tmp_path: Path, csv_files
) -> None:
    (tmp_path / "plant.csv").write_text("flow,valve\n" + "".join(f"{i},1\n" for i in range(500)))
    assert prepare("own", csv=csv_files(str(tmp_path / "plant.csv"))) == ("plant: constant in training: valve",)
    assert load_labels(tmp_path / "data" / "labels", "plant") is None
    assert isinstance(load_meta(tmp_path / "data" / "values", "plant").split, Folds)


def test_refusals(prepare: Callable[..., tuple[str, ...]], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"prepare.dataset is 'pumps'; known are pump, own, NASA-MSL"):
        prepare("pumps")
    with pytest.raises(
        ValueError, match="data set 'pump' has no 'pump-7'; write all, or a list of names from pump-1, pu"
    ):
        prepare("pump", entities=["pump-1", "pump-7"])
    with pytest.raises(ValueError, match=r"prepare.entities is empty; write all, or a list of names"):
        prepare("pump", entities=[])
    with pytest.raises(ValueError, match=r"data set 'pump' has no 'tune'; write all, or a list of names from pump-1"):
        prepare("pump", entities="tune")
    with pytest.raises(ValueError, match=r"meta.json: not found; run `tsad prepare` first"):
        load_meta(tmp_path, "pump-1")
    with pytest.raises(ValueError, match=r"pump-1.json: not found; run `tsad prepare` first"):
        load_labels(tmp_path, "pump-1")


def test_real_msl(prepare: Callable[..., tuple[str, ...]], tmp_path: Path, mirror: str) -> None:
    notes = prepare("NASA-MSL", mirror=mirror, window=100)
    values = tmp_path / "data" / "values"
    assert len(entities(values)) == 22
    assert len(notes) == 5
    assert all("constant in training: value-0" in note for note in notes)
    assert sum(len(load_values(values, e, "train")) for e in entities(values)) == 46425
    assert sum(len(load_values(values, e, "test")) for e in entities(values)) == 62318
    known = [load_labels(tmp_path / "data" / "labels", e) for e in entities(values)]
    assert sum(int(k.labels.sum()) for k in known if k) == 5467


def test_real_skab_leaves_two_out(prepare: Callable[..., tuple[str, ...]], tmp_path: Path, mirror: str) -> None:
    notes = [note for note in prepare("SKAB", mirror=mirror, window=100) if note.startswith("left out")]
    assert len(notes) == 2
    assert "anomaly-free" in notes[0]
    assert len(entities(tmp_path / "data" / "values")) == 26
    with pytest.raises(ValueError, match="SKAB entity 'other-2' cannot be used: 296 of its 400"):
        prepare("SKAB", mirror=mirror, entities=["other-2"])


def test_reading_brings_neither_torch_nor_pandas(python_says: Callable[[str], str]) -> None:
    code = "import sys, tsad_edge.data; print([m for m in ('torch', 'pandas', 'fsspec', 'rich') if m in sys.modules])"
    assert python_says(code) == "[]"
