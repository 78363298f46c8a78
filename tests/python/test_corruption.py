"""The gate of `check` on the real thing: weights of a compiled library are damaged, and the damage is found and named.

Every damage is drawn from a seed before anything runs, is written into the library's bytes, and the CRC is mended, so
that nothing but the scores can give it away.
"""

import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tsad_edge import _core
from tsad_edge.detector import Detector

from ..conftest import ISAS

LIBRARY = Path("build/native/libm_pump_1.so")
KINDS = ("sign", "zero", "exponent", "neighbour")


@dataclass(frozen=True)
class Damage:
    """One float of one weight array, and what becomes of it."""

    array: str
    at: int
    kind: str

    def apply(self, weights: np.ndarray) -> np.ndarray:
        damaged = weights.copy()
        bits = damaged.view(np.uint32)
        if self.kind == "sign":
            bits[self.at] ^= np.uint32(1 << 31)
        elif self.kind == "zero":
            damaged[self.at] = 0.0
        elif self.kind == "exponent":
            bits[self.at] ^= np.uint32(1 << 23)
        else:
            damaged[self.at] = weights[(self.at + 1) % len(weights)]
        return damaged


def weights_of(library: Path) -> dict[str, np.ndarray]:
    return {name: values.copy() for name, values in _core.Model(str(library.resolve())).weights}


def draw(weights: dict[str, np.ndarray], count: int, seed: int) -> list[Damage]:
    """Arrays evenly, then elements evenly within an array."""
    source, names = np.random.default_rng(seed), sorted(weights)
    return [
        Damage(
            name := names[source.integers(len(names))], int(source.integers(len(weights[name]))), KINDS[i % len(KINDS)]
        )
        for i in range(count)
    ]


def crc_of(weights: dict[str, np.ndarray]) -> int:
    crc = 0
    for values in weights.values():  # in the model's own order
        crc = zlib.crc32(values.tobytes(), crc)
    return crc


def write(library: Path, clean: bytes, weights: dict[str, np.ndarray], damage: Damage) -> None:
    """Replace one array in the library's bytes, and the CRC with that of the damaged weights."""
    after = weights | {damage.array: damage.apply(weights[damage.array])}
    damaged = clean
    for old, new in (
        (weights[damage.array].tobytes(), after[damage.array].tobytes()),
        (struct.pack("<II", _core.abi, crc_of(weights)), struct.pack("<II", _core.abi, crc_of(after))),
    ):
        # Weights stand once in the file; ABI with CRC once in the model of each instruction set.
        assert clean.count(old) == 1 or (len(old) == 8 and clean.count(old) <= len(ISAS))
        damaged = damaged.replace(old, new)
    library.unlink()  # dlopen knows a library by its inode: a new file, while the old one may still be open
    library.write_bytes(damaged)
    library.chmod(0o755)


def layers(array: str) -> set[str]:
    """Modules whose weights an array is, or was folded from: "decoder.0.weight+decoder.2.weight" -> both layers."""
    return {part.rpartition(".")[0] or "forward" for part in array.split("+")}


def play(copied: Path, stage: Callable[[str], None], count: int, seed: int) -> None:
    clean, weights = LIBRARY.read_bytes(), weights_of(LIBRARY)
    values = np.load("data/values/pump-1/test.npz")["values"]
    right = Detector.load(LIBRARY).score(values)
    without_effect, wrongly_named = [], []
    for number, damage in enumerate(draw(weights, count, seed)):
        write(LIBRARY, clean, weights, damage)
        scores = Detector.load(LIBRARY).score(values)
        if np.array_equal(scores.view(np.uint32), right.view(np.uint32)):
            without_effect.append(damage)
            continue
        with pytest.raises(RuntimeError, match="out of tolerance"):
            stage("check")
        verdict = json.loads(Path("check.json").read_text())["per_entity"]["pump-1"]
        sources = verdict["diverged"]["sources"]
        if not any(source.startswith(f"{layer}:") for source in sources for layer in layers(damage.array)):
            wrongly_named.append((number, damage, sources))
    assert wrongly_named == []
    print(f"{count} damages, {len(without_effect)} without effect on any sample: {without_effect}")
    assert len(without_effect) <= count // 5


def test_ten_damages_are_found_and_named(copied: Path, stage: Callable[[str], None]) -> None:
    play(copied, stage, 10, seed=10)


@pytest.mark.slow
def test_thirty_damages_of_an_lstm_are_found_and_named(copied: Path, stage: Callable[[str], None]) -> None:
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("train: {", "train: {model: lstm, "))
    for name in ("train", "test", "convert", "check"):
        stage(name)
    play(copied, stage, 30, seed=30)


@pytest.mark.slow
def test_a_hundred_damages_are_found_and_named(copied: Path, stage: Callable[[str], None]) -> None:
    play(copied, stage, 100, seed=100)


def test_a_damage_without_a_mended_crc_is_refused(copied: Path) -> None:
    clean, weights = LIBRARY.read_bytes(), weights_of(LIBRARY)
    name = max(weights, key=lambda n: len(weights[n]))
    LIBRARY.unlink()
    LIBRARY.write_bytes(clean.replace(weights[name].tobytes(), Damage(name, 3, "sign").apply(weights[name]).tobytes()))
    with pytest.raises(RuntimeError, match="CRC"):
        Detector.load(LIBRARY)
