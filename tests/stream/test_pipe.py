"""Standard input and output: an end is an end, a restart goes on with ids, and a slow reader costs no memory."""

import json
import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from .conftest import HEADER, Life, Live, rows, state_of, until


def told(text: str) -> list[tuple[Any, ...]]:
    return [(e["event"], e["id"], e["start"], e["end"]) for e in map(json.loads, text.splitlines())]


def feed(life: Life, text: str) -> None:
    assert life.process.stdin is not None
    os.write(life.process.stdin.fileno(), text.encode())


def test_events_come_at_once_and_the_end_ends_them(live: Live) -> None:
    with live("-", model="plain", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as life:
        assert life.process.stdin is not None and life.process.stdout is not None
        feed(life, "1,-1\n1,-1\n1,-1\n1,9\n")
        assert told(life.process.stdout.readline()) == [("started", 1, 3, 3)]
        feed(life, "1,-1\n1,-1\n1,-1\n")
        assert told(life.process.stdout.readline()) == [("ended", 1, 3, 5)]
        feed(life, "1,9")  # a last line needs no end
        life.process.stdin.close()
        life.process.stdin = None
        assert told(life.process.stdout.read()) == [("started", 2, 7, 7), ("ended", 2, 7, 7)]
        assert life.says() == (0, "")


def test_silence_does_not_pass_for_no_events(live: Live) -> None:
    with live("-", model="plain", stdin=subprocess.DEVNULL) as life:
        code, said = life.says()
    assert code == 1 and "standard input: no row has a score: the model m_plain wants 3 rows" in said


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_goes_on_with_ids_and_ends_what_went_on(how: signal.Signals, live: Live, tmp_path: Path) -> None:
    """Samples are lost in between, so their window is another one; events are not, and none comes twice."""
    events = tmp_path / "events.jsonl"

    def taken(samples: int) -> bool:
        return bool(state_of(events).get("watch", {}).get("index") == samples)

    def has_lines(wanted: int) -> bool:
        return events.read_text().count("\n") == wanted

    for before in range(3):
        with live("-", "--to", events, model="plain", stdin=subprocess.PIPE) as life:
            feed(life, "1,-1\n1,-1\n1,-1\n1,9\n1,-1\n1,-1\n1,-1\n1,9\n")
            until(partial(taken, 8 * (before + 1)), life)
            until(partial(has_lines, 3 + 4 * before), life)  # they come behind the state that says so
            code, said = life.end(how)
            if how == signal.SIGTERM:
                words = f"tsad stream: event {2 * before + 2} goes on, since t = {8 * before + 7}\n"
                assert (code, said) == (0, words)
    found = told(events.read_text())
    ids = range(1, 7)
    assert [(what, n) for what, n, _, _ in found] == [(what, n) for n in ids for what in ("started", "ended")][:-1]
    assert found[3] == ("ended", 2, 7, 7) and found[4] == ("started", 3, 11, 11)


def memory(life: Life) -> int:
    """Resident bytes."""
    pages = Path(f"/proc/{life.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def test_a_reader_that_does_not_read_stops_the_reading(live: Live, tmp_path: Path) -> None:
    """Its pipe fills, then the one to us, then the writer waits; nothing is lost when the reader goes on."""
    pair = "1,9\n1,-1\n1,-1\n1,-1\n"  # an event of its own, 300 bytes of JSON
    text = "1,-1\n1,-1\n1,-1\n" + pair * 40_000
    source = tmp_path / "in.csv"
    source.write_text(text)
    with (
        subprocess.Popen(["cat", source], stdout=subprocess.PIPE) as writer,
        live("-", model="plain", stdin=writer.stdout, stdout=subprocess.PIPE) as life,
    ):
        assert writer.stdout is not None and life.process.stdout is not None
        writer.stdout.close()
        until(lambda: blocked(life), life)
        before = memory(life)
        time.sleep(1)
        assert writer.poll() is None and blocked(life)  # the writer waits, too
        assert memory(life) - before < 2**20 and memory(life) < 100 * 2**20
        lines = life.process.stdout.read().splitlines()
        assert life.says() == (0, "")
    assert [json.loads(line)["id"] for line in lines[1::2]] == list(range(1, 40_001))


def blocked(life: Life) -> bool:
    """It uses no processor."""

    def used() -> int:
        fields = Path(f"/proc/{life.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = used()
    time.sleep(0.5)
    return before > 0 and used() - before <= 1


def test_a_reader_that_does_not_read_does_not_keep_it_from_ending(live: Live, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("1,-1\n1,-1\n1,-1\n" + "1,9\n1,-1\n1,-1\n1,-1\n" * 4000)
    with live(source, model="plain", stdout=subprocess.PIPE) as life:
        until(lambda: blocked(life), life)
        code, said = life.end()
    assert code == 0 and "lines of events were not taken by the reader of standard output" in said


def test_a_reader_that_is_gone_is_an_error(live: Live, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text(HEADER + "".join(rows(300)))
    with live(source, stdout=subprocess.PIPE) as life:
        assert life.process.stdout is not None
        life.process.stdout.close()
        life.process.stdout = None
        code, said = life.says()
    assert code == 1 and "Broken pipe" in said
