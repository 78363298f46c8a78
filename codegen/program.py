"""The body of a program: a planned graph's kernel calls, in order, on memory that the plan gave each tensor."""

from __future__ import annotations

from collections.abc import Mapping

from . import ctext
from .ir import WIDTHS, Buffer, Graph, Op
from .ops import TABLE, Argument, Call, Constant, Data, Kept, Scratch, Symbol, dense_strides, numbered, views
from .ops.view import walk


class Program:
    """A graph's function in C: `forward` on n windows, or, of a stream, `advance` on one slot.

    `constants` are the C expressions of the graph's constants.
    """

    def __init__(self, graph: Graph, constants: Mapping[str, str]) -> None:
        assert graph.plan is not None
        self.graph, self.plan, self.constants = graph, graph.plan, constants
        self.window, self.channels = graph.window.shape[1:]
        self.parts = self.channels if len(graph.outputs) > 1 else 0
        self.views = views(graph)
        self.numbers = {op.output.name: number for number, op in numbered(graph)}
        self.dtypes = graph.dtypes()
        self.sizes: dict[tuple[int, ...], None] = {}

    def forward(self) -> str:
        """The function that scores n windows."""
        tap = f"    TSAD_TAP(0, x, (n + {self.window - 1}) * {self.channels});\n"
        signature = "forward(const void *slots, size_t n, float *scores, float *parts, void *arena)"
        return self._function(signature, "", "slots", tap)

    def advance(self) -> str:
        """The function that takes one slot, and the one that forgets all of them."""
        signature = "advance(void *state, const void *slot, float *scores, float *parts, void *arena)"
        reset = (
            "static void state_reset(void *state) {\n"
            f"    for (size_t i = 0; i < {self.plan.state}; i++)\n        ((unsigned char *)state)[i] = 0;\n}}\n\n"
        )
        memory = "    const size_t n = 1;\n    unsigned char *const s = (unsigned char *)state;\n"
        return reset + self._function(signature, memory, "slot", "")

    def _function(self, signature: str, memory: str, slots: str, tap: str) -> str:
        body: list[str] = []
        for number, op in numbered(self.graph):
            if number == 0:
                body.append(f"    /* 0: {self._origin(op)} -> the slots */\n" + tap)
                continue
            body.append(f"    /* {number}: {self._origin(op)} -> {ctext.comment(str(list(op.output.shape)))} */\n")
            calls = TABLE[op.kind].calls
            assert calls is not None
            body += [f"    {self._call(call, op)}\n" for call in calls(op, self.views)]
            if tap:
                body.append(f"    TSAD_TAP({number}, {self._pointer(op.output.name)}, n * {op.output.pitch});\n")
        body += self._hand_out_parts() if self.parts else ["    (void)parts;\n"]
        pointers, arena = [], self.plan.fixed > 0
        for number, op in numbered(self.graph):
            buffer = self.plan.buffers.get(op.output.name)
            if number and buffer is not None and buffer.where != "scores":
                arena |= buffer.where == "arena"
                kind = ctext.TYPES[op.output.dtype]
                pointers.append(f"    {kind} *const t{number} = {_as(kind, self._place(buffer))};\n")
        slot = ctext.TYPES[self.graph.ops[0].output.dtype]
        shapes = [
            f"    static const size_t {_sizes_name(s)}[{len(s)}] = {{{', '.join(map(str, s))}}};\n" for s in self.sizes
        ]
        return (
            f"static void {signature} {{\n"
            + "".join(shapes)
            + memory
            + f"    const {slot} *const x = (const {slot} *){slots};\n"
            + ("    unsigned char *const a = (unsigned char *)arena;\n" if arena else "    (void)arena;\n")
            + "".join(pointers)
            + "".join(body)
            + "}\n"
        )

    def _place(self, buffer: Buffer) -> str:
        """Where a buffer begins; of the arena, it grows with n."""
        if buffer.where == "state":
            return f"s + {buffer.offset}" if buffer.offset else "s"
        behind = [str(self.plan.fixed)] * bool(self.plan.fixed) + [f"n * {buffer.offset}"] * bool(buffer.offset)
        return " + ".join(["a", *behind])

    def _hand_out_parts(self) -> list[str]:
        """The shares, copied to where the caller wants them, if he wants them."""
        parts = self.graph.outputs[1]
        view = self.views[parts]
        lines = ["    if (parts != NULL)\n"]
        for sizes, (xs, ys), (ox, oy) in walk(view.shape, view.strides, dense_strides(view.shape)):
            source = f"{self._plus(parts, ox)}, {self._pitch(parts)}"
            target = f"parts{f' + {oy}' if oy else ''}, {self.parts}"
            words = f"n, {self._sizes(sizes)}, {source}, {self._sizes(xs)}, {target}, {self._sizes(ys)}"
            lines.append(f"        TSAD_K(copy_f32)({words});\n")
        return lines

    def _origin(self, op: Op) -> str:
        modules = list(dict.fromkeys(s.module for s in op.sources if s.module))
        return ctext.comment(f"{op.kind} of {' + '.join(modules)}" if modules else op.kind)

    def _call(self, call: Call, op: Op) -> str:
        words = ", ".join(["n", *(self._argument(a, op) for a in call.arguments)])
        return f"TSAD_K({call.kernel})({words});"

    def _argument(self, argument: Argument, op: Op) -> str:
        if isinstance(argument, Data):
            return f"{self._plus(argument.name, argument.offset)}, {self._pitch(argument.name)}"
        if isinstance(argument, Constant):
            return self.constants[argument.name] if argument.name else "NULL"
        if isinstance(argument, Scratch):
            offset = self.plan.buffers[op.output.name + "/scratch"].offset
            return _as(argument.type, f"a + {offset}" if offset else "a")
        if isinstance(argument, Kept):
            return _as("float", self._place(self.plan.buffers[op.output.name + "/kept"]))
        if isinstance(argument, Symbol):
            return argument.name
        if isinstance(argument, tuple):
            return self._sizes(argument)
        return ctext.literal(argument) if isinstance(argument, float) else str(argument)

    def _sizes(self, sizes: tuple[int, ...]) -> str:
        self.sizes[sizes] = None
        return _sizes_name(sizes)

    def _pointer(self, name: str) -> str:
        """Where a root begins."""
        if name in self.constants:
            return self.constants[name]
        if self.numbers[name] == 0:
            return "x"
        return "scores" if self.plan.buffers[name].where == "scores" else f"t{self.numbers[name]}"

    def _plus(self, name: str, offset: int) -> str:
        view = self.views[name]
        at = view.offset + offset
        return self._pointer(view.root) + (f" + {at}" if at else "")

    def _pitch(self, name: str) -> str:
        root = self.views[name].root
        if root in self.constants:
            return "0"
        if self.numbers[root] == 0:
            return str(self.channels)  # windows overlap: the next one starts a slot later
        return str(self.plan.buffers[root].size // WIDTHS[self.dtypes[root]])


def _as(kind: str, address: str) -> str:
    """A pointer into arena or state; arena, state and all places in them are aligned for every type."""
    return f"({kind} *)(void *){f'({address})' if ' ' in address else address}"


def _sizes_name(sizes: tuple[int, ...]) -> str:
    return "s_" + "_".join(map(str, sizes))
