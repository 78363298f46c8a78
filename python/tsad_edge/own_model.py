"""`tsad convert --weights ...`: a model that was trained elsewhere, from its weights to a folder with a detector.

No stage of the pipeline, and therefore not in `stages`: it reads no params.yaml and nothing that a stage wrote, and
writes one folder of its own.
"""

from __future__ import annotations

import shlex
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .entity import calibrated, cost_of, description, generated, identified, named, proof, write_c
from .files import replaced, write_json
from .params import Baseline, Check, Events, Guard, Train

if TYPE_CHECKING:
    from .data import Series


def convert_own(
    *,
    weights: str,
    window: int,
    channels: int,
    calibrate: str,
    out: str,
    module: str | None = None,
    adapt: str | None = None,
    check: str | None = None,
    false_alarms: str = Train.false_alarms,
    threshold: str = Train.threshold,
    trust_pickle: bool = False,
) -> str:
    """One's own model to C, model library and edge binary, with a threshold from one's own normal data.

    Parameters
    ----------
    weights, module, trust_pickle
        See `bring.load`.
    window, channels : int
        W and C.
    calibrate : str
        CSV of normal operation that the model was not trained on; all of it is held back for the threshold.
    out : str
        Folder; its name becomes the entity's. What a former run wrote there is replaced, and only when all is made.
    adapt : str, optional
        A name of `models.adapt.ADAPTERS`; without it the model is a scorer.
    check : str, optional
        CSV to prove the compiled C on.
    false_alarms, threshold : str
        As `params.Train`.

    Returns
    -------
    str
        What was written and found.

    Raises
    ------
    ValueError
        Bad input; names option, file, field and the next step. Nothing is written.
    RuntimeError
        The C does not decide like PyTorch. All is written, and check.json says which sample and operator.
    """
    from . import bring, codegen, toolchain
    from .check import summarise
    from .data import read_normal
    from .report import converted
    from .rules import event_rules, guard_rules
    from .threshold import METHODS, rate_per_1000

    place, source = Path(out).resolve(), module or Path(weights).name
    entity, c_name = place.name, codegen.c_name(place.name)
    _only_ours(place, out, c_name)
    for option, value in (("--window", window), ("--channels", channels)):
        if value < 1:
            raise ValueError(f"{option} is {value}; it must be 1 or more")
    normal, judged, notes = read_normal(calibrate, check, window)
    if len(normal.channels) != channels:
        raise ValueError(
            f"{calibrate}: {len(normal.channels)} channels ({', '.join(normal.channels)}), but --channels is "
            f"{channels}; every column but time and label is one"
        )
    wanted = rate_per_1000(false_alarms, normal.sampling_period, "--false-alarms")
    if threshold not in METHODS:
        raise ValueError(f"--threshold is {threshold!r}; it must be one of {', '.join(METHODS)}")

    from .scoring import one_thread  # imports torch: what can be refused sooner is refused above

    with one_thread():
        loaded = bring.load(module, Path(weights), trust_pickle)
        scorer = bring.scorer(loaded, source, adapt, window, channels, normal.values)
        program = bring.program(scorer, source, window, channels, normal.values)
    pytorch = program.module(check_guards=False)
    scores, reference = (each[window - 1 :] for each in _both(pytorch, normal, window, {}))
    with named(source):
        guarded = guard_rules(Guard(), normal.values, normal.t, normal.time != "index", window)
        graph = codegen.load_program(program)
        limit = calibrated(graph, normal.values, scores, reference, threshold, wanted)
    detector = description(
        limit,
        scores,
        entity=entity,
        model=source,
        hyper={"adapt": adapt} if adapt else {},
        channels=normal.channels,
        window=window,
        wanted=false_alarms,
        wanted_per_1000=wanted,
        sampling_period=normal.sampling_period,
        seed=None,
        training=normal.values,
        split=None,
        guard=guarded,
        events=event_rules(Events()),
        baseline=Baseline(),
    )
    redo = {"module": module, "weights": Path(weights).name, "window": window, "channels": channels, "adapt": adapt}
    redo |= {"calibrate": Path(calibrate).name, "false-alarms": false_alarms, "threshold": threshold, "out": entity}
    made, found = generated(graph, c_name, detector, _command(redo, trust_pickle)), None
    with replaced(place) as (fresh,), tempfile.TemporaryDirectory() as scratch:
        models, native = Path(scratch) / "models", Path(scratch) / "native"
        write_c(models / c_name, made)
        toolchain.build(models, native)
        for file in (*models.rglob("*.[hc]"), *native.iterdir()):
            shutil.copy2(file, fresh)
        cost = cost_of({entity: ({"precision": "f32", **made.cost}, toolchain.library(fresh, c_name))})
        write_json(fresh / "detector.json", identified(detector, made))
        write_json(fresh / "cost.json", cost)
        if judged is not None:
            score32, score64 = _both(pytorch, judged, window, guarded)
            csv = Path(scratch) / "judged.csv"
            verdict = proof(made.graph, c_name, detector, judged, score32, score64, fresh, csv)
            found = summarise({entity: verdict}, Check.max_band_share)
            write_json(fresh / "check.json", found)
        files = sorted(file.name for file in fresh.iterdir())

    here = Path(out)
    feed = [toolchain.edge_binary(here), "--model", toolchain.library(here, c_name), check or calibrate]
    if trust_pickle:
        notes = (*notes, f"{weights}: was trusted, and what code it holds has run")
    page = converted(out, files, detector, cost, found, shlex.join(map(str, feed)))
    text = "\n\n".join([*notes, page])
    if found is not None and not found["passed"]:
        raise RuntimeError("the C does not decide like PyTorch; the files are there, but do not ship them\n\n" + text)
    return text


def _both(
    pytorch: Any, series: Series, window: int, rules: dict[str, Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """PyTorch's scores of a guarded series, float32 and float64."""
    import torch

    from .bulk import guard
    from .scoring import one_thread, score_series

    seen = guard(series.values, series.t, rules)
    with one_thread():
        return (
            seen.score(lambda run: score_series(pytorch, run, window, torch.float32)),
            seen.score(lambda run: score_series(pytorch, run, window, torch.float64)),
        )


def _only_ours(place: Path, out: str, c_name: str) -> None:
    """Refuse a folder that holds anything a former run did not write: it would be deleted."""
    ours = {f"{c_name}.h", f"{c_name}.c", f"lib{c_name}.so", "tsad-edge", "detector.json", "cost.json", "check.json"}
    if place.exists() and not place.is_dir():
        raise ValueError(f"{out}: is a file; --out names a folder")
    others = sorted(file.name for file in place.iterdir() if file.name not in ours) if place.is_dir() else []
    if others or not place.name:
        what = f"holds {others[0]!r}, which is none of the files written here" if others else "has no name"
        raise ValueError(f"{out}: {what}; --out names a new folder, or one that tsad convert wrote")


def _command(options: dict[str, Any], trust_pickle: bool) -> str:
    """The command for the C's banner, with files by name alone: the bytes must not depend on where they lie."""
    words = [word for name, value in options.items() if value is not None for word in (f"--{name}", str(value))]
    return shlex.join(["tsad", "convert", *words, *(["--trust-pickle"] if trust_pickle else [])])
