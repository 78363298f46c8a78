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
        alarms = ", ".join(f"{entity} {count}" for entity, count in metrics["unlabelled_alarms"].items())
        return f"No labels, so nothing to judge by; samples with an alarm: {alarms}"
    rows = [["kind", "found"]]
    rows += [[kind, f"{row['found']} of {row['events']}"] for kind, row in model["by_kind"].items()]
    rate, wanted = _number(model["false_alarms_per_1000"], 2), metrics["wanted_false_alarms_per_1000"]
    supported = metrics["supported_false_alarms_per_1000"]
    limits = f"{wanted:g} were wanted" + (
        f", the calibration supports no less than {supported:.2f}" if supported > wanted else ""
    )
    return "\n".join(
        [
            f"Faults found at the label-free threshold, {model['entities']} entities, {model['samples']} samples",
            _indent(table(rows)),
            f"  false alarms: {model['false_alarms']} samples, {rate} per 1000 normal ones; {limits}",
            f"    {model['lingering']} of them in the window after a fault, which still holds its samples",
            f"    {model['false_alarm_events']} events touch no fault",
        ]
    )


def _floors(metrics: dict[str, Any]) -> str:
    """The model beside the one-liners it must beat."""
    if metrics["model"] is None:
        return "Floors: nothing to compare without labels"
    rows = [["", "AUC-PR", "F1"]]
    for name, row in {"model": metrics["model"], **metrics["floors"]}.items():
        rows.append([name, _number(row["auc_pr"], 3), _number(row["f1"], 3)])
    verdicts = []
    for text, key in (("AUC-PR", "auc_pr"), ("F1", "f1")):
        ours = metrics["model"][key] or 0.0
        unbeaten = [name for name, row in metrics["floors"].items() if (row[key] or 0.0) >= ours]
        verdicts.append(
            f"on {text} " + (f"NOT better than {', '.join(unbeaten)}" if unbeaten else "every floor is beaten")
        )
    return "\n".join(
        [
            f"Model and floors: {'; '.join(verdicts)}",
            _indent(table(rows)),
            "  AUC-PR: mean over entities; F1: point-wise, pooled, thresholds by one rule without labels",
        ]
    )


def _proof(check: dict[str, Any]) -> str:
    """What check.json says."""
    share, excused = check["largest_share_of_tolerance"], check["events_excused"]
    lines = [
        f"The compiled C against PyTorch: {'PASSED' if check['passed'] else 'FAILED'}",
        f"  {check['samples']} samples of {check['entities']} entities",
        f"  largest score error {check['max_score_error']:.2g}; at most {share:.0%} of a sample's tolerance",
        f"  decisions flipped: {check['flipped_decisions']}; samples within tolerance of the threshold: "
        f"{check['samples_in_band']}",
        f"  events: {'equal' if check['events_equal'] else f'equal but for {excused}'}",
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
