"""`tsad export`: the few files that somebody puts into a firmware of his own, with vectors that prove them there.

Owns which files those are and what the example says. Needs a C compiler of the host, which computes what is expected.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import toolchain
from .boards import model_name
from .detector import Detector
from .files import replaced, write_json

VECTORS = 24
"""Scores in the vectors."""

MAIN = """\
/* Runs the vectors through the detector, as a firmware runs its sensors' samples: 0 when every score is as expected. */
#include "{name}.h"
#include "vectors.h"

#include <string.h>

static union {{
    uint64_t align;
    unsigned char bytes[{upper}_MEMORY];
}} memory;

int main(void) {{
    tsad detector;
    tsad_result result;
    if (tsad_init(&detector, &{name}, &{name}_config, &memory, sizeof memory) != TSAD_OK)
        return 2; /* wrong ABI, or damaged weights */
    for (uint64_t t = 0; t < VECTORS; t++) {{
        const int status = tsad_step(&detector, t, vector_samples[t], &result);
        if (status != vector_status[t] || (status == TSAD_OK && memcmp(&result.score, &vector_scores[t], 4) != 0))
            return 1;
        if (result.event == TSAD_EVENT_ENDED)
            (void)detector.record; /* tell somebody: start, end, peak, top channel */
    }}
    return 0;
}}
"""

CMAKE = """\
# A static library of the detector and its model, and the example that runs the vectors: ctest, or ./example; echo $?
cmake_minimum_required(VERSION 3.10)
project({name} C)
set(CMAKE_C_STANDARD 99)
add_library({name}_detector STATIC {sources})
target_include_directories({name}_detector PUBLIC .)
target_compile_options({name}_detector PRIVATE -O2 -ffp-contract=off) # products are rounded before they are added
add_executable(example main.c)
target_link_libraries(example {name}_detector)
enable_testing()
add_test(NAME vectors COMMAND example)
"""


def export(folder: Path, out: Path) -> str:
    """Write a folder that compiles alone: detector, model, the kernels it calls, an example, vectors, cost.

    Parameters
    ----------
    folder : Path
        With a model's C, as ``tsad convert`` writes it.
    out : Path
        To write; must not exist, or hold what was exported before.

    Returns
    -------
    str
        What was written.

    Raises
    ------
    ValueError
        The folder holds no model, or `out` holds something else.
    RuntimeError
        A tool is missing, or the C does not compile.
    """
    name = model_name(folder)
    if out.exists() and not (out / "vectors.h").is_file():
        raise ValueError(f"{out}: exists, and tsad export did not write it; --to names a new folder")
    csrc = toolchain.sources() / "csrc"
    model = (folder / f"{name}.c").read_text()
    sources = sorted(kernels(model, csrc / "kernels"))
    with tempfile.TemporaryDirectory(prefix="tsad-") as scratch:
        models = Path(scratch) / "models"
        models.mkdir()
        (models / name).symlink_to(folder.resolve())
        toolchain.build(models, Path(scratch) / "native")
        detector = Detector.load(toolchain.library(Path(scratch) / "native", name))
        samples = typical(detector)
        scores, _, _ = detector.run(samples)
        cost = {
            "schema": 1,
            "model": detector.model.id,
            "weight_bytes": int(sum(values.nbytes for _, values in detector.model.weights)),
            "memory_bytes": detector.model.memory,
            "kernels": sources,
        }
    with replaced(out) as (fresh,):
        for file in (csrc / "tsad.h", csrc / "tsad.c", folder / f"{name}.h", folder / f"{name}.c"):
            shutil.copy2(file, fresh)
        for file in headers([csrc / "kernels" / source for source in sources]):
            shutil.copy2(file, fresh)
        (fresh / "main.c").write_text(MAIN.format(name=name, upper=name.upper()))
        (fresh / "vectors.h").write_text(vectors(samples, scores))
        listed = " ".join(["tsad.c", f"{name}.c", *sources])
        (fresh / "CMakeLists.txt").write_text(CMAKE.format(name=name, sources=listed))
        write_json(fresh / "cost.json", cost)
        files = sorted(file.name for file in fresh.iterdir())
    build = f"build/{name}"
    return (
        f"{out}: {len(files)} files: {', '.join(files)}\n"
        f"try it: cmake -S {out} -B {build} && cmake --build {build} && {build}/example; echo $?"
    )


def kernels(model: str, folder: Path) -> set[str]:
    """Files of the kernels that a model's C calls, and of those that these call, by what kernels.h says stands where.

    Parameters
    ----------
    model : str
        The text.
    folder : Path
        csrc/kernels.

    Examples
    --------
    >>> sorted(kernels("TSAD_K(lstm_f32)(n);", toolchain.sources() / "csrc" / "kernels"))
    ['linear.c', 'lstm.c']
    """
    parts = re.split(r"/\*\s*\*?\s*(\w+\.c):", (folder / "kernels.h").read_text())
    pieces = zip(parts[1::2], parts[2::2], strict=True)
    owner = {op: file for file, text in pieces for op in re.findall(r"\w+_f32", text)}
    found: set[str] = set()
    todo = [model]
    while todo:
        called = {owner[op] for op in re.findall(r"TSAD_K\((\w+_f32)\)", todo.pop())}
        todo += [(folder / file).read_text() for file in called - found]
        found |= called
    return found


def headers(sources: list[Path]) -> set[Path]:
    """These files and all they include from their own folder."""
    found, todo = set(), list(sources)
    while todo:
        file = todo.pop()
        if file not in found:
            found.add(file)
            todo += [file.parent / name for name in re.findall(r'#include "(\w+\.h)"', file.read_text())]
    return found


def typical(detector: Detector) -> NDArray[np.float32]:
    """Samples (T, C) about where the model's scaler expects them: the last have a deviation too many."""
    offset, scale = detector.model.weights[0][1].reshape(2, -1)  # enter's table comes first
    count = detector.model.window - 1 + VECTORS
    waves = np.sin(np.arange(count)[:, np.newaxis] / (3.0 + np.arange(len(offset))))
    waves[-VECTORS // 3 :] *= 4
    return (offset + waves / np.where(scale == 0, 1, scale)).astype(np.float32)


def vectors(samples: NDArray[np.float32], scores: NDArray[np.float32]) -> str:
    """vectors.h: samples, what tsad_step must say of each, and the bits of its score."""
    rows = ",\n".join("    {" + ", ".join(f"{float(v).hex()}f" for v in row) + "}" for row in samples)
    bits = ", ".join(f"0x{bits:08x}u" for bits in scores.view(np.uint32))
    status = ", ".join("1" if np.isnan(score) else "0" for score in scores)
    return (
        "/* vectors.h - samples, what tsad_step says of each (1: the window is filling), the bits of its score. */\n"
        "#ifndef VECTORS_H\n#define VECTORS_H\n\n#include <stdint.h>\n\n"
        f"#define VECTORS {len(samples)}\n"
        f"static const float vector_samples[VECTORS][{samples.shape[1]}] = {{\n{rows},\n}};\n"
        f"static const int vector_status[VECTORS] = {{{status}}};\n"
        f"static const uint32_t vector_scores[VECTORS] = {{{bits}}};\n\n#endif\n"
    )
