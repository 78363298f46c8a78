"""Rules for recurrent layers: one operator a layer, each fed by the one before."""

from __future__ import annotations

from typing import Any

import numpy as np

from .translator import Rule, Translator


def _layers(t: Translator, node: Any, kind: str, states: list[Any]) -> list[Any]:
    """[all hidden states, last hidden states of the layers (made when asked for), and None for what else there is]."""
    x, _, weights, biased, layers, _, _, bidirectional, batch_first = node.args
    plain, per_layer = f"torch.nn.{kind.upper()}", 4 if biased else 2
    if bidirectional:
        raise t.refusal(node, f"two directions are not supported; a {plain} in one direction would do")
    if len(weights) != per_layer * layers:
        raise t.refusal(node, f"proj_size is not supported; a {plain} without, and torch.nn.Linear behind it, would do")
    if not all(map(t.is_constant, states)):
        raise t.refusal(node, f"an initial state made from the window is not supported; a {plain} without would do")
    name = t.operand(x, node)
    shape = t.shapes[name]
    if len(shape) != 3 or shape[0 if batch_first else 1] != 1:
        raise t.refusal(node, f"input {shape} is not supported; (batch, steps, features) would do")
    if not batch_first:  # with a batch of 1 both orders lie alike in memory
        name = t.reshape(node, name, (1, shape[0], shape[2]))
    sequences = []
    for layer in range(layers):
        mine = [t.constant(w) for w in weights[per_layer * layer : per_layer * (layer + 1)]]
        inputs = [name, *mine] + [""] * (4 - len(mine))
        for state in states:
            value = t.values[state.name].detach().cpu().numpy()[layer, 0]
            wish = f"{t.names.get(state.name, state.name)}.{layer}"
            inputs.append(t.keep(wish, value, node) if np.any(value) else "")
        name = t.emit(kind, node, inputs, last=False, packed=False)
        sequences.append(name)

    def hidden() -> str:
        steps = t.shapes[sequences[0]][1]
        last = [t.emit("select", node, [s], dim=1, index=steps - 1) for s in sequences]
        rows = [t.emit("reshape", node, [s], shape=(1, *t.shapes[s])) for s in last]
        return t.emit("cat", node, rows, dim=0)

    if not batch_first:
        name = t.reshape(node, name, (t.shapes[name][1], 1, t.shapes[name][2]))
    return [name, hidden, None]


def _refuse_packed(t: Translator, node: Any) -> None:
    if "input" not in str(node.target) or len(node.args) < 9:
        raise t.refusal(node, "a packed sequence is not supported; windows all have one length")


def _lstm(t: Translator, node: Any) -> list[Any]:
    _refuse_packed(t, node)
    return _layers(t, node, "lstm", list(node.args[1]))


def _gru(t: Translator, node: Any) -> list[Any]:
    _refuse_packed(t, node)
    return _layers(t, node, "gru", [node.args[1]])


RULES: dict[str, Rule] = {"lstm": _lstm, "gru": _gru}
