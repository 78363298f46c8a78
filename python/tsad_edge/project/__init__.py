"""`tsad init`: a project of the user's own, from one CSV. The texts lie beside this file, ``*.in``.

Owns which files a project has and what is found in the data for them. It holds no source of ours: its stages run the
installed package, and hang on the version that its requirements.txt names.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import __version__
from ..files import uninterrupted
from ..params import Csv, Params
from .window import dominant_period, window_for

if TYPE_CHECKING:
    from ..data.table import Table

TORCH = "2.13.0"
"""The version everything was proven with, as in constraints.txt: a looser wish brings gigabytes of CUDA packages."""
FILES = {
    "README.md": "README.md.in",
    "params.yaml": "params.yaml.in",
    "dvc.yaml": "dvc.yaml.in",
    "requirements.txt": "requirements.txt.in",
    ".gitignore": "gitignore.in",
    ".github/workflows/pipeline.yml": "pipeline.yml.in",
}
PLAIN = {  # what `dvc init` would make, and a folder that requirements.txt names
    ".dvc/config": "[core]\n    analytics = false\n    check_update = false\n    autostage = false\n",
    ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
    ".dvcignore": "",
    "wheels/.gitkeep": "",
}


def create(folder: str, csv: str, label: str | None = None, time: str | None = None) -> str:
    """Make a project folder: a copy of the CSV, params.yaml with what was found in it, dvc.yaml, workflow, README.

    The CSV is read and judged as `tsad prepare` will do it, before anything is written. It is copied, so that the
    project is whole when it moves or is cloned, and the original stays as it is.

    Parameters
    ----------
    folder : str
        Must not exist, or be empty.
    csv : str
        One file, split by time: the first rows are normal operation.
    label, time : str, optional
        Columns; by default those that `read_table` knows by their names.

    Returns
    -------
    str
        What was found, and what to do next.

    Raises
    ------
    ValueError
        The folder is not empty, or the CSV cannot be used; names file, line, column and the next step.

    Examples
    --------
    >>> create("my-plant", "pump.csv")  # doctest: +SKIP
    """
    from ..data.own import read_own
    from ..data.table import read_table

    place, target = Path(folder).resolve(), f"data/raw/{Path(csv).name}"
    if place.is_file() or (place.is_dir() and any(place.iterdir())):
        raise ValueError(f"{folder}: exists and is not empty; choose a new folder, or empty this one")
    try:
        table = read_table(Path(csv).read_bytes(), csv, time, label)
    except OSError as error:
        raise ValueError(f"{csv}: {error.strerror}; --csv names the file to make a project of") from None
    rows = round(len(table) * Csv.train_fraction)
    table.require_complete(rows)
    period = dominant_period(table.values[:rows])
    window, why = window_for(rows, period)
    entity = read_own(Csv(train=csv, time=time, label=label), window)
    seen = _seen(table, entity.train.constant_channels())
    seconds = entity.train.sampling_period
    seen["period"] = "none found"
    if period is not None:
        shown = ", ".join(table.channels[channel] for channel in period.channels)
        length = f"{period.samples} samples" + (f", {period.samples * seconds:g} s" if seconds else "")
        seen["period"] = textwrap.shorten(f"{length}, in {shown}", 100, placeholder=" ...")
    knobs = Params()
    values = seen | {
        "project": place.name,
        "version": __version__,
        "torch": TORCH,
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "csv": _yaml(target),
        "file": target,
        "feed": shlex.join([*_time_option(table.time_column), target]),
        "entity": entity.name,
        "c_name": "m_" + re.sub(r"[^A-Za-z0-9]", "_", entity.name),
        "rows": len(table),
        "train_rows": rows,
        "window": window,
        "why": why,
        "time": _yaml(table.time_column),
        "label": _yaml(table.label_column),
        "train_fraction": Csv.train_fraction,
        "batch": knobs.test.batch,
        "plot_entities": knobs.evaluate.plot_entities,
        "max_band_share": knobs.check.max_band_share,
        "least_event_f1": knobs.check.least_event_f1,
        "most_vus_pr_lost": knobs.check.most_vus_pr_lost,
        "shift": knobs.train.baseline.shift,
        "stretch": knobs.train.baseline.stretch,
        "most_threshold": knobs.train.baseline.threshold,
        "model": knobs.train.model,
        "false_alarms": knobs.train.false_alarms,
        "threshold": knobs.train.threshold,
        **dataclasses.asdict(knobs.train.guard),
        **dataclasses.asdict(knobs.train.events),
    }
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as scratch:
        _write(Path(scratch), values)
        (Path(scratch) / "data" / "raw").mkdir(parents=True)
        shutil.copy2(csv, Path(scratch) / target)
        with uninterrupted():
            place.mkdir(exist_ok=True)
            for made in sorted(Path(scratch).iterdir()):
                made.rename(place / made.name)
    notes = [*entity.notes, *_under_git(place)]
    return _next(folder, values, notes)


def _time_option(column: str | None) -> list[str]:
    """What the edge binary must be told: it knows some names, as `read_table` does."""
    from ..data.table import TIME_NAMES

    return [] if column is None or column.lower() in TIME_NAMES else ["--time", column]


def _seen(table: Table, constant: tuple[str, ...]) -> dict[str, object]:
    """What the file shows, as the head of params.yaml says it."""
    sampling = "unknown: there is no time column"
    if table.time == "milliseconds":
        steps = np.diff(table.t)
        usual = float(np.median(steps))
        gaps = int((steps > 1.5 * usual).sum())
        sampling = f"{usual / 1000:g} s" + (f"; {gaps} steps are longer" if gaps else "")
    names = f"{len(table.channels)}: {', '.join(table.channels)}"
    if constant:
        names += f"; constant in training: {', '.join(constant)}"
    channels = textwrap.wrap(
        names,
        120,
        initial_indent="#   channels         ",
        subsequent_indent="#                    ",
        break_on_hyphens=False,
    )
    return {
        "sampling": sampling,
        "channels": "\n".join(channels),
        "no_time": "rows are counted" if table.time_column is None else "found by its name, or rows are counted",
        "no_label": "nothing to judge by"
        if table.label_column is None
        else "found by its name, or nothing to judge by",
    }


def _yaml(value: str | None) -> str:
    """A text as YAML reads it: JSON is YAML, and plain words need no quotes."""
    if value is None:
        return "null"
    return (
        value if re.fullmatch(r"[A-Za-z_][\w./-]*", value, re.A) and value.lower() not in WORDS else json.dumps(value)
    )


WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}  # are no texts in YAML


def _write(place: Path, values: dict[str, object]) -> None:
    """The files of a project; a name between two @ in a text is one of the values."""
    for name, text in FILES.items():
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        filled = Path(__file__).with_name(text).read_text()
        file.write_text(re.sub(r"@(\w+)@", lambda found: str(values[found[1]]), filled))
    for name, text in PLAIN.items():
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def _under_git(place: Path) -> list[str]:
    """DVC wants a git repository: the one around the folder, or a new one."""
    git = shutil.which("git")
    if git is None:
        return [
            "git was not found, and `dvc repro` needs it: install it and run `git init` here; the stages alone do not"
        ]
    quiet = {"cwd": place, "capture_output": True, "text": True}
    inside = subprocess.run([git, "rev-parse", "--show-toplevel"], **quiet)  # type: ignore[call-overload]
    if inside.returncode == 0:
        return [f"lies in the git repository {inside.stdout.strip()}; GitHub runs workflows of its top folder only"]
    done = subprocess.run([git, "init", "-q"], **quiet)  # type: ignore[call-overload]
    return [] if done.returncode == 0 else [f"`git init` failed, and `dvc repro` needs it: {done.stderr.strip()}"]


def _next(folder: str, values: dict[str, object], notes: list[str]) -> str:
    """What was found, and what to do."""
    lines = [
        f"{folder}: a project of {values['rows']} rows of {values['csv']}",
        f"  window           {values['window']} samples: {values['why']}",
        f"  dominant period  {values['period']}",
        f"  sampling period  {values['sampling']}",
        f"  time column      {values['time']}",
        f"  label column     {values['label']}",
        *(f"note: {note}" for note in notes),
        "next:",
        f"  cd {shlex.quote(folder)}",
        "  tsad doctor          # is all there that the stages need?",
        "  dvc repro            # without DVC: tsad prepare, train, test, evaluate, convert, check",
        "  tsad report",
    ]
    return "\n".join(lines)
