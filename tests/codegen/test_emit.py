"""The C: same bytes everywhere, correct text, and the same numbers as PyTorch and the interpreter."""

import os
import random
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from tsad_edge.codegen import c_name, c_names, compile_graph, emit, interpret, load_program, mac
from tsad_edge.codegen.ctext import array, comment, literal, string
from tsad_edge.codegen.emit import MODEL_ABI, VERSION
from tsad_edge.codegen.ir import to_text

ROOT = Path(__file__).parents[2]


def sliding(samples: np.ndarray, window: int) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(samples, window, axis=0).transpose(0, 2, 1)


@given(r=st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_c_is_the_graph(r: random.Random, draw_graph, native) -> None:  # type: ignore[no-untyped-def]
    graph = draw_graph(r)
    made = compile_graph(graph, "m_test", 0.5)
    width, channels = graph.window.shape[1:]
    samples = np.random.default_rng(2).standard_normal((width + 4, channels)).astype(np.float32)
    want = interpret(made.graph, sliding(samples, width))
    model = native(made)
    scores, parts, _ = model.run(samples)
    allowed = 1e-5 * (1 + want.terms + np.abs(want.scores))
    assert (np.abs(scores - want.scores) <= allowed).all(), to_text(made.graph)
    if want.parts is not None:
        np.testing.assert_allclose(parts, want.parts, rtol=1e-4, atol=1e-4)
    for batch in (1, 2):
        again, parts_again, _ = model.run(samples, batch)
        np.testing.assert_array_equal(again, scores, "one window's score depends on its batch")
        if parts is not None:
            np.testing.assert_array_equal(parts_again, parts)
    np.testing.assert_array_equal(model.run(samples, parts=False)[0], scores)


class Dense(nn.Module):
    """A drawn dense network with a scaler and, sometimes, an LSTM before it."""

    def __init__(self, r: random.Random, window: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("offset", torch.tensor([r.randint(-40, 40) / 8 for _ in range(channels)]))
        self.register_buffer("scale", torch.tensor([r.randint(1, 16) / 8 for _ in range(channels)]))
        self.lstm = nn.LSTM(channels, r.randint(1, 5), r.randint(1, 2), batch_first=True) if r.random() < 0.4 else None
        width = window * channels if self.lstm is None else self.lstm.hidden_size
        layers: list[nn.Module] = []
        for _ in range(r.randint(0, 3)):
            wide = r.randint(1, 12)
            act = r.choice([nn.LeakyReLU(1.0), nn.LeakyReLU(0.2), nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.Identity()])
            layers += [nn.Linear(width, wide, bias=r.random() < 0.8), act]
            width = wide
        self.net = nn.Sequential(*layers, nn.Linear(width, channels))

    def forward(self, window: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        z = (window - self.offset) * self.scale
        x = z.flatten(1)
        if self.lstm is not None:
            x = self.lstm(z[:, :-1])[0][:, -1]
        parts = (self.net(x) - z[:, -1]) ** 2
        return parts.mean(1), parts


@given(r=st.randoms(use_true_random=False))
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_c_is_pytorch(r: random.Random, export, native) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(r.randint(0, 999))
    window, channels = r.randint(2, 12), r.randint(1, 5)
    module = Dense(r, window, channels).eval()
    made = compile_graph(load_program(export(module, window, channels)), "m_test", 0.5)
    samples = torch.randn(window + 9, channels).numpy()
    with torch.no_grad():
        want, want_parts = module(torch.from_numpy(sliding(samples, window).copy()))
    scores, parts, _ = native(made).run(samples)
    np.testing.assert_allclose(scores, want.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(parts, want_parts.numpy(), rtol=1e-4, atol=1e-5)


class Newest(nn.Module):
    """Outputs that no kernel computes: the score is one raw value, the parts are a raw sample."""

    def forward(self, window: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return window[:, -1, 0], window[:, 2]


class Single(nn.Module):
    """Score and parts are the same number, and a transposed tensor feeds a matrix product."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(6, 1)

    def forward(self, window: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        parts = self.mix(window.transpose(1, 2)).flatten(1).abs()
        return parts.squeeze(1), parts


class Even(nn.Module):
    """The parts are constant."""

    def forward(self, window: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return window.mean((1, 2)), torch.full_like(window[:, 0], 0.25)


@pytest.mark.parametrize(("module", "channels"), [(Newest(), 3), (Single(), 1), (Even(), 3)])
def test_outputs_that_are_views(module: nn.Module, channels: int, export, native) -> None:  # type: ignore[no-untyped-def]
    made = compile_graph(load_program(export(module.eval(), 6, channels)), "m_test", 0.5)
    samples = torch.randn(11, channels).numpy()
    with torch.no_grad():
        want, want_parts = module(torch.from_numpy(sliding(samples, 6).copy()))
    model = native(made)
    for batch in (1, 6):
        scores, parts, _ = model.run(samples, batch)
        np.testing.assert_allclose(scores, want.numpy(), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(parts, want_parts.numpy(), rtol=1e-6, atol=1e-6)


def test_reference_gan_folds_and_stays_equal(script, export, native) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    module = script("benchmarks/reference_shapes.py").ReferenceGan().eval()
    made = compile_graph(load_program(export(module, 100, 1)), "m_gan", 0.5)
    assert "mac 103680 -> 9900\n" in made.header and "mac 103680 -> 9900\n" in made.source
    assert [op.kind for op in made.graph.ops if op.kind == "linear"] == ["linear"] * 2
    samples = torch.rand(600, 1).numpy()
    with torch.no_grad():
        want = module(torch.from_numpy(sliding(samples, 100).copy())).numpy()
    assert np.abs(native(made).run(samples)[0] - want).max() <= 1e-6
    first = next(op for op in made.graph.ops if op.kind == "linear")
    layers = [f"generator.{i}.weight" for i in (0, 2, 4, 6)]
    assert first.inputs[1] == "+".join(layers) and [s.module for s in first.sources] == [
        "generator.0", "generator.2", "generator.4", "generator.6", "generator.7"
    ]  # fmt: skip


def reference(script) -> Callable[[], dict[str, str]]:  # type: ignore[no-untyped-def]
    return script("csrc/reference/generate.py").files  # type: ignore[no-any-return]


def test_committed_reference_is_regenerated_byte_for_byte(script) -> None:  # type: ignore[no-untyped-def]
    for name, text in reference(script)().items():
        assert (ROOT / "csrc/reference" / name).read_text() == text, f"run python csrc/reference/generate.py: {name}"


def test_same_bytes_in_another_process_and_place(script, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    here = tmp_path / "elsewhere"
    here.mkdir()
    (here / "generate.py").write_text((ROOT / "csrc/reference/generate.py").read_text())
    env = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-W", "ignore", "generate.py"], cwd=here, env=env, check=True)
    for name, text in reference(script)().items():
        assert (here / name).read_text() == text, name


def test_model_struct(script, native) -> None:  # type: ignore[no-untyped-def]
    module = script("csrc/reference/generate.py")
    made = compile_graph(load_program(module.program()), "m_reference", 0.5, entity="*/ \\ pump")
    model = native(made).model
    assert (model.abi, model.name, model.layout) == (MODEL_ABI, b"m_reference", b"generic")
    assert model.isa in {b"generic", b"avx2", b"avx512"}
    assert (model.channels, model.window, model.parts, model.slot_size) == (3, 16, 3, 12)
    assert model.arena_fixed % 8 == model.arena_window % 8 == 0
    assert model.arena_fixed + model.arena_window == made.cost["arena_bytes"]
    order = dict.fromkeys(i for op in made.graph.ops for i in op.inputs if i in made.graph.constants)
    crc = 0
    for name in order:
        crc = zlib.crc32(made.graph.constants[name].astype("<f4").tobytes(), crc)
    assert model.crc == crc and next(iter(order)) == "enter"
    assert made.cost["weight_bytes"] + made.cost["table_bytes"] == sum(a.nbytes for a in made.graph.constants.values())


def test_channel_names(script, native) -> None:  # type: ignore[no-untyped-def]
    """Whatever a name holds, C reads back its UTF-8 bytes."""
    graph = load_program(script("csrc/reference/generate.py").program())
    names = ['say "hi"\\n', "what??/ ??=1 Ünï\u00b0C 温度\n\t\x7f7", "*/ %s '"]
    made = compile_graph(graph, "m_named", 0.5, channels=names)
    assert made.source.isascii() and "??" not in made.source
    found = native(made).model.channel_names
    assert [found[i].decode() for i in range(3)] == names
    unnamed = compile_graph(graph, "m_unnamed", 0.5)
    assert not native(unnamed).model.channel_names and "channel_names" not in unnamed.source


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a", "b"], r"2 channel names \('a', 'b'\), but the graph has 3"),
        (["a", "b", "c", "d"], "4 channel names"),
        ([], "0 channel names"),
        ("abc", "not the one text"),
        (["a", "b", "a"], "'a' are there more than once"),
        (["a", "b\0", "c"], "zero character"),
    ],
)
def test_channel_names_that_do_not_fit(names: list[str], words: str, script) -> None:  # type: ignore[no-untyped-def]
    graph = load_program(script("csrc/reference/generate.py").program())
    with pytest.raises(ValueError, match=words):
        compile_graph(graph, "m_named", 0.5, channels=names)


def test_header_for_users(script, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """The memory macro is what the banner says; without TSAD_WEIGHTS there are no weights; C++ reads it too."""
    module = script("csrc/reference/generate.py")
    made = compile_graph(load_program(module.program()), "m_reference", 0.5)
    (tmp_path / "m_reference.h").write_text(made.header)
    (tmp_path / "use.c").write_text(
        '#include "m_reference.h"\n'
        f"int check[M_REFERENCE_MEMORY == {made.cost['memory_bytes']} ? 1 : -1];\n"
        "int sizes[M_REFERENCE_WINDOW * M_REFERENCE_CHANNELS * M_REFERENCE_PARTS];\n"
        "float m_reference_w1;\n"
    )
    for compiler in (["cc", "-std=c99"], ["c++", "-x", "c++"]):
        command = [*compiler, "-Wall", "-Werror", f"-I{ROOT / 'csrc'}", "-c", "use.c"]
        subprocess.run(command, cwd=tmp_path, check=True)


@pytest.mark.parametrize(
    ("old", "new"), [(f"TSAD_MODEL_ABI {MODEL_ABI}", "TSAD_MODEL_ABI 0"), ("TSAD_LAYOUT_GENERIC", "TSAD_LAYOUT_X")]
)
def test_other_abi_or_layout_is_refused(old: str, new: str, script, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    made = reference(script)()
    for name in ("tsad.h", "kernels/kernels.h", "kernels/kernels_s16.h"):
        text = (ROOT / "csrc" / name).read_text()
        (tmp_path / Path(name).name).write_text(text.replace(old, new))
    for name in ("m_reference.h", "m_reference.c"):
        (tmp_path / name).write_text(made[name])
    done = subprocess.run(["cc", "-c", "m_reference.c"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0 and "convert it again" in done.stderr


def test_version_is_the_librarys() -> None:
    header = (ROOT / "csrc/tsad.h").read_text()
    assert f'#define TSAD_VERSION "{VERSION}"' in header and f"#define TSAD_MODEL_ABI {MODEL_ABI}\n" in header


@given(x=st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_literals_read_back(x: float) -> None:
    text = literal(x)
    assert text.endswith("f") and any(c in text for c in ".e") and np.float32(text[:-1]) == np.float32(x)
    assert array("a", np.array([x, x], np.float32)).count(text + ",") == 2


def test_text_that_c_could_misread() -> None:
    assert string('a"\\?é') == '"a\\042\\134\\077\\303\\251"'
    assert comment("a */ b /* c \\\n") == "a * / b / * c / "
    assert c_name("machine-1-1") == "m_machine_1_1"
    with pytest.raises(ValueError, match="'a-1' and 'a_1' both become C names like m_a_1"):
        c_names(["a-1", "a_1"])
    with pytest.raises(ValueError, match="both become C names"):
        c_names(["a", "A"])
    with pytest.raises(ValueError, match="both become C names like"):
        c_names(["a-config", "a"])


def test_what_emit_refuses(draw_graph) -> None:  # type: ignore[no-untyped-def]
    graph = draw_graph(random.Random(1))
    with pytest.raises(ValueError, match="no memory plan"):
        emit(graph, "m_x", 0.0)
    with pytest.raises(ValueError, match="not a finite"):
        compile_graph(graph, "m_x", float("nan"))
    assert mac(graph) >= 0
