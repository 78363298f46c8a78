"""The pictures of a report, as plotly figures. Owns plotly, colours and how much is drawn; what is true is `seen`'s.

A picture that the data cannot give is a sentence that says why.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from .compare import Other
from .seen import FALSE, FOUND, MISSED, UNJUDGED, Seen
from .thin import thinned, worst_of

Picture: TypeAlias = go.Figure | str

BLUE, ORANGE, GREEN, RED, PURPLE, GREY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#aa4499", "#777777"
"""Told apart by colour-blind eyes, too (Okabe and Ito)."""

BUDGET = 90_000
"""Samples of score drawn in a whole report."""
BINS = 60
CURVE = 300
"""Points of a curve or of a cloud."""


def points(entities: int) -> int:
    """Samples drawn of each entity's scores, so that a report of many stays a file one can open.

    Examples
    --------
    >>> points(3), points(22), points(250)
    (6000, 4090, 400)
    """
    return max(400, min(6000, BUDGET // entities))


def standing(metrics: Mapping[str, Any], other: Other | None) -> Picture:
    """VUS-PR of model, floors and the other revision's model, with 95 % intervals."""
    rows = {"model": metrics["model"], **metrics["floors"]}
    if other and (then := other.metrics.get("model")) and "vus_pr" in then:
        rows = {"model": metrics["model"], f"model, {other.name}": then, **metrics["floors"]}
    known = {name: row for name, row in rows.items() if row["vus_pr"] is not None}
    if not known:
        return f"Nothing to rank: {metrics['model']['reason']}."
    figure = go.Figure()
    for name, row in reversed(known.items()):
        ends = row["intervals"]["vus_pr"] or [row["vus_pr"]] * 2
        bars = {"array": [ends[1] - row["vus_pr"]], "arrayminus": [row["vus_pr"] - ends[0]], "thickness": 2}
        colour = BLUE if name == "model" else ORANGE if name.startswith("model, ") else GREY
        figure.add_scatter(
            x=[row["vus_pr"]],
            y=[html.escape(name)],
            error_x={"type": "data", "symmetric": False, **bars},
            marker={"size": 10, "color": colour},
            mode="markers",
        )
    figure.update_layout(showlegend=False, height=90 + 30 * len(known))
    return figure.update_xaxes(title="VUS-PR, with its 95 % interval", range=[0, 1]).update_yaxes(automargin=True)


def timeline(seen: Seen, most: int) -> Picture:
    """Scores over time with threshold; true events behind them, alarms in a strip above."""
    if np.isnan(seen.scores).all():
        return "No sample was scored."
    spans = [np.searchsorted(seen.t, [one.start, one.end]) for one in seen.findings]
    runs = np.searchsorted(seen.t, np.concatenate([seen.runs["start"], seen.runs["end"], seen.runs["peak_t"]]))
    scores = np.where(np.isinf(seen.scores), np.nan, seen.scores)
    keep = [*np.ravel(spans).tolist(), *runs.tolist()] if len(runs) <= most else []
    chosen = thinned(scores, most, keep)
    figure = go.Figure()
    for outcome, colour in ((FOUND, GREEN), (MISSED, RED)):
        events = [(one.start, one.end) for one in seen.findings if one.outcome == outcome]
        if events:
            x, y = _boxes(events)  # with an outline, or short events could not be seen
            fill = {"fill": "toself", "fillcolor": f"{colour}33", "line": {"width": 1, "color": f"{colour}aa"}}
            figure.add_scatter(
                x=_times(seen, x), y=y, yaxis="y3", mode="lines", name=f"event, {outcome}",
                hoverinfo="skip", **fill,
            )  # fmt: skip
    figure.add_scatter(
        x=_times(seen, seen.t[chosen]), y=scores[chosen].astype(np.float32), mode="lines", name="score",
        line={"width": 1, "color": BLUE},
    )  # fmt: skip
    steps = np.flatnonzero(np.diff(seen.limits, append=np.nan) != 0)  # where it moves, both ends of each level
    steps = np.unique(np.concatenate([[0], steps, np.minimum(steps + 1, len(seen.t) - 1)]))
    figure.add_scatter(
        x=_times(seen, seen.t[steps]), y=seen.limits[steps], mode="lines", name="threshold",
        line={"width": 1.5, "color": ORANGE},
    )  # fmt: skip
    false = {(one.start, one.end) for one in seen.findings if one.outcome == FALSE}
    alarms = [(int(a), int(b)) for a, b in zip(seen.runs["start"], seen.runs["end"], strict=True)]
    parts = {"true alarm": [a for a in alarms if a not in false], FALSE: [a for a in alarms if a in false]}
    if seen.events is None:
        parts = {UNJUDGED: alarms}
    for (name, some), colour in zip(parts.items(), (GREEN if len(parts) > 1 else PURPLE, PURPLE), strict=False):
        if some:
            x = np.ravel([(a, b, b) for a, b in some]).astype(np.float64)
            y = np.tile([1.0, 1.0, np.nan], len(some))
            figure.add_scatter(
                x=_times(seen, x), y=y, yaxis="y2", mode="lines+markers", name=name,
                line={"width": 7, "color": colour}, marker={"size": 6, "symbol": "square", "color": colour},
                hoverinfo="x+name",
            )  # fmt: skip
    logarithmic = bool(np.nanmin(scores) > 0)
    figure.update_layout(
        height=360,
        yaxis={"domain": [0, 0.9], "title": "score", "type": "log" if logarithmic else "linear", "fixedrange": True},
        yaxis2={"domain": [0.92, 1], "range": [0, 2], "visible": False, "fixedrange": True},
        yaxis3={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
        hovermode="closest",
        legend={"y": -0.24, "yanchor": "top"},
    )
    return figure.update_xaxes(title=seen.clock, type="date" if seen.dated else "linear")


def precision_recall(seen: Seen) -> Picture:
    """Precision against recall over all thresholds, and where the label-free threshold lies."""
    truth, scores = _judged(seen)
    if truth is None:
        return "No precision and recall without labels."
    if not truth.any() or truth.all():
        return "No precision and recall: the judged samples are all of one kind."
    precision, recall, _ = precision_recall_curve(truth, scores)
    chosen = thinned(precision, CURVE, keep=np.unique(np.linspace(0, len(recall) - 1, CURVE).astype(np.int64)))
    figure = go.Figure()
    figure.add_scatter(x=recall[chosen], y=precision[chosen], mode="lines", name="all thresholds", line={"color": BLUE})
    alarm = scores > seen.threshold
    if alarm.any():
        point = {"x": [float(alarm[truth].mean())], "y": [float(truth[alarm].mean())]}
        figure.add_scatter(
            **point, mode="markers", name="the label-free threshold", marker={"size": 11, "color": ORANGE}
        )
    figure.add_hline(y=float(truth.mean()), line={"dash": "dot", "width": 1, "color": GREY})
    figure.update_xaxes(title="recall of samples", range=[0, 1.02])
    return figure.update_yaxes(title="precision", range=[0, 1.05])


def histogram(seen: Seen) -> Picture:
    """How often which score, normal and anomalous samples apart, with the threshold."""
    truth, scores = _judged(seen)
    scores = np.where(np.abs(scores) == np.finfo(np.float64).max, np.nan, scores)
    known = ~np.isnan(scores)
    if not known.any():
        return "No finite score to count."
    scores = scores[known]
    groups = {"scores": np.ones(len(scores), bool)}
    if truth is not None:
        groups = {"normal": ~truth[known], "anomalous": truth[known]}
    logarithmic = bool(scores.min() > 0 and seen.threshold > 0)
    place, limit = (np.log10(scores), np.log10(seen.threshold)) if logarithmic else (scores, seen.threshold)
    low, high = min(place.min(), limit), max(place.max(), limit)
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    figure = go.Figure()
    for (name, rows), colour in zip(groups.items(), (BLUE, RED), strict=False):
        counts = np.histogram(place[rows], edges)[0]
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2, y=counts, width=np.diff(edges), name=name,
            marker={"color": colour, "opacity": 0.6, "line": {"width": 0}},
        )  # fmt: skip
    side = "top left" if limit > (edges[0] + edges[-1]) / 2 else "top right"
    line = {"color": ORANGE, "width": 2}
    figure.add_vline(x=float(limit), line=line, annotation_text="threshold", annotation_position=side)
    if logarithmic:
        ticks = np.arange(np.floor(edges[0]), np.ceil(edges[-1]) + 1)
        ticks = ticks[:: max(1, len(ticks) // 6)]
        figure.update_xaxes(tickvals=ticks, ticktext=[f"{10.0**tick:g}" for tick in ticks])
    figure.update_layout(barmode="overlay", bargap=0)
    figure.update_xaxes(title="score", range=[edges[0], edges[-1]])
    return figure.update_yaxes(title="samples", type="log")


def training(seen: Seen) -> Picture:
    """The training curve."""
    if len(seen.history) < 2:
        return "No training curve: the model was fitted at one go."
    figure = go.Figure()
    for name in dict.fromkeys(key for row in seen.history for key in row if key != "epoch"):
        rows = [row for row in seen.history if name in row]
        label = "held back, for the early stop" if name == "stop" else name
        line = {"color": ORANGE, "width": 3} if name == "stop" else {"width": 1.5}
        x, y = [row["epoch"] + 1 for row in rows], [row[name] for row in rows]
        figure.add_scatter(x=x, y=y, mode="lines+markers", marker={"size": 4}, line=line, name=html.escape(label))
    values = [value for row in seen.history for key, value in row.items() if key != "epoch"]
    figure.update_yaxes(title="loss", type="log" if min(values) > 0 else "linear")
    return figure.update_xaxes(title="epoch")


def error_margin(seen: Seen) -> Picture:
    """How far the compiled C's score is from PyTorch's, against how far the score is from the threshold."""
    if seen.traced is None:
        return "Not compiled, or checked before this picture existed: `tsad check` draws it anew."
    reference, error, allowed = (seen.traced[key] for key in ("reference", "error", "tolerance"))
    margin = np.abs(reference - seen.threshold)
    usable = np.isfinite(margin) & np.isfinite(error) & (margin > 0) & (allowed > 0)
    if not usable.any():
        return "No finite score error to draw."
    margin, error, allowed = margin[usable], error[usable], allowed[usable]
    figure = go.Figure()
    for values, name, style in (
        (allowed, "allowed", {"mode": "lines", "line": {"color": ORANGE, "width": 1}}),
        (error, "score error", {"mode": "markers", "marker": {"color": BLUE, "size": 4}}),
    ):
        chosen = worst_of(margin, values, CURVE)
        chosen = chosen[values[chosen] > 0]  # an exact score has no place on a logarithmic axis
        figure.add_scatter(x=margin[chosen], y=values[chosen], name=name, **style)
    ends = [float(margin.min()), float(margin.max())]
    flips = {"color": RED, "dash": "dash", "width": 1}
    figure.add_scatter(x=ends, y=ends, mode="lines", name="as large as the margin: may flip", line=flips)
    figure.update_xaxes(title="margin of the score to the threshold", type="log", exponentformat="power")
    return figure.update_yaxes(title="score error, C against float64", type="log", exponentformat="power")


def top_channels(seen: Seen) -> Picture:
    """How often each channel had the largest share of an event's highest score."""
    if seen.traced is None:
        return "No top channels: the entity was not compiled, or checked before they were kept."
    told = seen.traced["events"]["top"]
    told = told[told >= 0]
    if len(told) == 0:
        return "No top channels: no alarm, or a model that gives no shares."
    counts = np.bincount(told, minlength=len(seen.channels))
    order = [index for index in np.argsort(counts)[::-1][:15] if counts[index]][::-1]
    figure = go.Figure()
    figure.add_bar(
        x=counts[order], y=[_short(seen.channels[index]) for index in order], orientation="h", marker={"color": BLUE}
    )
    figure.update_layout(height=max(160, 90 + 26 * len(order)))
    figure.update_xaxes(title="events of the compiled C", rangemode="tozero")
    return figure.update_yaxes(type="category", automargin=True)


def _judged(seen: Seen) -> tuple[NDArray[np.bool_] | None, NDArray[np.float64]]:
    """Labels and scores of the scored samples; infinite scores as the largest number, as `metrics` ranks them."""
    scored = ~np.isnan(seen.scores)
    largest = np.finfo(np.float64).max
    scores = np.nan_to_num(seen.scores[scored], posinf=largest, neginf=-largest)
    return (None if seen.labels is None else seen.labels[scored] == 1), scores


def _boxes(spans: Iterable[tuple[int, int]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corners of boxes of height 1, as one line with gaps; a box is at least as wide as its time says."""
    x = [(a, a, b, b, a, np.nan) for a, b in spans]
    return np.ravel(x).astype(np.float64), np.tile([0.0, 1.0, 1.0, 0.0, 0.0, np.nan], len(x))


def _times(seen: Seen, t: NDArray[Any]) -> NDArray[Any]:
    """Times as plotly takes them; milliseconds since 1970 are its own way of dates."""
    return t.astype(np.float64) if seen.dated or t.dtype.kind == "f" else t


def _short(name: str) -> str:
    """A channel's name for an axis: plotly reads tags."""
    return html.escape(name if len(name) <= 24 else name[:23] + "…")
