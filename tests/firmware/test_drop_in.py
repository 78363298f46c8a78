"""The exported folder stands alone: it compiles strictly as C99 and as C++, passes its vectors, and needs no libc."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tsad_edge import cli
from tsad_edge.boards import board
from tsad_edge.drop_in import defined, kernels

CSRC = Path(__file__).parents[2] / "csrc"
C = [os.environ.get("CC") or "cc", "-std=c99"]
CXX = [os.environ.get("CXX") or "c++", "-x", "c++", "-std=c++20"]
STRICT = ["-Wall", "-Wextra", "-Werror", "-O2", "-ffp-contract=off"]


@pytest.fixture(scope="module")
def exported(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export") / "detector"
    assert cli.main(["export", "--model", str(reference), "--to", str(out)]) == 0
    return out


def compiled(exported: Path, place: Path, command: list[str]) -> list[Path]:
    """An object of every .c file."""
    objects = []
    for source in sorted(exported.glob("*.c")):
        objects.append(place / f"{source.stem}.o")
        done = subprocess.run([*command, *STRICT, "-c", source, "-o", objects[-1]], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return objects


def test_only_what_is_used_is_there(exported: Path) -> None:
    found = {file.name for file in exported.iterdir()}
    assert {"tsad.h", "tsad.c", "m_reference.h", "m_reference.c", "main.c", "vectors.h", "CMakeLists.txt"} < found
    assert {"linear.c", "binary.c", "reduce.c", "copy.c", "enter.c", "kernels.h", "elementary.h"} < found
    assert {"lines.c", "lines.h", "cortexm_dsp"} < found and (exported / "cortexm_dsp" / "lines.c").is_file()
    assert not {"lstm.c", "gru.c", "conv1d.c", "softmax.c"} & found
    cost = json.loads((exported / "cost.json").read_text())
    assert (cost["weight_bytes"], cost["table_bytes"]) == (3296, 24) and cost["overlays"] == {
        "cortexm_dsp": ["lines.c"]
    }
    assert (cost["memory_bytes"], cost["ring_bytes"], cost["state_bytes"], cost["arena_bytes"]) == (432, 192, 0, 224)
    assert set(cost["kernels"]) == {name for name in found if (CSRC / "kernels" / name).is_file() and name[-1] == "c"}
    assert len((exported / "main.c").read_text().splitlines()) <= 20


@pytest.mark.parametrize("command", [C, CXX], ids=["C99", "C++"])
def test_it_compiles_alone_and_passes_its_vectors(exported: Path, tmp_path: Path, command: list[str]) -> None:
    objects = compiled(exported, tmp_path, command)
    subprocess.run([command[0], *objects, "-o", tmp_path / "example"], check=True)
    assert subprocess.run([tmp_path / "example"]).returncode == 0


@pytest.mark.parametrize("language", [["gcc", "-std=c99"], ["g++", "-x", "c++", "-std=c++20"]], ids=["C99", "C++"])
def test_its_overlay_compiles_as_strictly(tools: None, exported: Path, tmp_path: Path, language: list[str]) -> None:
    core = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "-ffreestanding"]
    compiler = f"{board('mps2-an386').prefix}{language[0]}"
    source = exported / "cortexm_dsp" / "lines.c"
    command = [compiler, *language[1:], *core, *STRICT, f"-I{exported}", "-c", source, "-o", tmp_path / "lines.o"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_vector_that_is_not_met_is_told(exported: Path, tmp_path: Path) -> None:
    """The example is a proof: one bit of one expected score, one expected status, one weight."""
    for file, old, new, code in (
        ("vectors.h", r"(vector_scores.*0x)\w(\w{7}u\};)", r"\g<1>5\g<2>", 1),
        ("vectors.h", r"(vector_status\[VECTORS\] = \{)1", r"\g<1>0", 1),
        ("m_reference.h", r"-0\.034179688f", "-0.034179689f + 0.5f", 2),
    ):
        broken = tmp_path / f"{file}{code}"
        broken.mkdir(exist_ok=True)
        for source in exported.glob("*.[ch]"):
            text = source.read_text()
            if source.name == file:
                text, changes = re.subn(old, new, text, count=1)
                assert changes == 1, old
            (broken / source.name).write_text(text)
        objects = compiled(broken, broken, C)
        subprocess.run([C[0], *objects, "-o", broken / "example"], check=True)
        assert subprocess.run([broken / "example"]).returncode == code, file


def not_ours(exported: Path, place: Path) -> set[str]:
    """What the objects call that is neither in the folder nor what a compiler may call, and what they keep."""
    found = set()
    for path in compiled(exported, place, [*C, "-fno-pic", "-fno-pie"]):
        if path.stem == "main":
            continue
        listed = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout.splitlines()
        rows = [(line[17:18], line[19:]) for line in listed]
        called = {name for kind, name in rows if kind == "U" and not name.startswith(("tsad_", "m_reference"))}
        found |= called - {"memcpy", "memmove", "memset"}
        found |= {name for kind, name in rows if kind in "bBcCdDsS"}
    return found


def test_objects_need_nothing_and_keep_nothing(exported: Path, tmp_path: Path) -> None:
    assert not_ours(exported, tmp_path) == set()


BROKEN = """
#include <stdio.h>
#include <stdlib.h>
int kept;
void *broken(void);
void *broken(void) {
    static int hidden = 1;
    puts("a score");
    return malloc((size_t)(kept++ + hidden++));
}
"""


def test_what_objects_must_not_have_is_found(exported: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(exported, broken)
    (broken / "copy.c").write_text((broken / "copy.c").read_text() + BROKEN)
    assert not_ours(broken, tmp_path) == {"kept", "hidden.0", "puts", "malloc"}


def test_every_kernel_is_found_with_those_that_it_calls() -> None:
    folder = CSRC / "kernels"
    products = {"linear.c": {"lines.c"}, "conv1d.c": {"lines.c"}, "bmm.c": {"lines.c"}}
    cells = {"cells.c", "lines.c"}
    recurrent = {"lstm.c": cells | {"linear.c"}, "gru.c": cells | {"linear.c"}, "flight.c": cells, "cells.c": cells}
    panels = {"rows.c", "panels.c"}
    settled = {"linear_s8.c": panels | {"settle.c", "tables.c"}, "conv1d_s8.c": panels | {"settle.c", "tables.c"}}
    integers = {"lstm_s8.c": panels | {"tables.c"}, "gru_s8.c": panels | {"tables.c"}, "rows.c": {"panels.c"}}
    for file in folder.glob("*.c"):
        assert (found := defined(text := file.read_text())), file
        for op in found:
            also = (products | recurrent | settled | integers).get(file.name, set())
            also = also | ({"tables.c"} if '#include "integer.h"' in text else set())
            assert kernels(f"TSAD_K({op})", folder) == {file.name} | also, op


def test_a_folder_of_somebody_s_is_left_alone(
    reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "main.c").write_text("mine")
    assert cli.main(["export", "--model", str(reference), "--to", str(tmp_path)]) == 1
    assert "tsad export did not write it; --to names a new folder" in capsys.readouterr().err
    assert (tmp_path / "main.c").read_text() == "mine"
