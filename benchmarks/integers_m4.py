"""What integers take on a Cortex-M4F, beside what others were measured at: `make m4`; a missed limit is an error.

    python benchmarks/integers_m4.py

Three networks that others have published or measured figures for, untrained: sizes and counts do not depend on what was
learned. The reference's GAN is not folded here, though its halves are affine and shrink to a tenth: the others run it
whole. Flash is that of the model and the kernels it calls, linked alone; instructions are those of a whole tsad_step.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tsad_edge.codegen import passes
from tsad_edge.codegen.ops.integer import HALF_SIGMOID

from tsad_edge import codegen, toolchain
from tsad_edge.boards import Sample, board, cost
from tsad_edge.boards.feed import feed
from tsad_edge.boards.instructions import count, cycles_of
from tsad_edge.entity import write_c
from tsad_edge.integers import spread

sys.path.insert(0, str(Path(__file__).parent))
from reference_shapes import ReferenceGan

BOARD, WINDOW = "mps2-an386", 100
TABLE_BYTES = 2 * len(HALF_SIGMOID)
CODE_BYTES = 2560
"""Of the GAN: 2.5 kB."""
DENSE, DENSE_INSTRUCTIONS = 128, 1.4
"""Width of a dense layer, and the most instructions it may take a multiply-add."""
OF_OTHERS = 1.4
"""As many instructions as TFLite Micro with CMSIS-NN takes, and 40 % more."""


class Lstm(nn.Module):
    """One layer of 32, forecasting the last sample."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.output = nn.LSTM(1, 32, batch_first=True), nn.Linear(32, 1)

    def forward(self, window: Tensor) -> Tensor:
        """Score (B,) of windows (B, W, 1)."""
        states, _ = self.lstm(window[:, :-1])
        score: Tensor = ((self.output(states[:, -1]) - window[:, -1]) ** 2).mean(1)
        return score


class Tcn(nn.Module):
    """Three convolutions of 16 channels, forecasting the last sample."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv1d(1, 16, 7, padding=3), nn.ReLU()),
            *(nn.Conv1d(16, 16, 5, padding=2), nn.ReLU()),
            *(nn.Conv1d(16, 16, 5, padding=2), nn.ReLU()),
        )
        self.output = nn.Linear(16, 1)

    def forward(self, window: Tensor) -> Tensor:
        """Score (B,) of windows (B, W, 1)."""
        states = self.body(window[:, :-1].transpose(1, 2)).mean(2)
        score: Tensor = ((self.output(states) - window[:, -1]) ** 2).mean(1)
        return score


class Dense(nn.Module):
    """A layer of 128 x 128, and one that tells its end."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.output = nn.Linear(DENSE, DENSE), nn.Linear(DENSE, 1)

    def forward(self, window: Tensor) -> Tensor:
        """Score (B,) of windows (B, 128, 1)."""
        score: Tensor = self.output(self.body(window.flatten(1)).relu()).squeeze(1)
        return score


@dataclass(frozen=True)
class Rival:
    """TFLite Micro with CMSIS-NN, int8 (measured in QEMU): flash, RAM and instructions of one window."""

    flash: int
    ram: int
    instructions: int


def main() -> int:
    """Measure, print, compare; 1 where a figure is missed."""
    torch.manual_seed(1)
    rivals = {
        "gan": (ReferenceGan(), Rival(158_472, 10_128, 291_374)),
        "lstm": (Lstm(), Rival(68_168, 7_472, 2_713_515)),
        "tcn": (Tcn(), Rival(68_320, 5_896, 796_211)),
    }
    draw = np.random.default_rng(1).normal(size=(300, 1)).cumsum(0).astype(np.float32) / 8
    made = {name: compiled(network, name, draw) for name, (network, _) in rivals.items()}
    dense = compiled(Dense(), "dense", draw, DENSE)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        for each in (*made.values(), dense):
            write_c(place / "models" / each.name, each)
        samples = {each.name: Sample(WINDOW, draw) for each in made.values()} | {dense.name: Sample(DENSE, draw)}
        found = cost(board(BOARD), place / "models", samples, place / "out")["per_model"]
        flash = {name: alone(place, each.name) for name, each in made.items()}
        per_mac, cycles = dense_figures(place / "out" / f"{dense.name}.elf", dense.id, draw)
    head = [
        "network",
        "MAC",
        "flash B",
        "of it code",
        "weights",
        "arena B",
        "instructions",
        "per MAC",
        "M4 cycles per MAC",
    ]
    print(f"| {' | '.join([*head, 'TFLite Micro: flash, instructions'])} |")
    print("|---" * (len(head) + 1) + "|")
    missed = []
    for name, (_, rival) in rivals.items():
        costs, board_costs = made[name].cost, found[made[name].name]
        mac, instructions = costs["mac_after"], board_costs["instructions"]
        sizes = [mac, sum(flash[name]), flash[name][0], weights(made[name].graph), costs["arena_bytes"], instructions]
        ratios = f"{instructions / mac:.2f} | {board_costs['cycles'] / mac:.2f}"
        told = " | ".join(f"{size:,}" for size in sizes)
        print(f"| {name} | {told} | {ratios} | {rival.flash:,}, {rival.instructions:,} |")
        missed += [f"{name}: {text}" for text in shortfalls(name, made[name], flash[name], instructions, rival)]
    gan = made["gan"].graph
    described = flash["gan"][1] - weights(gan) - 9 * channels(gan) - TABLE_BYTES
    if per_mac > DENSE_INSTRUCTIONS:
        missed.append(f"dense: {per_mac:.2f} instructions a multiply-add, at most {DENSE_INSTRUCTIONS} wanted")
    print(f"a dense layer of {DENSE} x {DENSE}: {per_mac:.2f} instructions and {cycles:.2f} M4 cycles a multiply-add")
    print(f"names, CRC spans and id of the GAN's arrays: {described} B of its flash")
    print("\n".join(f"missed: {text}" for text in missed) or "every figure is within its limit")
    return 1 if missed else 0


def compiled(network: nn.Module, name: str, series: np.ndarray[Any, Any], window: int = WINDOW) -> Any:
    """The network in integers; the GAN without the pass that would fold it."""
    program = torch.export.export(
        network.eval(), (torch.zeros(3, window, 1),), dynamic_shapes=({0: torch.export.Dim("B")},)
    )
    graph, ranges = codegen.load_program(program), spread(series, window, 200)
    whole = passes.PASSES
    if name == "gan":
        passes.PASSES = tuple(step for step in whole if step[0] != "fold")
    try:
        return codegen.compile_graph(graph, f"m_{name}", 1.0, calibration=ranges)
    finally:
        passes.PASSES = whole


def dense_figures(firmware: Path, identity: str, series: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Instructions and M4 cycles a multiply-add of the first layer, from its kernel's call to that of the next."""

    def use(line: Any) -> None:
        feed(line, identity, np.arange(DENSE + 2), series[: DENSE + 2])

    counts, _ = count(board(BOARD), firmware, "tsad_linear_s8_s16", "tsad_linear_s8_f32", use)
    macs = DENSE * DENSE * len(counts.passes)
    return sum(counts.passes) / macs, cycles_of(board(BOARD), firmware, counts) / macs


def alone(place: Path, name: str) -> tuple[int, int]:
    """Bytes of code and of constants of the model and the kernels it calls, linked by themselves."""
    root = toolchain.sources()
    overlay = sorted((root / "csrc" / "arch" / "cortexm_dsp").glob("*.c"))
    replaced = {path.name for path in overlay}
    kernels = [path for path in sorted((root / "csrc" / "kernels").glob("*.c")) if path.name not in replaced]
    flags = [
        "-mcpu=cortex-m4",
        "-mthumb",
        "-mfloat-abi=hard",
        "-mfpu=fpv4-sp-d16",
        "-std=c99",
        "-O3",
        "-ffp-contract=off",
    ]
    flags += ["-fno-trapping-math", "-ffunction-sections", "-fdata-sections", "-ffreestanding", "-nostdlib"]
    include = [f"-I{root / 'csrc'}", f"-I{root / 'csrc' / 'kernels'}"]
    sources = [str(place / "models" / name / f"{name}.c"), *map(str, overlay + kernels)]
    link = [
        "-Wl,--gc-sections",
        f"-Wl,-e,{name}",
        f"-Wl,-u,{name}",
        "-Wl,--defsym=memmove=0,--defsym=memcpy=0,--defsym=memset=0",
    ]
    out = place / f"{name}.alone"
    toolchain.run(["arm-none-eabi-gcc", *flags, *include, *sources, *link, "-lgcc", "-o", str(out)])
    sections = [line.split() for line in toolchain.run(["arm-none-eabi-size", "-A", str(out)]).splitlines()]
    found = {row[0]: int(row[1]) for row in sections if len(row) == 3 and row[0] in {".text", ".rodata"}}
    return found[".text"], found[".rodata"]


def weights(graph: Any) -> int:
    """Bytes of the s8 weights."""
    return sum(a.nbytes for a in graph.constants.values() if a.dtype == np.int8 and a.ndim > 1)


def channels(graph: Any) -> int:
    """Output channels of all layers."""
    return sum(graph.constants[op.inputs[1]].shape[0] for op in graph.ops if op.kind.startswith("linear_s8"))


def shortfalls(name: str, made: Any, flash: tuple[int, int], instructions: int, rival: Rival) -> list[str]:
    """A sentence for every limit that is not kept."""
    if name != "gan":
        most = {"instructions": round(OF_OTHERS * rival.instructions), "flash": weights(made.graph) + 12 * 1024}
        found = {"instructions": instructions, "flash": sum(flash)}
    else:
        most = {"instructions": 150_000, "code": CODE_BYTES, "arena": 1024}
        found = {"instructions": instructions, "code": flash[0], "arena": made.cost["arena_bytes"]}
    return [f"{what} {found[what]:,}, at most {most[what]:,} wanted" for what in most if found[what] > most[what]]


if __name__ == "__main__":
    sys.exit(main())
