"""`tsad run`: a CSV through a firmware, in QEMU or on a real board, printed as the edge binary prints it.

Owns what is read and what is printed; `boards` does the rest. The pipeline's proof feeds series of its own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .boards import Port, Told, board, build_one, feed, identity, judged_on, model_name
from .bulk import guard
from .data.table import read_table
from .files import read_json


def run_csv(board_name: str, folder: Path, csv: Path, port: str | None, events: bool) -> str:
    """Scores, or events, of a CSV, by the firmware of one model.

    Parameters
    ----------
    board_name : str
        Of `boards.boards`.
    folder : Path
        With a model's C and its detector.json, as ``tsad convert`` writes them.
    csv : Path
        A header line, and the model's channels by their names in any order; other columns are ignored.
    port : str or None
        Serial port of a real board, in which this model's firmware runs; None builds it and runs it in QEMU.
    events : bool
        Events instead of scores.

    Returns
    -------
    str
        The CSV that ``tsad-edge`` prints.

    Raises
    ------
    ValueError
        The folder holds no model, the CSV is wrong, no row has a score, or the board does not fit; says the next step.
    RuntimeError
        A tool is missing, or the firmware does not answer.
    """
    chosen, name = board(board_name), model_name(folder)
    detector = read_json(folder / "detector.json")
    t, values = _read(csv, detector["channels"])
    seen = guard(values, t, detector["guard"])
    if (longest := max(run.stop - run.start for run in seen.runs())) < detector["window"]:
        raise ValueError(
            f"{csv}: no row has a score: the first one wants {detector['window']} rows that the guard takes, with no "
            f"reset between them, and of these {len(t)} there are {longest}; give a longer recording"
        )
    if port is not None:
        with Port(port) as line:
            told = feed(line, identity(folder, name), t, values)
    else:
        with tempfile.TemporaryDirectory(prefix="tsad-") as scratch:
            firmware = build_one(chosen, folder, Path(scratch))
            told = judged_on(chosen, firmware, identity(folder, name), t, values)
    return "\n".join(_events(told) if events else _scores(t, told))


def _read(csv: Path, channels: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Times (T,) and samples (T, C) in the model's order."""
    try:
        data = csv.read_bytes()
    except OSError as error:
        raise ValueError(f"{csv}: {error.strerror}; give the path of a CSV file") from None
    table = read_table(data, str(csv), labelled=False)
    if missing := [name for name in channels if name not in table.channels]:
        raise ValueError(
            f"{csv}: no column {missing[0]!r}, which is a channel of the model; it has {', '.join(table.channels)}"
        )
    return table.t, table.values[:, [table.channels.index(name) for name in channels]]


def _scores(t: NDArray[np.int64], told: Told) -> list[str]:
    rows = zip(t.tolist(), told.scores.tolist(), told.alarms.tolist(), told.quality.tolist(), strict=True)
    return [
        "t,score,alarm,quality",
        *(f"{time},{score:.9g},{alarm:d},{quality}" for time, score, alarm, quality in rows),
    ]


def _events(told: Told) -> list[str]:
    rows = (f"{e['id']},{e['start']},{e['end']},{float(e['peak']):.9g},{e['peak_t']},{e['top']}" for e in told.events)
    return ["id,start,end,peak,peak_t,top", *rows]
