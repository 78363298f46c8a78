"""Where the time of a cell goes that misses a target: samples of the running program, by Linux' `perf`."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from limits import Limits
from sides import C, Cell, Subject, in_c

SECONDS, RATE = 1, 2000
LEAST = 2.0
"""Per cent of the time; what takes less is not named."""
NO_PERF = "`perf` is not installed (Debian's package is linux-perf)"


def profile(cell: Cell, subject: Subject, limits: Limits) -> str:
    """One line: what was reached of the machine's limits, and which functions took the time."""
    ours, taken = subject.ours, cell.cpu[C]
    reached = [
        f"{ours.mac / taken / 1e3:.3g} of {limits.mac_per_us[cell.precision] / 1e3:.3g} G multiply-adds a second"
    ]
    if cell.batch == 1:
        most = limits.bytes_per_us(ours.weight_bytes)
        reached.append(f"weights read at {ours.weight_bytes / taken / 1e3:.3g} of {most / 1e3:.3g} GB/s")
    return f"{'; '.join(reached)}; {spent(subject, cell.batch)}"


def spent(subject: Subject, batch: int) -> str:
    """Shares of functions while our core scores windows for a second."""
    if shutil.which("perf") is None:
        return NO_PERF
    work = in_c(subject, batch)
    with tempfile.TemporaryDirectory(prefix="tsad-shares-") as place:
        samples = Path(place) / "samples"
        command = [
            "perf",
            "record",
            "-q",
            "-e",
            "cpu-clock",
            "-F",
            str(RATE),
            "-p",
            str(os.getpid()),
            "-o",
            str(samples),
        ]
        command += ["--", "sleep", str(SECONDS)]  # begins once perf listens
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as perf:
            while perf.poll() is None:
                work()
        told = ["perf", "report", "-i", str(samples), "--stdio", "-F", "overhead,dso,symbol", "-t", ";"]
        done = subprocess.run(told, capture_output=True, text=True)
    return by_function(done.stdout, subject.ours.library.name) or f"perf recorded nothing: {done.stderr.strip()[:100]}"


def by_function(report: str, library: str) -> str:
    """Of perf's report the functions of a model library and of our core; all else is one entry.

    Examples
    --------
    >>> print(by_function("# head\\n 60.00%;libm_a.so;[.] tsad_linear_f32\\n 40.00%;python3.11;[.] f\\n", "libm_a.so"))
    linear_f32 60 %, all else 40 %
    """
    shares: Counter[str] = Counter()
    for line in report.splitlines():
        fields = line.split(";")
        if len(fields) != 3 or not fields[0].strip().endswith("%"):
            continue
        share, place, symbol = (field.strip() for field in fields)
        ours = place == library or place.startswith("_core")
        name = symbol.removeprefix("[.] ").removeprefix("tsad_") if ours else "all else"
        name = "detector" if name.startswith("0x") else name  # of our core, whose names are stripped
        shares[name] += float(share.removesuffix("%"))
    return ", ".join(f"{name} {share:.0f} %" for name, share in shares.most_common() if share >= LEAST)
