"""What a request for scores holds, JSON or CSV, and what answers it; the JSON schema of both comes from these types.

Turns bytes into samples and times, and says what is wrong with them. Nothing in a body is ever run or unpickled.
"""

from __future__ import annotations

import csv
import io
import math
from array import array
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated, Any

import msgspec
import numpy as np
from fastapi import HTTPException
from msgspec import Meta
from numpy.typing import NDArray

from ..detector import Run
from .served import Served

Samples = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Samples (T, C), not finite where a value is missing, and their times (T,)."""
TIMES = ("timestamp", "time", "t", "date")
"""Names of the time's column, as tsad-edge knows them."""

Value = Annotated[float | None, Meta(description="in raw units; null where it is missing")]
Time = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Series(msgspec.Struct, forbid_unknown_fields=True):
    """Samples of a series, the oldest one first."""

    samples: Annotated[
        list[Annotated[list[Value], Meta(min_length=1, description="a value per channel")]],
        Meta(min_length=1, description="the first window - 1 of them have no score", examples=[[[20.1, 1.5]]]),
    ]
    t: Annotated[list[Time], Meta(min_length=1, description="increasing times, by default the index")] | None = None


class Event(msgspec.Struct):
    """A run of samples over the threshold."""

    id: int
    start: Annotated[int, Meta(description="time of its first sample")]
    end: Annotated[int, Meta(description="time of its last sample")]
    peak: Annotated[float, Meta(description="its highest score")]
    peak_t: int
    top: Annotated[str | None, Meta(description="channel with the largest share of the peak, where the model tells")]


class Scored(msgspec.Struct):
    """Score and decision for each sample, and the events."""

    entity: str
    threshold: float
    scores: Annotated[list[float | None], Meta(description="null while the window fills and where a value is missing")]
    alarms: list[bool]
    quality: Annotated[
        list[int],
        Meta(
            description="0, or the sum of what is odd in a sample: 1 a value is missing, 2 out of the learned range, "
            "4 stuck, 8 jump, 16 gap in time, 64 a value was replaced by the last one"
        ),
    ]
    events: list[Event]


class Failure(msgspec.Struct):
    """Why there is no result, and what to do."""

    detail: str


def schemas(fewest: int, most: int) -> dict[str, Any]:
    """JSON schemas of what goes in and out, by name; a sample has from `fewest` to `most` values."""
    found = msgspec.json.schema_components((Series, Scored, Failure), ref_template="#/components/schemas/{name}")[1]
    found["Series"]["properties"]["samples"]["items"] |= {"minItems": fewest, "maxItems": most}
    return found


def read_json(body: bytes, served: Served) -> Samples:
    """A `Series`.

    Raises
    ------
    HTTPException
        400: this is not JSON; 422: it does not hold what it should. Says where.
    """
    try:
        series = msgspec.json.decode(body, type=Series)
        values = np.array(series.samples, np.float64)
        t = np.arange(len(values)) if series.t is None else np.array(series.t, np.int64)
    except msgspec.ValidationError as error:
        raise HTTPException(422, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HTTPException(400, f"{error}; the body must be JSON, with null for a missing value") from None
    except ValueError:
        raise HTTPException(422, "samples: rows differ in length; each needs a value per channel") from None
    return _checked(values, t, served)


def read_csv(body: bytes, served: Served) -> Samples:
    """A header and a row a sample: channels by name in any order, time by one of `TIMES`; or only rows, by position.

    Raises
    ------
    HTTPException
        400: this is not text; 422: a column is missing, or a field is no number. Names line and column.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HTTPException(400, f"{error}; the body must be CSV in UTF-8") from None
    reader, numbers, times = csv.reader(io.StringIO(text, newline=""), strict=True), array("d"), array("q")
    columns: list[int] = list(range(len(served.about.channels)))
    time: int | None = None
    rows: Iterator[list[str]] = filter(None, reader)
    try:
        first = next(rows, [])
        if all(map(_is_number, first)):
            rows = chain([first] if first else [], rows)
        else:
            columns, time = _columns(first, served.about.channels)
        for row in rows:
            numbers.extend([_number(row[column]) for column in columns])
            if time is not None:
                times.append(_time(row[time]))
    except (ValueError, IndexError, OverflowError, csv.Error) as error:
        what = "has too few fields" if isinstance(error, IndexError) else str(error)
        raise HTTPException(422, f"line {reader.line_num}: {what}") from None
    values = np.frombuffer(numbers, np.float64).reshape(-1, len(columns))
    return _checked(values, np.arange(len(values)) if time is None else np.frombuffer(times, np.int64), served)


def answer(served: Served, told: Run) -> bytes:
    """A `Scored` as JSON."""
    names: list[str | None] = [*served.about.channels, None]  # `top` is -1 where the model does not tell
    found = [
        Event(number, start, end, peak, peak_t, names[top])
        for number, start, end, peak, peak_t, top in told.events.tolist()
    ]
    each = (told.scores.tolist(), told.alarms.tolist(), told.quality.tolist())
    return msgspec.json.encode(Scored(served.about.entity, served.model.threshold, *each, found))  # NaN as null


def _checked(values: NDArray[np.float64], t: NDArray[np.int64], served: Served) -> Samples:
    if values.ndim != 2 or len(values) == 0 or values.shape[1] != len(served.about.channels):
        wanted = f"(samples, {len(served.about.channels)}): {', '.join(served.about.channels)}"
        raise HTTPException(422, f"samples: have shape {values.shape}; {served.about.entity} wants {wanted}")
    if len(t) != len(values):
        raise HTTPException(422, f"t: has {len(t)} times for {len(values)} samples")
    if (late := np.flatnonzero(np.diff(t) <= 0)).size:
        raise HTTPException(422, f"t[{late[0] + 1}] = {t[late[0] + 1]}: must be after the time before it")
    with np.errstate(over="ignore"):  # too large for float32 is as good as missing
        return values.astype(np.float32), t


def _columns(header: Sequence[str], channels: Sequence[str]) -> tuple[list[int], int | None]:
    """Where the channels and the time stand."""
    titles = [title.strip() for title in header]
    for name in channels:
        if titles.count(name) != 1:
            raise HTTPException(
                422, f"line 1: {titles.count(name)} columns are named {name!r}; wanted are {', '.join(channels)}"
            )
    times = [i for i, title in enumerate(titles) if title.lower() in TIMES and title not in channels]
    return [titles.index(name) for name in channels], times[0] if times else None


def _number(field: str) -> float:
    if not field.strip():
        return math.nan
    if "_" in field:  # Python would take 1_000 for a number
        raise ValueError(f"{field!r} is not a number; leave a missing value empty")
    try:
        return float(field)
    except ValueError:
        raise ValueError(f"{field!r} is not a number; leave a missing value empty") from None


def _is_number(field: str) -> bool:
    try:
        _number(field)
    except ValueError:
        return False
    return True


def _time(field: str) -> int:
    """A count, or ISO 8601 as milliseconds since 1970; without a zone it is UTC."""
    if field.strip().isdecimal():
        return int(field)
    try:
        when = datetime.fromisoformat(field.strip())
    except ValueError:
        raise ValueError(f"{field!r} is no time; wanted is a count, or ISO 8601") from None
    milliseconds = math.floor((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)
    if milliseconds < 0:
        raise ValueError(f"{field!r} is before 1970")
    return milliseconds
