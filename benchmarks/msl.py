"""NASA-MSL, all entities, both models, through all six stages; writes benchmarks/msl.md.

Run by ``make msl``. Works below build/msl, so that the bundled demo's results stay what they are. TSAD_MIRROR names the
folder or address that holds NASA-MSL.zip.
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
MODELS = ("gan", "lstm")
STAGES = ("prepare", "train", "test", "evaluate", "convert", "check")


def run(model: str) -> dict[str, Any]:
    """One model's whole pipeline in a directory of its own; returns its result files and the seconds of its stages."""
    place = ROOT / "build" / "msl" / model
    place.mkdir(parents=True, exist_ok=True)
    params = {
        "seed": yaml.safe_load((ROOT / "params.yaml").read_text())["seed"],
        "prepare": {"dataset": "NASA-MSL", "window": 100},
        "train": {"model": model},
    }
    (place / "params.yaml").write_text(yaml.safe_dump(params))
    seconds: dict[str, float] = {}
    for stage in STAGES:
        print(f"{model}: {stage}", flush=True)
        start = time.monotonic()
        subprocess.run([sys.executable, "-m", "tsad_edge.cli", stage], cwd=place, check=True)
        seconds[stage] = time.monotonic() - start
    return {
        "seconds": seconds,
        **{name: json.loads((place / f"{name}.json").read_text()) for name in ("metrics", "check", "cost")},
    }


def table(results: dict[str, dict[str, Any]]) -> str:
    """The results as markdown."""
    first = results[MODELS[0]]
    lines = [
        "| NASA-MSL, 22 entities | VUS-PR (95 %) | against the best floor | AUC-PR | F1 | composite F1 | "
        "false alarms per 1000 | weights, bytes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for model, found in results.items():
        sizes = {row["weight_bytes"] for row in found["cost"]["per_entity"].values()}
        against = f"{found['metrics']['verdict']}, {found['metrics']['rival']}"
        lines.append(_row(model, found["metrics"]["model"], against, f"{max(sizes)}"))
    for name, figures in first["metrics"]["floors"].items():
        lines.append(_row(f"untrained {MODELS[0]}" if name == "untrained" else name, figures, "", "-"))
    lines += [
        "",
        "| check | samples | largest share of tolerance | flipped | in band | evaluate, seconds | all stages, s |",
        "|---|---|---|---|---|---|---|",
    ]
    for model, found in results.items():
        check = found["check"]
        lines.append(
            f"| {model}: {'passed' if check['passed'] else 'FAILED'} | {check['samples']} | "
            f"{check['largest_share_of_tolerance']:.2f} | {check['flipped_decisions']} | {check['samples_in_band']} | "
            f"{found['seconds']['evaluate']:.0f} | {sum(found['seconds'].values()):.0f} |"
        )
    lines.append("")
    for model, found in results.items():
        for key in ("degenerate_calibration", "entities_without_alarm"):
            lines.append(f"- {model}, {key.replace('_', ' ')}: {', '.join(found['check'][key]) or 'none'}")
    return "\n".join(lines) + "\n"


def _row(name: str, metrics: dict[str, Any], against: str, size: str) -> str:
    low, high = metrics["intervals"]["vus_pr"]
    figures = [f"{metrics['vus_pr']:.3f} ({low:.3f}-{high:.3f})", against]
    figures += [f"{metrics[key]:.3f}" for key in ("auc_pr", "f1", "composite_f1")]
    return f"| {name} | {' | '.join(figures)} | {metrics['false_alarms_per_1000']:.0f} | {size} |"


def main() -> None:
    """Both models, then the table."""
    results = {model: run(model) for model in MODELS}
    (ROOT / "benchmarks" / "msl.md").write_text(table(results))
    print((ROOT / "benchmarks" / "msl.md").read_text())


if __name__ == "__main__":
    main()
