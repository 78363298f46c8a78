"""From training to C, the same parameters and data give the same bytes: in another process, from another place.

The other place holds a copy of the package, so that a path in an artefact would show; the other process hashes text
otherwise, so that the order of a set would.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORK = """
import sys
from pathlib import Path

# Of the two places a package can come from, the folder named first is meant, not what is installed.
sys.meta_path = [f for f in sys.meta_path if "ScikitBuild" not in type(f).__name__]
sys.path.insert(0, sys.argv[1])
import numpy as np

import tsad_edge
from tsad_edge import codegen
from tsad_edge.data import split, to_json
from tsad_edge.models import export
from tsad_edge.train import entity_seed, fit_entity

assert Path(tsad_edge.__file__).is_relative_to(sys.argv[1]), tsad_edge.__file__
rng = np.random.default_rng(3)
values = np.cumsum(rng.standard_normal((700, 3)), axis=0).astype(np.float32) / 8
for tag, name, hyper, series in (
    ("trained", "vae", {"epochs": 2}, values),
    ("recurrent", "gru", {"epochs": 2}, values),
    ("solved", "pca", {}, values),
    ("other", "pca", {}, values[::-1].copy()),
):
    fitted = fit_entity(series, to_json(split(len(series), 12)), 12, name, hyper, entity_seed(1, "line-1"))
    export.save(fitted.scorer, f"{tag}.pt2")
    threshold = float(fitted.held_back_scores.max())
    made = codegen.compile_graph(codegen.load(f"{tag}.pt2"), "m_line_1", threshold, entity="line-1")
    Path(f"{tag}.h").write_text(made.header)
    Path(f"{tag}.c").write_text(made.source)
    codegen.write_graph(made.graph, f"{tag}.txt", f"{tag}.npz")
"""
ENDINGS = ("pt2", "h", "c", "txt", "npz")
KINDS = ("trained", "recurrent", "solved")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two folders with the artefacts of both runs."""
    found = []
    for number, seed in enumerate(("0", "4711")):
        place = tmp_path_factory.mktemp(f"place-{'much-' * number}elsewhere")
        package = place / "code" / "tsad_edge"
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "python/tsad_edge", package, ignore=ignore)
        shutil.copytree(ROOT / "codegen", package / "codegen", ignore=ignore)
        (place / "work.py").write_text(WORK)
        env = {**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-W", "ignore", "work.py", str(place / "code")]
        done = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found.append(place)
    return found[0], found[1]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_same_bytes_from_training_to_c(kind: str, ending: str, places: tuple[Path, Path]) -> None:
    one, other = ((place / f"{kind}.{ending}").read_bytes() for place in places)
    assert len(one) > 100
    assert one == other


def test_other_data_give_other_bytes(places: tuple[Path, Path]) -> None:
    """What is compared does hang on what was learned."""
    place = places[0]
    for ending in ("pt2", "h", "npz"):
        assert (place / f"other.{ending}").read_bytes() != (place / f"solved.{ending}").read_bytes(), ending
