"""params.yaml as frozen dataclasses: one class a stage, one file to read, an unknown key is an error.

Owns names, types and defaults of every knob. What a value means to a stage is that stage's business.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Csv:
    """One's own data: one file split by time, or two files. Read when ``dataset`` is ``own``."""

    train: str | None = None
    """CSV of normal operation; the only file when ``test`` is not given."""
    test: str | None = None
    """CSV to judge; without it the end of ``train`` is held back."""
    time: str | None = None
    """Name of the time column; by default a column called timestamp, time, t or date, if there is one."""
    label: str | None = None
    """Name of the label column (0 normal, 1 anomaly); ``prepare`` sets it apart and only ``evaluate`` uses it."""
    train_fraction: float = 0.6
    """Share of the rows that is training data when there is one file."""


@dataclass(frozen=True)
class Prepare:
    """Which data, and how long a window is."""

    dataset: str = "pump"
    """``pump`` (bundled), ``own``, or a name of ``tsad list``."""
    entities: str | list[str] = "all"
    """``all``; ``tune``, ``eval`` or ``quick`` of a data set of the catalog; or names of machines or channels."""
    window: int = 50
    """Samples in a window."""
    mirror: str | None = None
    """Folder or address of the archives (SWaT, WADI: folder of their files); null: the environment's TSAD_MIRROR."""
    csv: Csv = field(default_factory=Csv)


@dataclass(frozen=True)
class Guard:
    """What the detector does with a sample that cannot be right, by kind: see csrc/tsad.h."""

    not_finite: str = "refuse"
    """``refuse``, ``hold`` or ``reset``."""
    out_of_range: str = "mark"
    """``ignore``, ``mark``, ``hold`` or ``reset``; the range is that of training, and a tenth of it to either side."""
    stuck: str = "mark"
    """``ignore``, ``mark`` or ``reset``; stuck is twice as long as any run of equal values in training."""
    jump: str = "mark"
    """``ignore``, ``mark``, ``hold`` or ``reset``; a jump is more than twice the largest change in training."""
    gap: str = "reset"
    """``ignore``, ``mark`` or ``reset``; where the training data has no times it is ``ignore``."""
    step_back: str = "refuse"
    """``refuse`` or ``reset``."""
    gap_samples: int | None = None
    """How many sampling periods may lie between two samples; null: a window."""
    hold_samples: int = 10
    """For how many samples in a row a value may be held."""


@dataclass(frozen=True)
class Events:
    """How scores become events; all lengths in samples: see csrc/tsad.h."""

    smoothing: int = 0
    """Scores that an exponential mean is about; 0 or 1: none."""
    hysteresis: float = 0.0
    """An event goes on until the score has fallen by this share of the threshold below it."""
    min_on: int = 1
    """An event is at least so long."""
    refractory: int = 0
    """For so long after an event there is no other."""
    records: int = 8
    """Ended events that the device keeps."""


@dataclass(frozen=True)
class Baseline:
    """How far scaler and threshold may be learned anew on site, from samples declared normal: see csrc/tsad.h."""

    samples: int = 0
    """So many for the scaler, and then as many scores for the threshold, 500 to 3249; 0: not at all."""
    shift: float = 3.0
    """How far a channel's mean may move, in standard deviations of training."""
    stretch: float = 2.0
    """By what factor its deviation may grow or shrink."""
    threshold: float = 2.0
    """By what factor the threshold may."""


@dataclass(frozen=True)
class Train:
    """Which model, how many false alarms are bearable, and what the detector makes of odd samples and of scores."""

    model: str = "pca"
    """A name of ``tsad list``."""
    hyper: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Model -> its hyperparameters that differ from its defaults; those of other models than `model` wait unused."""
    false_alarms: str = "1 per 1000 samples"
    """Bearable rate of samples with an alarm in normal operation, or ``2 per day``; sets the threshold, label-free."""
    threshold: str = "quantile"
    """How it does so: a name of `threshold.METHODS`."""
    guard: Guard = field(default_factory=Guard)
    events: Events = field(default_factory=Events)
    baseline: Baseline = field(default_factory=Baseline)


@dataclass(frozen=True)
class Test:
    """How test series are scored."""

    batch: int = 512
    """Windows PyTorch scores at once."""


@dataclass(frozen=True)
class Evaluate:
    """What is drawn."""

    plot_entities: int = 3
    """Entities whose scores are drawn, the first ones by name."""


@dataclass(frozen=True)
class Convert:
    """What is compiled."""

    entities: str | list[str] = "all"
    """``all``, or the names of some entities."""
    precision: list[str] = field(default_factory=lambda: ["f32"])
    """``[f32]``, or ``[f32, s8]``: a second detector for every entity, in integers, is <entity>_s8."""
    boards: list[str] = field(default_factory=list)
    """Names of ``tsad list boards``: firmware is built for them, and what it costs is measured."""


@dataclass(frozen=True)
class Check:
    """What the proof allows."""

    max_band_share: float = 0.001
    """Largest share of a data set's samples that may lie within the tolerance of the threshold."""
    boards: list[str] = field(default_factory=list)
    """Some of ``convert.boards``: their firmware is run in QEMU over the whole test set, and must say the same."""
    least_event_f1: float = 0.95
    """How well events of detectors in integers must agree with PyTorch's, pooled over entities."""
    most_vus_pr_lost: float = 0.01
    """How far their mean VUS-PR may be below PyTorch's."""


@dataclass(frozen=True)
class Params:
    """All of params.yaml. ``seed`` is the only one, and every draw derives from it."""

    seed: int = 1
    prepare: Prepare = field(default_factory=Prepare)
    train: Train = field(default_factory=Train)
    test: Test = field(default_factory=Test)
    evaluate: Evaluate = field(default_factory=Evaluate)
    convert: Convert = field(default_factory=Convert)
    check: Check = field(default_factory=Check)


STAGES = tuple(f.name for f in dataclasses.fields(Params) if f.name != "seed")


def load(path: str | Path = "params.yaml") -> Params:
    """Read params.yaml; whatever it leaves out has its default.

    Raises
    ------
    ValueError
        The file is missing or not YAML, a key is unknown, or a value has the wrong type; names file, key and value.

    Examples
    --------
    >>> load("params.yaml").train.model  # doctest: +SKIP
    'pca'
    """
    import yaml

    try:
        text = Path(path).read_text()
    except FileNotFoundError:
        raise ValueError(f"{path}: not found; run this in the directory that holds params.yaml") from None
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not valid YAML: {error}") from None
    return typing.cast(Params, _build(Params, {} if tree is None else tree, str(path), ""))


def _build(kind: type, tree: Any, path: str, key: str) -> Any:
    """One dataclass from one mapping."""
    if not isinstance(tree, dict):
        raise ValueError(f"{path}: {key or 'the file'} must be a mapping, not {tree!r}")
    hints = typing.get_type_hints(kind)
    values = {}
    for name, value in tree.items():
        full = f"{key}.{name}" if key else str(name)
        if name not in hints:
            raise ValueError(f"{path}: unknown key {full!r}; known here: {', '.join(hints)}")
        hint = hints[name]
        if dataclasses.is_dataclass(hint):
            values[name] = _build(typing.cast(type, hint), value, path, full)
        elif _fits(value, hint):
            values[name] = float(value) if hint is float else value
        else:
            raise ValueError(f"{path}: {full} is {value!r}; it must be {_text(hint)}")
    return kind(**values)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a YAML value has the annotated type; a bool is no number, an int is a float."""
    if isinstance(hint, types.UnionType):
        return any(_fits(value, each) for each in typing.get_args(hint))
    origin = typing.get_origin(hint)
    if origin is list:
        (each,) = typing.get_args(hint)
        return isinstance(value, list) and all(_fits(v, each) for v in value)
    if origin is dict:
        _, each = typing.get_args(hint)
        return isinstance(value, dict) and all(isinstance(k, str) and _fits(v, each) for k, v in value.items())
    if hint is Any:
        return True
    if hint in (int, float) and isinstance(value, bool):
        return False
    return isinstance(value, (int, float) if hint is float else hint)


def _text(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("None", "null").replace("typing.", "")
