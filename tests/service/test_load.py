"""`make load` and `make soak` in short: a real service under load, a row a measurement, a verdict that bites."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "serve.py"


def run(*options: str | Path) -> list[str]:
    done = subprocess.run([sys.executable, SCRIPT, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_load(one: Path) -> None:
    head, titles, first, second = run(one, "--seconds", "0.5", "--connections", "1", "4", "--samples", "20")
    assert head.startswith("POST /score of tiny, 20 samples x 2 channels as JSON")
    for line, connections in ((first, 1), (second, 4)):
        figures = dict(zip(titles.replace(" ms", "").replace(" MB", "").split(), map(float, line.split()), strict=True))
        assert figures["connections"] == connections and figures["failed"] == 0
        assert figures["requests/s"] > 1 and figures["p50"] <= figures["p99"] <= figures["max"]
        assert 20 < figures["RSS"] < 300


def test_soak(one: Path) -> None:
    """Two seconds of a busy machine say nothing of p99; memory and answers must be as they should."""
    done = subprocess.run([sys.executable, SCRIPT, one, "--soak", "2"], capture_output=True, text=True)
    rows, verdict = done.stdout.splitlines()[2:12], done.stdout.splitlines()[12:]
    assert len(rows) == 10 and all(line.split()[-2] == "0" for line in rows)
    assert len(verdict) == 1 and verdict[0].startswith("p99 went" if done.returncode else "steady")


@pytest.fixture(scope="module")
def script() -> Any:
    """The benchmark as a module."""
    spec = importlib.util.spec_from_file_location("serve", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_soak_complains(script: Any) -> None:
    steady = [(70.0, 5.0, 0)] * 9
    assert script.complaints([*steady, (72.0, 7.0, 0)]) == []
    assert script.complaints([*steady, (90.0, 5.0, 0)]) == ["memory grew from 70.0 to 90.0 MB"]
    assert script.complaints([*steady, (70.0, 50.0, 0)]) == ["p99 went from 5.00 to 50.00 ms"]
    assert script.complaints([steady[0], (70.0, 5.0, 3), *steady]) == ["3 requests failed"]
