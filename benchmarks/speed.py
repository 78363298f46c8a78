"""How fast detectors are, against PyTorch and inference engines: `make speed`.

    python benchmarks/speed.py                      # all networks; prints the tables
    python benchmarks/speed.py gan-msl pca --out benchmarks/speed.md

Networks are untrained: the reference's shapes and our own models (networks.py), in float32 and in integers, window 100.
Everything runs on one thread, in rounds that take turns, so that what else the machine does meets all sides alike;
figures count as ratios. A target that is missed is printed as missed, with a profile.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cold
import peer_files
import peers
import shares
import table
import torch
from limits import Limits
from networks import BULK, KNOWN, Network, named
from sides import Cell, Subject, measured, subjects
from threadpoolctl import threadpool_limits
from verdicts import missed

from tsad_edge.files import write_whole

COLD = "gan-msl"
"""The network that a fresh Python scores a window of."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write if asked."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("networks", nargs="*", help=f"some of {', '.join(KNOWN)}; by default all")
    reader.add_argument("--out", type=Path, help="write the tables there, too")
    chosen = reader.parse_args(arguments)
    if unknown := set(chosen.networks) - set(KNOWN):
        reader.error(f"no network {', '.join(sorted(unknown))}; there are {', '.join(KNOWN)}")
    torch.set_num_threads(1)
    with threadpool_limits(1), tempfile.TemporaryDirectory(prefix="tsad-speed-") as scratch:
        place = Path(scratch)
        limits, networks = Limits(place), named(chosen.networks or KNOWN)
        every = subjects(networks, place)
        text = measure(every, limits)
        if COLD in chosen.networks or not chosen.networks:
            text += start(next(each for each in every if each.network.name == COLD), place)
    print(text, end="")
    if chosen.out:
        write_whole(chosen.out, text.encode())
    return 0


def measure(every: Sequence[Subject], limits: Limits) -> str:
    """The tables of both precisions."""
    cells: dict[str, list[Cell]] = {"f32": [], "int8": []}
    profiles = {}
    for subject in every:
        for batch in (1, BULK):
            print(f"measuring {subject.network.name}, {subject.precision}, {batch}", file=sys.stderr)
            cell = measured(subject, batch, limits)
            cells[cell.precision].append(cell)
            if missed(cell):
                profiles[table.key(cell)] = shares.profile(cell, subject, limits)
    tables = [table.section(each, profiles) for each in cells.values()]
    return table.head(limits, [*cells["f32"], *cells["int8"]]) + "".join(tables) + table.call(cells["f32"])


def start(subject: Subject, place: Path) -> str:
    """The table of the cold start."""
    network: Network = subject.network
    onnx, _ = peers.files(network, place)
    tflite = peer_files.litert([network])[network.name, 1]
    return cold.section(cold.starts(cold.programs(subject.ours.library, onnx, tflite)))


if __name__ == "__main__":
    sys.exit(main())
