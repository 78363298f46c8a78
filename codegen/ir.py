"""The intermediate representation: a straight list of operators on named tensors, as frozen dataclasses.

Owns the data types, their text (which parses back) and small queries. What an operator *means* is in `ops`; who may
change a graph is in `passes`. Tensors keep PyTorch's shapes with the batch as a dimension of size 1.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Attr = int | float | str | tuple[int, ...]
WIDTHS = {"f32": 4, "s32": 4, "s16": 2, "s8": 1}
"""Bytes of an element, by data type."""
NAME = re.compile(r"[^\s,(){}\[\]=#]+")
"""What a tensor may be called. "-" alone means: this optional input is absent."""


class UnsupportedError(ValueError):
    """The graph cannot be compiled; the message names the operator, its source line and what would do."""


@dataclass(frozen=True)
class Grid:
    """What the integers of a quantised tensor stand for: q is q * scale, and -limit <= q <= limit."""

    scale: float
    limit: int


@dataclass(frozen=True)
class Tensor:
    """A name, a shape, and a grid where it holds s16 integers; without one it holds float32. Dense unless a view."""

    name: str
    shape: tuple[int, ...]
    grid: Grid | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> str:
        """ "f32" or "s16"."""
        return "f32" if self.grid is None else "s16"

    @property
    def bytes(self) -> int:
        """Bytes of its elements, in whole words of 4."""
        return -(-self.size * WIDTHS[self.dtype] // 4) * 4

    @property
    def pitch(self) -> int:
        """Elements from one window's first to the next one's."""
        return self.bytes // WIDTHS[self.dtype]


@dataclass(frozen=True)
class Source:
    """Where an operator comes from: the module's path in the network, PyTorch's operator, the user's line."""

    module: str
    operator: str
    line: str

    def __str__(self) -> str:
        return f"{self.module or 'forward'}: {self.operator}"


@dataclass(frozen=True)
class Op:
    """One operator: reads `inputs` (names; "" where an optional one is absent), writes `output`."""

    kind: str
    inputs: tuple[str, ...]
    output: Tensor
    attrs: Mapping[str, Attr] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Buffer:
    """Memory of one tensor.

    ``where`` is "arena" (n windows of `size` bytes, from byte ``n * offset`` behind the fixed part), "fixed" (`size`
    bytes from `offset`: scratch that does not grow with n), "scores" (the caller's array) or, in a stream, "state"
    (`size` bytes from `offset`, kept from sample to sample). All are words of 4.
    """

    where: str
    offset: int
    size: int


@dataclass(frozen=True)
class Plan:
    """Static memory: buffers by tensor name (scratch of an operator: its output's name + "/scratch"; what it remembers
    beside its output: + "/kept")."""

    fixed: int  # bytes that do not grow with the number of windows
    window: int  # bytes a window
    buffers: Mapping[str, Buffer]
    state: int = 0  # bytes that a stream keeps from sample to sample


@dataclass(frozen=True, eq=False)
class Graph:
    """A program from `window` (1, W, C) to `outputs`: the score (1,) and, optionally, the parts (1, C)."""

    window: Tensor
    constants: Mapping[str, NDArray[Any]]
    """float32, and in quantised graphs int8, int16 and int32 too"""
    ops: tuple[Op, ...]
    outputs: tuple[str, ...]
    plan: Plan | None = None

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Graph)
            and to_text(self) == to_text(other)
            and all(np.array_equal(a, other.constants[name]) for name, a in self.constants.items())
        )

    __hash__ = None  # type: ignore[assignment]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every tensor by name."""
        found = {self.window.name: self.window.shape}
        found.update((name, tuple(a.shape)) for name, a in self.constants.items())
        found.update((op.output.name, op.output.shape) for op in self.ops)
        return found

    def dtypes(self) -> dict[str, str]:
        """Data type of every tensor by name, a key of WIDTHS."""
        found = {self.window.name: self.window.dtype}
        found.update((name, dtype_of(a)) for name, a in self.constants.items())
        found.update((op.output.name, op.output.dtype) for op in self.ops)
        return found

    def producers(self) -> dict[str, Op]:
        """The operator that writes each tensor."""
        return {op.output.name: op for op in self.ops}

    def consumers(self) -> dict[str, list[Op]]:
        """The operators that read each tensor, each once."""
        found: dict[str, list[Op]] = {}
        for op in self.ops:
            for name in dict.fromkeys(op.inputs):
                found.setdefault(name, []).append(op)
        return found


def dtype_of(constant: NDArray[Any]) -> str:
    """Data type of a constant's values, a key of WIDTHS.

    Examples
    --------
    >>> dtype_of(np.zeros(3, np.int8)), dtype_of(np.zeros(3, np.float32))
    ('s8', 'f32')
    """
    return f"{'f' if constant.dtype.kind == 'f' else 's'}{8 * constant.dtype.itemsize}"


def little_endian(constant: NDArray[Any]) -> bytes:
    """Its values' bytes, in order, the least significant one first."""
    return np.ascontiguousarray(constant, constant.dtype.newbyteorder("<")).tobytes()


def fresh(taken: Iterable[str], wish: str) -> str:
    """A name that is not taken: the wish itself, or with a number behind it."""
    wish = "_".join(NAME.findall(wish)).strip("_") or "t"
    taken, name, number = set(taken), wish, 1
    while name in taken or name == "-":
        number += 1
        name = f"{wish}_{number}"
    return name


def substitute(graph: Graph, names: Mapping[str, str]) -> Graph:
    """Read another tensor instead, everywhere: `names` maps old to new, and may chain."""

    def final(name: str) -> str:
        while name in names:
            name = names[name]
        return name

    ops = tuple(replace(op, inputs=tuple(final(name) for name in op.inputs)) for op in graph.ops)
    return replace(graph, ops=ops, outputs=tuple(final(name) for name in graph.outputs))


def prune(graph: Graph) -> Graph:
    """Drop operators and constants that no output depends on."""
    wanted, kept = set(graph.outputs), []
    for op in reversed(graph.ops):
        if op.output.name in wanted:
            kept.append(op)
            wanted.update(op.inputs)
    constants = {name: a for name, a in graph.constants.items() if name in wanted}
    return replace(graph, ops=tuple(reversed(kept)), constants=constants)


def digest(graph: Graph) -> str:
    """SHA-256 of what the graph computes: its text without sources, then the constants, little-endian."""
    sha = hashlib.sha256(to_text(graph, sources=False).encode())
    for name in sorted(graph.constants):
        sha.update(little_endian(graph.constants[name]))
    return sha.hexdigest()


# ---------------------------------------------------------------- text


def to_text(graph: Graph, *, sources: bool = True) -> str:
    """The graph as text, one line a thing; `from_text` reads it back. Values of constants are not in it.

    Examples
    --------
    >>> g = Graph(Tensor("x", (1, 2, 1)), {}, (Op("sum", ("x",), Tensor("s", (1,)), {"dims": (1, 2)}),), ("s",))
    >>> print(to_text(g))
    input x [1, 2, 1]
    s = sum(x) {"dims": [1, 2]} -> [1]
    output s
    <BLANKLINE>
    """
    lines = [f"input {graph.window.name} {list(graph.window.shape)}"]
    for name, value in sorted(graph.constants.items()):
        lines.append(f"constant {name} {_typed(dtype_of(value))}{list(value.shape)}")
    for op in graph.ops:
        inputs = ", ".join(name or "-" for name in op.inputs)
        attrs = json.dumps(op.attrs, sort_keys=True)
        grid = op.output.grid
        typed = f"s16 {grid.scale!r} {grid.limit} " if grid else ""
        line = f"{op.output.name} = {op.kind}({inputs}) {attrs} -> {typed}{list(op.output.shape)}"
        if sources and op.sources:
            line += "  # " + json.dumps([[s.module, s.operator, s.line] for s in op.sources])
        lines.append(line)
    lines.append("output " + ", ".join(graph.outputs))
    if graph.plan is not None:
        state = f" {graph.plan.state}" if graph.plan.state else ""
        lines.append(f"plan {graph.plan.fixed} {graph.plan.window}{state}")
        lines += [f"buffer {name} {b.where} {b.offset} {b.size}" for name, b in sorted(graph.plan.buffers.items())]
    return "\n".join(lines) + "\n"


def _typed(dtype: str) -> str:
    return "" if dtype == "f32" else dtype + " "


_OP = re.compile(r"(\S+) = (\w+)\(([^)]*)\) (\{.*?\}) -> (?:s16 (\S+) (\d+) )?(\[[^\]]*\])(?:  # (.*))?")


def from_text(text: str, constants: Mapping[str, NDArray[Any]]) -> Graph:
    """Parse what `to_text` wrote; `constants` holds the values, by name.

    Raises
    ------
    ValueError
        A line that is not of this language, or a constant that is missing or of another shape.
    """
    window: Tensor | None = None
    ops: list[Op] = []
    outputs: tuple[str, ...] = ()
    named: dict[str, NDArray[Any]] = {}
    sizes: list[int] = []
    buffers: dict[str, Buffer] = {}
    for number, line in enumerate(text.splitlines(), 1):
        word, _, rest = line.partition(" ")
        if match := _OP.fullmatch(line):
            name, kind, inputs, attrs, scale, limit, shape, sources = match.groups()
            ops.append(
                Op(
                    kind,
                    tuple("" if i == "-" else i for i in inputs.split(", ")) if inputs else (),
                    Tensor(name, tuple(json.loads(shape)), Grid(float(scale), int(limit)) if scale else None),
                    {k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(attrs).items()},
                    tuple(Source(*s) for s in json.loads(sources)) if sources else (),
                )
            )
        elif word == "input":
            name, _, shape = rest.partition(" ")
            window = Tensor(name, tuple(json.loads(shape)))
        elif word == "constant":
            name, _, shape = rest.partition(" ")
            given = constants.get(name)
            if given is None or f"{_typed(dtype_of(given))}{list(given.shape)}" != shape:
                raise ValueError(f"line {number}: constant {name} of shape {shape} is not among the values given")
            named[name] = given
        elif word == "output":
            outputs = tuple(rest.split(", "))
        elif word == "plan":
            sizes = [*map(int, rest.split()), 0]
        elif word == "buffer":
            name, where, offset, size = rest.split()
            buffers[name] = Buffer(where, int(offset), int(size))
        else:
            raise ValueError(f"line {number}: not a line of a graph: {line!r}")
    if window is None or not outputs:
        raise ValueError("the text has no input or no output line")
    return Graph(window, named, tuple(ops), outputs, Plan(sizes[0], sizes[1], buffers, sizes[2]) if sizes else None)


def write_graph(graph: Graph, path_txt: str | Path, path_npz: str | Path) -> None:
    """Write the text and, apart, the values of the constants."""
    Path(path_txt).write_text(to_text(graph))
    arrays: dict[str, Any] = {f"c.{name}": a for name, a in graph.constants.items()}  # "file" is savez's own
    with open(path_npz, "wb") as file:
        np.savez(file, **arrays)


def read_graph(path_txt: str | Path, path_npz: str | Path) -> Graph:
    """Read what `write_graph` wrote.

    Raises
    ------
    ValueError
        The text does not parse, or the values do not belong to it.
    """
    with np.load(path_npz) as file:
        constants = {name.removeprefix("c."): file[name] for name in file.files}
    try:
        return from_text(Path(path_txt).read_text(), constants)
    except ValueError as error:
        raise ValueError(f"{path_txt}: {error}") from None
