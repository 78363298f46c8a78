"""The page of text: its first line is the verdict, whatever it is; boards stand in it where there are any."""

import json
from pathlib import Path
from typing import Any

import pytest

from tsad_edge.report import page

ROOT = Path(__file__).parents[2]


def shown(**changed: Any) -> str:
    """The page of the committed results, with some of metrics.json changed."""
    metrics, check, cost = (json.loads((ROOT / f"{name}.json").read_text()) for name in ("metrics", "check", "cost"))
    return page({**metrics, **changed}, check, cost, {"C": 1.0, "PyTorch": 100.0}, "tsad-edge")


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("beats", "The model beats every floor on VUS-PR: "),
        ("loses", "The model LOSES to a floor on VUS-PR: "),
        ("not distinguishable", "The model is NOT distinguishable from a floor on VUS-PR: "),
    ],
)
def test_the_verdict_is_the_first_line_and_names_the_floor(verdict: str, words: str) -> None:
    first = shown(verdict=verdict, rival="moving_z").splitlines()[0]
    assert first.startswith(words) and first.endswith(" of moving_z")


def test_without_labels_alarms_are_counted_and_promises_told() -> None:
    counts = {"samples": 90, "unscored": 9, "alarms": 4, "alarm_events": 2}
    text = shown(model=None, verdict=None, rival=None, floors={}, per_entity={}, unlabelled={"plant": counts})
    assert text.startswith("No labels")
    assert "plant, without labels: 4 of 90 samples give an alarm, in 2 events (9 more have no score)" in text
    assert "false alarms wanted: 1 per 1000 samples" in text and "promise no less than" in text


def test_each_board_has_its_cost_and_its_proof() -> None:
    metrics, check, cost = (json.loads((ROOT / f"{name}.json").read_text()) for name in ("metrics", "check", "cost"))
    without = page(metrics, check, cost, {"C": 1.0}, "")
    assert "firmware" not in without
    row = {"flash_bytes": 17100, "code_bytes": 8528, "static_bytes": 1928, "stack_worst_bytes": 576, "instructions": 9}
    many = {f"pump-{number}": row for number in range(1, 13)}
    cost["boards"] = {
        "first": {"core": "cortex-m4f", "counted_on": "first", "per_entity": {"pump-1": {**row, "cycles": 15}}},
        "second": {"core": "cortex-m7", "counted_on": "other", "per_entity": many},
    }
    equal = {"samples": 5951, "scores_equal": True, "decisions_equal": True, "events_equal": True}
    for name, judged in check["per_entity"].items():
        judged["boards"] = {"first": equal, "second": {**equal, "scores_equal": name != "pump-2"}}
    text = page(metrics, check, cost, {"C": 1.0}, "")
    added = [line for line in text.splitlines() if line not in without.splitlines()]
    assert added[:4] == [
        "  firmware, against the edge binary: identical on first; NOT on second (pump-2: scores)",
        "Cost of its firmware (first, cortex-m4f)",
        "  entity  flash B  of it code B  RAM B  worst stack B  instructions  M4 cycles (estimate)",
        "  pump-1    17100          8528   1928            576             9                    15",
    ]
    assert added[4] == "Cost of its firmware (second, cortex-m7; instructions counted on other)"
    assert added[5].endswith("instructions") and added[-1] == "  and 2 more in cost.json"
    assert len(added) == 4 + 2 + 10 + 1 and max(map(len, added)) <= 120
