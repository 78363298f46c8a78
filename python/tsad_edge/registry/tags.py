"""A model's versions and stages as git tags, in the form of GTO: `pump@v1.2.0`, `pump#prod#1`.

`gto show pump` and `gto history pump` of the package gto read the same tags. The text of a version's tag is the digest
of its manifest, so that whoever moves a tag in the registry is found out. Tags are made here and pushed by the user.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import gto.api
from gto.exceptions import GTOException


def committed(files: Iterable[Path]) -> str:
    """The commit that is checked out; a ValueError where one of the files differs from it."""
    commit = _git("rev-parse", "HEAD").strip()
    changed = _git("status", "--porcelain", "--", *map(str, files)).split("\n")[:-1]
    if changed:
        names = ", ".join(line[3:] for line in changed)
        raise ValueError(f"{names}: not as commit {commit[:8]} has it; a version is of a commit: `git commit` first")
    return commit


def registered(name: str, version: str) -> str | None:
    """The digest that a version's tag holds; None where there is no such tag."""
    return _git("tag", "--list", "--format=%(contents:subject)", f"{name}@{version}").strip() or None


def register(name: str, version: str, digest: str) -> str:
    """Tag the commit as a version, with its digest; a tag that says the same already stays. Returns the tag.

    Raises
    ------
    ValueError
        The version has another digest already, or the commit another version.
    """
    tag, there = f"{name}@{version}", registered(name, version)
    if there not in (None, digest):
        raise ValueError(
            f"git tag {tag} says {there}, this would be {digest}; a version never changes: take a new number"
        )
    if there is None:
        with _refusals():
            gto.api.register(".", name, "HEAD", version, message=digest)
    return tag


def assign(name: str, stage: str, version: str) -> str:
    """Tag a version with a stage; an older one again, too, but not the one that has it. Returns the tag."""
    earlier = _git("tag", "--list", "--sort=-version:refname", f"{name}#{stage}#*").split()
    if earlier and _commit(earlier[0]) == _commit(f"{name}@{version}"):
        raise ValueError(f"{name} {version} has stage {stage} already, by git tag {earlier[0]}")
    with _refusals():
        made = gto.api.assign(".", name, stage, version, force=True)
    tag: str = made.tag
    return tag


def _commit(tag: str) -> str:
    return _git("rev-parse", f"{tag}^{{commit}}")


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except GTOException as error:
        raise ValueError(f"git tags: {error}") from None


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise ValueError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout
