"""MLEM's view of our detectors: how their libraries are kept and opened, and what `predict` does.

Needs the extra `[deploy]`; MLEM finds it by the entry points of pyproject.toml. What MLEM is told of a model stands in
`mlem_file`. A library is code: opening a model.mlem runs what it names, as with every MLEM model.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from mlem.core.artifacts import Artifacts, Storage
from mlem.core.model import ModelHook, ModelIO, ModelType, Signature
from mlem.core.requirements import InstallableRequirement, Requirements
from pydantic import parse_obj_as

from .detector import Detector
from .mlem_file import EVENT, METHODS, REQUIREMENTS


class Detectors(dict[str, Path]):
    """Entity -> model library: what is saved as one MLEM model.

    Examples
    --------
    >>> mlem.api.save(Detectors({"pump-1": Path("build/native/libm_pump_1.so")}), "model")  # doctest: +SKIP
    """


class NativeIO(ModelIO):
    """One artifact an entity: its library."""

    type: ClassVar = "tsad_edge"

    def dump(self, storage: Storage, path: str, model: Detectors) -> Artifacts:
        """Copy the libraries into a storage."""
        return {entity: storage.upload(str(library), f"{path}/{library.name}") for entity, library in model.items()}

    def load(self, artifacts: Artifacts) -> dict[str, Detector]:
        """Open them; one that is damaged or for another version is an error."""
        found = {}
        with tempfile.TemporaryDirectory() as scratch:  # an open library needs its file no longer
            for number, (entity, artifact) in enumerate(artifacts.items()):
                library = Path(scratch) / str(number) / "library.so"
                artifact.materialize(str(library))
                found[entity] = Detector.load(library)
        return found


class Native(ModelType, ModelHook):
    """Our detectors as a MLEM model."""

    type: ClassVar = "tsad_edge"
    io: ModelIO = NativeIO()

    @classmethod
    def is_object_valid(cls, obj: Any) -> bool:
        """Whether `mlem.api.save` shall use this type."""
        return isinstance(obj, Detectors)

    @classmethod
    def process(cls, obj: Detectors, **_: Any) -> Native:
        """The description of a model that is to be saved."""
        return cls(model=obj, methods={name: parse_obj_as(Signature, tree) for name, tree in METHODS.items()})

    def get_requirements(self) -> Requirements:
        """Our wheel and numpy, by hand: MLEM would take our source instead."""
        return Requirements.new([InstallableRequirement(**each) for each in REQUIREMENTS])

    def predict(self, data: dict[str, Any]) -> dict[str, Any]:
        """Score a series from its start: {entity, samples (T, C)} -> {t, score, alarm, events}.

        Only scored samples are in the answer, ``t`` is their index: JSON has no NaN. A missing value is null.
        """
        entity, samples = data["entity"], np.asarray(data["samples"], np.float32)
        if entity not in self.model:
            raise ValueError(f"entity is {entity!r}; this model has {', '.join(self.model)}")
        scores, alarms, events, _ = self.model[entity].run(samples)
        scored = np.flatnonzero(~np.isnan(scores))
        found = {"t": scored, "score": scores[scored], "alarm": alarms[scored]}
        return {name: values.tolist() for name, values in found.items()} | {
            "events": [{name: event[name].item() for name in EVENT} for event in events]
        }
