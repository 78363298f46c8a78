"""The reference model's firmware for every board, built once, and what a board adds left away: a session on the host.

Where a cross-compiler or QEMU is missing these tests skip, and say so; in continuous integration that is a failure.
"""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tsad_edge.boards import boards, build
from tsad_edge.boards.table import CORES
from tsad_edge.toolchain import find

ROOT = Path(__file__).parents[2]
CSRC = ROOT / "csrc"
EMULATED = sorted(name for name, board in boards().items() if board.machine)


@pytest.fixture(scope="session")
def tools() -> None:
    """Cross-compilers and QEMU."""
    lacking = []
    for prefix, compiler_package, emulator, emulator_package in CORES.values():
        lacking += [] if find(f"{prefix}gcc") else [compiler_package]
        lacking += [] if find(emulator) else [emulator_package]
    if lacking:
        why = f"no firmware was built or run: `make setup-qemu` installs {', '.join(sorted(set(lacking)))}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one model, as `tsad convert` writes it: the reference model."""
    folder = tmp_path_factory.mktemp("reference") / "m_reference"
    folder.mkdir()
    for suffix in (".c", ".h"):
        shutil.copy2(CSRC / "reference" / f"m_reference{suffix}", folder)
    (folder / "detector.json").write_text('{"channels": ["a", "b", "c"], "window": 16, "guard": {}}')
    return folder


@pytest.fixture(scope="session")
def firmware(tools: None, reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Path of the reference model's firmware for a board."""
    place = tmp_path_factory.mktemp("firmware")

    def built(name: str) -> Path:
        if not (place / name).is_dir():
            build(boards()[name], reference.parent, place / name)
        return place / name / "m_reference.elf"

    return built


@pytest.fixture(scope="session")
def samples() -> NDArray[np.float32]:
    """500 samples (T, C) with quiet stretches, events, and two samples of which a value is missing."""
    draw = np.random.default_rng(5)
    values = draw.normal([0.0, 0.5, 1.0], 0.3, (500, 3)).astype(np.float32)
    values[100:140] += 3
    values[300:303] -= 5
    values[480:] += 4  # an event that is open at the end
    values[60, 1] = np.nan
    values[110, 2] = np.inf
    return values


class OnHost:
    """The C of a session, in this process; a `Line` whose bytes arrive at once."""

    def __init__(self, library: Path) -> None:
        self._c = ctypes.CDLL(str(library))
        self._c.host_take.restype = ctypes.c_size_t
        self._room = ctypes.create_string_buffer(1 << 16)
        self._waiting = b""
        self._c.host_start()

    def restart(self) -> None:
        """As after power on."""
        self._c.host_start()
        self._waiting = b""

    def exchange(self, data: bytes) -> bytes:
        """What the firmware says to some bytes."""
        size = self._c.host_take(data, ctypes.c_size_t(len(data)), self._room)
        return self._room.raw[:size]

    def send(self, data: bytes) -> None:
        self._waiting += self.exchange(data)

    def receive(self, _: float) -> bytes:
        data, self._waiting = self._waiting, b""
        return data


def session_of(mcu: Path, out: Path) -> Path:
    """The library of `session_on_host.c` with the protocol of a folder, and sanitizers' checks that need no runtime."""
    sources = [Path(__file__).with_name("session_on_host.c"), mcu / "session.c", mcu / "frame.c", *CSRC.glob("tsad*.c")]
    sources += [*sorted((CSRC / "kernels").glob("*.c")), CSRC / "reference" / "m_reference.c"]
    flags = "-std=c99 -O2 -shared -fPIC -ffp-contract=off -fsanitize=undefined -fsanitize-undefined-trap-on-error"
    includes = [f"-I{folder}" for folder in (CSRC, CSRC / "kernels", CSRC / "reference", mcu)]
    compiler = os.environ.get("CC") or "cc"
    done = subprocess.run([compiler, *flags.split(), *includes, *sources, "-o", out], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="session")
def session_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return session_of(CSRC / "target" / "mcu", tmp_path_factory.mktemp("session") / "session.so")


@pytest.fixture
def on_host(session_library: Path) -> OnHost:
    """A session as after power on."""
    return OnHost(session_library)
