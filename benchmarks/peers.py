"""The programs that `speed` measures against: each makes of an untrained network a function of windows (n, W, C).

All on one thread. What is not installed is left out, and named.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Scorer = Callable[[NDArray[np.float32]], NDArray[Any]]
"""Windows (n, W, C), contiguous -> scores (n,)."""


def pytorch(module: torch.nn.Module) -> Scorer:
    """PyTorch, operator by operator."""

    def score(windows: NDArray[np.float32]) -> NDArray[Any]:
        with torch.inference_mode():
            found = module(torch.from_numpy(windows))
        return np.asarray(found[0] if isinstance(found, tuple) else found)

    return score


def onnxruntime(onnx: Path) -> Scorer:
    """At its default optimisation, which is its highest."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    return lambda windows: session.run(["score"], {"window": windows})[0]  # type: ignore[no-any-return]


def openvino(onnx: Path) -> Scorer:
    """For latency, in float32."""
    import openvino as ov

    core = ov.Core()
    settings = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(core.read_model(onnx), "CPU", settings).create_infer_request()
    return lambda windows: request.infer({"window": windows})["score"]  # type: ignore[no-any-return]


ENGINES = {"onnxruntime": onnxruntime, "OpenVINO": openvino}


def of(module: torch.nn.Module, window: int, channels: int, onnx: Path) -> dict[str, Scorer]:
    """Everybody who is installed; engines read the file that is written here."""
    found = {"PyTorch": pytorch(module)}
    here = [name for name in ENGINES if find_spec(name.lower())] if find_spec("onnx") else []
    if here:
        write(module, window, channels, onnx)
    if left := [name for name in ENGINES if name not in here]:
        print(f"{' and '.join(left)} left out; pip install 'tsad-edge[bench]' brings them", file=sys.stderr)
    return found | {name: ENGINES[name](onnx) for name in here}


def write(module: torch.nn.Module, window: int, channels: int, onnx: Path) -> None:
    """A network as ONNX, for any number of windows."""
    parts = isinstance(module(torch.zeros(3, window, channels)), tuple)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations, and what tracing does not see
        torch.onnx.export(
            module.eval(),
            (torch.zeros(3, window, channels),),
            onnx,
            dynamo=False,
            input_names=["window"],
            output_names=["score", "parts"][: 1 + parts],
            dynamic_axes={"window": {0: "B"}, "score": {0: "B"}},
        )
