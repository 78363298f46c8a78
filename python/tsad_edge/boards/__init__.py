"""Boards: firmware with a detector in it, built, run in QEMU or on the board, and measured.

    made = cost(board("mps2-an386"), models, samples, out)                  # builds, and says what it takes
    scores, alarms, events, _ = judged_on(board("mps2-an386"), elf, identity, t, values)

Room by room: table (which there are), firmware, footprint (sizes), lines and protocol (to talk to one), feed (a series
through it), flashers (into a board; in_gdb is what gdb runs), instructions and cycles (what a sample takes), cost (all
figures). The C is in csrc/target/mcu.
"""

from .cost import Sample, cost
from .feed import Told, feed, judged_on
from .firmware import build, build_one, identity, model_name
from .flashers import flash
from .footprint import memory_parts
from .lines import Port
from .table import Board, board, boards

__all__ = [
    "Board",
    "Port",
    "Sample",
    "Told",
    "board",
    "boards",
    "build",
    "build_one",
    "cost",
    "feed",
    "flash",
    "identity",
    "judged_on",
    "memory_parts",
    "model_name",
]
