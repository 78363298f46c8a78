"""Drift: live scores beside the calibration's at /metrics; the alert rules fire on drifted data and on no other."""

import importlib.resources
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tsad_edge.service.recent import Recent

from .conftest import LEVELS, Start, normal

RULES = Path(str(importlib.resources.files("tsad_edge.service") / "alerts.yaml"))
DRIFTED = {
    "sensor offset": normal(12_000) + np.float32([0.0, 0.35]),
    "less noise": 0.1 * normal(12_000) + 0.9 * np.float32([1, -1]),
    "stuck": np.repeat(normal(1), 12_000, axis=0),
    "many alarms": np.where(np.arange(12_000)[:, None] % 100 == 99, 9, normal(12_000)).astype(np.float32),
}


def figures(start: Start, samples: np.ndarray) -> dict[str, float]:
    """What /metrics says of `tiny` after these samples, in requests of 1000; metric -> value."""
    with start() as server:
        for part in samples.reshape(-1, 1000, 2):
            assert server.score(part).status_code == 200
        return {name: value for name, value in server.metrics().items() if 'entity="tiny"' in name}


def test_scores_as_calibrated_are_no_drift(start: Start, promtool: str, tmp_path: Path) -> None:
    seen = figures(start, normal(12_000, seed=1))
    for level in LEVELS:
        now, then = (
            seen[f'tsad_{which}score_quantile{{entity="tiny",quantile="{level}"}}'] for which in ("", "calibration_")
        )
        assert now == pytest.approx(then, abs=0.6), "of a standard deviation of 3"
    assert seen['tsad_recent_scores{entity="tiny"}'] == 10_000, "it keeps so many"
    assert seen['tsad_score_drift{entity="tiny"}'] < 0.05
    assert seen['tsad_alarm_rate{entity="tiny"}'] < 0.005
    assert (seen['tsad_wanted_alarm_rate{entity="tiny"}'], seen['tsad_threshold{entity="tiny"}']) == (0.001, 10)
    assert firing(promtool, tmp_path, seen) == set()


@pytest.mark.parametrize("kind", DRIFTED)
def test_drifted_data_raises_an_alert(kind: str, start: Start, promtool: str, tmp_path: Path) -> None:
    seen = figures(start, DRIFTED[kind])
    drift, rate = seen['tsad_score_drift{entity="tiny"}'], seen['tsad_alarm_rate{entity="tiny"}']
    wanted = "TsadAlarmRate" if kind == "many alarms" else "TsadScoreDrift"
    assert wanted in firing(promtool, tmp_path, seen), (drift, rate)


def test_a_few_scores_raise_none(start: Start, promtool: str, tmp_path: Path) -> None:
    few, none = figures(start, DRIFTED["stuck"][:1000]), figures(start, normal(0))
    assert few['tsad_score_drift{entity="tiny"}'] > 0.3 and few['tsad_recent_scores{entity="tiny"}'] == 998
    assert np.isnan(none['tsad_score_drift{entity="tiny"}']) and none['tsad_recent_scores{entity="tiny"}'] == 0
    for seen in (few, none):
        assert firing(promtool, tmp_path, seen) == set()


def firing(promtool: str, folder: Path, seen: dict[str, float]) -> set[str]:
    """Which of the shipped rules fire when Prometheus reads these figures for half an hour; promtool works it out."""
    checked = subprocess.run([promtool, "check", "rules", RULES], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    rows = ((name, " ".join(["NaN" if np.isnan(value) else repr(value)] * 31)) for name, value in seen.items())
    series = "".join(f"      - {{series: '{name}', values: '{values}'}}\n" for name, values in rows)
    found = set()
    for rule in ("TsadScoreDrift", "TsadAlarmRate"):
        test = folder / "rules_test.yaml"
        test.write_text(
            f"rule_files: ['{RULES}']\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n{series}"
            f"    alert_rule_test:\n      - {{eval_time: 30m, alertname: {rule}, exp_alerts: []}}\n"
        )
        done = subprocess.run([promtool, "test", "rules", test], capture_output=True, text=True)
        said = done.stdout + done.stderr
        assert done.returncode == 0 or f"alertname: {rule}" in said and "exp:[" in said, said
        if done.returncode != 0:
            found.add(rule)
    return found


def test_the_distance_is_kolmogorovs_and_smirnovs() -> None:
    """At the calibration's quantiles, against the empirical distribution counted one by one."""
    draw = np.random.default_rng(3)
    levels, calibrated = np.array(LEVELS), np.quantile(draw.normal(size=5000), LEVELS)
    for shift in (0, 0.5, -2, 9):
        scores = (draw.normal(size=700) + shift).astype(np.float32)
        recent = Recent(levels, calibrated, threshold=3, degenerate=False)
        recent.add(scores)
        slowly = max(abs(sum(s <= q for s in scores) / 700 - p) for p, q in zip(levels, calibrated, strict=True))
        assert recent.drift() == pytest.approx(slowly, abs=2 / 700)
        np.testing.assert_allclose(recent.live_quantiles(), np.quantile(scores.astype(float), LEVELS))


def test_the_latest_scores_are_kept() -> None:
    draw = np.random.default_rng(4)
    for sizes in ([3, 3, 3], [7, 2, 9], [25], [10], [4, 13, 6], [0, 1]):
        recent = Recent(np.array([0.5]), np.array([0.0]), threshold=0.5, degenerate=False, kept=10)
        scores = draw.permutation(sum(sizes)).astype(np.float32)
        for part in np.split(scores, np.cumsum(sizes)[:-1]):
            recent.add(part)
        kept = scores[-10:]
        assert recent.count == len(kept) and recent.live_quantiles()[0] == np.median(kept)
        assert recent.alarm_rate() == np.mean(kept > 0.5)


def test_ties_are_no_drift() -> None:
    """Channels that never changed give one score, which C and PyTorch round differently."""
    tie = Recent(np.array(LEVELS), np.full(9, 1e-12), threshold=5e-12, degenerate=True)
    tie.add(np.full(500, 3e-12, np.float32))
    assert tie.drift() == 0 and tie.alarm_rate() == 0
    tie.add(np.full(500, 3e-11, np.float32))
    assert tie.drift() == pytest.approx(0.49) and tie.alarm_rate() == 0.5
    half = Recent(np.array([0.1, 0.5, 0.9]), np.array([0.0, 0.0, 2.0]), threshold=5, degenerate=False)
    half.add(np.repeat(np.float32([0, 2]), 500))
    assert half.drift() <= 0.1
