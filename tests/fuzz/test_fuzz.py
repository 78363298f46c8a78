"""Fuzz targets: none finds anything in a second, and each finds a defect that was put in, within seconds.

Longer runs are `make fuzz`, and `make test-all` at half a minute a target.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 60
"""A defect is found in a few; a busy machine needs more."""

DEFECTS = {
    "a line is given more room than there is": (
        "fuzz_csv",
        "target/csv.c",
        "r->text_room = room;",
        "r->text_room = room + 8;",
    ),
    "a number too large for a float is one": (
        "fuzz_csv",
        "target/csv.c",
        "if (number - number != 0.0f)\n        return CSV_MISSING;",
        "",
    ),
    "half of a frame's checksum is compared": (
        "fuzz_frame",
        "target/mcu/frame.c",
        "return crc == get_u16(r->room + r->used - 2);",
        "return (crc & 0xff) == r->room[r->used - 2];",
    ),
    "a frame that is too long is written all the same": (
        "fuzz_frame",
        "target/mcu/frame.c",
        "if (r->used < r->size)",
        "if (r->used <= r->size)",
    ),
    "noise spoils the frame after it": (
        "fuzz_frame",
        "target/mcu/frame.c",
        "r->escaped = r->spoilt = 0;",
        "r->escaped = 0;",
    ),
    "a sample that is sent again is taken again": (
        "fuzz_frame",
        "target/mcu/session.c",
        "f.sequence != s->sequence)",
        "f.sequence != s->sequence || f.kind == FRAME_SAMPLE)",
    ),
    "a refused step moves the clock": (
        "fuzz_detector",
        "tsad.c",
        "        return v.status;\n\n    const int ended",
        "        return d->last_t = t, v.status;\n\n    const int ended",
    ),
    "a slot is lost when the window moves to the front": (
        "fuzz_detector",
        "tsad.c",
        "(d->used - kept) * m->slot_size, kept * m->slot_size);",
        "(d->used - kept) * m->slot_size, (kept - 1) * m->slot_size);",
    ),
    "the ring of events is one too long": (
        "fuzz_detector",
        "tsad_event.c",
        "d->records_used < to_end ?",
        "d->records_used <= to_end ?",
    ),
    "a saved baseline is taken without its checksum": (
        "fuzz_baseline",
        "tsad_baseline.c",
        "word_at(image, last_word(m)) == crc_of(image, 4u * (size_t)last_word(m)) &&",
        "",
    ),
    "a baseline is saved over the newest one": (
        "fuzz_baseline",
        "tsad_baseline.c",
        "*slot = latest == 0;",
        "*slot = latest != 0;",
    ),
    "a saved threshold may be no number": (
        "fuzz_baseline",
        "tsad_baseline.c",
        "!tsad_is_nan(float_at(image, THRESHOLD))",
        "1",
    ),
}


@pytest.fixture(scope="session")
def clang(tmp_path_factory: pytest.TempPathFactory) -> None:
    """It, and its fuzzer."""
    place = tmp_path_factory.mktemp("clang")
    (place / "nothing.c").write_text("int LLVMFuzzerTestOneInput(void) { return 0; }\n")
    command = ["clang", "-fsanitize=fuzzer,address", "nothing.c", "-o", "nothing"]
    if shutil.which("clang") is None or subprocess.run(command, cwd=place, capture_output=True).returncode:
        why = "nothing was fuzzed: clang or its sanitizers are not installed (Debian's clang and libclang-rt-dev)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)


def fuzz(root: Path, tree: Path, seconds: int, *targets: str) -> subprocess.CompletedProcess[str]:
    command = [root / ".ci" / "fuzz", tree, str(seconds), *targets]
    return subprocess.run(command, capture_output=True, text=True, errors="replace")  # it shows inputs as they are


@pytest.mark.slow
def test_nothing_is_found_in_a_second(clang: None, tmp_path: Path) -> None:
    done = fuzz(ROOT, tmp_path / "build", 1)
    assert done.returncode == 0, done.stdout + done.stderr
    targets = {path.stem for path in Path(__file__).parent.glob("fuzz_*.c")}
    assert {line.partition(":")[0] for line in done.stdout.splitlines()} == targets
    assert targets == {target for target, *_ in DEFECTS.values()}, "each has a defect that it must find"


@pytest.mark.slow
@pytest.mark.parametrize("defect", DEFECTS, ids=lambda text: text.replace(" ", "-"))
def test_a_defect_is_found(clang: None, defect: str, tmp_path: Path) -> None:
    target, file, old, new = DEFECTS[defect]
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "csrc", copy / "csrc", ignore=shutil.ignore_patterns("generated"))
    for folder in ("tests/fuzz", "tests/csrc/models"):
        shutil.copytree(ROOT / folder, copy / folder)
    (copy / ".ci").mkdir()
    shutil.copy2(ROOT / ".ci" / "fuzz", copy / ".ci")
    shutil.copy2(ROOT / "CMakeLists.txt", copy)
    text = (copy / "csrc" / file).read_text()
    assert text.count(old) == 1, f"{file} no longer has {old!r} once: mend this table"
    (copy / "csrc" / file).write_text(text.replace(old, new))
    done = fuzz(copy, tmp_path / "build", SECONDS, target)
    assert done.returncode == 1, f"{target} did not find it in {SECONDS} seconds:\n{done.stdout}{done.stderr}"
    assert "found something" in done.stderr, done.stderr
    assert "does not hold" in done.stderr or "Sanitizer" in done.stderr, done.stderr
