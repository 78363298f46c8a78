"""Code that becomes slower is noticed by counting: what is counted now against benchmarks/baseline.json, within 2 %."""

import copy
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tsad_edge import toolchain

from .conftest import needed

ROOT = Path(__file__).parents[1]
FEW = ("reference", "gan", "lstm", "tcn_s8")
"""With the kernels, what every test run counts."""


@pytest.fixture(scope="module")
def instructions(script: Callable[[str], Any]) -> Any:
    """The script that counts."""
    needed("valgrind", "Debian's package is valgrind")
    needed("gcc", "Debian's package is gcc")
    return script("instructions")


@pytest.fixture(scope="module")
def baseline(script: Callable[[str], Any]) -> Any:
    """What compares."""
    return script("baseline")


@pytest.fixture(scope="module")
def agreed(instructions: Any, baseline: Any) -> Any:
    """The baseline; where another compiler made it there is nothing to compare."""
    if why := instructions.incomparable():
        pytest.skip(why)
    return baseline.agreed("instructions")


@pytest.fixture(scope="module")
def built(instructions: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The kernels and a few models: where, and what `count` wants to know."""
    place = tmp_path_factory.mktemp("instructions")
    return place, instructions.build(FEW, place)


@pytest.fixture(scope="module")
def counted(built: tuple[Path, Any], instructions: Any) -> Any:
    """What they take."""
    return instructions.count(*built)


def test_nothing_moved(counted: Any, agreed: Any, instructions: Any, baseline: Any) -> None:
    assert baseline.departures(counted, agreed, instructions.limits) == []


@pytest.mark.slow
def test_nothing_moved_in_any_model(agreed: Any, instructions: Any, baseline: Any) -> None:
    now = instructions.measure(instructions.SCORES)
    assert baseline.departures(now, agreed, instructions.limits) == []
    assert {isa: set(rows) for isa, rows in now.groups.items()} == {
        isa: set(rows) for isa, rows in agreed.groups.items() if isa in now.groups
    }, "rows that nothing counts any more: run `python benchmarks/instructions.py --write`"


@pytest.mark.parametrize(("times", "told"), [(1.03, "(-2.9 %)"), (0.97, "(+3.1 %)")])
def test_three_percent_are_noticed(counted: Any, instructions: Any, baseline: Any, times: float, told: str) -> None:
    groups = copy.deepcopy(counted.groups)
    groups["generic"]["a score, lstm"]["instructions"] *= times
    doctored = baseline.Measured("instructions", counted.makers, groups)
    (sentence,) = baseline.departures(counted, doctored, instructions.limits)
    assert sentence.startswith("generic, a score, lstm: instructions went from ") and told in sentence


def test_a_slower_kernel_is_noticed(
    counted: Any, instructions: Any, baseline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a loop more in one kernel that kernel's rows move, and no others."""
    shutil.copytree(ROOT / "csrc", tmp_path / "csrc", ignore=shutil.ignore_patterns("generated"))
    shutil.copytree(ROOT / "benchmarks", tmp_path / "benchmarks")
    shutil.copy2(ROOT / "CMakeLists.txt", tmp_path)
    pool = tmp_path / "csrc" / "kernels" / "pool.c"
    text, start = pool.read_text(), "    for (size_t window = 0; window < n; window++)\n"
    assert start in text, "mend this test"
    pool.write_text(text.replace(start, f"    for (volatile int k = 0; k < 100; k++)\n        ;\n{start}"))
    monkeypatch.setattr(toolchain, "sources", lambda: tmp_path)
    moved = baseline.departures(instructions.measure(()), counted, instructions.limits)
    assert {sentence.partition(":")[0] for sentence in moved} == {
        f"{isa}, {kernel}" for isa in counted.groups for kernel in ("max_pool_f32", "mean_pool_f32")
    }
    assert all("(+" in sentence for sentence in moved)


def test_the_same_code_gives_the_same_counts(built: tuple[Path, Any], counted: Any, instructions: Any) -> None:
    assert instructions.count(*built) == counted


def test_another_compiler_is_told(
    instructions: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is compared then, and it is said what to do."""
    monkeypatch.setattr(instructions, "compiler", lambda: "gcc 1.0 pdp11")
    assert instructions.main([]) == 0
    told = capsys.readouterr().out
    assert "here by gcc 1.0 pdp11" in told and "instructions.py --write" in told


def test_every_kernel_and_model_is_counted(agreed: Any, instructions: Any) -> None:
    declared = set()
    for header in ("kernels.h", "kernels_s16.h"):
        text = (ROOT / "csrc" / "kernels" / header).read_text()
        declared |= set(re.findall(r"^(?:void|size_t) TSAD_K\((\w+)\)\(", text, re.MULTILINE))
        declared |= set(re.findall(r"^TSAD_(?:UNARY|BINARY|REDUCTION)\((\w+)\);", text, re.MULTILINE))
    assert len(declared) > 70
    for isa, rows in agreed.groups.items():
        assert declared <= {row.partition(",")[0] for row in rows}, f"{isa}: add calls to benchmarks/kernel_calls.c"
        assert {f"a score, {model}" for model in instructions.SCORES} <= set(rows)


def test_the_baseline_is_renewed_part_by_part(
    baseline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(baseline, "FILE", tmp_path / "baseline.json")
    sizes = {"m4": {"gan": {"flash": 7}}}
    baseline.FILE.write_text(json.dumps({"schema": 1, "sizes": {"makers": {"m4": "12"}, "groups": sizes}}))
    now = baseline.Measured("instructions", {"avx2": "gcc 12"}, {"avx2": {"linear": {"instructions": 100}}})

    def within(same: bool) -> tuple[float, float]:
        return 0.98, 1.02

    assert baseline.judge(now, within, write=False) == 1
    assert "instructions is not in baseline.json" in capsys.readouterr().out
    assert baseline.judge(now, within, write=True) == 0
    assert baseline.judge(now, within, write=False) == 0
    assert "| avx2 | linear | 100 |" in capsys.readouterr().out
    assert baseline.agreed("sizes").groups == sizes
