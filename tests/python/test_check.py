"""The gate of `check` bites: every way in which a C detector can be wrong is seen, on made-up evidence."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tsad_edge import rounding
from tsad_edge.check import Evidence, judge, summarise, tolerance, write_csv
from tsad_edge.twin import decide

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
    found = decide(t, core, THRESHOLD).events
    quality = np.zeros(n, np.uint8)
    quality[200] = 2
    return Evidence(
        t=t,
        quality=quality,
        resets=np.zeros(n, bool),
        rules={},
        pytorch=exact,
        pytorch32=exact * (1 + 1e-7),
        terms=np.where(np.isfinite(exact), exact, 0.0),
        threshold=THRESHOLD,
        core=core,
        core_alarms=alarms,
        core_events=found,
        core_quality=quality.copy(),
        edge=core.copy(),
        edge_alarms=alarms.copy(),
        edge_events=found.copy(),
        edge_quality=quality.copy(),
        degenerate=False,
    )


def changed(array: np.ndarray, at: int, value: float) -> np.ndarray:
    copy = array.copy()
    copy[at] = value
    return copy


def peak_moved(found: np.ndarray) -> np.ndarray:
    copy = found.copy()
    copy["peak_t"][0] += 1
    return copy


def moving(e: Evidence) -> np.ndarray:
    """A threshold of its own for each sample."""
    return np.full(len(e.t), THRESHOLD, np.float32)


def test_right_evidence_passes() -> None:
    verdict = judge(evidence())
    assert verdict["failures"] == []
    assert judge(replace(evidence(), threshold=moving(evidence()))) == verdict
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
        (lambda e: replace(e, core_alarms=changed(e.core_alarms, 50, True)), "alarms of _core are not those"),
        (lambda e: replace(e, core_quality=changed(e.core_quality, 200, 0)), "quality codes of _core"),
        (lambda e: replace(e, edge_quality=changed(e.edge_quality, 3, 1)), "edge binary's quality codes"),
        (lambda e: replace(e, rules={"min_on": 2}), "alarms of _core are not those"),
        (lambda e: replace(e, threshold=changed(moving(e), 200, 0.05)), "alarms of _core are not those"),
        (lambda e: replace(e, rules={"refractory": 300}), "Python twin"),
        (lambda e: replace(e, resets=changed(e.resets, 105, True)), "Python twin"),
        (lambda e: replace(e, core_events=e.core_events[:1]), "Python twin"),
        (lambda e: replace(e, edge_events=e.edge_events[:1]), "edge binary's events"),
        (lambda e: replace(e, edge_events=peak_moved(e.edge_events)), "edge binary's events"),
        (lambda e: replace(e, core_events=peak_moved(e.core_events)), "Python twin"),
        (lambda e: replace(e, edge=changed(e.edge, 2, 0.1)), "bit for bit"),
        (lambda e: replace(e, edge=changed(e.edge, 7, np.nan)), "bit for bit"),
        (lambda e: replace(e, core=changed(e.core, 200, np.inf)), "out of tolerance"),
        (lambda e: replace(e, pytorch32=changed(e.pytorch32, 200, np.inf)), "out of tolerance"),
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
    found = decide(e.t, core, THRESHOLD).events
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


def with_event_at(e: Evidence, at: int, score: float) -> Evidence:
    """The C alone raises an alarm at a sample; everything told by the C agrees with itself."""
    core = changed(e.core, at, score)
    found, alarms = decide(e.t, core, THRESHOLD).events, core > THRESHOLD
    return replace(
        e, core=core, edge=core, core_alarms=alarms, edge_alarms=alarms, core_events=found, edge_events=found
    )


def test_a_sample_in_the_band_excuses_only_its_own_event() -> None:
    """At 250 there is a flip within the band; the event at 253 is not excused by it, nor by a sample that agrees."""
    above, below = np.nextafter(np.float32(1), np.float32(2)), 1.0 - 1e-8
    e = with_event_at(with_event_at(evidence(), 250, above), 253, 1.5)
    for name in ("pytorch", "pytorch32"):
        e = replace(e, **{name: changed(getattr(e, name), 250, below)})
    e = replace(e, terms=changed(e.terms, 250, 1.0))
    verdict = judge(e)
    assert verdict["events_excused"] == [[250, 250]] and verdict["samples_in_band"] == 1
    assert any("1 events differ" in failure and "[253, 253]" in failure for failure in verdict["failures"])
    near = np.float64(np.nextafter(np.float32(1), np.float32(0)))  # at 254 both sides say no alarm, in the band
    e = with_event_at(evidence(), 253, 1.5)
    for name in ("pytorch", "pytorch32", "core", "edge"):
        e = replace(e, **{name: changed(getattr(e, name), 254, near)})
    verdict = judge(e)
    assert verdict["samples_in_band"] == 1 and verdict["events_excused"] == []


def test_scores_without_end_are_met_exactly() -> None:
    """PyTorch's float32 overflows, float64 does not: the C must be infinite, too, and then nothing is wrong."""
    e = with_event_at(evidence(), 200, np.inf)
    e = replace(e, pytorch=changed(e.pytorch, 200, 1e40), pytorch32=changed(e.pytorch32, 200, np.inf))
    e = replace(e, terms=changed(e.terms, 200, np.inf))
    verdict = judge(e)
    assert verdict["failures"] == [] and verdict["max_score_error"] < 1e-6
    lower = with_event_at(e, 200, 3e38)
    assert any("out of tolerance" in failure for failure in judge(lower)["failures"])


def test_nothing_compared_is_no_pass() -> None:
    assert not summarise({}, 0.001)["passed"]
    e = evidence()
    none = np.full(len(e.t), np.nan)
    silent = decide(e.t, none, THRESHOLD).events
    no_alarms = np.zeros(len(e.t), bool)
    nothing = judge(
        replace(
            e,
            pytorch=none,
            pytorch32=none,
            core=none.astype(np.float32),
            edge=none.astype(np.float32),
            core_alarms=no_alarms,
            edge_alarms=no_alarms,
            core_events=silent,
            edge_events=silent,
        )
    )
    assert nothing["samples"] == 0
    assert summarise({"a": nothing}, 0.001)["failures"] == ["nothing was compared"]


def test_a_share_that_is_no_number_passes_nothing() -> None:
    assert not summarise({"a": judge(evidence())}, float("nan"))["passed"]


def test_the_tolerance_is_not_tuned() -> None:
    assert (rounding.MARGIN, rounding.ULPS) == (4, 4)


def test_csv_quotes_a_name_with_a_comma(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", np.array([5]), np.array([[0.1, np.nan]], np.float32), ["flow, in", "b"])
    assert (tmp_path / "a.csv").read_text() == 'timestamp,"flow, in",b\n5,0.100000001,nan\n'


def test_csv_names_its_time_as_no_channel_is_named(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", np.array([5]), np.ones((1, 2), np.float32), ["timestamp", "time"])
    assert (tmp_path / "a.csv").read_text() == "t,timestamp,time\n5,1,1\n"


def test_tolerance_is_that_of_like_sized_scores() -> None:
    exact = np.array([1.0, 1.1, 1000.0])
    allowed = tolerance(exact, exact + np.array([1e-6, 0.0, 1e-2]), np.zeros(3))
    assert allowed[0] == pytest.approx(4e-6) and allowed[1] == pytest.approx(4e-6)
    assert allowed[2] == pytest.approx(4e-2)


def test_tolerance_counts_ulps_of_the_terms() -> None:
    one = np.array([1.0])
    assert tolerance(one, one, np.array([1024.0]))[0] == 4 * np.spacing(np.float32(1024))


def test_a_sum_that_overflowed_gives_no_tolerance_without_end() -> None:
    big = np.array([1e37])
    assert tolerance(big, big, np.array([np.inf]))[0] == 4 * 2.0**104
    assert tolerance(np.array([np.inf]), np.array([np.inf]), np.array([1.0]))[0] == 0
    one = np.array([1.0, 1.1])  # nor does a neighbour of like size that overflowed
    assert tolerance(one, np.array([1.0, np.inf]), one).tolist() == [4 * np.spacing(np.float32(1)), 0]
