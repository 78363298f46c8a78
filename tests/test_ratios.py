"""Models keep their lead over PyTorch, by the clock, within a factor of 1.5 of benchmarks/baseline.json."""

from collections.abc import Callable
from typing import Any

import pytest

FEW = ("gan", "lstm")
TRIES = 3
"""A busy machine may spoil one: who is slower is slower every time."""


@pytest.fixture(scope="module")
def ratios(script: Callable[[str], Any]) -> Any:
    """The script that measures."""
    return script("ratios")


@pytest.fixture(scope="module")
def baseline(script: Callable[[str], Any]) -> Any:
    """What compares."""
    return script("baseline")


def slower(ratios: Any, baseline: Any, models: tuple[str, ...]) -> list[str]:
    """What is slower than its limit, every time."""
    found: list[str] = []
    for _ in range(TRIES):
        found = baseline.departures(ratios.ratios(models), baseline.agreed("ratios"), ratios.limits)
        if not found:
            break
    return found


def test_the_lead_is_kept(ratios: Any, baseline: Any) -> None:
    assert slower(ratios, baseline, FEW) == []


@pytest.mark.slow
def test_the_lead_of_every_model_is_kept(ratios: Any, baseline: Any) -> None:
    assert slower(ratios, baseline, ratios.MODELS) == []
    assert {group: set(rows) for group, rows in baseline.agreed("ratios").groups.items()} == dict.fromkeys(
        ("one window at a time", "512 windows at once"), set(ratios.MODELS)
    )


@pytest.mark.parametrize(("lead", "told"), [(1.4, 0), (1.6, 1), (0.1, 0)])
def test_a_lost_lead_is_noticed(ratios: Any, baseline: Any, lead: float, told: int) -> None:
    """Where the baseline was so many times as far ahead as what is measured."""
    now = baseline.agreed("ratios")
    (group, rows), *_ = now.groups.items()
    before = {row: {what: lead * figure for what, figure in figures.items()} for row, figures in rows.items()}
    doctored = baseline.Measured("ratios", now.makers, now.groups | {group: before})
    found = baseline.departures(now, doctored, ratios.limits)
    assert len(found) == told * len(rows)
    assert all(
        sentence.startswith(f"{group}, ") and "times as fast as PyTorch went from" in sentence for sentence in found
    )
