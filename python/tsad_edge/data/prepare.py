"""The first stage: a data set by name -> data/values and data/labels. Owns the order of things, no format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..files import replaced
from .catalog import catalog, on_request
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
    entities : "all" or list of str
        With "all", entities that cannot be used (too short, no test) are left out and noted; a named one is an error.
    window : int
        Samples.
    mirror : str or None
        Where archives are; None takes the environment's TSAD_MIRROR.
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
    known, read = _source(dataset, window, mirror, csv, seed, Path(cache_dir))
    chosen = _chosen(entities, known, dataset)
    notes: list[str] = []
    written = 0
    with replaced(Path(values_dir), Path(labels_dir)) as (values, labels), progress() as bar:
        for name in bar.track(chosen, description=f"preparing {dataset}"):
            try:
                one = read(name)
                plan = _plan(one, window)
            except UnusableError as error:
                if entities != "all":
                    raise
                notes.append(f"left out: {error}")
                continue
            write(one, window, plan, values, labels)
            written += 1
            notes += one.notes
            if constant := one.train.constant_channels():
                notes.append(f"{name}: constant in training: {', '.join(constant)}")
        if not written:
            raise ValueError(f"data set {dataset!r}: no entity is usable with window {window}. " + "; ".join(notes))
    return tuple(notes)


def _source(
    dataset: str, window: int, mirror: str | None, csv: CsvFiles, seed: int, cache: Path
) -> tuple[list[str], Callable[[str], Entity]]:
    """Names of the entities a data set has, and the function that reads one."""
    if dataset == "pump":
        return list(PUMPS), lambda name: pump(name, seed)
    if dataset == "own":
        return [entity_name(csv)], lambda name: read_own(csv, window)
    if dataset in on_request():
        asked = on_request()[dataset]
        raise ValueError(
            f"data set {dataset!r} ({asked.what}) is given out on request only: ask at {asked.where}, then use the "
            "files you get as your own data (prepare.dataset 'own', prepare.csv)"
        )
    if dataset not in catalog():
        raise ValueError(
            f"prepare.dataset is {dataset!r}; known are pump, own, {', '.join([*catalog(), *on_request()])}"
        )
    entry = catalog()[dataset]
    root = open_archive(fetch(entry.archive, mirror, cache, entry.sha256), entry)
    return entity_names(root), lambda name: read_entity(root, name, entry)


def _chosen(entities: str | list[str], known: list[str], dataset: str) -> list[str]:
    """The entities that were asked for, each once, in the data set's order."""
    if entities == "all":
        return known
    wanted = [entities] if isinstance(entities, str) else entities
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(f"prepare.entities: data set {dataset!r} has no {unknown[0]!r}; it has {', '.join(known)}")
    if not wanted:
        raise ValueError("prepare.entities is empty; name some, or write all")
    return [name for name in known if name in wanted]


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
