"""What every workflow must say: least rights, limits, pinned actions, plain scripts; tests/pipeline runs the blocks."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github/workflows").glob("*.yml")}


def test_blocks_are_plain_shell() -> None:
    """No expression is pasted into a script: the name of a branch could be a command."""
    for workflow in WORKFLOWS.values():
        for job in workflow["jobs"].values():
            for script in [step["run"] for step in job.get("steps", []) if "run" in step]:
                assert "${{" not in script
                subprocess.run(["bash", "-n", "-c", script], check=True)


def test_rights_limits_and_versions_are_stated() -> None:
    for name, workflow in WORKFLOWS.items():
        assert workflow["permissions"] == {"contents": "read"}, name
        assert "workflow_call" in workflow[True] or "concurrency" in workflow, name  # YAML reads `on` as true
        for job_name, job in workflow["jobs"].items():
            assert "uses" in job or job["timeout-minutes"] <= 60, f"{name}/{job_name}"
            for action in [job, *job.get("steps", [])]:
                uses = action.get("uses", "./")
                assert uses.startswith("./") or re.search(r"@v\d+(\.\d+)?$", uses), f"{name}: {uses}"
    writers = {
        f"{name}/{job_name}": {right for right, level in job["permissions"].items() if level == "write"}
        for name, workflow in WORKFLOWS.items()
        for job_name, job in workflow["jobs"].items()
        if "permissions" in job
    }
    assert writers == {"pipeline/comment": {"pull-requests"}, "release/publish": {"contents"}}


def test_a_malformed_workflow_bites(tmp_path: Path) -> None:
    """So test_newcomer.py looks at ours."""
    text = (ROOT / ".github/workflows/pipeline.yml").read_text()
    (tmp_path / "pipeline.yml").write_text(text.replace("timeout-minutes:", "timeout:", 1))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    assert subprocess.run([*command, tmp_path / "pipeline.yml"], capture_output=True).returncode == 1
