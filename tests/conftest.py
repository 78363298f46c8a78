"""What all tests share: a fresh Python that has only what is installed, and servers on loopback."""

import contextlib
import importlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

ISAS = ("generic", "avx2", "avx512")
"""Instruction sets that an x86 host's programs are compiled for."""
TOGETHER = {"pipeline", "shipping"}
"""Folders whose tests share what takes long to make."""

if ccache := shutil.which("ccache"):  # tests compile the same kernels a hundred times, each in a folder of its own
    os.environ.setdefault("CMAKE_C_COMPILER_LAUNCHER", ccache)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With several workers (`-n`) each takes whole files, and such a folder as a whole."""
    from xdist.scheduler import LoadScopeScheduling

    class ByPlace(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = Path(nodeid.partition("::")[0])
            return str(file.parent if file.parent.name in TOGETHER else file)

    return ByPlace(config, log)


@pytest.fixture(scope="session")
def python_says() -> Callable[[str], str]:
    """Run code in a new interpreter and return what it prints."""

    def run(code: str) -> str:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


def needed(program: str, package: str) -> str:
    """Its path; the test skips where it is missing, but not in continuous integration."""
    found = shutil.which(program)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{program} is not installed ({package})")
    return found


@pytest.fixture(scope="module")
def script() -> Iterator[Callable[[str], Any]]:
    """A script of benchmarks/ as a module, by its name; scripts find each other by name, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
        yield importlib.import_module


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def has_isa() -> Callable[[str], None]:
    """Skip the test where this machine does not run an instruction set's kernels.

    In continuous integration it fails then, but for AVX-512 where the processor has none: AVX2 have all, AVX-512 few.
    """
    from tsad_edge import _core

    def ask(isa: str) -> None:
        try:
            _core.reference(isa)
        except ValueError as error:
            lacking = isa == "avx512" and "avx512_vnni" not in Path("/proc/cpuinfo").read_text()
            (pytest.fail if os.environ.get("CI") and not lacking else pytest.skip)(str(error))

    return ask


@contextlib.contextmanager
def answering(command: Sequence[str | Path], url: str, **more: Any) -> Iterator[None]:
    """A server that the test has started, from when it answers."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more) as server:
        try:
            end = time.monotonic() + 60
            while True:
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(url, timeout=10).close()
                    break
                assert server.poll() is None, f"{command}: ended before it answered"
                assert time.monotonic() < end, f"{command}: does not answer"
                time.sleep(0.02)
            yield
        finally:
            server.terminate()


@pytest.fixture(scope="session")
def serving() -> Callable[..., contextlib.AbstractContextManager[None]]:
    """Start a server: command, an address that it will answer, and what subprocess.Popen takes."""
    return answering


@pytest.fixture
def port() -> int:
    """A free one."""
    return free_port()


@pytest.fixture(scope="session")
def registry_storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the registry keeps its blobs, for tests that tamper with them."""
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="session")
def registry(registry_storage: Path) -> Iterator[str]:
    """Host and port of Debian's docker-registry."""
    program, port = needed("docker-registry", "Debian's package is docker-registry"), free_port()
    settings = registry_storage / "config.yml"
    settings.write_text(
        f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n"
        f"storage: {{filesystem: {{rootdirectory: {registry_storage}}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
    )
    with answering([program, "serve", settings], f"http://127.0.0.1:{port}/v2/"):
        yield f"127.0.0.1:{port}"


class Cluster:
    """A Kubernetes API that records what it is sent; see kubernetes_api.py."""

    def __init__(self, port: int, place: Path) -> None:
        self._record, self.kubeconfig = place / "record", place / "kubeconfig"
        self.kubeconfig.write_text(
            "{apiVersion: v1, kind: Config, current-context: here, users: [{name: user, user: {}}],\n"
            f"clusters: [{{name: here, cluster: {{server: 'http://127.0.0.1:{port}'}}}}],\n"
            "contexts: [{name: here, context: {cluster: here, user: user}}]}\n"
        )

    def sent(self) -> list[dict[str, Any]]:
        """Method, path and body of every object it was sent."""
        return list(map(json.loads, self._record.read_text().splitlines())) if self._record.exists() else []


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Nobody's cluster, and a kubeconfig that leads to it."""
    place = tmp_path / "cluster"
    place.mkdir()
    command = [sys.executable, Path(__file__).with_name("kubernetes_api.py"), place / "record"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout
        try:
            yield Cluster(int(server.stdout.readline()), place)
        finally:
            server.kill()


@pytest.fixture
def kubectl() -> str:
    """Its path."""
    return needed("kubectl", "Debian's package is kubernetes-client")
