"""Work spread over processes, one job an entity, with a progress bar where the output is a terminal."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext
from typing import Any

from .files import uninterrupted


def each(what: str, work: Callable[..., Any], jobs: list[tuple[Any, ...]], preload: tuple[str, ...]) -> list[Any]:
    """Do ``work(*job)`` for all jobs, in as many processes as there are cores; the first error ends them all.

    Parameters
    ----------
    what : str
        Name of the bar.
    work : callable
        A module's function, so that it can be named to another process.
    jobs : list of tuple
    preload : tuple of str
        Modules imported once, by the process from which the others are forked: PyTorch starts once.

    Returns
    -------
    list
        What the jobs returned, in their order.

    Raises
    ------
    RuntimeError
        A process was killed from outside. What a job raises is raised as it is; then, as after Ctrl-C, no process is
        left running.
    """
    from rich.console import Console
    from rich.progress import Progress, TimeElapsedColumn

    console = Console(stderr=True)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    others = set(multiprocessing.active_children())
    workers = min(len(jobs), len(os.sched_getaffinity(0)))
    columns = (*Progress.get_default_columns(), TimeElapsedColumn())  # one job moves no bar, but the clock
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        ProcessPoolExecutor(workers, mp_context=context) as pool,
    ):
        task = progress.add_task(what, total=len(jobs))
        try:
            _preloaded(context)
            with _deaf(), _single_threaded():
                running = [pool.submit(work, *job) for job in jobs]
            for done in as_completed(running):
                done.result()
                progress.advance(task)
        except BaseException as error:
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
            pool.shutdown(wait=True, cancel_futures=True)
            if isinstance(error, BrokenProcessPool):
                raise RuntimeError(
                    f"{what}: a process was killed from outside, most likely for want of memory; free some and run it "
                    "again"
                ) from None
            raise
    return [job.result() for job in running]


def _preloaded(context: ForkServerContext) -> None:
    """Wait until the process that the others are forked from has imported what it should; Ctrl-C is heard meanwhile.

    Importing PyTorch takes seconds. A job asked for in that time would be started after Ctrl-C had ended the pool it
    belongs to, and would say so by a traceback.
    """
    with _deaf(), _single_threaded():
        forkserver.ensure_running()
    try:
        first = context.Process(target=int)  # does nothing; start() returns when it was forked
        first.start()
    except KeyboardInterrupt:
        with contextlib.suppress(ProcessLookupError):  # or it would go on importing; the next call starts another
            os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)  # type: ignore[attr-defined]
        raise
    first.join()


@contextlib.contextmanager
def _single_threaded() -> Iterator[None]:
    """Processes started in here use one thread each for linear algebra: as many processes as cores are enough."""
    before = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    os.environ.update(dict.fromkeys(before, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Processes started in here never hear Ctrl-C, which reaches every process of a terminal; this one ends them."""
    resource_tracker.ensure_running()  # first, because starting it lets Ctrl-C through again
    with uninterrupted():
        yield
