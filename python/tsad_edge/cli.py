"""The command `tsad`: one verb, one call, no logic.

The six pipeline verbs are the stages of dvc.yaml; each runs in the directory that holds params.yaml.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from . import __version__, own_model, stages
from .params import Params, Train, load

VERBS: dict[str, tuple[Callable[[Params], str | None], str]] = {
    "prepare": (stages.prepare, "get the data set, validate it, split it by time"),
    "train": (stages.train, "fit a model and a label-free threshold for every entity"),
    "test": (stages.test, "score every test series with PyTorch, and with the floors"),
    "evaluate": (stages.evaluate, "judge the scores with the labels: metrics.json"),
    "convert": (stages.convert, "compile every trained model, or one of your own, to C, libraries and the edge binary"),
    "check": (stages.check, "prove that the C decides like PyTorch on the whole test set: check.json"),
    "report": (stages.report, "print what the pipeline found"),
    "list": (stages.listing, "print the data sets, models and operators there are"),
}

OWN: dict[str, dict[str, Any]] = {
    "weights": {
        "metavar": "FILE",
        "help": "its weights: .pt (state dict), .safetensors, or .pt2 (needs no --module)",
    },
    "module": {"metavar": "FILE:NAME", "help": "what builds the nn.Module: my_mod:build, in the current directory"},
    "window": {"metavar": "W", "type": int, "help": "samples in a window"},
    "channels": {"metavar": "C", "type": int, "help": "values in a sample"},
    "calibrate": {"metavar": "CSV", "help": "normal data that it was not trained on; sets the threshold"},
    "check": {"metavar": "CSV", "help": "data to prove the compiled C on"},
    "adapt": {"metavar": "KIND", "help": "forecast or reconstruct; without it the module gives a score"},
    "false_alarms": {"metavar": "RATE", "help": f"bearable, default {Train.false_alarms!r}, or like '2 per day'"},
    "threshold": {"metavar": "METHOD", "help": f"how it is set, as train.threshold; default {Train.threshold}"},
    "trust_pickle": {"action": "store_true", "help": "RUN THE CODE in the weights file: loads pickled modules"},
    "out": {"metavar": "DIR", "help": "folder to write"},
}
"""Options of ``tsad convert`` for a model that was trained elsewhere: arguments of `own_model.convert_own`."""
NEEDED = ("weights", "window", "channels", "calibrate", "out")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; 0 when it did its work, 1 when it could not, 2 for a wrong call.

    Examples
    --------
    >>> main(["list"])  # doctest: +SKIP
    """
    parser = argparse.ArgumentParser(
        prog="tsad",
        description="Sensor CSV in, a proven anomaly detector in C out.",
        epilog="A whole run: tsad prepare && tsad train && tsad test && tsad evaluate && tsad convert && tsad check",
    )
    parser.add_argument("--version", action="version", version=f"tsad {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")
    for name, (_, text) in VERBS.items():
        verb = verbs.add_parser(name, help=text, description=text, epilog=f"example: tsad {name}")
        if name != "list":
            verb.add_argument(
                "--params", default="params.yaml", metavar="FILE", help="parameters (default: %(default)s)"
            )
    group = verbs.choices["convert"].add_argument_group(
        "your own model", f"instead of the stage; needs {', '.join(f'--{name}' for name in NEEDED)}"
    )
    for name, words in OWN.items():
        group.add_argument(f"--{name.replace('_', '-')}", default=argparse.SUPPRESS, **words)
    chosen = parser.parse_args(arguments)
    own = {name: value for name, value in vars(chosen).items() if name in OWN}
    if own and (lacking := [f"--{name}" for name in NEEDED if name not in own]):
        verbs.choices["convert"].error(f"a model of your own needs {', '.join(lacking)}, too")
    try:
        if own:
            said: str | None = own_model.convert_own(**own)
        else:
            said = VERBS[chosen.verb][0](load(chosen.params) if chosen.verb != "list" else Params())
    except (ValueError, RuntimeError, OSError) as error:
        print(f"tsad {chosen.verb}: {error}", file=sys.stderr)
        return 1
    except ImportError as error:
        print(f"tsad {chosen.verb}: {error}; pip install 'tsad-edge[train]' torch==2.13.0 brings it", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"tsad {chosen.verb}: stopped; nothing was half-written", file=sys.stderr)
        return 130
    if said:
        print(said)
    return 0


if __name__ == "__main__":
    sys.exit(main())
