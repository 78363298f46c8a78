"""Real processes of `tsad serve`, out of whose reach are PyTorch, pandas and compilers; the hand-written model twice.

`tiny` is the model itself; `slow` is the same, but takes some milliseconds a sample.
"""

import contextlib
import json
import os
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
import requests

from tsad_edge import Detector, toolchain
from tsad_edge.entity import LEVELS

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests" / "csrc" / "models" / "m_tiny"
WITHOUT = ("torch", "pandas", "sklearn", "scipy", "cmake", "yaml")
START = f"import sys; sys.modules.update(dict.fromkeys({WITHOUT})); from tsad_edge.cli import main; sys.exit(main())"
"""A module that is None in sys.modules cannot be imported."""


def normal(n: int, seed: int = 0) -> np.ndarray:
    """What the tiny model was calibrated on: (n, 2) float32; about one score in 1000 is above its threshold of 10."""
    return np.random.default_rng(seed).normal([1, -1], 0.45, (n, 2)).astype(np.float32)


class Server:
    """One process."""

    def __init__(self, folder: Path, log: Path, *options: str) -> None:
        command = [sys.executable, "-W", "error", "-c", START, "serve", str(folder), "--port", "0", *options]
        self.log = log
        with log.open("w") as file:
            self.process = subprocess.Popen(command, stderr=file, env={"PATH": "/nowhere"})
        self.url = ""

    def wait_until_up(self) -> None:
        """Until it listens; the log says where."""
        deadline = time.monotonic() + 300
        while not self.url:
            assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)
            self.url = next((line["url"] for line in self.lines() if line["message"] == "serving"), "")
        self.address = ("127.0.0.1", int(self.url.rpartition(":")[2]))

    def lines(self) -> list[dict[str, Any]]:
        """The log so far; every line of it must be JSON."""
        text = self.log.read_text()
        try:
            return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        except ValueError:
            raise AssertionError(text) from None

    def score(self, samples: Any, **more: Any) -> requests.Response:
        """Ask for the scores of the tiny model."""
        body = {"samples": samples.tolist() if isinstance(samples, np.ndarray) else samples, **more}
        return requests.post(f"{self.url}/score", params={"entity": "tiny"}, json=body, timeout=60)

    def csv(self, text: str | bytes) -> requests.Response:
        """The same from CSV."""
        body = text.encode() if isinstance(text, str) else text
        headers = {"Content-Type": "text/csv; charset=utf-8"}
        return requests.post(f"{self.url}/score", params={"entity": "tiny"}, data=body, headers=headers, timeout=60)

    def get(self, path: str) -> requests.Response:
        """Any other path."""
        return requests.get(f"{self.url}{path}", timeout=60)

    def metrics(self) -> dict[str, float]:
        """Name and labels, as Prometheus reads them -> value."""
        rows = [line for line in self.get("/metrics").text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in (row.rsplit(" ", 1) for row in rows)}

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(300)


def describe(folder: Path, entity: str, library: Path) -> None:
    """Write detector.json, as the stages would have."""
    scores = Detector.load(library).score(normal(5000))[2:]
    about = {
        "schema": 1,
        "entity": entity,
        "channels": ["a", "b"],
        "window": 3,
        "threshold": 10.0,
        "degenerate_calibration": False,
        "calibration_samples": len(scores),
        "false_alarms": {"wanted_per_1000": 1.0, "expected_per_1000": float(1000 * np.mean(scores > 10))},
        "score_quantiles": {str(level): float(np.quantile(scores, level)) for level in LEVELS},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "detector.json").write_text(json.dumps(about))


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after `tsad convert`, with two entities."""
    place = tmp_path_factory.mktemp("served")
    generated, native = place / "csrc" / "generated", place / "build" / "native"
    for name in ("tiny", "slow"):
        folder = generated / f"m_{name}"
        folder.mkdir(parents=True)
        for source in TINY.iterdir():
            text = source.read_text().replace("m_tiny", f"m_{name}").replace("M_TINY", f"M_{name.upper()}")
            if name == "slow":
                spin = "for (volatile int spin = 0; spin < 2000000; spin++) {}\n    "
                text = text.replace("TSAD_TAP(0,", f"{spin}TSAD_TAP(0,")
            (folder / f"m_{name}{source.suffix}").write_text(text)
    native.parent.mkdir(parents=True)
    toolchain.build(generated, native)
    for name in ("tiny", "slow"):
        describe(generated / f"m_{name}", name, toolchain.library(native, "m_tiny"))
    return place


@pytest.fixture(scope="session")
def one(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `tsad convert --out tiny` would have left."""
    place = tmp_path_factory.mktemp("own") / "tiny"
    shutil.copytree(project / "csrc/generated/m_tiny", place)
    shutil.copy2(project / "build/native/libm_tiny.so", place)
    return place


Start = Callable[..., contextlib.AbstractContextManager[Server]]


@pytest.fixture(scope="session")
def start(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Start:
    """Start a service, by default of the project; it is stopped afterwards, whatever happens."""

    @contextlib.contextmanager
    def running(*options: str, folder: Path | None = None, up: bool = True) -> Iterator[Server]:
        server = Server(folder or project, tmp_path_factory.mktemp("log") / "stderr", *options)
        try:
            if up:
                server.wait_until_up()
            yield server
        finally:
            if server.stop() < 0:
                server.process.kill()

    return running


@pytest.fixture(scope="module")
def server(start: Start) -> Iterator[Server]:
    """One service for the tests of a file."""
    with start() as running:
        yield running


@pytest.fixture
def promtool() -> str:
    """Prometheus' own reader of rules."""
    found = shutil.which("promtool")
    if found is None:
        why = "promtool is not installed; Debian's package is prometheus"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    return found
