"""Lines from standard input. Its writer waits as long as nobody reads here."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from types import TracebackType

from .lines import BLOCK, POLL, Piece, Splitter
from .stopping import Stopping


class Pipe:
    """Standard input, to its end."""

    name = "standard input"
    noisy = False

    def __init__(self, stop: Stopping) -> None:
        self.ended = False
        self._stop = stop
        self._splitter = Splitter(self.name)

    def begin(self) -> None:
        """There is but one place to begin at."""

    def resume(self, position: dict[str, object]) -> None:
        """What was read is gone."""

    def position(self) -> dict[str, object]:
        """Nothing that could be found again."""
        return {}

    def took(self, line: bytes) -> None:
        """It is gone."""

    def pieces(self) -> Iterator[Piece]:
        """Until its end, or until this is to stop."""
        here = sys.stdin.fileno()
        while not self._stop.heard:
            if not select.select([here], [], [], POLL)[0]:
                yield Piece()
            elif data := os.read(here, BLOCK):
                yield Piece(self._splitter.feed(data))
            else:
                yield Piece([self._splitter.rest] if self._splitter.rest else [])
                self.ended = True
                return

    def __enter__(self) -> Pipe:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass
