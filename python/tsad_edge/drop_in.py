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
from .boards import memory_parts, model_name
from .detector import Detector
from .files import replaced, write_json

VECTORS = 24
"""Scores in the vectors."""
SLOT_UNIT = 512.0
"""About a deviation in slots of 16 bits: a sixty-fourth of what they hold."""

MAIN = """\
/* Runs the vectors through the detector, as a firmware runs its sensors' samples: 0 when every score is as expected. */
#include "{name}.h"
#include "vectors.h"
#include <string.h>

int main(void) {{
    static uint64_t memory[({upper}_MEMORY + 7) / 8];
    tsad detector;
    tsad_result result;
    if (tsad_init(&detector, &{name}, &{name}_config, memory, sizeof memory) != TSAD_OK)
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
set(sources {sources})
{overlays}add_library({name}_detector STATIC ${{sources}})
target_include_directories({name}_detector PUBLIC .)
target_compile_options({name}_detector PRIVATE -O2 -ffp-contract=off) # products are rounded before they are added
add_executable(example main.c)
target_link_libraries(example {name}_detector)
enable_testing()
add_test(NAME vectors COMMAND example)
"""

OVERLAY = """\
# Where the compiler's flags (CMAKE_C_FLAGS) name {cores}, the files in {folder} stand for those of the same name.
include(CheckCSourceCompiles)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
check_c_source_compiles("#if !({test})\\n#error\\n#endif\\nint core;" TSAD_{upper})
if(TSAD_{upper})
    list(REMOVE_ITEM sources {files})
    foreach(file {files})
        list(APPEND sources {folder}/${{file}})
    endforeach()
    add_definitions("-DTSAD_ISA=\\"{folder}\\"")
endif()
"""

CORES = {
    "cortexm_dsp": (
        "a Cortex-M with DSP instructions and floating point",
        "__ARM_ARCH_PROFILE == 'M' && __ARM_FEATURE_DSP && (__ARM_FP & 4)",
    )
}
"""Folder of csrc/arch -> the cores that its files are for: in words, and by what compilers define."""


def export(folder: Path, out: Path) -> str:
    """Write a folder that compiles alone: detector, model, kernels it calls and their overlays, example, vectors, cost.

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
    faster = overlays(sources, csrc / "arch")
    with tempfile.TemporaryDirectory(prefix="tsad-") as scratch:
        models = Path(scratch) / "models"
        models.mkdir()
        (models / name).symlink_to(folder.resolve())
        toolchain.build(models, Path(scratch) / "native")
        detector = Detector.load(toolchain.library(Path(scratch) / "native", name), isa="generic")
        samples = typical(detector)
        scores = detector.run(samples).scores
        header = (folder / f"{name}.h").read_text()
        table, *weights = (int(values.nbytes) for _, values in detector.model.weights)  # enter's table comes first
        cost = {
            "schema": 1,
            "model": detector.model.id,
            "weight_bytes": sum(weights),
            "table_bytes": table,
            "memory_bytes": memory(header),
            **memory_parts(header),
            "kernels": sources,
            "overlays": faster,
        }
    with replaced(out) as (fresh,):
        detector_files = sorted(csrc.glob("tsad*.[ch]"))
        for file in (*detector_files, folder / f"{name}.h", folder / f"{name}.c"):
            shutil.copy2(file, fresh)
        wanted = [*sources, "functions.h"]  # which the detector includes, too
        for file in headers([csrc / "kernels" / source for source in wanted]):
            shutil.copy2(file, fresh)
        (fresh / "main.c").write_text(MAIN.format(name=name, upper=name.upper()))
        (fresh / "vectors.h").write_text(vectors(samples, scores))
        listed = " ".join([*(file.name for file in detector_files if file.suffix == ".c"), f"{name}.c", *sources])
        chosen = ""
        for isa, replacing in faster.items():
            (fresh / isa).mkdir()
            for source in replacing:
                shutil.copy2(csrc / "arch" / isa / source, fresh / isa)
            cores, test = CORES[isa]
            chosen += OVERLAY.format(cores=cores, test=test, folder=isa, upper=isa.upper(), files=" ".join(replacing))
        (fresh / "CMakeLists.txt").write_text(CMAKE.format(name=name, sources=listed, overlays=chosen))
        write_json(fresh / "cost.json", cost)
        files = sorted(file.name for file in fresh.iterdir())
    build = f"build/{name}"
    return (
        f"{out}: {len(files)} files: {', '.join(files)}\n"
        f"try it: cmake -S {out} -B {build} && cmake --build {build} && {build}/example; echo $?"
    )


def kernels(model: str, folder: Path) -> set[str]:
    """Files of the kernels that a model's C calls, and of what these call or read, tables too.

    Parameters
    ----------
    model : str
        The text.
    folder : Path
        csrc/kernels.

    Examples
    --------
    >>> sorted(kernels("TSAD_K(lstm_f32)(n);", toolchain.sources() / "csrc" / "kernels"))
    ['cells.c', 'linear.c', 'lines.c', 'lstm.c']
    """
    owner = {name: file for file in folder.glob("*.c") for name in defined(file.read_text())}
    found: set[Path] = set()
    todo = [re.sub(r"^#if(def| defined) TSAD_HOST\b.*?^#endif$", "", model, flags=re.M | re.S)]  # hosts have more forms
    while todo:
        named = {owner[name] for name in re.findall(r"TSAD_K\((\w+)\)", todo.pop()) if name in owner}
        # What kernels.h and its parts name is declared there, not called.
        inlined = [each for file in named - found for each in headers([file]) if not each.name.startswith("kernels")]
        todo += [each.read_text() for each in inlined]
        found |= named
    return {file.name for file in found}


def memory(header: str) -> int:
    """Bytes that a model's detector takes on a board, as its header says: a host's may take more, to be faster.

    Examples
    --------
    >>> memory(" * RAM    848 bytes, 320 of them arena")
    848
    """
    found = re.search(r"^ \* RAM +(\d+) bytes", header, re.M)
    assert found is not None
    return int(found[1])


def defined(source: str) -> list[str]:
    """Names of the kernels and tables that a file of kernels defines.

    Examples
    --------
    >>> defined("void TSAD_K(copy_f32)(size_t n) {\\nDEFINE_UNARY(exp_f32, tsad_exp(v))")
    ['copy_f32', 'exp_f32']
    """
    return re.findall(r"^(?:[a-z][\w ]* TSAD_K\(|DEFINE_\w+\()(\w+)", source, re.M)


def overlays(sources: list[str], arch: Path) -> dict[str, list[str]]:
    """Folder below csrc/arch -> which of these files it has a faster one for; without folders that have none.

    Examples
    --------
    >>> overlays(["linear.c", "lines.c"], toolchain.sources() / "csrc" / "arch")
    {'cortexm_dsp': ['lines.c']}
    """
    found = {isa: [source for source in sources if (arch / isa / source).is_file()] for isa in CORES}
    return {isa: files for isa, files in found.items() if files}


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
    unit = 1.0 if detector.model.slot_size == 4 * detector.model.channels else SLOT_UNIT
    offset, scale = detector.model.weights[0][1].reshape(2, -1)  # enter's table comes first
    count = detector.model.window - 1 + VECTORS
    waves = np.sin(np.arange(count)[:, np.newaxis] / (3.0 + np.arange(len(offset))))
    waves[-VECTORS // 3 :] *= 4
    return (offset + waves * unit / np.where(scale == 0, 1, scale)).astype(np.float32)


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
