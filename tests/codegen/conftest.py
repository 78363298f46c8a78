"""What the compiler's tests share: exporting a module, drawing graphs, and running generated C in this process."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import math
import random
import shutil
import subprocess
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tsad_edge.codegen import Compiled, compile_graph, first_divergence, interpret, load_program
from tsad_edge.codegen.ir import Graph, Op, Tensor
from tsad_edge.codegen.ops import TABLE, infer
from tsad_edge.codegen.unrolled import never_unrolled

from tsad_edge.check import tolerance
from tsad_edge.scoring import double

from ..conftest import ISAS

ROOT = Path(__file__).parents[2]
WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Wshadow",
    "-Wconversion",
    "-Wdouble-promotion",
    "-Wpedantic",
    "-Wc++-compat",
    "-Werror",
]
FLAGS = ["-std=c99", "-O1", "-fPIC", "-ffp-contract=off", *WARNINGS]
INCLUDE = [f"-I{ROOT / 'csrc'}", f"-I{ROOT / 'csrc/kernels'}"]


def file_as_module(path: Path) -> Any:
    """A Python file outside the package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def script() -> Callable[[str], Any]:
    """Import a file by its path in the repository."""
    return lambda path: file_as_module(ROOT / path)


@pytest.fixture(scope="session")
def export() -> Callable[..., torch.export.ExportedProgram]:
    """Export a module with a symbolic batch; torch's own deprecations are its business."""

    def run(module: torch.nn.Module, window: int, channels: int) -> torch.export.ExportedProgram:
        with warnings.catch_warnings(), never_unrolled():
            warnings.simplefilter("ignore")
            batch = {"window": {0: torch.export.Dim("B")}}
            example = torch.randn(3, window, channels)
            return torch.export.export(module, (example,), dynamic_shapes=batch, strict=False)

    return run


# ---------------------------------------------------------------- generated C, in this process


VALUES = {4: np.float32, 2: np.int16}
"""What a model computes with, by the bytes of a value."""


class Model(ctypes.Structure):
    """tsad_model of csrc/tsad.h."""

    _fields_ = [
        ("abi", ctypes.c_uint32),
        ("crc", ctypes.c_uint32),
        *((name, ctypes.c_char_p) for name in ("name", "id", "isa", "layout")),
        ("weights", ctypes.c_void_p),
        *((n, ctypes.c_uint32) for n in ("weight_arrays", "channels")),
        ("channel_names", ctypes.POINTER(ctypes.c_char_p)),
        *((n, ctypes.c_uint32) for n in ("window", "parts", "slot_size")),
        ("arena_fixed", ctypes.c_uint32),
        ("arena_window", ctypes.c_uint32),
        ("table", ctypes.c_void_p),
        ("table_count", ctypes.c_uint32),
        ("enter", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)),
        ("forward", ctypes.CFUNCTYPE(None, *[ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_void_p] * 3)),
    ]


@dataclass
class Native:
    """A compiled model with taps."""

    library: ctypes.CDLL
    model: Model

    def run(
        self, samples: NDArray[np.float32], batch: int | None = None, parts: bool = True
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, dict[int, NDArray[Any]]]:
        """Scores (n,), parts (n, C) and taps (of the last call) of all windows of samples (T, C), `batch` at a time.

        The arena is full of NaN before every call, and what lies around it must be untouched after it.
        """
        m = self.model
        samples = np.ascontiguousarray(samples, np.float32)
        slots = np.zeros((len(samples), m.channels), VALUES[m.slot_size // m.channels])
        for i, sample in enumerate(samples):
            m.enter(sample.ctypes.data, m.table, slots[i].ctypes.data)
        n = len(samples) - m.window + 1
        scores, shares = np.full(n, np.nan, np.float32), np.full((n, m.channels), np.nan, np.float32)
        taps: dict[int, NDArray[Any]] = {}

        def hear(number: int, data: int, count: int, width: int) -> None:
            taps[number] = np.frombuffer(ctypes.string_at(data, count * width), VALUES[width])

        sink_type = ctypes.CFUNCTYPE(None, ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t)
        sink = sink_type(hear)
        self.library.tsad_tap_to(sink)
        for start in range(0, n, batch or n):
            count = min(batch or n, n - start)
            floats = (m.arena_fixed + count * m.arena_window) // 4
            memory = np.full(floats + 32, np.nan, np.float32)
            memory[:16] = memory[-16:] = 12345.0
            given = shares[start:].ctypes.data if parts and m.parts else None
            m.forward(slots[start:].ctypes.data, count, scores[start:].ctypes.data, given, memory[16:].ctypes.data)
            assert (memory[:16] == 12345).all() and (memory[-16:] == 12345).all(), "written outside the arena"
        self.library.tsad_tap_to(sink_type())
        return scores, shares if m.parts else None, taps


AVX2 = ("-mavx2", "-mfma")
AVX512 = (*AVX2, *(f"-mavx512{part}" for part in ("f", "bw", "dq", "vl", "vnni")), "-mprefer-vector-width=256")
PROGRAMS = {
    "generic": (),
    "avx2": (*AVX2, "-DTSAD_SUFFIX=_avx2", '-DTSAD_ISA="avx2"', "-DTSAD_WEIGHTS"),
    "avx512": (*AVX512, "-DTSAD_SUFFIX=_avx512", '-DTSAD_ISA="avx512"', "-DTSAD_WEIGHTS"),
}
"""Instruction set -> how its program and kernels are compiled, as by CMakeLists.txt, but with weights of its own."""


def kernel_sources(isa: str) -> list[Path]:
    """The portable kernels, with the files of overlays, one over the other, in place of those of the same name."""
    overlays = ISAS[1 : ISAS.index(isa) + 1]
    folders = (ROOT / "csrc/kernels", *(ROOT / "csrc/arch" / overlay for overlay in overlays))
    return list({path.name: path for folder in folders for path in folder.glob("*.c")}.values())


@pytest.fixture(scope="session")
def native_by(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Callable[[Any], Native]]:
    """By a C compiler and its flags: compile what the compiler made and open it. Kernels and tap are compiled once."""

    @cache
    def by(*compiler: str, isa: str = "generic") -> Callable[[Any], Native]:
        place = tmp_path_factory.mktemp("kernels")
        flags, symbol = [*compiler, *PROGRAMS[isa], *INCLUDE], "" if isa == "generic" else f"_{isa}"
        cached = [ccache] if (ccache := shutil.which("ccache")) else []
        for source in [*sorted(kernel_sources(isa)), ROOT / "csrc/target/tap.c"]:
            subprocess.run([*cached, *flags, "-c", str(source)], cwd=place, check=True)
        kernels = [str(path) for path in sorted(place.glob("*.o"))]

        def build(made: Any) -> Native:
            digest = hashlib.sha256((made.source + made.header).encode()).hexdigest()[:16]
            out = tmp_path_factory.mktemp(digest)
            (out / f"{made.name}.h").write_text(made.header)
            (out / f"{made.name}.c").write_text(made.source)
            library = out / f"{made.name}.so"
            command = [*flags, "-DTSAD_HOST", "-DTSAD_TAP_ON", f"-I{out}", "-shared", "-o", str(library)]
            done = subprocess.run([*command, str(out / f"{made.name}.c"), *kernels], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            opened = ctypes.CDLL(str(library))
            return Native(opened, Model.in_dll(opened, made.name + symbol))

        return build

    return by


@pytest.fixture(scope="session", params=["generic", "avx2", pytest.param("avx512", marks=pytest.mark.slow)])
def native(native_by: Any, has_isa: Callable[[str], None], request: Any) -> Callable[[Any], Native]:
    """With all warnings as errors; every test that takes it runs once for each instruction set.

    For avx512 in the slow tests only: tests/csrc holds its kernels against those for avx2, bit for bit.
    """
    has_isa(request.param)
    build: Callable[[Any], Native] = native_by("cc", *FLAGS, isa=request.param)
    return build


# ---------------------------------------------------------------- graphs out of nothing


class Drawing:
    """Grows a graph operator by operator; every choice is the given Random's, so that Hypothesis can shrink it."""

    def __init__(self, r: random.Random, window: tuple[int, int] | None = None) -> None:
        self.r = r
        shape = (1, *(window or (r.randint(1, 6), r.randint(1, 4))))
        self.window = Tensor("window", shape)
        self.shapes = {"window": shape}
        self.constants: dict[str, NDArray[np.float32]] = {}
        self.ops: list[Op] = []
        self.pool = ["window"]

    def constant(self, shape: tuple[int, ...]) -> str:
        name = f"k{len(self.constants)}"
        values = [self.r.randint(-16, 16) / 16 for _ in range(math.prod(shape))]
        self.constants[name] = np.array(values, np.float32).reshape(shape)
        self.shapes[name] = shape
        return name

    def add(self, kind: str, inputs: list[str], **attrs: Any) -> str:
        op = Op(kind, tuple(inputs), Tensor(f"t{len(self.ops)}", ()), attrs)
        shape = infer(op, self.shapes)
        self.ops.append(replace(op, output=Tensor(op.output.name, shape)))
        self.shapes[op.output.name] = shape
        self.pool.append(op.output.name)
        return op.output.name

    def step(self, kind: str) -> None:
        """One more operator on a tensor that is there, if it has a suitable shape."""
        r, x = self.r, self.pool[-1] if self.r.random() < 0.7 else self.r.choice(self.pool)
        shape = self.shapes[x]
        inner = range(1, len(shape))  # the batch stays in front
        if kind in SAFE:
            self.add(kind, [x])
        elif kind == "leaky_relu":
            self.add(kind, [x], slope=r.choice([1.0, 0.25, 0.0]))
        elif kind == "linear" and len(shape) > 1:
            width = r.randint(1, 6)
            bias = [self.constant((width,))] if r.random() < 0.7 else []
            self.add(kind, [x, self.constant((width, shape[-1])), *bias], act="none", packed=False)
        elif kind == "conv1d" and len(shape) == 3:
            taps, groups = r.randint(1, 3), shape[2] if r.random() < 0.3 else 1
            outer = groups * r.randint(1, 4)
            reach = {"stride": r.randint(1, 2), "dilation": r.randint(1, 2), "left": r.randint(0, 2)}
            reach["right"] = max(r.randint(0, 2), reach["dilation"] * (taps - 1) + 1 - shape[1] - reach["left"])
            bias = [self.constant((outer,))] if r.random() < 0.7 else []
            inputs = [x, self.constant((outer, shape[2] // groups, taps)), *bias]
            self.add(kind, inputs, **reach, groups=groups, act="none", packed=False)
        elif kind in {"max_pool", "mean_pool"} and len(shape) == 3:
            rest = {"padded": r.random() < 0.5} if kind == "mean_pool" else {}
            taps = r.randint(1, min(3, shape[1]))
            self.add(kind, [x], taps=taps, stride=r.randint(1, 2), dilation=1, left=0, right=taps // 2, **rest)
        elif kind == "bmm" and len(shape) > 2:
            turned = self.add("permute", [x], dims=(*range(len(shape) - 2), len(shape) - 1, len(shape) - 2))
            self.add(kind, r.choice([[x, turned], [turned, x]]))
        elif kind in {"lstm", "gru"} and len(shape) == 3:
            hidden, gates = r.randint(1, 3), 4 if kind == "lstm" else 3
            sizes = [(gates * hidden, shape[2]), (gates * hidden, hidden), (gates * hidden,), (gates * hidden,)]
            states = [self.constant((hidden,)) for _ in range(gates - 2)] if r.random() < 0.3 else []
            self.add(kind, [x, *(self.constant(s) for s in sizes), *states], last=False, packed=False)
        elif kind in {"add", "sub", "mul", "maximum", "minimum"}:
            same = [name for name in self.pool if self.shapes[name] == shape]
            lack = r.randint(0, len(shape))
            small = tuple(1 if r.random() < 0.4 else size for size in shape)[lack:]
            pair = [x, r.choice(same) if r.random() < 0.5 else self.constant(small)]
            self.add(kind, pair if r.random() < 0.7 else pair[::-1])
        elif kind in {"sum", "mean", "max", "min", "var"} and len(shape) > 1:
            first = r.choice(inner)
            rest = {"correction": 0.0} if kind == "var" else {}
            self.add(kind, [x], dims=tuple(range(first, r.randint(first, len(shape) - 1) + 1)), **rest)
        elif kind in {"softmax", "cumsum"} and len(shape) > 1:
            rest = {"log": r.random() < 0.5} if kind == "softmax" else {}
            self.add(kind, [x], dim=r.choice(inner), **rest)
        elif kind == "normalise" and len(shape) > 1:
            axes = r.randint(1, len(shape) - 1)
            weights = [self.constant((math.prod(shape[-axes:]),)) for _ in range(r.randint(0, 2))]
            self.add(kind, [x, *weights], axes=axes, centred=r.random() < 0.5, eps=0.01)
        elif kind == "take" and len(shape) > 1:
            dim = r.choice(inner)
            self.add(kind, [x], dim=dim, indices=tuple(r.randrange(shape[dim]) for _ in range(r.randint(1, 5))))
        elif kind == "where":  # chosen by a constant: nothing hangs on the last places of what is computed
            self.add(kind, [self.constant(shape[-1:]), x, self.constant(shape)])
        elif kind == "reshape":
            self.add(kind, [x], shape=r.choice([(1, math.prod(shape)), (*shape, 1), (1, 1, *shape[1:]), shape]))
        elif kind == "permute":
            rest = list(inner)
            r.shuffle(rest)
            self.add(kind, [x], dims=(0, *rest))
        elif kind == "expand":
            self.add(kind, [x], shape=tuple(r.randint(1, 3) if s == 1 and d else s for d, s in enumerate(shape)))
        elif kind in {"select", "slice", "cat"} and len(shape) > 1:
            dim = r.choice(inner)
            start = r.randint(0, shape[dim] - 1)
            if kind == "select":
                self.add(kind, [x], dim=dim, index=r.choice([start, shape[dim] - 1]))
            elif kind == "slice":
                self.add(kind, [x], dim=dim, start=start, stop=r.randint(start + 1, shape[dim]), step=r.randint(1, 2))
            else:
                self.add(kind, [x, r.choice([x, self.constant(shape)])], dim=dim)

    def finish(self) -> Graph:
        """Everything that nobody read yet goes into the score; where it fits, a tensor becomes the parts."""
        read = {name for op in self.ops for name in op.inputs}
        loose = [name for name in self.pool if name not in read]
        means = [
            self.add("mean", [self.add("reshape", [x], shape=(1, math.prod(self.shapes[x])))], dims=(1,)) for x in loose
        ]
        score = means[0]
        for other in means[1:]:
            score = self.add("add", [score, other])
        fit = [op.output.name for op in self.ops if op.output.shape == (1, self.window.shape[2])]
        outputs = (score, self.r.choice(fit)) if fit else (score,)
        return Graph(self.window, self.constants, tuple(self.ops), outputs)


SAFE = {"relu", "tanh", "sigmoid", "abs", "erf", "sin", "cos", "gelu", "gelu_tanh", "silu", "softplus", "copy"}
WILD = {"exp", "expm1", "div", "prod", "sqrt", "rsqrt", "log", "log1p"}
STEPS = {"sign", "floor", "round", "less", "less_equal", "equal", "not_equal"}
FLOATS = [k for k, spec in TABLE.items() if "s16" not in {*spec.reads, spec.writes} and spec.state is None]
"""What PyTorch has too. The others are compared bit for bit, see `integers`."""
DRAWN = [kind for kind in FLOATS if kind not in {"enter", *WILD, *STEPS}]
"""Wild ones overflow or leave their domain by chance and would only prove that, and at a step the last place decides;
they have tests of their own."""


@pytest.fixture(scope="session")
def draw_graph() -> Callable[[random.Random], Graph]:
    """A random legal graph, as `load` could have made it."""

    def draw(r: random.Random) -> Graph:
        drawing = Drawing(r)
        if r.random() < 0.5:  # a scaler
            offset, scale = drawing.constant(drawing.window.shape[2:]), drawing.constant((1, drawing.window.shape[2]))
            drawing.add("mul", [drawing.add("sub", ["window", offset]), scale])
        for _ in range(r.randint(1, 8)):
            drawing.step(r.choice([*DRAWN, "linear", "linear"]))
        return drawing.finish()

    return draw


@pytest.fixture(scope="session")
def drawing() -> type[Drawing]:
    """The class, for graphs with one operator in the middle."""
    return Drawing


@pytest.fixture(scope="session")
def compiled() -> Callable[[Graph], Compiled]:
    """All passes, under a name that does not matter."""
    return lambda graph: compile_graph(graph, "m_test", 0.5)


@pytest.fixture(scope="session")
def prove(export: Any, native: Callable[[Any], Native]) -> Callable[..., Compiled]:
    """Compile a module and hold its C against PyTorch in float64, as `tsad check` does, on samples (T, C).

    Scores must be within check's tolerance, parts close, every batch the same bits, and no operator may be off by more
    than its own rounding explains.
    """

    def run(module: torch.nn.Module, samples: NDArray[Any], window: int) -> Compiled:
        samples = np.ascontiguousarray(samples, np.float32)
        program = export(module.eval(), window, samples.shape[1])
        made = compile_graph(load_program(program), "m_proof", 0.5)
        windows = np.lib.stride_tricks.sliding_window_view(samples, window, axis=0).transpose(0, 2, 1)
        x = torch.from_numpy(windows.copy())
        with torch.no_grad():
            single, exact = module(x), double(program.module(check_guards=False))(x.double())
        pairs = isinstance(single, tuple)
        single, exact = (y if pairs else (y,) for y in (single, exact))
        model = native(made)
        scores, parts, taps = model.run(samples)
        terms = interpret(made.graph, windows).terms
        want, want32 = exact[0].numpy(), single[0].numpy().astype(np.float64)
        assert (np.isnan(scores) == np.isnan(want)).all(), (scores, want)
        off = np.where(scores == want, 0, np.abs(scores - want))
        assert (np.isnan(want) | (off <= tolerance(want, want32, terms))).all(), (scores, want, terms)
        if pairs:
            np.testing.assert_allclose(parts, exact[1].numpy(), rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(model.run(samples, 1)[0], scores, "one window's score depends on its batch")
        found = first_divergence(made.graph, windows, taps)
        assert not found.diverged, found
        return made

    return run
