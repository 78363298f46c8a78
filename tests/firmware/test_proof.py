"""The pipeline with boards: firmware, its cost, the proof on the whole test set, and ways in which it must not pass."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tsad_edge import Detector, check, stages
from tsad_edge.check import run_edge
from tsad_edge.params import STAGES, load
from tsad_edge.stages import NATIVE, REPORT
from tsad_edge.twin import GAP, HELD, JUMP, NOT_FINITE

BOARDS = ("mps2-an386", "riscv-virt")
PARAMS = """
prepare: {dataset: own, window: 12, csv: {train: plant.csv, label: fault}}
train:
  model: pca
  false_alarms: 5 per 1000 samples
  guard: {not_finite: hold, hold_samples: 3}
  events: {smoothing: 3, hysteresis: 0.1, min_on: 2, refractory: 3}
convert: {boards: [mps2-an386, riscv-virt]}
check: {boards: [mps2-an386, riscv-virt]}
"""


@pytest.fixture(scope="module")
def finished(tools: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two channels, 1200 rows of which 480 are judged: two faults, a missing value, a gap in time; all six stages."""
    place = tmp_path_factory.mktemp("plant")
    t, draw = np.arange(1200), np.random.default_rng(1)
    values = np.stack([20 + 5 * np.sin(t / 4), 3 + np.cos(t / 4)], axis=1) + draw.normal(0, [0.3, 0.05], (1200, 2))
    fault = np.isin(t, [*range(800, 820), *range(1000, 1010)])
    values[fault] += [4, 1]
    rows = [
        f"{1000 * i + 60_000 * (i >= 1100)},{a:.6g},{'' if i == 900 else f'{b:.6g}'},{f:d}"
        for i, (a, b), f in zip(t, values, fault, strict=True)
    ]
    (place / "plant.csv").write_text("\n".join(["time,flow,power,fault", *rows]) + "\n")
    (place / "params.yaml").write_text(PARAMS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for stage in STAGES:
            getattr(stages, stage)(load())
    return place


@pytest.fixture
def inside(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(finished)
    yield finished


def test_check_runs_the_whole_test_set_on_each_board(inside: Path) -> None:
    found = json.loads(Path("check.json").read_text())
    row = found["per_entity"]["plant"]
    assert found["passed"] and row["events"] >= 2
    assert set(row["boards"]) == set(BOARDS)
    for told in row["boards"].values():
        assert told == {
            "samples": row["samples"],
            "scores_equal": True,
            "decisions_equal": True,
            "events_equal": True,
            "quality_equal": True,
        }
    assert row["samples"] == 480 - 2 * 11, "all but the window's first, at the start and after the gap"
    seen = run_edge(NATIVE / "tsad-edge", NATIVE / "libm_plant.so", Path("build/check/plant.csv"))[3]
    assert seen[180] == NOT_FINITE + HELD and seen[380] & GAP and (seen & JUMP).any()


def test_cost_has_a_row_for_each_board(inside: Path) -> None:
    cost = json.loads(Path("cost.json").read_text())
    assert set(cost["boards"]) == set(BOARDS)
    for row in cost["boards"].values():
        one, host = row["per_entity"]["plant"], cost["per_entity"]["plant"]
        assert one["flash_bytes"] - one["code_bytes"] == host["weight_bytes"] + host["table_bytes"]
        assert one["memory_bytes"] == host["memory_bytes"] == Detector.load(NATIVE / "libm_plant.so").model.memory
        assert one["arena_bytes"] == host["arena_bytes"] > 0 and one["ring_bytes"] == 12 * 2 * 4
        assert one["stack_used_bytes"] <= one["stack_worst_bytes"] and one["instructions"] > host["mac_after"]


def test_the_report_shows_what_each_board_takes_and_how_it_grew(inside: Path) -> None:
    """Against a commit whose firmware had half the instructions and knew only one of the boards."""
    whole = Path("cost.json").read_bytes()
    cost = json.loads(whole)
    was = json.loads(whole)
    del was["boards"]["riscv-virt"]
    row = was["boards"]["mps2-an386"]["per_entity"]["plant"]
    row["instructions"] = (row["instructions"] + 1) // 2
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    try:
        Path("cost.json").write_text(json.dumps(was))
        for command in (["init", "-q"], ["add", "metrics.json", "check.json", "cost.json"], ["commit", "-qm", "then"]):
            subprocess.run([*git, *command], check=True)
    finally:
        Path("cost.json").write_bytes(whole)
    text = stages.report(load(), against="HEAD")
    markdown, html = ((REPORT / name).read_text() for name in ("report.md", "report.html"))
    keys = ["flash_bytes", "code_bytes", "static_bytes", "stack_worst_bytes", "stack_used_bytes"]
    for board, tree in cost["boards"].items():
        told = tree["per_entity"]["plant"]
        work = [str(told[key]) for key in ("instructions", "cycles") if key in told]
        sizes = [str(told[key]) for key in keys]
        listed = text.split(f"Cost of its firmware ({board}, {tree['core']})\n")[1].splitlines()[1]
        assert listed.split() == ["plant", *sizes, *work]
        here = board in was["boards"]
        cells = ["plant", board, *(cell for size in sizes for cell in (size, "0" if here else "new")), "-", "-"]
        grown = f"{(told['instructions'] - row['instructions']) / row['instructions']:+.1%}".replace("%", " %")
        cells += [work[0], grown, work[1], "0"] if here else [work[0], "new", "-", "-"]
        assert f"| {' | '.join(cells)} |" in markdown
        in_html = re.search(rf"<tr><td>plant</td><td>{board}</td>(.*?)</tr>", html)
        assert in_html and re.findall(r"<td[^>]*>(.*?)</td>", in_html[1]) == cells[2:]
    words, verdict = "firmware, against the edge binary", "identical on mps2-an386, riscv-virt"
    assert f"  {words}: {verdict}" in text and f"| {words} | {verdict} | {verdict} |" in markdown
    assert f"<td>{words}</td><td>{verdict}</td>" in html
    assert "Only here: riscv-virt." in markdown and "Only here: riscv-virt." in html


def test_firmware_with_another_threshold_does_not_pass(inside: Path) -> None:
    """The gate bites: the threshold of one firmware is raised, so that it decides otherwise."""
    elf = NATIVE / "riscv-virt" / "m_plant.elf"
    whole, verdict = elf.read_bytes(), Path("check.json").read_bytes()
    threshold = json.loads(Path("artifacts/plant/detector.json").read_text())["threshold"]
    config = np.float32(threshold).tobytes()
    assert whole.count(config) == 1
    try:
        elf.write_bytes(whole.replace(config, np.float32(1e9).tobytes()))
        with pytest.raises(RuntimeError) as caught:
            stages.check(load())
    finally:
        elf.write_bytes(whole)
        Path("check.json").write_bytes(verdict)
    said = str(caught.value)
    assert "riscv-virt: its decisions are not those" in said and "riscv-virt: its events are not those" in said
    assert "its scores" not in said and "mps2-an386" not in said


def test_firmware_with_damaged_weights_does_not_start(inside: Path) -> None:
    elf = NATIVE / "mps2-an386" / "m_plant.elf"
    whole = elf.read_bytes()
    with np.load("csrc/generated/m_plant/graph.npz") as file:
        weights = max((file[name] for name in file), key=lambda array: array.size).astype("<f4").ravel()
    place = whole.find(weights[:4].tobytes())
    assert place > 0
    try:
        elf.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(RuntimeError, match="the firmware's detector does not start: tsad_init says -4"):
            stages.check(load())
    finally:
        elf.write_bytes(whole)


def test_rules_that_the_c_does_not_have_do_not_pass(inside: Path) -> None:
    """What detector.json says of guard and events is what was compiled, or `check` sees it."""
    path = Path("csrc/generated/m_plant/detector.json")
    told, verdict = path.read_text(), Path("check.json").read_bytes()
    (inside / "none.yaml").write_text(re.sub("(?m)^check: .*", "check: {}", PARAMS))
    rules = json.loads(told)
    try:
        for section, key, value, words in (
            ("guard", "hold_most", 0, "the quality codes of _core are not those of the Python twin"),
            ("events", "refractory", 400, "the events of _core are not those of the Python twin"),
            ("events", "min_on", 1, "the alarms of _core are not those of the Python twin"),
        ):
            path.write_text(json.dumps({**rules, section: {**rules[section], key: value}}))
            with pytest.raises(RuntimeError, match=words):
                stages.check(load("none.yaml"))
    finally:
        path.write_text(told)
        Path("check.json").write_bytes(verdict)


def test_a_missing_emulator_is_an_error_and_no_skip(inside: Path) -> None:
    command, nothing = [sys.executable, "-m", "tsad_edge.cli", "check"], os.environ | {"PATH": str(inside / "nothing")}
    done = subprocess.run(command, env=nothing, capture_output=True, text=True)
    assert done.returncode == 1 and "qemu-system-arm was not found; install it (Debian: apt install" in done.stderr


def test_a_board_without_firmware_is_named(inside: Path) -> None:
    (inside / "other.yaml").write_text(PARAMS.replace("check: {boards: [", "check: {boards: [netduinoplus2, "))
    with pytest.raises(ValueError, match="check.boards names 'netduinoplus2', for which no firmware was built"):
        stages.check(load("other.yaml"))


def told() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    scores = np.array([np.nan, 1, 3, 2], np.float32)
    events = np.array([(1, 2, 2, 3.0, 2, 0)], dtype=check.EVENT)
    return scores, scores > 2, events, np.array([1, 0, 0, 4], np.uint8)


def test_each_difference_of_a_board_is_seen() -> None:
    assert check.judge_board(told(), told())["failures"] == []
    for which, words in enumerate(("scores", "decisions", "events", "quality")):
        other = told()
        if which == 0:
            other[0][1] = np.nextafter(np.float32(1), np.float32(2))
        elif which == 1:
            other[1][3] = True
        elif which == 2:
            other[2]["peak_t"] += 1
        else:
            other[3][3] = 0
        found = check.judge_board(told(), other)
        assert found["failures"] == [f"its {words} are not those of the edge binary"] and not found[f"{words}_equal"]
    missing = told()
    missing[0][3] = np.nan
    assert not check.judge_board(told(), missing)["scores_equal"]
