"""A model's id: all that it was made from, as one number.

Owns the rule, and what the compiler itself contributes. What was known before there was a graph (data, parameters) is
the caller's to say.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from .ir import Graph, digest


def ingredients(origin: Mapping[str, str], graph: Graph, compiled: Graph, compiler: str) -> dict[str, str]:
    """What a model was made from, each ingredient by itself: where two models differ, one sees which it is.

    Parameters
    ----------
    origin : mapping
        Whatever the caller knows, each as a digest or a version: ``data``, ``params``, ``code``.
    graph, compiled : Graph
        As loaded, and after all passes: what was learned, and what was made of it for a target.
    compiler : str
        Version.
    """
    return {**origin, "graph": digest(graph), "compiled": digest(compiled), "compiler": compiler}


def model_id(provenance: Mapping[str, str]) -> str:
    """SHA-256, 64 hexadecimal digits, of what `ingredients` gave, as JSON with sorted keys and no blanks.

    Examples
    --------
    >>> model_id({"graph": "1", "data": "2"}) == model_id({"data": "2", "graph": "1"})
    True
    >>> model_id({"graph": "1"})[:12]
    '735678a6b801'
    """
    return hashlib.sha256(json.dumps(provenance, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
