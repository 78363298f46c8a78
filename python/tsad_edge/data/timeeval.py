"""Archives in TimeEval layout: <inner>/<entity>.train.csv and <entity>.test.csv inside a .zip or a .tar.xz.

A .zip is read where it lies. A .tar.xz can only be read from front to back, so it is unpacked into the cache once.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from .catalog import Dataset
from .mirror import progress
from .series import Entity, Series, events_of
from .table import Table, read_table

Root = Path | zipfile.Path


class UnusableError(ValueError):
    """An entity that cannot be learned from; the message says why."""


def open_archive(archive: str | Path, dataset: Dataset) -> Root:
    """The directory of the entities, inside the zip or unpacked beside the tar.

    Raises
    ------
    ValueError
        The archive is of another kind, damaged, or lacks the directory.
    """
    archive = Path(archive)
    try:
        if archive.suffix == ".zip":
            root: Root = zipfile.Path(archive, f"{dataset.inner}/")
        else:
            root = _unpacked(archive, dataset)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        raise ValueError(f"{archive}: cannot be read ({error}); delete it and run `tsad prepare` again") from error
    if not root.exists() or not entity_names(root):
        raise ValueError(f"{archive}: no series below {dataset.inner!r}; is it an archive in TimeEval layout?")
    return root


def entity_names(root: Root) -> list[str]:
    """All entities below `root`, usable or not, sorted."""
    ends = (".train.csv", ".test.csv")
    return sorted({path.name.removesuffix(end) for path in root.iterdir() for end in ends if path.name.endswith(end)})


def read_entity(root: Root, entity: str, dataset: Dataset) -> Entity:
    """Read train and test of one entity.

    Where the archive's test repeats the training data first (KDD-TSAD), the test stays whole and `test_start` says
    where it begins in earnest.

    Raises
    ------
    UnusableError
        The catalog rules the entity out, or one of its two files is missing.
    ValueError
        A file is not a valid table, or training data is incomplete.

    Examples
    --------
    >>> root = open_archive("NASA-MSL.zip", catalog()["NASA-MSL"])  # doctest: +SKIP
    >>> read_entity(root, "C-1", catalog()["NASA-MSL"]).train.values.shape  # doctest: +SKIP
    (2158, 1)
    """
    if entity in dataset.leave_out:
        raise UnusableError(f"{dataset.name} entity {entity!r} cannot be used: {dataset.leave_out[entity]}")
    train, test = (_table(root, entity, part, dataset) for part in ("train", "test"))
    train.require_complete(len(train))
    if train.channels != test.channels:
        raise ValueError(f"{test.name}: channels {test.channels} differ from those of training, {train.channels}")
    start = 0
    if dataset.test_holds_train:
        start = len(train)
        if not np.array_equal(test.values[:start], train.values):
            raise ValueError(
                f"{test.name}: does not begin with the training data, as {dataset.name} should; wrong archive?"
            )
    return Entity(_series(train, entity, dataset), _series(test, entity, dataset), start)


def _table(root: Root, entity: str, part: str, dataset: Dataset) -> Table:
    path = root / f"{entity}.{part}.csv"
    if not path.is_file():
        raise UnusableError(f"{dataset.name} entity {entity!r} cannot be used: it has no {part} file")
    return read_table(path.read_bytes(), f"{dataset.archive}:{path.name}", "timestamp", "is_anomaly")


def _series(table: Table, entity: str, dataset: Dataset) -> Series:
    # TimeEval counts rows where a source gave no dates: such a column is an index, not milliseconds.
    counts = np.array_equal(table.t, np.arange(len(table)))
    assert table.labels is not None  # its column was named
    return Series(
        entity,
        table.channels,
        table.values,
        table.t,
        "index" if counts else "milliseconds",
        dataset.period_of(entity),
        table.labels,
        events_of(table.labels),
    )


def _unpacked(archive: Path, dataset: Dataset) -> Path:
    """Unpack the CSV files into a flat directory that bears the archive's checksum; a directory there is whole."""
    place = archive.with_name(f"{dataset.name}.{dataset.sha256[:12]}")
    if place.is_dir():
        return place
    scratch = Path(tempfile.mkdtemp(prefix=f".{dataset.name}.", dir=archive.parent))
    try:
        with tarfile.open(archive, "r:*") as tar, progress() as bar:
            task = bar.add_task(f"unpacking {archive.name}", total=2 * dataset.entities)
            for member in tar:
                source = tar.extractfile(member) if member.isfile() else None
                if source is None or not member.name.endswith(".csv") or str(Path(member.name).parent) != dataset.inner:
                    continue
                with open(scratch / Path(member.name).name, "wb") as out:
                    shutil.copyfileobj(source, out)
                bar.advance(task)
        if any(scratch.iterdir()):
            scratch.rename(place)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return place
