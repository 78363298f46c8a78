"""Reads the weights that a user brings: .pt, .safetensors or .pt2, without running code from the file unless trusted.

Owns what may be in such a file. What the weights belong into is `bring`'s business.
"""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from .codegen.unrolled import never_unrolled
from .untrusted import harmless

SAVED = (".pt", ".pth", ".ckpt")
"""What torch.save's files are called."""


def read(path: Path, trust: bool = False) -> Mapping[str, Tensor] | nn.Module:
    """A state dict, or the whole module where the file holds one.

    Parameters
    ----------
    path : path
        ``.pt``, ``.pth``, ``.ckpt``: a state dict by torch.save, also below ``state_dict`` or ``model_state_dict``.
        ``.safetensors``: the same. ``.pt2``: a program by torch.export.save, with a symbolic batch.
    trust : bool
        Run whatever code the file holds: pickled modules load.

    Raises
    ------
    ValueError
        Names the file, what is wrong with it, and the next step.

    Examples
    --------
    >>> read(Path("weights.safetensors"))  # doctest: +SKIP
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; --weights names the model's weights")
    if path.suffix == ".pt2":
        return _program(path, trust)
    if path.suffix == ".safetensors":
        return _state(_safetensors(path), path)
    if path.suffix not in SAVED:
        raise ValueError(f"{path}: what is in it? Its name must end in {', '.join(SAVED)}, .safetensors or .pt2")
    loaded = _saved(path, trust)
    return loaded if isinstance(loaded, nn.Module) else _state(loaded, path)


def _saved(path: Path, trust: bool) -> Any:
    """What torch.save wrote; without trust, tensors and plain containers only."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old formats
            return torch.load(path, map_location="cpu", weights_only=not trust)
    except Exception as error:  # torch raises whatever its readers raise, and trusted code whatever it likes
        words = str(error)
        held = re.search(r"GLOBAL (\S+)|[Uu]nsupported class (\S+)", words)
        if not trust and isinstance(error, pickle.UnpicklingError) and held:
            raise ValueError(
                f"{path}: holds {next(filter(None, held.groups()))}, not weights alone: a pickled module or other "
                "objects. Loading that runs code from the file. Save weights alone, torch.save(model.state_dict(), "
                "...), and name what builds the module with --module; or, if you trust whoever made the file, pass "
                "--trust-pickle: that runs the file's code"
            ) from None
        if trust and isinstance(error, (ImportError, AttributeError)):
            raise ValueError(
                f"{path}: {type(error).__name__}: {words}; run this where the classes that the file names can be "
                "imported under the same names (the current directory is on the import path)"
            ) from None
        if "TorchScript" in words:
            words = "it is TorchScript; save the model's state_dict(), or export it with torch.export.save as .pt2"
        first = words.partition("\n")[0]
        raise ValueError(
            f"{path}: not a file that torch.save wrote, or damaged ({type(error).__name__}: {first})"
        ) from None


def _safetensors(path: Path) -> Any:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: not a safetensors file, or damaged ({error})") from None


def _program(path: Path, trust: bool) -> nn.Module:
    """A .pt2 file as a module."""
    source: Any = str(path) if trust else harmless(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's own use of itself
            with never_unrolled():
                found = torch.export.load(source).run_decompositions({})
            module = found.module(check_guards=False)
    except Exception as error:  # torch raises whatever its zip and JSON readers raise
        raise ValueError(
            f"{path}: torch.export.load cannot read it ({type(error).__name__}: {error}); export and save it again "
            f"with torch {torch.__version__.partition('+')[0]}"
        ) from None
    names = found.graph_signature.user_inputs
    nodes = [node for node in found.graph.nodes if node.op == "placeholder" and node.name in names]
    taken = nodes[0].meta["val"] if len(nodes) == 1 else None
    if not isinstance(taken, Tensor) or taken.dim() != 3:
        raise ValueError(f"{path}: the program takes {', '.join(names)}; it must take one window (B, W, C)")
    batch: Any = taken.shape[0]
    if isinstance(batch, int):
        dynamic = f'dynamic_shapes={{"{names[0]}": {{0: torch.export.Dim("B")}}}}'
        raise ValueError(f"{path}: the batch is fixed at {batch}; export with {dynamic}")
    return Replay(module, tuple(map(int, taken.shape[1:])))


def _state(loaded: Any, path: Path) -> Mapping[str, Tensor]:
    """The state dict in what was loaded."""
    where = ""
    for key in ("state_dict", "model_state_dict"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded, where = loaded[key], f" below {key!r}"
            break
    if not isinstance(loaded, Mapping) or not loaded:
        raise ValueError(f"{path}: holds a {type(loaded).__name__}{where}, not a state dict; save model.state_dict()")
    strange = [key for key, value in loaded.items() if not isinstance(key, str) or not isinstance(value, Tensor)]
    if strange:
        raise ValueError(
            f"{path}: {strange[0]!r}{where} is a {type(loaded[strange[0]]).__name__}, not a tensor; the state dict "
            "must be the whole file, or stand below 'state_dict' or 'model_state_dict'"
        )
    return loaded


class Replay(nn.Module):
    """A loaded program, run node by node: when it is exported again, every operator keeps its module and source line.

    Parameters
    ----------
    program : torch.fx.GraphModule
        From ``ExportedProgram.module()``, without its guards: they decide, which a second export does not follow.
    shape : tuple of int
        What it was exported for, without the batch.

    Raises
    ------
    ValueError
        Windows of another shape.
    """

    def __init__(self, program: torch.fx.GraphModule, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.program, self.shape = program, shape
        for part in self.modules():
            part.training = False  # an exported program has no modes: its own train() refuses

    def train(self, mode: bool = True) -> Replay:
        """Nothing to switch."""
        return self

    def forward(self, window: Tensor) -> Tensor:
        """Whatever the program gives."""
        if tuple(window.shape[1:]) != self.shape:
            raise ValueError(f"the program was exported for (B, {', '.join(map(str, self.shape))})")
        with torch.fx.traceback.preserve_node_meta():
            given: Tensor = torch.fx.Interpreter(self.program).run(window)
        return given
