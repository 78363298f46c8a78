"""What the pipeline found, as one page of text: joins metrics.json, check.json and cost.json.

Owns the words and the layout; measures and reads nothing. No stage waits for another branch of the pipeline for its
sake: it runs after all of them.
"""

from __future__ import annotations

from typing import Any


def page(
    metrics: dict[str, Any], check: dict[str, Any], cost: dict[str, Any], times: dict[str, float], feed: str
) -> str:
    """The report.

    Parameters
    ----------
    metrics, check, cost : dict
        The three result files.
    times : dict
        What scored a sample -> microseconds per sample, one thread, measured in one run.
    feed : str
        The command that feeds a CSV to the compiled edge binary.

    Returns
    -------
    str
        Plain text, lines of at most 120 characters.
    """
    parts = [_faults(metrics), _floors(metrics), _proof(check), _cost(cost), _times(times)]
    parts.append(f"Feed a CSV to the compiled edge binary:\n  {feed}")
    return "\n\n".join(parts)


def table(rows: list[list[str]]) -> str:
    """A plain table: the first row is its head, the first column is aligned to the left, the others to the right.

    Examples
    --------
    >>> print(table([["kind", "found"], ["spike", "6 of 6"]]))
    kind    found
    spike  6 of 6
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    )


def _faults(metrics: dict[str, Any]) -> str:
    """Events found by kind, and what it cost in false alarms."""
    model = metrics["model"]
    if model is None:
        return f"No labels, so nothing to judge by; alarms by entity: {metrics['unlabelled_alarms']}"
    rows = [["kind", "found"]]
    rows += [[kind, f"{row['found']} of {row['events']}"] for kind, row in model["by_kind"].items()]
    return (
        f"Faults found at the label-free threshold, {model['entities']} entities, {model['samples']} samples\n"
        f"{_indent(table(rows))}\n"
        f"  false alarms: {model['false_alarms']} samples ({_number(model['false_alarms_per_1000'], 2)} per 1000 normal "
        f"ones), {model['lingering']} of them within a window after a fault;\n"
        f"  {model['false_alarm_events']} events that touch no fault"
    )


def _floors(metrics: dict[str, Any]) -> str:
    """The model beside the one-liners it must beat."""
    if metrics["model"] is None:
        return "No floors without labels"
    rows = [["", "AUC-PR", "F1"]]
    for name, row in {"model": metrics["model"], **metrics["floors"]}.items():
        rows.append([name, _number(row["auc_pr"], 3), _number(row["f1"], 3)])
    ours, best = (
        metrics["model"]["auc_pr"],
        max((row["auc_pr"] or 0.0, name) for name, row in metrics["floors"].items()),
    )
    verdict = (
        "nothing to rank"
        if ours is None
        else "every floor is beaten on AUC-PR"
        if ours > best[0]
        else f"NOT BETTER on AUC-PR than the floor {best[1]}"
    )
    return (
        f"Model and floors (AUC-PR: mean over entities; F1: point-wise, pooled, same threshold rule): {verdict}\n"
        + _indent(table(rows))
    )


def _proof(check: dict[str, Any]) -> str:
    """What check.json says."""
    lines = [
        f"The compiled C against PyTorch: {'PASSED' if check['passed'] else 'FAILED'}",
        f"  {check['samples']} samples of {check['entities']} entities; largest score error {check['max_score_error']:.2g}, "
        f"at most {check['largest_share_of_tolerance']:.0%} of its tolerance",
        f"  decisions flipped: {check['flipped_decisions']}; samples within the tolerance of the threshold: "
        f"{check['samples_in_band']}; events {'equal' if check['events_equal'] else 'equal but for ' + str(check['events_excused'])}",
    ]
    for key in ("entities_without_alarm", "degenerate_calibration", "failures"):
        if check[key]:
            lines.append(f"  {key.replace('_', ' ')}: {', '.join(map(str, check[key]))}")
    return "\n".join(lines)


def _cost(cost: dict[str, Any]) -> str:
    """Bytes and multiply-adds, an entity a line, at most ten."""
    rows = [["entity", "weights B", "code B", "RAM B", "multiply-adds"]]
    shown = list(cost["per_entity"].items())[:10]
    for entity, row in shown:
        mac = f"{row['mac_before']} -> {row['mac_after']}"
        code = "-" if row["code_bytes"] is None else str(row["code_bytes"])
        rows.append([entity, str(row["weight_bytes"]), code, str(row["memory_bytes"]), mac])
    more = len(cost["per_entity"]) - len(shown)
    return f"Cost of a detector ({cost['target']}, {cost['precision']})\n{_indent(table(rows))}" + (
        f"\n  and {more} more in cost.json" if more else ""
    )


def _times(times: dict[str, float]) -> str:
    """Microseconds, and how many times faster the first one is."""
    rows = [[what, f"{microseconds:.2f} us"] for what, microseconds in times.items()]
    ours, *others = times.values()
    ratio = f", {others[0] / ours:.0f} times faster" if others else ""
    return f"Time a sample takes, batch 1, one thread, measured now{ratio}\n{_indent(table(rows))}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _indent(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())
