"""The command `tsad`: one table of verbs; each is one call, no logic.

The six pipeline verbs are the stages of dvc.yaml; each runs in the directory that holds params.yaml. What a verb needs
is imported when it runs: `tsad --help` loads nothing, and Ctrl-C is heard from the first import on.
Long, as all verbs and their options stand in the one table.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from . import __version__
from .params import Train, load

Options = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Verb:
    """What it does when it is called with its options, an example that runs, and the options as argparse wants them.

    It returns the exit code. A group of options that belong together has a heading of its own. `extra` is what
    pip installs where an import fails.
    """

    call: Callable[..., int]
    help: str
    example: str
    options: Options
    group: str = ""
    grouped: Options = field(default_factory=dict)
    extra: str = "train"


def _say(text: str | None, code: int = 0) -> int:
    if text:
        print(text)
    return code


def _stage(name: str) -> Callable[..., int]:
    def run(params: str) -> int:
        from . import stages

        chosen = load(params)
        stages.require_version()
        return _say(getattr(stages, name)(chosen))

    return run


def _convert(params: str, **own: Any) -> int:
    if not own:
        return _stage("convert")(params)
    from . import own_model

    return _say(own_model.convert_own(**own))


def _report(params: str, against: str | None, json: bool) -> int:
    from . import stages

    chosen = load(params)
    return _say(_dumped(stages.results(chosen)) if json else stages.report(chosen, against))


def _list(what: str | None, json: bool) -> int:
    from . import stages

    if what == "boards":
        from .boards import boards

        return _say(_dumped([asdict(each) for each in boards().values()]) if json else stages.board_listing())
    return _say(_dumped(stages.inventory()) if json else stages.listing())


def _export(**options: Any) -> int:
    from . import stages

    return _say(stages.export_c(**options))


def _run_on_board(**options: Any) -> int:
    from . import stages

    return _say(stages.run(**options))


def _stream(**options: Any) -> int:
    from . import stages

    stages.stream(**options, say=lambda text: print(f"tsad stream: {text}", file=sys.stderr, flush=True))
    return 0


def _flash(**options: Any) -> int:
    from . import stages

    return _say(stages.flash(**options))


def _init(**options: Any) -> int:
    from . import project

    return _say(project.create(**options))


def _doctor(json: bool) -> int:
    from . import doctor

    found = doctor.examine()
    text = _dumped([asdict(each) for each in found]) if json else doctor.page(found)
    return _say(text, 0 if doctor.sufficient(found) else 1)


def _push(reference: str) -> int:
    from . import registry

    return _say(registry.push(reference))


def _pull(reference: str, folder: str) -> int:
    from . import registry

    return _say(registry.pull(reference, folder))


def _promote(reference: str, stage: str) -> int:
    from . import registry

    return _say(registry.promote(reference, stage))


def _versions(reference: str, json: bool) -> int:
    from . import registry

    return _say(_dumped(registry.inventory(reference)) if json else registry.listing(reference))


def _serve(folder: str, host: str, port: int, max_bytes: int, timeout: float) -> int:
    from . import service, stages

    service.serve(stages.compiled(Path(folder)), host, port, service.Limits(max_bytes, timeout))
    return 0


def _deploy(image: str, dry_run: bool) -> int:
    from . import deploy

    return _say(deploy.manifests(image) if dry_run else deploy.apply(image))


def _dumped(tree: Any) -> str:
    return json.dumps(tree, indent=2)


PARAMS: Options = {
    "--params": {"default": "params.yaml", "metavar": "FILE", "help": "parameters (default: %(default)s)"}
}
JSON: Options = {"--json": {"action": "store_true", "help": "the same as JSON, for programs"}}
INIT: Options = {
    "folder": {"help": "to make; must not exist, or be empty"},
    "--csv": {"required": True, "metavar": "FILE", "help": "sensor data: a header line, then numbers; it is copied"},
    "--label": {"metavar": "COLUMN", "help": "0 normal, 1 anomaly (default: is_anomaly, label or anomaly)"},
    "--time": {"metavar": "COLUMN", "help": "milliseconds or ISO 8601 (default: timestamp, time, t or date)"},
}
REPORT: Options = {
    "--against": {"metavar": "REV", "help": "git revision whose committed results stand beside, such as main"},
}
SERVE: Options = {
    "folder": {
        "nargs": "?",
        "default": ".",
        "help": "a project, or what `tsad convert --out` wrote (default: the current directory)",
    },
    "--host": {"default": "127.0.0.1", "help": "address to listen on; 0.0.0.0 for all (default: %(default)s)"},
    "--port": {"default": 8000, "type": int, "help": "0 for any free one (default: %(default)s)"},
    "--max-bytes": {"default": 4 * 2**20, "type": int, "metavar": "N", "help": "of a body (default: %(default)s)"},
    "--timeout": {
        "default": 10.0,
        "type": float,
        "metavar": "S",
        "help": "seconds for a request (default: %(default)s)",
    },
}
MODEL: Options = {
    "--model": {"metavar": "DIR", "help": "folder with a model's C; default: the only one in csrc/generated"},
}
RUN: Options = MODEL | {
    "csv": {"metavar": "FILE.csv", "help": "a header line, and the model's channels by their names"},
    "--board": {"required": True, "metavar": "NAME", "help": "one of `tsad list boards`"},
    "--port": {"metavar": "PORT", "help": "serial port of a real board with this firmware; without it QEMU runs it"},
    "--events": {"action": "store_true", "help": "events instead of scores"},
}
STREAM: Options = MODEL | {
    "source": {"metavar": "SOURCE", "help": "a CSV file that grows, - for standard input, or a serial port"},
    "--to": {"metavar": "FILE", "help": "append events to FILE, each once whatever happens (default: standard output)"},
    "--time": {"metavar": "COLUMN", "help": "milliseconds or ISO 8601 (default: timestamp, time, t or date)"},
    "--baud": {"default": 115200, "type": int, "metavar": "N", "help": "of a serial port (default: %(default)s)"},
}
FLASH: Options = MODEL | {
    "--board": {"required": True, "metavar": "NAME", "help": "one of `tsad list boards`"},
    "--port": {"metavar": "PORT", "help": "the board's serial port; default: the only one of an ST-Link"},
    "--gdb": {"metavar": "HOST:PORT", "help": "flash by gdb, through the gdb server of a probe or of QEMU"},
}
OWN: Options = {
    "--weights": {
        "metavar": "FILE",
        "help": "its weights: .pt (state dict), .safetensors, or .pt2 (needs no --module)",
    },
    "--module": {"metavar": "FILE:NAME", "help": "what builds the nn.Module: my_mod:build, in the current directory"},
    "--window": {"metavar": "W", "type": int, "help": "samples in a window"},
    "--channels": {"metavar": "C", "type": int, "help": "values in a sample"},
    "--calibrate": {"metavar": "CSV", "help": "normal data that it was not trained on; sets the threshold"},
    "--check": {"metavar": "CSV", "help": "data to prove the compiled C on"},
    "--adapt": {"metavar": "KIND", "help": "forecast or reconstruct; without it the module gives a score"},
    "--false-alarms": {"metavar": "RATE", "help": f"bearable, default {Train.false_alarms!r}, or like '2 per day'"},
    "--threshold": {"metavar": "METHOD", "help": f"how it is set, as train.threshold; default {Train.threshold}"},
    "--trust-pickle": {"action": "store_true", "help": "RUN THE CODE in the weights file: loads pickled modules"},
    "--out": {"metavar": "DIR", "help": "folder to write"},
}
"""Options of ``tsad convert`` for a model that was trained elsewhere: arguments of `own_model.convert_own`."""
NEEDED = ("--weights", "--window", "--channels", "--calibrate", "--out")
CONVERT = (
    "tsad convert --module plant:Forecaster --weights weights.safetensors --window 50 --channels 2 --adapt forecast "
    "--calibrate normal.csv --check test.csv --out pump7"
)

REFERENCE: Options = {"reference": {"help": "HOST/PATH/NAME:VERSION; pull also takes :STAGE and @sha256:DIGEST"}}
GROUPS = {"registry": "keep versions of models with their proof in an OCI registry, and tag their commits"}
"""First words that several verbs share."""
VERBS = {
    "init": Verb(
        _init,
        "make a project of your own from a CSV, with what is found in it",
        "tsad init my-plant --csv pump.csv --label fault",
        INIT,
    ),
    "doctor": Verb(_doctor, "say what this machine lacks, for what, and how to install it", "tsad doctor --json", JSON),
    "prepare": Verb(_stage("prepare"), "get the data set, validate it, split it by time", "tsad prepare", PARAMS),
    "train": Verb(
        _stage("train"),
        "fit a model and a label-free threshold for every entity",
        "tsad train --params lstm.yaml",
        PARAMS,
    ),
    "test": Verb(_stage("test"), "score every test series with PyTorch, and with the floors", "tsad test", PARAMS),
    "evaluate": Verb(_stage("evaluate"), "judge the scores with the labels: metrics.json", "tsad evaluate", PARAMS),
    "convert": Verb(
        _convert,
        "compile every trained model, or one of your own, to C, libraries and the edge binary",
        CONVERT,
        PARAMS,
        f"your own model: instead of the stage; needs {', '.join(NEEDED)}",
        OWN,
    ),
    "check": Verb(
        _stage("check"), "prove that the C decides like PyTorch on the whole test set: check.json", "tsad check", PARAMS
    ),
    "report": Verb(
        _report,
        "print what the pipeline found, and write it with pictures to build/report",
        "tsad report --against main",
        PARAMS | REPORT | JSON,
    ),
    "registry push": Verb(
        _push,
        "keep the committed results, models and proof as a version, and tag the commit",
        "tsad registry push 127.0.0.1:5000/plant/pump:v1.2.0",
        REFERENCE,
        extra="pipeline",
    ),
    "registry pull": Verb(
        _pull,
        "bring a version into a folder, every file compared with its digest",
        "tsad registry pull 127.0.0.1:5000/plant/pump:prod pump",
        REFERENCE | {"folder": {"help": "to make; must not exist, or be empty"}},
        extra="registry",
    ),
    "registry list": Verb(
        _versions,
        "print the versions there are, with their stages and what was found of them",
        "tsad registry list 127.0.0.1:5000/plant/pump",
        {"reference": {"help": "HOST/PATH/NAME"}} | JSON,
        extra="registry",
    ),
    "registry promote": Verb(
        _promote,
        "give a version a stage; refused where its check did not pass",
        "tsad registry promote 127.0.0.1:5000/plant/pump:v1.2.0 --stage prod",
        REFERENCE | {"--stage": {"required": True, "metavar": "NAME", "help": "such as prod"}},
        extra="registry",
    ),
    "deploy": Verb(
        _deploy,
        "run the service on Kubernetes: apply its manifests with an image that is named by its digest",
        f"tsad deploy 127.0.0.1:5000/plant/tsad@sha256:{64 * '0'} --dry-run",
        {
            "image": {"help": "HOST/PATH/NAME@sha256:DIGEST, made by the Dockerfile of tsad_edge/deploy"},
            "--dry-run": {"action": "store_true", "help": "print the manifests, and ask no cluster"},
        },
    ),
    "serve": Verb(
        _serve,
        "answer over HTTP with the scores of compiled detectors; /docs describes it",
        "tsad serve my-plant --host 0.0.0.0 --port 8080",
        SERVE,
        extra="serve",
    ),
    "run": Verb(
        _run_on_board,
        "score a CSV with the firmware of a model, in QEMU or on a real board, and print what tsad-edge prints",
        "tsad run --board mps2-an386 --model csrc/generated/m_pump_1 build/check/pump-1.csv",
        RUN,
    ),
    "stream": Verb(
        _stream,
        "watch samples as they come, and tell every event once, as a line of JSON when it starts and when it has ended",
        "tsad stream --model csrc/generated/m_pump_1 pump.csv --to events.jsonl",
        STREAM,
        extra="flash",
    ),
    "flash": Verb(
        _flash,
        "build a model's firmware, write it into a board, verify it, and read the model's id back",
        "tsad flash --board nucleo-f411re --model csrc/generated/m_pump_1 --port /dev/ttyACM0",
        FLASH,
        extra="flash",
    ),
    "export": Verb(
        _export,
        "write the few files of one model that a firmware of your own needs, with vectors that prove them there",
        "tsad export --model csrc/generated/m_pump_1 --to pump-detector",
        MODEL | {"--to": {"required": True, "metavar": "DIR", "help": "folder to write"}},
    ),
    "list": Verb(
        _list,
        "print the data sets, models and operators there are, or the boards",
        "tsad list boards",
        {"what": {"nargs": "?", "choices": ["boards"], "help": "what firmware can be built for"}} | JSON,
    ),
}


def parser() -> argparse.ArgumentParser:
    """What `main` reads its arguments with.

    Examples
    --------
    >>> parser().parse_args(["list", "--json"]).json
    True
    """
    made = argparse.ArgumentParser(
        prog="tsad",
        description="Sensor CSV in, a proven anomaly detector in C out.",
        epilog="A whole run: tsad prepare && tsad train && tsad test && tsad evaluate && tsad convert && tsad check",
    )
    made.add_argument("--version", action="version", version=f"tsad {__version__}")
    places = {"": made.add_subparsers(dest="verb", required=True, metavar="verb")}
    for name, verb in VERBS.items():
        group_name, _, word = name.rpartition(" ")
        if group_name not in places:
            shared = places[""].add_parser(group_name, help=GROUPS[group_name], description=GROUPS[group_name])
            places[group_name] = shared.add_subparsers(dest="second", required=True, metavar="verb")
        lines = textwrap.wrap(verb.example, 76, break_long_words=False, break_on_hyphens=False)
        example = "example:\n  " + " \\\n    ".join(lines)
        as_it_is = argparse.RawDescriptionHelpFormatter
        one = places[group_name].add_parser(
            word, help=verb.help, description=verb.help, epilog=example, formatter_class=as_it_is
        )
        for option, words in verb.options.items():
            one.add_argument(option, **words)
        group = one.add_argument_group(verb.group)
        for option, words in verb.grouped.items():
            group.add_argument(option, default=argparse.SUPPRESS, **words)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; 0 when it did its work, 1 when it could not, 2 for a wrong call, 130 after Ctrl-C.

    Examples
    --------
    >>> main(["list"])  # doctest: +SKIP
    """
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        print("tsad: stopped; nothing was half-written, run it again", file=sys.stderr)
        return 130


def _run(arguments: Sequence[str] | None) -> int:
    reader = parser()
    chosen = vars(reader.parse_args(arguments))
    name = " ".join([chosen.pop("verb"), *([chosen.pop("second")] if "second" in chosen else [])])
    given = {option for option in OWN if option.removeprefix("--").replace("-", "_") in chosen}
    if name == "convert" and given and (lacking := [option for option in NEEDED if option not in given]):
        reader.error(f"convert: a model of your own needs {', '.join(lacking)}, too")
    try:
        return VERBS[name].call(**chosen)
    except (ValueError, RuntimeError, OSError) as error:
        print(f"tsad {name}: {error}", file=sys.stderr)
        return 1
    except ImportError as error:
        torch = " torch==2.13.0" if VERBS[name].extra in ("train", "pipeline") else ""
        print(f"tsad {name}: {error}; pip install 'tsad-edge[{VERBS[name].extra}]'{torch} brings it", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
