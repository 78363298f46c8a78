"""Several programs in one library: which of them runs, that they share weights, that old machines are safe; threads."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tsad_edge import _core
from tsad_edge.detector import Detector

from ..conftest import ISAS, needed

MODEL = 4
"""Exit status of tsad-edge: a model that cannot be used."""


def version(built: Path, *before: str, **environment: str) -> tuple[int, str]:
    """What tsad-edge says of its built-in model, or its error."""
    clean = {name: value for name, value in os.environ.items() if name != "TSAD_ISA"}
    command = [*before, built / "tsad-edge", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, env=clean | environment)
    return done.returncode, (done.stdout + done.stderr).strip().rpartition("\n")[2]


def test_the_variable_forces_a_program(built: Path, has_isa: Callable[[str], None]) -> None:
    has_isa("avx512")
    assert version(built)[1].endswith("kernels avx512")
    for isa in ISAS:
        assert version(built, TSAD_ISA=isa)[1].endswith(f"kernels {isa}")
        code = (
            "import sys; from tsad_edge import _core;"
            "print(_core.reference().isa, _core.Model(sys.argv[1]).isa, _core.Model(sys.argv[1], 'generic').isa)"
        )
        command = [sys.executable, "-c", code, built / "libm_tiny.so"]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"TSAD_ISA": isa}, check=True)
        assert done.stdout.split() == [isa, isa, "generic"]


def test_a_name_that_is_none_is_an_error(built: Path) -> None:
    status, text = version(built, TSAD_ISA="avx10")
    assert status == MODEL and "the built-in model" in text and "'avx10'" in text and "set it to generic" in text
    for model in (None, str(built / "libm_tiny.so")):
        code = f"from tsad_edge import Detector; Detector.load({model!r})"
        environment = os.environ | {"TSAD_ISA": "avx10"}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
        assert done.returncode == 1 and "ValueError" in done.stderr
        assert "'avx10', which TSAD_ISA names, that this machine can run" in done.stderr
    with pytest.raises(ValueError, match=r"built-in model: has no model for the instruction set 'sse' that"):
        _core.reference("sse")


def test_programs_share_their_weights(built: Path, has_isa: Callable[[str], None]) -> None:
    has_isa("avx512")
    each = [_core.Model(str(built / "libm_tiny.so"), isa) for isa in ISAS]
    assert tuple(model.isa for model in each) == ISAS
    places = [[values.ctypes.data for _, values in model.weights] for model in each]
    assert places[0] == places[1] == places[2]
    assert each[0].threshold == each[1].threshold == each[2].threshold


def test_programs_differ_in_rounding_only(has_isa: Callable[[str], None]) -> None:
    has_isa("avx512")
    samples = np.random.default_rng(1).normal(size=(500, 3)).astype(np.float32)
    portable, fused, wide = (Detector.load(isa=isa).score(samples) for isa in ISAS)
    assert (portable != fused)[15:].any(), "a product that is not rounded shows somewhere"
    np.testing.assert_allclose(fused, portable, rtol=2e-6)
    assert wide.tobytes() == fused.tobytes(), "wider vectors have the same sums"


def test_an_old_machine_never_meets_an_unknown_instruction(built: Path) -> None:
    emulated = (needed("qemu-x86_64", "Debian's package is qemu-user"), "-cpu")
    for cpu, runs, lacks in (("Nehalem", "generic", "avx2"), ("max,avx512f=off", "avx2", "avx512")):
        status, text = version(built, *emulated, cpu)
        assert status == 0 and text.endswith(f"kernels {runs}")
        status, text = version(built, *emulated, cpu, TSAD_ISA=lacks)
        assert status == MODEL and f"'{lacks}' that this machine can run" in text


def test_threads_share_a_series(built: Path) -> None:
    """Blocks of all sizes, with samples that are left out and in pieces: the bits of one thread; and snapshots hold."""
    model = _core.Model(str(built / "libm_tiny.so"))
    samples = np.random.default_rng(2).normal(size=(7001, 2)).astype(np.float32)
    samples[[5, 1000, 1001, 6000], 1] = np.nan
    wanted = _core.Detector(model).score(samples)
    for threads in (2, 3, 7):
        several = _core.Detector(model, threads=threads)
        pieces = np.split(samples, [1, 2, 3, 900, 950, 6500])
        found = np.concatenate([several.score(piece) for piece in pieces])
        assert found.tobytes() == wanted.tobytes()
        image = several.snapshot()
        other = _core.Detector(model, threads=threads)
        other.score(samples[:77])
        other.restore(image)
        assert other.snapshot() == image
        assert other.score(samples[:50]).tobytes() == several.score(samples[:50]).tobytes()
    assert Detector(model, threads=2).run(samples).scores.tobytes() == wanted.tobytes()
    for none in (0, 1000):
        with pytest.raises(ValueError, match=f"threads: {none} are not possible"):
            _core.Detector(model, threads=none)


def test_the_other_threads_do_their_share() -> None:
    samples = np.random.default_rng(2).normal(size=(400_000, 3)).astype(np.float32)
    detector = Detector.load(threads=3)
    here, everywhere = time.thread_time(), time.process_time()
    detector.score(samples)
    here, everywhere = time.thread_time() - here, time.process_time() - everywhere
    assert here < 0.8 * everywhere
