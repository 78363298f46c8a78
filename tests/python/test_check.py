"""The gate of `check` bites: every way in which a C detector can be wrong is seen, on made-up evidence."""

from dataclasses import replace

import numpy as np
import pytest

from tsad_edge.check import Evidence, judge, summarise, tolerance
from tsad_edge.detector import events

THRESHOLD = float(np.float32(1.0))


def evidence() -> Evidence:
    """A detector that is right: scores off by float32 rounding, two events, five samples of warm-up."""
    draw = np.random.default_rng(3)
    n = 400
    exact = draw.uniform(0.1, 0.8, n)
    exact[100:110] = draw.uniform(1.5, 2.0, 10)
    exact[300] = 3.0
    exact[:5] = np.nan
    core = exact.astype(np.float32)
    t = np.arange(n, dtype=np.int64)
    alarms = core > THRESHOLD
    found = events(t, core, THRESHOLD)
    return Evidence(
        t=t,
        pytorch=exact,
        pytorch32=exact * (1 + 1e-7),
        terms=np.where(np.isfinite(exact), exact, 0.0),
        threshold=THRESHOLD,
        core=core,
        core_alarms=alarms,
        core_events=found,
        edge=core.copy(),
        edge_alarms=alarms.copy(),
        edge_events=found.copy(),
        degenerate=False,
    )


def changed(array: np.ndarray, at: int, value: float) -> np.ndarray:
    copy = array.copy()
    copy[at] = value
    return copy


def test_right_evidence_passes() -> None:
    verdict = judge(evidence())
    assert verdict["failures"] == []
    assert verdict["samples"] == 395 and verdict["alarms"] == 11 and verdict["events"] == 2
    assert verdict["events_equal"] and verdict["worst"] is None
    assert summarise({"a": verdict}, 0.001)["passed"]


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda e: replace(e, core=changed(e.core, 200, 0.5 + e.core[200])), "out of tolerance"),
        (lambda e: replace(e, core=changed(e.core, 200, np.nan)), "scored by only one side"),
        (lambda e: replace(e, core=changed(e.core, 2, 0.1)), "scored by only one side"),
        (lambda e: replace(e, edge=changed(e.edge, 7, np.nextafter(e.edge[7], np.float32(9)))), "bit for bit"),
        (lambda e: replace(e, edge_alarms=changed(e.edge_alarms, 300, False)), "alarms are not those"),
        (lambda e: replace(e, core_alarms=changed(e.core_alarms, 50, True)), "score > threshold"),
        (lambda e: replace(e, core_events=e.core_events[:1]), "Python twin"),
        (lambda e: replace(e, edge_events=e.edge_events[:1]), "edge binary's events"),
        (
            lambda e: replace(e, pytorch=changed(e.pytorch, 105, 0.2), pytorch32=changed(e.pytorch32, 105, 0.2)),
            "outside the tolerance band",
        ),
    ],
)
def test_each_break_is_seen(break_it, words: str) -> None:  # type: ignore[no-untyped-def]
    verdict = judge(break_it(evidence()))
    assert not verdict["passed"]
    assert any(words in failure for failure in verdict["failures"]), verdict["failures"]
    assert not summarise({"a": verdict}, 0.001)["passed"]


def test_an_event_that_differs_by_a_sample_in_the_band_is_excused_and_listed() -> None:
    e = evidence()
    above, below = np.nextafter(np.float32(1), np.float32(2)), 1.0 - 1e-8
    core = changed(e.core, 250, above)
    found = events(e.t, core, THRESHOLD)
    alarms = core > THRESHOLD
    e = replace(
        e,
        core=core,
        edge=core,
        core_alarms=alarms,
        edge_alarms=alarms,
        core_events=found,
        edge_events=found,
        pytorch=changed(e.pytorch, 250, below),
        pytorch32=changed(e.pytorch32, 250, below),
        terms=changed(e.terms, 250, 1.0),
    )
    verdict = judge(e)
    assert verdict["failures"] == []
    assert verdict["events_excused"] == [[250, 250]] and not verdict["events_equal"]
    assert verdict["samples_in_band"] == 1
    assert "tolerance band" in summarise({"a": verdict}, 0.001)["failures"][0], "1 of 395 is more than 0.1 %"
    assert summarise({"a": verdict}, 0.01)["passed"]


def test_nothing_compared_is_no_pass() -> None:
    assert not summarise({}, 0.001)["passed"]


def test_tolerance_is_that_of_like_sized_scores() -> None:
    exact = np.array([1.0, 1.1, 1000.0])
    allowed = tolerance(exact, exact + np.array([1e-6, 0.0, 1e-2]), np.zeros(3))
    assert allowed[0] == pytest.approx(4e-6) and allowed[1] == pytest.approx(4e-6)
    assert allowed[2] == pytest.approx(4e-2)


def test_tolerance_counts_ulps_of_the_terms() -> None:
    one = np.array([1.0])
    assert tolerance(one, one, np.array([1024.0]))[0] == 4 * np.spacing(np.float32(1024))
