"""The workflows' own commands run here: every `run:` block out of the YAML, in a clone of a small project.

Owns which blocks cannot, and why. That actions do what they say, and that caches are found, only GitHub can show.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import urllib.request
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github/workflows").glob("*.yml")}

NOT_RUN = {
    "test/suite": "it is what runs this test",
    "pipeline/install": "installs everything anew, minutes: test_newcomer.py (slow) runs `make demo` in a fresh clone",
    "deploy/install": "the same",
    "release/publish": "writes a release",
    "rollout/image": "wants a Docker daemon: tests/shipping/test_container.py (slow) runs the Dockerfile's commands",
}
SLOW = ["pipeline/sanitizers", "deploy/distributions", "rollout/wheel"]  # these compile everything
RUN = [
    "pipeline/repro",
    "pipeline/report",
    "pipeline/summary",
    "pipeline/compare",
    "pipeline/comment",
    "deploy/repro",
    "deploy/bundle",
    "release/version",
    "release/checksums",
    "rollout/model",
    "rollout/cluster",
]
EXPRESSIONS = {
    "${{ secrets.AWS_ACCESS_KEY_ID }}": "",
    "${{ secrets.AWS_SECRET_ACCESS_KEY }}": "",
    "${{ vars.AWS_DEFAULT_REGION }}": "",
    "${{ github.token }}": "bot",
    "${{ secrets.KUBECONFIG }}": "",
    "${{ github.event.pull_request.number }}": "7",
    "${{ github.server_url }}/${{ github.repository }}/actions/runs/${{ github.run_id }}": "https://example.org/run/1",
}
"""What a block's environment holds here; of a fork there are no secrets."""


def steps(workflows: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """("workflow/name of the step", step) of everything that has a `run:`."""
    for name, workflow in workflows.items():
        for job in workflow["jobs"].values():
            for step in job.get("steps", []):
                if "run" in step:
                    yield f"{name}/{step.get('name', step['run'])}", step


BLOCKS = dict(steps(WORKFLOWS))


class Place(NamedTuple):
    """A clone, and the environment that GitHub's runner gives a step of it."""

    clone: Path
    environment: dict[str, str]

    def run(self, block: str, code: int = 0, **more: str) -> str:
        """Run a block as `shell: bash` does, expect an exit code and return what it said."""
        step = BLOCKS[block]
        own = {name: EXPRESSIONS[value] for name, value in step.get("env", {}).items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.clone / step.get("working-directory", "."),
            env=self.environment | own | more,
            capture_output=True,
            text=True,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, f"{block}\n{said[-4000:]}"
        return said


@pytest.fixture(scope="module")
def pulled(project: Path, tmp_path_factory: pytest.TempPathFactory, newcomer: dict[str, str]) -> Path:
    """A clone after `repro`, which has nothing to run: the DVC remote has all of it."""
    clone = tmp_path_factory.mktemp("pulled") / "clone"
    subprocess.run(["git", "clone", "-q", project, clone], check=True)
    shutil.copytree(project.parent / "store", clone.parent / "store")
    said = Place(clone, newcomer).run("pipeline/repro")
    assert "Running stage" not in said and (clone / "build/native/tsad-edge").is_file(), said
    return clone


@pytest.fixture
def place(pulled: Path, newcomer: dict[str, str], tmp_path: Path) -> Place:
    """A copy of that clone, on a runner."""
    shutil.copytree(pulled, tmp_path / "clone", symlinks=True)
    return Place(tmp_path / "clone", newcomer | {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"), "CI": "true"})


def test_every_block_is_listed() -> None:
    assert sorted(BLOCKS) == sorted([*NOT_RUN, *SLOW, *RUN]) and len(NOT_RUN) <= 5
    assert len(BLOCKS) == len(list(steps(WORKFLOWS))), "two steps of a workflow have one name"


@pytest.mark.parametrize("block", [*SLOW, *RUN])
def test_every_listed_block_is_run_by_a_test_here(block: str) -> None:
    assert Path(__file__).read_text().count(f'.run("{block}"') >= 1


def test_repro_needs_neither_a_remote_nor_its_credentials(place: Place) -> None:
    config = place.clone / ".dvc/config"
    far = re.sub("url = .*", "url = s3://somebody-s-bucket/plant", config.read_text())
    config.write_text(far)
    said = place.run("pipeline/repro")
    assert "what is missing runs here" in said and "up to date" in said
    config.write_text(re.sub("remote = .*", "", far))
    said = place.run("deploy/repro")
    assert "remote" not in said and "up to date" in said


def test_the_report_is_written_summarised_and_compared(place: Place) -> None:
    place.run("pipeline/report")
    report = (place.clone / "build/report/report.md").read_text()
    assert report and (place.clone / "build/report/report.html").is_file()
    place.run("pipeline/summary")
    place.run("pipeline/summary")
    assert Path(place.environment["GITHUB_STEP_SUMMARY"]).read_text() == 2 * report, "it adds to what others wrote"
    assert "within the tolerances" in place.run("pipeline/compare")
    metrics = place.clone / "metrics.json"
    metrics.write_text(re.sub(r'"vus_pr": 0\.\d', '"vus_pr": 0.0', metrics.read_text(), count=1))
    assert "model.vus_pr is " in place.run("pipeline/compare", code=1)


def test_the_bundle_is_whole(place: Place, tmp_path: Path) -> None:
    (place.clone / "dist").mkdir()
    (place.clone / "dist/tsad_edge-0-py3-none-any.whl").write_bytes(b"a wheel")
    place.run("deploy/bundle")
    bundle = place.clone / "build/bundle"
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=bundle, check=True)
    assert (bundle / "tsad_edge-0-py3-none-any.whl").read_bytes() == b"a wheel"
    (archive,) = bundle.glob("tsad-edge-models-*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path)  # of our own making
    folder = tmp_path / archive.name.removesuffix(".tar.gz")
    series = place.clone / "build/check/pump-1.csv"
    says = [
        subprocess.run(
            [folder / "tsad-edge", "--model", at / "libm_pump_1.so", series], capture_output=True, check=True
        )
        for at in (folder, place.clone / "build/native")
    ]
    assert says[0].stdout == says[1].stdout and len(says[0].stdout.splitlines()) > 1000
    sources = [*folder.glob("m_pump_1/*.c"), *folder.glob("csrc/*.c"), *folder.glob("csrc/kernels/*.c")]
    headers = [f"-I{folder / name}" for name in ("csrc", "csrc/kernels", "m_pump_1")]
    subprocess.run([os.environ.get("CC", "cc"), "-std=c99", "-fsyntax-only", *headers, *sources], check=True)
    assert json.loads((folder / "check.json").read_text())["passed"]
    first = archive.read_bytes()
    place.run("deploy/bundle")
    assert archive.read_bytes() == first, "the same binaries give the same bytes"


def test_what_was_not_proven_is_not_packed(place: Place) -> None:
    check, good = place.clone / "check.json", (place.clone / "check.json").read_text()
    check.write_text(good.replace('"passed": true', '"passed": false', 1))
    assert "only what is proven is packed" in place.run("deploy/bundle", code=1)
    check.write_text(good.replace("pump-1", "pump-2"))
    assert "only what is proven is packed" in place.run("deploy/bundle", code=1)
    check.write_text(good)
    with (place.clone / "build/native/libm_pump_1.so").open("ab") as library:
        library.write(b"!")
    assert "run `dvc repro`" in place.run("deploy/bundle", code=1)
    assert not (place.clone / "build/bundle").exists()


def test_a_promoted_version_is_pulled_by_its_digest_and_rolled_out(
    place: Place, registry: str, cluster: Any, kubectl: str, tmp_path: Path
) -> None:
    reference = f"{registry}/plant/pump:v1.2.0"
    for command in (["push", reference], ["promote", reference, "--stage", "prod"]):
        subprocess.run(["tsad", "registry", *command], cwd=place.clone, env=place.environment, check=True)
    promoted = {"TSAD_REGISTRY": f"{registry}/plant", "GITHUB_REF_NAME": "pump#prod#1", "RUNNER_TEMP": str(tmp_path)}
    said = place.run("rollout/model", **promoted)
    assert "detectors pump-1, built" in said and f"{registry}/plant/pump:v1.2.0@sha256:" in said
    pulled = place.clone / "build/image/model/build/native/libm_pump_1.so"
    assert pulled.read_bytes() == (place.clone / "build/native/libm_pump_1.so").read_bytes()
    image = f"{registry}/plant/tsad@sha256:{64 * '1'}"
    (place.clone / "build/image/digest").write_text(f"{image}\n")
    said = place.run("rollout/cluster", KUBECONFIG_TEXT=cluster.kubeconfig.read_text(), **promoted)
    assert "successfully rolled out" in said
    assert cluster.sent()[-1]["body"]["spec"]["template"]["spec"]["containers"][0]["image"] == image
    subprocess.run(["git", "tag", "--delete", "pump@v1.2.0"], cwd=place.clone, check=True)
    assert "has no version of pump" in place.run("rollout/model", code=1, **promoted)


@pytest.mark.slow
def test_the_service_is_packed_for_its_image(place: Place, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    place.run("rollout/wheel", PATH=f"{tmp_path}/env/bin{os.pathsep}{place.environment['PATH']}")
    assert list((place.clone / "build/image/wheels").glob("tsad_edge-*.whl"))
    assert (place.clone / "build/image/constraints.txt").read_bytes() == (ROOT / "constraints.txt").read_bytes()
    subprocess.run([tmp_path / "env/bin/tsad", "registry", "pull", "--help"], check=True, capture_output=True)


def test_a_release_has_the_version_of_its_tag(place: Place) -> None:
    (version,) = re.findall('#define TSAD_VERSION "(.*)"', (ROOT / "csrc/tsad.h").read_text())
    place.run("release/version", GITHUB_REF_NAME=f"v{version}")
    for tag in (f"v{version}9", "v", version.replace(".", "x")):
        assert f"::error::the tag is {tag}" in place.run("release/version", code=1, GITHUB_REF_NAME=tag)


def test_a_release_has_one_list_of_checksums(place: Place) -> None:
    dist = place.clone / "dist"
    dist.mkdir()
    for name in ("a-cp311-linux_x86_64.whl", "a-cp311-manylinux_2_28_x86_64.whl", "a.tar.gz", "SHA256SUMS"):
        (dist / name).write_text(name)
    place.run("release/checksums")
    listed = {line.split()[1] for line in (dist / "SHA256SUMS").read_text().splitlines()}
    assert (
        listed == {"a-cp311-manylinux_2_28_x86_64.whl", "a.tar.gz"} == {p.name for p in dist.iterdir()} - {"SHA256SUMS"}
    )
    (dist / "a-cp311-manylinux_2_28_x86_64.whl").unlink()
    place.run("release/checksums", code=2)


@pytest.mark.slow
def test_the_generated_c_is_sanitized(place: Place) -> None:
    assert "nothing in 1 models" in place.run("pipeline/sanitizers")
    (program,) = place.clone.glob("csrc/generated/*/m_*.c")
    text = program.read_text()
    fault = "static const int two[2] = {1, 2}; volatile int at = 2; if (two[at] == 7) return;"
    broken = re.sub(r"(static void forward\([^)]*\) \{)", rf"\1 {fault}", text)
    assert broken != text, "the program has no such function: mend this test"
    program.write_text(broken)
    assert "index 2 out of bounds" in place.run("pipeline/sanitizers", code=1)


@pytest.mark.slow
def test_the_distributions_are_built(place: Place) -> None:
    place.run("deploy/distributions")
    assert {path.suffix for path in (place.clone / "dist").iterdir()} == {".whl", ".gz"}
    place.run("deploy/bundle")
    assert len(list((place.clone / "build/bundle").iterdir())) == 4


def test_every_wheel_of_a_release_is_tried(newcomer: dict[str, str], tmp_path: Path) -> None:
    """What cibuildwheel does with each, here with the package that is installed."""
    line = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["cibuildwheel"]["test-command"]
    command = ["sh", "-c", line.replace("{project}", str(ROOT))]
    subprocess.run(command, cwd=tmp_path, env=newcomer, check=True)


class GitHub(NamedTuple):
    """A server that speaks as much of GitHub's API as comments need (github_api.py)."""

    url: str

    def ask(self, path: str, method: str = "GET", tree: Any = None) -> Any:
        """What a person gets for an answer."""
        headers = {"Authorization": "token person"}
        data = None if tree is None else json.dumps(tree).encode()
        request = urllib.request.Request(f"{self.url}/{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def comments(self) -> list[str]:
        """All texts of pull request 7."""
        pages = [self.ask(f"repos/plant/pumps/issues/7/comments?per_page=100&page={page}") for page in (1, 2)]
        return [each["body"] for page in pages for each in page]


@pytest.fixture
def github() -> Iterator[GitHub]:
    if shutil.which("gh") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("gh is not installed; Debian's package is gh")
    command = [sys.executable, Path(__file__).with_name("github_api.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield GitHub(f"http://127.0.0.1:{int(server.stdout.readline())}")
        finally:
            server.terminate()


@pytest.fixture
def pull_request(github: GitHub, newcomer: dict[str, str], tmp_path: Path) -> Place:
    """A checkout on a runner, with a report to show."""
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    (tmp_path / "build/report").mkdir(parents=True)
    (tmp_path / "build/report/report.md").write_text("# The first\n")
    server = {"GITHUB_API_URL": github.url, "GITHUB_REPOSITORY": "plant/pumps"}
    return Place(tmp_path, newcomer | server)


def test_there_is_one_comment_and_it_is_updated(github: GitHub, pull_request: Place) -> None:
    mimic = "<!-- tsad report -->\nA person may write this, and keeps it."
    for text in [mimic, *map(str, range(100))]:  # more than a page
        github.ask("repos/plant/pumps/issues/7/comments", "POST", {"body": text})
    assert "written" in pull_request.run("pipeline/comment")
    (pull_request.clone / "build/report/report.md").write_text("@second `report` $HOME\n")
    assert "updated" in pull_request.run("pipeline/comment")
    before, ours = github.comments()[:-1], github.comments()[-1]
    assert before == [mimic, *map(str, range(100))]
    assert ours.startswith("<!-- tsad report -->\n@second `report` $HOME\n") and "https://example.org/run/1" in ours


def test_a_fork_may_only_read_and_that_is_no_failure(github: GitHub, pull_request: Place) -> None:
    assert "::notice::" in pull_request.run("pipeline/comment", GH_TOKEN="reader", GH_ENTERPRISE_TOKEN="reader")
    assert github.comments() == []


@pytest.mark.parametrize(
    ("more", "says"),
    [({"GH_ENTERPRISE_TOKEN": "nobody"}, "Bad credentials"), ({"GITHUB_REPOSITORY": "plant/none"}, "Not Found")],
)
def test_other_refusals_are_failures(pull_request: Place, more: dict[str, str], says: str) -> None:
    assert says in pull_request.run("pipeline/comment", code=1, **more)


def test_a_long_report_is_cut_between_lines(github: GitHub, pull_request: Place) -> None:
    row = "| \u00e4 | 0.8425 |"
    (pull_request.clone / "build/report/report.md").write_text("\n".join(["```", *[row] * 5000]))
    pull_request.run("pipeline/comment")
    (ours,) = github.comments()
    marker, opened, *rows, closed, empty, cut, end, link = ours.splitlines()
    assert (opened, closed, set(rows)) == ("```", "```", {row}) and len(rows) > 2000
    assert cut.startswith("Cut here") and "https://example.org/run/1" in link
