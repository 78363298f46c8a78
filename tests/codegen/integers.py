"""What the tests of integer kernels share: csrc/kernels as a shared object, whose functions are called as the operator
table writes their calls, with drawn inputs that go to every limit."""

from __future__ import annotations

import ctypes
import itertools
import random
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tsad_edge.codegen.ir import WIDTHS, Attr, Grid, Op, Tensor
from tsad_edge.codegen.ops import TABLE, Call, Constant, Data, Scratch, Spec, Symbol, View, dense_strides, infer
from tsad_edge.codegen.ops.integer import LIMIT

SOURCES = Path(__file__).parents[2] / "csrc/kernels"
KINDS = [
    kind
    for kind, spec in TABLE.items()
    if {"s16", "any"} & {*spec.reads, spec.writes} and spec.calls is not None and spec.state is None
]
"""Every row of the table with an integer kernel; enter_s16 has no calls, and a test of its own."""
DTYPES: dict[str, Any] = {"f32": np.float32, "s32": np.int32, "s16": np.int16, "s8": np.int8}
UNTOUCHED = 0x5A
MARGIN = 64
"""Bytes before and behind all memory that a kernel may write to, which it must leave alone."""
PLAIN = ("cc", "-O1", "-ffp-contract=off")
USERS = [(compiler, "-O3", "-ffp-contract=fast", "-march=native") for compiler in ("gcc", "clang")]
"""What users compile an exported folder with."""

# ---------------------------------------------------------------- drawn operators


@dataclass(frozen=True)
class Case:
    """An operator, where its inputs lie, and their values: (n, *shape), constants (1, *shape) as the graph has them."""

    op: Op
    views: Mapping[str, View]
    values: Mapping[str, NDArray[Any]]
    dtypes: Mapping[str, str]
    aliased: str = ""
    """An input whose memory the output takes."""

    def meaning(self) -> NDArray[Any]:
        """What the table says, as the kernel's type."""
        wide = [a if a.dtype.kind == "f" else a.astype(np.int64) for a in (self.values[i] for i in self.op.inputs)]
        with np.errstate(all="ignore"):  # as interpret does
            found = TABLE[self.op.kind].meaning(wide, self.op.attrs)
        exact: NDArray[Any] = found.astype(DTYPES[self.op.output.dtype])
        np.testing.assert_array_equal(exact, found)
        return exact


def draw_case(kind: str, r: random.Random, n: int = 3) -> Case:
    """Shapes and attributes by the row's `sample`, values and constants with extremes among them, strided inputs."""
    spec = TABLE[kind]
    shapes, attrs = spec.sample(r)
    limit = r.choice([LIMIT, LIMIT, 100, 1])
    first = len(shapes) if spec.constants is None else spec.constants
    names = [f"i{i}" for i in range(len(shapes))]
    dtypes = {name: spec.reads[min(i, len(spec.reads) - 1)] for i, name in enumerate(names)}
    dtypes = {name: "s16" if dtype == "any" else dtype for name, dtype in dtypes.items()}
    values: dict[str, NDArray[Any]] = {}
    views: dict[str, View] = {}
    for i, (name, shape) in enumerate(zip(names, shapes, strict=True)):
        count = n if i < first else 1
        role = _role(spec, i) if i >= first else dtypes[name]
        values[name] = _values(role, (count, *shape), limit, r).astype(DTYPES[dtypes[name]])
        views[name] = _lies(name, shape, spec, i, r) if i < first else View(name, 0, shape, dense_strides(shape))
    if spec.largest is not None:
        _bound_sums(spec, names, values, limit, attrs, r)
    shape = infer(Op(kind, tuple(names), Tensor("y", ()), attrs), dict(zip(names, shapes, strict=True)))
    given = attrs.get("limit", limit)
    assert isinstance(given, int)
    output = Tensor("y", shape, None if spec.writes == "f32" else Grid(1.0, given))
    case = Case(Op(kind, tuple(names), output, attrs), views, values, dtypes)
    return replace(case, aliased=_overwritten(case, spec, r))


def _role(spec: Spec, i: int) -> str:
    """What a constant is for, by its type and by those around it."""
    dtype, behind = spec.reads[i], spec.reads[i + 1 : i + 2]
    if dtype == "s8":
        return "weight" if i in spec.weights else "shift"
    if dtype == "s32":
        return "multiplier" if behind == ("s8",) and i + 1 not in spec.weights else "bias"
    return "scale"


def _values(role: str, shape: tuple[int, ...], limit: int, r: random.Random) -> NDArray[Any]:
    rng = np.random.default_rng(r.randrange(2**32))
    if role == "f32":
        wild = np.array([0.0, -0.0, 0.5, -0.5, 1.5, -2.5, 0.49999997, 3e38, -3e38, np.inf, -np.inf, np.nan, 1e-40])
        return np.where(rng.random(shape) < 0.5, rng.choice(wild, shape), rng.standard_normal(shape) * 1e3)
    if role == "scale":
        return rng.choice([1e-9, 1e-5, 0.03, 2.0, -1e-5], shape)
    if role == "shift":
        return rng.choice([1, 2, 7, 16, 31], shape) if r.random() < 0.5 else rng.integers(1, 32, shape)
    if role == "multiplier":
        high = rng.integers(2**30, 2**31, shape)
        return rng.choice([0, 1, 2**30, 2**31 - 1], shape) if r.random() < 0.3 else high
    if role == "bias":
        return rng.integers(-(2**20), 2**20, shape)
    top = 127 if role == "weight" else limit
    kind = r.choice(["all", "extreme", "any", "any", "none"])
    if kind == "all":
        return np.full(shape, r.choice([-top, top]))
    if kind == "extreme":
        return rng.choice([-top, -1, 0, 1, top], shape)
    return rng.integers(-top, top + 1, shape) if kind == "any" else np.zeros(shape, np.int64)


def _bound_sums(
    spec: Spec, names: list[str], values: dict[str, NDArray[Any]], limit: int, attrs: dict[str, Attr], r: random.Random
) -> None:
    """Sometimes a bias with which a sum just does not overflow, in whatever direction."""
    biases = [i for i in range(len(names)) if i >= (spec.constants or 0) and _role(spec, i) == "bias"]
    for i in biases if r.random() < 0.4 else []:
        assert spec.largest is not None
        given = [values[name][0] * (j not in biases) for j, name in enumerate(names)]
        room = 2**31 - 1 - spec.largest(given, limit, attrs)
        values[names[i]][:] = np.random.default_rng(r.randrange(2**32)).choice([-room, room], values[names[i]].shape)


def _lies(name: str, shape: tuple[int, ...], spec: Spec, i: int, r: random.Random) -> View:
    """Somewhere in a larger memory; with its axes in another order where the kernel allows it."""
    order = list(range(len(shape)))
    if i not in spec.dense and r.random() < 0.5:
        free = len(shape) - (i in spec.rows)
        order = r.sample(order[:free], free) + order[free:]
    lies = dense_strides([shape[axis] for axis in order])
    return View(name, r.choice([0, 0, 2, 3]), shape, tuple(lies[order.index(axis)] for axis in range(len(shape))))


def _overwritten(case: Case, spec: Spec, r: random.Random) -> str:
    """An input that the plan could let the output overwrite, sometimes."""
    for i in spec.in_place:
        name = case.op.inputs[i]
        view = case.views[name]
        whole = view.is_dense() and view.offset == 0 and view.shape == case.op.output.shape
        if whole and case.dtypes[name] == case.op.output.dtype and r.random() < 0.5:
            return name
    return ""


# ---------------------------------------------------------------- kernels in this process


class Kernels:
    """A shared object of kernels, and the prototypes of their headers."""

    def __init__(self, library: Path, folder: Path) -> None:
        self.library = ctypes.CDLL(str(library))
        text = "\n".join(path.read_text() for path in sorted(folder.glob("*.h")))
        found = re.findall(r"void TSAD_K\((\w+)\)\(([^()]*)\);", text)
        self.types = {name: [_type(word) for word in arguments.split(",")] for name, arguments in found}

    def call(self, name: str, *arguments: Any) -> None:
        """Arrays go as pointers."""
        function = self.library[f"tsad_{name}"]
        function.argtypes, function.restype = self.types[name], None
        function(*(a.ctypes.data if isinstance(a, np.ndarray) else a for a in arguments))

    def run(self, case: Case) -> NDArray[Any]:
        """The output (n, *shape) of an operator, after seeing that nothing else was written."""
        op, n = case.op, max(len(a) for a in case.values.values())
        memories = {name: _Memory.of(case.values[name], case.views[name], case.dtypes[name]) for name in op.inputs}
        for i in TABLE[op.kind].weights:
            packed = TABLE[op.kind].pack(case.values[op.inputs[i]][0], op.attrs)
            if not op.attrs["packed"]:
                memories[op.inputs[i]].cells[: packed.size] = packed.ravel()
        y = memories.get(case.aliased) or _Memory(op.output.dtype, n, op.output.bytes // WIDTHS[op.output.dtype])
        memories[op.output.name] = y
        shapes = [case.views[name].shape for name in op.inputs]
        needed = TABLE[op.kind].scratch(shapes, op.attrs)
        scratch = _Memory("s16", 1, needed // 2)
        calls = TABLE[op.kind].calls
        assert calls is not None
        for call in calls(op, {**case.views, "y": View("y", 0, op.output.shape, dense_strides(op.output.shape))}):
            self._call(call, n, memories, case.views, scratch)
        for memory in (*memories.values(), scratch):
            memory.check()
        written = y.cells.reshape(n, y.pitch)[:, : op.output.size]
        return written.reshape(n, *op.output.shape).copy()

    def _call(
        self, call: Call, n: int, memories: Mapping[str, _Memory], views: Mapping[str, View], scratch: _Memory
    ) -> None:
        words: list[Any] = [n]
        sizes = []  # kept until the call is over
        for a in call.arguments:
            if isinstance(a, Data):
                memory, first = memories[a.name], a.offset + (views[a.name].offset if a.name in views else 0)
                words += [memory.address(first), memory.pitch]
            elif isinstance(a, Constant):
                words.append(memories[a.name].address() if a.name else None)
            elif isinstance(a, Scratch):
                words.append(scratch.address())
            elif isinstance(a, Symbol):
                words.append(["NONE", "RELU", "TANH", "SIGMOID"].index(a.name.rpartition("_")[2]))
            elif isinstance(a, tuple):
                sizes.append(np.array(a, np.uintp))
                words.append(sizes[-1].ctypes.data)
            else:
                words.append(a)
        self.call(call.kernel, *words)


def _type(word: str) -> Any:
    """The ctypes of a parameter."""
    if "*" in word or "[" in word:
        return ctypes.c_void_p
    kind = re.sub(r"\bconst\b", "", word).split()[0]
    return getattr(ctypes, f"c_{'int' if kind == 'enum' else kind.removesuffix('_t') if kind != 'size_t' else kind}")


class _Memory:
    """Memory of n windows of `pitch` values, aligned to 8 bytes and fenced."""

    def __init__(self, dtype: str, n: int, pitch: int) -> None:
        self.width, self.pitch, count = WIDTHS[dtype], pitch, n * pitch
        self.raw = np.full(count * self.width + 2 * MARGIN + 8, UNTOUCHED, np.uint8)
        self.start = MARGIN + -self.raw.ctypes.data % 8
        self.end = self.start + count * self.width
        self.cells: NDArray[Any] = self.raw[self.start : self.end].view(DTYPES[dtype])

    @staticmethod
    def of(values: NDArray[Any], view: View, dtype: str) -> _Memory:
        """With the values where the view says, and a number that none of them is between them."""
        pitch = int(view.cells().max()) + 2
        memory = _Memory(dtype, len(values), pitch)
        for window in range(len(values)):
            memory.cells[window * pitch + view.cells()] = values[window]
        return memory

    def address(self, first: int = 0) -> int:
        return self.raw.ctypes.data + self.start + first * self.width

    def check(self) -> None:
        fences = self.raw[: self.start], self.raw[self.end :]
        assert all((fence == UNTOUCHED).all() for fence in fences), "written outside"


def build(
    out: Path, compile_with: Sequence[str] = PLAIN, folder: Path = SOURCES, files: Sequence[Path] = ()
) -> Kernels:
    """Compile the integer kernels of a folder.

    Parameters
    ----------
    out : Path
        An empty folder.
    files : Sequence[Path]
        Those of an overlay among others; without them all of the folder.
    """
    library = out / "kernels.so"
    theirs = re.compile(r"_(s8|s16)\)\(|_table\)\[")
    sources = sorted(str(path) for path in files or folder.glob("*.c") if theirs.search(path.read_text()))
    command = [*compile_with, "-std=c99", "-shared", "-fPIC", "-o", str(library), *sources]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Kernels(library, folder)


def differing(kernels: Kernels, seeds: range, kinds: Sequence[str] = tuple(KINDS)) -> str:
    """The first operator, of drawn ones, of which a kernel computes other bits than the table says; "" for none."""
    for seed, kind in itertools.product(seeds, kinds):
        case = draw_case(kind, random.Random(f"{kind} {seed}"))
        if kernels.run(case).tobytes() != case.meaning().tobytes():
            return f"{kind} {seed}"
    return ""
