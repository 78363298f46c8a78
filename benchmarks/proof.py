"""The reference's five models through all six stages on NASA-MSL and two SMD machines: does the C decide like PyTorch?

Run by ``make proof``; writes benchmarks/proof.md. Works below build/proof, so that the bundled demo's results stay what
they are. TSAD_MIRROR names the folder or address that holds the archives. What the models find, `accuracy` says.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "build" / "proof"
MODELS = ("lstm", "transformer", "gan", "vae", "tranad")
DATA: dict[str, str | list[str]] = {
    "NASA-MSL": "all",
    "SMD": ["machine-2-3", "machine-1-8"],  # of the quick ones to tune on, those with the shortest test series
}
STAGES = ("prepare", "train", "test", "evaluate", "convert", "check")


def run(dataset: str, model: str) -> dict[str, Any]:
    """One pipeline in a directory of its own; returns check, cost and the seconds of its stages.

    A check that fails is a row of the table like any other; a stage that fails ends the run.
    """
    place = PLACE / dataset / model
    place.mkdir(parents=True, exist_ok=True)
    shipped = yaml.safe_load((ROOT / "params.yaml").read_text())
    params = {
        "seed": shipped["seed"],
        "prepare": {"dataset": dataset, "entities": DATA[dataset], "window": 100},
        "train": {"model": model, "hyper": shipped["train"]["hyper"]},
    }
    (place / "params.yaml").write_text(yaml.safe_dump(params))
    (place / "check.json").unlink(missing_ok=True)
    seconds: dict[str, float] = {}
    for stage in STAGES:
        print(f"{dataset}, {model}: {stage}", flush=True)
        start = time.monotonic()
        done = subprocess.run([sys.executable, "-m", "tsad_edge.cli", stage], cwd=place)
        seconds[stage] = time.monotonic() - start
        if done.returncode and not (place / "check.json").is_file():
            raise SystemExit(f"{dataset}, {model}: {stage} ended with {done.returncode}")
    return {
        "seconds": seconds,
        **{name: json.loads((place / f"{name}.json").read_text()) for name in ("check", "cost")},
    }


def row(dataset: str, model: str, found: dict[str, Any]) -> str:
    """One pipeline's line of the table."""
    check, costs = found["check"], list(found["cost"]["per_entity"].values())
    events = sum(entity["events"] for entity in check["per_entity"].values())
    equal = "equal" if check["events_equal"] else f"{len(check['events_excused'])} excused"
    cells = [
        f"{dataset}, {check['entities']}",
        model,
        "passed" if check["passed"] else "FAILED",
        f"{check['samples']:,}",
        f"{check['largest_share_of_tolerance']:.2f}",
        str(check["flipped_decisions"]),
        str(check["samples_in_band"]),
        f"{events}, {equal}",
        " -> ".join(f"{max(cost[key] for cost in costs):,}" for key in ("mac_before", "mac_after")),
        f"{found['seconds']['check']:.0f} of {sum(found['seconds'].values()):.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def table(results: dict[tuple[str, str], dict[str, Any]]) -> str:
    """All lines, and what is special about some entities."""
    head = [
        "data set, entities",
        "model",
        "check",
        "samples",
        "largest share of tolerance",
        "flipped",
        "in band",
        "events",
        "multiply-adds",
        "check of all stages, s",
    ]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [row(*which, found) for which, found in results.items()]
    lines.append("")
    for (dataset, model), found in results.items():
        for key in ("failures", "degenerate_calibration", "entities_without_alarm"):
            if names := found["check"][key]:
                lines.append(f"- {dataset}, {model}, {key.replace('_', ' ')}: {', '.join(names)}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """All pipelines; the table grows with each."""
    results: dict[tuple[str, str], dict[str, Any]] = {}
    for dataset in DATA:
        for model in MODELS:
            results[dataset, model] = run(dataset, model)
            (ROOT / "benchmarks" / "proof.md").write_text(table(results))
    print((ROOT / "benchmarks" / "proof.md").read_text())
    if not all(found["check"]["passed"] for found in results.values()):
        raise SystemExit("a check failed; benchmarks/proof.md says which")


if __name__ == "__main__":
    main()
