"""What a detector takes of the host and of each board, from cost.json, and how much of it grew.

Owns which figures there are and what they are called; how they stand on a page belongs to `text` and `tables`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

Sizes: TypeAlias = dict[str, dict[str, dict[str, int | None]]]
"""Target -> entity -> figure -> its value; None where it was not measured, or the target has no such figure."""


class Figure(NamedTuple):
    """What it is called, and the keys of cost.json whose sum it is, of the host's rows and of a board's."""

    name: str
    host: tuple[str, ...] = ()
    board: tuple[str, ...] = ()


FIGURES = (
    Figure("flash B", ("weight_bytes", "table_bytes", "code_bytes"), ("flash_bytes",)),
    Figure("of it code B", ("code_bytes",), ("code_bytes",)),
    Figure("RAM B", ("memory_bytes",), ("static_bytes",)),
    Figure("worst stack B", board=("stack_worst_bytes",)),
    Figure("used stack B", board=("stack_used_bytes",)),
    Figure("multiply-adds", host=("mac_after",)),
    Figure("instructions", board=("instructions",)),
    Figure("M4 cycles (estimate)", board=("cycles",)),
)


def on_host(cost: Mapping[str, Any]) -> Sizes:
    """What the model libraries take.

    Examples
    --------
    >>> row = {"weight_bytes": 40, "table_bytes": 2, "code_bytes": 100, "memory_bytes": 9, "mac_after": 8}
    >>> found = on_host({"target": "host", "per_entity": {"a": row}})["host"]["a"]
    >>> found["flash B"], found["RAM B"], found["instructions"]
    (142, 9, None)
    """
    keys = {one.name: one.host for one in FIGURES}
    return {cost["target"]: _rows(cost, keys)}


def on_boards(cost: Mapping[str, Any]) -> Sizes:
    """What firmware takes; empty where cost.json names no board.

    Examples
    --------
    >>> on_boards({"boards": {"mine": {"per_entity": {"a": {"flash_bytes": 7}}}}})["mine"]["a"]["flash B"]
    7
    """
    keys = {one.name: one.board for one in FIGURES}
    return {board: _rows(tree, keys) for board, tree in cost.get("boards", {}).items()}


def measured(sizes: Sizes) -> list[str]:
    """Names of the figures that any row has, in their order."""
    rows = [row for per_entity in sizes.values() for row in per_entity.values()]
    return [one.name for one in FIGURES if any(row[one.name] is not None for row in rows)]


def only_in(these: Sizes, those: Sizes) -> list[str]:
    """Targets, and entities of shared targets, that `those` lack.

    Examples
    --------
    >>> only_in({"host": {"a": {}, "b": {}}, "mine": {"a": {}}}, {"host": {"a": {}}})
    ['b (host)', 'mine']
    """
    found = []
    for target, rows in these.items():
        found += [f"{name} ({target})" for name in rows if name not in those[target]] if target in those else [target]
    return found


def growth(now: int | None, then: int | None) -> str:
    """How much a figure grew.

    Examples
    --------
    >>> growth(110, 100), growth(100, 100), growth(5, None), growth(3, 0)
    ('+10.0 %', '0', '-', 'from 0')
    """
    if now is None or then is None:
        return "-"
    if now == then:
        return "0"
    return f"{(now - then) / then:+.1%}".replace("%", " %") if then else "from 0"


def _rows(tree: Mapping[str, Any], keys: Mapping[str, tuple[str, ...]]) -> dict[str, dict[str, int | None]]:
    return {entity: {name: _sum(row, keys[name]) for name in keys} for entity, row in tree["per_entity"].items()}


def _sum(row: Mapping[str, Any], keys: tuple[str, ...]) -> int | None:
    parts: list[Any] = [row.get(key) for key in keys]
    return None if not parts or None in parts else sum(parts)
