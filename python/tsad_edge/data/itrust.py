"""SWaT and WADI as iTrust delivers them: their files -> an entity. Owns what is odd about these files.

Both are test beds of water plants, sampled once a second: days of normal operation, then days with attacks. The files
are handed out on request only, so nothing of them is in this project; the layouts are as public loaders describe them.
Longer than other files because all their oddities are here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .catalog import OnRequest
from .mirror import place
from .series import Entity, Series, Time, events_of
from .sheet import ENDINGS, Sheet, open_sheet
from .table import numbers

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Layout:
    """Which columns are what. `time` are joined by a blank, `label` is how its column begins, `says` maps its words."""

    time: tuple[str, ...]
    aside: tuple[str, ...]
    clocks: tuple[str, ...]
    label: str
    says: dict[str, int]


LAYOUTS = {
    # Labels are written "Attack", "A ttack" and "Normal".
    "SWaT": Layout(
        ("Timestamp",), (), ("%d/%m/%Y %I:%M:%S %p", "ISO8601"), "normal/attack", {"normal": 0, "attack": 1}
    ),
    # WADI.A2 says "Attack LABLE (1:No Attack, -1:Attack)"; its Time has lost the hour.
    "WADI": Layout(
        ("Date", "Time"),
        ("Row",),
        ("%m/%d/%Y %I:%M:%S.%f %p", "%m/%d/%Y %I:%M:%S %p"),
        "attack la",
        {"1": 0, "1.0": 0, "-1": 1, "-1.0": 1},
    ),
}

# WADI.A1 has no labels: these are the attacks of the table_WADI.pdf that comes with it, both ends included. The table
# dates attack 9, the eighth here, 10 October, in the midst of another; by its place in the order it was the 11th, and
# so public loaders of the data have it.
WADI_ATTACKS = np.array(
    [
        ("2017-10-09T19:25:00", "2017-10-09T19:50:16"),
        ("2017-10-10T10:24:10", "2017-10-10T10:34:00"),
        ("2017-10-10T10:55:00", "2017-10-10T11:24:00"),
        ("2017-10-10T11:30:40", "2017-10-10T11:44:50"),
        ("2017-10-10T13:39:30", "2017-10-10T13:50:40"),
        ("2017-10-10T14:48:17", "2017-10-10T14:59:55"),
        ("2017-10-10T17:40:00", "2017-10-10T17:49:40"),
        ("2017-10-11T10:55:00", "2017-10-11T10:56:27"),
        ("2017-10-11T11:17:54", "2017-10-11T11:31:20"),
        ("2017-10-11T11:36:31", "2017-10-11T11:47:00"),
        ("2017-10-11T11:59:00", "2017-10-11T12:05:00"),
        ("2017-10-11T12:07:30", "2017-10-11T12:10:52"),
        ("2017-10-11T12:16:00", "2017-10-11T12:25:36"),
        ("2017-10-11T15:26:30", "2017-10-11T15:37:00"),
    ],
    "datetime64[ms]",
).astype(np.int64)


@dataclass(frozen=True)
class Part:
    """One file: `values` (T, C), and as texts `stamps` (T,) and `labels` (T,), None where it has no such column."""

    name: str
    first_line: int
    channels: tuple[str, ...]
    values: NDArray[np.float32]
    stamps: pd.Series
    labels: pd.Series | None

    def line(self, rows: NDArray[np.bool_]) -> tuple[int, int]:
        """The first marked row, and its line in the file."""
        row = int(np.argmax(rows))
        return row, row + self.first_line


def read_on_request(asked: OnRequest, mirror: str | None) -> Entity:
    """Read a data set that is handed out on request from the folder its files were put into.

    Channels that are empty throughout are dropped. A missing training value takes the value before it, as training
    data must be complete; in the test it stays missing. Times are the plant's clock, read as UTC; where they cannot be
    read or do not increase, time is the sample index. A row that follows a cut counts as the next sample.

    Parameters
    ----------
    asked : OnRequest
        Entry of the catalog.
    mirror : str or None
        Folder of the files; None takes the environment's TSAD_MIRROR.

    Returns
    -------
    Entity
        Bears the data set's name; its notes say what was filled, dropped or unknown.

    Raises
    ------
    ValueError
        Files are missing, or are not as delivered; names folder, file, line and column and the next step.

    Examples
    --------
    >>> read_on_request(on_request()["SWaT"], "/data/swat").train.values.shape  # doctest: +SKIP
    (495000, 51)
    """
    layout = LAYOUTS[asked.name]
    paths = _files(asked, place(mirror))
    train, test = (_read(open_sheet(path, layout.time), layout) for path in paths)
    notes = []
    if "Normal_v0" in train.name:
        notes.append(f"{train.name} begins with the half hour in which the plant settles; v1 leaves that out")
    if train.labels is not None and (marked := _labels(train, layout)).any():
        row, line = train.line(marked == 1)
        raise ValueError(
            f"{train.name}, line {line}: {train.labels.iloc[row]!r}, but this file should hold normal operation only; "
            "are the files mixed up?"
        )
    test = _aligned(test, train)
    train, test, said = _without_empty(train, test)
    values, more = _held(train)
    notes += said + more
    (t, damage), (test_t, test_damage) = _clock(train, layout), _clock(test, layout)
    labels, said = _truth(test, layout, test_t if test_damage is None else None)
    notes += said
    time: Time = "milliseconds"
    if why := damage or test_damage:
        time, t, test_t = "index", np.arange(len(values)), np.arange(len(test.values))
        notes.append(f"time counts samples, as {why}")
    events = () if labels is None else events_of(labels)
    name, period = asked.name, asked.sampling_period
    return Entity(
        Series(name, train.channels, values, t, time, period),
        Series(name, train.channels, test.values, test_t, time, period, labels, events),
        notes=tuple(f"{name}: {note}" for note in notes),
    )


def _files(asked: OnRequest, folder: str | None) -> tuple[Path, Path]:
    """The first pair of which both files are there."""
    if folder is None:
        looked = "No folder is named now"
    elif "://" in folder:
        looked = f"{folder} is an address, not a folder"
    else:
        found = [[_file(Path(folder), stem) for stem in pair] for pair in asked.pairs]
        for train, test in found:
            if train and test:
                return train, test
        there = sorted({path.name for pair in found for path in pair if path})
        looked = f"{folder} has only {', '.join(there)}" if there else f"{folder} has none of them"
    wanted = ", or ".join(" and ".join(pair) for pair in asked.pairs)
    raise ValueError(
        f"data set {asked.name!r} ({asked.what}) is given out on request only: ask at {asked.where}, put its files "
        "as delivered into one folder, and name that as prepare.mirror in params.yaml or as the environment's "
        f"TSAD_MIRROR. Looked for {wanted}, as {' or '.join(ENDINGS)}. {looked}"
    )


def _file(folder: Path, stem: str) -> Path | None:
    return next((path for ending in ENDINGS if (path := folder / f"{stem}{ending}").is_file()), None)


def _read(sheet: Sheet, layout: Layout) -> Part:
    """All rows but the empty ones at the end."""
    import pandas as pd

    where = {name: at for at, name in reversed(list(enumerate(sheet.columns))) if name}
    label = next((at for name, at in where.items() if name.casefold().startswith(layout.label)), None)
    known = {*layout.time, *layout.aside}
    columns = {at: name for at, name in enumerate(sheet.columns) if name and name not in known and at != label}
    channels = tuple(name.rsplit("\\", 1)[-1].strip() for name in columns.values())  # WADI.A1 names tags by path
    if twice := [name for i, name in enumerate(channels) if name in channels[:i]]:
        raise ValueError(f"{sheet.name}: two columns are called {twice[0]!r}; the file is not as delivered")
    if not channels:
        raise ValueError(f"{sheet.name}: there is no channel beside time and label; the file is not as delivered")
    values, stamps, labels, line = [], [], [], sheet.first_line
    for piece in sheet.pieces:
        values.append(_floats(piece[list(columns)], channels, sheet.name, line))
        times = [piece[where[name]].astype(str).str.strip() for name in layout.time]
        stamps.append(times[0].str.cat(times[1:], sep=" ") if len(times) > 1 else times[0])
        if label is not None:
            labels.append(piece[label].astype(str))
        line += len(piece)
    whole = np.concatenate(values) if values else np.empty((0, len(channels)), np.float32)
    filled = np.flatnonzero(~np.isnan(whole).all(axis=1))
    if not len(filled):
        raise ValueError(f"{sheet.name}: there is no row of values below the header; the file was cut off")
    rows = filled[-1] + 1
    one = pd.concat(stamps, ignore_index=True)[:rows]
    said = pd.concat(labels, ignore_index=True)[:rows] if labels else None
    return Part(sheet.name, sheet.first_line, channels, whole[:rows], one, said)


def _floats(piece: pd.DataFrame, channels: tuple[str, ...], name: str, line: int) -> NDArray[np.float32]:
    """(T, C) numbers; NaN where there is no value."""
    found = np.stack([numbers(piece[at]) for at in piece], axis=1)
    wrong = np.isnan(found) & piece.notna().to_numpy()
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(
            f"{name}, line {line + row}, column {channels[column]!r}: {piece.iloc[row, column]!r} is not a number"
        )
    with np.errstate(over="ignore"):
        floats = found.astype(np.float32)
    floats[np.isinf(floats)] = np.nan
    return floats


def _aligned(test: Part, train: Part) -> Part:
    """The test with its channels in the order of training."""
    for one, other in ((train, test), (test, train)):
        if missing := [c for c in one.channels if c not in other.channels]:
            raise ValueError(f"{other.name}: no column {missing[0]!r}, which {one.name} has; are they of one version?")
    order = [test.channels.index(c) for c in train.channels]
    return replace(test, channels=train.channels, values=test.values[:, order])


def _without_empty(train: Part, test: Part) -> tuple[Part, Part, list[str]]:
    """Both files without the channels that are empty throughout in one of them."""
    columns = range(len(train.channels))
    keep = [c for c in columns if not any(np.isnan(part.values[:, c]).all() for part in (train, test))]
    if not keep:
        raise ValueError(f"{train.name}: every channel is empty here or in {test.name}; the file is not as delivered")
    if len(keep) == len(columns):
        return train, test, []
    dropped = [train.channels[c] for c in columns if c not in keep]
    channels = tuple(train.channels[c] for c in keep)
    train, test = (replace(part, channels=channels, values=part.values[:, keep]) for part in (train, test))
    return train, test, [f"dropped as they are empty: {', '.join(dropped)}"]


def _held(train: Part) -> tuple[NDArray[np.float32], list[str]]:
    """The training values, each missing one replaced by the one before it; at the start, by the first there is."""
    gaps = np.isnan(train.values)
    touched = np.flatnonzero(gaps.any(axis=0))
    if not len(touched):
        return train.values, []
    values, rows, longest = train.values.copy(), np.arange(len(train.values)), 0
    for column in touched:
        there = np.flatnonzero(~gaps[:, column])
        before = np.maximum(np.searchsorted(there, rows, side="right") - 1, 0)
        values[:, column] = values[there[before], column]
        longest = max(longest, *(e.end - e.start for e in events_of(gaps[:, column].astype(np.uint8))))
    return values, [
        f"{int(gaps.sum())} missing training values in {', '.join(train.channels[c] for c in touched)} hold the value "
        f"before them, for at most {longest} samples"
    ]


def _clock(part: Part, layout: Layout) -> tuple[NDArray[np.int64], str | None]:
    """Milliseconds since 1970 by the plant's clock, and why they are of no use where they are not."""
    import pandas as pd

    for clock in layout.clocks:
        times = pd.to_datetime(part.stamps, format=clock, errors="coerce")
        if times.notna().all():
            break
    else:
        times = pd.to_datetime(part.stamps, format=layout.clocks[0], errors="coerce")
        row, line = part.line(times.isna().to_numpy())
        return np.empty(0, np.int64), f"{part.name}, line {line}: {part.stamps.iloc[row]!r} is no time of day"
    t: NDArray[np.int64] = times.to_numpy("datetime64[ms]").astype(np.int64)
    back = np.diff(t, prepend=t[:1] - 1) <= 0
    if back.any():
        row, line = part.line(back)
        return t, f"{part.name}, line {line}: {part.stamps.iloc[row]!r} is not later than the line before"
    return t, None


def _truth(test: Part, layout: Layout, t: NDArray[np.int64] | None) -> tuple[NDArray[np.uint8] | None, list[str]]:
    """Labels of the test, by its own column or by the published times."""
    if test.labels is not None:
        return _labels(test, layout), []
    if layout is LAYOUTS["WADI"] and t is not None:
        labels = np.zeros(len(t), np.uint8)
        for start, end in WADI_ATTACKS:
            labels[(t >= start) & (t <= end)] = 1
        if labels.any():
            said = "has no labels; they were made from the times of table_WADI.pdf, attack 9 on 11 October"
            return labels, [f"{test.name} {said}"]
    return None, [f"{test.name} has no labels, so `tsad evaluate` counts alarms only"]


def _labels(part: Part, layout: Layout) -> NDArray[np.uint8]:
    assert part.labels is not None
    found = part.labels.str.replace(r"\s+", "", regex=True).str.casefold().map(layout.says)
    if (wrong := found.isna().to_numpy()).any():
        row, line = part.line(wrong)
        raise ValueError(
            f"{part.name}, line {line}: the label {part.labels.iloc[row]!r} is unknown; known are "
            f"{', '.join(layout.says)}"
        )
    labels: NDArray[np.uint8] = found.to_numpy(np.uint8)
    return labels
