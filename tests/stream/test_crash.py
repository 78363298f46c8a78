"""Killed at any moment, restarted: the file of events is what a run without the kill would have written."""

import itertools
import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tsad_edge import files, stream
from tsad_edge.stream import follow, outlet
from tsad_edge.stream.stopping import Stopping

from .conftest import HEADER, Live, caught_up, rows, state_of, until

DIED = 9


def one_life(model: Path, source: Path, to: Path, die_at: int | None = None, torn: bool = False) -> bool:
    """A child that reads to the end of the file, or dies at its n-th call that changes a disk; whether it died.

    `torn`: only writes count, and half of the bytes are written first.
    """
    child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, DIED)
        return code == DIED
    try:
        calls = 0

        def counted(call: Callable[..., Any]) -> Callable[..., Any]:
            def counting(*words: Any, **more: Any) -> Any:
                nonlocal calls
                calls += 1
                if calls == die_at:
                    if torn:
                        call(words[0], words[1][: len(words[1]) // 2])
                    os._exit(DIED)
                return call(*words, **more)

            return counting

        for name in ["write"] if torn else ["open", "write", "fsync", "ftruncate", "replace"]:
            setattr(os, name, counted(getattr(os, name)))
        follow.BLOCK, outlet.EVERY = 500, 0.0  # several pieces, a state after each
        Stopping.wait = lambda self, seconds: setattr(self, "heard", True)  # type: ignore[method-assign]
        library = model / f"libm_{model.name}.so"
        stream.stream(model / "detector.json", library, str(source), str(to), None, 0, lambda text: None)
        os._exit(0)
    finally:  # whatever it was, this is no second pytest
        os._exit(1)


def every_death(model: Path, place: Path) -> Iterator[str]:
    """Die once at each call there is, in two ways, and go on: what the file of events is then, each time."""
    source = place / "in.csv"
    source.write_text(HEADER + "".join(rows(70, fault_every=15)))
    for torn in (False, True):
        for die_at in itertools.count(1):
            to = place / f"{torn}-{die_at}.jsonl"
            died = one_life(model, source, to, die_at, torn)
            assert not one_life(model, source, to)
            yield to.read_text()
            if not died:
                break


def test_a_death_at_every_single_call(models: Path, tmp_path: Path) -> None:
    found = list(every_death(models / "rich", tmp_path))
    assert len(found) > 40 and found[-1].count("\n") >= 5
    assert set(found) == {found[-1]}


@pytest.mark.parametrize("broken", ["lines first", "nothing redone"])
def test_the_order_of_writing_is_what_does_it(
    broken: str, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lines_first(self: outlet.Journal, told: list[str], state: outlet.State) -> None:
        self._append("".join(told).encode())
        keep(self, [], state)

    keep = outlet.Journal.keep
    if broken == "lines first":
        monkeypatch.setattr(outlet.Journal, "keep", lines_first)
    else:
        monkeypatch.setattr(os.path, "commonprefix", lambda both: both[1])
    with pytest.raises(AssertionError):
        for one, next_one in itertools.pairwise(every_death(models / "rich", tmp_path)):
            assert one == next_one


@pytest.mark.parametrize("kills", [10, pytest.param(40, marks=pytest.mark.slow)])
def test_kill_9_at_random_moments(kills: int, live: Live, uninterrupted: Any, tmp_path: Path) -> None:
    """While the file grows, in pieces that end anywhere, and is rotated now and then."""
    source, events, chance = tmp_path / "in.csv", tmp_path / "events.jsonl", random.Random(kills)
    lines, rotated = rows(500 * kills), 0
    source.write_text(HEADER)
    for kill in range(kills):
        with live(source, "--to", events) as life:
            if kill % 2 == 0:  # the others may die before they have begun
                until(partial(caught_up, source, events), life)
            position = state_of(events).get("position", {})
            if kill % 3 == 2 and position.get("inode") == source.stat().st_ino:
                source.rename(tmp_path / f"in.csv.{kill}")
                source.write_text(HEADER)
                rotated += 1
            part = "".join(lines[500 * kill : 500 * (kill + 1)])
            with open(source, "a") as writer:
                for at in range(0, len(part), 4000):
                    writer.write(part[at : at + 4000])
                    writer.flush()
                    time.sleep(chance.uniform(0, 0.1))
            time.sleep(chance.uniform(0, 0.1))
            life.end(signal.SIGKILL)
    with live(source, "--to", events) as life:
        until(lambda: caught_up(source, events), life)
        assert life.end() == (0, "")
    whole = tmp_path / "whole.csv"
    whole.write_text(HEADER + "".join(lines))
    assert rotated >= kills // 6
    found = events.read_text()
    assert found == uninterrupted(whole)
    told = [json.loads(line) for line in found.splitlines()]
    ended = [each["id"] for each in told if each["event"] == "ended"]
    assert ended == list(range(1, len(ended) + 1)) and len(ended) > 3 * kills


@pytest.mark.parametrize("left", [b"", b'{"schema": 1, "ent', b"\0\0\0\0"])
def test_what_a_power_failure_leaves_of_a_line(left: bytes, models: Path, tmp_path: Path) -> None:
    """The state is on the disk, of its lines only something."""
    source, events, whole = tmp_path / "in.csv", tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    source.write_text(HEADER + "".join(rows(90, fault_every=15)))
    assert not one_life(models / "rich", source, whole)
    assert not one_life(models / "rich", source, events)
    state = json.loads((tmp_path / "a.jsonl.state").read_text())
    text = events.read_bytes()
    cut = text.rfind(b"\n", 0, -1) + 1
    del state["digest"]
    state |= {"length": cut, "lines": text[cut:].decode()}
    state["digest"] = outlet._digest(state)
    (tmp_path / "a.jsonl.state").write_text(json.dumps(state))
    events.write_bytes(text[:cut] + left)
    assert not one_life(models / "rich", source, events)
    assert events.read_text() == whole.read_text()


def test_files_that_are_not_what_was_written(live: Live, tmp_path: Path) -> None:
    source, events, other = tmp_path / "in.csv", tmp_path / "events.jsonl", tmp_path / "other.csv"
    state = tmp_path / "events.jsonl.state"
    lines = rows(400)
    source.write_text(HEADER + "".join(lines[:200]))
    with live(source, "--to", events) as life:
        until(lambda: caught_up(source, events), life)
        with source.open("a") as writer:
            writer.write("".join(lines[200:]))
        until(lambda: caught_up(source, events), life)
        with live(source, "--to", events) as second:
            code, said = second.says()
            assert code == 1 and f"{events}: another tsad stream writes it" in said
        assert life.end()[0] == 0
    other.write_text(source.read_text())
    good, kept = events.read_bytes(), state.read_bytes()

    def refused(*words: str, given: Path = source, model: str = "rich") -> None:
        with live(given, "--to", events, model=model) as life:
            code, said = life.says()
            assert code == 1 and said.startswith("tsad stream: ") and said.count("\n") == 1, said
            assert all(word in said for word in words), said

    refused(f"is of source {source}", f"this is source {other}", given=other)
    events.write_bytes(good[:10])
    refused("events.jsonl: has 10 bytes, but", "were acknowledged", "away")
    events.write_bytes(good + b"{}\n")
    refused(f"has {len(good) + 3} bytes", "not the file that was written")
    events.write_bytes(good)
    state.write_bytes(kept.replace(b'"index": 4', b'"index": 3'))
    refused("events.jsonl.state: is damaged", "digest")
    state.write_bytes(kept[:100])
    refused("events.jsonl.state: is damaged")
    state.unlink()
    refused("holds something, but", "events.jsonl.state is not there")


def test_durable_writes_leave_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    place = tmp_path / "state"
    files.write_durably(place, b"old")
    files.write_durably(place, b"new")
    assert place.read_bytes() == b"new" and list(tmp_path.iterdir()) == [place]
