"""What goes into a device needs nothing: no allocation, no input or output, no writable global, no C library at all."""

import subprocess
from pathlib import Path

import pytest

CSRC = Path(__file__).parents[2] / "csrc"
SOURCES = [*sorted(CSRC.glob("tsad*.c")), *sorted((CSRC / "kernels").glob("*.c")), CSRC / "reference" / "m_reference.c"]
INCLUDES = [f"-I{CSRC}", f"-I{CSRC / 'kernels'}", f"-I{CSRC / 'reference'}"]
MEMORY = {"memcpy", "memmove", "memset"}  # what a compiler may call by itself, and the only part of libc

PROGRAM = r"""
#include "m_reference.h"
void *memcpy(void *to, const void *from, size_t n) {
    for (size_t i = 0; i < n; i++) ((unsigned char *)to)[i] = ((const unsigned char *)from)[i];
    return to;
}
void *memmove(void *to, const void *from, size_t n) {
    unsigned char *t = (unsigned char *)to; const unsigned char *f = (const unsigned char *)from;
    if (t < f) for (size_t i = 0; i < n; i++) t[i] = f[i];
    else while (n-- > 0) t[n] = f[n];
    return to;
}
void *memset(void *to, int c, size_t n) {
    for (size_t i = 0; i < n; i++) ((unsigned char *)to)[i] = (unsigned char)c;
    return to;
}
static union { uint64_t align; unsigned char bytes[M_REFERENCE_MEMORY]; } memory;
void _start(void);
void _start(void) {
    static const float sample[M_REFERENCE_CHANNELS];
    tsad d;
    tsad_result r;
    if (tsad_init(&d, &m_reference, &m_reference_config, &memory, sizeof memory) == TSAD_OK)
        for (uint64_t t = 0;; t++)
            tsad_step(&d, t, sample, &r);
}
"""


def compile_c(compiler: str, *arguments: str | Path) -> None:
    command = [compiler, "-std=c99", "-ffp-contract=off", *INCLUDES, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def symbols(path: Path) -> list[tuple[str, str]]:
    """(type, name) by nm."""
    done = subprocess.run(["nm", path], capture_output=True, text=True, check=True)
    return [(line[17:18], line[19:]) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_objects_need_nothing_and_keep_nothing(source: Path, compiler: str, tmp_path: Path) -> None:
    compile_c(compiler, "-O3", "-c", source, "-o", tmp_path / "object.o")
    found = symbols(tmp_path / "object.o")
    assert found
    needed = {name for kind, name in found if kind == "U"}
    foreign = {name for name in needed - MEMORY if not name.startswith("tsad_") and name != "_GLOBAL_OFFSET_TABLE_"}
    assert not foreign, f"{source.name} calls {foreign}"
    # Constant data that holds addresses is in d (.data.rel.ro) of a position-independent object; here only in r.
    writable = {name for kind, name in found if kind in "bBcCsS"}
    assert not writable, f"{source.name} has writable globals {writable}"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_no_initialised_writable_data(source: Path, compiler: str, tmp_path: Path) -> None:
    compile_c(compiler, "-O3", "-fno-pic", "-fno-pie", "-c", source, "-o", tmp_path / "object.o")
    writable = {name for kind, name in symbols(tmp_path / "object.o") if kind in "dD"}
    assert not writable, f"{source.name} has writable data {writable}"


def test_a_model_library_shows_three_functions_and_keeps_the_rest(built: Path) -> None:
    """Two models in one process, or a model and the host, must not take each other's kernels."""
    command = ["nm", "-D", "--defined-only", built / "libm_tiny.so"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[2::3]
    assert sorted(found) == ["tsad_config_get", "tsad_model_get", "tsad_tap_to"]  # the last in builds with taps only


def test_links_without_a_c_library(compiler: str, tmp_path: Path) -> None:
    program = tmp_path / "program.c"
    program.write_text(PROGRAM)
    compile_c(
        compiler,
        *("-Os", "-ffreestanding", "-fno-builtin", "-fno-stack-protector"),
        *("-nostdlib", "-static", "-Wall", program, *SOURCES, "-o", tmp_path / "program"),
    )
    assert {name for kind, name in symbols(tmp_path / "program") if kind == "U"} == set()
