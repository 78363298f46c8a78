"""Schemathesis takes the OpenAPI document at its word: thousands of requests, with and against the schema."""

import subprocess
import sys
from pathlib import Path

from .conftest import Server

ALLOWED = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "404", "422", "5xx"]
"""
"""No JSON schema can say that there are as many times as samples, that they increase, or what is in a CSV: there 422 is
documented. The check not_a_server_error is another one, and stays."""


def schemathesis(server: Server, folder: Path, config: str, *options: str) -> subprocess.CompletedProcess[str]:
    file = folder / "schemathesis.toml"
    file.write_text(config)
    tool = Path(sys.executable).with_name("schemathesis")
    command = [tool, "--no-color", "--config-file", file, "run", f"{server.url}/openapi.json", "--seed", "1"]
    return subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True)


def test_the_service_does_what_its_schema_says(server: Server, tmp_path: Path) -> None:
    done = schemathesis(server, tmp_path, ALLOWED, "--max-examples", "300", "--checks", "all")
    assert done.returncode == 0, done.stdout + done.stderr
    seen = server.metrics()
    assert seen['tsad_requests_total{path="/score",status="200"}'] > 20, "most requests must get as far as a score"
    assert not [name for name in seen if name.startswith("tsad_requests_total") and 'status="5' in name]
    assert [line for line in server.lines() if line["level"] not in ("info", "warning")] == []


def test_what_is_allowed_above_would_be_seen(server: Server, tmp_path: Path) -> None:
    done = schemathesis(server, tmp_path, "", "--max-examples", "50")
    assert done.returncode == 1 and "Schema-valid request rejected" in done.stdout
    assert "1 unique failure" in done.stdout, "nothing else is to be excused"
