"""What a fresh clone can do without credentials: pull, find nothing to do, and mend a damaged cache."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

Run = Callable[..., str]
OUTS = ("data/values", "data/labels", "artifacts", "scores", "csrc/generated", "build")


def object_of(clone: Path, path: str) -> Path:
    """Where the cache keeps a file."""
    for stage in yaml.safe_load((clone / "dvc.lock").read_text())["stages"].values():
        for out in stage["outs"]:
            if path.startswith(out["path"] + "/"):
                cache = clone / ".dvc" / "cache" / "files" / "md5"
                listing = json.loads((cache / out["md5"][:2] / out["md5"][2:]).read_text())
                (md5,) = [row["md5"] for row in listing if f"{out['path']}/{row['relpath']}" == path]
                return cache / md5[:2] / md5[2:]
    raise LookupError(path)


def test_pull_then_repro_has_nothing_to_do(clone: Path, run: Run) -> None:
    run("dvc pull", clone)
    assert "Running stage" not in run("dvc repro", clone)
    assert run("git status --porcelain", clone) == ""


def test_a_truncated_cache_object_is_found_and_mended(clone: Path, run: Run) -> None:
    """DVC trusts objects that are read-only; the README's first line takes that trust away."""
    run("dvc pull", clone)
    damaged = object_of(clone, "scores/pump-1.npz")
    whole = damaged.read_bytes()
    damaged.chmod(0o600)
    damaged.write_bytes(whole[:1000])
    damaged.chmod(0o444)
    run("chmod -R u+w .dvc/cache", clone)
    assert "not in cache" in run("dvc status", clone) and not damaged.exists()
    for out in OUTS:
        shutil.rmtree(clone / out)
    assert "Running stage" not in run("dvc repro --pull", clone)
    assert damaged.read_bytes() == whole == (clone / "scores" / "pump-1.npz").read_bytes()


@pytest.mark.slow
def test_a_truncated_object_of_the_remote_never_arrives(clone: Path, run: Run) -> None:
    run("dvc pull", clone)
    name = object_of(clone, "scores/pump-1.npz").relative_to(clone / ".dvc" / "cache")
    stored = clone.parent / "store" / name
    whole = stored.read_bytes()
    stored.chmod(0o600)
    stored.write_bytes(whole[:1000])
    stored.chmod(0o444)
    run("git clone -q clone other", clone.parent)
    other = clone.parent / "other"
    assert "scores" in run("dvc pull", other, fails=True)
    assert not (other / "scores").exists() and not (other / ".dvc" / "cache" / name).exists()
    run("chmod -R u+w ../store", clone)
    run("find ../store -name '*.dir' -delete", clone)
    run("dvc push", clone)  # from where the object is whole
    assert stored.read_bytes() == whole
    run("dvc pull", other)
    assert (other / "scores" / "pump-1.npz").read_bytes() == whole
