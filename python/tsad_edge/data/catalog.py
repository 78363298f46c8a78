"""The data sets that are known by name: catalog.toml as dataclasses. Owns what is known, fetches nothing."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Dataset:
    """One archive in TimeEval layout; its counts are those of the archive with this checksum.

    `channels` is the number of channels of every entity, `sampling_period` is in seconds and None where it is unknown
    or differs. `leave_out` names entities that cannot be used, and why.
    """

    name: str
    archive: str
    inner: str
    sha256: str
    bytes: int
    entities: int
    channels: int
    licence: str
    source: str
    sampling_period: float | None = None
    test_holds_train: bool = False
    leave_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OnRequest:
    """A data set that its makers hand out themselves; no mirror may hold it."""

    name: str
    where: str
    what: str


@cache
def catalog() -> dict[str, Dataset]:
    """All data sets a mirror can hold, by name.

    Examples
    --------
    >>> catalog()["NASA-MSL"].entities
    22
    """
    return {name: Dataset(name, **entry) for name, entry in _tree()["dataset"].items()}


@cache
def on_request() -> dict[str, OnRequest]:
    """The data sets that one must ask for, by name.

    Examples
    --------
    >>> sorted(on_request())
    ['SWaT', 'WADI']
    """
    return {name: OnRequest(name, **entry) for name, entry in _tree()["on_request"].items()}


def _tree() -> dict[str, dict[str, dict[str, Any]]]:
    return tomllib.loads(files(__package__).joinpath("catalog.toml").read_text(encoding="utf-8"))
