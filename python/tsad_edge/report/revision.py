"""Result files as another git revision has them. Owns how git is asked; what they say belongs to `compare`."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def results(revision: str, paths: Iterable[Path]) -> tuple[str, list[Any]]:
    """JSON files of a revision, and the revision's name with its short hash.

    Parameters
    ----------
    revision : str
        What git understands: a branch, a tag, a commit, ``HEAD~1``.
    paths : iterable of Path
        Relative to the current directory.

    Raises
    ------
    ValueError
        No git, no repository, no such revision, no such file in it, or it is no JSON.

    Examples
    --------
    >>> results("main", [Path("metrics.json")])  # doctest: +SKIP
    ('main (f2f1298)', [{'schema': 1, ...}])
    """
    if shutil.which("git") is None:
        raise ValueError("--against needs git, which was not found; install it, or leave --against away")
    inside = _git("rev-parse", "--is-inside-work-tree")
    if inside.returncode != 0:
        raise ValueError(
            f"--against {revision}: {Path.cwd()} is no git repository, so there is nothing to compare with"
        )
    found = _git("rev-parse", "--verify", "--quiet", "--short", "--end-of-options", revision + "^{commit}")
    if found.returncode != 0:
        raise ValueError(
            f"--against {revision}: git knows no such revision; `git branch -a` lists branches, and in a shallow clone "
            "`git fetch` brings it first"
        )
    commit, trees = found.stdout.strip(), []
    for path in paths:
        shown = _git("show", f"{commit}:./{path.as_posix()}")
        if shown.returncode != 0:
            raise ValueError(f"--against {revision}: {path} is not in {commit}; choose a revision that committed it")
        try:
            trees.append(json.loads(shown.stdout))
        except json.JSONDecodeError as error:
            raise ValueError(f"--against {revision}: {path} in {commit} is no JSON: {error}") from None
        if (schema := trees[-1].get("schema")) != 1:
            raise ValueError(f"--against {revision}: {path} in {commit} has schema {schema!r}; only 1 can be compared")
    return (commit if commit.startswith(revision) else f"{revision} ({commit})"), trees


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], capture_output=True, text=True)
