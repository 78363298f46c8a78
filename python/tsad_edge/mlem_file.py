"""model.mlem: the model libraries of a project, as MLEM describes a model. Written by us, read by MLEM.

`mlem.api.save` would write the same, but MLEM cannot be installed beside the pipeline's packages. The test of the
extension compares the two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from . import __version__
from .files import write_whole

INTEGERS, FLOATS, FLAGS = (
    {"type": "array", "dtype": {"type": "primitive", "ptype": name}} for name in ("int", "float", "bool")
)
EVENT = {"start": "int", "end": "int", "peak": "float", "peak_t": "int"}
"""Of `detector.EVENT`, what the answer holds of an event."""


def _one(python_type: str) -> dict[str, Any]:
    return {"type": "primitive", "ptype": python_type}


def _array(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "dtype": of}


def _fields(**types: dict[str, Any]) -> dict[str, Any]:
    return {"type": "dict", "item_types": types}


SAMPLES = {"type": "ndarray", "dtype": "float32"}
ANSWER = _fields(
    t=_array(_one("int")),
    score=_array(_one("float")),
    alarm=_array(_one("bool")),
    events=_array(_fields(**{name: _one(kind) for name, kind in EVENT.items()})),
)
METHODS = {
    "predict": {
        "name": "predict",
        "args": [{"name": "data", "type_": _fields(entity=_one("str"), samples=SAMPLES)}],
        "returns": ANSWER,
    }
}
"""An entity and its raw samples (T, C) in; out the scored samples' indices, scores and alarms, and the events."""
REQUIREMENTS = [
    {"module": "tsad_edge", "package_name": "tsad-edge", "version": __version__},
    {"module": "numpy", "version": np.__version__},
]


def write(path: Path, libraries: Mapping[str, Path]) -> None:
    """Write model.mlem.

    Parameters
    ----------
    path : Path
        Its name ends in ``.mlem``.
    libraries : mapping
        Entity -> model library, in the project; DVC has it.
    """
    tree = {
        "artifacts": {entity: _artifact(library) for entity, library in libraries.items()},
        "call_orders": {"predict": [["model", "predict"]]},
        "object_type": "model",
        "processors": {"model": {"methods": METHODS, "type": "tsad_edge"}},
        "requirements": REQUIREMENTS,
    }
    write_whole(path, yaml.safe_dump(tree).encode())


def _artifact(library: Path) -> dict[str, Any]:
    data = library.read_bytes()
    return {"hash": hashlib.md5(data).hexdigest(), "size": len(data), "type": "dvc", "uri": library.as_posix()}
