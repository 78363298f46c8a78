"""The stack of detector, kernels and model has a bound that holds: no recursion, no frame of unknown size, and calls by
pointer only of the model's own functions. What boards really use stands beside it in tests/firmware/test_cost.py.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CSRC = Path(__file__).parents[2] / "csrc"
SOURCES = [*sorted(CSRC.glob("tsad*.c")), *sorted((CSRC / "kernels").glob("*.c")), CSRC / "reference" / "m_reference.c"]
MODEL = re.compile(r"->(enter|forward|advance|state_reset)\(")
"""The calls by pointer that there may be: what a model brings along."""

BOUNDED = {"static", "dynamic,bounded"}
"""Frames whose largest size gcc knows. The second is of x86 only; tsad_edge.boards.footprint refuses it."""


class Graph:
    """Who calls whom, as gcc says it (-fcallgraph-info=su)."""

    def __init__(self, folder: Path, *sources: Path) -> None:
        self.frames: dict[str, str] = {}  # function -> kind of its frame
        self.calls: dict[str, set[str]] = {}
        self.by_pointer: list[str] = []  # source lines
        for source in sources:
            out = folder / f"{source.stem}.o"
            includes = [f"-I{CSRC / place}" for place in (".", "kernels", "reference")]
            command = ["gcc", "-std=c99", "-Os", "-fcallgraph-info=su", *includes, "-c", source, "-o", out]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            text = out.with_suffix(".ci").read_text()
            self.frames |= re.findall(r'node: { title: "([^"]+)" label: "[^"]*\\n\d+ bytes \(([^)]+)\)', text)
            edge = r'edge: { sourcename: "([^"]+)" targetname: "([^"]+)"(?: label: "[^"]*:(\d+):\d+")?'
            for caller, callee, line in re.findall(edge, text):
                if callee == "__indirect_call":
                    self.by_pointer.append(source.read_text().splitlines()[int(line) - 1].strip())
                self.calls.setdefault(caller, set()).add(callee)

    def circle(self) -> str | None:
        """A function that is reached from itself."""

        def reached(function: str) -> set[str]:
            seen: set[str] = set()
            ahead = list(self.calls.get(function, ()))
            while ahead:
                if (each := ahead.pop()) not in seen:
                    seen.add(each)
                    ahead += self.calls.get(each, ())
            return seen

        return next((function for function in self.calls if function in reached(function)), None)


@pytest.fixture
def graph(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Compile files and read their graph."""
    if shutil.which("gcc") is None:
        pytest.skip("only gcc writes graphs of calls (Debian's package is gcc)")
    return lambda *sources: Graph(tmp_path, *sources)


def test_nothing_calls_itself_and_every_frame_has_a_size(graph) -> None:  # type: ignore[no-untyped-def]
    found = graph(*SOURCES)
    assert found.circle() is None
    assert len(found.frames) > 50 and set(found.frames.values()) <= BOUNDED


def test_only_a_model_s_functions_are_called_by_pointer(graph) -> None:  # type: ignore[no-untyped-def]
    lines = graph(*SOURCES).by_pointer
    assert lines and all(MODEL.search(line) for line in lines), lines
    assert {MODEL.search(line)[1] for line in lines} == {"enter", "forward", "advance", "state_reset"}  # type: ignore[index]


def test_what_has_no_bound_is_seen(graph, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Or the tests above would hold for anything."""
    bad = tmp_path / "bad.c"
    bad.write_text(
        "#include <stddef.h>\n"
        "int even(unsigned n);\n"
        "static __attribute__((noinline)) int odd(unsigned n) { return n != 0 && !even(n - 1) + n; }\n"
        "__attribute__((noinline)) int even(unsigned n) { return n == 0 || odd(n - 1) * n; }\n"
        "void fill(volatile char *a, size_t n);\n"
        "void varies(size_t n) { volatile char a[n]; fill(a, n); }\n"
        "int anything(int (*f)(void)) { return f() + 1; }\n"
    )
    found = graph(bad)
    assert found.circle() in {"even", f"{bad}:odd", "bad.c:odd"}, found.calls
    assert found.frames["varies"] not in BOUNDED
    assert [MODEL.search(line) for line in found.by_pointer] == [None]
