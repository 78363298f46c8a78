"""A table as laboratories deliver it: .csv or .xlsx, with lines above the header, read a piece at a time.

Owns how such a file is opened and where its header is; what the columns mean is the reader's business. Line numbers
are those an editor or a spreadsheet shows.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .table import MISSING

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (".csv", ".xlsx")
ABOVE = 20  # lines in which the header must be found
PIECE = 50_000  # rows read at once


@dataclass(frozen=True)
class Sheet:
    """`columns` are the header's names without blanks around them, `first_line` is the line of the first row.

    `pieces` gives the rows once, from first to last: frames whose columns are numbered 0 to len(columns) - 1.
    """

    name: str
    columns: tuple[str, ...]
    first_line: int
    pieces: Iterator[pd.DataFrame]


def open_sheet(path: Path, holds: tuple[str, ...]) -> Sheet:
    """Find the header, which is the first line that has all the names `holds`, and open what is below it.

    Fields of a .csv are separated by commas, or by semicolons where numbers have decimal commas.

    Raises
    ------
    ValueError
        The file cannot be read, or no header is in its first lines; while the pieces are read, a line has too many
        fields.

    Examples
    --------
    >>> open_sheet(Path("SWaT_Dataset_Normal_v1.xlsx"), ("Timestamp",)).columns  # doctest: +SKIP
    ('Timestamp', 'FIT101', 'LIT101', ...)
    """
    try:
        return _csv(path, holds) if path.suffix == ".csv" else _xlsx(path, holds)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error})") from None


def _csv(path: Path, holds: tuple[str, ...]) -> Sheet:
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = list(islice(file, ABOVE))
    rows = [next(csv.reader([line], delimiter=_separator(line)), []) for line in lines]
    at, columns = _header(rows, holds, path)
    return Sheet(path.name, columns, at + 2, _csv_pieces(path, at + 1, len(columns), _separator(lines[at])))


def _separator(line: str) -> str:
    return ";" if line.count(";") > line.count(",") else ","


def _csv_pieces(path: Path, skip: int, width: int, separator: str) -> Iterator[pd.DataFrame]:
    import pandas as pd

    try:
        with pd.read_csv(
            path,
            sep=separator,
            decimal="," if separator == ";" else ".",
            header=None,
            names=list(range(width)),
            index_col=False,
            skiprows=skip,
            skip_blank_lines=False,
            skipinitialspace=True,
            keep_default_na=False,
            na_values=MISSING,
            low_memory=False,
            encoding="utf-8-sig",
            encoding_errors="replace",
            chunksize=PIECE,
        ) as pieces:
            yield from pieces
    except pd.errors.EmptyDataError:
        return
    except pd.errors.ParserError as error:
        raise ValueError(f"{path.name}: {str(error).strip()}; the file is not as delivered, or was cut off") from None


def _xlsx(path: Path, holds: tuple[str, ...]) -> Sheet:
    try:
        import openpyxl
    except ImportError:
        raise ValueError(
            f"{path.name}: reading .xlsx needs openpyxl; pip install openpyxl, or save the file as .csv beside it"
        ) from None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged file raises whatever its zip or its XML raises
        raise ValueError(f"{path}: not a readable .xlsx file ({error}); fetch it again") from None
    rows = iter(book.worksheets[0].iter_rows(values_only=True))
    top = list(islice(rows, ABOVE))
    at, columns = _header([["" if cell is None else str(cell) for cell in row] for row in top], holds, path)
    return Sheet(path.name, columns, at + 2, _xlsx_pieces(book, chain(top[at + 1 :], rows), len(columns)))


def _xlsx_pieces(book: Any, rows: Iterator[tuple[Any, ...]], width: int) -> Iterator[pd.DataFrame]:
    import pandas as pd

    try:
        while piece := list(islice(rows, PIECE)):
            yield pd.DataFrame(piece).reindex(columns=range(width))
    finally:
        book.close()


def _header(rows: list[list[str]], holds: tuple[str, ...], path: Path) -> tuple[int, tuple[str, ...]]:
    """Index of the header among the first rows, and its names."""
    for at, row in enumerate(rows):
        names = tuple(field.strip() for field in row)
        if set(holds) <= set(names):
            return at, names
    raise ValueError(
        f"{path}: none of the first {len(rows)} lines is a header with {' and '.join(map(repr, holds))}; is this the "
        "file as delivered?"
    )
