"""Detectors in integers: their thresholds, the proof that they decide like PyTorch, and that its gates bite."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsad_edge import codegen, entity, integer_proof, integers, stages, toolchain
from tsad_edge.twin import decide

Stage = Callable[[str], None]


@pytest.fixture
def quantised(copied: Path, stage: Stage) -> Path:
    """The finished run, converted in both precisions."""
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text + "convert: {precision: [f32, s8]}\n")
    stage("convert")
    return copied


def in_integers() -> tuple[Any, dict[str, Any]]:
    """pump-1 of the current directory, quantised."""
    detector = json.loads(Path("artifacts/pump-1/detector.json").read_text())
    graph = codegen.load("artifacts/pump-1/graph.pt2")
    calibration = dict(np.load("artifacts/pump-1/calibration.npz"))
    return integers.quantised(graph, detector, calibration, partial(entity.generated, graph, "m_x"), entity.told_of)


def s8() -> dict:
    found: dict = json.loads(Path("check.json").read_text())["s8"]
    return found


def refusal(stage: Stage) -> str:
    with pytest.raises(RuntimeError) as error:
        stage("check")
    return str(error.value)


def test_the_whole_chain(quantised: Path, stage: Stage) -> None:
    stage("check")
    found, row = s8(), s8()["per_entity"]["pump-1"]
    assert found["passed"] and found["event_f1"] >= 0.95 and row["samples"] > 5000
    assert abs(found["vus_pr"]["pytorch"] - found["vus_pr"]["s8"]) < 0.01
    told = {
        name: json.loads(Path(f"csrc/generated/m_{name}/detector.json").read_text()) for name in ("pump_1", "pump_1_s8")
    }
    ours, theirs = told["pump_1_s8"], told["pump_1"]
    assert ours["entity"] == "pump-1_s8" and ours["id"] != theirs["id"]
    assert ours["threshold"] != theirs["threshold"] and ours["calibration_samples"] == theirs["calibration_samples"]
    assert abs(ours["threshold"] / theirs["threshold"] - 1) < 0.05
    cost = json.loads(Path("cost.json").read_text())["per_entity"]
    assert cost["pump-1_s8"]["weight_bytes"] < 0.5 * cost["pump-1"]["weight_bytes"]
    assert (cost["pump-1_s8"]["precision"], cost["pump-1"]["precision"]) == ("s8", "f32")


def test_a_wrong_weight_is_seen(quantised: Path, stage: Stage) -> None:
    """The library is built with another weight than what the interpreter knows."""
    folder = Path("csrc/generated/m_pump_1_s8")
    graph = codegen.read_graph(folder / "graph.txt", folder / "graph.npz")
    weight = next(name for name, a in graph.constants.items() if a.dtype == np.int8 and a.ndim == 2)
    spoiled = graph.constants[weight].copy()
    spoiled[0, 0] = spoiled[0, 0] - 1 if spoiled[0, 0] > 0 else spoiled[0, 0] + 1
    made = codegen.emit(codegen.with_constants(graph, {weight: spoiled}), "m_pump_1_s8", 1.0)
    (folder / "m_pump_1_s8.h").write_text(made.header)
    crc = re.compile(r"\.crc = 0x[0-9a-f]+u")
    source, new = (folder / "m_pump_1_s8.c").read_text(), crc.search(made.source)
    assert new is not None
    (folder / "m_pump_1_s8.c").write_text(crc.sub(new.group(), source))
    toolchain.build(Path("csrc/generated"), stages.NATIVE)
    assert "pump-1: _core: its scores are not those of the interpreter" in refusal(stage)


@pytest.mark.parametrize(
    ("limit", "words"),
    [("least_event_f1: 1.01", "at least 1.01 is wanted"), ("most_vus_pr_lost: -1.0", "at most -1.0 less")],
)
def test_a_limit_bites_and_names_what_loses_most(limit: str, words: str, quantised: Path, stage: Stage) -> None:
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text + f"check: {{{limit}}}\n")
    said = refusal(stage)
    assert words in said and "loses most: in float32 the score would be off by" in said
    assert "leave s8 out of convert.precision" in said and not s8()["passed"]


def test_what_loses_too_much_stays_float32(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = in_integers()
    assert not any(op.kind == "linear" for op in made.graph.ops)
    monkeypatch.setattr(integers, "BEARABLE", 1e-9)
    made, found = in_integers()
    stays = found["precision"]["stays_float32"]
    assert stays and any(op.kind == "linear" for op in made.graph.ops)
    assert all(row["error_in_float32"] < row["error"] for row in stays)
    assert stays[0]["error"] > stays[-1]["error"] or len(stays) == 1


def test_scores_behind_float_operators_are_held_to_a_tolerance(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a layer stays float32 no bits can be asked for; what its rounding does not explain is still seen."""
    assert codegen.is_exact(in_integers()[0].graph)
    monkeypatch.setattr(integers, "BEARABLE", 1e-9)
    made = in_integers()[0]
    assert not codegen.is_exact(made.graph)
    samples, counted = np.load("artifacts/pump-1/calibration.npz")["held_back"][:400], integer_proof.Counted(made.graph)
    exact, single = counted.exact(samples), counted.scores(samples).astype(np.float32)
    assert integer_proof.out_of_tolerance(single, exact, single) == []
    wrong = single.copy()
    wrong[[100, 200]] *= np.float32(1.01)
    assert integer_proof.out_of_tolerance(wrong, exact, single) == [
        "2 scores are farther from the interpreter's than its own rounding explains"
    ]


def test_precision_is_checked(copied: Path, stage: Stage) -> None:
    Path("params.yaml").write_text(Path("params.yaml").read_text() + "convert: {precision: [s8]}\n")
    with pytest.raises(ValueError, match=r"convert\.precision is \['s8'\]; it must be \[f32\], or \[f32, s8\]"):
        stage("convert")


def test_held_back_scores_of_folds_move_by_rank(copied: Path) -> None:
    """With folds they are those of other models: each moves as the final model's of its rank."""
    detector = json.loads(Path("artifacts/pump-1/detector.json").read_text())
    graph = codegen.load("artifacts/pump-1/graph.pt2")
    calibration = dict(np.load("artifacts/pump-1/calibration.npz"))
    made = entity.generated(graph, "m_x", detector, calibration=integers.spread(calibration["fit"], 50, 200))
    exact = integers.held_back_scores(graph, made.graph, detector, calibration)
    assert len(exact) == len(calibration["held_back_scores"])
    folds = {**calibration, "held_back_scores": calibration["held_back_scores"][::2] * np.float32(1.5)}
    moved = integers.held_back_scores(graph, made.graph, detector, folds)
    assert len(moved) == len(folds["held_back_scores"])
    np.testing.assert_allclose(moved, folds["held_back_scores"], rtol=0.1)
    assert not np.array_equal(moved, folds["held_back_scores"])


def test_events_are_compared_by_overlap_and_differing_ones_are_listed() -> None:
    t = np.arange(100, 120)
    ours, theirs = np.zeros(20, np.float32), np.zeros(20)
    ours[2:5], theirs[4:8] = 2.0, 3.0  # overlap
    ours[10], theirs[10] = 1.5, 0.9  # ours only, theirs nearly
    theirs[15] = 2.0  # theirs only
    sides = [(scores, 1.0, decide(t, scores, 1.0).events) for scores in (ours, theirs)]
    found = integer_proof.compared(t, *sides)
    assert (found["events"], found["events_met"], found["pytorch_events"], found["pytorch_events_met"]) == (2, 1, 2, 1)
    assert [row["by"] for row in found["differing"]] == ["s8", "pytorch"]
    assert found["differing"][0] == {"by": "s8", "start": 110, "end": 110, "s8": 0.5, "pytorch": pytest.approx(-0.1)}
    assert integer_proof.f1([found]) == 0.5
    assert integer_proof.f1([{name: 0 for name in found}]) == 1.0


def test_saturated_values_are_counted(copied: Path) -> None:
    """A sample far beyond sixteen times the range of training ends at the end of its grid, and that is told."""
    made, _ = in_integers()
    samples = np.load("artifacts/pump-1/calibration.npz")["held_back"][:60].copy()
    counted = integer_proof.Counted(made.graph)
    assert np.isfinite(counted.scores(samples)[49:]).all() and not counted.saturated
    samples[55, 0] = 1e9
    counted.scores(samples)
    assert counted.saturated["slot"] == 5  # the windows that end in samples 55 to 59
