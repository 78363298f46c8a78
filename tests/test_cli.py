"""Every verb: help with an example that parses, JSON where it prints a table, errors that say the next step."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tsad_edge import cli

TABLES = ("doctor", "list", "registry list", "report")


@pytest.mark.parametrize("verb", cli.VERBS)
def test_help_has_an_example_that_parses(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([*verb.split(), "--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    example = shown.split("example:\n")[1].replace("\\\n", " ")
    name, *words = shlex.split(example)
    assert name == "tsad" and words[: len(verb.split())] == verb.split()
    assert cli.parser().parse_args(words).verb == words[0]
    with pytest.raises(SystemExit):
        cli.parser().parse_args([*words, "--no-such-option"])


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    shown = capsys.readouterr().out
    assert all(f"    {verb.split()[0]} " in shown for verb in cli.VERBS)


def test_what_prints_a_table_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert [verb for verb, row in cli.VERBS.items() if "--json" in row.options] == sorted(
        TABLES, key=list(cli.VERBS).index
    )
    assert cli.main(["list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert cli.main(["list"]) == 0
    text = capsys.readouterr().out
    assert {each["name"] for each in listed["data_sets"]} >= {"pump", "own", "NASA-MSL", "SWaT"}
    for name in [each["name"] for each in listed["data_sets"]] + list(listed["models"]) + listed["operators"]:
        assert name in text


def test_report_as_json_is_the_three_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").touch()
    assert cli.main(["report", "--json"]) == 1
    assert "metrics.json: not found; run `dvc repro`" in capsys.readouterr().err
    for name in ("metrics", "check", "cost"):
        Path(f"{name}.json").write_text(json.dumps({"is": name}))
    assert cli.main(["report", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {name: {"is": name} for name in ("metrics", "check", "cost")}


@pytest.mark.parametrize(
    ("arguments", "next_step"),
    [
        (["prepare"], "run this in the directory that holds params.yaml"),
        (["report"], "run this in the directory that holds params.yaml"),
        (["init", "new", "--csv", "none.csv"], "--csv names the file"),
        (["train", "--params", "other.yaml"], "other.yaml: not found"),
        (
            ["convert", "--weights", "w.pt2", "--window", "5", "--channels", "1", "--calibrate", "n.csv", "--out", "o"],
            "check prepare.csv in params.yaml, or the option that names the file",
        ),
    ],
)
def test_errors_say_the_next_step(arguments: list[str], next_step: str, tmp_path: Path, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"tsad {arguments[0]}: ") and next_step in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [[], ["inti"], ["init"], ["init", "x"], ["list", "--params", "p"], ["convert", "--out", "x"]]
)
def test_a_wrong_call_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2 and "usage: tsad" in capsys.readouterr().err


def test_help_loads_nothing() -> None:
    heavy = "{'numpy', 'yaml', 'tsad_edge.stages'}"
    code = f"import sys; from tsad_edge import cli; cli.parser(); print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr
