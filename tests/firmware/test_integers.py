"""Models in integers on M4F and RISC-V give the host's bits, and as exported folders pass their vectors."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tsad_edge.codegen import Compiled, compile_graph, interpret, load_program

from tsad_edge import cli, toolchain
from tsad_edge.boards import board, boards, build, judged_on
from tsad_edge.detector import Detector
from tsad_edge.models import build as build_model
from tsad_edge.models.export import export

from .test_drop_in import CXX, C, compiled

KINDS = ("gan", "lstm", "tcn")
WINDOW, CHANNELS = 14, 3
WARNINGS = ["-Wshadow", "-Wconversion", "-Wdouble-promotion", "-Wpedantic"]


def windows(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.lib.stride_tricks.sliding_window_view(samples, WINDOW, axis=0).transpose(0, 2, 1)


@pytest.fixture(scope="module")
def made() -> dict[str, Compiled]:
    """One of each kind, with the weights that it starts from, in units that differ."""
    normal = np.random.default_rng(0).normal([0.0, 0.5, 1.0], 0.3, (200, CHANNELS)).astype(np.float32)
    found = {}
    for kind in KINDS:
        torch.manual_seed(1)
        scorer = build_model(kind, WINDOW, CHANNELS)
        scorer.fit_scale(normal)
        graph = load_program(export(scorer.eval()))
        found[kind] = compile_graph(graph, f"m_{kind}", 1.0, calibration=windows(normal))
    return found


@pytest.fixture(scope="module")
def folder(made: dict[str, Compiled], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `tsad convert` writes them."""
    place = tmp_path_factory.mktemp("integers") / "models"
    for model in made.values():
        (place / model.name).mkdir(parents=True)
        (place / model.name / f"{model.name}.h").write_text(model.header)
        (place / model.name / f"{model.name}.c").write_text(model.source)
        detector = {"channels": ["a", "b", "c"], "window": WINDOW}
        (place / model.name / "detector.json").write_text(json.dumps(detector))
    return place


@pytest.fixture(scope="module")
def on_host(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Detector]:
    place = tmp_path_factory.mktemp("native")
    toolchain.build(folder, place)
    return lambda kind: Detector.load(toolchain.library(place, f"m_{kind}"), isa="generic")


@pytest.mark.parametrize("kind", KINDS)
def test_the_host_is_the_interpreter(
    kind: str, made: dict[str, Compiled], on_host: Callable[[str], Detector], samples: NDArray[np.float32]
) -> None:
    whole = np.nan_to_num(samples, posinf=9.0)
    got = on_host(kind).run(whole).scores[WINDOW - 1 :]
    want = interpret(made[kind].graph, windows(whole), np.float32).scores
    assert got.tobytes() == want.astype(np.float32).tobytes()


@pytest.mark.parametrize("name", ["mps2-an386", "riscv-virt"])
def test_an_emulated_board_is_bit_equal_to_the_host(
    tools: None,
    name: str,
    folder: Path,
    on_host: Callable[[str], Detector],
    samples: NDArray[np.float32],
    tmp_path: Path,
) -> None:
    build(boards()[name], folder, tmp_path)
    t = np.arange(len(samples))
    for kind in KINDS:
        detector = on_host(kind)
        want = detector.run(samples)
        told = judged_on(board(name), tmp_path / f"m_{kind}.elf", detector.model.id, t, samples)
        scored = ~np.isnan(want.scores)
        assert scored.sum() > 400 and len(np.unique(want.scores[scored])) > 300
        np.testing.assert_array_equal(~np.isnan(told.scores), scored)
        assert told.scores[scored].tobytes() == want.scores[scored].tobytes()
        np.testing.assert_array_equal(told.alarms, want.alarms)


@pytest.fixture(scope="module")
def exported(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    place = tmp_path_factory.mktemp("exported")

    def of(kind: str) -> Path:
        if not (place / kind).is_dir():
            assert cli.main(["export", "--model", str(folder / f"m_{kind}"), "--to", str(place / kind)]) == 0
        return place / kind

    return of


@pytest.mark.parametrize("command", [[*C, *WARNINGS], CXX], ids=["C99", "C++"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_exported_folder_compiles_alone_and_passes_its_vectors(
    kind: str, command: list[str], exported: Callable[[str], Path], tmp_path: Path
) -> None:
    objects = compiled(exported(kind), tmp_path, command)
    subprocess.run([command[0], *objects, "-o", tmp_path / "example"], check=True)
    assert subprocess.run([tmp_path / "example"]).returncode == 0


@pytest.mark.parametrize("kind", [KINDS[0], *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS[1:])])
def test_users_flags_change_no_bit_of_an_exported_folder(
    kind: str, exported: Callable[[str], Path], tmp_path: Path
) -> None:
    sources = [str(path) for path in exported(kind).glob("*.c")]
    fast = ["-O3", "-ffp-contract=fast", "-march=native", "-o", str(tmp_path / "example")]
    for compiler in filter(shutil.which, ("gcc", "clang")):
        subprocess.run([compiler, "-std=c99", *fast, *sources], check=True)
        assert subprocess.run([tmp_path / "example"]).returncode == 0, compiler


def test_vectors_of_an_exported_folder_tell_scores_apart(exported: Callable[[str], Path]) -> None:
    """Samples that all fell into the same slots would prove little."""
    listed = (exported("gan") / "vectors.h").read_text().split("vector_scores[VECTORS] = {")[1].split("}")[0]
    scores = np.array([int(word.strip(" u"), 16) for word in listed.split(",")], np.uint32).view(np.float32)
    scored = scores[~np.isnan(scores)]
    assert len(np.unique(scored)) == len(scored) and scored.max() > 4 * np.median(scored)
