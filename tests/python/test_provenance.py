"""A model's id: where it stands, what it is made of, and that it depends on nothing else."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsad_edge import Detector, codegen, entity, origin, stages, toolchain

from .conftest import inside

Stage = Callable[[str], None]
PARAMS = """
prepare: {dataset: own, window: 20, csv: {train: all.csv, train_fraction: 0.6}}
train: {model: pca, hyper: {pca: {components: 2}}, false_alarms: 9 per 1000 samples}
"""


@pytest.fixture
def made(tmp_path: Path, stage: Stage) -> Callable[..., dict[str, Any]]:
    """Provenance and id of a small model, from a folder of its own; with other parameters, or other data."""

    def run(name: str, params: str = PARAMS, nudge: float = 0.0) -> dict[str, Any]:
        place = tmp_path / name
        place.mkdir()
        values = np.random.default_rng(5).normal(size=(900, 3)).round(3)
        values[100, 1] += nudge
        rows = [",".join(map(str, row)) for row in values]
        (place / "all.csv").write_text("a,b,c\n" + "\n".join(rows) + "\n")
        (place / "params.yaml").write_text(params)
        with inside(place):
            for each in ("prepare", "train"):
                stage(each)
        trained = place / "artifacts" / "all"
        detector = json.loads((trained / "detector.json").read_text())
        compiled = entity.generated(codegen.load(trained / "graph.pt2"), "m_all", detector)
        return {"id": compiled.id, **compiled.provenance}

    return run


def changed(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    assert set(one) == set(other) == {"id", "data", "params", "code", "graph", "compiled", "compiler"}
    return {name for name in one if one[name] != other[name]}


def test_the_id_stands_in_the_c_in_the_library_and_beside_it(finished: Path) -> None:
    about = json.loads((finished / "csrc/generated/m_pump_1/detector.json").read_text())
    source = (finished / "csrc/generated/m_pump_1/m_pump_1.c").read_text()
    detector = Detector.load(toolchain.library(finished / stages.NATIVE, "m_pump_1"))
    assert re.findall(r'\.id = "(\w+)"', source) == [about["id"]] == [detector.id]
    text = json.dumps(about["provenance"], sort_keys=True, separators=(",", ":"))
    assert about["id"] == hashlib.sha256(text.encode()).hexdigest()
    loaded = codegen.load(finished / "artifacts/pump-1/graph.pt2")
    assert about["provenance"]["graph"] == codegen.digest(loaded)
    assert f" * graph  {about['provenance']['graph']}\n" in source, "the banner names the graph"
    trained = json.loads((finished / "artifacts/pump-1/detector.json").read_text())["provenance"]
    assert trained.items() < about["provenance"].items()


def test_the_same_inputs_give_the_same_id_in_another_folder(made: Callable[..., dict[str, Any]]) -> None:
    assert changed(made("here"), made("there")) == set()


def test_it_shows_which_ingredient_differs(made: Callable[..., dict[str, Any]]) -> None:
    first = made("first")
    assert changed(first, made("data", nudge=0.001)) >= {"id", "data"}
    assert changed(first, made("params", PARAMS.replace("components: 2", "components: 1"))) >= {"id", "params", "graph"}
    alarms = made("alarms", PARAMS.replace("9 per", "8 per"))
    assert changed(first, alarms) == set(), "the threshold is the plant's, and no part of the model"


def test_each_ingredient_alone_changes_the_id(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.zeros((4, 2), np.float32)
    nudged = values.copy()
    nudged[3, 1] = np.nextafter(np.float32(0), np.float32(1))
    first = origin.origin(values, ["a", "b"], None, {"seed": 1})
    others = [
        origin.origin(nudged, ["a", "b"], None, {"seed": 1}),
        origin.origin(values, ["a", "c"], None, {"seed": 1}),
        origin.origin(values, ["a", "b"], {"kind": "blocks"}, {"seed": 1}),
        origin.origin(values.reshape(2, 4), ["a", "b"], None, {"seed": 1}),
        origin.origin(values, ["a", "b"], None, {"seed": 2}),
    ]
    monkeypatch.setattr(origin, "__version__", "9.9.9")
    others.append(origin.origin(values, ["a", "b"], None, {"seed": 1}))
    differ = [[name for name in first if first[name] != other[name]] for other in others]
    assert differ == [["data"]] * 4 + [["params"], ["code"]]
    assert len({codegen.model_id(each) for each in (first, *others)}) == 1 + len(others)
