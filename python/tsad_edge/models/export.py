"""Writes a trained model as graph.pt2, the file that the compiler starts from.

Owns that the bytes depend on nothing but the model: not on the process, the time, or where the package lies.
"""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from ..codegen.unrolled import never_unrolled
from ..files import write_whole
from .base import Scorer

FRAME = re.compile(r'File "([^"]+)"')
PACKAGE = Path(__file__).resolve().parents[1]  # .../tsad_edge


def export(scorer: Scorer) -> ExportedProgram:
    """The model as a `torch.export` program with a symbolic batch, in evaluation mode.

    Its one input is `window` (B, W, C) float32, its outputs are score (B,) and parts (B, C).

    Raises
    ------
    ValueError
        A part of the model stays in training mode after ``eval()``.

    Examples
    --------
    >>> from tsad_edge.models import build
    >>> export(build("gan", 10, 2)).graph_signature.user_inputs
    ('window',)
    """
    return trace(scorer, scorer.window, scorer.channels)


def trace(module: nn.Module, window: int, channels: int) -> ExportedProgram:
    """Any module that takes windows (B, `window`, `channels`) as such a program; whatever torch raises is raised.

    Examples
    --------
    >>> trace(nn.Flatten(), 10, 2).graph_signature.user_inputs
    ('input',)
    """
    module.eval()
    for name, part in module.named_modules():
        if part.training:
            raise ValueError(f"{type(module).__name__}.{name} is still in training mode after eval(); mend its train()")
    # A batch of 3: torch treats 1 as a special case.
    example = torch.zeros(3, window, channels)
    with warnings.catch_warnings():
        # nn.LSTM keeps its weights in a second list, too; that is its business and changes nothing in the graph.
        warnings.filterwarnings("ignore", message="The tensor attributes? .*_flat_weights")
        with never_unrolled():
            program = torch.export.export(module, (example,), dynamic_shapes=({0: Dim("B")},))
    for node in program.graph.nodes:
        if found := node.meta.get("stack_trace"):
            node.meta["stack_trace"] = FRAME.sub(lambda match: f'File "{relative(match[1])}"', found)
    return program


def relative(path: str) -> str:
    """A source path without the part that depends on the machine.

    Relative to the directory that holds the package (``tsad_edge/models/gan.py``), to site-packages
    (``torch/nn/modules/linear.py``), or else, for a user's own module, the bare file name.
    """
    file = Path(path)
    if not file.is_absolute():
        return path
    if file.resolve().is_relative_to(PACKAGE):
        return file.resolve().relative_to(PACKAGE.parent).as_posix()
    _, found, rest = file.as_posix().rpartition("/site-packages/")
    return rest if found else file.name


def save(scorer: Scorer, path: str | Path) -> None:
    """Export a model and write it to `path`; the file is there whole or not at all.

    Raises
    ------
    ValueError
        See `export`.

    Examples
    --------
    >>> from tsad_edge.models import build
    >>> save(build("gan", 10, 2), "graph.pt2")  # doctest: +SKIP
    """
    # Through memory: given a file, torch would write that file's name into the archive.
    buffer = io.BytesIO()
    torch.export.save(export(scorer), buffer)
    write_whole(Path(path), buffer.getvalue())
