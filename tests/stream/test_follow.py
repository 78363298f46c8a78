"""A file that grows, is rotated, is cut, or holds what is no row; and that its events are those of the edge binary."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import HEADER, Live, caught_up, rows, state_of, until


def ended(text: str) -> list[str]:
    """The events that ended, as `tsad-edge --events` prints them."""
    channels = {"a": 0, "b": 1}
    told = [each for each in map(json.loads, text.splitlines()) if each["event"] == "ended"]
    return [
        f"{e['id']},{e['start']},{e['end']},{e['peak']:.9g},{e['peak_t']},{channels.get(e['top'], -1)}" for e in told
    ]


@pytest.mark.parametrize("model", ["rich", "plain"])
def test_events_are_those_of_the_edge_binary(model: str, models: Path, live: Live, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    # The last rows round otherwise by way of a double: the decimal lies just above the middle of two floats.
    source.write_text(HEADER + "".join(rows(3000)) + "90001,9,1.0000000596046448\n90002,9,1\n90003,9,1\n")
    library = models / model / f"libm_{model}.so"
    edge = subprocess.run(
        [models / "native" / "tsad-edge", "--model", library, "--events", source], capture_output=True, text=True
    )
    assert edge.returncode == 0
    with source.open() as file, live("-", model=model, stdin=file, stdout=subprocess.PIPE) as life:
        assert life.process.stdout is not None
        text = life.process.stdout.read()
        assert life.says() == (0, "")
    assert ended(text) == edge.stdout.split()[1:] and len(ended(text)) > 30
    told = [json.loads(line) for line in text.splitlines()]
    for start, end in zip(told[::2], told[1::2], strict=True):
        assert (start["event"], end["event"]) == ("started", "ended")
        assert all(start[same] == end[same] for same in ("schema", "entity", "id", "start"))
        assert start["end"] <= end["end"] and start["peak"] <= end["peak"]
        assert end["duration"] == end["end"] - end["start"]


def test_a_file_that_grows_and_a_line_in_two_halves(
    live: Live, uninterrupted: Callable[[Path], str], tmp_path: Path
) -> None:
    source, events, lines = tmp_path / "in.csv", tmp_path / "events.jsonl", rows(400)
    source.write_text(HEADER)
    with live(source, "--to", events) as life, source.open("a") as writer:
        for at in range(0, 400, 200):
            part = "".join(lines[at : at + 200])
            writer.write(part[:-7])
            writer.flush()
            until(lambda: caught_up(source, events), life)
            writer.write(part[-7:])
            writer.flush()
        until(lambda: caught_up(source, events), life)
        assert life.end()[0] == 0
    assert events.read_text() == uninterrupted(source) != ""


@pytest.mark.parametrize("down", [False, True])
def test_rotation_by_renaming(down: bool, live: Live, uninterrupted: Callable[[Path], str], tmp_path: Path) -> None:
    """Live, and while the process is down: not a row is lost, none is taken twice, an event may span two files."""
    source, events, lines = tmp_path / "in.csv", tmp_path / "events.jsonl", rows(300)
    source.write_text(HEADER + "".join(lines[:130])[:-9])
    with live(source, "--to", events) as life:
        until(lambda: caught_up(source, events), life)
        if down:
            life.end(signal.SIGKILL)
        with source.open("a") as writer:
            source.rename(tmp_path / "in.csv.1")
            writer.write("".join(lines[:130])[-9:] + "".join(lines[130:200])[:-1])  # the last line has no end
        source.write_text(
            "b,time,a\n"
            + "".join(",".join(line.strip().split(",")[i] for i in (1, 0, 2)) + "\n" for line in lines[200:])
        )
        if not down:
            until(lambda: caught_up(source, events), life)
            assert life.end() == (0, "")
    if down:
        with live(source, "--to", events) as life:
            until(lambda: caught_up(source, events), life)
            assert life.end() == (0, "")
    whole = tmp_path / "whole.csv"
    whole.write_text(HEADER + "".join(lines))
    assert events.read_text() == uninterrupted(whole) != ""


def test_a_file_that_is_gone_is_told(live: Live, tmp_path: Path) -> None:
    source, events = tmp_path / "in.csv", tmp_path / "events.jsonl"
    source.write_text(HEADER + "".join(f"{t},9,1\n" for t in range(9)))
    with live(source, "--to", events) as life:
        until(lambda: caught_up(source, events), life)
        assert life.end() == (0, "tsad stream: event 1 goes on, since t = 2\n")
    (tmp_path / "elsewhere").mkdir()
    source.rename(tmp_path / "elsewhere" / "in.csv")
    with live(source, "--to", events) as life:
        code, said = life.says()
        assert code == 1 and "in.csv: no such file" in said
    source.write_text(HEADER + "".join(f"{t},9,1\n" for t in range(20, 29)))
    with live(source, "--to", events) as life:
        until(lambda: caught_up(source, events), life)
        code, said = life.end()
        assert code == 0 and "is no longer in its folder; rows may be lost, the window fills anew" in said
    told = [json.loads(line) for line in events.read_text().splitlines()]
    assert [(each["event"], each["id"], each["start"], each["end"]) for each in told] == [
        ("started", 1, 2, 3),
        ("ended", 1, 2, 8),
        ("started", 2, 25, 26),  # the window is full at 22, and the refractory time has three samples
    ]


def is_cut(said: tuple[int, str]) -> bool:
    return said[0] == 1 and "in.csv: is not what was read up to byte" in said[1] and "not copytruncate" in said[1]


@pytest.mark.parametrize("after", ["", HEADER])
def test_a_file_that_is_cut_is_refused(after: str, live: Live, tmp_path: Path) -> None:
    source, events = tmp_path / "in.csv", tmp_path / "events.jsonl"
    source.write_text(HEADER + "".join(rows(100)))
    with live(source, "--to", events) as life:
        until(lambda: caught_up(source, events), life)
        source.write_text(after)
        assert is_cut(life.says())


@pytest.mark.parametrize("after", ["", HEADER, HEADER + "".join(rows(300, seed=1))])
def test_a_file_that_was_cut_meanwhile_is_refused(after: str, live: Live, tmp_path: Path) -> None:
    """Also where it is longer again than before."""
    source, events = tmp_path / "in.csv", tmp_path / "events.jsonl"
    source.write_text(HEADER + "".join(rows(100)))
    with live(source, "--to", events) as life:
        until(lambda: caught_up(source, events), life)
        life.end()
    source.write_text(after)
    with live(source, "--to", events) as life:
        assert is_cut(life.says())


def test_a_bad_line_is_named_and_what_came_before_counts(
    live: Live, uninterrupted: Callable[[Path], str], tmp_path: Path
) -> None:
    source, events, lines = tmp_path / "in.csv", tmp_path / "events.jsonl", rows(300)
    good = tmp_path / "good.csv"
    good.write_text(HEADER + "".join(lines[:250]))
    wanted = uninterrupted(good)
    for bad, words in {
        "9999,high,1\n": "line 252, column 2 (b): 'high' is not a number",
        "9999,1\n": "line 252: 2 fields, but the first line has 3",
        "3,1,1\n": "line 252: t = 3 is not after that of an earlier row",
        "soon,1,1\n": "line 252, column 1 (time): 'soon' is neither an integer",
        "9" * 2_000_000: "has more than 1048576 bytes",
    }.items():
        source.write_text(good.read_text() + bad + "".join(lines[250:]))
        for _ in range(2):  # a restart finds the same, and tells nothing again
            with live(source, "--to", events) as life:
                code, said = life.says()
            assert code == 1 and words in said and said.startswith(f"tsad stream: {source}: "), said
        assert events.read_text() == wanted != ""
        for file in (events, tmp_path / "events.jsonl.state"):
            file.unlink()


def test_a_start_in_the_middle_knows_columns_and_line(live: Live, tmp_path: Path) -> None:
    source, events = tmp_path / "in.csv", tmp_path / "events.jsonl"
    source.write_text("\n\n" + HEADER + "".join(rows(50)))
    with live(source, "--to", events) as life:
        until(lambda: caught_up(source, events), life)
        assert life.end(signal.SIGINT)[0] == 0
    assert state_of(events)["watch"]["line"] == 53
    with source.open("a") as writer:
        writer.write("999,1,x\n")
    with live(source, "--to", events) as life:
        code, said = life.says()
    assert code == 1 and "line 54, column 3 (a): 'x'" in said


def test_what_cannot_be_watched(live: Live, models: Path, tmp_path: Path) -> None:
    def refused(source: str | Path, *words: str, **more: Any) -> None:
        with live(source, "--to", tmp_path / "events.jsonl", **more) as life:
            code, said = life.says()
            assert code == 1 and said.count("\n") == 1 and all(word in said for word in words), said

    refused(tmp_path / "gone.csv", "gone.csv: no such file")
    refused(tmp_path, "is neither a file nor a serial port")
    mixed = tmp_path / "m_mixed"
    mixed.mkdir()
    (mixed / "libm_rich.so").write_bytes((models / "plain" / "libm_plain.so").read_bytes())
    (mixed / "detector.json").write_text(
        (models / "rich" / "detector.json").read_text().replace('"id": "0', '"id": "1')
    )
    (tmp_path / "in.csv").write_text(HEADER)
    refused(tmp_path / "in.csv", "are not of one run", model=str(mixed))
    assert not list(tmp_path.glob("events.jsonl*"))
