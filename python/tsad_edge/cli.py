"""The command `tsad`: one verb, one call, no logic.

The six pipeline verbs are the stages of dvc.yaml; each runs in the directory that holds params.yaml.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from . import __version__, stages
from .params import Params, load

VERBS: dict[str, tuple[Callable[[Params], str | None], str]] = {
    "prepare": (stages.prepare, "get the data set, validate it, split it by time"),
    "train": (stages.train, "fit a model and a label-free threshold for every entity"),
    "test": (stages.test, "score every test series with PyTorch, and with the floors"),
    "evaluate": (stages.evaluate, "judge the scores with the labels: metrics.json"),
    "convert": (stages.convert, "compile every model to C, libraries and the edge binary: cost.json"),
    "check": (stages.check, "prove that the C decides like PyTorch on the whole test set: check.json"),
    "report": (stages.report, "print what the pipeline found"),
    "list": (stages.listing, "print the data sets, models and operators there are"),
}


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
    chosen = parser.parse_args(arguments)
    try:
        said = VERBS[chosen.verb][0](load(chosen.params) if chosen.verb != "list" else Params())
    except (ValueError, RuntimeError, FileNotFoundError) as error:
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
