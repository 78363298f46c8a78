"""The gates over the C that need no model: coverage of the C tests, and what analysers say (`make lint` runs them)."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

DEFECTS = {
    "analyzer-double-free": "#include <stdlib.h>\nvoid drop(char *a) {\n    free(a);\n    free(a);\n}\n",
    "bugprone-sizeof-expression": "#include <stddef.h>\nsize_t size(const int *a) { return sizeof a / sizeof *a; }\n",
    "cert-flp30-c": "int count(void) {\n    int n = 0;\n    for (float x = 0.0f; x < 1.0f; x += 0.1f)\n        n++;\n"
    "    return n;\n}\n",
    "clang-analyzer-core": "int first(int n) {\n    int a[4];\n    if (n > 2)\n        a[0] = n;\n"
    "    return a[0];\n}\n",
}


@pytest.fixture(scope="module")
def gcc() -> None:
    if shutil.which("gcc") is None or shutil.which("gcov") is None:
        why = "no coverage was measured and nothing analysed: gcc is not installed (Debian's package is gcc)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)


def says(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_c_tests_run_every_line_of_detector_and_kernels(gcc: None, tmp_path: Path) -> None:
    done = says(".ci/coverage", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    counted = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("csrc/")}
    portable = [*(ROOT / "csrc").glob("tsad*.c"), *(ROOT / "csrc" / "kernels").glob("*.c")]
    assert {str(path.relative_to(ROOT)) for path in portable if path.name != "tables.c"} <= counted  # no line of code
    less = says(".ci/coverage", tmp_path, "-E", "test_functions|test_detector")
    assert less.returncode != 0 and "100.0%" not in less.stdout.splitlines()[-3], less.stdout


@pytest.mark.parametrize("kind", DEFECTS)
def test_analysers_find_a_defect(gcc: None, kind: str, tmp_path: Path) -> None:
    (tmp_path / "defect.c").write_text(DEFECTS[kind])
    done = says(".ci/analysed", tmp_path / "defect.c")
    assert done.returncode != 0 and kind in done.stdout + done.stderr, done.stdout + done.stderr
