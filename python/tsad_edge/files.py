"""Nothing half-written: directories and JSON files that take their place whole, or not at all."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def replaced(*places: Path) -> Iterator[tuple[Path, ...]]:
    """New directories that take the given places when the work in them is done, and vanish when it is not.

    Examples
    --------
    >>> with replaced(Path("out")) as (out,):  # doctest: +SKIP
    ...     (out / "result.txt").write_text("whole")
    """
    scratch = tuple(place.with_name(f".{place.name}.new") for place in places)
    try:
        for new in scratch:
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(parents=True)
        yield scratch
        for new, place in zip(scratch, places, strict=True):
            shutil.rmtree(place, ignore_errors=True)
            new.rename(place)
    finally:
        for new in scratch:
            shutil.rmtree(new, ignore_errors=True)


def write_json(path: Path, tree: Any) -> None:
    """Write a JSON file; whoever reads it meanwhile sees the old one or the new one."""
    scratch = path.with_name(f".{path.name}.new")
    scratch.write_text(json.dumps(tree, indent=2) + "\n")
    scratch.replace(path)


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text())
