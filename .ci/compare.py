"""Are the results of a rerun those that are committed? Exit code 1, and what differs, when they are not.

    python .ci/compare.py [REVISION]        default HEAD; reads metrics.json, check.json and cost.json of both

Owns the tolerances. Everything is compared, and exactly, unless `TOLERANCES` says how far it may move: another
processor adds float32 numbers in another order, so training ends in slightly other weights. Who wins, what was
proven, and whatever no training touches (series, events, sizes, counts of operations) may not move at all.
"""

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

FILES = ("metrics.json", "check.json", "cost.json")
FREE = (math.inf, 0.0)

TOLERANCES: dict[str, list[tuple[str, tuple[float, float]]]] = {
    # file: pattern of a value's path -> (absolute, share of the committed value); the first that fits counts, and the
    # larger of the two is allowed
    "metrics.json": [
        ("*.intervals.*", FREE),  # a bootstrap over few entities of the numbers beside them, which are compared
        ("*.interval.*", FREE),
        ("*_per_1000", FREE),  # counts over a number of samples; both are compared
        ("*_per_day", FREE),
        ("*.difference", (0.05, 0)),
        ("*.auc_*", (0.03, 0)),
        ("*.vus_roc", (0.03, 0)),
        ("*.vus_pr", (0.03, 0)),
        ("*.event_*", (0.2, 0)),  # an event that splits in two moves them more than a sample does
        ("*.f1", (0.05, 0)),
        ("*.composite_f1", (0.05, 0)),
        ("*.point_adjusted_f1", (0.1, 0)),
        ("*.precision", (0.05, 0)),
        ("*.recall", (0.05, 0)),
        ("*.delay_*", (5, 0.25)),
        ("*.found", (1, 0)),
        ("*.events_found", (2, 0)),
        ("*.alarms", (20, 0.15)),
        ("*.true_alarms", (20, 0.15)),
        ("*.false_alarms", (20, 0.4)),
        ("*.lingering", (20, 0.4)),
        ("*.alarm_events", (20, 0.4)),
        ("*.false_alarm_events", (20, 0.4)),
    ],
    "check.json": [
        ("*.worst*", FREE),  # which sample came nearest to its tolerance
        ("*alarms", (20, 0.15)),
        ("*.events", (20, 0.4)),
        ("*samples_in_band", (5, 0)),
        ("*max_score_error", (0, 4)),  # rounding: of one order of magnitude; the proof itself bounds it per sample
        ("*tolerance", (0, 1)),
        ("*largest_share_of_tolerance", (0.5, 0)),
    ],
    "cost.json": [("*.code_bytes", (0, 0.25))],  # the compiler's business; what is counted without one is exact
}


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of whatever is no object or list, and of empty ones."""
    if isinstance(tree, dict | list) and tree:
        pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
        for key, value in pairs:
            yield from leaves(value, f"{path}.{key}")
    else:
        yield path, tree


def allowed(file: str, path: str, committed: Any) -> float:
    """How far a value may be from the committed one."""
    for pattern, (absolute, share) in TOLERANCES[file]:
        if fnmatchcase(path, pattern):
            return max(absolute, share * abs(committed))
    return 1e-9 * abs(committed)  # a mean of equal numbers may differ in its last digit


def number(value: Any) -> bool:
    """Is it a number? JSON's true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def differences(file: str, committed: Any, rerun: Any) -> list[str]:
    """What is not as committed, a line each."""
    ours, theirs = dict(leaves(rerun)), dict(leaves(committed))
    found = [f"{file}: {path[1:]} is committed, the rerun lacks it" for path in theirs if path not in ours]
    found += [f"{file}: {path[1:]} is new, and not committed" for path in ours if path not in theirs]
    for path, before in theirs.items():
        now = ours.get(path)
        if path not in ours or before == now:
            continue
        if not (number(before) and number(now)):
            found.append(f"{file}: {path[1:]} is {now!r}, committed {before!r}")
        elif not abs(now - before) <= (limit := allowed(file, path, before)):
            found.append(f"{file}: {path[1:]} is {now:.6g}, committed {before:.6g}; {limit:.3g} apart is allowed")
    return found


def main(revision: str) -> int:
    """Compare the result files of this directory with those of a revision."""
    found = []
    for file in FILES:
        if not Path(file).is_file():
            sys.exit(f"{file}: not found; run `dvc repro` first, in the directory of dvc.yaml")
        show = subprocess.run(["git", "show", f"{revision}:./{file}"], capture_output=True, text=True)
        if show.returncode:
            sys.exit(f"{file}: {revision} has none ({show.stderr.strip()}); name a revision with results")
        found += differences(file, json.loads(show.stdout), json.loads(Path(file).read_text()))
    sys.stdout.write("".join(f"{line}\n" for line in found))
    if found:
        differ = "1 result differs" if len(found) == 1 else f"{len(found)} results differ"
        sys.stdout.write(f"{differ} from {revision}: commit those of `dvc repro`, or mend the change\n")
    else:
        sys.stdout.write(f"{', '.join(FILES)}: as in {revision}, within the tolerances of .ci/compare.py\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "HEAD"))
