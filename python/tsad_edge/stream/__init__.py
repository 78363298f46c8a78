"""`tsad stream`: samples come in as they are measured, events go out once each, whatever is killed in between.

Room by room: watch (samples -> events, by the compiled detector and the edge binary's own reader), follow, pipe and
port (where lines come from), outlet (where events go), lines and stopping. What is promised is this.

An event has two lines: `started` at once, `ended` when it is over. With ``--to FILE`` a line is *acknowledged* once it
is in FILE and fsync has returned. Beside FILE lies FILE.state: where in the input the detector stands, all it knows of
the past (the bytes of its memory, so that nothing is recomputed), how long FILE was, and the lines that come next. Such
a state replaces the one before at once (temporary file, fsync, rename, fsync of the folder) *before* its lines are
appended to FILE. So after a kill at any moment FILE is what some state says, and perhaps a beginning of its lines: the
next start writes the rest of them, and never one again. From there it depends on the input:

- A file is read on from where the state stands: what was read after the state is read again, and had told nobody
  anything. FILE becomes what a run without the kill would have written, byte for byte.
- Samples from standard input or a serial port come but once. What came after the last state (at most a second of it,
  and without an event) and until the restart is lost. The event that went on is ended, the window fills anew, ids and
  what an adapting threshold has learnt go on: no line is lost, none comes twice.

Events on standard output are for whoever reads them now: a line is acknowledged when the system has taken it, nothing
is kept, and a restart knows nothing. A reader that does not read stops the reading of a file or of standard input
(whose writer waits in turn); a serial port is read on into a bounded queue, and what does not fit is counted and told,
ends the event and empties the window.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .follow import Follow
from .outlet import Journal, Output
from .pipe import Pipe
from .port import PortLines
from .stopping import Stopping
from .watch import Watch


def stream(
    description: Path,
    library: Path,
    source: str,
    to: str | None,
    time: str | None,
    baud: int,
    say: Callable[[str], None],
) -> None:
    """Watch a source until it ends, or SIGTERM or Ctrl-C ends this.

    Parameters
    ----------
    description, library : Path
        detector.json and the model library, as ``tsad convert`` leaves them.
    source : str
        A CSV file, which may grow and be rotated by renaming; ``-`` for standard input; or a serial port.
    to : str or None
        File that JSON lines are appended to; None: standard output.
    time : str or None
        Name of the time column, by default the first of the usual names.
    baud : int
        Of a serial port.
    say : callable
        Takes what a person should know, a sentence at a time.

    Raises
    ------
    ValueError
        Input, event file or state are not as they have to be; names them, line and column, and the next step.
    OSError, RuntimeError
        Something cannot be read, written or loaded.

    Examples
    --------
    >>> stream(  # doctest: +SKIP
    ...     Path("pump7/detector.json"), Path("pump7/libm_pump7.so"), "pump.csv", "events.jsonl", None, 115200, print
    ... )
    """
    with Stopping() as stop, _input(source, baud, stop, say) as lines:
        watch = Watch(description, library, lines.name, time, lines.noisy, say)
        where = source if source == "-" else str(Path(source).absolute())
        with _outlet(to, stop, say) as out:
            kept = out.resume({"source": where, **watch.identity()})
            _run(watch, lines, out, kept)
        if (going_on := watch.going_on()) is not None:
            say(going_on)


def _run(watch: Watch, lines: Follow | Pipe | PortLines, out: Journal | Output, kept: dict[str, Any] | None) -> None:
    """Line by line, until the lines end."""

    def state() -> dict[str, Any]:
        return {"watch": watch.state(), "position": lines.position()}

    out.put(_begin(watch, lines, kept), state)
    for piece in lines.pieces():
        if piece.fresh:
            watch.begin()
        told = []
        try:
            for line in piece.lines:
                told += watch.take(line)
                lines.took(line)
            if piece.lost:
                told += watch.lost(piece.lost)
        finally:  # what came before a bad line counts
            out.put(told, state)
    out.keep(watch.finish() if lines.ended else [], state)


def _input(source: str, baud: int, stop: Stopping, say: Callable[[str], None]) -> Follow | Pipe | PortLines:
    if source == "-":
        return Pipe(stop)
    place = Path(source)
    if not place.exists():
        raise ValueError(f"{source}: no such file; give a CSV file, a serial port, or - for standard input")
    if stat.S_ISCHR(place.stat().st_mode):
        return PortLines(source, baud, stop)
    if not place.is_file():
        raise ValueError(f"{source}: is neither a file nor a serial port; send it to standard input, and give -")
    return Follow(place, stop, say)


def _outlet(to: str | None, stop: Stopping, say: Callable[[str], None]) -> Journal | Output:
    return Output(stop, say) if to is None else Journal(Path(to))


def _begin(watch: Watch, lines: Follow | Pipe | PortLines, kept: dict[str, Any] | None) -> list[str]:
    """From the start, or from a state; what is to be told at once."""
    if kept is None:
        lines.begin()
        return []
    watch.restore(kept["watch"])
    head = lines.resume(kept["position"])
    if head is not None:
        watch.columns(head, kept["watch"]["line"])
        return []
    lines.begin()
    return watch.lost(0)
