"""Lines from a serial port, which waits for nobody: a thread reads it into a queue of bounded size.

What comes while the queue is full is not kept, but counted. The line in whose middle the port was opened is left out.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from types import TracebackType

from ..boards import Port
from .lines import POLL, Piece, Splitter, TooLongError
from .stopping import Stopping

ROOM = 1 << 20
"""Bytes of memory that the queue takes at most: some 10 s of a port at 115200 baud with short lines, more with long."""

POINTER = 8


class PortLines:
    """A serial port; a context manager.

    Parameters
    ----------
    name : str
        As the operating system calls it: /dev/ttyUSB0.
    baud : int
        Its speed.
    stop : Stopping
        When to end.

    Raises
    ------
    RuntimeError
        pyserial is not installed, or the port cannot be opened.
    OSError
        While lines are read: the port is gone.
    """

    noisy = True
    ended = False

    def __init__(self, name: str, baud: int, stop: Stopping) -> None:
        self.name = name
        self._port, self._stop, self._closed = Port(name, baud), stop, False
        self._thread = threading.Thread(target=self._read, name="tsad-port", daemon=True)
        self._lock, self._some = threading.Lock(), threading.Event()
        self._lines: list[bytes] = []
        self._bytes = self._lost = 0
        self._error: OSError | None = None

    def begin(self) -> None:
        """What was sent before is gone."""

    def resume(self, position: dict[str, object]) -> None:
        """What was sent before is gone."""

    def position(self) -> dict[str, object]:
        """Nothing that could be found again."""
        return {}

    def took(self, line: bytes) -> None:
        """It is gone."""

    def pieces(self) -> Iterator[Piece]:
        """Until this is to stop, or the port is gone."""
        self._thread.start()
        while not self._stop.heard:
            self._some.wait(POLL)
            with self._lock:
                self._some.clear()
                piece, error = Piece(self._lines, lost=self._lost), self._error
                self._lines, self._bytes, self._lost = [], 0, 0
            yield piece
            if error is not None:
                raise error

    def __enter__(self) -> PortLines:
        self._port.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closed = True
        if self._thread.is_alive():
            self._thread.join()
        self._port.__exit__(kind, error, at)

    def _read(self) -> None:
        splitter, joined = Splitter(self.name), False
        try:
            while not self._closed:
                data = self._port.receive(POLL)
                try:
                    lines, lost = splitter.feed(data), 0
                except TooLongError:
                    lines, lost = [], 1
                self._keep(lines if joined else lines[1:], lost)
                joined |= bool(lines) or bool(lost)
        except OSError as error:
            with self._lock:
                self._error = error
            self._some.set()

    def _keep(self, lines: list[bytes], lost: int) -> None:
        with self._lock:
            self._lost += lost
            for line in lines:
                size = sys.getsizeof(line) + POINTER
                if self._lost or self._bytes + size > ROOM:
                    self._lost += 1
                else:
                    self._lines.append(line)
                    self._bytes += size
            if self._lines or self._lost:
                self._some.set()
