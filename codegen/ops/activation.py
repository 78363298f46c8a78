"""The activation that a matrix product may end with: its meaning, and what it makes of a bound."""

from __future__ import annotations

import numpy as np

from .spec import Array, Attrs, sigmoid

ACTIVATIONS = {"none": "TSAD_ACT_NONE", "relu": "TSAD_ACT_RELU", "tanh": "TSAD_ACT_TANH", "sigmoid": "TSAD_ACT_SIGMOID"}


def check(attrs: Attrs) -> None:
    """ValueError where there is no such activation."""
    if attrs["act"] not in ACTIVATIONS:
        raise ValueError(f"no activation {attrs['act']!r}")


def activated(y: Array, attrs: Attrs) -> Array:
    """act(y)"""
    if attrs["act"] == "relu":
        y = np.maximum(y, 0)
    elif attrs["act"] == "tanh":
        y = np.tanh(y)
    elif attrs["act"] == "sigmoid":
        y = sigmoid(y)
    return y


def activated_terms(terms: Array, output: Array, attrs: Attrs) -> Array:
    """Running |terms| behind the activation, from those before it and its output."""
    if attrs["act"] == "tanh":
        terms = (1 - output * output) * terms + np.abs(output)
    elif attrs["act"] == "sigmoid":
        terms = output * (1 - output) * terms + output
    return terms


def activation_roundings(attrs: Attrs) -> int:
    """Roundings that the activation adds."""
    return 8 if attrs["act"] in {"tanh", "sigmoid"} else 0
