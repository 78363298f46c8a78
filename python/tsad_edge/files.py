"""Nothing half-written: directories and files that take their place whole, or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def replaced(*places: Path) -> Iterator[tuple[Path, ...]]:
    """New directories that take the given places when the work in them is done, and vanish when it is not.

    What was there is moved aside before it is deleted: being interrupted leaves no half-deleted directory in its place.

    Examples
    --------
    >>> with replaced(Path("out")) as (out,):  # doctest: +SKIP
    ...     (out / "result.txt").write_text("whole")
    """
    scratch = tuple(place.with_name(f".{place.name}.new") for place in places)
    aside = tuple(place.with_name(f".{place.name}.old") for place in places)
    try:
        for new in scratch:
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(parents=True)
        yield scratch
        for old in aside:
            shutil.rmtree(old, ignore_errors=True)
        with uninterrupted():  # between the two renames the place is empty
            for new, old, place in zip(scratch, aside, places, strict=True):
                with contextlib.suppress(FileNotFoundError):
                    place.rename(old)
                new.rename(place)
    finally:
        with uninterrupted():
            for leftover in (*scratch, *aside):
                shutil.rmtree(leftover, ignore_errors=True)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C waits until the work in here is done; processes started in here never hear it."""
    heard: list[bool] = []
    # The mask is this thread's, and what processes inherit; another thread may still take the signal for all of us.
    ours = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, lambda *_: heard.append(True)) if ours else None
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if ours:
            signal.signal(signal.SIGINT, handler)
            if heard:
                signal.raise_signal(signal.SIGINT)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file; whoever reads it meanwhile sees the old one or the new one."""
    scratch = path.with_name(f".{path.name}.new")
    try:
        scratch.write_bytes(data)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def write_durably(path: Path, data: bytes) -> None:
    """The same for a power failure, too: when this returns, the new file is on the disk."""
    scratch = path.with_name(f".{path.name}.new")
    with open(scratch, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
    folder = os.open(path.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: Path, tree: Any) -> None:
    """Write a JSON file, whole or not at all."""
    write_whole(path, (json.dumps(tree, indent=2) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text())
