"""`tsad doctor`: what is there is found, what is taken away is missed, and its exit code is about the six stages."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tsad_edge import doctor, project
from tsad_edge.cli import main
from tsad_edge.doctor import NEEDS, STAGES, Finding, examine, page, sufficient

ROOT = Path(__file__).parents[2]


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {each.name: each for each in findings}


def test_the_six_stages_can_run_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0] == "the six stages want" and said.splitlines()[-1] == "the six stages can run"
    assert main(["doctor", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == [need.name for need in NEEDS]
    assert all(row["install"] and row["found"] and row["wanted_by"] for row in rows)
    assert by_name(examine())["PyTorch"].found.startswith(project.TORCH)


def test_what_is_taken_away_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No program on the path, none beside Python."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    found = by_name(examine())
    lacking = {name for name, each in found.items() if not each.ok}
    there = {"PyTorch", "disk space", *(name for name in found if name.startswith("packages of"))}
    assert lacking == {need.name for need in NEEDS} - there
    assert not sufficient(list(found.values()))
    text = page(list(found.values()))
    assert "MISSING  C compiler" in text and "sudo apt-get install gcc" in text and "cannot run yet" in text


@pytest.mark.parametrize("name", [need.name for need in NEEDS])
def test_the_exit_code_is_about_the_six_stages(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = [Finding(need.name, need.wanted_by, need.name != name, "", need.install) for need in NEEDS]
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    wanted = next(need.wanted_by for need in NEEDS if need.name == name)
    assert main(["doctor"]) == (1 if wanted == STAGES else 0)


def test_a_package_that_is_taken_away_is_named_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = doctor.metadata.version

    def version(name: str) -> str:
        if name in ("uvicorn", "oras"):
            raise doctor.metadata.PackageNotFoundError(name)
        return whole(name)

    monkeypatch.setattr(doctor.metadata, "version", version)
    found = by_name(examine())
    for extra, lacks in (("serve", "uvicorn"), ("registry", "oras")):
        one = found[f"packages of [{extra}]"]
        assert not one.ok and one.found == f"lacks {lacks}" and one.install == f"pip install 'tsad-edge[{extra}]'"
        assert f"tsad {extra} wants\n  MISSING  {one.name}" in page(list(found.values()))
    assert found["packages of [train]"].ok and sufficient(list(found.values()))


def test_kubectl_is_asked_without_a_cluster(cluster: Any, kubectl: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    one = by_name(examine())["kubectl"]
    assert one.ok and one.wanted_by == "tsad deploy" and kubectl in one.found and "unknown" not in one.found
    assert cluster.sent() == []


def test_a_program_that_does_not_run_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken-cc"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", f"{broken} -m32")
    one = by_name(examine())["C compiler"]
    assert not one.ok and "does not run" in one.found


@pytest.mark.parametrize(
    ("version", "ok", "words"),
    [
        (project.TORCH, True, ""),
        (f"{project.TORCH}+cpu", True, ""),
        ("2.99.0", True, "proven"),
        ("2.1.0", False, "older"),
    ],
)
def test_pytorch_of_another_version(version: str, ok: bool, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.metadata, "version", lambda name: version)
    found = by_name(examine())["PyTorch"]
    assert found.ok == ok and words in found.found


def test_commands_name_packages_that_are_pinned() -> None:
    """Each `pip install` brings what pyproject or constraints.txt knows."""
    pins = (ROOT / "constraints.txt").read_text()
    for need in NEEDS:
        for word in need.install.split()[2:] if need.install.startswith("pip") else ():
            assert "tsad-edge" in word or f"{word.split('==')[0]}==" in pins, word


def test_no_room_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = os.statvfs(".")
    monkeypatch.setattr(doctor, "FREE_MB", usage.f_bavail * usage.f_frsize // 10**6 + 10_000)
    one = by_name(examine())["disk space"]
    assert not one.ok and "are needed" in one.found
