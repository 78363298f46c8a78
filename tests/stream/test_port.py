"""A serial port, here one end of a pair of terminals: noise, a reader that is too slow, an unplugged cable."""

import contextlib
import json
import os
import subprocess
import termios
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Live, state_of, until
from .test_pipe import blocked, memory, told

QUIET = "1,-1\n"


@pytest.fixture
def line() -> Iterator[tuple[int, str]]:
    """Our end, and the name of the other one."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    name = os.ttyname(theirs)
    yield ours, name
    for end in (ours, theirs):
        with contextlib.suppress(OSError):  # the test has closed it
            os.close(end)


def listening(name: str, life) -> None:  # type: ignore[no-untyped-def]
    """Until the process has the port open: what was sent before is thrown away."""
    fds = Path(f"/proc/{life.process.pid}/fd")
    until(lambda: name in {os.readlink(fd) for fd in fds.iterdir() if fd.is_symlink()}, life)
    time.sleep(0.3)


def test_lines_of_a_port(line: tuple[int, str], live: Live, tmp_path: Path) -> None:
    ours, name = line
    events = tmp_path / "events.jsonl"
    with live(name, "--to", events, "--baud", "9600", model="plain") as life:
        listening(name, life)
        assert termios.tcgetattr(ours)[4] == termios.B9600
        os.write(ours, f"9,9\n{QUIET * 3}1,9\n{QUIET * 3}".encode())  # the first may be a line's end
        until(lambda: state_of(events).get("watch", {}).get("index") == 7, life)
        os.write(ours, b"1,-#!1\n\xff\xfe\x00\n1,2,3\n" + f"{QUIET * 2}1,9\n".encode())
        until(lambda: events.read_text().count("\n") == 3, life)
        code, said = life.end()
    assert told(events.read_text()) == [("started", 1, 3, 3), ("ended", 1, 3, 5), ("started", 2, 12, 12)]
    assert code == 0 and said.count("taken for a missing sample") == 3
    assert f"{name}: line 8, column 2: '-#!1' is not a number" in said and "event 2 goes on" in said


def test_a_cable_that_is_pulled(line: tuple[int, str], live: Live, tmp_path: Path) -> None:
    ours, name = line
    events = tmp_path / "events.jsonl"
    with live(name, "--to", events, model="plain") as life:
        listening(name, life)
        os.write(ours, f"\n{QUIET * 3}1,9\n".encode())
        until(lambda: events.exists() and events.read_text(), life)
        os.close(ours)
        code, said = life.says()
    assert code == 1 and said.startswith("tsad stream: ")
    assert told(events.read_text()) == [("started", 1, 3, 3)]


def test_a_reader_that_is_too_slow_for_a_port(line: tuple[int, str], live: Live) -> None:
    """The port is read on: memory stays bounded, what is lost is counted, ends the event and empties the window."""
    ours, name = line
    stretch = (QUIET * 4 + "1,9\n").encode() * 200
    sent = 0
    with live(name, model="plain", stdout=subprocess.PIPE) as life:
        listening(name, life)
        os.write(ours, b"\n")
        sizes = []
        for _ in range(1000):  # 5 MB, five times the queue
            part = stretch
            while part:
                part = part[os.write(ours, part) :]
            sent += 1000
            sizes.append(memory(life))
        assert max(sizes[500:]) - max(sizes[:500]) < 2**21 and max(sizes) < 100 * 2**20
        found: list[dict] = []  # type: ignore[type-arg]

        def read() -> None:
            assert life.process.stdout is not None
            found.extend(map(json.loads, life.process.stdout))

        reader = threading.Thread(target=read)
        reader.start()
        assert life.process.stderr is not None
        said = life.process.stderr.readline()
        assert "lines came faster than they were taken, and are lost; the window fills anew" in said
        until(lambda: blocked(life), life)  # all is read
        code, _ = life.end()
        reader.join()
    assert code == 0
    lost = int(said.split(": ")[2].split()[0])
    taken = len(found) // 2 * 5
    assert sent * 0.5 < lost < sent and abs(lost + taken - sent) < 100
    assert [each["id"] for each in found if each["event"] == "ended"] == list(range(1, len(found) // 2 + 1))
