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
    parts = [_verdict(metrics), _faults(metrics), _floors(metrics), _proof(check), _cost(cost), _times(times)]
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


VERDICTS = {
    "beats": "The model beats every floor on VUS-PR",
    "loses": "The model is WORSE than a floor on VUS-PR",
    "not distinguishable": "The model is NOT distinguishable from a floor on VUS-PR",
}


def _verdict(metrics: dict[str, Any]) -> str:
    """The first line: is the model worth its bytes?"""
    if metrics["model"] is None:
        alarms = ", ".join(f"{entity} {count}" for entity, count in metrics["unlabelled_alarms"].items())
        return f"No labels, so nothing to judge by; samples with an alarm: {alarms}"
    if metrics["verdict"] is None:
        return f"Nothing to rank: {metrics['model']['reason']}"
    model, best = metrics["model"], metrics["floors"][metrics["best_floor"]]
    return (
        f"{VERDICTS[metrics['verdict']]}: {_span(model, 'vus_pr')} against {_span(best, 'vus_pr')} "
        f"of {metrics['best_floor']}"
    )


def _faults(metrics: dict[str, Any]) -> str:
    """Events found by kind, and what it cost in false alarms."""
    model, promised = metrics["model"], metrics["false_alarms"]
    if model is None:
        return f"False alarms wanted: {promised['wanted']}; the calibration lets expect {_rates(promised, 'expected')}"
    rows = [["kind", "found"]]
    rows += [[kind, f"{row['found']} of {row['events']}"] for kind, row in model["by_kind"].items()]
    supported, wanted = promised["supported_per_1000"], promised["wanted_per_1000"]
    lines = [
        f"Events found at the label-free threshold, {model['entities']} entities, {model['samples']} samples judged",
        f"  ({model['unscored']} are not: the window was filling, or a value was missing)",
        _indent(table(rows)),
        f"  median delay {_number(model['delay_samples'], 0)} samples; event F1 {_number(model['event_f1'], 3)}",
        f"  false alarms wanted: {promised['wanted']}",
        f"    expected, from normal data held back: {_rates(promised, 'expected')}",
        f"    found in the test:                    {_rates(model, 'false_alarm')}",
        f"    {model['lingering']} of {model['false_alarms']} samples lie in the window after an event, which still "
        "holds its samples",
    ]
    if supported > wanted:
        lines.append(f"    NOT supported: the calibration can promise no less than {supported:.3g} per 1000 samples")
    if promised["extrapolated"]:
        lines.append(
            f"    extrapolated beyond what was measured, by a fitted tail: {', '.join(promised['extrapolated'])}"
        )
    return "\n".join(lines)


def _rates(found: dict[str, Any], what: str) -> str:
    """A rate in samples and in events, per 1000 and, where the sampling period is known, per day."""
    samples, events = ("false_alarms", "false_alarm_events") if what == "false_alarm" else (what, f"{what}_events")
    text = (
        f"{_number(found[f'{samples}_per_1000'], 2)} samples, {_number(found[f'{events}_per_1000'], 2)} events per 1000"
    )
    if found[f"{samples}_per_day"] is not None:
        text += f"; {found[f'{samples}_per_day']:.3g} samples, {found[f'{events}_per_day']:.3g} events per day"
    return text


def _floors(metrics: dict[str, Any]) -> str:
    """The model beside the floors it must beat."""
    if metrics["model"] is None:
        return "Floors: nothing to compare without labels"
    rows = [["", "VUS-PR", "95 %", "the model", "AUC-PR", "F1", "event F1", "not for ranking"]]
    for name, row in {"model": metrics["model"], **metrics["floors"]}.items():
        against = row["against"]["vus_pr"]["verdict"] if "against" in row else ""
        figures = [_number(row[key], 3) for key in ("auc_pr", "f1", "event_f1", "point_adjusted_f1")]
        rows.append([name, _number(row["vus_pr"], 3), _interval(row, "vus_pr"), against, *figures])
    buffers = sorted({row["vus_buffer"] for row in metrics["per_entity"].values() if row["vus_buffer"] is not None})
    ends = " to ".join(str(buffer) for buffer in dict.fromkeys((buffers[0], buffers[-1]))) if buffers else "-"
    model = metrics["model"]
    return "\n".join(
        [
            "Model and floors, which share its data, windows, scaling and threshold rule",
            _indent(table(rows)),
            f"  VUS-PR (buffer {ends}) and AUC-PR: means over {model['ranked_entities']} entities; F1: pooled counts",
            "  at the label-free thresholds. 95 %: bootstrap over entities; the model beats a floor where the paired",
            "  interval excludes 0. Not for ranking: point-adjusted F1 at the best threshold by the labels, by which",
            f"  random numbers reach {_number(metrics['floors']['random']['point_adjusted_f1'], 3)}",
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


def _interval(row: dict[str, Any], key: str) -> str:
    interval = row["intervals"][key]
    return "-" if interval is None else f"{interval[0]:.3f}-{interval[1]:.3f}"


def _span(row: dict[str, Any], key: str) -> str:
    """A figure with its interval."""
    interval = _interval(row, key)
    return _number(row[key], 3) + ("" if interval == "-" else f" ({interval})")


def _indent(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())
