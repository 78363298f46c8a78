"""From series to a data set: what is averaged and what pooled, honest intervals, and a verdict that can say no."""

import json

import numpy as np
import pytest

from tsad_edge.aggregate import Resampled, mean_of, summarise
from tsad_edge.metrics import judge


def alone(*entities: str) -> dict[str, str]:
    """Each entity its own family."""
    return {entity: entity for entity in entities}


def test_counts_are_pooled_and_curves_averaged() -> None:
    good = judge(np.array([0.0, 1.0]), 0.5, np.array([0, 1]), [{"start": 1, "end": 2, "kind": "spike"}], 1)
    bad = judge(np.array([1.0, 0.0, 1.0]), 0.5, np.array([0, 1, 0]), [{"start": 1, "end": 2, "kind": "spike"}], 1)
    none = judge(np.array([1.0, 0.0]), 0.5, np.array([0, 0]), [], 1)
    found = Resampled(alone("a", "b", "c"), 1).overall({"a": good, "b": bad, "c": none})
    assert (found["entities"], found["ranked_entities"]) == (3, 2)
    assert found["auc_pr"] == pytest.approx((1 + 1 / 3) / 2)
    assert (found["true_alarms"], found["false_alarms"], found["events_found"]) == (1, 3, 1)
    assert found["f1"] == pytest.approx(2 / 6) and found["false_alarms_per_1000"] == 600.0
    assert found["event_f1"] == pytest.approx(2 * 0.25 * 0.5 / 0.75)  # three runs touch no event
    assert found["composite_f1"] == pytest.approx(2 * 0.25 * 0.5 / 0.75)
    assert found["by_kind"] == {"spike": {"events": 2, "found": 1}}
    nothing = Resampled(alone("c"), 1).overall({"c": none})
    assert nothing["auc_pr"] is None and nothing["f1"] is None and "no entity" in nothing["reason"]
    json.dumps(found, allow_nan=False)


def rows(figures: list[float]) -> dict[str, dict[str, float]]:
    return {f"e{i}": {"vus_pr": figure} for i, figure in enumerate(figures)}


@pytest.mark.parametrize("n", [2, 3, 5, 12])
def test_an_interval_holds_the_truth_as_often_as_it_says(n: int) -> None:
    """Entities drawn from a population of mean 0.5: 95 % of the intervals should hold it, of few entities too."""
    draw, hits = np.random.default_rng(3), 0
    for trial in range(300):
        figures = rows(draw.normal(0.5, 0.1, size=n).tolist())
        sample = Resampled(alone(*figures), trial)
        low, high = sample.difference(figures, rows([0.0] * n), "vus_pr")["interval"]
        hits += low <= 0.5 <= high
    assert 0.92 <= hits / 300 <= 0.98


def test_one_entity_says_nothing_about_others() -> None:
    one = Resampled(alone("e0"), 1).difference(rows([0.9]), rows([0.1]), "vus_pr")
    assert one == {"difference": pytest.approx(0.8), "interval": None, "verdict": "not distinguishable"}
    figures = {**rows([0.9, 0.8, 0.7]), "e1": {"vus_pr": None}, "e2": {"vus_pr": None}}
    floor = {**rows([0.1, 0.1, 0.1]), "e1": {"vus_pr": None}, "e2": {"vus_pr": None}}
    assert Resampled(alone(*figures), 1).difference(figures, floor, "vus_pr")["interval"] is None  # one has the figure


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        ([0.33, 0.52, 0.73, 0.94, 0.23], "beats"),  # by little, but always: pairing sees it
        ([0.27, 0.48, 0.67, 0.86, 0.17], "loses"),
        ([0.40, 0.40, 0.75, 0.85, 0.25], "not distinguishable"),
    ],
)
def test_the_verdict_is_paired(ours: list[float], verdict: str) -> None:
    floor = rows([0.30, 0.50, 0.70, 0.90, 0.20])
    assert Resampled(alone(*floor), 1).difference(rows(ours), floor, "vus_pr")["verdict"] == verdict


def test_copies_of_one_recording_are_one_piece_of_evidence() -> None:
    """Twenty entities that are two families: the interval is that of two, much wider than that of twenty."""
    figures = rows([0.2] * 10 + [0.6] * 10)
    families = {f"e{i}": "first" if i < 10 else "second" for i in range(20)}
    zero = rows([0.0] * 20)
    together = Resampled(families, 1).difference(figures, zero, "vus_pr")["interval"]
    apart = Resampled(alone(*figures), 1).difference(figures, zero, "vus_pr")["interval"]
    assert apart[1] - apart[0] < 0.2 * (together[1] - together[0])


def test_an_entity_without_a_figure_is_left_out_of_its_mean() -> None:
    figures = {"a": {"vus_pr": 0.5}, "b": {"vus_pr": None}}
    found = Resampled(alone("a", "b"), 1).difference(figures, {"a": {"vus_pr": 0.1}, "b": {"vus_pr": None}}, "vus_pr")
    assert found["difference"] == pytest.approx(0.4)


def test_the_same_seed_draws_the_same() -> None:
    assert (Resampled(alone("a", "b"), 1).weights == Resampled(alone("a", "b"), 1).weights).all()
    assert (Resampled(alone("a", "b"), 1).weights != Resampled(alone("a", "b"), 2).weights).any()


def told(entity: str, period: float | None, **changed: object) -> dict:
    """What scores/<entity>.json says: a wish of 1 per 1000, supported by 1000 scores, one of them above."""
    rates = ("wanted_per_1000", "supported_per_1000", "expected_per_1000", "expected_events_per_1000")
    return {
        "entity": entity,
        "family": entity,
        "sampling_period": period,
        "calibration_samples": 1000,
        "false_alarms": {
            "wanted": "1 per 1000 samples",
            "extrapolated": False,
            "note": "",
            **dict.fromkeys(rates, 1.0),
            **changed,
        },
    }


def three(model: float, pca: float, random: list[float]) -> dict:
    """Verdicts on three entities with given VUS-PR."""
    zero = judge(np.array([0.0, 1.0, 0.0]), 0.5, np.array([0, 1, 0]), [], 1)
    scored = zip(random, (0.0, 0.01, -0.01), strict=True)
    return {
        f"e{i}": {
            "model": zero | {"vus_pr": model + noise},
            "window_pca": zero | {"vus_pr": pca + noise / 2},
            "random": zero | {"vus_pr": chance},
        }
        for i, (chance, noise) in enumerate(scored)
    }


@pytest.mark.parametrize(
    ("judged", "verdict", "rival"),
    [
        (three(0.6, 0.4, [0.10, 0.11, 0.12]), "beats", "window_pca"),
        (three(0.6, 0.5, [0.0, 0.4, 0.7]), "not distinguishable", "random"),  # the best floor is beaten, another is not
        (three(0.4, 0.6, [0.1, 0.1, 0.1]), "loses", "window_pca"),
    ],
)
def test_the_verdict_is_on_all_floors_and_names_the_one_that_decides(judged: dict, verdict: str, rival: str) -> None:
    found = summarise(judged, {entity: told(entity, None) for entity in judged}, seed=1)
    assert (found["verdict"], found["rival"]) == (verdict, rival)


def test_promises_are_pooled_over_time_and_told_by_entity() -> None:
    """A wish per day is another rate for every sampling period, and an hour weighs more than a second."""
    abouts = {
        "second": told("second", 1.0, wanted_per_1000=0.02, expected_per_1000=0.0, note="pot needs 10 peaks"),
        "hour": told("hour", 3600.0, wanted_per_1000=83.0, expected_per_1000=80.0),
    }
    counts = {"unlabelled": {"samples": 9, "unscored": 1, "alarms": 2, "alarm_events": 1}}
    found = summarise({entity: counts for entity in abouts}, abouts, seed=1)
    assert found["false_alarms"]["unsupported"] == ["second"]
    assert found["false_alarms"]["expected_per_day"] == pytest.approx(80 / ((1000 + 3_600_000) / 86400))
    assert found["false_alarms"]["notes"] == {"second": "pot needs 10 peaks"}
    assert found["model"] is None and found["unlabelled"]["hour"] == counts["unlabelled"]


def test_the_mean_of_untrained_nets_stands_for_them() -> None:
    def verdict(seed: int) -> dict:
        scores = np.random.default_rng(seed).random(60)
        return judge(scores, 0.9, np.repeat([0, 1, 0], 20), [{"start": 20, "end": 40, "kind": "spike"}], 5)

    nets = [verdict(seed) for seed in range(1, 6)]
    mean = mean_of(nets)
    assert mean["vus_pr"] == pytest.approx(np.mean([net["vus_pr"] for net in nets]))
    assert mean["by_kind"]["spike"]["found"] == np.mean([net["by_kind"]["spike"]["found"] for net in nets])
    about = {"a": told("a", 60.0, extrapolated=True)}
    judged = {"model": verdict(9), **{f"untrained-{i}": net for i, net in enumerate(nets)}}
    found = summarise({"a": judged}, about, seed=1)
    assert found["floors"]["untrained"]["vus_pr"] == pytest.approx(mean["vus_pr"])
    assert set(found["floors"]) == {"untrained"} and found["rival"] == "untrained"
    assert found["false_alarms"]["expected_per_day"] == pytest.approx(1.44)  # a thousandth of the minutes of a day
    assert found["false_alarms"]["extrapolated"] == ["a"]
    json.dumps(found, allow_nan=False)
