"""Fetching an archive: whole and right, or not at all."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tsad_edge.data.mirror import fetch

BODY = bytes(range(256)) * 9000  # more than two chunks
SHA256 = hashlib.sha256(BODY).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """/whole serves the body, /cut promises it and hangs up, /short serves less and says so, /wrong another body."""

    def do_HEAD(self) -> None:
        self.do_GET(body=False)

    def do_GET(self, body: bool = True) -> None:
        kind = self.path.split("/")[1]
        if not self.path.endswith("/a.zip"):
            self.send_error(404)
            return
        data = {"short": BODY[:-1], "wrong": BODY[::-1]}.get(kind, BODY)
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data[: len(data) // 2] if kind == "cut" else data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


def test_http(server: str, tmp_path: Path) -> None:
    path = fetch("a.zip", f"{server}/whole/", tmp_path / "cache", SHA256)
    assert path == tmp_path / "cache" / "a.zip"
    assert path.read_bytes() == BODY
    assert fetch("a.zip", "http://127.0.0.1:1/nobody", tmp_path / "cache", SHA256) == path  # from the cache


@pytest.mark.parametrize("kind", ["cut", "short", "wrong"])
def test_a_damaged_copy_leaves_nothing(server: str, tmp_path: Path, kind: str) -> None:
    with pytest.raises(ValueError, match=rf"a.zip.*{server}/{kind}.*nothing was kept") as error:
        fetch("a.zip", f"{server}/{kind}", tmp_path, SHA256)
    assert list(tmp_path.iterdir()) == []
    if kind == "wrong":
        assert SHA256 in str(error.value)
        assert hashlib.sha256(BODY[::-1]).hexdigest() in str(error.value)


def test_a_damaged_cache_is_fetched_anew_and_kept_when_that_fails(server: str, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"old")
    with pytest.raises(ValueError, match="nothing was kept"):
        fetch("a.zip", f"{server}/cut", tmp_path, SHA256)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]
    assert fetch("a.zip", f"{server}/whole", tmp_path, SHA256).read_bytes() == BODY


def test_folder_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "a.zip").write_bytes(BODY)
    monkeypatch.setenv("TSAD_MIRROR", str(tmp_path / "mirror"))
    assert fetch("a.zip", None, tmp_path / "cache", SHA256).read_bytes() == BODY
    with pytest.raises(ValueError, match=r"none has no a.zip; check the address"):
        fetch("a.zip", str(tmp_path / "none"), tmp_path / "other", SHA256)  # the argument goes first
    monkeypatch.delenv("TSAD_MIRROR")
    with pytest.raises(ValueError, match=r"a.zip: no mirror is known; set prepare.mirror .* TSAD_MIRROR"):
        fetch("a.zip", None, tmp_path / "other", SHA256)


def test_other_addresses_go_through_fsspec(tmp_path: Path) -> None:
    import fsspec

    fsspec.filesystem("memory").pipe("/bucket/a.zip", BODY)
    assert fetch("a.zip", "memory://bucket", tmp_path, SHA256).read_bytes() == BODY
    with pytest.raises(ValueError, match=r"nosuch://x.*could not be read|could not be read from nosuch://x"):
        fetch("b.zip", "nosuch://x", tmp_path, SHA256)


def test_http_404(server: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no b.zip"):
        fetch("b.zip", f"{server}/whole", tmp_path, SHA256)
    assert list(tmp_path.iterdir()) == []
