"""The routes of the service and their OpenAPI description.

Reads a request within its limits, hands the work to threads, so that health and metrics answer at any time, and says
what went wrong in words and by status. Samples and scores are `messages`' business, detectors `served`'s.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import ClientDisconnect

from .. import __version__, _core
from .figures import Figures
from .messages import answer, read_csv, read_json, schemas
from .observe import Observed
from .served import Served

READERS = {"application/json": read_json, "text/csv": read_csv}
CLOSE = {"Connection": "close"}
"""Of an answer that came before the body ended: nothing more is read."""


@dataclass(frozen=True)
class Limits:
    """What one request may take, and how many may be under way; more are told to come again.

    Examples
    --------
    >>> Limits(seconds=0)
    Traceback (most recent call last):
    ValueError: --timeout is 0; it must be more than 0 seconds
    """

    max_bytes: int = 4 * 2**20
    seconds: float = 10.0
    at_once: int = 64

    def __post_init__(self) -> None:
        if self.max_bytes < 1:
            raise ValueError(f"--max-bytes is {self.max_bytes}; it must be 1 or more")
        if not 0 < self.seconds < math.inf:
            raise ValueError(f"--timeout is {self.seconds}; it must be more than 0 seconds")


class Service(FastAPI):
    """FastAPI, with the schemas of `messages` in its description."""

    def __init__(self, served: Mapping[str, Served]) -> None:
        super().__init__(
            title="tsad-edge",
            version=__version__,
            description="Scores of compiled anomaly detectors. Every request is a series of its own, from its start.",
            redoc_url=None,
        )
        channels = [one.model.channels for one in served.values()]
        self._schemas = schemas(min(channels), max(channels))

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        document = super().openapi()
        document.setdefault("components", {}).setdefault("schemas", {}).update(self._schemas)
        return document


def make_app(served: Mapping[str, Served], limits: Limits) -> Observed:
    """The ASGI application that serves these detectors.

    Examples
    --------
    >>> app = make_app(load(files), Limits())  # doctest: +SKIP
    """
    app = Service(served)
    figures, threads = Figures(served), CapacityLimiter(os.cpu_count() or 1)
    under_way = 0

    @app.post(
        "/score",
        summary="Score a series: JSON, or CSV with a header",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": _ref("Series")},
                    "text/csv": {"schema": {"type": "string"}, "example": _example(served)},
                },
            }
        },
        response_class=Response,
        responses=RESPONSES,
    )
    async def score(request: Request, entity: str | None = _entity(served)) -> Response:
        nonlocal under_way
        deadline = time.monotonic() + limits.seconds
        one = _chosen(served, entity)
        read = READERS.get(request.headers.get("content-type", "").partition(";")[0].strip().lower())
        if read is None or request.headers.get("content-encoding", "identity") != "identity":
            raise HTTPException(415, f"Content-Type must be one of {', '.join(READERS)}, not compressed", CLOSE)
        if under_way >= limits.at_once:
            raise HTTPException(503, "too many requests at once; try again", CLOSE | {"Retry-After": "1"})
        under_way += 1
        try:
            body = await _body(request, limits, deadline)
            work = partial(_score, one, read, body, deadline)
            content, counts = await to_thread.run_sync(work, limiter=threads)
        except TimeoutError:
            detail = f"not done within {limits.seconds:g} s; send fewer samples at once, or try again"
            raise HTTPException(503, detail, {"Retry-After": "1"}) from None
        finally:
            under_way -= 1
        for counter, n in zip((figures.samples, figures.scored, figures.alarms, figures.events), counts, strict=True):
            counter.labels(one.about.entity).inc(n)
        samples, _, alarms, _ = counts
        request.scope["about"] = {"entity": one.about.entity, "samples": samples, "alarms": alarms}
        return Response(content, media_type="application/json")

    @app.get("/entities", summary="The detectors that are served")
    async def entities() -> dict[str, Any]:
        return {name: _facts(one) for name, one in served.items()}

    @app.get("/healthz", summary="Is the process alive?")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", summary="Would a request be taken now?", responses={503: _json("Failure", "not now")})
    async def readyz() -> dict[str, str]:
        if under_way >= limits.at_once:
            raise HTTPException(503, "too many requests at once", {"Retry-After": "1"})
        return {"status": "ready"}

    @app.get("/version", summary="Version of tsad-edge, and of the models it reads")
    async def version() -> dict[str, Any]:
        return {"version": __version__, "model_abi": _core.abi}

    @app.get(
        "/metrics",
        summary="For Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "all metrics"}},
    )
    async def metrics() -> Response:
        text = await to_thread.run_sync(generate_latest, figures.registry)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    app.exception_handler(ClientDisconnect)(_gone)
    return Observed(app, figures, frozenset(app.openapi()["paths"]))


def _score(one: Served, read: Any, body: bytes, deadline: float) -> tuple[bytes, tuple[int, int, int, int]]:
    """In a thread: the answer, and how many samples, scores, alarms and events there are in it."""
    if time.monotonic() > deadline:  # it waited too long for a thread
        raise TimeoutError
    samples, t = read(body, one)
    told = one.run(samples, t, deadline)
    counts = len(told.scores), int(np.isfinite(told.scores).sum()), int(told.alarms.sum()), len(told.events)
    return answer(one, told), counts


async def _body(request: Request, limits: Limits, deadline: float) -> bytes:
    """The body, as long as it is neither too large nor too slow."""
    detail = f"the body has more than {limits.max_bytes} bytes; send fewer samples at once"
    too_large = HTTPException(413, detail, CLOSE)
    if int(request.headers.get("content-length", 0)) > limits.max_bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(deadline - time.monotonic()):
            async for part in request.stream():
                body += part
                if len(body) > limits.max_bytes:
                    raise too_large
    except TimeoutError:
        raise HTTPException(408, f"the body did not come within {limits.seconds:g} s", CLOSE) from None
    return bytes(body)


def _chosen(served: Mapping[str, Served], entity: str | None) -> Served:
    """By name among those that were loaded: what a request says is never a path."""
    if entity is None and len(served) == 1:
        return next(iter(served.values()))
    if entity is None or entity not in served:
        given = "name one" if entity is None else f"no entity {entity[:100]!r}"
        raise HTTPException(404, f"{given}; ?entity= is one of {', '.join(served)}", CLOSE)
    return served[entity]


async def _gone(request: Request, error: Exception) -> Response:
    """Nobody reads it; the log does."""
    return JSONResponse({"detail": "the client went away"}, 400)


def _facts(one: Served) -> dict[str, Any]:
    return {
        "channels": one.about.channels,
        "window": one.about.window,
        "threshold": one.model.threshold,
        "model": one.model.id,
        "isa": one.model.isa,
    }


def _entity(served: Mapping[str, Served]) -> Any:
    return Query(
        default=None,
        description="whose detector; may be left out where there is only one",
        json_schema_extra={"enum": list(served)},
    )


def _example(served: Mapping[str, Served]) -> str:
    channels = next(iter(served.values())).about.channels
    return f"{','.join(channels)}\n{','.join('0' * len(channels))}\n"


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(name: str, text: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": _ref(name)}}}


RESPONSES: dict[int | str, dict[str, Any]] = {
    200: _json("Scored", "scores, alarms and events"),
    400: _json("Failure", "neither JSON nor text, or it ended too early"),
    404: _json("Failure", "no such entity"),
    408: _json("Failure", "the body came too slowly"),
    413: _json("Failure", "the body is too large"),
    415: _json("Failure", "neither JSON nor CSV"),
    422: _json("Failure", "the samples are not what the entity wants"),
    503: _json("Failure", "too busy, or too much work for the time there is"),
}
