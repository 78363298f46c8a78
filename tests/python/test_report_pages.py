"""What report.md and report.html say: the comparison with another revision, what was found, what is drawn of it."""

import json
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsad_edge import cli, metrics, params, stages
from tsad_edge.report import figures, markdown, tables
from tsad_edge.report.compare import Other, changes
from tsad_edge.report.revision import results
from tsad_edge.report.seen import FALSE, FOUND, MISSED, Seen, worst_entities
from tsad_edge.report.thin import thinned, worst_of
from tsad_edge.twin import decide

ROOT = Path(__file__).parents[2]
NAMES = ("metrics", "check", "cost")


def committed() -> tuple[Any, Any, Any]:
    """The three result files of the demo."""
    first, second, third = (json.loads((ROOT / f"{name}.json").read_text()) for name in NAMES)
    return first, second, third


def git(*arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


def seen(scores: Any, events: Any = (), threshold: float = 1.0, entity: str = "a", **changed: Any) -> Seen:
    scores = np.asarray(scores, np.float64)
    labels = np.zeros(len(scores), np.uint8)
    for start, end, _ in events or ():
        labels[start:end] = 1
    told = {"labels": labels, "events": events, "channels": ["x", "y"], "history": [], "traced": None}
    told |= {"t": np.arange(len(scores)) * 10, "clock": "sample", "window": 2} | changed
    decided = decide(told["t"], scores, threshold)
    limits = np.full(len(scores), threshold, np.float32)
    return Seen(entity=entity, scores=scores, threshold=threshold, limits=limits, decided=decided, **told)


# Another revision


def better(tree: dict[str, Any], by: float) -> dict[str, Any]:
    """metrics.json with a VUS-PR that is higher, and alarms that are fewer, in every entity."""
    tree = deepcopy(tree)
    for number, row in enumerate(tree["per_entity"].values()):
        row["vus_pr"] += by + 0.001 * number
        row["false_alarms"] -= 20 + number
        row["delay_samples"] = None
    return tree


def test_better_is_higher_but_for_what_must_be_low() -> None:
    now, then = better(committed()[0], 0.05), committed()[0]
    found = changes(now, then, {}, seed=1).overall
    gain = found["vus_pr"]
    assert gain.difference == pytest.approx(0.051) and gain.then == pytest.approx(then["model"]["vus_pr"])
    assert gain.interval is not None and 0.04 < gain.interval[0] < 0.051 < gain.interval[1] < 0.06
    assert gain.word == found["false_alarms_per_1000"].word == "better"
    assert found["auc_pr"].word == "equal" and found["auc_pr"].difference == 0
    assert found["delay_samples"].word == "not measured in both"
    worse = changes(then, now, {}, seed=1).overall
    assert worse["vus_pr"].word == worse["false_alarms_per_1000"].word == "worse"


def test_changed_entities_are_named_and_only_shared_ones_compared() -> None:
    now, then = committed()[0], committed()[0]
    now["per_entity"]["pump-9"] = now["per_entity"].pop("pump-2")
    now["per_entity"]["pump-9"]["vus_pr"] = 0.0
    found = changes(now, then, {}, seed=1)
    assert (found.shared, found.added, found.gone) == (["pump-1", "pump-3"], ["pump-9"], ["pump-2"])
    assert found.overall["vus_pr"].word == "equal"
    text = tables.against(found, Other("main (abc)", then, {}, {})).note
    assert "Only here: pump-9." in text and "Only in main (abc): pump-2." in text


def test_entities_that_are_copies_are_one_piece_of_evidence() -> None:
    now, then = better(committed()[0], 0.05), committed()[0]
    found = changes(now, then, dict.fromkeys(now["per_entity"], "one recording"), seed=1).overall["vus_pr"]
    assert found.interval is None and found.word == "too few entities for an interval"


def test_an_older_revision_may_lack_a_figure_and_entities() -> None:
    now, then = committed()[0], committed()[0]
    for row in then["per_entity"].values():
        del row["vus_pr"]
    found = changes(now, then, {}, seed=1).overall
    assert found["vus_pr"].word == "not measured in both" and found["f1"].word == "equal"
    none = changes(now, {"per_entity": {}, "model": None}, {}, seed=1)
    assert none.overall == {} and "nothing can be compared" in tables.against(none, Other("x", {}, {}, {})).note


def test_growth_of_flash_ram_and_work() -> None:
    now, then = committed()[2], committed()[2]
    row = now["per_entity"]["pump-1"]
    alike = tables.cost(now, None)
    assert alike.head == ["entity", "target", "flash B", "of it code B", "RAM B", "multiply-adds"]
    flash, code, memory = row["weight_bytes"] + row["table_bytes"] + row["code_bytes"], row["code_bytes"], 624
    unchanged = [str(flash), str(code), str(row["memory_bytes"]), str(row["mac_after"])]
    assert alike.rows == [["pump-1, pump-2, pump-3", "host", *unchanged]]
    row["weight_bytes"] += flash
    now["per_entity"]["pump-2"]["memory_bytes"] = memory
    then["per_entity"]["pump-2"]["memory_bytes"] = 2 * memory
    now["per_entity"]["pump-3"]["code_bytes"] = None
    then["per_entity"]["pump-0"] = then["per_entity"]["pump-1"]
    table = tables.cost(now, Other("main", {}, {}, then))
    assert table.head[2:6] == ["flash B", "growth", "of it code B", "growth"]
    rows = {cells[0]: cells[2:] for cells in table.rows}
    assert rows["pump-1"] == [str(2 * flash), "+100.0 %", unchanged[1], "0", unchanged[2], "0", unchanged[3], "0"]
    assert rows["pump-2"][:6] == [str(flash), "0", str(code), "0", "624", "-50.0 %"]
    assert rows["pump-3"][:4] == ["-", "-", "-", "-"]
    assert table.note.endswith("Only in main: pump-0 (host).")


def with_boards(**counters: str) -> dict[str, Any]:
    """cost.json of the demo with boards, each counted on another or on itself."""
    row = {"flash_bytes": 17100, "code_bytes": 8528, "static_bytes": 1928, "memory_bytes": 1560, "detector_bytes": 64}
    row |= {"stack_worst_bytes": 576, "stack_used_bytes": 564, "instructions": 12878}
    cost = committed()[2]
    cost["boards"] = {
        board: {"core": "any", "counted_on": counter, "per_entity": {name: dict(row) for name in cost["per_entity"]}}
        for board, counter in counters.items()
    }
    return cost


def test_growth_on_boards_and_boards_that_one_side_lacks() -> None:
    now, then = with_boards(old="old", new="old"), with_boards(old="old", gone="gone")
    del then["boards"]["old"]["per_entity"]["pump-3"]
    now["boards"]["old"]["per_entity"]["pump-1"] |= {"stack_used_bytes": 282, "instructions": 25756, "cycles": 19907}
    table = tables.cost(now, Other("main", {}, {}, then))
    assert table.head[-10::2] == [
        "worst stack B",
        "used stack B",
        "multiply-adds",
        "instructions",
        "M4 cycles (estimate)",
    ]
    rows = {(cells[0], cells[1]): cells[2:] for cells in table.rows}
    sizes = ["17100", "0", "8528", "0", "1928", "0", "576", "0"]
    work = ["282", "-50.0 %", "-", "-", "25756", "+100.0 %", "19907", "-"]
    assert rows["pump-1", "old"] == [*sizes, *work]
    assert rows["pump-2", "old"] == [*sizes, "564", "0", "-", "-", "12878", "0", "-", "-"]
    for fresh in (("pump-3", "old"), ("pump-1, pump-2, pump-3", "new")):
        assert rows[fresh][1::2] == ["new", "new", "new", "new", "new", "-", "new", "-"]
    assert "Instructions of new were counted on old. Only here: pump-3 (old), new. Only in main: gone." in table.note
    none = tables.cost(now, Other("main", {}, {}, committed()[2])).note
    assert none.endswith("Only here: old, new.") and "Only in" not in none, "an older cost.json has no boards"


def test_boards_stand_in_the_proof_where_a_side_has_them() -> None:
    now, then = committed()[1], committed()[1]
    assert "firmware, against the edge binary" not in {
        row[0] for row in tables.proof(now, Other("x", {}, then, {})).rows
    }
    for number, row in enumerate(now["per_entity"].values()):
        told = {"samples": 9, "scores_equal": True, "decisions_equal": True, "events_equal": True}
        row["boards"] = {"right": told, "wrong": {**told, "decisions_equal": number != 1, "events_equal": number != 1}}
    words = "identical on right; NOT on wrong (pump-2: decisions and events)"
    assert tables.proof(now, None).rows[-1] == ["firmware, against the edge binary", words]
    assert tables.proof(now, Other("x", {}, then, {})).rows[-1][1:] == [words, "no board"]
    assert tables.proof(then, Other("x", {}, now, {})).rows[-1][1:] == ["no board", words]


def test_results_of_a_revision_and_what_may_be_wrong_with_it(empty: Path) -> None:
    paths = [Path(f"{name}.json") for name in NAMES]
    with pytest.raises(ValueError, match="is no git repository"):
        results("main", paths)
    git("init", "-q", "-b", "main")
    git("commit", "-q", "--allow-empty", "-m", "nothing")
    with pytest.raises(ValueError, match="--against main: metrics.json is not in .*choose a revision"):
        results("main", paths)
    for revision in ("nowhere", "--help", ""):
        with pytest.raises(ValueError, match=f"--against {revision}: git knows no such revision; .*git fetch"):
            results(revision, paths)
    place = empty / "below"  # a project need not be the repository's root
    place.mkdir()
    for name in NAMES:
        (place / f"{name}.json").write_text(json.dumps({"schema": 1, "name": name}))
    git("add", "below")
    git("commit", "-q", "-m", "results")
    (place / "metrics.json").write_text('{"schema": 2}')
    (place / "check.json").write_text("{")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        name, trees = results("main", paths)
        assert name.startswith("main (") and [tree["name"] for tree in trees] == list(NAMES)
        git("add", "metrics.json")
        git("commit", "-q", "-m", "newer")
        with pytest.raises(ValueError, match="metrics.json in .* has schema 2; only 1 can be compared"):
            results("HEAD", paths)
        git("add", "check.json")
        git("commit", "-q", "-m", "damaged")
        with pytest.raises(ValueError, match="check.json in .* is no JSON"):
            results("HEAD", paths[1:])


def test_the_command_compares_with_a_revision(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git("init", "-q", "-b", "main")
    tree = json.loads(Path("cost.json").read_text())
    row = tree["per_entity"]["pump-1"]
    then = {**tree, "per_entity": {"pump-1": {**row, "weight_bytes": row["weight_bytes"] // 2}}}
    Path("cost.json").write_text(json.dumps(then))
    git("add", "metrics.json", "check.json", "cost.json")
    git("commit", "-q", "-m", "results")
    Path("cost.json").write_text(json.dumps(tree))
    assert cli.main(["report", "--against", "main"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "Also written, with pictures: build/report/report.md and build/report/report.html"
    page = Path("build/report/report.md").read_text()
    flash = sum(row[key] for key in ("weight_bytes", "table_bytes", "code_bytes"))
    grown = f"{row['weight_bytes'] / 2 / (flash - row['weight_bytes'] / 2):+.1%}".replace("%", " %")
    assert "### Against main (" in page and f"| {grown} |" in page and "| equal |" in page
    assert cli.main(["report", "--against", "elsewhere"]) == 1
    assert "git knows no such revision" in capsys.readouterr().err


# What was found


def test_findings_are_counted_as_metrics_does(copied: Path) -> None:
    """In the small run, and where scores are missing and the model always alarms."""
    tree = json.loads(Path("metrics.json").read_text())["per_entity"]["pump-1"]
    one = stages._seen(json.loads(Path("scores/pump-1.json").read_text()))
    outcomes = [finding.outcome for finding in one.findings]
    assert outcomes.count(FOUND) == tree["events_found"] and outcomes.count(FALSE) == tree["false_alarm_events"]
    assert outcomes.count(MISSED) == tree["events"] - tree["events_found"]
    assert {finding.top for finding in one.findings if finding.outcome == FALSE} <= set(one.channels)
    assert np.median([f.delay for f in one.findings if f.delay is not None]) == tree["delay_samples"]


@pytest.mark.parametrize("seed", range(8))
def test_findings_of_random_series_are_counted_as_metrics_does(seed: int) -> None:
    draw = np.random.default_rng(seed)
    scores = draw.normal(size=300).cumsum() if seed % 2 else draw.normal(size=300)
    scores[draw.random(300) < 0.3] = np.nan
    edges = np.sort(draw.choice(300, 8, replace=False)).reshape(-1, 2)
    events = [(int(a), int(b), None) for a, b in edges]
    one = seen(scores, events, threshold=float(np.nanquantile(scores, 0.7)))
    told = metrics.judge(
        scores, one.threshold, one.labels, [{"start": a, "end": b, "kind": None} for a, b, _ in events], 2
    )
    outcomes = [finding.outcome for finding in one.findings]
    assert outcomes.count(FOUND) == told["events_found"]
    assert outcomes.count(FOUND) + outcomes.count(MISSED) == told["events"]
    assert outcomes.count(FALSE) == told["false_alarm_events"]


def test_the_worst_stand_first() -> None:
    scores = np.zeros(100)
    scores[[10, 20, 30, 40, 41, 50]] = [0.2, 0.9, 5.0, 2.0, 7.0, 3.0]
    one = seen(scores, [(10, 12, "deep"), (20, 22, "near"), (50, 55, "late")])
    found = [(each.outcome, each.kind, each.start, each.reach) for each in one.findings]
    assert found[:2] == [(MISSED, "deep", 100, 0.2), (MISSED, "near", 200, 0.9)]
    assert found[2:4] == [(FALSE, None, 400, 7.0), (FALSE, None, 300, 5.0)]
    assert found[4][:2] == (FOUND, "late") and one.findings[4].delay == 0
    quiet = seen(np.zeros(9), entity="quiet")
    assert [each.entity for each in worst_entities([quiet, one])] == ["a", "quiet"]
    first, second = tables.worst(one.findings)
    assert first.title == "Worst misses, of 2" and second.title == "Worst false alarms, of 2"


def test_an_alarm_that_is_always_on_has_no_measure_but_a_place() -> None:
    one = seen(np.full(9, 2.0))
    assert [each.reach for each in one.findings] == [float("inf")] and one.findings[0].samples == 9
    assert tables.findings("all", one.findings).rows[0][6] == "beyond measure"


# What is drawn


def test_thinning_keeps_extremes_gaps_and_what_must_stay() -> None:
    draw = np.random.default_rng(3)
    values = draw.normal(size=100_003)
    values[[777, 50_000]], values[60_000:60_500] = [40, -40], np.nan
    chosen = thinned(values, 1000, keep=[5, 99_000])
    assert len(chosen) < 1020 and (np.diff(chosen) > 0).all()
    assert {0, 5, 777, 50_000, 99_000, 100_002} <= set(chosen.tolist())
    assert np.isnan(values[chosen]).any(), "a gap is still one"
    for start in range(0, 100_000, 500):  # whatever stretch one zooms to, its extremes are near
        part = values[start : start + 500]
        if not np.isnan(part).any():
            drawn = values[chosen[(chosen >= start - 250) & (chosen < start + 750)]]
            assert np.nanmax(drawn) >= part.max() and np.nanmin(drawn) <= part.min()
    assert thinned(values[:1000], 1000).tolist() == list(range(1000))
    assert set(thinned(np.full(5000, np.nan), 100).tolist()) >= {0, 4999}


def test_a_cloud_keeps_its_highest_points() -> None:
    draw = np.random.default_rng(3)
    x, y = draw.lognormal(size=5000), draw.random(5000)
    chosen = worst_of(x, y, 50)
    assert len(chosen) <= 50 and y.argmax() in chosen
    assert len(worst_of(np.ones(9), np.arange(9), 50)) == 1 and len(worst_of(x[:0], y[:0], 50)) == 0


def test_a_picture_that_cannot_be_is_a_sentence_that_says_why() -> None:
    blind = seen(np.ones(9), labels=None, events=None)
    assert "without labels" in figures.precision_recall(blind)
    assert "all of one kind" in figures.precision_recall(seen(np.ones(9)))
    assert "fitted at one go" in figures.training(seen(np.ones(9), history=[{"epoch": 0.0}]))
    assert "Not compiled" in figures.error_margin(blind) and "not compiled" in figures.top_channels(blind)
    assert "No sample was scored" in figures.timeline(seen(np.full(9, np.nan)), 100)
    assert "No finite score" in figures.histogram(seen(np.full(9, np.nan)))


def test_scores_of_any_sign_and_size_are_drawn() -> None:
    for scores in (np.linspace(-5, 5, 99), np.r_[np.ones(50), np.inf], np.zeros(9), np.r_[np.nan, np.ones(9)]):
        one = seen(scores, [(2, 4, None)])
        for made in (figures.timeline(one, 40), figures.histogram(one), figures.precision_recall(one)):
            assert not isinstance(made, str) and made.to_json()


def test_a_report_of_many_stays_small() -> None:
    """As many samples as NASA-MSL's 22 entities have: what is drawn of them is under 3 MB, beside plotly.js."""
    draw = np.random.default_rng(1)
    scores = draw.gamma(2.0, size=10_000)
    size = 0
    for _ in range(22):
        one = seen(scores, [(a, a + 50, "x") for a in range(100, 9000, 500)], threshold=6.0)
        parts = (figures.timeline(one, figures.points(22)), figures.histogram(one), figures.precision_recall(one))
        size += sum(len(part.to_json()) for part in parts if not isinstance(part, str))
    assert size < 3_000_000


def test_markdown_holds_verdict_tables_and_text() -> None:
    table = tables.Table("Sizes", ["entity", "B"], [["a|b", "3"], ["<i>", "4"]], "As told.")
    text = markdown.page("It *beats*", ["Proven."], [table], [table], "```\ncode")
    lines = text.splitlines()
    assert lines[0] == r"**It \*beats\***" and "Proven." in lines
    assert r"| a\|b | 3 |" in lines and "| &lt;i> | 4 |" in lines and "|:--|--:|" in lines
    assert text.count("<details>") == text.count("</details>") == 2
    assert "````\n```\ncode\n````" in text, "text with a fence in it gets a longer one"


def test_without_another_revision_no_column_is_empty(copied: Path) -> None:
    stages.report(params.load())
    page = Path("build/report/report.md").read_text()
    assert page.startswith("**The model is NOT distinguishable") and "then" not in page and "growth" not in page
    for title in ("Model and floors", "Events found by kind", "Entities", "Worst misses", "Proof", "The page of text"):
        assert title in page
