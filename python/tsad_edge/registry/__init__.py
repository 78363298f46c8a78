"""Model versions in an OCI registry: `tsad registry push`, `pull`, `list` and `promote`.

Owns the order of things: what is refused before anything is written, and what is written first. Which files make a
version is `version`'s, how they get there and back unharmed is `remote`'s, git tags are `tags`'s.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

from ..report import table
from . import tags, version
from .remote import Manifest, Remote

VERSION = re.compile(r"v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?")
"""How GTO writes semantic versions; OCI tags hold no `+`."""
STAGE = re.compile(r"(?!v\d)[A-Za-z0-9]([A-Za-z0-9_-]{0,30}[A-Za-z0-9])?")


def push(reference: str) -> str:
    """Keep what the pipeline made in this directory as a version, and register it as a git tag.

    Parameters
    ----------
    reference : str
        ``host/path/pump:v1.2.0``; the git tag is ``pump@v1.2.0`` and holds the digest.

    Raises
    ------
    ValueError
        The reference is no version, something has changed since the results were written or committed, or the version
        is there already with other content.

    Examples
    --------
    >>> print(push("europe-docker.pkg.dev/my-project/models/pump:v1.2.0"))  # doctest: +SKIP
    """
    remote = Remote(reference)
    number = _version(remote)
    commit = tags.committed(version.EVIDENCE)
    version.require_current()
    manifest = version.manifest(number, commit)
    there = remote.find(number)
    if there is not None and there.digest != manifest.digest:
        raise ValueError(
            f"{reference}: is there already with other content, {there.digest}; a version never changes: push this one "
            "under a new number"
        )
    tag = tags.register(remote.name, number, manifest.digest)
    if there is None:
        remote.upload(manifest, number)
    return f"{_told(remote, manifest)}\ngit tag {tag}: git push origin {tag}"


def pull(reference: str, folder: str) -> str:
    """Bring a version into a folder; every file is compared with its digest before any takes its place.

    Parameters
    ----------
    reference : str
        ``host/path/pump:v1.2.0``, a stage (``:prod``), or ``@sha256:...``, which cannot be moved.
    folder : str
        To make; must not exist, or be empty.

    Raises
    ------
    ValueError
        There is no such version, a file is not what its digest says, or the folder is not empty.
    """
    remote, place = Remote(reference), Path(folder).resolve()
    if place == Path.cwd() or (place.exists() and (not place.is_dir() or any(place.iterdir()))):
        raise ValueError(f"{folder}: must not exist, or be an empty folder that is not the current one")
    found = remote.get(remote.wanted)
    told = _told(remote, found)
    version.unpack(found, remote, place)
    return f"{told}\nall files are what their digests say; next: tsad serve {shlex.quote(folder)}"


def promote(reference: str, stage: str) -> str:
    """Give a version a stage, such as prod: as an OCI tag that moves, and as a git tag that stays.

    An older version may be given a stage again: that is how one goes back.

    Raises
    ------
    ValueError
        Its check did not pass, its git tag is missing or of another digest, or it has the stage already.
    """
    remote = Remote(reference)
    number = _version(remote)
    if STAGE.fullmatch(stage) is None:
        raise ValueError(f"--stage is {stage!r}; it must be a short name such as prod, and no version")
    found = remote.get(number)
    version.require_proven(found, remote)
    registered = tags.registered(remote.name, number)
    if registered != found.digest:
        raise ValueError(
            f"{reference}: is {found.digest} in the registry, but git tag {remote.name}@{number} says {registered}; "
            "`git fetch --tags`, and find out who pushed what"
        )
    remote.point(stage, found)
    tag = tags.assign(remote.name, stage, number)
    return f"{remote.path}:{stage} is {number}, {found.digest}\ngit tag {tag}: git push origin {tag}"


def inventory(reference: str) -> list[dict[str, Any]]:
    """Every version in a repository of the registry, newest number first, with its stages and what was found of it."""
    remote = Remote(reference)
    found = {tag: remote.get(tag) for tag in remote.tags()}
    versions = sorted((tag for tag in found if VERSION.fullmatch(tag)), key=_order, reverse=True)
    return [
        {
            "version": number,
            "stages": [tag for tag in found if tag not in versions and found[tag].digest == found[number].digest],
            **version.findings(found[number], remote),
            "digest": found[number].digest,
        }
        for number in versions
    ]


def listing(reference: str) -> str:
    """The same as text."""
    rows = [["version", "stages", "check", "VUS-PR", "detectors", "commit", "digest"]]
    for each in inventory(reference):
        proven, quality = "passed" if each["passed"] else "FAILED", each["vus_pr"]
        shown = [
            each["version"],
            ", ".join(each["stages"]) or "-",
            proven,
            "-" if quality is None else f"{quality:.3f}",
        ]
        rows.append([*shown, str(len(each["entities"])), each["commit"][:8], each["digest"]])
    return table(rows)


def _version(remote: Remote) -> str:
    if VERSION.fullmatch(remote.wanted) is None:
        raise ValueError(f"{remote.path}: names version {remote.wanted!r}; it must be like {remote.path}:v1.2.0")
    return remote.wanted


def _order(number: str) -> tuple[Any, ...]:
    """What semantic versions are sorted by; one with a suffix comes before the one without."""
    match = VERSION.fullmatch(number)
    assert match is not None
    return (*map(int, match.groups()[:3]), match[4] is None, match[4] or "")


def _told(remote: Remote, manifest: Manifest) -> str:
    about = version.about(manifest, remote)
    detectors = f"detectors {', '.join(about['entities'])}, built on {about['platform']}"
    return f"{remote.path}:{about['version']}@{manifest.digest}\n{detectors}"
