"""The host's side of the protocol that csrc/target/mcu/frame.h states: frames, questions and answers, over any line.

Owns the bytes and what to do when they get lost. What a line is (QEMU, a serial port) is `lines`' business.
"""

from __future__ import annotations

import binascii
import struct
import time
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

END, ESCAPE, ESCAPED_END, ESCAPED_ESCAPE = b"\xc0", b"\xdb", b"\xdb\xdc", b"\xdb\xdd"
HELLO, SAMPLE, FINISH, STACK = 1, 2, 3, 4
ANSWER, REFUSED = 0x80, 0xFF
REFUSALS = {
    1: "there is no session: it was reset, or its detector does not start",
    2: "the sequence number is neither the next nor the last one",
    3: "it does not know this question",
}
HEAD, CRC = struct.Struct("<BHH"), struct.Struct("<H")
MODEL, RESULT, RECORD = struct.Struct("<bIIII64s"), struct.Struct("<bBBBf"), struct.Struct("<QQQfQi")
ENDED = 2
"""enum tsad_event_change"""
PATIENCE = (2.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Seconds to wait for an answer before the question is asked again; then it is given up. QEMU may get little time."""


class Line(Protocol):
    """Bytes there and back."""

    def send(self, data: bytes) -> None:
        """Send all of it."""

    def receive(self, seconds: float) -> bytes:
        """What has come, but at least a byte unless the time is up or the other side is gone."""


def framed(kind: int, sequence: int, payload: bytes) -> bytes:
    """A frame as it goes over the line.

    Examples
    --------
    >>> framed(HELLO, 0, b"\\xc0\\x00\\x00\\x00").hex()
    'c00100000400dbdc0000005446c0'
    """
    frame = HEAD.pack(kind, sequence, len(payload)) + payload
    frame += CRC.pack(binascii.crc_hqx(frame, 0xFFFF))
    return END + frame.replace(ESCAPE, ESCAPED_ESCAPE).replace(END, ESCAPED_END) + END


def unframed(data: bytes) -> tuple[int, int, bytes] | None:
    """Kind, sequence and payload of what stood between two `END`; None where it is no good frame.

    Examples
    --------
    >>> unframed(framed(STACK, 7, b"ab")[1:-1])
    (4, 7, b'ab')
    """
    frame = data.replace(ESCAPED_END, END).replace(ESCAPED_ESCAPE, ESCAPE)
    if len(frame) < HEAD.size + CRC.size or CRC.unpack(frame[-2:])[0] != binascii.crc_hqx(frame[:-2], 0xFFFF):
        return None
    kind, sequence, length = HEAD.unpack_from(frame)
    payload = frame[HEAD.size : -2]
    return (kind, sequence, payload) if length == len(payload) else None


@dataclass(frozen=True)
class Model:
    """What a firmware says of the model in it."""

    status: int
    """What tsad_init said: 0, or negative when the model cannot be used."""
    abi: int
    crc: int
    channels: int
    window: int
    id: str
    name: str


@dataclass(frozen=True)
class Step:
    """What a firmware says of a sample; `event` is the record of the event that ended with it."""

    status: int
    score: float
    alarm: bool
    quality: int
    event: tuple[Any, ...] | None


class Session:
    """A conversation with a firmware, from its hello on. The detector on the other side starts anew with it.

    Parameters
    ----------
    line : Line
    number : int
        Any 32-bit number but that of the session before.
    patience : tuple of float
        See `PATIENCE`.

    Raises
    ------
    RuntimeError
        No answer came, however often it was asked; or the firmware refused, and why.
    """

    def __init__(self, line: Line, number: int, patience: tuple[float, ...] = PATIENCE) -> None:
        self._line, self._patience = line, patience
        self._sequence, self._received = 0, b""
        said = self._ask(HELLO, struct.pack("<I", number))
        status, abi, crc, channels, window, identity = MODEL.unpack_from(said)
        self.model = Model(status, abi, crc, channels, window, identity.decode(), said[MODEL.size :].decode())

    def sample(self, t: int, values: NDArray[np.float32]) -> Step:
        """Take one sample, values (C,), at time t."""
        said = self._ask(SAMPLE, struct.pack("<Q", t) + np.asarray(values, "<f4").tobytes())
        status, alarm, event, quality, score = RESULT.unpack_from(said)
        record = RECORD.unpack_from(said, RESULT.size) if event == ENDED else None
        return Step(status, score, bool(alarm), quality, record)

    def finish(self) -> tuple[Any, ...] | None:
        """At the end of a recording: the record of the event that was still open, if one was."""
        said = self._ask(FINISH, b"")
        return RECORD.unpack_from(said, 1) if said[0] else None

    def stack_used(self) -> int:
        """The most bytes of stack that were used since the firmware started."""
        return int(struct.unpack("<I", self._ask(STACK, b""))[0])

    def _ask(self, kind: int, payload: bytes) -> bytes:
        """The payload of the answer."""
        question = framed(kind, self._sequence, payload)
        for seconds in self._patience:
            self._line.send(question)
            answer = self._wait(kind, time.monotonic() + seconds)
            if answer is None:
                continue
            said, content = answer
            if said == REFUSED:
                raise RuntimeError(f"the firmware refused: {REFUSALS.get(content[0], content[0])}")
            self._sequence = (self._sequence + 1) & 0xFFFF
            return content
        raise RuntimeError(
            f"the firmware does not answer: asked {len(self._patience)} times in {sum(self._patience):g} s"
        )

    def _wait(self, kind: int, until: float) -> tuple[int, bytes] | None:
        """Kind and payload of the answer to our question, or of its refusal; None when the time is up."""
        while True:
            while END in self._received:
                frame, _, self._received = self._received.partition(END)
                found = unframed(frame)
                if found is not None and found[0] in (kind | ANSWER, REFUSED) and found[1] == self._sequence:
                    return found[0], found[2]
            left = until - time.monotonic()
            if left <= 0:
                return None
            self._received += self._line.receive(left)
