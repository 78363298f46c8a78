"""The rules from PyTorch's operators to ours. Knows torch.fx nodes by their attributes only, and imports no torch.

A node that does not depend on the window comes as the constant that torch made of it (`values`). Longer than other
files because every operator has its rule here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .ir import Graph, Op, Source, Tensor, UnsupportedError, fresh, prune
from .ops import TABLE, infer

ADVICE = {
    **dict.fromkeys(("amin", "min"), "-amax(-x) would do"),
    **dict.fromkeys(("gelu", "elu", "silu", "softplus"), "relu, leaky_relu, tanh or sigmoid would do"),
    **dict.fromkeys(("convolution", "conv1d", "conv2d"), "a linear layer over the flattened window would do"),
    **dict.fromkeys(("gru", "rnn_tanh", "rnn_relu"), "torch.nn.LSTM would do"),
    **dict.fromkeys(("sqrt", "rsqrt", "log", "linalg_vector_norm"), "the score without it would do: it orders alike"),
}
UNARY = ("relu", "tanh", "sigmoid", "exp", "abs")
BINARY = ("add", "sub", "mul", "div")
REDUCTIONS = {"sum": "sum", "mean": "mean", "amax": "max"}
RESHAPES = ("view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze")
RULES = (
    *("rsub", "neg", "reciprocal", "square", "pow", "leaky_relu", "linear", "mm", "matmul", "addmm", "lstm", "max"),
    *("mse_loss", "l1_loss"),
    *("select", "slice", "permute", "transpose", "t", "cat", "stack", "expand", "repeat"),
    *("split", "split_with_sizes", "unbind", "broadcast_tensors", "_native_batch_norm_legit_no_training"),
)
ALIASES = ("alias", "clone", "contiguous", "detach", "lift_fresh_copy", "dropout", "_to_copy", "to")


class Translator:
    """One translation of one graph.

    Parameters
    ----------
    values : mapping
        What torch computed at every node for a batch of 1.
    tainted : set of str
        Nodes that depend on the window.
    names : mapping
        Names of parameters and buffers by node.
    source, refusal
        Where a node comes from; an error about a node.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        tainted: set[str],
        names: Mapping[str, str],
        source: Callable[[Any], Source],
        refusal: Callable[[Any, str], UnsupportedError],
    ) -> None:
        self.values, self.tainted, self.names = values, tainted, names
        self.source, self.refusal = source, refusal
        self.env: dict[str, Any] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.constants: dict[str, NDArray[np.float32]] = {}
        self.ops: list[Op] = []

    def translate(self, nodes: Any, window: Any, outputs: Sequence[Any]) -> Graph:
        """Translate the nodes (a torch.fx graph's) that `outputs` need."""
        needed, todo = set(), list(outputs)
        while todo:
            node = todo.pop()
            if node.name not in needed:
                needed.add(node.name)
                todo += node.all_input_nodes
        tensor = Tensor(window.name, self._shape(window))
        self.env[window.name], self.shapes[tensor.name] = tensor.name, tensor.shape
        for node in nodes.nodes if hasattr(nodes, "nodes") else nodes:
            if node.name in needed and node.name in self.tainted and node.op == "call_function":
                self.env[node.name] = self._node(node)
        made = {op.output.name for op in self.ops}
        names = []
        for node in outputs:
            name = self.env[node.name] if node.name in self.tainted else self.constant(node)
            if name not in made:  # the window itself, a constant: an output is always an operator's result
                name = self.emit("reshape", node, [name], shape=self.shapes[name])
            names.append(name)
        return prune(Graph(tensor, self.constants, tuple(self.ops), tuple(names)))

    # ------------------------------------------------------------ building

    def _shape(self, node: Any) -> tuple[int, ...]:
        return tuple(int(size) for size in self.values[node.name].shape)

    def emit(self, kind: str, node: Any, inputs: Sequence[str], **attrs: Any) -> str:
        """Add an operator and return its output's name."""
        op = Op(kind, tuple(inputs), Tensor(fresh(self.shapes, node.name), ()), attrs, (self.source(node),))
        try:
            shape = infer(op, self.shapes)
        except ValueError as error:
            raise self.refusal(node, f"not supported: {error}") from error
        self.ops.append(Op(kind, op.inputs, Tensor(op.output.name, shape), attrs, op.sources))
        self.shapes[op.output.name] = shape
        return op.output.name

    def keep(self, wish: str, value: Any, node: Any) -> str:
        """Add a constant and return its name."""
        array = np.ascontiguousarray(np.asarray(value, dtype=np.float32))
        array = array.reshape(np.shape(value))  # ascontiguousarray makes (1,) of ()
        if not np.isfinite(array).all():
            raise self.refusal(node, f"the constant {wish} is not finite")
        name = fresh(self.shapes, wish)
        self.constants[name], self.shapes[name] = array, array.shape
        return name

    def constant(self, node: Any) -> str:
        """The constant that torch made of a node."""
        if node.name not in self.env:
            value = self.values[node.name]
            self.env[node.name] = self.keep(self.names.get(node.name, node.name), value.detach().cpu().numpy(), node)
        name: str = self.env[node.name]
        return name

    def array(self, node: Any) -> NDArray[np.float32]:
        """Values of a constant."""
        return self.constants[self.constant(node)]

    def operand(self, value: Any, node: Any) -> str:
        """Name of a tensor, whatever it is: computed, constant, or a Python number."""
        if isinstance(value, (int, float)):
            return self.keep(f"{node.name}.value", np.float32(value), node)
        if value.name in self.tainted:
            name: str = self.env[value.name]
            return name
        made = self.values[value.name]
        return self.constant(value) if hasattr(made, "detach") else self.keep(value.name, np.float32(made), node)

    def integer(self, value: Any) -> int:
        """An argument that is a number, written out or computed from shapes."""
        return int(self.values[value.name] if hasattr(value, "name") else value)

    def is_constant(self, value: Any) -> bool:
        """Whether an argument does not depend on the window."""
        return not hasattr(value, "name") or value.name not in self.tainted

    # ------------------------------------------------------------ rules

    def _node(self, node: Any) -> Any:
        target = getattr(node.target, "__name__", str(node.target))
        operator = target.split(".")[0]
        if operator == "getitem":
            found = self.env[node.args[0].name][node.args[1]]
            if found is None:
                what = "an LSTM's cell state and a maximum's indices are not available; their first results are"
                raise self.refusal(node.args[0], what)
            return found() if callable(found) else found
        dtype = node.kwargs.get("dtype")
        if dtype is not None and str(dtype) != "torch.float32":
            raise self.refusal(node, f"computes in {dtype}; float32 would do")
        if operator in UNARY:
            name = self.emit(operator, node, [self.operand(node.args[0], node)])
        elif operator in BINARY:
            name = self._binary(operator, node, *node.args[:2])
        elif operator in REDUCTIONS:
            name = self._reduce(node, REDUCTIONS[operator])
        elif operator in RESHAPES:
            name = self._reshape(node, self.operand(node.args[0], node), self._shape(node))
        elif operator in ALIASES:
            name = self.operand(node.args[0], node)
        elif operator in RULES:
            name = getattr(self, "_" + operator.lstrip("_"))(node)
        else:
            known = [name.split(" ")[0] for spec in TABLE.values() for name in spec.aten]
            advice = ADVICE.get(operator, f"supported are {', '.join(sorted({*known, *ALIASES}))}")
            raise self.refusal(node, f"not supported; {advice}")
        if isinstance(name, str) and self.shapes[name] != self._shape(node):
            raise self.refusal(node, f"not supported: shape {self._shape(node)} where {self.shapes[name]} was expected")
        return name

    def _binary(self, kind: str, node: Any, a: Any, b: Any) -> str:
        if node.kwargs.get("rounding_mode") is not None:
            raise self.refusal(node, "division with rounding is not supported; plain division would do")
        alpha = node.kwargs.get("alpha", 1)
        second = self.operand(b, node)
        if alpha != 1:
            second = self.emit("mul", node, [second, self.keep(f"{node.name}.alpha", np.float32(alpha), node)])
        return self.emit(kind, node, [self.operand(a, node), second])

    def _rsub(self, node: Any) -> str:
        a, b = node.args[:2]
        if len(node.args) > 2 or node.kwargs.get("alpha", 1) != 1:
            raise self.refusal(node, "alpha is not supported; a product of its own would do")
        return self.emit("sub", node, [self.operand(b, node), self.operand(a, node)])

    def _neg(self, node: Any) -> str:
        return self._binary("mul", node, node.args[0], -1.0)

    def _reciprocal(self, node: Any) -> str:
        return self._binary("div", node, 1.0, node.args[0])

    def _square(self, node: Any) -> str:
        return self._binary("mul", node, node.args[0], node.args[0])

    def _pow(self, node: Any) -> str:
        base, exponent = node.args
        if exponent == 1:
            return self.operand(base, node)
        if exponent != 2:
            raise self.refusal(node, f"the power {exponent} is not supported; 2 is, and products are")
        return self._square(node)

    def _error(self, node: Any) -> str:
        """What a loss takes the mean of, where it is told not to."""
        if (node.args[2] if len(node.args) > 2 else node.kwargs.get("reduction", 1)) != 0:
            raise self.refusal(node, 'mixes the windows of a batch; reduction="none" and a mean per window would do')
        return self._binary("sub", node, *node.args[:2])

    def _mse_loss(self, node: Any) -> str:
        error = self._error(node)
        return self.emit("mul", node, [error, error])

    def _l1_loss(self, node: Any) -> str:
        return self.emit("abs", node, [self._error(node)])

    def _leaky_relu(self, node: Any) -> str:
        slope = node.args[1] if len(node.args) > 1 else node.kwargs.get("negative_slope", 0.01)
        return self.emit("leaky_relu", node, [self.operand(node.args[0], node)], slope=float(slope))

    def _linear(self, node: Any) -> str:
        x, weight, bias = (*node.args, None)[:3]
        if not self.is_constant(weight) or not self.is_constant(bias) or self.is_constant(x):
            raise self.refusal(node, "weights that depend on the window are not supported; constant ones would do")
        inputs = [self.operand(x, node), self.constant(weight)] + ([self.constant(bias)] if bias is not None else [])
        return self.emit("linear", node, inputs, act="none", packed=False)

    def _times(self, node: Any, x: Any, weight: Any) -> str:
        """x @ weight with a constant weight."""
        if self.is_constant(x) or not self.is_constant(weight) or self.array(weight).ndim > 2:
            raise self.refusal(node, "only data @ constant matrix is supported; torch.nn.Linear would do")
        array, columns = self.array(weight), self.array(weight).ndim
        turned = self.keep(f"{self.constant(weight)}.t", array.reshape(array.shape[0], -1).T, node)
        name = self.emit("linear", node, [self.operand(x, node), turned], act="none", packed=False)
        return name if columns == 2 else self._reshape(node, name, self.shapes[name][:-1])

    def _mm(self, node: Any) -> str:
        return self._times(node, *node.args)

    def _matmul(self, node: Any) -> str:
        return self._times(node, *node.args)

    def _addmm(self, node: Any) -> str:
        if node.kwargs.get("beta", 1) != 1 or node.kwargs.get("alpha", 1) != 1:
            raise self.refusal(node, "beta and alpha are not supported; torch.nn.Linear would do")
        name = self._times(node, *node.args[1:3])
        return self.emit("add", node, [name, self.operand(node.args[0], node)])

    def _reduce(self, node: Any, kind: str, shape: tuple[int, ...] | None = None) -> str:
        x = self.operand(node.args[0], node)
        given = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
        rank = len(self.shapes[x])
        given = [given] if isinstance(given, int) else given
        dims = sorted({d % rank for d in given}) if given else list(range(rank))
        # Neighbouring axes at once, from the back, so that the numbers of those in front stay right.
        while dims:
            run = [dims.pop()]
            while dims and dims[-1] == run[0] - 1:
                run.insert(0, dims.pop())
            x = self.emit(kind, node, [x], dims=tuple(run))
        return self._reshape(node, x, self._shape(node) if shape is None else shape)

    def _max(self, node: Any) -> str | list[str | None]:
        """The largest element of all, or [the largest along an axis, None for where it is]."""
        if len(node.args) == 1:
            return self._reduce(node, "max")
        if hasattr(node.args[1], "name"):
            raise self.refusal(node, "the larger of two tensors is not supported; a + relu(b - a) would do")
        return [self._reduce(node, "max", tuple(self.values[node.name][0].shape)), None]

    def _native_batch_norm_legit_no_training(self, node: Any) -> list[str | None]:
        """Per channel (x - mean) * scale + bias: `fold` makes nothing of it beside a matrix product."""
        x, weight, bias, mean, variance, _, eps = node.args
        name = self.operand(x, node)
        given = (
            None if v is None else self.values[v.name].detach().cpu().numpy().astype(np.float64)
            for v in (weight, bias, mean, variance)
        )
        gain, shift, centre, spread = given
        scale = (1 if gain is None else gain) / np.sqrt(spread + eps)
        for kind, origin, value in (("sub", mean, centre), ("mul", variance, scale), ("add", bias, shift)):
            if value is not None:
                value = value.reshape(-1, *(1,) * (len(self.shapes[name]) - 2))  # channels are axis 1
                name = self.emit(kind, node, [name, self.keep(self.names[origin.name], value, node)])
        return [name, None, None]

    def _reshape(self, node: Any, name: str, shape: tuple[int, ...]) -> str:
        return name if self.shapes[name] == shape else self.emit("reshape", node, [name], shape=shape)

    def _select(self, node: Any) -> str:
        x, dim, index = node.args
        shape = self.shapes[self.operand(x, node)]
        dim %= len(shape)
        return self.emit("select", node, [self.operand(x, node)], dim=dim, index=self.integer(index) % shape[dim])

    def _unbind(self, node: Any) -> list[str]:
        name = self.operand(node.args[0], node)
        dim = (node.args[1] if len(node.args) > 1 else 0) % len(self.shapes[name])
        return [self.emit("select", node, [name], dim=dim, index=i) for i in range(self.shapes[name][dim])]

    def _slice(self, node: Any) -> str:
        defaults: tuple[Any, ...] = (None, 0, None, None, 1)
        x, dim, start, stop, step = tuple(node.args) + defaults[len(node.args) :]
        name = self.operand(x, node)
        dim %= len(self.shapes[name])
        start, stop = (None if bound is None else self.integer(bound) for bound in (start, stop))
        start, stop, step = slice(start, stop, step).indices(self.shapes[name][dim])  # an open end is 2**63 - 1
        if (start, stop, step) == (0, self.shapes[name][dim], 1):
            return name
        return self.emit("slice", node, [name], dim=dim, start=start, stop=stop, step=step)

    def _split(self, node: Any) -> list[str]:
        name = self.operand(node.args[0], node)
        dim = (node.args[2] if len(node.args) > 2 else node.kwargs.get("dim", 0)) % len(self.shapes[name])
        pieces, start = [], 0
        for piece in self.values[node.name]:
            stop = start + int(piece.shape[dim])
            pieces.append(self.emit("slice", node, [name], dim=dim, start=start, stop=stop, step=1))
            start = stop
        return pieces

    _split_with_sizes = _split

    def _permute(self, node: Any) -> str:
        name = self.operand(node.args[0], node)
        return self.emit("permute", node, [name], dims=tuple(d % len(self.shapes[name]) for d in node.args[1]))

    def _transpose(self, node: Any) -> str:
        name = self.operand(node.args[0], node)
        dims = list(range(len(self.shapes[name])))
        a, b = (d % len(dims) for d in node.args[1:3])
        dims[a], dims[b] = dims[b], dims[a]
        return self.emit("permute", node, [name], dims=tuple(dims))

    def _t(self, node: Any) -> str:
        name = self.operand(node.args[0], node)
        return self.emit("permute", node, [name], dims=tuple(reversed(range(len(self.shapes[name])))))

    def _cat(self, node: Any) -> str:
        names = [self.operand(piece, node) for piece in node.args[0]]
        dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
        return self.emit("cat", node, names, dim=dim % len(self.shapes[names[0]]))

    def _stack(self, node: Any) -> str:
        names = [self.operand(piece, node) for piece in node.args[0]]
        dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
        shape = self.shapes[names[0]]
        dim %= len(shape) + 1
        rows = [self._reshape(node, name, (*shape[:dim], 1, *shape[dim:])) for name in names]
        return self.emit("cat", node, rows, dim=dim)

    def _expand(self, node: Any) -> str:
        return self._repeated(node, self.operand(node.args[0], node), self._shape(node))

    def _repeated(self, node: Any, name: str, shape: tuple[int, ...]) -> str:
        return name if self.shapes[name] == shape else self.emit("expand", node, [name], shape=shape)

    def _broadcast_tensors(self, node: Any) -> list[str]:
        shapes = [tuple(made.shape) for made in self.values[node.name]]
        operands = (self.operand(x, node) for x in node.args[0])
        return [self._repeated(node, name, shape) for name, shape in zip(operands, shapes, strict=True)]

    def _repeat(self, node: Any) -> str:
        """Every axis becomes two, of which the first one repeats."""
        name, counts = self.operand(node.args[0], node), [self.integer(count) for count in node.args[1]]
        shape = (1,) * (len(counts) - len(self.shapes[name])) + self.shapes[name]
        name = self._reshape(node, name, tuple(size for old in shape for size in (1, old)))
        pairs = tuple(size for pair in zip(counts, shape, strict=True) for size in pair)
        return self._reshape(node, self._repeated(node, name, pairs), self._shape(node))

    def _lstm(self, node: Any) -> list[Any]:
        """One operator a layer; [all hidden states, last hidden states of the layers (made when asked for), None]."""
        if "input" not in str(node.target) or len(node.args) < 9:
            raise self.refusal(node, "a packed sequence is not supported; windows all have one length")
        x, states, weights, biased, layers, _, _, bidirectional, batch_first = node.args
        per_layer = 4 if biased else 2
        if bidirectional or len(weights) != per_layer * layers or not all(map(self.is_constant, states)):
            raise self.refusal(
                node,
                "bidirectional layers, projections and initial states that depend on the window are not supported; "
                "a plain torch.nn.LSTM with constant or no initial state would do",
            )
        name = self.operand(x, node)
        shape = self.shapes[name]
        if len(shape) != 3 or shape[0 if batch_first else 1] != 1:
            raise self.refusal(node, f"input {shape} is not supported; (batch, steps, features) would do")
        if not batch_first:  # with a batch of 1 both orders lie alike in memory
            name = self._reshape(node, name, (1, self.shapes[name][0], self.shapes[name][2]))
        sequences = []
        for layer in range(layers):
            mine = [self.constant(w) for w in weights[per_layer * layer : per_layer * (layer + 1)]]
            inputs = [name, *mine] + [""] * (4 - len(mine))
            for state in states:
                value = self.values[state.name].detach().cpu().numpy()[layer, 0]
                wish = f"{self.names.get(state.name, state.name)}.{layer}"
                inputs.append(self.keep(wish, value, node) if np.any(value) else "")
            name = self.emit("lstm", node, inputs, last=False, packed=False)
            sequences.append(name)

        def hidden() -> str:
            steps = self.shapes[sequences[0]][1]
            last = [self.emit("select", node, [s], dim=1, index=steps - 1) for s in sequences]
            rows = [self.emit("reshape", node, [s], shape=(1, *self.shapes[s])) for s in last]
            return self.emit("cat", node, rows, dim=0)

        if not batch_first:
            name = self._reshape(node, name, (self.shapes[name][1], 1, self.shapes[name][2]))
        return [name, hidden, None]
