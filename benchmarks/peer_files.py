"""What inference engines read: of each network ONNX and LiteRT's files, in float32 and in integers.

LiteRT's converter lives in an environment of its own, build/litert (see the Makefile); it takes minutes, so that its
files are kept there. Files are found by what they were made from, and seeded networks are the same each time.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import math
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from networks import BULK, WINDOW, Network
from numpy.typing import NDArray
from torch import Tensor, nn

ROOT = Path(__file__).parents[1]
CONVERTER = ROOT / "build" / "litert" / "bin" / "python"
KEPT = ROOT / "build" / "litert" / "files"


class Score(nn.Module):
    """Of a network's outputs the score alone, in the plainest operators: engines need not know more."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, window: Tensor) -> Tensor:
        """Score (B,) of windows (B, W, C)."""
        found = self.module(window)
        score: Tensor = found[0] if isinstance(found, tuple) else found
        return score


def onnx(network: Network, place: Path) -> Path:
    """For any number of windows."""
    path = place / f"{network.name}.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations, and what tracing does not see
        torch.onnx.export(
            Score(network.module).eval(),
            (torch.zeros(3, WINDOW, network.channels),),
            path,
            dynamo=False,
            input_names=["window"],
            output_names=["score"],
            dynamic_axes={"window": {0: "B"}, "score": {0: "B"}},
        )
    return path


def onnx_int8(floats: Path, normal: NDArray[np.float32]) -> dict[str, Path]:
    """onnxruntime's two ways: ranges found as it goes, and ranges learned from windows (n, W, C)."""
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Windows(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._rest = iter([{"window": normal}])

        def get_next(self) -> Any:
            return next(self._rest, None)

    ready = floats.with_suffix(".ready.onnx")
    quant_pre_process(floats, ready, skip_symbolic_shape=True)
    made = {kind: floats.with_suffix(f".{kind}.onnx") for kind in ("dynamic", "static")}
    whole = {"per_channel": True, "weight_type": quantization.QuantType.QInt8}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantization.quantize_dynamic(ready, made["dynamic"], **whole)
        quantization.quantize_static(ready, made["static"], Windows(), **whole)
    return made


def litert(networks: Sequence[Network]) -> dict[tuple[str, int], Path | str]:
    """(network, windows at once) -> its files but for their ends, or why there are none."""
    found: dict[tuple[str, int], Path | str] = {}
    for network in networks:
        for batch in (1, BULK):
            if network.recurrent:
                found[network.name, batch] = "its converter unrolls recurrent layers into thousands of operators"
            elif not CONVERTER.exists():
                found[network.name, batch] = "`make build/litert/.ready` brings its converter"
            else:
                found[network.name, batch] = _program(network, batch)
    if any(isinstance(stem, Path) for stem in found.values()):
        print("converting for LiteRT; what was converted before is kept", file=sys.stderr)
        with open(KEPT / "converter.log", "w") as log:
            subprocess.run([CONVERTER, Path(__file__).with_name("tflite.py"), KEPT], stdout=log, stderr=log, check=True)
    return {key: _reason(stem) if isinstance(stem, Path) else stem for key, stem in found.items()}


def _program(network: Network, batch: int) -> Path:
    """What the converter is given."""
    normal = network.normal
    sources = (Path(__file__).with_name("tflite.py"), Path(inspect.getfile(type(network.module))))
    digest = hashlib.sha256(normal.tobytes() + b"".join(source.read_bytes() for source in sources))
    for name, value in network.module.state_dict().items():
        digest.update(name.encode() + value.numpy().tobytes())
    stem = KEPT / f"{network.name}-{batch}-{digest.hexdigest()[:16]}"
    if not Path(f"{stem}.pt2").exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        np.save(f"{stem}.npy", np.resize(normal, (max(batch, len(normal)), *normal.shape[1:])))  # repeated
        with warnings.catch_warnings(), plain_attention():
            warnings.simplefilter("ignore")
            example = torch.zeros(batch, WINDOW, network.channels)
            torch.export.save(torch.export.export(Score(network.module).eval(), (example,)), f"{stem}.pt2")
    return stem


def _reason(stem: Path) -> Path | str:
    failed = Path(f"{stem}.failed")
    return failed.read_text().strip() if failed.exists() else stem


@contextlib.contextmanager
def plain_attention() -> Iterator[None]:
    """Attention as two products of three dimensions: the converter refuses PyTorch's own operator for one query."""

    def attend(q: Tensor, k: Tensor, v: Tensor, *_: Any, **__: Any) -> Tensor:
        queries, keys, values = (each.flatten(0, 1) for each in (q, k, v))
        shares = torch.bmm(queries / math.sqrt(q.shape[-1]), keys.transpose(1, 2)).softmax(-1)
        return torch.bmm(shares, values).unflatten(0, q.shape[:2])

    torchs, nn.functional.scaled_dot_product_attention = nn.functional.scaled_dot_product_attention, attend
    try:
        yield
    finally:
        nn.functional.scaled_dot_product_attention = torchs
