"""Work spread over processes, one job an entity, with a progress bar where the output is a terminal."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any


def each(what: str, work: Callable[..., Any], jobs: list[tuple[Any, ...]], preload: str) -> list[Any]:
    """Do ``work(*job)`` for all jobs, in as many processes as there are cores; the first error ends it.

    Parameters
    ----------
    what : str
        Name of the bar.
    work : callable
        A module's function, so that it can be named to another process.
    jobs : list of tuple
    preload : str
        Module imported once, by the process from which the others are forked: PyTorch starts once.

    Returns
    -------
    list
        What the jobs returned, in their order.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preload])
    workers = min(len(jobs), len(os.sched_getaffinity(0)))
    with (
        Progress(console=console, disable=not console.is_terminal) as progress,
        ProcessPoolExecutor(workers, mp_context=context) as pool,
    ):
        task = progress.add_task(what, total=len(jobs))
        running = [pool.submit(work, *job) for job in jobs]
        try:
            for done in as_completed(running):
                done.result()
                progress.advance(task)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [job.result() for job in running]
