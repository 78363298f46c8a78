"""A page of text: what the pipeline found, or what `tsad convert` made of a model that was brought along.

Owns the words and the layout; measures and reads nothing. The pipeline's page joins three result files: no stage waits
for another branch of the pipeline for its sake, since it runs after all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .sizes import measured, on_boards

FEED = "Feed a CSV to the compiled edge binary:"


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
    parts = [verdict(metrics), _alarms(metrics), _floors(metrics), _proof(check), _cost(cost), _times(times)]
    parts.append(f"{FEED}\n  {feed}")
    return "\n\n".join(parts)


def converted(
    out: str, files: list[str], detector: dict[str, Any], cost: dict[str, Any], check: dict[str, Any] | None, feed: str
) -> str:
    """What `tsad convert` made of a model that was brought along.

    Parameters
    ----------
    out, files : str, list of str
        The folder, and what is in it.
    detector, cost, check : dict
        The JSON files there; no check is None.
    feed : str
        The command that feeds a CSV to the edge binary.

    Returns
    -------
    str
        Plain text.
    """
    alarms = detector["false_alarms"]
    lines = [
        f"Threshold {detector['threshold']:.6g} by {alarms['method']}, from {detector['calibration_samples']} scores "
        "of normal data",
        f"  false alarms wanted: {alarms['wanted']}",
        f"  expected, from these scores: {alarms['expected_per_1000']:.3g} samples, "
        f"{alarms['expected_events_per_1000']:.3g} events per 1000; so many scores can tell "
        f"{alarms['supported_per_1000']:.3g} from none",
    ]
    if alarms["note"]:
        lines.append(f"  {alarms['note']}; quantile took its place")
    if detector["degenerate_calibration"]:
        lines.append("  the highest of these scores tie: the threshold says 'higher than ever seen', not a rate")
    if alarms["extrapolated"]:
        lines.append("  extrapolated: the rate is lower than so many scores can support")
    unproven = (
        "The compiled C against PyTorch: NOT CHECKED, nothing is proven yet\n"
        "  --check test.csv runs it over a whole CSV and compares scores, decisions and events"
    )
    proof = _proof(check) if check else unproven
    written = f"Written to {out}\n  {', '.join(files)}"
    return "\n\n".join([written, "\n".join(lines), _cost(cost), proof, f"{FEED}\n  {feed}"])


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
    "loses": "The model LOSES to a floor on VUS-PR",
    "not distinguishable": "The model is NOT distinguishable from a floor on VUS-PR",
}


def verdict(metrics: dict[str, Any]) -> str:
    """The first line: is the model worth its bytes?"""
    model = metrics["model"]
    if model is None:
        return "No labels, so nothing to judge the model by"
    if metrics["verdict"] is None:
        return f"Nothing to rank the model by: {model['reason']}"
    rival = metrics["floors"][metrics["rival"]]
    spans = f"{span(model, 'vus_pr')} against {span(rival, 'vus_pr')} of {metrics['rival']}"
    return f"{VERDICTS[metrics['verdict']]}: {spans}"


def _alarms(metrics: dict[str, Any]) -> str:
    """Events found by kind, and what was promised and what came true about false alarms."""
    model, lines = metrics["model"], []
    if model is not None:
        rows = [["kind", "found"]]
        rows += [[kind, f"{row['found']} of {row['events']}"] for kind, row in model["by_kind"].items()]
        lines += [
            f"Events found at the label-free threshold; {model['entities']} entities, {model['samples']} samples",
            f"  ({model['unscored']} more are not: the window was filling, or a value was missing)",
            _indent(table(rows)),
            f"  median delay {number(model['delay_samples'], 0)} samples; precision {number(model['precision'], 3)}, "
            f"recall {number(model['recall'], 3)} of samples, {number(model['event_recall'], 3)} of events",
        ]
    for entity, row in metrics["unlabelled"].items():
        lines.append(
            f"{entity}, without labels: {row['alarms']} of {row['samples']} samples give an alarm, in "
            f"{row['alarm_events']} events ({row['unscored']} more have no score)"
        )
    promised = metrics["false_alarms"]
    lines += [
        f"  false alarms wanted: {promised['wanted']}",
        f"    above the threshold when it was set: {_rates(promised, 'expected', 'expected_events')}",
        f"    the calibration can promise no less than {promised['supported_per_1000']:.3g} samples per 1000",
    ]
    if model is not None:
        lines += [
            f"    found in the test: {_rates(model, 'false_alarms', 'false_alarm_events')}",
            f"    of these samples {model['lingering']} of {model['false_alarms']} lie in the window after an event, "
            "which still holds its samples",
        ]
    told = {
        "NOT supported: so few scores cannot promise the wanted rate": promised["unsupported"],
        "extrapolated beyond what was measured, by a fitted tail": promised["extrapolated"],
        **{f"by quantile, since {note}": [entity] for entity, note in promised["notes"].items()},
    }
    lines += [f"    {text}: {some(entities)}" for text, entities in told.items() if entities]
    return "\n".join(lines)


def _rates(found: dict[str, Any], samples: str, events: str) -> str:
    """A rate in samples and in events, per 1000 and, where the sampling period is known, per day."""
    text = (
        f"{number(found[f'{samples}_per_1000'], 2)} samples, {number(found[f'{events}_per_1000'], 2)} events per 1000"
    )
    if found[f"{samples}_per_day"] is not None:
        text += f"; {found[f'{samples}_per_day']:.0f} samples, {found[f'{events}_per_day']:.0f} events per day"
    return text


def _floors(metrics: dict[str, Any]) -> str:
    """The model beside the floors it must beat."""
    if metrics["model"] is None:
        return "Floors: nothing to compare without labels"
    rows = [["", "VUS-PR", "95 %", "the model", "AUC-PR", "F1", "composite F1", "not for ranking"]]
    for name, row in {"model": metrics["model"], **metrics["floors"]}.items():
        against = row["against"]["vus_pr"]["verdict"] if "against" in row and metrics["verdict"] else ""
        figures = [number(row[key], 3) for key in ("auc_pr", "f1", "composite_f1", "point_adjusted_f1")]
        rows.append([name, number(row["vus_pr"], 3), interval(row, "vus_pr"), against, *figures])
    buffers = sorted({row["vus_buffer"] for row in metrics["per_entity"].values() if row["vus_buffer"] is not None})
    ends = " to ".join(str(buffer) for buffer in dict.fromkeys((buffers[0], buffers[-1]))) if buffers else "-"
    model, random = metrics["model"], metrics["floors"]["random"]["point_adjusted_f1"]
    lines = [
        "Model and floors, which share its data, windows, scaling and threshold rule",
        _indent(table(rows)),
        f"  VUS-PR (buffer {ends}) and AUC-PR: means over {model['ranked_entities']} entities; F1: pooled counts, at",
        "  the label-free thresholds; composite: precision of samples with recall of events. 95 %: over entities; a",
        "  floor is beaten where the paired interval lies above 0. Not for ranking: point-adjusted F1 at the best",
        f"  threshold by the labels, of which random numbers reach {number(random, 3)}",
    ]
    reasons: dict[str, list[str]] = {}
    for entity, row in metrics["per_entity"].items():
        if row["reason"]:
            reasons.setdefault(row["reason"], []).append(entity)
    return "\n".join(lines + [f"  {reason}: {some(entities)}" for reason, entities in reasons.items()])


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
            lines.append(f"  {key.replace('_', ' ')}: {some(list(map(str, check[key])))}")
    if told := boards_told(check):
        lines.append(f"  firmware, against the edge binary: {told}")
    return "\n".join(lines + _integers(check["s8"])) if "s8" in check else "\n".join(lines)


def _integers(s8: dict[str, Any]) -> list[str]:
    """What check.json says of detectors in integers."""
    rows = s8["per_entity"]
    differing = sum(len(row["differing"]) for row in rows.values())
    stays = [f"{name}: {', '.join(row['stays_float32'])}" for name, row in rows.items() if row["stays_float32"]]
    saturated = sum(sum(row["saturated"].values()) for row in rows.values())
    volumes = s8["vus_pr"]
    lines = [
        f"The C in integers (s8) against PyTorch: {'PASSED' if s8['passed'] else 'FAILED'}",
        f"  F1 of its events {s8['event_f1']:.3f}, {differing} on one side only; mean VUS-PR "
        f"{number(volumes['s8'], 3)}, PyTorch's {number(volumes['pytorch'], 3)}",
        f"  values that saturated: {saturated}; operators that stay float32: {some(stays) if stays else 'none'}",
    ]
    if s8["failures"]:
        lines.append(f"  failures: {some(s8['failures'])}")
    if told := boards_told(s8):
        lines.append(f"  firmware, against the edge binary: {told}")
    return lines


def boards_told(check: Mapping[str, Any]) -> str:
    """Which boards' firmware decided as the edge binary did, and of which entities the others did not; "" for none.

    Examples
    --------
    >>> same = {"scores_equal": True, "decisions_equal": True, "events_equal": True}
    >>> boards_told({"per_entity": {"a": {"boards": {"one": same, "two": {**same, "scores_equal": False}}}}})
    'identical on one; NOT on two (a: scores)'
    """
    differs: dict[str, list[str]] = {}
    for entity, row in check["per_entity"].items():
        for board, told in row.get("boards", {}).items():
            wrong = [what for what in ("scores", "decisions", "events") if not told[f"{what}_equal"]]
            differs.setdefault(board, []).extend([f"{entity}: {' and '.join(wrong)}"] if wrong else [])
    same = [board for board, wrong in differs.items() if not wrong]
    parts = [f"identical on {', '.join(same)}"] if same else []
    return "; ".join(parts + [f"NOT on {board} ({some(wrong)})" for board, wrong in differs.items() if wrong])


def _cost(cost: dict[str, Any]) -> str:
    """Bytes and work, a table a target: the host's, and that of each board's firmware."""
    rows = {}
    for entity, row in cost["per_entity"].items():
        code = "-" if row["code_bytes"] is None else str(row["code_bytes"])
        mac = f"{row['mac_before']} -> {row['mac_after']}"
        rows[entity] = [str(row["weight_bytes"]), code, str(row["memory_bytes"]), mac]
    head = ["weights B", "code B", "RAM B", "multiply-adds"]
    parts = [_costs(f"Cost of a detector ({cost['target']})", head, rows)]
    for board, sizes in on_boards(cost).items():
        tree, shown = cost["boards"][board], measured({board: sizes})
        counted = "" if tree["counted_on"] == board else f"; instructions counted on {tree['counted_on']}"
        rows = {entity: [number(row[name], 0) for name in shown] for entity, row in sizes.items()}
        parts.append(_costs(f"Cost of its firmware ({board}, {tree['core']}{counted})", shown, rows))
    return "\n\n".join(parts)


def _costs(title: str, head: list[str], rows: dict[str, list[str]]) -> str:
    """An entity a line, at most ten."""
    shown = [["entity", *head], *([entity, *cells] for entity, cells in list(rows.items())[:10])]
    more = len(rows) + 1 - len(shown)
    return f"{title}\n{_indent(table(shown))}" + (f"\n  and {more} more in cost.json" if more else "")


def _times(times: dict[str, float]) -> str:
    """Microseconds, and how many times faster the first one is."""
    rows = [[what, f"{microseconds:.2f} us"] for what, microseconds in times.items()]
    ours, *others = times.values()
    ratio = f", {others[0] / ours:.0f} times faster" if others else ""
    return f"Time a sample takes, batch 1, one thread, measured now{ratio}\n{_indent(table(rows))}"


def number(value: float | None, digits: int) -> str:
    """A figure; "-" for one that the data cannot give."""
    return "-" if value is None else f"{value:.{digits}f}"


def some(names: list[str]) -> str:
    """The first few names."""
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def interval(row: dict[str, Any], key: str) -> str:
    """The 95 % interval of a figure, "-" where it has none."""
    ends = row["intervals"][key]
    return "-" if ends is None else f"{ends[0]:.3f}-{ends[1]:.3f}"


def span(row: dict[str, Any], key: str) -> str:
    """A figure with its interval."""
    ends = interval(row, key)
    return number(row[key], 3) + ("" if ends == "-" else f" ({ends})")


def _indent(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())
