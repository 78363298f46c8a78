"""`tsad deploy`: the service on Kubernetes, by kustomize and an image that is named by its digest.

`base/` is a kustomize base that plain `kubectl apply -k` takes, too; the Dockerfile beside it makes the image. Owns the
way the image gets its name. What is rendered and applied, and where, is `kubectl`'s and its kubeconfig's.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

BASE = Path(__file__).parent / "base"
IMAGE = re.compile(r"(?P<name>[\w.:/-]+)@(?P<digest>sha256:[0-9a-f]{64})")
"""By digest: a tag can be moved, and then nobody knows what runs."""


def manifests(image: str) -> str:
    """The Namespace, Deployment and Service as YAML; asks no cluster.

    Parameters
    ----------
    image : str
        ``host/path/name@sha256:...``, as pushing it printed.

    Raises
    ------
    ValueError
        The image is not named by its digest.
    RuntimeError
        kubectl is missing, or refuses.

    Examples
    --------
    >>> print(manifests("europe-docker.pkg.dev/my-project/images/tsad@sha256:" + 64 * "0"))  # doctest: +SKIP
    """
    with _named(image) as folder:
        return _kubectl("kustomize", folder)


def apply(image: str) -> str:
    """Apply them to the cluster of the current kubeconfig, on the server's side; kubectl's words are returned.

    Raises
    ------
    ValueError, RuntimeError
        As `manifests`; or the cluster does not answer, or refuses.
    """
    with _named(image) as folder:
        return _kubectl("apply", "--server-side", "--field-manager=tsad", "-k", folder)


@contextlib.contextmanager
def _named(image: str) -> Iterator[str]:
    """A copy of the base with the image in it; Debian's kubectl 1.20 knows no folders among the resources."""
    named = IMAGE.fullmatch(image)
    if named is None:
        raise ValueError(
            f"the image is {image!r}; it must be like HOST/PATH/NAME@sha256: and 64 hexadecimal digits, as "
            "`docker push` prints them: a tag can be moved"
        )
    chosen = {"name": "tsad", "newName": named["name"], "digest": named["digest"]}
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(BASE, scratch, dirs_exist_ok=True)
        with (Path(scratch) / "kustomization.yaml").open("a") as file:
            file.write(f"images: {json.dumps([chosen])}\n")  # JSON is YAML
        yield scratch


def _kubectl(*arguments: str) -> str:
    program = shutil.which("kubectl")
    if program is None:
        raise RuntimeError(
            "kubectl was not found; it renders and applies the manifests: Debian's package is kubernetes-client, "
            "Google's `gcloud components install kubectl`"
        )
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"kubectl {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()
