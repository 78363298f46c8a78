"""Bad input and attacks: a clear status and words, no traceback, nothing run, and the service still answers."""

import contextlib
import http.client
import json
import os
import pickle
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests

from .conftest import Server, Start, normal

JSON, CSV = {"Content-Type": "application/json"}, {"Content-Type": "text/csv"}
HEAD = b"POST /score?entity=tiny HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: %d\r\n\r\n"


class Bomb:
    """Runs when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.marker),)


@pytest.fixture(autouse=True)
def unharmed(server: Server) -> Iterator[None]:
    """Whatever a test did: the service answers, scores, and has logged no error."""
    yield
    assert server.get("/healthz").status_code == server.get("/readyz").status_code == 200
    assert server.score(normal(20)).status_code == 200
    assert [line for line in server.lines() if line["level"] not in ("info", "warning")] == []


def post(server: Server, body: bytes, headers: dict[str, str], entity: str = "tiny") -> requests.Response:
    return requests.post(f"{server.url}/score", params={"entity": entity}, data=body, headers=headers, timeout=60)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "JSON"),
        (b"{", 400, "JSON"),
        (b"\xff\xfe", 400, "JSON"),
        (b'{"samples": [[1, NaN]]}', 400, "null for a missing value"),
        (b'{"samples": [[1, Infinity]]}', 400, "null for a missing value"),
        (b'{"samples": ' + b"[" * 100_000, 422, "samples[0][0]"),
        (b'{"samples": [[1, 2]]} x', 400, "JSON"),
        (b"[]", 422, "object"),
        (b"null", 422, "object"),
        (b"{}", 422, "samples"),
        (b'{"samples": []}', 422, "samples"),
        (b'{"samples": [[]]}', 422, "samples"),
        (b'{"samples": [1, 2]}', 422, "samples[0]"),
        (b'{"samples": [[1, "2"]]}', 422, "samples[0][1]"),
        (b'{"samples": [[1, true]]}', 422, "samples[0][1]"),
        (b'{"samples": [[1, [2]]]}', 422, "samples[0][1]"),
        (b'{"samples": [[1, 2], [3]]}', 422, "rows differ in length"),
        (b'{"samples": [[1], [3]]}', 422, "shape (2, 1); tiny wants (samples, 2): a, b"),
        (b'{"samples": [[1, 2, 3]]}', 422, "shape (1, 3)"),
        (b'{"samples": [[1, 2]], "model": "/etc/passwd"}', 422, "model"),
        (b'{"samples": [[1, 2]], "t": [1, 2]}', 422, "2 times for 1 samples"),
        (b'{"samples": [[1, 2], [1, 2]], "t": [2, 2]}', 422, "t[1] = 2"),
        (b'{"samples": [[1, 2]], "t": [-1]}', 422, "t[0]"),
        (b'{"samples": [[1, 2]], "t": [9223372036854775808]}', 422, "t[0]"),
        (b'{"samples": [[1, 2]], "t": [1.5]}', 422, "t[0]"),
        (b'{"samples": [[1e999, 2]]}', 422, "samples[0][0]"),
    ],
)
def test_bad_json(server: Server, body: bytes, status: int, words: str) -> None:
    answer = post(server, body, JSON)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 422, "shape (0, 2)"),
        (b"\n\n", 422, "shape (0, 2)"),
        (b"a,b\n", 422, "shape (0, 2)"),
        (b"a,b\n1,2\n3\n", 422, "line 3: has too few fields"),
        (b"a,b\n1,2\n\n3,x\n", 422, "line 4: 'x' is not a number; leave a missing value empty"),
        (b"a,b\n1,1_000\n", 422, "line 2: '1_000' is not a number"),
        (b"a\n1\n", 422, "line 1: 0 columns are named 'b'; wanted are a, b"),
        (b"a,b,b\n1,2,3\n", 422, "line 1: 2 columns are named 'b'"),
        (b"1,2\n3,4\n5\n", 422, "line 3: has too few fields"),
        (b"t,a,b\nyesterday,1,2\n", 422, "line 2: 'yesterday' is no time"),
        (b"t,a,b\n99999999999999999999,1,2\n", 422, "line 2"),
        (b"t,a,b\n2,1,2\n1,1,2\n", 422, "t[1] = 1"),
        (b"t,a,b\n1500-01-01,1,2\n", 422, "before 1970"),
        (b"a,b\n1," + b"9" * 200_000 + b"\n", 422, "line"),
        (b"a,b\n\xff,1\n", 400, "UTF-8"),
        (b"a,b\n1,\x00\n", 422, "line 2"),
        (b'a,b\n1,"', 422, "line 2"),
    ],
)
def test_bad_csv(server: Server, body: bytes, status: int, words: str) -> None:
    answer = post(server, body, CSV)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


def test_what_is_not_told_apart_by_guessing(server: Server) -> None:
    body = json.dumps({"samples": normal(5).tolist()}).encode()
    for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "multipart/form-data; boundary=x"}):
        answer = post(server, body, headers)
        assert answer.status_code == 415 and "application/json, text/csv" in answer.json()["detail"]
    assert post(server, body, JSON | {"Content-Encoding": "gzip"}).status_code == 415, "nothing is unpacked"
    assert requests.put(f"{server.url}/score", data=body, timeout=60).status_code == 405


@pytest.mark.parametrize(
    "entity",
    [
        "",
        "none",
        "../tiny",
        "/etc/passwd",
        "m_tiny",
        "libm_tiny.so",
        "tiny\0",
        "tiny/../slow",
        "%74iny",
        "ti\nny",
        "x" * 9000,
    ],
)
def test_an_entity_is_a_name_in_a_table(server: Server, entity: str) -> None:
    answer = post(server, b'{"samples": [[1, 2]]}', JSON, entity)
    assert answer.status_code == 404 and "is one of slow, tiny" in answer.json()["detail"]
    assert len(answer.text) < 300


@pytest.mark.parametrize(
    "path", ["/score/../entities", "/%2e%2e/%2e%2e/etc/passwd", "/score/tiny", "//etc/passwd", "/docs/.."]
)
def test_a_path_is_not_a_file(server: Server, path: str) -> None:
    connection = http.client.HTTPConnection(*server.address, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 404 and b"root:" not in answer.read()
    connection.close()


def test_a_pickle_is_bytes(server: Server, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    bomb = pickle.dumps(Bomb(marker))
    for headers in (JSON, CSV):
        assert post(server, bomb, headers).status_code in (400, 422)
    assert post(server, bomb, {"Content-Type": "application/octet-stream"}).status_code == 415
    assert not marker.exists()
    pickle.loads(bomb)
    assert marker.exists(), "the bomb is a real one"


def test_a_pickle_among_the_models_is_not_opened(start: Start, one: Path, tmp_path: Path) -> None:
    """Only what detector.json belongs to is; under a library's name it is refused."""
    marker, folder = tmp_path / "ran", tmp_path / "tiny"
    shutil.copytree(one, folder)
    (folder / "model.pkl").write_bytes(pickle.dumps(Bomb(marker)))
    with start(folder=folder) as server:
        assert server.score(normal(5)).status_code == 200
    (folder / "libm_tiny.so").write_bytes(pickle.dumps(Bomb(marker)))
    with start(folder=folder, up=False) as server:
        assert server.process.wait(300) == 1 and "cannot be opened as a library" in server.log.read_text()
    assert not marker.exists()


def test_huge_bodies_are_not_read(server: Server) -> None:
    told = post(server, b" " * (4 * 2**20 + 1), JSON)
    assert told.status_code == 413 and "4194304 bytes" in told.json()["detail"]
    connection = http.client.HTTPConnection(*server.address, timeout=60)
    connection.putrequest("POST", "/score?entity=tiny")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(10**15))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413 and answer.getheader("Connection") == "close"
    connection.close()

    def endless() -> Iterator[bytes]:
        while True:
            yield b" " * 65536

    try:
        status = requests.post(f"{server.url}/score?entity=tiny", data=endless(), headers=JSON, timeout=60).status_code
    except requests.ConnectionError:  # closed while we were writing
        status = 413
    assert status == 413


def test_memory_stays_bounded(server: Server) -> None:
    """The body that grows most when it is read: numbers of one digit, as many as fit."""
    body = b'{"samples": [' + b",".join([b"[1,1]"] * 690_000) + b"]}"
    before = server.metrics()["process_resident_memory_bytes"]
    for _ in range(3):
        assert post(server, body, JSON).status_code == 200
    assert server.metrics()["process_resident_memory_bytes"] - before < 400e6


def test_slow_clients_are_let_go(start: Start) -> None:
    with start("--timeout", "1") as server:

        def trickle(head: bytes) -> tuple[float, bytes]:
            """One byte each fifth of a second, until the service closes the connection."""
            with socket.create_connection(server.address, timeout=30) as connection:
                begun, said = time.monotonic(), b""
                connection.sendall(head)
                connection.settimeout(0.2)
                while time.monotonic() - begun < 20:
                    try:
                        connection.sendall(b"x")
                        part = connection.recv(4096)
                        if not part:
                            break
                        said += part
                    except TimeoutError:
                        continue
                    except OSError:
                        break
                return time.monotonic() - begun, said

        heads = {
            b"GET /": b"",
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ": b"",
            b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nX: ": b"200 OK",
            HEAD % 999: b"408",
        }
        for head, answer in heads.items():
            seconds, said = trickle(head)
            assert 0.5 < seconds < 5 and answer in said, (head, said)
        assert server.get("/healthz").status_code == 200


def test_silence_is_ended_too(start: Start) -> None:
    with start("--timeout", "1") as server, socket.create_connection(server.address, timeout=10) as connection:
        begun = time.monotonic()
        assert connection.recv(1) == b"" and time.monotonic() - begun < 5


def test_an_answer_that_nobody_takes_is_dropped(start: Start) -> None:
    body = b"1.1,1.1\n" * 300_000
    with start("--timeout", "8") as server, socket.socket() as connection:
        before = server.metrics()["process_open_fds"]
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect(server.address)
        connection.sendall(HEAD % len(body) + body)
        held = begun = time.monotonic()
        while server.metrics()["process_open_fds"] > before and held - begun < 60:
            time.sleep(0.2)
            held = time.monotonic()
        assert 7 < held - begun < 30
        taken = b""
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(2**20):
                taken += part
        assert taken.startswith(b"HTTP/1.1 200") and len(taken) < 5e6, "more than a kernel keeps was never sent"


def test_work_has_a_limit(start: Start) -> None:
    with start("--timeout", "1") as server:
        begun = time.monotonic()
        answer = post(server, json.dumps({"samples": normal(20_000).tolist()}).encode(), JSON, "slow")
        assert answer.status_code == 503 and "not done within 1 s; send fewer samples" in answer.json()["detail"]
        assert time.monotonic() - begun < 8
        assert server.metrics()['tsad_recent_scores{entity="slow"}'] == 0, "what was not answered is not counted"
        assert post(server, b'{"samples": [[1, 2], [1, 2], [1, 2]]}', JSON, "slow").status_code == 200


def test_too_many_at_once_are_told_to_come_again(server: Server) -> None:
    waiting = [socket.create_connection(server.address, timeout=30) for _ in range(64)]
    for connection in waiting:
        connection.sendall(HEAD % 8)
    for _ in range(100):
        if server.get("/readyz").status_code == 503:
            break
        time.sleep(0.05)
    answer = server.score(normal(5))
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "1"
    assert server.get("/healthz").status_code == 200
    for connection in waiting:
        connection.sendall(b"1,2\n3,4\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        connection.close()


def test_who_goes_away_is_no_error(server: Server) -> None:
    for part in (b"", b"1,"):
        with socket.create_connection(server.address, timeout=30) as connection:
            head = (
                b"POST /score?entity=tiny HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: 99\r\n\r\n"
            )
            connection.sendall(head + part)
    time.sleep(0.3)


def test_garbage_is_not_http(server: Server) -> None:
    for garbage in (
        b"\x16\x03\x01\x02\x00" * 50,
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /score HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ):
        with socket.create_connection(server.address, timeout=30) as connection:
            connection.sendall(garbage)
            assert connection.recv(4096).startswith(b"HTTP/1.1 400")


def test_many_at_once_get_what_one_gets(server: Server) -> None:
    """Threads take turns at a detector, which has one past."""
    series = [normal(2000, seed) for seed in range(8)]
    wanted = [server.score(each).json() for each in series]
    found: dict[int, list] = {}

    def ask(i: int) -> None:
        found[i] = [server.score(series[i]).json() for _ in range(5)]

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(each == wanted[i] for i in range(8) for each in found[i])
    assert len({np.nansum(np.array(each["scores"][2:])) for each in wanted}) == 8
