"""Nothing that firmware takes grows unnoticed: what is measured now against benchmarks/baseline.json."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def sizes(script: Callable[[str], Any]) -> Any:
    """The script that measures."""
    return script("sizes")


@pytest.fixture(scope="module")
def baseline(script: Callable[[str], Any]) -> Any:
    """What compares."""
    return script("baseline")


SOME = ("reference", "kmeans", "tcn", "pca_s8")
"""What every run of the tests measures; all of them, continuous integration does."""


@pytest.mark.parametrize("chosen", [SOME, pytest.param(None, marks=pytest.mark.slow)], ids=["some", "all"])
def test_nothing_grew(tools: None, sizes: Any, baseline: Any, chosen: tuple[str, ...] | None) -> None:
    now = sizes.measure(sizes.BOARDS, chosen or sizes.MODELS)
    assert baseline.departures(now, baseline.agreed("sizes"), sizes.limits) == []


def test_a_missed_limit_of_integers_is_told(script: Callable[[str], Any]) -> None:
    m4 = script("integers_m4")
    made, rival = SimpleNamespace(cost={"arena_bytes": 1024}), m4.Rival(0, 0, 0)
    assert m4.shortfalls("gan", made, (2560, 0), 150_000, rival) == []
    made.cost["arena_bytes"] = 1028
    told = m4.shortfalls("gan", made, (2561, 0), 150_001, rival)
    assert [text.split()[0] for text in told] == ["instructions", "code", "arena"]


@pytest.mark.slow
def test_integers_keep_their_limits(tools: None) -> None:
    done = subprocess.run([sys.executable, BENCHMARKS / "integers_m4.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every figure is within its limit" in done.stdout


def test_growth_is_told(sizes: Any, baseline: Any) -> None:
    def made(compiler: str, **figures: int) -> Any:
        return baseline.Measured("sizes", {"a board": compiler}, {"a board": {"a model": figures}})

    def growth(now: Any) -> list[str]:
        return list(baseline.departures(now, made("12", flash_bytes=1000, instructions=5000), sizes.limits))

    assert growth(made("12", flash_bytes=1000, instructions=4000)) == []
    (grown,) = growth(made("12", flash_bytes=1001, instructions=5000))
    assert "a board, a model: flash_bytes went from 1000 to 1001 (+0.1 %)" in grown and "sizes.py --write" in grown
    assert growth(made("13", flash_bytes=1100, instructions=5500)) == [], "another compiler"
    assert len(growth(made("13", flash_bytes=1101, instructions=5501))) == 2
    (new,) = growth(made("12", flash_bytes=1000, cycles=7))
    assert "a board, a model: cycles is not in baseline.json" in new


def test_the_baseline_has_what_is_measured(sizes: Any, baseline: Any) -> None:
    agreed = baseline.agreed("sizes")
    assert set(agreed.groups) == set(agreed.makers) == set(sizes.BOARDS)
    for rows in agreed.groups.values():
        assert set(rows) == set(sizes.MODELS)
        assert all(set(row) >= set(sizes.MEASURED) - {"cycles"} for row in rows.values())
