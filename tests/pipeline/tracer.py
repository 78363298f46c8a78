"""Runs a command under strace and writes down which files of the project it read and which it left changed.

A program of its own, `tracer.py RESULT COMMAND...`, run in a project's folder. What is seen are system calls, so that
compilers, the edge binary and processes of any language count as well as Python. It judges nothing.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import tsad_edge

CHECKOUT = Path(str(tsad_edge.__file__)).resolve().parents[2]
"""Holds the code that runs, where it was installed editable; the project's folder is a copy of it."""
OPENED = re.compile(r"^openat\(.*, (O_[A-Z_|]+).*\) = \d+<(.+)>$")
RUN = re.compile(r'^execve\("(.+?)", ')
COMPILED = re.compile(r"__pycache__/([^/.]+)\.[^/]+\.pyc(\.\d+)?$")


def snapshot(project: Path) -> dict[str, tuple[int, int, int]]:
    """File -> what changes when it is written anew; without what git and DVC keep for themselves."""
    files = {}
    for folder, below, names in os.walk(project):
        if Path(folder) == project:
            below[:] = [name for name in below if name not in {".git", ".dvc"}]
        for name in names:
            path = Path(folder, name)
            about = path.lstat()
            files[str(path.relative_to(project))] = (about.st_ino, about.st_size, about.st_mtime_ns)
    return files


def opened(line: str, project: Path) -> tuple[str, str] | None:
    """What a system call did with a file of project or checkout ("read", "run", "write"), and the path in there."""
    if seen := OPENED.match(line):
        flags, path = set(seen[1].split("|")), Path(seen[2])
        if "O_DIRECTORY" in flags:
            return None
        how = "write" if flags & {"O_WRONLY", "O_RDWR"} else "read"
    elif seen := RUN.match(line):
        how, path = "run", Path(os.path.normpath(project / seen[1]))
    else:
        return None
    if path.is_relative_to(sys.prefix) or path.is_dir():
        return None
    for place in (project, CHECKOUT):
        if path.is_relative_to(place):
            name = COMPILED.sub(r"\1.py", str(path.relative_to(place)))
            return (how if place == project or how != "write" else "write outside"), name
    return None


def main(result: Path, command: list[str]) -> int:
    """Exit status of the command."""
    project = Path.cwd().resolve()
    before = snapshot(project)
    with tempfile.TemporaryDirectory() as scratch:
        strace = ["strace", "-ff", "-qq", "-y", "-z", "--seccomp-bpf", "-e", "trace=openat,execve"]
        status = subprocess.run([*strace, "-o", f"{scratch}/calls", *command]).returncode
        lines = (line for file in Path(scratch).iterdir() for line in file.read_text(errors="replace").splitlines())
        seen = {found for line in lines if (found := opened(line, project))}
    after = snapshot(project)
    told = {
        "read": sorted({name for how, name in seen if how in {"read", "run"} and not name.startswith(".git/")}),
        "wrote": sorted(name for name, about in after.items() if before.get(name) != about),
        "wrote outside": sorted(name for how, name in seen if how == "write outside" and not name.endswith(".py")),
        "found": sorted(before),
    }
    result.write_text(json.dumps(told))
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
