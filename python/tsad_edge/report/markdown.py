"""report.md: the verdict and the tables, for a review or a step summary. Owns Markdown and its escapes."""

from __future__ import annotations

from collections.abc import Sequence

from .tables import Table


def page(verdict: str, lines: Sequence[str], tables: Sequence[Table], folded: Sequence[Table], text: str) -> str:
    """The report in Markdown.

    Parameters
    ----------
    verdict : str
        The first line.
    lines : sequence of str
        What else is said before the tables.
    tables, folded : sequence of Table
        Tables to see at once, and tables to open.
    text : str
        The page of text, folded at the end.
    """
    parts = [f"**{escaped(verdict)}**", *map(escaped, lines)]
    parts += [f"### {escaped(table.title)}\n\n{written(table)}" for table in tables]
    parts += [_folded(escaped(table.title), written(table)) for table in folded]
    fence = "`" * 3
    while fence in text:
        fence += "`"
    return "\n\n".join([*parts, _folded("The page of text", f"{fence}\n{text}\n{fence}")]) + "\n"


def written(table: Table) -> str:
    """A table in Markdown: the first column to the left, others to the right.

    Examples
    --------
    >>> print(written(Table("Sizes", ["entity", "B"], [["a|b", "3"]], "Of the host.")))
    | entity | B |
    |:--|--:|
    | a\\|b | 3 |
    <BLANKLINE>
    Of the host.
    """
    rule = "|:--|" + "--:|" * (len(table.head) - 1)
    lines = [_row(table.head), rule, *map(_row, table.rows)] if table.rows else []
    return "\n".join(lines) + ("\n\n" if lines and table.note else "") + escaped(table.note)


def escaped(text: str) -> str:
    """Text that Markdown takes as it is: names come from files.

    Examples
    --------
    >>> escaped("a_b|<i>*c*</i>")
    'a\\\\_b\\\\|&lt;i>\\\\*c\\\\*&lt;/i>'
    """
    for sign in "\\`*_|[]":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.replace("<", "&lt;").split())


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(escaped, cells)) + " |"


def _folded(title: str, text: str) -> str:
    return f"<details>\n<summary>{title}</summary>\n\n{text}\n\n</details>"
