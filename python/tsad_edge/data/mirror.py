"""Archives from a mirror: any place fsspec reads (folder, http(s)://, s3://, gs://) that holds them side by side.

A file appears in the cache under its own name only when it is whole and its checksum is right; nothing is resumed.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress

CHUNK = 1 << 20


def fetch(archive: str, mirror: str | None, into: str | Path, sha256: str) -> Path:
    """Bring one archive into the cache and return its path; a cached one is taken if its checksum still holds.

    Parameters
    ----------
    archive : str
        File name, the same on every mirror.
    mirror : str or None
        Folder or address; None takes the environment's TSAD_MIRROR.
    into : path
        Cache directory; made where it is missing.
    sha256 : str
        Expected checksum, hexadecimal.

    Raises
    ------
    ValueError
        There is no mirror, it cannot be read, it lacks the archive, or what it has is another file; names mirror,
        file, both checksums and the next step. The cache is as it was.

    Examples
    --------
    >>> fetch("NASA-MSL.zip", "https://example.org/tsad", "data/cache", "0acce4...")  # doctest: +SKIP
    PosixPath('data/cache/NASA-MSL.zip')
    """
    into = Path(into)
    whole = into / archive
    if whole.is_file() and _checksum(whole) == sha256:
        return whole
    mirror = place(mirror)
    if not mirror:
        raise ValueError(
            f"{archive}: no mirror is known; set prepare.mirror in params.yaml or the environment's TSAD_MIRROR to the "
            "folder or address (https://, s3://, gs://) that holds it"
        )
    into.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{archive}.", suffix=".part", dir=into)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            found, size = _copy(mirror, archive, out)
        if found != sha256:
            raise ValueError(
                f"{archive} from {mirror} is not the file the catalog knows: expected sha256 {sha256}, found {found} "
                f"({size} bytes); nothing was kept. Try again, and if it stays so compare the mirror's copy with its "
                "SHA256SUMS: it is damaged or another version"
            )
        part.replace(whole)
    finally:
        part.unlink(missing_ok=True)
    return whole


def place(mirror: str | None) -> str | None:
    """The folder or address that was named, else the environment's TSAD_MIRROR, else None."""
    return mirror or os.environ.get("TSAD_MIRROR") or None


def _copy(mirror: str, archive: str, out: Any) -> tuple[str, int]:
    """Stream the archive into `out`; its checksum and size."""
    import fsspec

    digest, size = hashlib.sha256(), 0
    try:
        system, path = fsspec.core.url_to_fs(f"{mirror.rstrip('/')}/{archive}")
        # Block size 0: one plain GET. Servers that ignore ranges would otherwise be asked for them.
        options = {"block_size": 0} if mirror.startswith(("http://", "https://")) else {}
        total = system.info(path).get("size")
        with system.open(path, "rb", **options) as source, progress() as bar:
            task = bar.add_task(archive, total=total)
            while chunk := source.read(CHUNK):
                out.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                bar.advance(task, len(chunk))
    except FileNotFoundError:
        raise ValueError(
            f"{mirror} has no {archive}; check the address (prepare.mirror or TSAD_MIRROR) and that the archive lies "
            "directly in it"
        ) from None
    except ImportError as error:
        raise ValueError(f"{mirror}: {error}; install it (pip install s3fs for s3://, gcsfs for gs://)") from None
    except Exception as error:  # every file system of fsspec has its own kinds of error
        raise ValueError(
            f"{archive} could not be read from {mirror}: {type(error).__name__}: {error}; nothing was kept. Check the "
            "address and the network, then try again"
        ) from error
    return digest.hexdigest(), size


@contextmanager
def progress() -> Iterator[Progress]:
    """A progress bar on stderr that shows bytes or items; silent where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield bar


def _checksum(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
