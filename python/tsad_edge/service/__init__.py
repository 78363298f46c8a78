"""`tsad serve`: compiled detectors behind HTTP, with metrics, drift and limits. Needs the extra [serve] and no PyTorch.

`serve` starts a process that answers until it is told to stop. Where the files of detectors lie is not known here.
"""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from .. import __version__
from .app import Limits, make_app
from .logs import CONFIG, log
from .patience import Impatient
from .served import load

CONNECTIONS = 1000
"""More get status 503 from uvicorn."""


def serve(files: Sequence[tuple[Path, Path]], host: str, port: int, limits: Limits) -> None:
    """Serve detectors until SIGTERM or SIGINT; requests under way are answered first.

    Parameters
    ----------
    files : sequence of (Path, Path)
        detector.json and model library of each.
    host, port : str, int
        Where to listen; port 0 is any free one, and the log says which.
    limits : Limits

    Raises
    ------
    ValueError, RuntimeError
        As `served.load`; or there is no such port.
    OSError
        The port is taken.

    Examples
    --------
    >>> files = [(Path("pump7/detector.json"), Path("pump7/libm_pump7.so"))]
    >>> serve(files, "127.0.0.1", 8000, Limits())  # doctest: +SKIP
    """
    served = load(files)
    config = uvicorn.Config(
        make_app(served, limits),
        host,
        port,
        http=Impatient,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=CONFIG,
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=max(1, round(limits.seconds)),
        timeout_graceful_shutdown=2 * max(1, round(limits.seconds)),  # what is under way ends by itself before
    )
    if not 0 <= port < 2**16:
        raise ValueError(f"--port is {port}; it must be from 0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=config.backlog)
    where = "http://{}:{}".format(*listening.getsockname()[:2])
    log.info("serving", extra={"about": {"url": where, "version": __version__, "entities": list(served)}})
    for sent in (signal.SIGTERM, signal.SIGINT):  # uvicorn stops in order, then hands the signal on
        signal.signal(sent, lambda *_: sys.exit(0))
    uvicorn.Server(config).run([listening])
