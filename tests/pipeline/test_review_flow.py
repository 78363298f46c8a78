"""Branch, edit, repro, push, review, merge: the README's own lines, run by two people in two clones."""

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Run = Callable[..., str]


def lines(name: str) -> list[str]:
    """Commands of the README between <!-- flow-name --> and <!-- /flow-name -->, without their comments."""
    found = re.search(f"<!-- flow-{name} -->\n(.*?)<!-- /flow-{name} -->", (ROOT / "README.md").read_text(), re.S)
    assert found, f"README.md has no block flow-{name}"
    commands = (shlex.join(shlex.split(line, comments=True)) for line in found[1].splitlines())
    return [command for command in commands if command]


@pytest.mark.slow
def test_two_people_and_a_change(project: Path, tmp_path: Path, run: Run) -> None:
    run(f"git clone -q --bare {project} hub.git", tmp_path)
    shutil.copytree(project.parent / "store", tmp_path / "store")
    for who in ("author", "reviewer"):
        run(f"git clone -q hub.git {who}", tmp_path)
    author, reviewer = tmp_path / "author", tmp_path / "reviewer"
    for place in (author, reviewer):
        run("dvc pull", place)

    for line in lines("author"):
        run(line, author)
    said = {line: run(line, reviewer) for line in lines("review")}
    assert "Running stage" not in said["dvc repro"], "what was pushed is what these sources and parameters give"
    assert re.search(r"prepare\.window\s+50\s+40", said["dvc params diff main"])
    assert re.search(r"metrics.json\s+model\.auc_pr\s+[\d.]+\s+[\d.]+\s+-?[\d.]+", said["dvc metrics diff main"])
    page = (reviewer / "dvc_plots" / "index.html").read_text()
    assert "main_build_plots_pump-1.png" in page and '"rev": "main"' in page and '"rev": "workspace"' in page
    for line in lines("merge"):
        run(line, reviewer)

    for line in ("git switch -q main", "git pull -q", "dvc pull"):
        run(line, author)
    assert "Running stage" not in run("dvc repro", author)
    assert json.loads((author / "metrics.json").read_text()) == json.loads((reviewer / "metrics.json").read_text())
    assert "window: 40" in (author / "params.yaml").read_text()
    assert run("git status --porcelain", author) == ""
