"""How many cycles instructions take on a Cortex-M4: a model, by ARM's tables, of a processor whose memory never waits.

Owns the tables. Counts come from `instructions`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

MODEL = (
    "Cortex-M4 TRM r0p1, no wait states: loads 2 cycles, 1 after another load or store; multiples 1 + registers; "
    "a taken branch 3; VMLA and VFMA 3, VDIV and VSQRT 14; 1 more where the next one uses a floating-point result"
)
REFILL = 2
"""Cycles a taken branch takes beyond its own; ARM says 1 to 3."""
SLOW = {
    "mla": 2, "mls": 2, "sdiv": 12, "udiv": 12, "tbb": 2, "tbh": 2,
    "vmla": 3, "vmls": 3, "vnmla": 3, "vnmls": 3, "vfma": 3, "vfms": 3, "vfnma": 3, "vfnms": 3, "vdiv": 14, "vsqrt": 14,
}  # fmt: skip
"""Cycles of what is not done in one; a division's are ARM's most."""
MULTIPLE = ("ldm", "stm", "push", "pop", "vldm", "vstm", "vpush", "vpop", "ldrd", "strd")
FLOAT = re.compile(r"v(add|sub|mul|n?ml[as]|fn?m[as]|div|sqrt|neg|abs)\b")


class Instruction(NamedTuple):
    """One line of a disassembly."""

    address: int
    name: str  # without condition and type
    operands: str


def cycles(listing: str, counted: Mapping[int, tuple[int, int]]) -> int:
    """Cycles of a run.

    Parameters
    ----------
    listing : str
        As ``objdump -d --no-show-raw-insn`` prints it.
    counted : mapping
        Address -> how often the instruction was executed, and how often another one than its neighbour came next.

    Examples
    --------
    >>> cycles(" 0:\\tvldr\\ts1, [r0]\\n 4:\\tvmul.f32\\ts0, s0, s1\\n 8:\\tb.n\\t0", {0: (5, 0), 4: (5, 0), 8: (5, 4)})
    28
    """
    total, before = 0, None
    for line in listing.splitlines():
        match = re.match(r"\s*([0-9a-f]+):\t(\S+)\s*([^;@]*)", line)
        if match is None:
            before = None  # between functions
            continue
        here = Instruction(int(match[1], 16), match[2], match[3].strip())
        count, taken = counted.get(here.address, (0, 0))
        total += count * (_own(here, before) + _stall(here, before))
        total += taken * REFILL if _is_branch(here) else 0
        before = here
    return total


def _is_branch(here: Instruction) -> bool:
    """Nothing else can be taken; where code crosses one of QEMU's pages the count says otherwise."""
    jumps = re.match(r"(b|cb|tb)(?!fi|fc|ic|kpt)", here.name)
    return jumps is not None or re.search(r"\bpc\b[^]]*$", here.operands) is not None


def _own(here: Instruction, before: Instruction | None) -> int:
    name = here.name.partition(".")[0]
    if name.startswith(MULTIPLE):
        return 1 + _registers(here.operands)
    if name.startswith(("ldr", "vldr", "vstr")):
        follows = before is not None and before.name.startswith(("ldr", "str", "vldr", "vstr"))
        return 1 if follows else 2
    return next((cost for slow, cost in SLOW.items() if name.startswith(slow)), 1)


def _stall(here: Instruction, before: Instruction | None) -> int:
    """1 where a floating-point result is wanted at once."""
    if before is None or not FLOAT.match(before.name) or not here.name.startswith("v"):
        return 0
    result, *_ = before.operands.split(",")
    target, _, sources = here.operands.partition(",")
    wanted = here.operands if re.match(r"v(n?ml[as]|fn?m[as]|cmp)", here.name) else sources
    return int(FLOAT.match(here.name) is not None and re.search(rf"\b{result.strip()}\b", wanted) is not None)


def _registers(operands: str) -> int:
    """How many registers a list in braces has."""
    inner = re.search(r"{(.*)}", operands)
    if inner is None:
        return 2  # ldrd and strd name theirs
    count = 0
    for part in inner[1].split(","):
        first, _, last = part.strip().partition("-")
        count += int(last[1:]) - int(first[1:]) + 1 if last else 1
    return count
