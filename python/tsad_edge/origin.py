"""What a model was trained from, as detector.json's `provenance` tells it: a digest of the data, one of the parameters,
and the version of the code. The compiler adds the graph, and makes the model's id of them all (codegen/provenance.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import __version__


def origin(
    values: NDArray[np.float32], channels: Sequence[str], split: Any, params: Mapping[str, Any]
) -> dict[str, str]:
    """Digests that are the same wherever the same is trained.

    Parameters
    ----------
    values : ndarray (T, C)
        The training series, also what of it was held back.
    channels : sequence of str
        The names of its columns.
    split : JSON
        How it was split; None where nothing was.
    params : mapping
        What decides on the model besides its data.

    Returns
    -------
    dict
        ``data`` and ``params``, SHA-256 each, and ``code``, the version of tsad-edge.

    Examples
    --------
    >>> values = np.zeros((4, 1), np.float32)
    >>> one, other = (origin(values, ["a"], None, {"seed": seed}) for seed in (1, 2))
    >>> [name for name in one if one[name] != other[name]]
    ['params']
    """
    head = {"channels": list(channels), "shape": list(values.shape), "split": split}
    return {
        "data": _sha256(_json(head), np.ascontiguousarray(values, "<f4").tobytes()),
        "params": _sha256(_json(params)),
        "code": __version__,
    }


def _json(tree: Any) -> bytes:
    return json.dumps(tree, sort_keys=True, separators=(",", ":")).encode()


def _sha256(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()
