"""The data sets that are known by name: catalog.toml as dataclasses. Owns what is known, fetches nothing."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Dataset:
    """One archive in TimeEval layout; names and counts are those of the archive with this checksum.

    `tune` and `eval` are the two halves of the usable entities: hyperparameters are chosen on the one, figures are
    reported from the other. `quick` is a small part of both halves, empty where the set is small. `leave_out` names
    entities that cannot be used, and why.

    `channels` is the number of channels of every entity, `sampling_period` is in seconds, by entity where it differs,
    None where it is unknown.
    """

    name: str
    archive: str
    inner: str
    sha256: str
    bytes: int
    channels: int
    licence: str
    source: str
    tune: tuple[str, ...] = ()
    eval: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    leave_out: Mapping[str, str] = field(default_factory=dict)
    family: str | None = None
    same: Mapping[str, str] = field(default_factory=dict)
    sampling_period: float | Mapping[str, float] | None = None
    test_holds_train: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All entities of the archive, usable or not, sorted."""
        return tuple(sorted({*self.tune, *self.eval, *self.leave_out}))

    @property
    def entities(self) -> int:
        """How many entities the archive has."""
        return len(self.names)

    @property
    def marks(self) -> dict[str, tuple[str, ...]]:
        """What prepare.entities may say instead of names, and the entities each stands for.

        Examples
        --------
        >>> {mark: len(names) for mark, names in catalog()["SMD"].marks.items()}
        {'all': 15, 'tune': 8, 'eval': 7, 'quick': 6}
        """
        return {"all": self.names, "tune": self.tune, "eval": self.eval, "quick": self.quick or self.names}

    def family_of(self, entity: str) -> str:
        """The recording an entity was cut from; entities of one family are never on both sides of a comparison.

        That is group 1 of the pattern `family`, where there is one and it is found, else the entity's own name;
        `same` then says which of these are one recording under two names.

        Examples
        --------
        >>> catalog()["KDD-TSAD"].family_of("096_UCR_Anomaly_NOISEECG4"), catalog()["SMD"].family_of("machine-1-2")
        ('ECG', 'machine-1-2')
        """
        found = re.search(self.family, entity) if self.family else None
        own = found[1] if found else entity
        return self.same.get(own, own)

    def period_of(self, entity: str) -> float | None:
        """Seconds between two samples of an entity, None where unknown."""
        if isinstance(self.sampling_period, Mapping):
            return self.sampling_period.get(entity)
        return self.sampling_period


@dataclass(frozen=True)
class OnRequest:
    """A data set that its makers hand out themselves; no mirror may hold it.

    `pairs` are the file names, without ending, of normal operation and of the test, as delivered: the versions that
    can be read, the preferred one first.
    """

    name: str
    where: str
    what: str
    licence: str
    channels: int
    sampling_period: float
    pairs: tuple[tuple[str, str], ...]


@cache
def catalog() -> dict[str, Dataset]:
    """All data sets a mirror can hold, by name.

    Examples
    --------
    >>> catalog()["NASA-MSL"].entities
    22
    """
    return {name: Dataset(name, **_frozen(entry)) for name, entry in _tree()["dataset"].items()}


@cache
def on_request() -> dict[str, OnRequest]:
    """The data sets that one must ask for, by name.

    Examples
    --------
    >>> sorted(on_request())
    ['SWaT', 'WADI']
    """
    return {name: OnRequest(name, **_frozen(entry)) for name, entry in _tree()["on_request"].items()}


def _tree() -> dict[str, dict[str, dict[str, Any]]]:
    return tomllib.loads(files(__package__).joinpath("catalog.toml").read_text(encoding="utf-8"))


def _frozen(entry: dict[str, Any]) -> dict[str, Any]:
    """Lists as tuples."""

    def tupled(value: Any) -> Any:
        return tuple(tupled(each) for each in value) if isinstance(value, list) else value

    return {key: tupled(value) for key, value in entry.items()}
