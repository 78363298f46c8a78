"""Lines of a file that grows, and is rotated by renaming; and where they were read, so that a restart reads on there.

A file is the one that was read when it has its inode and, before the place that was reached, the same bytes. The name
is looked up again when there is nothing new: when it leads to another file that holds something, the writer has moved
on, and what is left of the old one is read first. So a file may be rotated as long as this runs, and once while it does
not run. A file that got shorter is refused: rows may be lost.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from .lines import BLOCK, LONGEST, POLL, Piece, Splitter
from .stopping import Stopping

TAIL = 256
"""Bytes before the place that was reached, by which a file is known again."""


class Follow:
    """A file under a name; a context manager.

    Parameters
    ----------
    path : Path
        The name, which others may give to another file.
    stop : Stopping
        When to end.
    say : callable
        Told when rows are missing.
    """

    noisy = False
    ended = False

    def __init__(self, path: Path, stop: Stopping, say: Callable[[str], None]) -> None:
        self.name = str(path)
        self._path, self._stop, self._say = path, stop, say
        self._file: io.FileIO | None = None
        self._splitter = Splitter(self.name)
        self._offset = 0
        self._tail = b""

    def begin(self) -> None:
        """Read what has the name now, from its start."""
        self._take(io.FileIO(self._path), 0)

    def resume(self, position: dict[str, Any]) -> list[bytes] | None:
        """Read on from `position`; the lines up to the one that tells the columns, or None when the file is gone.

        Raises
        ------
        ValueError
            The file is there, but not what was read of it.
        """
        inode, offset = position["inode"], position["offset"]
        with os.scandir(self._path.absolute().parent) as folder:
            names = [each.path for each in folder if each.inode() == inode and each.is_file(follow_symlinks=False)]
        if not names:
            self._say(
                f"{self.name}: the file that was read to byte {offset} is no longer in its folder; rows may be "
                "lost, the window fills anew"
            )
            return None
        self._take(io.FileIO(names[0]), offset)
        if self._digest() != position["digest"]:
            raise ValueError(self._cut())
        return self._head(offset)

    def position(self) -> dict[str, Any]:
        """Which file, and where in it the next line begins."""
        return {"inode": self._stat().st_ino, "offset": self._offset, "digest": self._digest()}

    def took(self, line: bytes) -> None:
        """A line is done with."""
        self._offset += len(line)
        self._tail = (self._tail + line)[-TAIL:]

    def pieces(self) -> Iterator[Piece]:
        """Until this is to stop: a file that grows has no end."""
        while not self._stop.heard:
            data = self._read()
            if not data and self._replaced():
                data = self._read()  # what was written before the other one was begun
                if not data:
                    yield Piece([self._splitter.rest] if self._splitter.rest else [])
                    self.begin()
                    yield Piece(fresh=True)
                    continue
            yield Piece(self._splitter.feed(data))
            if not data:
                if self._stat().st_size < self._offset + len(self._splitter.rest):
                    raise ValueError(self._cut())
                self._stop.wait(POLL)

    def __enter__(self) -> Follow:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()

    def _take(self, file: io.FileIO, offset: int) -> None:
        """Another file, from a place on."""
        if self._file is not None:
            self._file.close()
        self._file, self._splitter, self._offset = file, Splitter(self.name), offset
        file.seek(max(0, offset - TAIL))
        self._tail = file.read(min(offset, TAIL))
        file.seek(offset)

    def _stat(self) -> os.stat_result:
        assert self._file is not None
        return os.fstat(self._file.fileno())

    def _read(self) -> bytes:
        assert self._file is not None
        return self._file.read(BLOCK) or b""

    def _replaced(self) -> bool:
        """The name leads to another file, and something is in it."""
        try:
            now = self._path.stat()
        except FileNotFoundError:
            return False
        return now.st_size > 0 and not os.path.samestat(now, self._stat())

    def _digest(self) -> str:
        return hashlib.sha256(self._tail).hexdigest()

    def _head(self, offset: int) -> list[bytes]:
        """The first line that is not blank, and the blank ones before it, as far as they were read."""
        assert self._file is not None
        found = []
        for line in Splitter(self.name).feed(os.pread(self._file.fileno(), min(offset, LONGEST), 0)):
            found.append(line)
            if line.strip():
                break
        return found

    def _cut(self) -> str:
        return (
            f"{self.name}: is not what was read up to byte {self._offset} any more, it was cut or written anew; rows "
            "may be lost. Rotate it by renaming (logrotate: create, not copytruncate); move the event file and its "
            "state away to begin anew"
        )
