"""Directories and files that take their place whole, or not at all."""

from pathlib import Path

import pytest

from tsad_edge.files import read_json, replaced, write_json


def names(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


def test_new_directories_take_the_place_of_old_ones(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "stale").touch()
    with replaced(tmp_path / "a", tmp_path / "deep" / "b") as (a, b):
        (a / "fresh").touch()
        (b / "fresh").touch()
        assert names(tmp_path / "a") == ["stale"]
    assert names(tmp_path / "a") == names(tmp_path / "deep" / "b") == ["fresh"]
    assert names(tmp_path) == ["a", "deep"]


def test_work_that_fails_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "kept").touch()
    with pytest.raises(KeyboardInterrupt), replaced(tmp_path / "a") as (a,):
        (a / "half").touch()
        raise KeyboardInterrupt
    assert names(tmp_path) == ["a"] and names(tmp_path / "a") == ["kept"]


def test_leftovers_of_a_killed_process_do_no_harm(tmp_path: Path) -> None:
    for left in (".a.new", ".a.old", "a"):
        (tmp_path / left).mkdir()
        (tmp_path / left / "stale").touch()
    with replaced(tmp_path / "a") as (a,):
        (a / "fresh").touch()
    assert names(tmp_path) == ["a"] and names(tmp_path / "a") == ["fresh"]


def test_json_is_whole_or_not_there(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"schema": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"schema": object()})
    assert read_json(tmp_path / "a.json") == {"schema": 1}
    assert names(tmp_path) == ["a.json"]
