"""One translation of one graph: what is known of each node, and how rules add operators and constants.

Knows torch.fx nodes by their attributes only, and imports no torch. A node that does not depend on the window comes as
the constant that torch made of it (`values`). The rules themselves are in the files beside this one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ir import Graph, Op, Source, Tensor, UnsupportedError, fresh, prune
from ..ops import infer


class Translator:
    """One translation of one graph.

    Parameters
    ----------
    rules : mapping
        By the name of PyTorch's operator: (translator, node) -> the name of our tensor, or a list of them for one
        with several results (None where there is none, a function where it is made when asked for).
    advice : callable
        What to say of an operator without a rule.
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
        rules: Mapping[str, Rule],
        advice: Callable[[str], str],
        values: Mapping[str, Any],
        tainted: set[str],
        names: Mapping[str, str],
        source: Callable[[Any], Source],
        refusal: Callable[[Any, str], UnsupportedError],
    ) -> None:
        self.rules, self.advice = rules, advice
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
        tensor = Tensor(window.name, self.shape(window))
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

    def _node(self, node: Any) -> Any:
        target = getattr(node.target, "__name__", str(node.target))
        operator = target.split(".")[0]
        if operator == "getitem":
            found = self.env[node.args[0].name][node.args[1]]
            if found is None:
                what = "an LSTM's cell state, a maximum's indices and the like are not available; first results are"
                raise self.refusal(node.args[0], what)
            return found() if callable(found) else found
        dtype = node.kwargs.get("dtype")
        if dtype is not None and str(dtype) not in {"torch.float32", "torch.bool"}:
            raise self.refusal(node, f"computes in {dtype}; float32 would do")
        if operator not in self.rules:
            raise self.refusal(node, f"not supported; {self.advice(operator)}")
        name = self.rules[operator](self, node)
        if isinstance(name, str) and self.shapes[name] != self.shape(node):
            raise self.refusal(node, f"not supported: shape {self.shape(node)} where {self.shapes[name]} was expected")
        return name

    # ------------------------------------------------------------ what rules ask

    def shape(self, node: Any) -> tuple[int, ...]:
        """The shape that torch's result has."""
        return tuple(int(size) for size in self.values[node.name].shape)

    def is_constant(self, value: Any) -> bool:
        """Whether an argument does not depend on the window."""
        return not hasattr(value, "name") or value.name not in self.tainted

    def integer(self, value: Any) -> int:
        """An argument that is a number, written out or computed from shapes."""
        return int(self.values[value.name] if hasattr(value, "name") else value)

    def array(self, node: Any) -> NDArray[np.float32]:
        """Values of a constant."""
        return self.constants[self.constant(node)]

    # ------------------------------------------------------------ what rules do

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

    def apply(self, kind: str, node: Any, *operands: str | float, **attrs: Any) -> str:
        """Add an operator of tensors of our own and numbers."""
        names = [x if isinstance(x, str) else self.keep(f"{node.name}.value", np.float32(x), node) for x in operands]
        return self.emit(kind, node, names, **attrs)

    def reshape(self, node: Any, name: str, shape: tuple[int, ...]) -> str:
        """The same elements in this shape; nothing is added where they have it."""
        return name if self.shapes[name] == shape else self.emit("reshape", node, [name], shape=shape)

    def shaped(self, node: Any, value: Any, shape: tuple[int, ...]) -> str:
        """An operand with as many elements in this shape; a constant is kept in it."""
        if not self.is_constant(value):
            return self.reshape(node, self.operand(value, node), shape)
        found = self.values[value.name].detach().cpu().numpy().reshape(shape)
        return self.keep(self.names.get(value.name, value.name), found, node)

    def keep(self, wish: str, value: Any, node: Any) -> str:
        """Add a constant and return its name."""
        array = np.ascontiguousarray(np.asarray(value, dtype=np.float32))
        array = array.reshape(np.shape(value))  # ascontiguousarray makes (1,) of ()
        if not np.isfinite(array).all():
            raise self.refusal(node, f"the constant {wish} is not finite")
        name = fresh(self.shapes, wish)
        self.constants[name], self.shapes[name] = array, array.shape
        return name

    def constant(self, node: Any, user: Any = None) -> str:
        """The constant that torch made of a node; an error names the operator that uses it."""
        if node.name not in self.env:
            value, wish = self.values[node.name].detach().cpu().numpy(), self.names.get(node.name, node.name)
            self.env[node.name] = self.keep(wish, value, user or node)
        name: str = self.env[node.name]
        return name

    def operand(self, value: Any, node: Any) -> str:
        """Name of a tensor, whatever it is: computed, constant, or a Python number."""
        if isinstance(value, (int, float)):
            return self.keep(f"{node.name}.value", np.float32(value), node)
        if value.name in self.tainted:
            name: str = self.env[value.name]
            return name
        made = self.values[value.name]
        return self.constant(value, node) if hasattr(made, "detach") else self.keep(value.name, np.float32(made), node)


Rule = Callable[[Translator, Any], Any]
"""From a node to the name of our tensor, or to a list of them."""


def argument(node: Any, index: int, name: str, default: Any = None) -> Any:
    """An argument of a node, given by its place or by its name."""
    return node.args[index] if len(node.args) > index else node.kwargs.get(name, default)


def is_truth(t: Translator, value: Any) -> bool:
    """Whether an argument is true or false to PyTorch, 1 or 0 to us."""
    found = t.values[value.name] if hasattr(value, "name") else value
    return isinstance(found, bool) or str(getattr(found, "dtype", "")) == "torch.bool"
