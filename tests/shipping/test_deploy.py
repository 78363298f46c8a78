"""The manifests and the Dockerfile: what they promise is in them, validators take them, a cluster gets just that."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tsad_edge import cli, deploy

ROOT = Path(__file__).parents[2]
DOCKERFILE = Path(deploy.__file__).with_name("Dockerfile")
IMAGE = f"registry.example.org/plant/tsad@sha256:{64 * 'a'}"


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No kubeconfig at all."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def rendered(kubectl: str, nobody: None, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(["deploy", IMAGE, "--dry-run"]) == 0
    return capsys.readouterr().out


def validate(place: Path, text: str) -> subprocess.CompletedProcess[str]:
    (place / "manifests.yaml").write_text(text)
    program = Path(sys.executable).with_name("kubernetes-validate")
    return subprocess.run([program, "--strict", place / "manifests.yaml"], capture_output=True, text=True)


def test_a_dry_run_needs_no_cluster_and_renders_what_is_valid(rendered: str, tmp_path: Path) -> None:
    kinds = {each["kind"]: each for each in yaml.safe_load_all(rendered)}
    assert list(kinds) == ["Namespace", "Service", "Deployment"]
    assert {each["metadata"].get("namespace") for each in kinds.values()} == {None, "tsad"}
    done = validate(tmp_path, rendered)
    assert done.returncode == 0 and done.stderr.count("passed") + done.stdout.count("passed") == 3
    for before, after in (("replicas: 2", "replicas: two"), ("readinessProbe:", "readyProbe:")):
        assert before in rendered and validate(tmp_path, rendered.replace(before, after)).returncode != 0


def test_the_pod_may_do_nothing_but_serve(rendered: str) -> None:
    deployment = next(each for each in yaml.safe_load_all(rendered) if each["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == IMAGE and deployment["spec"]["replicas"] > 1
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["securityContext"]["runAsNonRoot"] and pod["automountServiceAccountToken"] is False
    assert (
        f"USER {pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" in DOCKERFILE.read_text()
    )
    assert container["resources"]["requests"] and container["resources"]["limits"]
    service = next(each for each in yaml.safe_load_all(rendered) if each["kind"] == "Service")
    assert service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    assert service["spec"]["ports"][0]["targetPort"] == container["ports"][0]["name"]


def test_the_base_is_plain_kustomize(kubectl: str, nobody: None, rendered: str) -> None:
    done = subprocess.run([kubectl, "kustomize", deploy.BASE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == rendered.strip().replace(f"image: {IMAGE}", "image: tsad")


def test_a_cluster_gets_what_the_dry_run_shows(
    kubectl: str, rendered: str, cluster: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    assert cli.main(["deploy", IMAGE]) == 0
    said = capsys.readouterr().out
    assert said.splitlines() == [
        f"{each}/tsad serverside-applied" for each in ("namespace", "service", "deployment.apps")
    ]
    assert [each["body"] for each in cluster.sent()] == list(yaml.safe_load_all(rendered))
    assert {each["method"] for each in cluster.sent()} == {"PATCH"}


def test_what_cannot_be_deployed_says_why(
    kubectl: str, nobody: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong in ("plant/tsad:v1", IMAGE[:-1], f"{IMAGE}\nimages: []", IMAGE.replace("aa", "AA")):
        assert cli.main(["deploy", wrong, "--dry-run"]) == 1
        assert "a tag can be moved" in capsys.readouterr().err
    assert cli.main(["deploy", IMAGE]) == 1
    assert "tsad deploy: kubectl apply: " in capsys.readouterr().err
    monkeypatch.setenv("PATH", "")
    assert cli.main(["deploy", IMAGE]) == 1
    assert "kubectl was not found" in capsys.readouterr().err


def test_the_dockerfile_is_clean_small_and_harmless(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("hadolint")
    subprocess.run([program, DOCKERFILE], check=True)
    text = DOCKERFILE.read_text()
    assert "torch" not in text and "-slim" in text and "AS build" in text
    *_, user, port, command = [line for line in text.splitlines() if line]
    assert re.fullmatch(r"USER [1-9]\d*:[1-9]\d*", user) and port == "EXPOSE 8000"
    assert json.loads(command.removeprefix("ENTRYPOINT "))[:2] == ["tsad", "serve"]
    bad = tmp_path / "Dockerfile"
    bad.write_text(text.replace(":3.11-slim-trixie", ""))
    assert subprocess.run([program, bad], capture_output=True).returncode == 1
