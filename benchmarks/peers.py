"""The programs that `speed` measures against: each makes of a network's file a function of windows (n, W, C).

All on one thread, at their best setting. Who is missing is named, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import peer_files
import torch
from networks import Network
from numpy.typing import NDArray

Scorer = Callable[[NDArray[np.float32]], NDArray[Any]]
"""Windows (n, W, C), contiguous -> scores (n,)."""
Found = dict[str, Scorer | str]
"""Peer -> what scores, or why it does not."""
ENGINES = {"onnxruntime": "onnxruntime", "OpenVINO": "openvino", "LiteRT": "ai_edge_litert"}
"""Peer -> its package."""
NOT_INSTALLED = "not installed: pip install 'tsad-edge[bench]' -c constraints.txt"


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


def litert(tflite: Path) -> Scorer:
    """With XNNPACK, its default."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(tflite), num_threads=1)
    interpreter.allocate_tensors()
    given, found = (each[0]["index"] for each in (interpreter.get_input_details(), interpreter.get_output_details()))

    def score(windows: NDArray[np.float32]) -> NDArray[Any]:
        interpreter.set_tensor(given, windows)
        interpreter.invoke()
        scores: NDArray[Any] = interpreter.get_tensor(found)
        return scores

    return score


def f32(network: Network, onnx: Path | None, tflite: Path | str) -> Found:
    """Everybody in float32; `onnx` is None where nobody reads it, `tflite` is for one number of windows."""
    found: Found = {"PyTorch": pytorch(network.module)}
    for name, make in (("onnxruntime", onnxruntime), ("OpenVINO", openvino)):
        found[name] = make(onnx) if onnx and find_spec(ENGINES[name]) else NOT_INSTALLED
    return found | {"LiteRT": _litert(tflite, "f32")}


def int8(onnx: dict[str, Path], tflite: Path | str) -> Found:
    """Those who have integers: ranges found while they run (dynamic), or learned before (static)."""
    found: Found = {}
    for kind in ("dynamic", "static"):
        found[f"onnxruntime {kind}"] = onnxruntime(onnx[kind]) if kind in onnx else NOT_INSTALLED
        found[f"LiteRT {kind}"] = _litert(tflite, kind)
    return found


def has_onnx() -> bool:
    """ONNX can be written and quantised."""
    return all(find_spec(package) for package in ("onnx", "onnxruntime"))


def files(network: Network, place: Path) -> tuple[Path | None, dict[str, Path]]:
    """A network as ONNX, and the same in integers; nothing where nobody reads it."""
    if not has_onnx():
        return None, {}
    floats = peer_files.onnx(network, place)
    return floats, peer_files.onnx_int8(floats, network.normal)


def _litert(tflite: Path | str, kind: str) -> Scorer | str:
    if not find_spec(ENGINES["LiteRT"]):
        return NOT_INSTALLED
    return tflite if isinstance(tflite, str) else litert(Path(f"{tflite}.{kind}.tflite"))
