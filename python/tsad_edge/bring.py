"""A model that was trained elsewhere: its module and its weights, made into a score, and into a program to compile.

The user's own Python runs here; whatever it raises becomes a ValueError that says where. How weights are read from
their file is in `weights`, how an adapter computes in `models.adapt`.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn
    from torch.export import ExportedProgram

BATCH = 512
"""Windows run at once."""


def load(module: str | None, weights: Path, trust: bool = False) -> nn.Module:
    """The user's module with its weights, in evaluation mode on the CPU.

    Parameters
    ----------
    module : str or None
        ``file:name`` of a callable without arguments, an `nn.Module` class or instance, imported with the current
        directory on the import path. None where the weights file brings the module: .pt2, or a pickle that is trusted.
    weights : path
    trust : bool
        See `weights.read`.

    Raises
    ------
    ValueError
        Names file, key or line, and the next step.

    Examples
    --------
    >>> load("my_mod:build", Path("w.safetensors"))  # doctest: +SKIP
    """
    from torch import nn

    from .weights import read

    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # and it stays there: a module may import when it runs
    found = read(weights, trust)
    if module is None:
        if isinstance(found, nn.Module):
            return found.eval()
        raise ValueError(f"{weights}: holds weights alone; name what builds their module: --module my_file:build")
    if weights.suffix == ".pt2":
        raise ValueError(f"{weights}: is a whole program; leave --module {module} out")
    built = _built(module)
    _fill(built, found.state_dict() if isinstance(found, nn.Module) else found, weights, module)
    return built.eval()


def scorer(
    model: nn.Module, name: str, adapt: str | None, window: int, channels: int, normal: NDArray[np.float32]
) -> nn.Module:
    """A module raw window (B, W, C) -> score (B,) or (score, parts (B, C)), made of the user's.

    Parameters
    ----------
    model : nn.Module
        As `load` gives it.
    name : str
        What messages call it.
    adapt : str or None
        A name of `models.adapt.ADAPTERS`; None where the model is a scorer already.
    window, channels : int
        W and C.
    normal : ndarray (T, C) float32
        Normal data; what error is typical of each channel is measured on it.

    Raises
    ------
    ValueError
        The model fails on such windows, or gives another shape.
    """
    import torch

    from .data import spread
    from .models.adapt import ADAPTERS
    from .scoring import windows

    if adapt is None:
        _try_scorer(model, name, window, channels)
        return model
    if adapt not in ADAPTERS:
        raise ValueError(f"--adapt is {adapt!r}; it must be one of {', '.join(ADAPTERS)}")
    taken, given = ADAPTERS[adapt].shapes(window, channels)
    if 0 in taken:
        raise ValueError(f"--window is {window}; a forecaster needs at least 2 samples")
    found = _try(model, name, (3, *taken))
    wanted = " or ".join(_told(("B", *shape)) for shape in given)
    if not isinstance(found, torch.Tensor) or tuple(found.shape) not in [(3, *shape) for shape in given]:
        raise ValueError(
            f"{name}: with --adapt {adapt} it must give {wanted} for {_told(('B', *taken))}, but it gives "
            f"{_shape(found)} for a batch of 3; wrap it in a module that does"
        )
    adapter = ADAPTERS[adapt](model, channels).eval()
    view, squares = windows(torch.from_numpy(normal.copy()), window), np.zeros(channels)
    with torch.no_grad():
        for part in view.split(BATCH):
            error = adapter.error(part).double().numpy()
            squares += (error * error).sum(axis=0)
    if not np.isfinite(squares).all():
        raise ValueError(
            f"{name}: its error on the calibration data is not finite in channel {int(np.argmin(np.isfinite(squares)))}"
            " (counted from 0); does it want scaled data? Then scale in a module around it"
        )
    adapter.fit_scale(squares / len(view), spread(normal)[1])
    return adapter


def program(model: nn.Module, name: str, window: int, channels: int, normal: NDArray[np.float32]) -> ExportedProgram:
    """The scorer as a torch.export program, which gives what the scorer gives on the first windows of normal data.

    Raises
    ------
    ValueError
        torch.export does not understand the module, or understands something else.
    """
    from .models.export import trace
    from .scoring import score_series

    try:
        made = trace(model, window, channels)
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else "no words"
        raise ValueError(
            f"{name}: torch.export cannot follow it{_where(error)}: {type(error).__name__}: {first}; a forward without "
            "decisions that depend on values or on the size of the batch would do"
        ) from None
    some = normal[: window + BATCH - 1]
    ours, theirs = (score_series(each, some, window)[window - 1 :] for each in (made.module(check_guards=False), model))
    if not np.allclose(ours, theirs, rtol=1e-3, atol=1e-4 * float(np.abs(theirs).max()), equal_nan=True):
        raise ValueError(
            f"{name}: the program that torch.export makes of it gives other scores than it gives itself; does its "
            "forward use random numbers, time, or what it remembers from call to call? A score must not"
        )
    return made


def _built(text: str) -> nn.Module:
    """What ``file:name`` builds."""
    from torch import nn

    file, _, name = text.partition(":")
    if not file or not name:
        raise ValueError(f"--module is {text!r}; it must be like my_file:build, a file my_file.py and a name in it")
    try:
        found: Any = importlib.import_module(file)
        for part in name.split("."):
            found = getattr(found, part)
    except ModuleNotFoundError as error:
        if not f"{file}.".startswith(f"{error.name}."):
            raise ValueError(f"--module {text}: it imports {error.name}, which is not installed") from None
        raise ValueError(
            f"--module {text}: no module {file!r} in {Path.cwd()} or on the import path; write it without .py"
        ) from None
    except AttributeError as error:
        raise ValueError(f"--module {text}: {error}{_where(error)}") from None
    except (Exception, SystemExit) as error:
        raise ValueError(f"--module {text}: importing it fails{_where(error)}: {_words(error)}") from None
    if not isinstance(found, nn.Module):
        if not callable(found):
            raise ValueError(f"--module {text}: is a {type(found).__name__}; it must be a function, class or nn.Module")
        try:
            found = found()
        except (Exception, SystemExit) as error:
            what = "needs arguments; write a function without any" if _arguments(found) else f"fails{_where(error)}"
            raise ValueError(f"--module {text}: {what}: {_words(error)}") from None
    if not isinstance(found, nn.Module):
        raise ValueError(f"--module {text}: gives a {type(found).__name__}; it must give an nn.Module")
    return found


def _arguments(found: Any) -> bool:
    """Whether a callable cannot be called without arguments."""
    try:
        inspect.signature(found).bind()
    except (TypeError, ValueError) as error:
        return isinstance(error, TypeError)
    return False


def _fill(module: nn.Module, state: Mapping[str, Any], path: Path, name: str) -> None:
    """Load a state dict; every key must be there, and no other."""
    advice = f"save the state_dict() of what {name} builds, and of nothing else"
    try:
        result = module.load_state_dict(state, strict=False)
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if "size mismatch" in line or "copying" in line]
        raise ValueError(f"{path} and --module {name}: {lines[0] if lines else _words(error)}; {advice}") from None
    own = module.state_dict(keep_vars=True)
    held = {own[key].data_ptr() for key in state if key in own}
    missing = [key for key in result.missing_keys if key not in own or own[key].data_ptr() not in held]  # not tied ones
    for keys, what in ((missing, "the file lacks"), (result.unexpected_keys, "the module does not have")):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise ValueError(f"{path} and --module {name}: {what} {keys[0]!r}{more}; {advice}")


def _try_scorer(model: nn.Module, name: str, window: int, channels: int) -> None:
    """A scorer's shapes, on a batch of 3."""
    import torch

    found = _try(model, name, (3, window, channels))
    outputs = found if isinstance(found, (tuple, list)) else (found,)
    shapes = [tuple(each.shape) if isinstance(each, torch.Tensor) else None for each in outputs]
    if shapes in ([(3,)], [(3,), (3, channels)]):
        return
    hint = "wrap it in a module that does"
    if shapes == [(3, 1)]:
        hint = ".squeeze(1) would do"
    elif shapes == [(3, window, channels)]:
        hint = "if that is a reconstruction, --adapt reconstruct makes a score of it"
    elif shapes in ([(3, channels)], [(3, 1, channels)]):
        hint = "if that is a forecast, --adapt forecast makes a score of it (and gives it one sample less)"
    raise ValueError(
        f"{name}: it must give a score (B,), or a score and parts (B, {channels}), for (B, {window}, {channels}), but "
        f"it gives {_shape(found)} for a batch of 3; {hint}"
    )


def _try(model: nn.Module, name: str, shape: tuple[int, ...]) -> Any:
    """What the model gives for zeros."""
    import torch

    try:
        with torch.no_grad():
            return model(torch.zeros(shape))
    except Exception as error:
        raise ValueError(
            f"{name}: it fails on a batch of 3 {_told(('B', *shape[1:]))}, as --window, --channels and --adapt have "
            f"it{_where(error)}: {_words(error)}"
        ) from None


def _told(shape: tuple[Any, ...]) -> str:
    return str(shape).replace("'", "")


def _shape(found: Any) -> str:
    if isinstance(found, (tuple, list)):
        return "(" + ", ".join(map(_shape, found)) + ")"
    return str(tuple(found.shape)) if hasattr(found, "shape") else type(found).__name__


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip() or 'no words'}".splitlines()[0]


def _where(error: BaseException) -> str:
    """The last line outside torch and this package that an error came through."""
    here = os.path.dirname(__file__) + os.sep
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((here, "<"))
        and not any(f"{os.sep}{part}{os.sep}" in frame.filename for part in ("torch", "importlib"))
    ]
    return f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}: {frames[-1].line}" if frames else ""
