"""What a model version is: its files, what is said of it, and the proof that it needs for a stage.

Files keep their places: a pulled version is a project without sources and data, which `tsad serve` takes. A library is
of one platform; elsewhere one compiles the C. The evidence lies beside: metrics.json, check.json, cost.json,
params.yaml, and dvc.lock with the hash of all that a stage read or wrote. Nothing is loaded, let alone unpickled, here.
"""

from __future__ import annotations

import json
import platform
import re
from pathlib import Path
from typing import Any

from .. import __version__, stages
from ..files import read_json, replaced
from ..toolchain import library
from .remote import MANIFEST, Manifest, Remote, sha256

KIND = "application/vnd.tsad-edge.model.v1"
TITLE = "org.opencontainers.image.title"
"""Where a layer has its file name, by OCI's convention."""
NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*")
"""A path that stays in its folder."""
EVIDENCE = (stages.METRICS, stages.CHECK, stages.COST, stages.MLEM, Path("params.yaml"), Path("dvc.lock"))


def require_current() -> None:
    """Raise a ValueError where DVC says that a file is not what dvc.lock says: the results would stand for another."""
    from dvc.repo import Repo

    with Repo() as repo:
        stale = sorted(repo.status())
    if stale:
        raise ValueError(f"{', '.join(stale)}: changed since dvc.lock was written; run `dvc repro`, and commit")


def manifest(number: str, commit: str) -> Manifest:
    """The version that the pipeline's files in this directory make; the same files give the same digest."""
    models: dict[str, str] = {}  # entity -> the model's id
    layers: list[dict[str, Any]] = []
    blobs: dict[str, bytes | Path] = {}
    files = [*EVIDENCE]
    for described in sorted(stages.GENERATED.glob("*/detector.json")):
        detector = read_json(described)
        folder, entity = described.parent, detector["entity"]
        name, trained = folder.name, stages.ARTIFACTS / entity
        models[entity] = detector["id"]
        files += [described, folder / f"{name}.h", folder / f"{name}.c", library(stages.NATIVE, name)]
        files += [trained / "graph.pt2", trained / "calibration.npz"]
    if not models:
        raise ValueError(f"{stages.GENERATED}: holds no model; run `dvc repro` first")
    about = {
        "schema": 1,
        "version": number,
        "entities": list(models),
        "models": models,
        "platform": f"{platform.system()}/{platform.machine()}".lower(),
        "tsad_edge": __version__,
        "commit": commit,
    }
    config = json.dumps(about).encode()
    blobs[sha256(config)] = config
    for path in files:
        data = path.read_bytes()
        blobs[sha256(data)] = path
        layers.append({**_descriptor("application/octet-stream", data), "annotations": {TITLE: path.as_posix()}})
    tree = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": KIND,
        "config": _descriptor(f"{KIND}+json", config),
        "layers": layers,
        "annotations": {"org.opencontainers.image.version": number, "org.opencontainers.image.revision": commit},
    }
    return Manifest(json.dumps(tree).encode(), blobs)


def about(found: Manifest, remote: Remote) -> dict[str, Any]:
    """What `manifest` wrote of a version: its number, entities, their models' ids, platform and commit."""
    config = found.tree.get("config", {})
    if config.get("mediaType") != f"{KIND}+json":
        raise ValueError(f"{remote.path}@{found.digest}: is no version that `tsad registry push` made")
    told: dict[str, Any] = json.loads(remote.blob(config, "its description"))
    return told


def findings(found: Manifest, remote: Remote) -> dict[str, Any]:
    """The same, with whether its check passed and what its VUS-PR was."""
    told = about(found, remote)
    check, metrics = (_evidence(found, remote, path) for path in (stages.CHECK, stages.METRICS))
    return {**told, "passed": check["passed"], "vus_pr": metrics["model"]["vus_pr"]}


def require_proven(found: Manifest, remote: Remote) -> None:
    """Raise a ValueError unless the check in a version passed, for every detector that is in it."""
    entities, check = about(found, remote)["entities"], _evidence(found, remote, stages.CHECK)
    lacking = [entity for entity in entities if not check["per_entity"].get(entity, {}).get("passed")]
    if not check["passed"] or lacking:
        raise ValueError(
            f"{remote.path}@{found.digest}: its check did not pass ({', '.join(lacking) or 'all entities'}): "
            f"{'; '.join(check['failures']) or 'they are not in check.json'}. Only what is proven to decide like "
            "PyTorch gets a stage"
        )


def unpack(found: Manifest, remote: Remote, place: Path) -> None:
    """All files into a new folder, which takes its place when the last one is as its digest says."""
    layers = {layer["annotations"][TITLE]: layer for layer in found.tree["layers"]}
    for title in layers:
        if NAME.fullmatch(title) is None:
            raise ValueError(f"{remote.path}@{found.digest}: holds a file {title!r}, which would leave its folder")
    with replaced(place) as (fresh,):
        for title, layer in layers.items():
            path = fresh / title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(remote.blob(layer, title))


def _evidence(found: Manifest, remote: Remote, path: Path) -> Any:
    (layer,) = [layer for layer in found.tree["layers"] if layer["annotations"][TITLE] == str(path)]
    return json.loads(remote.blob(layer, str(path)))


def _descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}
