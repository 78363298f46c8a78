"""One's own CSV: one file that is split by time, or a file of normal operation and a file to judge.

`read_own` is for the pipeline, `read_normal` for a model that was trained elsewhere; both keep the same rules.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from .series import Entity, Series, events_of
from .splits import minimum_rows
from .table import Table, read_table

SURELY_DATES = 10**11  # milliseconds; a smaller time (before 1973) may be a count of something else


class CsvFiles(Protocol):
    """What `read_own` wants to know, as the params section prepare.csv holds it."""

    @property
    def train(self) -> str | None:
        """CSV of normal operation; the only file where `test` is None."""

    @property
    def test(self) -> str | None:
        """CSV to judge."""

    @property
    def time(self) -> str | None:
        """Name of the time column."""

    @property
    def label(self) -> str | None:
        """Name of the label column."""

    @property
    def train_fraction(self) -> float:
        """Share of the rows to learn from where there is one file."""


def entity_name(csv: CsvFiles) -> str:
    """The entity is called like the training file: ``plant/pump7.train.csv`` is pump7.

    Raises
    ------
    ValueError
        No file is named.
    """
    if not csv.train:
        raise ValueError("prepare.csv.train is not set; with prepare.dataset 'own' name the CSV file in params.yaml")
    return Path(csv.train).name.split(".")[0] or "own"


def read_own(csv: CsvFiles, window: int) -> Entity:
    """Read and validate one's own data.

    The training rows must be normal and complete; the rows to judge may have missing values. See `read_table` for what
    a file looks like. The sampling period is the median difference of the training times.

    Parameters
    ----------
    csv : CsvFiles
        One file, or two with the same channels (in any order).
    window : int
        Samples; sets how short a series may be.

    Raises
    ------
    ValueError
        Names file, column, line and the next step.

    Examples
    --------
    >>> read_own(params.prepare.csv, window=50).train.channels  # doctest: +SKIP
    ('flow', 'power')
    """
    name = entity_name(csv)
    one = _read(str(csv.train), csv.time, csv.label, csv.test is None)
    if csv.test is None:
        if not 0 < csv.train_fraction < 1:
            raise ValueError(f"prepare.csv.train_fraction is {csv.train_fraction}; it must lie between 0 and 1")
        rows = round(len(one) * csv.train_fraction)
        train, test = _part(name, one, slice(None, rows)), _part(name, one, slice(rows, None))
    else:
        rows = len(one)
        other = _aligned(_read(csv.test, csv.time, csv.label), one)
        train, test = _part(name, one, slice(None)), _part(name, other, slice(None))
    one.require_complete(rows)
    where = f"the first {rows} of {len(one)} rows of {one.name}" if csv.test is None else one.name
    _require(len(train), minimum_rows(window), window, where, "training")
    _require(len(test), window, window, csv.test or f"the rest of {one.name}", "the test")
    notes = []
    if train.labels is not None and train.labels.any():
        notes.append(
            f"{name}: {int(train.labels.sum())} training rows are labelled anomalous; they are used as they are, but "
            "what is learned from them is learned as normal"
        )
    return Entity(train, test, notes=(*notes, *_doubts(train)))


def read_normal(normal: str, judged: str | None, window: int) -> tuple[Series, Series | None, tuple[str, ...]]:
    """Read normal operation that sets a threshold, and if there is one a series to judge; labels are dropped.

    Parameters
    ----------
    normal : str
        CSV; its rows must be complete, and as many as give a window of scores.
    judged : str or None
        CSV with the same channels (in any order); may have missing values.
    window : int
        Samples.

    Returns
    -------
    normal, judged : Series
        Without labels.
    notes : tuple of str
        For the user.

    Raises
    ------
    ValueError
        Names file, column, line and the next step, as `read_own` does.

    Examples
    --------
    >>> read_normal("normal.csv", None, window=100)[0].channels  # doctest: +SKIP
    ('flow', 'power')
    """
    name, one = Path(normal).name.split(".")[0], _read(normal)
    one.require_complete(len(one))
    _require(len(one), 2 * window - 1, window, normal, "a threshold")
    series = replace(_part(name, one, slice(None)), labels=None, events=())
    other = None
    if judged is not None:
        table = _aligned(_read(judged), one)
        _require(len(table), window, window, judged, "a check")
        other = replace(_part(name, table, slice(None)), labels=None, events=())
    constant = series.constant_channels()
    notes = (f"{name}: constant: {', '.join(constant)}",) if constant else ()
    return series, other, (*_doubts(series), *notes)


def _doubts(train: Series) -> tuple[str, ...]:
    period = train.sampling_period
    if period is not None and train.t[0] < SURELY_DATES:
        return (f"{train.entity}: times are taken as milliseconds, so the sampling period is {period:g} s",)
    return ()


def _read(path: str, time: str | None = None, label: str | None = None, labelled: bool = True) -> Table:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        where = "prepare.csv in params.yaml, or the option that names the file"
        raise ValueError(f"{path}: {error.strerror}; check {where}") from None
    return read_table(data, path, time, label, labelled)


def _aligned(test: Table, train: Table) -> Table:
    """The test file with its channels in the training file's order."""
    if missing := [c for c in train.channels if c not in test.channels]:
        raise ValueError(
            f"{test.name}: no column {missing[0]!r}, which {train.name} has; both files need the same channels"
        )
    if extra := [c for c in test.channels if c not in train.channels]:
        raise ValueError(f"{test.name}: column {extra[0]!r} is not in {train.name}; drop it, or train with it")
    if test.time != train.time:
        raise ValueError(f"{test.name} and {train.name}: one has a time column, the other has none; give both the same")
    order = [test.channels.index(c) for c in train.channels]
    return Table(test.name, train.channels, test.values[:, order], test.t, test.time, test.labels)


def _part(entity: str, table: Table, rows: slice) -> Series:
    """Rows of a table as a series."""
    t = table.t[rows]
    period = float(np.median(np.diff(t))) / 1000 if table.time == "milliseconds" and len(t) > 1 else None
    labels = None if table.labels is None else table.labels[rows]
    events = () if labels is None else events_of(labels)
    return Series(entity, table.channels, table.values[rows], t, table.time, period, labels, events)


def _require(rows: int, least: int, window: int, where: str, what: str) -> None:
    if rows < least:
        raise ValueError(
            f"{where}: {rows} rows are too few for {what} with window {window}: at least {least} are needed; record "
            "for longer, or choose a smaller window"
        )
