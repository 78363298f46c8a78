"""The rules in detector.json: limits learned from normal samples, and what the C makes of them."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tsad_edge.codegen.config import KINDS, config

from tsad_edge.params import Baseline, Events, Guard
from tsad_edge.rules import WORDS, baseline_rules, event_rules, guard_rules, spot_rules
from tsad_edge.spot import Tail
from tsad_edge.twin import guard

HEADER = Path(__file__).parents[2] / "csrc" / "tsad.h"
ALL = Guard(not_finite="hold", out_of_range="mark", stuck="mark", jump="mark", gap="mark", step_back="reset")


@given(
    values=st.lists(st.sampled_from([0.0, 0.5, 0.1, -3.0, 1e30, -1e38]), min_size=2, max_size=60).map(
        lambda values: np.array(values, np.float32)[:, np.newaxis]
    ),
    period=st.integers(1, 5000),
)
@settings(max_examples=200, deadline=None)
def test_training_itself_is_beyond_doubt(values: np.ndarray, period: int) -> None:
    t = np.arange(len(values)) * period
    rules = guard_rules(ALL, values, t, timed=True, window=5)
    assert not guard(values, t, rules).quality.any()
    for name in ("low", "high", "jump_most"):
        assert [float(str(np.float32(value))) for value in rules[name]] == rules[name]


def test_what_is_learned() -> None:
    values = np.array([[0, 7, 1], [10, 7, 1], [10, 7, 2], [10, 7, 2], [9, 7, 2]], np.float32).repeat(4, axis=0)
    rules = guard_rules(ALL, values, np.array([0, 10, 20, 500, *range(510, 670, 10)]), timed=True, window=6)
    assert rules["low"] == [-1, 7, 0.9] and rules["high"] == [11, 7, 2.1]
    assert rules["jump_most"] == [20, 0, 2]
    assert rules["stuck_from"] == [24, 0, 24], "twice the longest run; what never changed may be stuck for ever"
    assert rules["gap_most"] == 60, "a window of the usual step"
    assert guard_rules(ALL, values, np.arange(20), timed=False, window=6)["gap"] == "ignore"
    assert guard_rules(Guard(gap_samples=3), values, np.arange(20) * 7, timed=True, window=6)["gap_most"] == 21


def test_what_is_off_is_not_there() -> None:
    off = Guard(out_of_range="ignore", stuck="ignore", jump="ignore", gap="ignore")
    rules = guard_rules(off, np.zeros((5, 2), np.float32), np.arange(5), timed=True, window=2)
    assert set(rules) == {*WORDS, "hold_most", "gap_most"} and rules["gap_most"] == 0
    made = config({"guard": rules, "events": event_rules(Events(records=0))}, 2)
    assert (made.arrays, made.sizes, made.size, made.constants) == ("", (), 0, 0)
    assert "TSAD" not in made.fields


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (Guard(stuck="hold"), "train.guard.stuck is 'hold'; it must be one of ignore, mark, reset"),
        (Guard(step_back="mark"), "train.guard.step_back is 'mark'; it must be one of refuse, reset"),
        (Guard(gap_samples=-1), "gap_samples is -1"),
        (Guard(hold_samples=1 << 16), "nor hold_samples more than 65535"),
        (Events(smoothing=-1), "train.events.smoothing is -1"),
        (Events(hysteresis=1.5), "train.events.hysteresis is 1.5; it must be from 0 to 1"),
        (Events(min_on=-2), "train.events.min_on is -2"),
        (Baseline(samples=499), "train.baseline.samples is 499; it must be 0, or 500 to 3249"),
        (Baseline(samples=3250), "train.baseline.samples is 3250"),
        (Baseline(samples=500, shift=0), "train.baseline.shift is 0; it must be above 0"),
        (Baseline(samples=500, stretch=0.5), "train.baseline.stretch is 0.5; it must be from 1"),
        (Baseline(samples=500, threshold=float("nan")), "train.baseline.threshold is nan; it must be from 1"),
    ],
)
def test_what_cannot_be(chosen: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        if isinstance(chosen, Guard):
            guard_rules(chosen, np.zeros((5, 1), np.float32), np.arange(5), timed=True, window=2)
        elif isinstance(chosen, Events):
            event_rules(chosen)
        else:
            baseline_rules(chosen, 1.0, 0.001)


def test_a_baselines_limits_and_its_unit() -> None:
    assert baseline_rules(Baseline(), 1.0, 0.5) == {}
    for threshold, least, most in ((8.0, 4.0, 16.0), (-8.0, -12.0, 0.0)):
        rules = baseline_rules(Baseline(samples=500), threshold, 0.0078125)
        assert (rules["least"], rules["most"]) == (least, most)
    with pytest.raises(ValueError, match=r"0\.01 false alarms a sample are no tail"):
        baseline_rules(Baseline(samples=500), 1.0, 0.01)
    made = config({"baseline": rules}, 3, unit=256.0)  # an integer model's slots count 256 to a deviation
    assert ".samples = 500u" in made.fields and ".unit = 256.0f" in made.fields
    assert made.sizes == ("TSAD_BASELINE_SIZE(3)",) and made.size == 320 + 48


def test_a_tail_in_c() -> None:
    made = config({"spot": spot_rules(Tail(2.0, 0.125, 0.5, 53), 0.001, 20)}, 3)
    assert ".every = 20u" in made.fields and ".risk = 0.001f" in made.fields
    assert ".tail = {.start = 2.0f, .shape = 0.125f, .excess = 0.5f, .gap = 53u}" in made.fields
    assert made.sizes == ("TSAD_SPOT_SIZE",) and made.size == 400
    assert config({"spot": {}, "baseline": {}}, 3).size == 0


def test_c_wants_what_it_can_have() -> None:
    with pytest.raises(ValueError, match=r"guard.jump is 'now'"):
        config({"guard": {"jump": "now"}}, 1)
    with pytest.raises(ValueError, match=r"guard.high has 1 values for 2 channels"):
        config({"guard": {"out_of_range": "mark", "low": [1, 2], "high": [1]}}, 2)
    made = config({"guard": {"jump": "hold", "jump_most": [1, 2, 3]}, "events": {"records": 2}}, 3)
    assert made.sizes == ("TSAD_GUARD_SIZE(3)", "TSAD_EVENTS_SIZE(2)") and made.size == 40 + 80
    assert set(KINDS) == set(WORDS)


def test_the_header_has_the_same_words_and_policies() -> None:
    """Each row of tsad.h's table of kinds: which policies it may have."""
    rows = dict(re.findall(r"^ \*   (\w+) .*?((?:(?:mark|hold|reset), )*reset) ", HEADER.read_text(), re.M))
    assert {kind: tuple(words.split(", ")) for kind, words in rows.items()} == {
        kind: words[1:] for kind, words in WORDS.items()
    }
