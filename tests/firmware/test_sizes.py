"""Nothing that firmware takes grows unnoticed: what is measured now against benchmarks/baseline.json."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def script() -> Iterator[Callable[[str], Any]]:
    """A script of benchmarks as a module, by its name."""
    names = []

    def load(name: str) -> Any:
        spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
        assert spec is not None and spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        names.append(name)
        spec.loader.exec_module(module)
        return module

    yield load
    for name in names:
        sys.modules.pop(name)


@pytest.fixture(scope="module")
def sizes(script: Callable[[str], Any]) -> Any:
    """The script that measures."""
    return script("sizes")


@pytest.mark.parametrize("models", [("reference",), pytest.param(None, marks=pytest.mark.slow)], ids=["one", "all"])
def test_nothing_grew(tools: None, sizes: Any, models: tuple[str, ...] | None) -> None:
    chosen = models or sizes.MODELS + sizes.INTEGERS
    now = {"compilers": sizes.compilers(), "boards": sizes.measure(sizes.BOARDS, chosen)}
    assert sizes.growth(now, json.loads(sizes.BASELINE.read_text())) == []


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


def made(compiler: str, **figures: int) -> dict[str, Any]:
    return {"compilers": {"a board": compiler}, "boards": {"a board": {"a model": figures}}}


def test_growth_is_told(sizes: Any) -> None:
    baseline = made("12", flash_bytes=1000, instructions=5000)
    assert sizes.growth(made("12", flash_bytes=1000, instructions=4000), baseline) == []
    (grown,) = sizes.growth(made("12", flash_bytes=1001, instructions=5000), baseline)
    assert "a board, a model: flash_bytes grew from 1000 to 1001" in grown and "--write" in grown
    assert sizes.growth(made("13", flash_bytes=1100, instructions=5500), baseline) == [], "another compiler"
    assert len(sizes.growth(made("13", flash_bytes=1101, instructions=5501), baseline)) == 2
    (new,) = sizes.growth(made("12", flash_bytes=1, cycles=7) | {"boards": {"a board": {"new": {}}}}, baseline)
    assert "a board, new: is not in baseline.json" in new


def test_the_baseline_has_what_is_measured(sizes: Any) -> None:
    baseline = json.loads(sizes.BASELINE.read_text())
    assert set(baseline["boards"]) == set(baseline["compilers"]) == set(sizes.BOARDS)
    for rows in baseline["boards"].values():
        assert sizes.REFERENCE in rows and set(rows) <= {*sizes.MODELS, *sizes.INTEGERS}
        assert all(set(row) >= set(sizes.MEASURED) - {"cycles"} for row in rows.values())
