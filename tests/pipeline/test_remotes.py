"""Push, wipe, pull and `dvc repro --pull` against servers that speak S3 and GCS; credentials are in the environment."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OUTS = ("data/values", "data/labels", "artifacts", "scores", "csrc/generated", "build")
KEYS = {"AWS_ACCESS_KEY_ID": "plant", "AWS_SECRET_ACCESS_KEY": "not-to-be-written-down"}

Run = Callable[..., str]


def until(what: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait for it, as long as the process lives that should bring it about."""
    end = time.monotonic() + 120
    while not what():
        assert process.poll() is None, "the process ended before it came to that"
        assert time.monotonic() < end, "nothing happened for two minutes"
        time.sleep(0.02)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Bucket:
    """S3 bucket `plant` of a server of the test's own."""

    def __init__(self, port: int, place: Path) -> None:
        self.url, self.log, self.hold = f"http://127.0.0.1:{port}", place / "log", place / "hold"
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/plant", method="PUT"), timeout=60).close()
        self.log.write_text("")

    def objects(self) -> set[str]:
        with urllib.request.urlopen(f"{self.url}/plant?list-type=2", timeout=60) as answer:
            return {f"/plant/{key}" for key in re.findall("<Key>(.*?)</Key>", answer.read().decode())}

    def uploads(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    command = [sys.executable, Path(__file__).with_name("s3_server.py"), tmp_path / "log", tmp_path / "hold"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            yield Bucket(int(server.stdout.readline()), tmp_path)
        finally:
            server.kill()


def contents(clone: Path) -> dict[str, bytes]:
    return {str(p.relative_to(clone)): p.read_bytes() for out in OUTS for p in (clone / out).rglob("*") if p.is_file()}


def wipe(clone: Path) -> None:
    """What is left is what git has."""
    for place in (*OUTS, ".dvc/cache"):
        shutil.rmtree(clone / place)


def round_trip(clone: Path, run: Run, **more: str) -> None:
    """All outs come back from the remote, byte for byte, and no stage has to run."""
    made = contents(clone)
    assert len(made) > 15
    wipe(clone)
    run("dvc pull", clone, **more)
    assert contents(clone) == made
    wipe(clone)
    assert "Running stage" not in run("dvc repro --pull", clone, **more)
    assert contents(clone) == made


def test_s3_round_trip_and_an_interrupted_push(clone: Path, run: Run, newcomer: dict[str, str], bucket: Bucket) -> None:
    run("dvc pull", clone)
    run("dvc remote add -d --force storage s3://plant/tsad", clone)
    run(f"dvc remote modify storage endpointurl {bucket.url}", clone)
    bucket.hold.write_text("5")
    with subprocess.Popen(["dvc", "push", "-q"], cwd=clone, env=newcomer | KEYS, text=True) as push:
        until(lambda: len(bucket.uploads()) > 5, push)
        push.kill()
    bucket.hold.unlink()
    there = bucket.objects()
    assert 1 <= len(there) < 25
    before = len(bucket.uploads())
    run("dvc push", clone, **KEYS)
    again = bucket.uploads()[before:]
    assert there.isdisjoint(again) and again, "what was there was not sent again"
    round_trip(clone, run, **KEYS)
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in (clone / ".dvc" / "config").read_text()


def test_s3_without_credentials_says_so(clone: Path, run: Run, bucket: Bucket) -> None:
    run("dvc remote add -d --force storage s3://plant/tsad", clone)
    run(f"dvc remote modify storage endpointurl {bucket.url}", clone)
    assert "credentials" in run("dvc pull", clone, fails=True, AWS_EC2_METADATA_DISABLED="true").lower()


@pytest.fixture(scope="module")
def gcs_tools() -> Path:
    """Programs of an environment that has dvc-gs and the emulator; minutes the first time, kept in build/."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    done = subprocess.run(["make", "build/gcs/.ready"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / "build" / "gcs" / "bin"


@pytest.mark.slow
def test_gcs_round_trip(clone: Path, run: Run, gcs_tools: Path, newcomer: dict[str, str], tmp_path: Path) -> None:
    more = {
        "PATH": os.pathsep.join([str(gcs_tools), newcomer["PATH"]]),
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # the emulator knows nothing of hierarchical buckets
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [gcs_tools / "gcp-storage-emulator", "start", "--in-memory", "--default-bucket=plant"]
    with subprocess.Popen(
        [*command, "--host=127.0.0.1", f"--port={port}"], env=newcomer, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            until(lambda: answers(port), server)
            run("dvc pull", clone)
            run("dvc remote add -d --force storage gs://plant/tsad", clone)
            run(f"dvc remote modify storage endpointurl http://127.0.0.1:{port}", clone)
            run("dvc remote modify storage allow_anonymous_login true", clone)
            run("dvc push", clone, **more)
            round_trip(clone, run, **more)
        finally:
            server.kill()
