"""Lines to a firmware: QEMU's pipes, and a serial port.

Owns the process of QEMU and the port. What goes over a line is `protocol`'s business.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from ..toolchain import find
from .table import CORES, Board

BAUD = 115200
PR_SET_PDEATHSIG = 1  # of linux/prctl.h


class Emulator:
    """A firmware in QEMU; a context manager, at whose end QEMU ends.

    Parameters
    ----------
    board : Board
        With a machine.
    firmware : Path
        The .elf file.
    more : sequence of str
        Further arguments of QEMU.

    Raises
    ------
    ValueError
        QEMU does not have this board.
    RuntimeError
        QEMU is not installed; or, while it is used, that QEMU or the firmware ended, with QEMU's words.
    """

    def __init__(self, board: Board, firmware: Path, more: Sequence[str] = ()) -> None:
        core = CORES[board.core]
        if board.machine is None:
            raise ValueError(f"{board.name}: QEMU does not have it; connect one and give its serial port (--port)")
        found = find(core.emulator)
        if found is None:
            raise RuntimeError(
                f"{core.emulator} was not found; install it (Debian: apt install {core.emulator_package})"
            )
        serial = [word for _ in range(board.line or 0) for word in ("-serial", "null")] + ["-serial", "stdio"]
        command = [found, "-M", board.machine, *(["-bios", "none"] if board.machine == "virt" else [])]
        command += ["-nographic", "-monitor", "none", *serial, "-kernel", str(firmware)]
        command += ["-semihosting-config", "enable=on,target=native", *more]
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        # A session of its own: Ctrl-C is for us, who then end it.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )

    def send(self, data: bytes) -> None:
        """Send bytes to the firmware's line."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except BrokenPipeError:
            self._gone()

    def receive(self, seconds: float) -> bytes:
        """What the firmware sent."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            return b""
        data = os.read(self._process.stdout.fileno(), 4096)
        if not data:
            self._gone()
        return data

    def close(self) -> None:
        """End QEMU; what it writes at its end is written then."""
        self._process.terminate()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        self._process.wait()
        self._said.close()

    def _gone(self) -> None:
        code = self._process.wait()
        self._said.seek(0)
        words = self._said.read().decode(errors="replace").strip() or "without a word"
        raise RuntimeError(f"the firmware's emulator ended with {code}: {words}")

    def __enter__(self) -> Emulator:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _end_with_parent() -> None:
    """Ask Linux for it: a stage ends its workers from outside, and a firmware that waits for questions never ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Port:
    """A serial port with a board at its other end; a context manager.

    Parameters
    ----------
    name : str
        As the operating system calls it: /dev/ttyACM0.
    baud : int
        Its speed.

    Raises
    ------
    RuntimeError
        pyserial is not installed, or the port cannot be opened.
    """

    def __init__(self, name: str, baud: int = BAUD) -> None:
        try:
            import serial
        except ImportError:
            raise RuntimeError("pyserial is needed for --port: pip install 'tsad-edge[flash]'") from None
        try:
            self._port = serial.Serial(name, baud, timeout=0)
        except (OSError, ValueError) as error:
            raise RuntimeError(f"{name}: cannot be opened: {error}; is the board there, and may you use it?") from None

    def send(self, data: bytes) -> None:
        """Send bytes to the board."""
        self._port.write(data)

    def receive(self, seconds: float) -> bytes:
        """What the board sent."""
        self._port.timeout = seconds
        return bytes(self._port.read(1) + self._port.read(self._port.in_waiting))

    def __enter__(self) -> Port:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._port.close()
