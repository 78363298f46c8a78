"""data/values and data/labels on disk: what `prepare` writes and every later stage reads.

Owns the file formats, so that nobody else knows a key of them. Values and labels lie apart, because labels are for
`evaluate` alone. The bytes depend on the data only: no date, no host, no compression that a library update changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..files import read_json, write_json
from .series import Entity, Event, Series, Time
from .splits import Split, from_json, to_json

Part = Literal["train", "test"]


@dataclass(frozen=True)
class Meta:
    """meta.json of one entity; ranges of `split` index the train series, `test_start` the test series.

    `family` names the recording the entity was cut from: the entity itself where nothing else is known.
    """

    entity: str
    channels: tuple[str, ...]
    window: int
    sampling_period: float | None
    time: Time
    split: Split
    test_start: int
    family: str


@dataclass(frozen=True)
class Labels:
    """What is known about a test series: `labels` (T,) uint8, 1 is anomalous, and its events."""

    labels: NDArray[np.uint8]
    events: tuple[Event, ...]


def entities(values: str | Path) -> list[str]:
    """Names of the entities that `prepare` wrote, sorted."""
    return sorted(path.parent.name for path in Path(values).glob("*/meta.json"))


def load_meta(values: str | Path, entity: str) -> Meta:
    """Channels, window, split and times of an entity.

    Raises
    ------
    ValueError
        `prepare` wrote no such entity.
    """
    tree = _read(Path(values) / entity / "meta.json", entity)
    return Meta(
        tree["entity"],
        tuple(tree["channels"]),
        tree["window"],
        tree["sampling_period"],
        tree["time"],
        from_json(tree["split"]),
        tree["test_start"],
        tree["family"],
    )


def load_values(values: str | Path, entity: str, part: Part) -> Series:
    """The train or the test series of an entity, without labels.

    Examples
    --------
    >>> load_values("data/values", "pump-1", "test").values.shape  # doctest: +SKIP
    (6000, 5)
    """
    meta = load_meta(values, entity)
    with np.load(Path(values) / entity / f"{part}.npz") as file:
        return Series(entity, meta.channels, file["values"], file["t"], meta.time, meta.sampling_period)


def load_labels(labels: str | Path, entity: str) -> Labels | None:
    """Labels and events of an entity's test series, or None where its source has no labels.

    Raises
    ------
    ValueError
        `prepare` wrote no such entity.
    """
    path = Path(labels) / f"{entity}.json"
    tree = _read(path, entity)
    if tree["events"] is None:
        return None
    with np.load(path.with_suffix(".npz")) as file:
        return Labels(file["labels"], tuple(Event(e["start"], e["end"], e["kind"]) for e in tree["events"]))


def _read(path: Path, entity: str) -> Any:
    try:
        return read_json(path)
    except FileNotFoundError:
        raise ValueError(
            f"{path}: not found; run `tsad prepare` first, with entity {entity!r} among its entities"
        ) from None


def write(one: Entity, family: str, window: int, chosen: Split, values: Path, labels: Path) -> None:
    """Write one entity below the two directories, which exist.

    A test series nobody labelled gets ``"events": null`` and no array.
    """
    folder = values / one.name
    folder.mkdir()
    for part, series in (("train", one.train), ("test", one.test)):
        _write_arrays(folder / f"{part}.npz", values=series.values, t=series.t)
    write_json(
        folder / "meta.json",
        {
            "schema": 1,
            "entity": one.name,
            "family": family,
            "channels": one.train.channels,
            "window": window,
            "sampling_period": one.train.sampling_period,
            "time": one.train.time,
            "split": to_json(chosen),
            "test_start": one.test_start,
        },
    )
    events = None
    if one.test.labels is not None:
        events = [{"start": e.start, "end": e.end, "kind": e.kind} for e in one.test.events]
        _write_arrays(labels / f"{one.name}.npz", labels=one.test.labels)
    write_json(labels / f"{one.name}.json", {"schema": 1, "events": events})


def _write_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    # numpy stamps members with 1980 and stores them as they are: same arrays, same bytes.
    with open(path, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
