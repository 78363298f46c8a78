"""report.html: one file that opens from disk, with every table and every picture. Owns HTML and its escapes.

plotly.js is in the file once. A policy in its head forbids the browser to fetch anything.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from importlib.resources import files

from plotly.offline import get_plotlyjs

from . import figures
from .figures import Picture
from .seen import Finding, Seen
from .tables import Table, findings

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "form-action 'none'; base-uri 'none'"
)


class Page:
    """Parts of a page; pictures are numbered and their data kept apart, to be drawn when they are first seen.

    Parameters
    ----------
    entities : iterable of str
        Those that have a section; a finding of theirs gets a button that shows it.

    Examples
    --------
    >>> page = Page(["a"])
    >>> page.table(Table("Sizes", ["", "B"], [["a<b", "3"]]))
    >>> "a&lt;b" in page.html("title")
    True
    """

    def __init__(self, entities: Iterable[str]) -> None:
        self._sections = {entity: f"entity-{number}" for number, entity in enumerate(entities, 1)}
        self._parts: list[str] = []
        self._pictures = 0

    def raw(self, text: str) -> None:
        """HTML, as it is."""
        self._parts.append(text)

    def text(self, tag: str, words: str, css: str = "") -> None:
        """An element that holds nothing but words."""
        start = f'<{tag} class="{css}">' if css else f"<{tag}>"
        self.raw(f"{start}{html.escape(words)}</{tag}>")

    def table(self, table: Table, tag: str = "h2", css: str = "") -> None:
        """A table below its heading; its rows' findings get a button that shows them in their timeline."""
        self.text(tag, table.title)
        if table.rows:
            right = [_numbers([row[i] for row in table.rows]) for i in range(len(table.head))]
            head = "".join(_cell("th", word, wide) for word, wide in zip(table.head, right, strict=True))
            body = "".join(self._row(table, number, right) for number in range(len(table.rows)))
            more = "<th></th>" if table.findings else ""
            self.raw(f'<div class="wide"><table class="{css}"><tr>{more}{head}</tr>{body}</table></div>')
        if table.note:
            self.text("p", table.note, "note")

    def picture(self, picture: Picture, title: str, note: str = "", css: str = "", tag: str = "h3") -> None:
        """A plot, or the sentence that stands in its place."""
        self.raw("<div>")
        self.text(tag, title)
        if isinstance(picture, str):
            self.text("p", picture, "note")
        else:
            self._pictures += 1
            name = f"figure-{self._pictures}"
            picture.layout.template = None  # the page has its own
            data = picture.to_json().replace("<", "\\u003c")  # no name can end the script
            self.raw(f'<div class="plot {css}" data-figure="{name}"></div>')
            self.raw(f'<script type="application/json" id="{name}">{data}</script>')
            if note:
                self.text("p", note, "note")
        self.raw("</div>")

    def entity(self, seen: Seen, counts: Table | None, most: int, opened: bool) -> None:
        """All about one entity, in a section that opens."""
        told = ", ".join(_counted([one.outcome for one in seen.findings])) or "no event, no alarm"
        self.raw(f'<details id="{self._sections[seen.entity]}"{" open" if opened else ""}>')
        self.text("summary", f"{seen.entity}: {told}")
        drawn = f"Drawn are the lowest and the highest of every {-(-len(seen.t) // (most // 2))} scores. "
        note = (drawn if len(seen.t) > most else "") + "Drag to zoom, double click for all; by touch, use the buttons."
        self.picture(figures.timeline(seen, most), "Scores, events and alarms", note, "timeline")
        self.table(findings("Events and alarms, the worst first", seen.findings), "h3")
        self.raw('<div class="pair">')
        if counts is not None:
            self.raw("<div>")
            self.table(counts, "h3", "matrix")
            self.raw("</div>")
        note = "Dotted: what random numbers reach."
        self.picture(figures.precision_recall(seen), "Precision and recall", note)
        self.picture(figures.histogram(seen), "Scores")
        self.picture(figures.training(seen), "Training")
        self.picture(figures.top_channels(seen), "Top channels")
        note = (
            "Of samples with about the same margin, the largest error. Only above the dashed line can a decision flip."
        )
        self.picture(figures.error_margin(seen), "Score error and margin", note)
        self.raw("</div></details>")

    def html(self, title: str) -> str:
        """The whole file."""
        here = files(__package__)
        style, script = (here.joinpath(f"page.{kind}").read_text("utf-8") for kind in ("css", "js"))
        head = (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
            f"<style>{style}</style></head><body>"
        )
        without = "<noscript><p>The plots need JavaScript; the tables do not.</p></noscript>"
        body = "\n".join(self._parts)
        return f"{head}{without}{body}<script>{get_plotlyjs()}</script><script>{script}</script></body></html>\n"

    def _row(self, table: Table, number: int, right: Sequence[bool]) -> str:
        cells = "".join(_cell("td", cell, wide) for cell, wide in zip(table.rows[number], right, strict=True))
        if not table.findings:
            return f"<tr>{cells}</tr>"
        one = table.findings[number]
        return f'<tr class="{one.outcome.split()[0]}"><td class="show">{self._button(one)}</td>{cells}</tr>'

    def _button(self, one: Finding) -> str:
        start, end = one.view
        section = self._sections[one.entity]
        return f'<button data-section="{section}" data-from="{start}" data-to="{end}">show</button>'


def _cell(tag: str, text: str, number: bool) -> str:
    return f'<{tag} class="number">{html.escape(text)}</{tag}>' if number else f"<{tag}>{html.escape(text)}</{tag}>"


def _counted(outcomes: Sequence[str]) -> list[str]:
    """How many of each, in their order."""
    counts = {name: outcomes.count(name) for name in dict.fromkeys(outcomes)}
    return [f"{count} {name}{'s' if count > 1 and name.endswith('alarm') else ''}" for name, count in counts.items()]


def _numbers(cells: Sequence[str]) -> bool:
    """Whether a column stands to the right: numbers, or none known, and not only the latter."""
    known = [cell for cell in cells if cell not in {"-", "new", "beyond measure"}]
    return bool(known) and all(re.fullmatch(r"[-+]?[\d.]+(e[-+]\d+)?( ?%)?( \(.*\))?", cell) for cell in known)
