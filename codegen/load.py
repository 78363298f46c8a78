"""From a torch.export program to a Graph. With `unrolled`, the only file of the compiler that imports torch.

Everything that does not depend on the window is evaluated here by torch itself; what is left is translated operator by
operator (`translate` holds the rules). What cannot be a detector is refused with the operator and the user's line.
"""

from __future__ import annotations

import re
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch.export.graph_signature import InputKind, OutputKind

from .ir import Graph, Source, UnsupportedError
from .translate import translate
from .unrolled import never_unrolled

SEED = 20240229
SCALES = (1e-2, 1.0, 1e2, 1e4)
"""Random windows are tried in all these sizes: a score may saturate in some of them."""
SHAPE_ONLY = re.compile(r"aten\.(sym_size|sym_numel|(new_)?(zeros|ones|full)(_like)?)\.")
"""Operators that look at the shape of a tensor, and at no value in it."""


def load(path: str | Path) -> Graph:
    """Read a program that `torch.export.save` wrote.

    Parameters
    ----------
    path : path of a .pt2 file
        One input `window` (B, W, C) float32 with a symbolic batch; output score (B,) or (score (B,), parts (B, C)).

    Returns
    -------
    Graph
        With the batch as a dimension of size 1.

    Raises
    ------
    UnsupportedError
        What it computes cannot be compiled; names operator and source line.
    ValueError
        Not such a file.
    """
    try:
        program = torch.export.load(str(path))
    except Exception as error:
        raise ValueError(f"{path}: not a program written by torch.export.save ({error})") from error
    try:
        return load_program(program)
    except UnsupportedError as error:
        raise UnsupportedError(f"{path}: {error}") from None


def load_program(program: torch.export.ExportedProgram) -> Graph:
    """The same, for a program in memory.

    Examples
    --------
    >>> class Mean(torch.nn.Module):
    ...     def forward(self, window):
    ...         return window.mean((1, 2))
    >>> batch = {"window": {0: torch.export.Dim("B")}}
    >>> load_program(torch.export.export(Mean(), (torch.zeros(2, 8, 3),), dynamic_shapes=batch)).window.shape
    (1, 8, 3)
    """
    with warnings.catch_warnings(), never_unrolled():
        warnings.filterwarnings("ignore", category=FutureWarning, message=".*LeafSpec")  # torch's own use of itself
        program = program.run_decompositions({})
    window = _window(program)
    tainted = _dependent(program, window)
    _refuse_training(program)
    _refuse_squeeze(program)
    shape = (int(window.meta["val"].shape[1]), int(window.meta["val"].shape[2]))
    with torch.no_grad():
        values = _Runner(program).values(_random(1, shape, 1.0))
        _refuse_other_types(program, values, tainted)
        score, parts = _scores(program, shape, tainted)
        names = {spec.arg.name: str(spec.target) for spec in program.graph_signature.input_specs}
        names[window.name] = window.name
        outputs = [score] if parts is None else [score, parts]
        graph = translate(program.graph, window, outputs, values, tainted, names, source, refusal)
        _refuse_mixing(program, shape, tainted, score)
    return graph


def source(node: torch.fx.Node) -> Source:
    """Module, operator and the user's own line behind a node; no directory, so that nothing depends on the checkout."""
    module = ""
    for path, _ in (node.meta.get("nn_module_stack") or {}).values():
        module = path if not str(path).startswith("_") else module
    frames = re.findall(r'File "([^"]+)", line (\d+), in [^\n]*\n\s*([^\n]*)', node.meta.get("stack_trace") or "")
    own = [f for f in frames if not re.search(r"(^|/)torch/", f[0].replace("\\", "/"))] or frames
    if not own:
        return Source(module, str(node.target), "line unknown")
    path, line, code = own[-1]
    return Source(module, str(node.target), f"{path.replace(chr(92), '/').split('/')[-1]}:{line}: {code.strip()}")


def refusal(node: torch.fx.Node, what: str) -> UnsupportedError:
    """An error that names the operator, where it stands, and what would do."""
    s = source(node)
    return UnsupportedError(f"{s.operator} in {s.module or 'forward'} ({s.line}): {what}")


def _window(program: torch.export.ExportedProgram) -> torch.fx.Node:
    """The node of the one input, checked."""
    signature = program.graph_signature
    names = [spec.arg.name for spec in signature.input_specs if spec.kind == InputKind.USER_INPUT]
    nodes = [n for n in program.graph.nodes if n.op == "placeholder" and n.name in names]
    if len(nodes) != 1:
        raise UnsupportedError(f"the program has {len(nodes)} inputs ({', '.join(names)}); a score has one, the window")
    value = nodes[0].meta["val"]
    if not isinstance(value, torch.Tensor) or value.dtype != torch.float32 or value.dim() != 3:
        raise UnsupportedError(f"input {names[0]} must be a float32 tensor (B, W, C), not {value}")
    if not _symbolic(value.shape[0]):
        raise UnsupportedError(
            f"input {names[0]}: the batch is fixed at {value.shape[0]}; "
            f'export with dynamic_shapes={{"{names[0]}": {{0: torch.export.Dim("B")}}}}'
        )
    for d in (1, 2):
        if _symbolic(value.shape[d]):
            raise UnsupportedError(f"input {names[0]}: dynamic shape in dimension {d}; only the batch may be dynamic")
    return nodes[0]


def _symbolic(size: object) -> bool:
    return isinstance(size, torch.SymInt)


def _dependent(program: torch.export.ExportedProgram, window: torch.fx.Node) -> set[str]:
    """Names of the nodes that depend on the values of the window (its shape alone is a constant)."""
    found = {window.name}
    for node in program.graph.nodes:
        shape_only = SHAPE_ONLY.match(str(node.target)) is not None
        if node.op != "placeholder" and not shape_only and any(n.name in found for n in node.all_input_nodes):
            found.add(node.name)
    return found


def _refuse_training(program: torch.export.ExportedProgram) -> None:
    """Training mode, randomness, and what forward changes."""
    advice = "training mode is on; call .eval() before torch.export"
    functional = " (functional dropout obeys only its argument: training=self.training would do)"
    for node in program.graph.nodes:
        if node.op != "call_function":
            continue
        name, arguments = str(node.target), {**dict(enumerate(node.args)), **node.kwargs}
        switched = False  # has a switch for training mode, and it is off
        schema = getattr(node.target, "_schema", None)
        for i, argument in enumerate(schema.arguments if schema else ()):
            if argument.name in {"train", "training"}:
                on = arguments.get(i, arguments.get(argument.name, argument.default_value))
                rate = arguments.get(5, 0.0) if argument.name == "train" and len(node.args) == 9 else 1.0  # recurrent
                if on and rate:
                    raise refusal(node, advice + (functional if "dropout" in name else ""))
                switched = True
            if argument.name == "dropout_p":  # attention's: its rule refuses what is not 0
                switched = True
        if "_native_batch_norm_legit" in name and "no_training" not in name:
            raise refusal(node, f"{advice}, and keep track_running_stats")
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()) and not switched:
            raise refusal(node, "random; a score must be the same every time: the mean would do, or .eval()")
    for spec in program.graph_signature.output_specs:
        if spec.kind == OutputKind.USER_INPUT_MUTATION:
            raise UnsupportedError(f"forward changes its input {spec.target}; {spec.target}.clone() would do")
        if spec.kind != OutputKind.USER_OUTPUT:
            raise UnsupportedError(f"forward changes {spec.target or spec.arg}; {advice}, or keep no state")


def _refuse_squeeze(program: torch.export.ExportedProgram) -> None:
    """squeeze() drops the batch, too, where there is one window."""
    for node in program.graph.nodes:
        if str(node.target) == "aten.squeeze.default" and any(map(_symbolic, node.args[0].meta["val"].shape)):
            raise refusal(node, "drops the batch where it is one window; squeeze with a dimension would do")


def _refuse_other_types(program: torch.export.ExportedProgram, values: dict[str, Any], tainted: set[str]) -> None:
    for node in program.graph.nodes:
        value = values.get(node.name)
        if node.name not in tainted or node.op != "call_function" or not isinstance(value, torch.Tensor):
            continue
        if value.dtype not in {torch.float32, torch.bool, torch.int64, torch.int32}:
            raise refusal(node, f"computes in {value.dtype}; float32 would do")


class _Runner(torch.fx.Interpreter):
    """Runs the program's graph on a batch and keeps what every node gave."""

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        super().__init__(program.graph_module, garbage_collect_values=False)
        self.program = program
        self.found: dict[str, Any] = {}

    def run_node(self, n: torch.fx.Node) -> Any:
        self.found[n.name] = super().run_node(n)
        return self.found[n.name]

    def values(self, window: torch.Tensor) -> dict[str, Any]:
        """Value of every node, by name."""
        self.found, flat = {}, []
        for spec in self.program.graph_signature.input_specs:
            if spec.kind == InputKind.USER_INPUT:
                flat.append(window)
            elif spec.target in self.program.constants:
                flat.append(self.program.constants[spec.target])
            else:
                flat.append(self.program.state_dict[spec.target])
        self.run(*flat, enable_io_processing=False)
        return self.found


def _random(batch: int, shape: tuple[int, int], scale: float) -> torch.Tensor:
    rng = np.random.default_rng(SEED)
    return torch.from_numpy((rng.standard_normal((batch, *shape)) * scale).astype(np.float32))


def _scores(
    program: torch.export.ExportedProgram, shape: tuple[int, int], tainted: set[str]
) -> tuple[torch.fx.Node, torch.fx.Node | None]:
    """The nodes of score and parts, their shapes checked on a batch of 3."""
    outputs = [spec.arg.name for spec in program.graph_signature.output_specs]
    nodes = {node.name: node for node in program.graph.nodes}
    if not 1 <= len(outputs) <= 2 or any(name not in nodes for name in outputs):
        raise UnsupportedError(f"forward must return score (B,) or (score (B,), parts (B, C)), not {outputs}")
    if outputs[0] not in tainted:
        raise refusal(nodes[outputs[0]], "the score does not depend on the window; it would always be the same")
    values = _Runner(program).values(_random(3, shape, 1.0))
    for name, want, role in zip(outputs, [(3,), (3, shape[1])], ["score", "parts"], strict=False):
        got, node = tuple(values[name].shape), nodes[name]
        if got != want:
            spoiled = _first_mixing(program, shape, tainted)
            if spoiled is not None:
                raise refusal(spoiled, "mixes the windows of a batch; each window needs a score of its own")
            raise refusal(node, f"the {role} of a batch of 3 has shape {got}, not {want}")
    return nodes[outputs[0]], nodes[outputs[1]] if len(outputs) > 1 else None


def _close(a: torch.Tensor, b: torch.Tensor, rtol: float = 1e-3) -> bool:
    """Equal within what another order of summation does; NaN equals NaN."""
    scale = float(b[b.isfinite()].abs().max()) if bool(b.isfinite().any()) else 0.0
    atol = rtol / 10 * scale
    return a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=rtol, atol=atol, equal_nan=True)


def _refuse_mixing(
    program: torch.export.ExportedProgram, shape: tuple[int, int], tainted: set[str], score: torch.fx.Node
) -> None:
    """Forward of 3 must equal three forwards of 1, and the score must vary."""
    varies, finite, swayed = False, False, 0
    for scale in SCALES:
        batch = _random(3, shape, scale)
        together = _Runner(program).values(batch)
        alone = [_Runner(program).values(window[None]) for window in batch]
        # In other company the first window's score is the same to the last bits: a small share of the others shows.
        # Once that may be rounding, where terms of a score cancel out: some of PyTorch's sums depend on company.
        moved = _Runner(program).values(torch.cat([batch[:1], -2 * batch[1:]]))
        for name in (spec.arg.name for spec in program.graph_signature.output_specs):
            apart = _close(together[name], torch.cat([one[name] for one in alone]))
            swayed += not _close(moved[name][:1], together[name][:1], 1e-6)
            if not apart or swayed > 1:
                spoiled = _first_mixing(program, shape, tainted) or score
                raise refusal(spoiled, "mixes the windows of a batch; each window needs a score of its own")
        scores = together[score.name]
        seen = scores[scores.isfinite()]
        finite |= len(seen) > 0
        varies |= len(seen) > 1 and float(seen.max()) != float(seen.min())
    if not finite:
        raise refusal(score, "the score is not finite on random windows of any size")
    if not varies:
        raise refusal(score, "the score is the same for random windows of every size; it cannot vary")


def _first_mixing(
    program: torch.export.ExportedProgram, shape: tuple[int, int], tainted: set[str]
) -> torch.fx.Node | None:
    """The first operator whose result for 3 windows is not made of its results for each of them."""
    batch = _random(3, shape, 1.0)
    together = _Runner(program).values(batch)
    alone = [_Runner(program).values(window[None]) for window in batch]
    for node in program.graph.nodes:
        whole = together.get(node.name)
        if node.op != "call_function" or node.name not in tainted or not isinstance(whole, torch.Tensor):
            continue
        pieces = [one[node.name] for one in alone]
        same_rank = pieces[0].dim() == whole.dim()
        grown = [d for d in range(whole.dim()) if same_rank and whole.shape[d] != pieces[0].shape[d]]
        if len(grown) != 1 or not _close(whole, torch.cat(pieces, dim=grown[0])):
            return node
    return None


class _Callable(ModuleType):
    """Module and function have one name: whoever imports the module puts it where the package's `load` is called."""

    def __call__(self, path: str | Path) -> Graph:
        return load(path)


sys.modules[__name__].__class__ = _Callable
