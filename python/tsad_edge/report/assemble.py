"""The two pages of a report, from everything the pipeline left: which table and which picture stands where.

Owns their order. Reads and writes no file: `stages` knows where files lie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import figures, markdown, tables
from .compare import Other, changes
from .html import Page
from .seen import Seen, worst_entities, worst_first
from .text import verdict


def pages(
    metrics: dict[str, Any],
    check: dict[str, Any],
    cost: dict[str, Any],
    seen: Sequence[Seen],
    families: Mapping[str, str],
    seed: int,
    text: str,
    other: Other | None = None,
) -> tuple[str, str]:
    """report.md and report.html.

    Parameters
    ----------
    metrics, check, cost : dict
        The three result files.
    seen : sequence of Seen
        Every entity's series.
    families : mapping of str to str
        Entity -> the recording it is from.
    seed : int
        Of the bootstrap of differences.
    text : str
        The page of text.
    other : Other, optional
        The revision to compare with.

    Returns
    -------
    tuple of str
        Markdown and HTML.
    """
    order, labelled = worst_entities(seen), metrics["model"] is not None
    first, proven = verdict(metrics), _proven(check)
    compared = tables.against(changes(metrics, other.metrics, families, seed), other) if other else None
    found = worst_first(one for each in seen for one in each.findings)
    names = [each.entity for each in order]
    judged = [tables.floors(metrics), tables.kinds(metrics, other)] if labelled else []
    per_entity, worst = tables.entities(metrics, names, other), tables.worst(found)
    cost_table, proof = tables.cost(cost, other), tables.proof(check, other)

    above = [*([compared] if compared else []), cost_table]
    written = markdown.page(first, [proven], above, [*judged, per_entity, *worst, proof], text)

    page = Page(names)
    page.text("h1", first)
    page.text("p", proven, "passed" if check["passed"] else "failed")
    if compared:
        page.table(compared)
    if labelled:
        page.picture(figures.standing(metrics, other), "The model and what it must beat", tag="h2")
        for table in judged:
            page.table(table)
        page.table(tables.confusion(metrics["model"], "Samples by label and decision"), css="matrix")
    for table in worst:
        page.table(table)
    for table in (per_entity, cost_table, proof):
        page.table(table)
    page.text("h2", "Entity by entity")
    most = figures.points(len(seen))
    for number, one in enumerate(order):
        row = metrics["per_entity"].get(one.entity)
        counts = tables.confusion(row, "Samples by label and decision") if row else None
        page.entity(one, counts, most, opened=number == 0)
    page.raw("<details>")
    page.text("summary", "The page of text")
    page.text("pre", text)
    page.raw("</details>")
    return written, page.html(first)


def _proven(check: Mapping[str, Any]) -> str:
    """The proof in a line."""
    if check["passed"]:
        return (
            f"The compiled C decides like PyTorch on all {check['samples']} samples of {check['entities']} entities; "
            f"its scores are within {check['largest_share_of_tolerance']:.0%} of their tolerance."
        )
    return f"The compiled C does NOT decide like PyTorch: {check['failures'][0]}"
