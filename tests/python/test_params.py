"""params.yaml: unknown keys and wrong types are errors that name file, key and value."""

from pathlib import Path

import pytest

from tsad_edge.params import Params, load


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    return path


def test_empty_file_has_the_defaults(tmp_path: Path) -> None:
    assert load(write(tmp_path, "")) == Params()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("trian: {model: gan}", "unknown key 'trian'"),
        ("train: {modle: gan}", "unknown key 'train.modle'"),
        ("prepare: {csv: {tiem: x}}", "unknown key 'prepare.csv.tiem'"),
        ("train: {guard: {stuk: mark}}", "unknown key 'train.guard.stuk'"),
        ("seed: one", "seed is 'one'; it must be int"),
        ("seed: true", "seed is True"),
        ("prepare: {window: 50.5}", "prepare.window is 50.5"),
        ("prepare: {entities: [1, 2]}", r"prepare.entities is \[1, 2\]"),
        ("train: 5", "train must be a mapping"),
        ("train: {hyper: {epochs: 5}}", r"train.hyper is .*it must be dict\[str, dict\[str, Any\]\]"),
        ("a: [", "not valid YAML"),
    ],
)
def test_wrong_file(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=words) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_missing_file_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="run this in the directory"):
        load("nowhere.yaml")


def test_an_integer_is_a_float(tmp_path: Path) -> None:
    value = load(write(tmp_path, "check: {max_band_share: 1}")).check.max_band_share
    assert value == 1.0 and isinstance(value, float)
