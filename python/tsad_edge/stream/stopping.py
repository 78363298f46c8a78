"""SIGTERM and Ctrl-C end a stream between two pieces, and nothing in the middle of one."""

from __future__ import annotations

import signal
import time
from types import TracebackType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopping:
    """While it is entered, the signals only set `heard`; who waits looks at it at least ten times a second."""

    def __init__(self) -> None:
        self.heard = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Stopping:
        self._before = {each: signal.signal(each, self._hear) for each in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def wait(self, seconds: float) -> None:
        """Sleep, unless it is over."""
        if not self.heard:
            time.sleep(seconds)

    def _hear(self, *_: Any) -> None:
        self.heard = True
