"""Bytes -> whole lines, of bounded length; and what every input hands on."""

from __future__ import annotations

from dataclasses import dataclass, field

LONGEST = 1 << 20
"""Bytes of a line; more is no CSV, and would fill the memory."""
BLOCK = 1 << 16
"""Bytes read at once."""
POLL = 0.1
"""Seconds between two looks at what has nothing new."""


@dataclass(frozen=True)
class Piece:
    """Lines that are there now, in order; with none of them there is nothing new."""

    lines: list[bytes] = field(default_factory=list)
    fresh: bool = False  # a file begins: its first line says what the columns are
    lost: int = 0  # so many lines are missing behind these


class TooLongError(ValueError):
    """A line without an end."""


class Splitter:
    r"""Keeps the beginning of a line until its end comes.

    Examples
    --------
    >>> splitter = Splitter("standard input")
    >>> splitter.feed(b"1,2\n3"), splitter.feed(b",4\n\n5"), splitter.rest
    ([b'1,2\n'], [b'3,4\n', b'\n'], b'5')
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are whole now, each with its end.

        Raises
        ------
        TooLongError
            One has more than `LONGEST` bytes; it is forgotten so far.
        """
        end = data.rfind(b"\n") + 1
        whole, rest = (self.rest + data[:end], data[end:]) if end else (b"", self.rest + data)
        if len(rest) > LONGEST:
            self.rest = b""
            raise TooLongError(f"{self.name}: a line has more than {LONGEST} bytes; is this a CSV?")
        self.rest = rest
        return [line + b"\n" for line in whole.split(b"\n")[:-1]]
