"""Starting and stopping: what is wrong is said before anything listens; what is under way is answered at the end."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import Server, Start


def refused(start: Start, folder: Path) -> str:
    """What a service says that does not start."""
    with start(folder=folder, up=False) as server:
        assert server.process.wait(300) == 1
        return server.log.read_text()


@pytest.fixture
def broken(one: Path, tmp_path: Path) -> Path:
    """A copy of a folder with a detector, to break something in it."""
    return Path(shutil.copytree(one, tmp_path / "tiny"))


def test_nothing_to_serve(start: Start, tmp_path: Path) -> None:
    assert "holds no compiled detector; run `dvc repro` there" in refused(start, tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"threshold": 11.0}, "are not of one run; run the stage convert again"),
        ({"window": 4}, "are not of one run"),
        ({"channels": ["b", "a"]}, "are not of one run"),
        ({"score_quantiles": None}, "run the stages train and convert again"),
        ({"threshold": "10"}, "Expected `float`, got `str` - at `$.threshold`"),
    ],
)
def test_a_description_of_another_model(start: Start, broken: Path, change: dict, words: str) -> None:
    about = json.loads((broken / "detector.json").read_text()) | change
    (broken / "detector.json").write_text(json.dumps(about))
    assert words in refused(start, broken)


def test_damaged_weights(start: Start, broken: Path) -> None:
    library = broken / "libm_tiny.so"
    held = library.read_bytes()
    gain = b"\x00\x00\x80\x3f\x00\x00\x00\x40"  # 1.0f, 2.0f
    assert held.count(gain) == 1
    library.unlink()
    library.write_bytes(held.replace(gain, gain[:4] + b"\x00\x00\x40\x40"))
    assert "CRC" in refused(start, broken)


def test_a_missing_library(start: Start, broken: Path) -> None:
    (broken / "libm_tiny.so").unlink()
    assert "libm_tiny.so: is not a file; `tsad convert` makes model libraries" in refused(start, broken)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--port", "65536", "--port is 65536; it must be from 0 to 65535"),
        ("--max-bytes", "0", "--max-bytes is 0; it must be 1 or more"),
        ("--timeout", "-1", "--timeout is -1.0; it must be more than 0 seconds"),
        ("--timeout", "inf", "--timeout is inf"),
        ("--host", "256.0.0.1", "tsad serve: "),
    ],
)
def test_options_that_make_no_sense(start: Start, one: Path, option: str, value: str, words: str) -> None:
    with start(f"{option}={value}", folder=one, up=False) as server:
        assert server.process.wait(300) == 1 and words in server.log.read_text()
        assert "Traceback" not in server.log.read_text()


def test_a_port_that_is_taken(start: Start, server: Server) -> None:
    with start("--port", str(server.address[1]), up=False) as second:
        assert second.process.wait(300) == 1
        assert "address already in use" in second.log.read_text().lower()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_graceful_stop(start: Start, sent: signal.Signals) -> None:
    """A request under way gets its answer, a new connection is refused, and the exit code is 0."""
    body = b"1,-1\n" * 100
    head = (
        b"POST /score?entity=tiny HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nConnection: close\r\n"
        b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    with start("--timeout", "60") as server, socket.create_connection(server.address, timeout=60) as connection:
        connection.sendall(head)
        assert connection.recv(4096).startswith(b"HTTP/1.1 100"), "the request is under way"
        server.process.send_signal(sent)
        with pytest.raises(ConnectionRefusedError):
            while True:
                socket.create_connection(server.address, timeout=60).close()
                time.sleep(0.1)
        connection.sendall(body)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 200") and answer.count(b"false") == 100
        assert server.process.wait(300) == 0
        assert [line for line in server.lines() if line["level"] not in ("info", "warning")] == []


def test_without_the_extra_it_says_what_to_install(one: Path) -> None:
    hidden = "import sys; sys.modules['fastapi'] = None; from tsad_edge.cli import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", hidden, "serve", str(one)], capture_output=True, text=True)
    assert done.returncode == 1 and "pip install 'tsad-edge[serve]' brings it" in done.stderr
