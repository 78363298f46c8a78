"""The first stage: a data set by name -> data/values and data/labels. Owns the order of things, no format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..files import replaced
from .catalog import catalog, on_request
from .itrust import read_on_request
from .mirror import fetch, progress
from .own import CsvFiles, entity_name, read_own
from .pump import PUMPS, pump
from .series import Entity
from .splits import Split, split
from .store import write
from .timeeval import UnusableError, entity_names, open_archive, read_entity


def prepare_dataset(
    dataset: str,
    *,
    entities: str | list[str],
    window: int,
    mirror: str | None,
    csv: CsvFiles,
    seed: int,
    values_dir: str | Path,
    labels_dir: str | Path,
    cache_dir: str | Path,
) -> tuple[str, ...]:
    """Get the data set, validate it, split it by time, and write values and labels apart.

    Both directories are replaced as wholes, and only when every entity is written: nothing stale stays, and an error
    leaves them as they were. What is written to `values_dir` does not depend on labels.

    Parameters
    ----------
    dataset : str
        ``pump`` (bundled), ``own`` (`csv`), or a name of the catalog.
    entities : str or list of str
        Names, or ``all``, or for a data set of the catalog ``tune``, ``eval`` or ``quick`` (see `Dataset`). Entities
        that cannot be used (too short, no test) are left out and noted; one that is named is an error.
    window : int
        Samples.
    mirror : str or None
        Where archives are, or for data given out on request the folder of its files; None takes the environment's
        TSAD_MIRROR.
    csv : CsvFiles
        One's own files; read where `dataset` is ``own``.
    seed : int
        Of the bundled data.
    values_dir, labels_dir, cache_dir : path
        Outs of the stage, and where archives are kept.

    Returns
    -------
    tuple of str
        Notes for the user: what was left out and why, channels that never change in training.

    Raises
    ------
    ValueError
        No such data set or entity, no archive, bad data, or too little of it.

    Examples
    --------
    >>> prepare_dataset("pump", entities=["pump-1"], window=50, mirror=None, csv=params.prepare.csv, seed=1,
    ...                 values_dir="v", labels_dir="l", cache_dir="c")  # doctest: +SKIP
    ()
    """
    source = _source(dataset, window, mirror, csv, seed, Path(cache_dir))
    chosen, named = _chosen(entities, source, dataset)
    notes: list[str] = []
    written = 0
    with replaced(Path(values_dir), Path(labels_dir)) as (values, labels), progress() as bar:
        for name in bar.track(chosen, description=f"preparing {dataset}"):
            try:
                one = source.read(name)
                plan = _plan(one, window)
            except UnusableError as error:
                if named:
                    raise
                notes.append(f"left out: {error}")
                continue
            write(one, source.family_of(name), window, plan, values, labels)
            written += 1
            notes += one.notes
            if constant := one.train.constant_channels():
                notes.append(f"{name}: constant in training: {', '.join(constant)}")
        if not written:
            raise ValueError(f"data set {dataset!r}: no entity is usable with window {window}. " + "; ".join(notes))
    return tuple(notes)


@dataclass(frozen=True)
class _Source:
    """Names of the entities a data set has, how to read one, and what stands for several of them."""

    names: list[str]
    read: Callable[[str], Entity]
    marks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    family_of: Callable[[str], str] = lambda name: name


def _source(dataset: str, window: int, mirror: str | None, csv: CsvFiles, seed: int, cache: Path) -> _Source:
    if dataset == "pump":
        return _Source(list(PUMPS), lambda name: pump(name, seed))
    if dataset == "own":
        return _Source([entity_name(csv)], lambda name: read_own(csv, window))
    if dataset in on_request():
        asked = on_request()[dataset]
        return _Source([dataset], lambda name: read_on_request(asked, mirror))
    if dataset not in catalog():
        raise ValueError(
            f"prepare.dataset is {dataset!r}; known are pump, own, {', '.join([*catalog(), *on_request()])}"
        )
    entry = catalog()[dataset]
    root = open_archive(fetch(entry.archive, mirror, cache, entry.sha256), entry)
    return _Source(entity_names(root), lambda name: read_entity(root, name, entry), entry.marks, entry.family_of)


def _chosen(entities: str | list[str], source: _Source, dataset: str) -> tuple[list[str], bool]:
    """The entities that were asked for, each once, in the data set's order, and whether by their names."""
    marks = {**source.marks, "all": tuple(source.names)}
    named = isinstance(entities, list) or entities not in marks
    wanted = [entities] if isinstance(entities, str) else entities
    if not wanted:
        raise ValueError(f"prepare.entities is empty; write {', '.join(marks)}, or a list of names")
    if not named:
        wanted = list(marks[wanted[0]])
    if unknown := [name for name in wanted if name not in source.names]:
        raise ValueError(
            f"prepare.entities: data set {dataset!r} has no {unknown[0]!r}; write {', '.join(marks)}, or a list of "
            f"names from {', '.join(source.names)}"
        )
    return [name for name in source.names if name in wanted], named


def _plan(one: Entity, window: int) -> Split:
    """How the training series is shared out."""
    try:
        plan = split(len(one.train), window)
    except ValueError as error:
        raise UnusableError(f"{one.name}: {error}") from None
    if len(one.test) - one.test_start < window:
        raise UnusableError(
            f"{one.name}: {len(one.test) - one.test_start} test rows are fewer than the window, {window}"
        )
    return plan
