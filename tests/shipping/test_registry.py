"""Versions of models in a real registry on loopback: there and back bit for bit, and all that must be refused."""

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tsad_edge import Detector, cli
from tsad_edge.registry.remote import Manifest, Remote

Git = Callable[..., str]


@pytest.fixture
def repository(registry: str, request: pytest.FixtureRequest) -> str:
    """A repository of the test's own."""
    return f"{registry}/{re.sub('[^a-z]+', '-', request.node.name.lower()).strip('-')}/pump"


def tsad(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """What `tsad registry` says: on standard output, or as its error."""
    assert cli.main(["registry", *arguments]) == code
    said = capsys.readouterr()
    return said.out if code == 0 else said.err


def change(plant: Path, shell: Git, file: str, before: str, after: str) -> None:
    """Change a file's text, and let dvc.lock and a commit say so."""
    path = plant / file
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    shell(plant, sys.executable, "-m", "dvc", "commit", "--force")
    shell(plant, "git", "commit", "-q", "-a", "-m", "Changed")


def blob(storage: Path, repository: str, title: str) -> Path:
    """The registry's file of a layer."""
    (layer,) = [
        each
        for each in Remote(repository).get("v1.0.0").tree["layers"]
        if each["annotations"]["org.opencontainers.image.title"] == title
    ]
    digest = layer["digest"].removeprefix("sha256:")
    return storage / f"docker/registry/v2/blobs/sha256/{digest[:2]}/{digest}/data"


def test_a_version_comes_back_whole_and_scores_bit_for_bit(
    plant: Path, repository: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], shell: Git
) -> None:
    said = tsad(capsys, "push", f"{repository}:v1.0.0")
    (digest,) = re.findall(f"{repository}:v1.0.0@(sha256:[0-9a-f]{{64}})", said)
    assert "detectors pump-1, pump-2, built on " in said and "git push origin pump@v1.0.0" in said
    assert tsad(capsys, "push", f"{repository}:v1.0.0") == said, "the same again is the same version"
    assert digest in shell(plant, "git", "tag", "-n1", "--list", "pump@v1.0.0")
    empty = tmp_path / "receiver"
    empty.mkdir()
    code = f"""
import sys, numpy as np
from pathlib import Path
from tsad_edge import Detector, cli
assert cli.main(["registry", "pull", sys.argv[1], "got"]) == 0
assert not {{"torch", "pickle5"}} & set(sys.modules)
values = np.loadtxt({str(plant / "build/check/pump-1.csv")!r}, delimiter=",", skiprows=1, dtype="f4")[:, 1:]
np.save("scores.npy", Detector.load("got/build/native/libm_pump_1.so").score(values))
"""
    shell(empty, sys.executable, "-c", code, f"{repository}@{digest}")
    values = np.loadtxt(plant / "build/check/pump-1.csv", delimiter=",", skiprows=1, dtype="f4")[:, 1:]
    ours, theirs = Detector.load("build/native/libm_pump_1.so").score(values), np.load(empty / "scores.npy")
    assert np.isfinite(theirs).sum() > 5000 and ours.tobytes() == theirs.tobytes()
    got = {str(path.relative_to(empty / "got")) for path in (empty / "got").rglob("*") if path.is_file()}
    wanted = {"check.json", "cost.json", "dvc.lock", "metrics.json", "model.mlem", "params.yaml"}
    for pump in ("1", "2"):
        wanted |= {f"artifacts/pump-{pump}/{name}" for name in ("graph.pt2", "calibration.npz")}
        wanted |= {f"csrc/generated/m_pump_{pump}/m_pump_{pump}.{end}" for end in "hc"}
        wanted |= {f"csrc/generated/m_pump_{pump}/detector.json", f"build/native/libm_pump_{pump}.so"}
    assert got == wanted
    for name in got:
        assert (empty / "got" / name).read_bytes() == (plant / name).read_bytes(), name


def test_a_stage_moves_forward_and_back(
    plant: Path, repository: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], shell: Git
) -> None:
    tsad(capsys, "push", f"{repository}:v1.0.0")
    assert "pump#prod#1" in tsad(capsys, "promote", f"{repository}:v1.0.0", "--stage", "prod")
    assert "has stage prod already" in tsad(capsys, "promote", f"{repository}:v1.0.0", "--stage", "prod", code=1)
    change(plant, shell, "params.yaml", "5 per 1000", "6 per 1000")
    tsad(capsys, "push", f"{repository}:v1.10.0")
    assert "pump#prod#2" in tsad(capsys, "promote", f"{repository}:v1.10.0", "--stage", "prod")
    listed = {each["version"]: each for each in json.loads(tsad(capsys, "list", repository, "--json"))}
    assert list(listed) == ["v1.10.0", "v1.0.0"]
    assert (listed["v1.0.0"]["stages"], listed["v1.10.0"]["stages"]) == ([], ["prod"])
    assert (
        listed["v1.10.0"]["passed"] and listed["v1.10.0"]["commit"] == shell(plant, "git", "rev-parse", "HEAD").strip()
    )
    built = {f"pump-{pump}": Detector.load(f"build/native/libm_pump_{pump}.so").id for pump in "12"}
    assert listed["v1.10.0"]["models"] == built, "a record names its models by the id that is in their C"
    time.sleep(1.1)  # GTO takes the latest, by the second
    assert "pump#prod#3" in tsad(capsys, "promote", f"{repository}:v1.0.0", "--stage", "prod")
    tsad(capsys, "pull", f"{repository}:prod", str(tmp_path / "got"))
    assert "5 per 1000" in (tmp_path / "got/params.yaml").read_text()
    assert "v1.0.0" in shell(plant, "gto", "show", "pump#prod", "--version"), "GTO reads our tags"
    table = tsad(capsys, "list", repository).splitlines()
    assert len(table) == 3 and "prod" in table[2] and "passed" in table[1]


def test_what_did_not_pass_gets_no_stage(
    plant: Path, repository: str, capsys: pytest.CaptureFixture[str], shell: Git
) -> None:
    change(plant, shell, "check.json", '"passed": true', '"passed": false')
    tsad(capsys, "push", f"{repository}:v1.0.0")
    assert "its check did not pass" in tsad(capsys, "promote", f"{repository}:v1.0.0", "--stage", "prod", code=1)
    change(plant, shell, "check.json", '"passed": false', '"passed": true')
    change(plant, shell, "check.json", '"pump-2": {', '"pump-3": {')
    tsad(capsys, "push", f"{repository}:v1.0.1")
    assert "pump-2" in tsad(capsys, "promote", f"{repository}:v1.0.1", "--stage", "prod", code=1)
    assert "FAILED" in tsad(capsys, "list", repository)
    assert Remote(repository).tags() == ["v1.0.0", "v1.0.1"] and shell(plant, "git", "tag").split() == [
        "pump@v1.0.0",
        "pump@v1.0.1",
    ]


@pytest.mark.parametrize("title", ["build/native/libm_pump_1.so", "check.json", "artifacts/pump-2/graph.pt2"])
def test_a_tampered_layer_is_found(
    plant: Path, repository: str, registry_storage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], title: str
) -> None:
    tsad(capsys, "push", f"{repository}:v1.0.0")
    file = blob(registry_storage, repository, title)
    good = file.read_bytes()
    try:
        for bad in (good[:-1] + b"!", good + b"!"):
            file.write_bytes(bad)
            said = tsad(capsys, "pull", f"{repository}:v1.0.0", str(tmp_path / "got"), code=1)
            assert f"{title} should be sha256:" in said and "nothing was kept" in said
            assert not (tmp_path / "got").exists() and not list(tmp_path.glob(".got*"))
    finally:
        file.write_bytes(good)  # other tests' versions share it


def test_a_moved_tag_is_found(plant: Path, repository: str, capsys: pytest.CaptureFixture[str], shell: Git) -> None:
    tsad(capsys, "push", f"{repository}:v1.0.0")
    change(plant, shell, "params.yaml", "5 per 1000", "6 per 1000")
    tsad(capsys, "push", f"{repository}:v1.0.1")
    remote = Remote(repository)
    remote.point("v1.0.0", remote.get("v1.0.1"))
    assert "but git tag pump@v1.0.0 says" in tsad(capsys, "promote", f"{repository}:v1.0.0", "--stage", "prod", code=1)
    assert "already with other content" in tsad(capsys, "push", f"{repository}:v1.0.0", code=1)


@pytest.mark.parametrize("title", ["../out", "/tmp/out", "a/../../out", ".hidden", ""])
def test_no_file_leaves_its_folder(
    plant: Path, repository: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], title: str
) -> None:
    tsad(capsys, "push", f"{repository}:v1.0.0")
    remote = Remote(repository)
    tree = remote.get("v1.0.0").tree
    tree["layers"][0]["annotations"]["org.opencontainers.image.title"] = title
    remote.point("bad", Manifest(json.dumps(tree).encode()))
    before = set(tmp_path.rglob("*"))
    said = tsad(capsys, "pull", f"{repository}:bad", str(tmp_path / "in/got"), code=1)
    assert "would leave its folder" in said and set(tmp_path.rglob("*")) == before


def test_only_what_is_current_and_committed_is_pushed(
    plant: Path, repository: str, capsys: pytest.CaptureFixture[str], shell: Git
) -> None:
    with (plant / "params.yaml").open("a") as file:
        file.write("\n")
    assert "params.yaml: not as commit" in tsad(capsys, "push", f"{repository}:v1.0.0", code=1)
    shell(plant, "git", "checkout", "-q", "params.yaml")
    with (plant / "build/native/libm_pump_1.so").open("ab") as library:
        library.write(b"!")
    assert "changed since dvc.lock was written" in tsad(capsys, "push", f"{repository}:v1.0.0", code=1)
    assert shell(plant, "git", "tag") == "" and Remote(repository).find("v1.0.0") is None


def test_wrong_calls_say_what_would_do(
    plant: Path, registry: str, repository: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong in ("", ":1.0.0", ":v1.0", ":latest", ":v01.0.0"):
        assert f"it must be like {repository}:v1.2.0" in tsad(capsys, "push", repository + wrong, code=1)
    assert "not there" in tsad(capsys, "pull", f"{repository}:v1.0.0", str(tmp_path / "got"), code=1)
    assert "not there" in tsad(capsys, "promote", f"{repository}:v1.0.0", "--stage", "prod", code=1)
    for stage in ("v2", "", "a b", "-x"):
        assert "--stage is" in tsad(capsys, "promote", f"{repository}:v1.0.0", f"--stage={stage}", code=1)
    assert "must not exist, or be an empty folder" in tsad(capsys, "pull", f"{repository}:v1.0.0", ".", code=1)
    assert "no answer from the registry" in tsad(capsys, "list", "127.0.0.1:9/plant/pump", code=1)
    assert f"{repository}: no versions" in tsad(capsys, "list", repository, code=1)


def test_an_image_is_no_version(
    registry: str, repository: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remote = Remote(repository)
    tree = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": []}
    config = b"{}"
    from tsad_edge.registry.remote import sha256

    tree["config"] = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": sha256(config), "size": 2}
    remote.upload(Manifest(json.dumps(tree).encode(), {sha256(config): config}), "v1.0.0")
    for arguments in (["pull", f"{repository}:v1.0.0", str(tmp_path / "got")], ["list", repository]):
        assert "is no version that" in tsad(capsys, *arguments, code=1)
