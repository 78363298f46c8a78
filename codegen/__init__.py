"""The compiler: a torch.export program in, a detector's model in C out.

    graph = load("graph.pt2")                                   # load.py, with unrolled.py all that imports torch
    made = compile_graph(graph, c_name("C-1"), threshold=0.5)   # passes/, verified after each; then emit.py
    made.header, made.source

Room by room: ir (the language), ops (what each operator means), verify, interpret, ctext, load, passes, emit, diverge.
Nothing here knows the package it is installed in, or where files lie.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import passes
from .ctext import c_name, c_names
from .diverge import Divergence, first_divergence
from .emit import VERSION, Emitted, emit
from .interpret import Result, interpret
from .ir import Graph, UnsupportedError, digest, read_graph, write_graph
from .ops import mac, ops_table
from .precision import Loss, Trial, is_exact
from .provenance import ingredients, model_id
from .verify import VerifyError, verify

if TYPE_CHECKING:
    from .load import load, load_program


def __getattr__(name: str) -> Any:
    # Loading needs torch; all else does not, and must not wait for it.
    if name in {"load", "load_program"}:
        import importlib

        module = importlib.import_module(".load", __name__)
        return module if name == "load" else module.load_program  # the module can be called: see its end
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@dataclass(frozen=True)
class Compiled:
    """A model as C, and how it came about."""

    name: str
    header: str
    source: str
    graph: Graph
    """After all passes; what the C does, operator by operator."""
    stream: passes.Streamed | None
    """The same sample by sample, where the C does it so."""
    id: str
    """As the C has it: SHA-256 of `provenance`."""
    provenance: dict[str, str]
    """What the model was made from, see `provenance.ingredients`."""
    passes: tuple[tuple[str, Graph], ...]
    """("load", the graph given), then each pass and what it left."""
    cost: dict[str, int]
    """mac_before, mac_after, weight_bytes, table_bytes, arena_bytes, state_bytes, memory_bytes (for a batch of 1)."""


def compile_graph(
    graph: Graph,
    name: str,
    threshold: float,
    *,
    channels: Sequence[str] | None = None,
    entity: str = "",
    calibration: NDArray[np.float32] | None = None,
    as_float: Collection[str] = (),
    room: float = 1.0,
    redo: str = "tsad convert",
    origin: Mapping[str, str] = MappingProxyType({}),
    rules: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Compiled:
    """Run all passes and write the C.

    Parameters
    ----------
    graph : Graph
        As `load` gave it.
    name : str
        C name, see `c_name`; files belong into ``<name>/<name>.h`` and ``<name>/<name>.c``.
    threshold : float
        Goes into ``<name>_config``.
    channels : sequence of str, optional
        Names of a sample's values, in their order; a host then finds the columns of a CSV by them.
    entity, redo : str
        For the banner.
    calibration : ndarray (n, W, C), optional
        Windows of normal operation, raw samples: with them the model is quantised, see `passes.quantise`.
    as_float, room
        What stays float32 then, and how far values may leave the range of calibration: see `Trial`.
    origin : mapping
        What the graph was made from, for the model's id: digests of ``data`` and ``params``, version of the ``code``.
    rules : mapping
        Sections ``guard`` and ``events`` of detector.json, for ``<name>_config``; what is left out is off.

    Raises
    ------
    ValueError
        A threshold that is not finite, names that are not one for each channel, all different, or calibration without
        a window or with values that are not finite.

    Examples
    --------
    >>> from .ir import Op, Tensor
    >>> g = Graph(Tensor("x", (1, 2, 1)), {}, (Op("sum", ("x",), Tensor("s", (1,)), {"dims": (1, 2)}),), ("s",))
    >>> compile_graph(g, "m_sum", 1.0).cost["memory_bytes"]
    8
    """
    quantised = (
        None if calibration is None else partial(passes.quantise, windows=calibration, as_float=as_float, room=room)
    )
    steps = passes.run(graph, quantised)
    final = steps[-1][1]
    streamed = passes.stream(dict(steps)["layout"])
    found = ingredients(origin, graph, final, VERSION)
    identity = model_id(found)
    banner = {"entity": entity, "loaded": found["graph"], "identity": identity, "redo": redo}
    made = emit(
        final, name, threshold, stream=streamed, channels=channels, mac_before=mac(graph), rules=rules, **banner
    )
    return Compiled(name, made.header, made.source, final, streamed, identity, found, steps, made.cost)


def with_constants(graph: Graph, values: Mapping[str, NDArray[Any]]) -> Graph:
    """The same graph with other values in some constants, given flat and packed, as a model's spans hold them.

    Raises
    ------
    ValueError
        A name or a size that the graph does not have.
    """
    constants = dict(graph.constants)
    for name, array in values.items():
        if name not in constants or constants[name].size != array.size:
            raise ValueError(f"the graph has no constant {name} of {array.size} values")
        constants[name] = np.asarray(array, constants[name].dtype).reshape(constants[name].shape).copy()
    return replace(graph, constants=constants)


__all__ = [
    "Compiled",
    "Divergence",
    "Emitted",
    "Graph",
    "Loss",
    "Result",
    "Trial",
    "UnsupportedError",
    "VerifyError",
    "c_name",
    "c_names",
    "compile_graph",
    "digest",
    "emit",
    "first_divergence",
    "interpret",
    "is_exact",
    "load",
    "load_program",
    "mac",
    "model_id",
    "ops_table",
    "passes",
    "read_graph",
    "verify",
    "with_constants",
    "write_graph",
]
