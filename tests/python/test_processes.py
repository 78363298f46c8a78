"""Jobs spread over processes: order kept, errors passed on at once, nothing left running."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

JOBS = """
import os, time
from tsad_edge.processes import each

def job(number, what):
    if what == "die" and number == 0:
        os.kill(os.getpid(), 9)
    if what == "fail" and number == 0:
        raise ValueError("job 0 is bad")
    if what in ("fail", "wait"):
        open(f"pid-{os.getpid()}", "w").close()
        time.sleep(60)
    if what == "imported":
        import sys
        return [name in sys.modules for name in ("wave", "mailbox")]
    if what == "threads":
        import numpy, threadpoolctl
        return max(pool["num_threads"] for pool in threadpoolctl.threadpool_info())
    return number * number
"""
MAIN = """
import signal, sys, jobs
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are born without it
    try:
        print(jobs.each("jobs", jobs.job, [(i, sys.argv[1]) for i in range(5)], preload=("json", "wave")))
    except (ValueError, RuntimeError) as error:
        print(error)
    except KeyboardInterrupt:
        print("stopped")
"""


def start(place: Path, what: str) -> subprocess.Popen[str]:
    (place / "jobs.py").write_text(JOBS)
    (place / "main.py").write_text(MAIN)
    pipe = subprocess.PIPE
    command = [sys.executable, "main.py", what]
    return subprocess.Popen(command, cwd=place, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def test_results_come_in_order(tmp_path: Path) -> None:
    assert start(tmp_path, "square").communicate(timeout=60) == ("[0, 1, 4, 9, 16]\n", "")


def test_what_is_preloaded_is_there_before_the_first_job(tmp_path: Path) -> None:
    """And so was imported once, by the process that the others are forked from."""
    said, _ = start(tmp_path, "imported").communicate(timeout=60)
    assert said == f"{[[True, False]] * 5}\n"


def test_a_process_is_one_thread(tmp_path: Path) -> None:
    """As many processes as cores, each with a thread a core for linear algebra, would wait for each other."""
    assert start(tmp_path, "threads").communicate(timeout=60) == ("[1, 1, 1, 1, 1]\n", "")


def test_the_first_error_ends_them_all(tmp_path: Path) -> None:
    assert start(tmp_path, "fail").communicate(timeout=50) == ("job 0 is bad\n", "")


def test_a_killed_process_is_told(tmp_path: Path) -> None:
    said, _ = start(tmp_path, "die").communicate(timeout=50)
    assert said.startswith("jobs: a process was killed from outside")


def test_ctrl_c_ends_every_process_without_a_traceback(tmp_path: Path) -> None:
    running = start(tmp_path, "wait")
    workers = min(5, len(os.sched_getaffinity(0)))
    for _ in range(400):
        if len(list(tmp_path.glob("pid-*"))) == workers:
            break
        time.sleep(0.1)
    os.killpg(running.pid, signal.SIGINT)
    assert running.communicate(timeout=30) == ("stopped\n", "")
    for path in tmp_path.glob("pid-*"):
        assert not Path(f"/proc/{path.name.removeprefix('pid-')}").exists()
