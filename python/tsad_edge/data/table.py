"""One CSV file of sensor data -> arrays, or an error that says where the file is wrong. Owns what a valid file is.

Row numbers in messages are line numbers of the file as an editor shows them: the header is line 1.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .series import Time

if TYPE_CHECKING:
    import pandas as pd

TIME_NAMES = ("timestamp", "time", "t", "date")
LABEL_NAMES = ("is_anomaly", "label", "anomaly")
FIRST_LINE = 2  # of the data
MISSING = ["", "nan", "NaN", "NAN"]
"""What a field without a value says."""


@dataclass(frozen=True)
class Table:
    """What a file holds: `values` (T, C) float32 with NaN where a value is missing, `t` (T,), `labels` (T,) or None."""

    name: str
    channels: tuple[str, ...]
    values: NDArray[np.float32]
    t: NDArray[np.int64]
    time: Time
    labels: NDArray[np.uint8] | None
    time_column: str | None = None
    label_column: str | None = None

    def __len__(self) -> int:
        return len(self.values)

    def require_complete(self, rows: int) -> None:
        """Raise a ValueError that names the first missing or infinite value in the first `rows` rows."""
        gaps = ~np.isfinite(self.values[:rows])
        if gaps.any():
            row, column = np.argwhere(gaps)[0]
            raise ValueError(
                f"{self.name}, line {row + FIRST_LINE}, column {self.channels[column]!r}: the value is missing or "
                f"infinite ({int(gaps.any(axis=1).sum())} such rows). Normal data must be complete: fill the gap, "
                "or use a stretch without one"
            )


def read_table(
    data: bytes, name: str, time: str | None = None, label: str | None = None, labelled: bool = True
) -> Table:
    r"""Parse a CSV file with a header line; all columns but time and label are channels.

    Parameters
    ----------
    data : bytes
        The file.
    name : str
        What messages call it.
    time : str, optional
        The time column; by default the first one called timestamp, time, t or date, in any case. Integers are
        milliseconds; ISO 8601 becomes milliseconds since 1970, UTC where it names no zone. Without such a column
        time is the row index.
    label : str, optional
        The label column, 0 or 1; by default the first one called is_anomaly, label or anomaly, in any case.
    labelled : bool
        Whether a label column that is named must be there.

    Raises
    ------
    ValueError
        The file is empty, not a table, has no channels, misses a named column, holds text among the numbers, or its
        time does not increase; names file, line and column and the next step.

    Examples
    --------
    >>> read_table(b"t,flow\n0,1.5\n1000,nan\n", "a.csv").values.tolist()
    [[1.5], [nan]]
    """
    import pandas as pd

    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ValueError(f"{name}, line {line}: not UTF-8 text; save the file as plain CSV in UTF-8") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise ValueError(f"{name}, line {line}: holds a NUL character; save the file as plain CSV in UTF-8")
    if "\n" not in text:
        text = text.replace("\r", "\n")  # how old Macs end lines
    lines = text.rstrip("\r\n").split("\n")
    names = _header(lines[0], name)
    _check_fields(lines, len(names), name)
    if len(lines) == 1:
        raise ValueError(f"{name}: there is a header line but no data; add rows of samples below it")
    frame = pd.read_csv(
        io.StringIO("\n".join(lines[1:])),
        header=None,
        names=names,
        index_col=False,
        skip_blank_lines=False,
        skipinitialspace=True,
        keep_default_na=False,
        na_values=MISSING,
        low_memory=False,
    )
    guessed, time = time is None, _pick(names, time, TIME_NAMES, name, "time")
    if not labelled and label not in names:
        label = None
    label = _pick(names, label, LABEL_NAMES, name, "label")
    aside = {time, label} | {n for n in names if n.lower() in LABEL_NAMES}
    channels = tuple(n for n in names if n not in aside)
    if not channels:
        raise ValueError(
            f"{name}: no channel beside time and label (columns: {', '.join(names)}); add a column of numbers"
        )
    columns = [_channel(frame[c], name) for c in channels]
    with np.errstate(over="ignore"):  # beyond float32 a value is as good as infinite
        values = np.stack(columns, axis=1, dtype=np.float32, casting="same_kind")
    values[np.isinf(values)] = np.nan
    t = np.arange(len(frame), dtype=np.int64) if time is None else _times(frame[time], name, guessed)
    labels = None if label is None else _labels(frame[label], name)
    return Table(name, channels, values, t, "index" if time is None else "milliseconds", labels, time, label)


def _header(line: str, name: str) -> list[str]:
    """Column names of the first line."""
    names = [n.strip() for n in next(csv.reader([line]), [])]
    if not any(names):
        raise ValueError(f"{name}: the file is empty; it needs a header line of column names and rows of numbers")
    if len(names) == 1 and any(mark in line for mark in ";\t"):
        raise ValueError(
            f"{name}, line 1: columns must be separated by commas, this looks like {line.strip()!r}; save the file "
            "with commas between the fields and points in the numbers"
        )
    if any(_is_number(n) for n in names):
        raise ValueError(f"{name}, line 1: {names!r} holds a number where column names belong; add a header line")
    for i, n in enumerate(names):
        if not n:
            raise ValueError(f"{name}, line 1: column {i + 1} has no name; give it one")
        if n in names[:i]:
            raise ValueError(f"{name}, line 1: two columns are called {n!r}; rename or drop one")
    return names


def _check_fields(lines: list[str], count: int, name: str) -> None:
    """Every line is a row with as many fields as the header; a blank line only where there is but one column."""
    for number, line in enumerate(lines, 1):
        fields = line.count(",") + 1
        if '"' in line:
            if line.count('"') % 2:
                raise ValueError(f"{name}, line {number}: a quote is opened but not closed; mend or drop the line")
            fields = len(next(csv.reader([line])))
        if fields != count:
            raise ValueError(
                f"{name}, line {number}: {fields} fields, but the header names {count} columns; mend or drop the line"
            )


def _pick(names: list[str], wanted: str | None, known: tuple[str, ...], name: str, what: str) -> str | None:
    """The column that was named, or the first that is called like one of `known`."""
    if wanted is None:
        return next((n for n in names if n.lower() in known), None)
    if wanted not in names:
        raise ValueError(
            f"{name}: no column {wanted!r} (columns: {', '.join(names)}); name one of them, or none, as "
            f"prepare.csv.{what} in params.yaml or by --{what}"
        )
    return wanted


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _fail(column: pd.Series, bad: NDArray[np.bool_], name: str, why: str) -> None:
    """Raise for the first bad row of a column, if there is one."""
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(f"{name}, line {row + FIRST_LINE}, column {str(column.name)!r}: {column.iloc[row]} {why}")


def numbers(column: pd.Series) -> NDArray[np.float64]:
    """A column as numbers; NaN where there is none."""
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        column = column.map(str, na_action="ignore")  # pandas would take True for 1
    found: NDArray[np.float64] = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return found


def _channel(column: pd.Series, name: str) -> NDArray[np.float64]:
    """Numbers; NaN where the field is empty or nan, and nowhere else."""
    found = numbers(column)
    _fail(
        column,
        np.isnan(found) & column.notna().to_numpy(),
        name,
        "is not a number; mend it, drop the column, or, if it holds times, call it time (or set csv.time)",
    )
    return found


def _labels(column: pd.Series, name: str) -> NDArray[np.uint8]:
    found = numbers(column)
    _fail(column, ~np.isin(found, (0, 1)), name, "is not a label; labels are 0 (normal) or 1 (anomaly)")
    return found.astype(np.uint8)


def _times(column: pd.Series, name: str, guessed: bool) -> NDArray[np.int64]:
    """Milliseconds, strictly increasing; `guessed` from the column's name to be a time."""
    import pandas as pd

    unless = ", or rename the column if it is no time" if guessed else ""
    _fail(column, column.isna().to_numpy(), name, "is no time; every row needs one")
    if pd.api.types.is_integer_dtype(column):
        t: NDArray[np.int64] = column.to_numpy(np.int64)
    else:
        stamps = pd.to_datetime(column.astype(str), format="ISO8601", utc=True, errors="coerce")
        why = "is no time; use integers (milliseconds) or ISO 8601 such as 2024-05-01T12:00:00Z"
        _fail(column, stamps.isna().to_numpy(), name, why + unless)
        t = stamps.to_numpy("datetime64[ms]").astype(np.int64)
    _fail(column, t < 0, name, "lies before 1970 (or is negative); shift the times")
    step = np.diff(t, prepend=t[:1] - 1)
    _fail(
        column,
        step == 0,
        name,
        "repeats the time of the line before (times are whole milliseconds); drop one of the two" + unless,
    )
    _fail(column, step < 0, name, "is earlier than the line before; sort the file by time" + unless)
    return t
