"""Data: where it comes from, what valid data is, how it is split, and how the later stages read it.

`prepare_dataset` is the first stage; the other names are the read side. Nothing here imports torch, and pandas, fsspec
and rich are imported only where a file is read or fetched.
"""

from .catalog import Dataset, OnRequest, catalog, on_request
from .own import read_normal
from .prepare import prepare_dataset
from .series import Entity, Event, Series, spread
from .splits import Blocks, Folds, Split, calibrations, from_json, minimum_rows, split, to_json
from .store import Labels, Meta, entities, load_labels, load_meta, load_values

__all__ = [
    "Blocks",
    "Dataset",
    "Entity",
    "Event",
    "Folds",
    "Labels",
    "Meta",
    "OnRequest",
    "Series",
    "Split",
    "calibrations",
    "catalog",
    "entities",
    "from_json",
    "load_labels",
    "load_meta",
    "load_values",
    "minimum_rows",
    "on_request",
    "prepare_dataset",
    "read_normal",
    "split",
    "spread",
    "to_json",
]
