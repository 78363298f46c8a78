"""The first line of the report is the verdict, also where it is against the model or where nobody labelled."""

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
