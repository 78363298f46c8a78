"""Ctrl-C at several moments of a stage: one line is said, nothing stays half-written or running, and a rerun works.

A moment is what can be seen of the processes, not a time: the tests wait for it, however slow the machine.
"""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

PATIENCE = 120  # seconds until a moment has to come


class Process(NamedTuple):
    """What /proc tells of one."""

    pid: int
    name: str
    command: str
    parent: int
    seconds: float


def session(leader: int) -> list[Process]:
    """The living processes of a session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat, command = (folder / "stat").read_text(), (folder / "cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        rest = stat[stat.rindex(")") + 2 :].split()
        if int(rest[3]) == leader and rest[0] != "Z" and command:  # one that has no memory any more is just ending
            seconds = (int(rest[11]) + int(rest[12])) / os.sysconf("SC_CLK_TCK")
            name = stat[stat.index("(") + 1 : stat.rindex(")")]
            found.append(Process(int(folder.name), name, command, int(rest[1]), seconds))
    return found


def importing(leader: int) -> bool:
    """Numpy is being loaded, or has just been: no stage has begun."""
    try:
        return "_multiarray_umath" in Path(f"/proc/{leader}/maps").read_text()
    except FileNotFoundError:
        return False


def preloading(leader: int) -> bool:
    """The process that workers are forked from has begun to import PyTorch."""
    return any("forkserver" in each.command and each.seconds > 0.1 for each in session(leader))


def working(leader: int) -> bool:
    """A worker has computed for a while: a copy of the process that it was forked from."""
    servers = {each.pid for each in session(leader) if "forkserver" in each.command and each.parent == leader}
    return any(each.parent in servers and each.seconds > 0.3 for each in session(leader))


def compiling(leader: int) -> bool:
    """The C compiler runs."""
    return any(each.name == "cc1" for each in session(leader))


def interrupted(command: list[str], at: Callable[[int], bool], place: Path) -> tuple[int, str]:
    """Exit code and errors of a command that got Ctrl-C, with all its processes, at a moment."""
    running = subprocess.Popen(
        command,
        cwd=place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a CI job may be born without
    )
    until = time.monotonic() + PATIENCE
    while not at(running.pid):
        assert running.poll() is None, f"ended before {at.__name__}"
        assert time.monotonic() < until, f"never {at.__name__}"
        time.sleep(0.002)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert session(running.pid) == []
    return running.returncode, said


def contents(place: Path) -> dict[str, str]:
    """Every file below a folder, by its digest."""
    return {
        str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(place.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("stage_name", "moment"),
    [("train", importing), ("train", preloading), ("train", working), ("convert", compiling), ("check", preloading)],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_ctrl_c_leaves_what_was_there(stage_name: str, moment: Callable[[int], bool], copied: Path) -> None:
    knobs = copied / "params.yaml"
    knobs.write_text(knobs.read_text().replace("epochs: 3", "epochs: 9999"))
    before = contents(copied)
    command = [sys.executable, "-m", "tsad_edge.cli", stage_name]
    assert interrupted(command, moment, copied) == (130, "tsad: stopped; nothing was half-written, run it again\n")
    assert contents(copied) == before
    assert [path.name for path in copied.rglob(".*")] == []


def test_a_rerun_after_ctrl_c_gives_the_same(copied: Path, stage: Callable[[str], None]) -> None:
    before = contents(copied / "artifacts")
    interrupted([sys.executable, "-m", "tsad_edge.cli", "train"], working, copied)
    stage("train")
    assert contents(copied / "artifacts") == before


def test_ctrl_c_between_two_renames_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old directory is aside, the new one not yet in its place: Ctrl-C comes through when it is."""
    from tsad_edge.files import replaced

    place, rename = tmp_path / "out", Path.rename
    place.mkdir()

    def pressed(self: Path, target: Path) -> Path:
        done = rename(self, target)
        if self == place:
            os.kill(os.getpid(), signal.SIGINT)
        return done

    monkeypatch.setattr(Path, "rename", pressed)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # processes that share the tests ignore it
    with pytest.raises(KeyboardInterrupt), replaced(place) as (new,):
        (new / "result").write_text("whole")
    signal.signal(signal.SIGINT, before)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "result"]
