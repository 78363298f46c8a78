"""One repository of an OCI registry: manifests and blobs, compared with their digests on the way in.

The requests and credentials are those of `oras`: it reads Docker's configuration (`docker login`, or
`gcloud auth configure-docker`). Knows nothing of what a version holds.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import oras.container
import oras.provider
import requests

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LOOPBACK = ("127.0.0.1", "localhost")
"""Hosts that are spoken to without encryption, as Docker does."""
MOST = 4_000_000
"""Bytes of the largest manifest that registries have to take."""


@dataclass(frozen=True)
class Manifest:
    """A manifest as its bytes, which the digest is of, and where its blobs lie before they are uploaded."""

    raw: bytes
    blobs: Mapping[str, bytes | Path] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """``sha256:...`` of its bytes."""
        return sha256(self.raw)

    @property
    def tree(self) -> dict[str, Any]:
        """What it says."""
        tree: dict[str, Any] = json.loads(self.raw)
        return tree


class _Provider(oras.provider.Registry):
    """What does not answer is an error at once; oras would try for two minutes."""

    def do_request(self, url: str, *arguments: Any, **more: Any) -> requests.Response:
        once = oras.provider.Registry.do_request.__wrapped__
        try:
            answer: requests.Response = once(self, url, *arguments, **more)
        except requests.RequestException as error:
            raise ValueError(f"{url}: no answer from the registry; is the host right, and up? ({error})") from None
        return answer


class Remote:
    """A repository, and what a reference wants of it.

    Examples
    --------
    >>> remote = Remote("127.0.0.1:5000/plant/pump:v1.2.0")
    >>> remote.path, remote.name, remote.wanted
    ('127.0.0.1:5000/plant/pump', 'pump', 'v1.2.0')
    """

    def __init__(self, reference: str) -> None:
        self._container = oras.container.Container(reference)
        self.name: str = self._container.repository
        self.path = f"{self._container.registry}/{self._container.api_prefix}"
        self.wanted: str = self._container.digest or self._container.tag
        self._provider = _Provider(insecure=self._container.registry.split(":")[0] in LOOPBACK)
        self._provider.auth.load_configs(self._container)

    def tags(self) -> list[str]:
        """All tags, sorted; a repository that does not exist is a ValueError."""
        try:
            return sorted(self._provider.get_tags(self._container))
        except ValueError as error:
            raise ValueError(f"{self.path}: no versions can be listed; is the name right? ({error})") from None

    def find(self, tag: str) -> Manifest | None:
        """The manifest under a tag or digest; None where there is none."""
        answer = self._ask("GET", self._container.manifest_url(tag), headers={"Accept": MANIFEST}, stream=True)
        if answer.status_code == 404:
            return None
        found = Manifest(_whole(self._accepted(answer), MOST))
        promised = tag if tag.startswith("sha256:") else answer.headers.get("Docker-Content-Digest", found.digest)
        _require(f"{self.path}:{tag}: its manifest", promised, found.digest)
        return found

    def get(self, tag: str) -> Manifest:
        """The same; a ValueError where there is none."""
        found = self.find(tag)
        if found is None:
            raise ValueError(f"{self.path}:{tag}: not there; `tsad registry list {self.path}` shows what is")
        return found

    def blob(self, layer: dict[str, Any], name: str) -> bytes:
        """A blob, of the size and digest that its descriptor says; anything else is a ValueError."""
        url = self._container.get_blob_url(layer["digest"])
        data = _whole(self._accepted(self._ask("GET", url, stream=True)), layer["size"])
        _require(f"{self.path}: {name}", layer["digest"], sha256(data))
        return data

    def upload(self, manifest: Manifest, tag: str) -> None:
        """The blobs that are not there yet, and then the manifest: a version is seen whole, or not at all."""
        with tempfile.TemporaryDirectory() as scratch:
            for digest, source in manifest.blobs.items():
                path = source if isinstance(source, Path) else Path(scratch) / "blob"
                if isinstance(source, bytes):
                    path.write_bytes(source)
                layer = {"digest": digest, "size": path.stat().st_size}
                self._accepted(self._provider.upload_blob(str(path), self._container, layer))
        self.point(tag, manifest)

    def point(self, tag: str, manifest: Manifest) -> None:
        """Let a tag name a manifest."""
        url = self._container.manifest_url(tag)
        self._accepted(self._ask("PUT", url, data=manifest.raw, headers={"Content-Type": MANIFEST}))

    def _ask(self, method: str, url: str, **more: Any) -> requests.Response:
        answer: requests.Response = self._provider.do_request(f"{self._provider.prefix}://{url}", method, **more)
        return answer

    def _accepted(self, answer: requests.Response) -> requests.Response:
        if not answer.ok:
            raise ValueError(
                f"{self.path}: refused ({answer.status_code} {answer.reason}): {answer.text[:200]}; credentials are "
                "those of `docker login`"
            )
        return answer


def sha256(data: bytes) -> str:
    """The digest of some bytes, as OCI writes it.

    Examples
    --------
    >>> sha256(b"{}")[:14]
    'sha256:44136fa'
    """
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _whole(answer: requests.Response, most: int) -> bytes:
    """The body, of which no more is read than may be there."""
    data: bytes = answer.raw.read(most + 1, decode_content=True)
    return data


def _require(what: str, promised: str, found: str) -> None:
    if promised != found:
        raise ValueError(
            f"{what} should be {promised}, but is {found}: changed in the registry or on the way; nothing was kept"
        )
