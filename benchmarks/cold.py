"""From nothing to the first score: what a fresh Python takes to score one window, beside one that imports numpy alone.

CPU time is the kernel's account of the finished process; memory is the most that was resident, as the process itself
reads it at its end (the kernel's account would count the parent from which it was started).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import peers
from verdicts import Verdict

STARTS = 9
BARE, OURS = "numpy alone", "tsad_edge"
CPU_MS, MEMORY_MB = 15.0, 3.0
"""More than numpy alone, at most."""
SIZE = 'print(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])'
WINDOW = "import numpy as np\nwindow = np.zeros((1, 100, 1), np.float32)\n"


@dataclass(frozen=True)
class Start:
    """Medians of fresh processes."""

    cpu_ms: float
    memory_mb: float


def programs(library: Path, onnx: Path | None, tflite: Path | str) -> dict[str, str]:
    """Side -> its program, of the GAN on one channel; who is not installed is left out."""
    here = str(Path(__file__).parent)
    found = {
        BARE: WINDOW,
        OURS: WINDOW + f"from tsad_edge import Detector\nDetector.load({str(library)!r}).score(window[0])\n",
        "PyTorch": WINDOW + f"import sys\nsys.path.insert(0, {here!r})\nimport torch, reference_shapes\n"
        "torch.set_num_threads(1)\n"
        "with torch.inference_mode():\n    reference_shapes.ReferenceGan().eval()(torch.from_numpy(window))\n",
    }
    for name, make, file in (
        ("onnxruntime", "onnxruntime", onnx),
        ("OpenVINO", "openvino", onnx),
        ("LiteRT", "litert", None if isinstance(tflite, str) else Path(f"{tflite}.f32.tflite")),
    ):
        if file and find_spec(peers.ENGINES[name]):
            found[name] = WINDOW + engine(make, file)
    return found


def engine(make: str, file: Path) -> str:
    """A program that loads nothing but an engine: the lines of peers.py without its imports."""
    return {
        "onnxruntime": "import onnxruntime as ort\noptions = ort.SessionOptions()\n"
        "options.intra_op_num_threads = options.inter_op_num_threads = 1\n"
        f"ort.InferenceSession({str(file)!r}, options, providers=['CPUExecutionProvider'])"
        ".run(['score'], {'window': window})\n",
        "openvino": "import openvino as ov\ncore = ov.Core()\n"
        f"core.compile_model(core.read_model({str(file)!r}), 'CPU', {{'INFERENCE_NUM_THREADS': 1}})"
        ".create_infer_request().infer({'window': window})\n",
        "litert": "from ai_edge_litert.interpreter import Interpreter\n"
        f"engine = Interpreter({str(file)!r}, num_threads=1)\nengine.allocate_tensors()\n"
        "engine.set_tensor(engine.get_input_details()[0]['index'], window)\nengine.invoke()\n",
    }[make]


def starts(programs: Mapping[str, str]) -> dict[str, Start]:
    """Start each program anew, in turns."""
    found: dict[str, list[Start]] = {name: [] for name in programs}
    for program in programs.values():
        once(program)  # its files are read, its bytecode is written
    for _ in range(STARTS):
        for name, program in programs.items():
            found[name].append(once(program))
    return {
        name: Start(statistics.median(one.cpu_ms for one in each), statistics.median(one.memory_mb for one in each))
        for name, each in found.items()
    }


def once(program: str) -> Start:
    """One fresh process."""
    with subprocess.Popen([sys.executable, "-c", program + SIZE], stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        told = started.stdout.read()
        _, status, used = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
    if started.returncode:
        raise RuntimeError(f"a program of the cold start failed:\n{program}")
    return Start(1e3 * (used.ru_utime + used.ru_stime), int(told.split()[-1]) / 1024)


def verdicts(found: Mapping[str, Start]) -> list[Verdict]:
    """On what we add to numpy alone."""
    cpu, memory = (getattr(found[OURS], field) - getattr(found[BARE], field) for field in ("cpu_ms", "memory_mb"))
    return [
        Verdict(f"{CPU_MS:g} ms more", cpu <= CPU_MS, f"{cpu:.1f}"),
        Verdict(f"{MEMORY_MB:g} MB more", memory <= MEMORY_MB, f"{memory:.1f}"),
    ]


def section(found: Mapping[str, Start]) -> str:
    """The table."""
    bare = found[BARE]
    lines = [
        "\n## From nothing to the first score\n",
        f"A fresh Python loads the GAN on one channel and scores one window; medians of {STARTS} starts in turns.\n",
        "| | CPU ms | more than numpy alone | resident MB, at most | more than numpy alone | targets |",
        "|---|---|---|---|---|---|",
    ]
    for name, each in found.items():
        more = (
            [f"{each.cpu_ms - bare.cpu_ms:.1f}", f"{each.memory_mb - bare.memory_mb:.1f}"] if each != bare else ["", ""]
        )
        told = "; ".join(map(str, verdicts(found))) if name == OURS else ""
        lines.append(f"| {name} | {each.cpu_ms:.0f} | {more[0]} | {each.memory_mb:.1f} | {more[1]} | {told} |")
    return "\n".join(lines) + "\n"
