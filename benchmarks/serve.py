"""Load on `tsad serve`: a real process on loopback, real connections, throughput and latency as clients see them.

    python benchmarks/serve.py [FOLDER]               # FOLDER as for `tsad serve`, by default this directory
    python benchmarks/serve.py [FOLDER] --soak 3600   # an hour; exits with 1 when memory or p99 grew, or one failed

Client and server share the machine. A request is one JSON series, of standard normal samples: what is measured does not
depend on them.
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import aiohttp
import numpy as np

WARM_UP = 2.0
"""Seconds that do not count."""
PARTS = 10
"""Of a soak; the first one is what the last one is compared with."""
GROWTH, SLOWER = 1.10, 2.0
"""A soak fails when memory or p99 of the last part is more than this times that of the first."""


@contextlib.contextmanager
def server(folder: str) -> Iterator[tuple[str, int]]:
    """URL and process id of a service. Its log goes through a pipe, as it would to a collector, and is thrown away."""
    command = [sys.executable, "-m", "tsad_edge.cli", "serve", folder, "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        first = process.stderr.readline()
        if not first.startswith("{"):
            raise SystemExit(first)
        subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)  # ends with the service
        yield json.loads(first)["url"], process.pid
    finally:
        process.terminate()
        process.wait()


def memory(pid: int) -> float:
    """Megabytes that a process holds now."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def load(url: str, bodies: list[bytes], connections: int, seconds: float) -> tuple[np.ndarray, int, float]:
    """Latencies (n,) in milliseconds, how many answers were not 200, and the seconds it took."""
    latencies: list[float] = []
    failed, begun = 0, time.perf_counter()

    async def client(session: aiohttp.ClientSession, body: bytes) -> None:
        nonlocal failed
        while (sent := time.perf_counter()) - begun < seconds:
            async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as answer:
                await answer.read()
                failed += answer.status != 200
            latencies.append(1000 * (time.perf_counter() - sent))

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:
        await asyncio.gather(*(client(session, bodies[i % len(bodies)]) for i in range(connections)))
    return np.array(latencies), failed, time.perf_counter() - begun


def row(latencies: np.ndarray, failed: int, seconds: float, samples: int, megabytes: float) -> str:
    """What was measured, as a line under `HEAD`."""
    p50, p99 = np.percentile(latencies, [50, 99])
    rate = len(latencies) / seconds
    return (
        f"{rate:10.0f} {rate * samples:10.0f} {p50:8.2f} {p99:8.2f} {latencies.max():8.2f} {failed:7d} {megabytes:8.1f}"
    )


HEAD = "requests/s  samples/s   p50 ms   p99 ms   max ms  failed   RSS MB"


def main() -> int:
    """Print a line a measurement; 1 when something failed."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("folder", nargs="?", default=".")
    options.add_argument("--samples", type=int, default=100, help="in a request (default: %(default)s)")
    options.add_argument("--connections", type=int, nargs="+", default=[1, 8, 32])
    options.add_argument("--seconds", type=float, default=10.0, help="of each measurement (default: %(default)s)")
    options.add_argument("--soak", type=float, metavar="S", help="instead: 8 connections over this many seconds")
    chosen = options.parse_args()
    with server(chosen.folder) as (url, pid):
        entities = json.load(urllib.request.urlopen(f"{url}/entities"))
        channels = {name: len(one["channels"]) for name, one in entities.items()}
        entity, draw = min(entities), np.random.default_rng(0)
        bodies = [
            json.dumps({"samples": draw.normal(size=(chosen.samples, channels[entity])).round(3).tolist()}).encode()
            for _ in range(8)
        ]
        where = f"{url}/score?entity={entity}"
        print(
            f"POST /score of {entity}, {chosen.samples} samples x {channels[entity]} channels as JSON, "
            f"{len(bodies[0])} B; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before"
        )
        asyncio.run(load(where, bodies, 8, WARM_UP))
        if chosen.soak:
            return soak(where, bodies, chosen.soak, chosen.samples, pid)
        print(f"connections {HEAD}")
        failures = 0
        for connections in chosen.connections:
            latencies, failed, seconds = asyncio.run(load(where, bodies, connections, chosen.seconds))
            print(f"{connections:11d} {row(latencies, failed, seconds, chosen.samples, memory(pid))}")
            failures += failed
    return 1 if failures else 0


def soak(where: str, bodies: list[bytes], seconds: float, samples: int, pid: int) -> int:
    """Load in `PARTS`; 1 when there is something to complain about."""
    print(f"     minute {HEAD}", flush=True)
    seen, begun = [], time.monotonic()
    for _ in range(PARTS):
        latencies, failed, took = asyncio.run(load(where, bodies, 8, seconds / PARTS))
        held, minute = memory(pid), (time.monotonic() - begun) / 60
        print(f"{minute:11.1f} {row(latencies, failed, took, samples, held)}", flush=True)
        seen.append((held, float(np.percentile(latencies, 99)), failed))
    wrong = complaints(seen)
    print("\n".join(wrong) if wrong else "steady: memory, p99 and answers")
    return 1 if wrong else 0


def complaints(parts: list[tuple[float, float, int]]) -> list[str]:
    """What is wrong with a soak, from megabytes, p99 and failures of each part.

    Examples
    --------
    >>> complaints([(70.0, 5.0, 0), (71.0, 6.0, 0)])
    []
    >>> complaints([(70.0, 5.0, 0), (80.0, 5.0, 2)])
    ['memory grew from 70.0 to 80.0 MB', '2 requests failed']
    """
    (memory_first, p99_first, _), (memory_last, p99_last, _) = parts[0], parts[-1]
    wrong = []
    if memory_last > GROWTH * memory_first:
        wrong.append(f"memory grew from {memory_first:.1f} to {memory_last:.1f} MB")
    if p99_last > SLOWER * p99_first:
        wrong.append(f"p99 went from {p99_first:.2f} to {p99_last:.2f} ms")
    if failures := sum(failed for *_, failed in parts):
        wrong.append(f"{failures} requests failed")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
