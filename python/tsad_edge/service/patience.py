"""A limit on how long a client may take to send a request's headers and to take its answer; uvicorn waits for ever.

The body's limit is the application's, which by then has the request.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Impatient(HttpToolsProtocol):
    """Ends a connection that keeps us waiting longer than an idle one is kept."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new connection: its first request is awaited."""
        super().connection_made(transport)
        self._wait()

    def on_message_begin(self) -> None:
        """A request begins, perhaps not the first one of this connection."""
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        """The request goes to the application."""
        self._stop_waiting()
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """More of the answer is ready than the client takes."""
        super().pause_writing()
        self._wait()

    def resume_writing(self) -> None:
        """It has taken most of it."""
        self._stop_waiting()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever closed it."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._stop_waiting()
        self._waiting = self.loop.call_later(self.timeout_keep_alive, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
