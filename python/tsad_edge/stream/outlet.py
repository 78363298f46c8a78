"""Where lines of events go: a file that a kill at any moment leaves right, or standard output.

The promise and its order of writing stand in the head of the package.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import select
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from ..files import write_durably
from .lines import POLL
from .stopping import Stopping

EVERY = 1.0
"""Seconds after which a state is kept though there was no event: so much is read again after a kill, at most."""
PIPE_BUF = 4096
"""Bytes that a pipe takes without waiting when it says that it takes something."""

State = Callable[[], dict[str, Any]]


class Journal:
    """A file of events, and its state beside it; a context manager.

    Parameters
    ----------
    path : Path
        Of the file; it is made where it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._state = path, path.with_name(f"{path.name}.state")
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._length = 0
        self._identity: dict[str, Any] = {}
        self._last: dict[str, Any] = {}
        self._kept = 0.0

    def resume(self, identity: dict[str, Any]) -> dict[str, Any] | None:
        """Complete what was begun; the last state, or None at the very beginning.

        Raises
        ------
        ValueError
            Another process writes the file, it is not what was written, or the state is of something else.
        """
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{self._path}: another tsad stream writes it; give another file with --to") from None
        self._identity = identity
        held = os.fstat(self._file).st_size
        if not self._state.exists():
            if held:
                raise ValueError(f"{self._path}: holds something, but {self._state} is not there; give a new file")
            return None
        kept = self._read(identity)
        lines = kept["lines"].encode()
        if not kept["length"] <= held <= kept["length"] + len(lines):
            raise ValueError(
                f"{self._path}: has {held} bytes, but {kept['length']} were acknowledged; it is not the file that was "
                f"written. Bring that back, or move it and {self._state} away to begin anew"
            )
        there = os.pread(self._file, len(lines), kept["length"])
        same = len(os.path.commonprefix([there, lines]))
        os.ftruncate(self._file, kept["length"] + same)  # what a power failure left there was never acknowledged
        self._length = kept["length"] + same
        self._append(lines[same:])
        self._last, self._kept = kept["state"], time.monotonic()
        return self._last

    def put(self, told: Sequence[str], state: State) -> None:
        """Acknowledge lines; without any, keep the state from time to time."""
        if told or time.monotonic() - self._kept >= EVERY:
            self.keep(told, state)

    def keep(self, told: Sequence[str], state: State) -> None:
        """Acknowledge lines, and keep the state where it is another one."""
        now = state()
        self._kept = time.monotonic()
        if not told and now == self._last:
            return
        lines = "".join(told)
        tree = {"schema": 1, **self._identity, "length": self._length, "lines": lines, "state": now}
        write_durably(self._state, (json.dumps(tree | {"digest": _digest(tree)}) + "\n").encode())
        self._last = now
        self._append(lines.encode())

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._file)

    def _read(self, identity: dict[str, Any]) -> dict[str, Any]:
        try:
            kept: dict[str, Any] = json.loads(self._state.read_bytes())
            if kept.pop("digest") != _digest(kept):
                raise ValueError("its digest is another one")
        except (ValueError, KeyError, AttributeError) as error:
            raise ValueError(f"{self._state}: is damaged ({error}); move it and {self._path} away") from None
        for name, value in identity.items():
            if kept[name] != value:
                raise ValueError(
                    f"{self._state}: is of {name} {kept[name]}, this is {name} {value}; give another file "
                    f"with --to, or move {self._path} and its state away to begin anew"
                )
        return kept

    def _append(self, lines: bytes) -> None:
        self._length += len(lines)
        while lines:
            lines = lines[os.write(self._file, lines) :]
        os.fsync(self._file)


class Output:
    """Standard output, for whoever reads it now; waits for its reader, but not when this is to stop."""

    def __init__(self, stop: Stopping, say: Callable[[str], None]) -> None:
        self._stop, self._say = stop, say

    def resume(self, identity: dict[str, Any]) -> None:
        """Nothing is kept."""

    def put(self, told: Sequence[str], state: State) -> None:
        """Write lines as their reader takes them, and no half ones, unless they are longer than `PIPE_BUF`."""
        here, data = sys.stdout.fileno(), "".join(told).encode()
        while data:
            if select.select([], [here], [], POLL)[1]:
                whole = data.rfind(b"\n", 0, PIPE_BUF) + 1
                data = data[os.write(here, data[: whole or PIPE_BUF]) :]
            elif self._stop.heard:
                lines = data.count(b"\n")
                self._say(f"{lines} lines of events were not taken by the reader of standard output")
                return

    keep = put

    def __enter__(self) -> Output:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass


def _digest(tree: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(tree).encode()).hexdigest()
