"""Real processes of `tsad stream`, with a small model that has all that a detector can remember: guard, smoothing,
hysteresis, refractory time and a threshold that goes on learning."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsad_edge import _core, toolchain

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests" / "csrc" / "models" / "m_tiny"
PLAIN = ".threshold = 10.0f}"
RICH = (
    ".threshold = 10.0f, .guard = {.not_finite = TSAD_HOLD, .stuck = TSAD_MARK, .gap = TSAD_RESET, .hold_most = 2, "
    ".gap_most = 4, .stuck_from = (const uint32_t[]){5, 5}}, .events = {0.5f, 0.1f, 2, 3, 4}, "
    ".spot = {3, 1e-2f, {4.0f, 0.1f, 1.5f, 20}}}"
)


def rows(n: int, seed: int = 0, fault_every: int = 60, start: int = 0) -> list[str]:
    """Lines with a fault now and then, missing values, equal ones, a gap in time; t, b and a, in many digits."""
    random = np.random.default_rng(seed)
    b, a = random.normal([[-1], [1]], 0.4, (2, n))
    for at in range(fault_every, n, fault_every):
        b[at : at + int(random.integers(2, 25))] += random.uniform(2, 6)
    t = start + np.cumsum(np.where(random.random(n) < 0.005, 9, 1))
    a[random.random(n) < 0.01] = np.nan
    b[n // 3 : n // 3 + 8] = -1.5
    return [
        f"{when},{x!r},{'' if np.isnan(y) else repr(y)}\n" for when, x, y in zip(t, b.tolist(), a.tolist(), strict=True)
    ]


HEADER = "time,b,a\n"


class Life:
    """One process, from its start to its end."""

    def __init__(self, model: Path, *words: str | Path, **more: Any) -> None:
        command = [sys.executable, "-m", "tsad_edge.cli", "stream", "--model", model, *words]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **more)

    def _listens(self) -> bool:
        """Whether it catches SIGTERM: a bit in what the kernel says of it."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
        return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)

    def end(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Send it a signal, SIGTERM once it listens to it; exit code, and what it said."""
        while how == signal.SIGTERM and self.process.poll() is None and not self._listens():
            time.sleep(0.01)
        self.process.send_signal(how)
        return self.says()

    def says(self) -> tuple[int, str]:
        """The same when it ends by itself."""
        assert self.process.stderr is not None
        code = self.process.wait(60)
        return code, self.process.stderr.read()


Live = Callable[..., contextlib.AbstractContextManager[Life]]


def until(what: Callable[[], Any], life: Life | None = None) -> Any:
    """Wait until it is true."""
    end = time.monotonic() + 60
    while not (found := what()):
        assert time.monotonic() < end, "it does not come about"
        assert life is None or life.process.poll() is None, life and life.says()
        time.sleep(0.01)
    return found


def state_of(events: Path) -> dict[str, Any]:
    """What is kept beside a file of events; empty where there is nothing yet."""
    place = events.with_name(f"{events.name}.state")
    return json.loads(place.read_text())["state"] if place.exists() else {}


def caught_up(source: Path, events: Path) -> bool:
    """All whole lines of a file are done with, and the state says so."""
    position = state_of(events).get("position", {})
    here = (position.get("inode"), position.get("offset"))
    return here == (source.stat().st_ino, source.read_bytes().rfind(b"\n") + 1)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder a model, as `tsad convert --out` would have left it: rich and plain; and the edge binary."""
    place = tmp_path_factory.mktemp("stream")
    for name, config in {"rich": RICH, "plain": PLAIN}.items():
        folder = place / "models" / f"m_{name}"
        folder.mkdir(parents=True)
        for source in TINY.iterdir():
            text = source.read_text().replace("m_tiny", f"m_{name}").replace("M_TINY", f"M_{name.upper()}")
            assert source.suffix != ".c" or PLAIN in text, f"{source}: has no {PLAIN}: mend this fixture"
            (folder / f"m_{name}{source.suffix}").write_text(text.replace(PLAIN, config))
    toolchain.build(place / "models", place / "native")
    for name in ("rich", "plain"):
        folder, library = place / name, toolchain.library(place / "native", f"m_{name}")
        folder.mkdir()
        shutil.copy2(library, folder)
        about = {"schema": 1, "entity": name, "channels": ["a", "b"], "id": _core.Model(str(library)).id}
        (folder / "detector.json").write_text(json.dumps(about))
    return place


@pytest.fixture
def live(models: Path) -> Live:
    """Start a process by its words; it is killed at the end, where it still lives."""

    @contextlib.contextmanager
    def running(*words: str | Path, model: str = "rich", **more: Any) -> Iterator[Life]:
        life = Life(models / model, *words, **more)
        try:
            yield life
        finally:
            life.process.kill()
            life.process.communicate()

    return running


@pytest.fixture
def uninterrupted(live: Live, tmp_path: Path) -> Callable[[Path], str]:
    """The events of one life over a whole file."""

    def run(source: Path) -> str:
        events = tmp_path / "uninterrupted.jsonl"
        for left in tmp_path.glob("uninterrupted.jsonl*"):
            left.unlink()
        with live(source, "--to", events) as life:
            until(lambda: caught_up(source, events), life)
            assert life.end()[0] == 0
        return events.read_text()

    return run
