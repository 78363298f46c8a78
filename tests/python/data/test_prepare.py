"""The stage itself: what it writes, what it leaves out, and that labels change no value."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsad_edge.data import Blocks, Folds, entities, load_labels, load_meta, load_values, prepare_dataset


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
    with pytest.raises(ValueError, match=r"data set 'SWaT' .* on request only: ask at https://itrust"):
        prepare("SWaT")
    with pytest.raises(ValueError, match="data set 'pump' has no 'pump-7'; it has pump-1, pump-2, pump-3"):
        prepare("pump", entities=["pump-1", "pump-7"])
    with pytest.raises(ValueError, match=r"prepare.entities is empty"):
        prepare("pump", entities=[])
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
