"""Writes the seeds of the fuzz targets, a folder a target: `python tests/fuzz/seeds.py FOLDER`.

A fuzzer would find these by itself, but only after minutes. What the bytes mean is in the target of the same name.
"""

import struct
import sys
from pathlib import Path

CSV = [
    b"a,b\n1,-1\n3,0.5\n1e3,-2.5E-3\n",
    b"\xef\xbb\xbft,b,a\r\n2024-05-01T12:30:15.250+02:00,1,2\r\n2024-02-29 23:59,nan,\r\n",
    b'time,"a","b ""c"""\n1714567890123, inf ," -1 "\n\n5,+Infinity,.5\n',
    b"1,2\n3,4",
    b"2100-03-01,a,label,b\n9999-12-31T23:59:59Z,1,x,2\n",
]
HELLO = b"\x04" + struct.pack("<IB", 7, 0)
QUIET = b"\x85\x01" + bytes(3)
"""A sample one tick after the last one, of three zeros."""
LOUD = b"\xc5\x01" + struct.pack("<3f", 50, -50, 50)
MISSING = b"\xc5\x01" + struct.pack("<3f", 0, float("nan"), 0)
WHOLE, DAMAGED, CUT = (bytes([op, 2, 1, 0, 4]) + b"\xc0\xdb\x00\xff" + b"\x06\x01" for op in (1, 2, 3))
FRAME = [
    b"\x14" + WHOLE + b"\x20\xc0\xdb\xdc\xdd" + DAMAGED + WHOLE + CUT + WHOLE,
    b"\x14" + HELLO + QUIET * 20 + LOUD * 4 + QUIET * 20 + MISSING + b"\x0f" + b"\x07",
    b"\x14" + QUIET + HELLO + b"\x45\x00" + LOUD[2:] + b"\x45\x00" + LOUD[2:] + b"\x0f",
]

CALM, HIGH, NO_VALUE, BACK = b"\x00\x01\x02", b"\x00\x01\x06", b"\x00\x0b\x02", b"\x11\x01\x02"
"""Steps of a detector: a quiet sample, a loud one, one with a NaN, and one whose time is four ticks back."""
BLOCK, RESET, FINISH, NEXT, DECIDE = b"\x22" + b"\x01\x02\x05\xa0" * 4, b"\x03__", b"\x07__", b"\x0b__", b"\x0f\x06_"
POLICIES = sum(policy << 2 * kind for kind, policy in enumerate((2, 2, 1, 3, 3, 3, 2))) | 2 << 14
CHANNELS = bytes([7, 6, 6, 3]) * 2
"""Bounds, largest change and equal samples of a guard."""
EVENTS = bytes([4, 128, 50, 2, 1, 3])
TAIL = bytes([1, 1, 0, 3, 20])
RUN = CALM * 5 + HIGH * 4 + CALM * 3 + NO_VALUE * 4 + BLOCK + HIGH * 3 + BACK + CALM * 4 + DECIDE * 2 + FINISH + NEXT
DETECTOR = [
    b"\x03" + RUN * 2 + RESET + RUN,
    *(
        b"\x04" + struct.pack("<I", POLICIES | every << 17) + CHANNELS + EVENTS + TAIL + RUN * 2 + RESET + RUN
        for every in (0, 1)
    ),
    b"\x04" + bytes(4) + CHANNELS + EVENTS + TAIL + RUN,
]
LEARN, LOAD, BACK_AGAIN = b"\x05\x80\x20\x01\x02\x03\x04", b"\x02", b"\x04\x40"
FORGED = b"\x01\x06" + struct.pack("<f", 7.0)
"""The first slot: what is in force, but another threshold."""
BASELINE = [
    bytes([how]) + LEARN + b"\x03\x40" + LOAD + b"\x05\x90\x40____" + b"\x03\x40" + LOAD + BACK_AGAIN + FORGED + LOAD
    for how in (0, 1)
]
BASELINE.append(b"\x00" + b"\x01\x06" + struct.pack("<f", float("nan")) + LOAD)
SEEDS = {
    "fuzz_csv": [bytes([how]) + text for text in CSV for how in (0, 13)],
    "fuzz_frame": FRAME,
    "fuzz_detector": DETECTOR,
    "fuzz_baseline": BASELINE,
}


def write(folder: Path) -> None:
    """All seeds, as FOLDER/TARGET/NUMBER."""
    for target, inputs in SEEDS.items():
        place = folder / target
        place.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(inputs):
            (place / str(number)).write_bytes(data)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
