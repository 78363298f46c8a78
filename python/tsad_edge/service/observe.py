"""What is counted, timed and logged of every request, whoever answers it. Changes nothing of it."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .figures import Figures
from .logs import log

QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines: counted, not logged."""


class Observed:
    """An application and its figures.

    Parameters
    ----------
    app : ASGI application
    figures : Figures
    paths : frozenset of str
        Those that are counted by name. All others are counted as one: whoever invents paths must not fill memory.
    """

    def __init__(self, app: ASGIApp, figures: Figures, paths: frozenset[str]) -> None:
        self._app, self._figures, self._paths = app, figures, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI has it."""
        begun, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            seconds = time.perf_counter() - begun
            path = scope["path"] if scope["path"] in self._paths else "other"
            self._figures.requests.labels(path, status).inc()
            self._figures.seconds.labels(path).observe(seconds)
            if path not in QUIET:
                about = {"method": scope["method"], "path": scope["path"][:200], "status": status}
                about["milliseconds"] = round(1000 * seconds, 3)
                log.info("request", extra={"about": about | scope.get("about", {})})
