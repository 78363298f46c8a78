"""From a line of CSV to the lines of events that it causes: the edge binary's reader, and the compiled detector.

Knows nothing of files. Its state is all that the next line's meaning depends on.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import _core
from ..files import read_json

LARGEST = float(np.finfo(np.float32).max)


class Watch:
    """A detector over one stream.

    Parameters
    ----------
    description, library : Path
        detector.json and the model library that was made with it.
    name : str
        What messages call the input.
    time : str or None
        Name of the time column, None: the first of the usual names; without one t is the row's index.
    noisy : bool
        A line that is none is a missing sample, and no error.
    say : callable
        Told what is missing.

    Raises
    ------
    ValueError, RuntimeError
        There is no such library, it is not of one run with the description, or cannot be used.
    """

    def __init__(
        self, description: Path, library: Path, name: str, time: str | None, noisy: bool, say: Callable[[str], None]
    ) -> None:
        about = read_json(description)
        self._model = _core.Model(str(library.resolve()))
        if about.get("id") != self._model.id:
            raise ValueError(f"{description} and {library} are not of one run; run the stage convert again")
        self._entity, self._channels = about["entity"], about["channels"]
        self._detector = _core.Detector(self._model, batch=1)
        self._name, self._time, self._noisy, self._say = name, time, noisy, say
        self._index, self._open, self._scored = 0, False, False
        self.begin()

    def identity(self) -> dict[str, str]:
        """What a state must be of, to go on here."""
        return {"model": self._model.id, "version": _core.version}

    def begin(self) -> None:
        """The next line is the first of a file."""
        self._rows, self._known = _core.Rows(self._model, self._name, self._time), False
        self._line = 0

    def take(self, line: bytes) -> list[str]:
        """The lines of events that a line of CSV causes.

        Raises
        ------
        ValueError
            It is no row, or its time is refused; names line and column. Then it was not taken.
        """
        told = self._take(line)
        self._line = self._rows.line
        return told

    def _take(self, line: bytes) -> list[str]:
        try:
            row = self._rows.take(line, self._index)
        except ValueError as error:
            if not (self._noisy and self._known):
                raise
            self._say(f"{error}; taken for a missing sample")
            row = None if self._rows.timed else (self._index, np.full(self._model.channels, np.nan, np.float32))
        self._known |= bool(line.strip())
        if row is None:
            return []
        t, sample = row
        try:
            scores, alarms, events, _ = self._detector.run(sample[None], np.array([t], np.int64), False)
        except ValueError:
            raise ValueError(
                f"{self._name}: line {self._rows.line}: t = {t} is not after that of an earlier row; sort the rows by "
                "time, or let the guard start anew there (train.guard.step_back)"
            ) from None
        self._index += 1
        self._scored |= not np.isnan(scores[0])
        if len(events):
            return self._ended(events[0])
        if alarms[0] and not self._open:
            self._open = True
            return [self._told("started", self._detector.event)]
        return []

    def lost(self, lines: int) -> list[str]:
        """Samples are missing here: the window fills anew, the event that goes on is over."""
        if lines:
            self._say(
                f"{self._name}: {lines} lines came faster than they were taken, and are lost; the window fills anew"
            )
        self._index += lines
        return self._ended(self._detector.interrupt())

    def finish(self) -> list[str]:
        """The input is at its end.

        Raises
        ------
        ValueError
            No row had a score: silence must not pass for "no events".
        """
        if not self._scored:
            raise ValueError(
                f"{self._name}: no row has a score: the model {self._model.name} wants {self._model.window} rows for "
                "its first, with nothing between them that resets the window; give more"
            )
        return self._ended(self._detector.finish())

    def going_on(self) -> str | None:
        """What is to be said of an event that goes on when this stops."""
        if not self._open:
            return None
        event = self._detector.event
        return f"event {event['id']} goes on, since t = {event['start']}"

    def state(self) -> dict[str, Any]:
        """All that the next line's meaning depends on, but the columns."""
        image = base64.b64encode(self._detector.snapshot()).decode()
        return {
            "line": self._line,
            "index": self._index,
            "open": self._open,
            "scored": self._scored,
            "detector": image,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state, at the beginning of a file."""
        self._index, self._open, self._scored = state["index"], state["open"], state["scored"]
        self._detector.restore(base64.b64decode(state["detector"]))

    def columns(self, head: Sequence[bytes], line: int) -> None:
        """Go on behind the line with this number of a file that begins with these."""
        for each in head:
            self._rows.take(each, 0)
        self._rows.line = self._line = line
        self._known = bool(head)

    def _ended(self, event: Any) -> list[str]:
        if event is None:
            return []
        self._open = False
        return [self._told("ended", event)]

    def _told(self, what: str, event: Any) -> str:
        start, end, top = int(event["start"]), int(event["end"]), int(event["top"])
        tree = {
            "schema": 1,
            "entity": self._entity,
            "event": what,
            "id": int(event["id"]),
            "start": start,
            "end": end,
            "duration": end - start,
            "peak": min(float(f"{event['peak']:.9g}"), LARGEST),
            "peak_t": int(event["peak_t"]),
            "top": None if top < 0 else self._channels[top],
        }
        return json.dumps(tree) + "\n"
