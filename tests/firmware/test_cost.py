"""What firmware takes: measured and reckoned figures that agree, and a model that is too large refused in time."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tsad_edge import _core
from tsad_edge.boards import Sample, board, build, cost
from tsad_edge.boards.cycles import cycles
from tsad_edge.boards.footprint import LIBRARY_STACK, worst_stack
from tsad_edge.boards.instructions import per_sample

MODEL = _core.reference()
WEIGHTS = sum(values.nbytes for _, values in MODEL.weights)


@pytest.mark.parametrize(("name", "counting"), [("riscv-virt", "riscv-virt"), ("nucleo-f411re", "mps2-an386")])
def test_figures_agree(
    tools: None, reference: Path, samples: NDArray[np.float32], tmp_path: Path, name: str, counting: str
) -> None:
    """A board that QEMU lacks is counted on one of its core."""
    found = cost(board(name), reference.parent, {"m_reference": Sample(16, samples)}, tmp_path / "out")
    row = found["per_model"]["m_reference"]
    assert found["counted_on"] == counting and (tmp_path / "out/m_reference.elf").is_file()
    assert row["flash_bytes"] - row["code_bytes"] == WEIGHTS
    assert row["memory_bytes"] == MODEL.memory
    assert (row["ring_bytes"], row["state_bytes"], row["arena_bytes"]) == (16 * 3 * 4, 0, 224)
    assert row["ring_bytes"] + row["arena_bytes"] + 3 * 4 <= row["memory_bytes"], "and the shares of three channels"
    assert row["memory_bytes"] + row["detector_bytes"] < row["static_bytes"] < row["memory_bytes"] + 1000
    # The deepest chain goes through what a sample of this model does not call.
    assert row["stack_worst_bytes"] - 128 < row["stack_used_bytes"] <= row["stack_worst_bytes"]
    assert 768 < row["instructions"] < 768 * 20  # 768 multiply-adds
    if name == "nucleo-f411re":
        assert row["instructions"] < row["cycles"] < 3 * row["instructions"] and "Cortex-M4" in row["cycle_model"]


def test_firmware_and_counts_repeat(
    firmware: Callable[[str], Path], reference: Path, samples: NDArray[np.float32], tmp_path: Path
) -> None:
    """To the byte, and to the instruction."""
    elf, m4 = firmware("mps2-an386"), board("mps2-an386")
    build(m4, reference.parent, tmp_path / "again")
    assert (tmp_path / "again/m_reference.elf").read_bytes() == elf.read_bytes()
    once, again = (per_sample(m4, elf, MODEL.id, 16, samples) for _ in range(2))
    assert once == again


def larger(reference: Path, folder: Path, weights: int = 3, window: int = 16) -> Path:
    """The reference model's sources with more weights in them, and a larger memory."""
    (folder / "m_reference").mkdir(parents=True)
    for file in reference.glob("m_reference.*"):
        text = file.read_text()
        text = text.replace("MEMORY_SIZE(16, 12,", f"MEMORY_SIZE({window}, 12,")
        text = text.replace("m_reference_enter[6] = {", f"m_reference_enter[{weights}] = {{")
        (folder / "m_reference" / file.name).write_text(text)
    return folder


@pytest.fixture
def no_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tsad_edge.boards.firmware._link", lambda *_: pytest.fail("it was linked"))


def test_too_many_weights_are_refused_before_linking(
    tools: None, no_link: None, reference: Path, tmp_path: Path
) -> None:
    models = larger(reference, tmp_path / "models", weights=150_000)
    with pytest.raises(ValueError, match=r"m_reference does not fit nucleo-f411re") as caught:
        build(board("nucleo-f411re"), models, tmp_path / "out")
    said = str(caught.value)
    needed, constants, there = map(int, re.findall(r"(\d+) bytes of flash, (\d+) of them.*?has (\d+);", said)[0])
    assert needed > 600_000 > there == 524_288 and 600_000 < constants < needed
    most = int(re.findall(r"Up to (\d+) weights", said)[0])
    assert 125_000 < most < 131_072, "what would fit"
    assert "this one would fit mps2-an386, mps2-an500, netduinoplus2, riscv-virt, nucleo-h7a3zi-q" in said
    assert not (tmp_path / "out").exists()


def test_too_much_memory_is_refused_before_linking(tools: None, no_link: None, reference: Path, tmp_path: Path) -> None:
    models = larger(reference, tmp_path / "models", weights=6, window=11_000)
    with pytest.raises(ValueError, match=r"it needs 13\d+ bytes of RAM, 132240 of them the model's and 4096 stack"):
        build(board("netduinoplus2"), models, tmp_path / "out")


def test_what_is_too_large_by_its_kernels_is_refused_by_the_linker(
    tools: None, reference: Path, tmp_path: Path
) -> None:
    """With as many weights as just fit while the kernels are left out."""
    weights = 150_000
    with pytest.raises(ValueError, match="needs at least") as caught:
        build(board("nucleo-f411re"), larger(reference, tmp_path / "more", weights), tmp_path / "out")
    needed, there = map(int, re.findall(r"at least (\d+) bytes of flash.*?has (\d+);", str(caught.value))[0])
    models = larger(reference, tmp_path / "models", weights - (needed - there) // 4 - 10)
    with pytest.raises(ValueError, match=r"with its kernels it is \d+ bytes more than the 524288 bytes of flash"):
        build(board("nucleo-f411re"), models, tmp_path / "out")


def graph(folder: Path, name: str, nodes: dict[str, tuple[int, str]], edges: list[tuple[str, str]]) -> Path:
    """A .ci file as gcc writes it."""
    lines = [f'graph: {{ title: "{name}"']
    lines += [f'node: {{ title: "{n}" label: "{n}\\n{name}:1:1\\n{b} bytes ({k})" }}' for n, (b, k) in nodes.items()]
    lines += [f'edge: {{ sourcename: "{a}" targetname: "{b}" label: "{name}:2:1" }}' for a, b in edges]
    (folder / f"{name}.ci").write_text("\n".join([*lines, "}"]))
    return folder / f"{name}.ci"


def test_the_deepest_chain_is_found(tmp_path: Path) -> None:
    main = graph(
        tmp_path, "main.c", {"reset": (8, "static"), "main": (16, "static")}, [("reset", "main"), ("main", "tsad_step")]
    )
    detector = graph(
        tmp_path,
        "tsad.c",
        {"tsad_step": (32, "static"), "near": (100, "static")},
        [("tsad_step", "__indirect_call"), ("tsad_step", "near")],
    )
    model = graph(tmp_path, "m_x.c", {"m_x.c:forward": (200, "static")}, [("m_x.c:forward", "__aeabi_ul2f")])
    assert worst_stack([main, detector, model], {"reset"}, "m_x") == 8 + 16 + 32 + 200 + LIBRARY_STACK


@pytest.mark.parametrize(
    ("nodes", "edges", "words"),
    [
        ({"reset": (8, "static"), "f": (8, "static")}, [("reset", "f"), ("f", "f")], "f calls itself"),
        ({"reset": (8, "dynamic")}, [], "size that is not known"),
        ({"reset": (8, "static")}, [("reset", "__indirect_call")], "kernel.c calls by pointer"),
    ],
)
def test_what_cannot_be_told_is_an_error(
    tmp_path: Path, nodes: dict[str, tuple[int, str]], edges: list[tuple[str, str]], words: str
) -> None:
    with pytest.raises(RuntimeError, match=words):
        worst_stack([graph(tmp_path, "kernel.c", nodes, edges)], {"reset"}, "m_x")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ldr\tr0, [r1]", 2),
        ("ldr\tr0, [r1]|ldr\tr2, [r1, #4]", 3),
        ("str\tr0, [r1]", 1),
        ("push\t{r4, r5, lr}", 4),
        ("vldmia\tr0!, {s0-s3}", 5),
        ("vfma.f32\ts0, s1, s2", 3),
        ("vmul.f32\ts0, s1, s2|vadd.f32\ts3, s3, s0", 3),
        ("vmul.f32\ts0, s1, s2|vadd.f32\ts3, s3, s4", 2),
        ("udiv\tr0, r1, r2", 12),
    ],
)
def test_cycles_of_instructions(code: str, expected: int) -> None:
    lines = code.split("|")
    listing = "\n".join(f" {4 * i:x}:\t{line}" for i, line in enumerate(lines))
    assert cycles(listing, {4 * i: (1, 0) for i in range(len(lines))}) == expected


def test_a_taken_branch_costs_a_refill_and_nothing_else_does() -> None:
    assert cycles(" 0:\tbne.n\t8", {0: (10, 4)}) == 10 + 4 * 2
    assert cycles(" 0:\tldmia.w\tsp!, {r4, pc}", {0: (1, 1)}) == 3 + 2
    assert cycles(" 0:\tldr\tr0, [pc, #8]", {0: (1, 1)}) == 2
    assert cycles(" 0:\tbic.w\tr0, r0, #1", {0: (1, 1)}) == 1
