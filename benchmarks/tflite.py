"""Turns programs of `torch.export` into LiteRT's files, float32 and int8; runs in an environment of its own.

    build/litert/bin/python benchmarks/tflite.py FOLDER

Of each NAME.pt2 and its NAME.npy, windows (n, W, C) to learn ranges from, NAME.f32.tflite, NAME.dynamic.tflite and
NAME.static.tflite are made, or NAME.failed says why not. What is there already stays.
"""

from __future__ import annotations

import sys
from pathlib import Path

import litert_torch
import numpy as np
import torch
from ai_edge_quantizer import qtyping, quantizer, recipe

EDGES = (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT)
"""Stay float32, as with everybody else."""


def main() -> int:
    """Convert all that is not yet converted."""
    for program in sorted(Path(sys.argv[1]).glob("*.pt2")):
        stem = program.with_suffix("")
        failed = Path(f"{stem}.failed")
        if failed.exists() or Path(f"{stem}.static.tflite").exists():
            continue
        try:
            convert(stem)
        except Exception as error:  # whatever the converter raises is its answer
            failed.write_text(f"its converter fails: {str(error).splitlines()[0][:160]}\n")
    return 0


def convert(stem: Path) -> None:
    """One program; the last of its files tells that all are there."""
    windows = np.load(f"{stem}.npy")
    program = torch.export.load(f"{stem}.pt2")
    batch = program.example_inputs[0][0].shape[0]
    floats = Path(f"{stem}.f32.tflite")
    litert_torch.convert(program.module(), (torch.zeros(batch, *windows.shape[1:]),)).export(str(floats))
    samples = [{"args_0": windows[at : at + batch]} for at in range(0, len(windows), batch)]
    for kind, wanted in (("dynamic", recipe.dynamic_wi8_afp32()), ("static", recipe.static_wi8_ai8())):
        maker = quantizer.Quantizer(str(floats), wanted)
        for edge in EDGES:
            maker.update_quantization_recipe(".*", edge, algorithm_key="no_quantize")
        ranges = maker.calibrate({"serving_default": samples}, num_threads=1) if maker.need_calibration else None
        made = maker.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
        made.export_model(f"{stem}.{kind}.tflite", overwrite=True)


if __name__ == "__main__":
    sys.exit(main())
