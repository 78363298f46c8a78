"""A model that was trained elsewhere: its weights in every format, what is refused, adapters, and the whole verb.

Longer than other files because the modules and the tampered files that all its parts try are made once, here.
"""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import nn
from tsad_edge.codegen.unrolled import never_unrolled

from tsad_edge import bring, cli, codegen, own_model
from tsad_edge.detector import Detector
from tsad_edge.models.adapt import Forecast, Reconstruct
from tsad_edge.untrusted import harmless
from tsad_edge.weights import read

ROOT = Path(__file__).parents[2]
WINDOW, CHANNELS = 12, 2
MODULES = """
import time

import torch
from torch import nn


class Forecaster(nn.Module):
    def __init__(self, hidden=8):
        super().__init__()
        self.first = nn.Linear(11 * 2, hidden)
        self.last = nn.Linear(hidden, 2)

    def forward(self, past):
        return self.last(torch.tanh(self.first(past.flatten(1) / 10))) * 10


class Reconstructor(nn.Module):
    def __init__(self):
        super().__init__()
        self.narrow = nn.Linear(2, 1)
        self.wide = nn.Linear(1, 2)
        self.wide.weight = nn.Parameter(self.narrow.weight.detach().T.clone())

    def forward(self, window):
        return self.wide(self.narrow(window))


class Scorer(nn.Module):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)
        self.linear = nn.Linear(2, 2)

    def forward(self, window):
        parts = self.linear(self.drop(window[:, -1])).abs()
        return parts.sum(1), parts


class Tied(Scorer):
    def __init__(self):
        super().__init__()
        self.again = self.linear

    def forward(self, window):
        return self.again(self.linear(window[:, -1])).abs().sum(1)


class Unusual(Scorer):
    def forward(self, window):
        return torch.i0(self.linear(window[:, -1])).sum(1)


class Clock(Scorer):
    def forward(self, window):
        return self.linear(window[:, -1]).abs().sum(1) * (1 + time.time() % 1)


class Decides(Scorer):
    def forward(self, window):
        return window[:, -1, 0] if window.sum() > 0 else window[:, -1, 1]


class Column(Scorer):
    def forward(self, window):
        return super().forward(window)[0].unsqueeze(1)


class LongForecast(Forecaster):
    def forward(self, past):
        return super().forward(past).unsqueeze(1)


def build():
    return Forecaster()


def wide():
    return Forecaster(9)


def broken():
    return Forecaster().no_such_layer


def number():
    return 7


def sized(hidden):
    return Forecaster(hidden)


ready = Scorer()
"""


@dataclass
class Place:
    """A directory with modules, weights and data, as the current one."""

    path: Path
    modules: Any

    def weights(self, name: str = "build", seed: int = 3) -> nn.Module:
        """A module with drawn weights."""
        torch.manual_seed(seed)
        made = getattr(self.modules, name)
        return (made if isinstance(made, nn.Module) else made()).eval()

    def program(self, name: str, samples: int, file: str = "model.pt2", **more: Any) -> None:
        batch = {"dynamic_shapes": ({0: torch.export.Dim("B")},)} | more
        with never_unrolled():
            made = torch.export.export(self.weights(name), (torch.zeros(3, samples, CHANNELS),), **batch)
        torch.export.save(made, file)


def write_csv(path: Path, rows: int, seed: int, columns: str = "flow,power") -> None:
    """Two waves, and in the middle of a test file something else."""
    t, draw = np.arange(rows), np.random.default_rng(seed)
    values = np.stack([5 * np.sin(t / 7), 20 + np.cos(t / 7)], axis=1) + draw.normal(0, 0.2, (rows, 2))
    if "test" in path.name:
        values[rows // 2 : rows // 2 + 8] += 9
    np.savetxt(path, values, "%.4f", ",", header=columns, comments="")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    path = tmp_path_factory.mktemp("brought")
    (path / "plant_modules.py").write_text(MODULES)
    write_csv(path / "normal.csv", 600, 1)
    write_csv(path / "test.csv", 300, 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(path)
        patch.chdir(path)
        import plant_modules  # type: ignore[import-not-found]

        yield Place(path, plant_modules)


@pytest.fixture
def place(shared: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(shared.path)
    torch.save(shared.weights().state_dict(), "build.pt")
    return shared


def options(**changed: Any) -> dict[str, Any]:
    """Of a call that works, with some of them changed; None leaves one out."""
    usual = {"module": "plant_modules:build", "weights": "build.pt", "window": WINDOW, "channels": CHANNELS}
    usual |= {"calibrate": "normal.csv", "adapt": "forecast", "out": "made"}
    return {name: value for name, value in (usual | changed).items() if value is not None}


def command(**changed: Any) -> list[str]:
    found = ["convert"]
    for name, value in options(**changed).items():
        found += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return found


# ---------------------------------------------------------------- weights


def same(one: nn.Module, other: nn.Module, samples: int = WINDOW - 1) -> bool:
    x = torch.from_numpy(np.random.default_rng(4).normal(size=(5, samples, CHANNELS)).astype(np.float32))
    with torch.no_grad():
        return torch.equal(torch.as_tensor(one(x)), torch.as_tensor(other(x)))


@pytest.mark.parametrize("file", ["a.pt", "a.pth", "lightning.ckpt", "checkpoint.pt", "a.safetensors", "a.pt2"])
def test_every_format_loads(file: str, place: Place) -> None:
    original = place.weights()
    state = original.state_dict()
    below = {"lightning.ckpt": "state_dict", "checkpoint.pt": "model_state_dict"}
    if file.endswith(".safetensors"):
        save_file(state, file)
    elif file.endswith(".pt2"):
        place.program("build", WINDOW - 1, file)
    else:
        torch.save({below[file]: state, "epoch": 7} if file in below else state, file)
    loaded = bring.load(None if file.endswith(".pt2") else "plant_modules:build", Path(file))
    assert same(loaded, original) and not loaded.training
    other = place.weights(seed=4)
    assert not same(other, original), "the comparison tells two sets of weights apart"


@pytest.mark.parametrize("name", ["Forecaster", "build", "ready"])
def test_a_function_a_class_or_an_instance(name: str, place: Place) -> None:
    original = place.weights(name, seed=8)
    torch.save(original.state_dict(), "kind.pt")
    loaded = bring.load(f"plant_modules:{name}", Path("kind.pt"))
    assert not any(part.training for part in loaded.modules())
    assert loaded.state_dict().keys() == original.state_dict().keys()


def test_weights_that_are_tied_are_in_a_file_once(place: Place) -> None:
    original = place.weights("Tied")
    save_model(original, "tied.safetensors")
    assert same(bring.load("plant_modules:Tied", Path("tied.safetensors")), original)


# ---------------------------------------------------------------- what would run code


class Evil:
    """Pickled, it makes a directory when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("evil-has-run",)


@pytest.mark.parametrize("inside", [Evil(), {"state_dict": {"w": Evil()}}, [Evil()]], ids=["whole", "below", "list"])
def test_a_pickle_does_not_run(inside: Any, place: Place) -> None:
    torch.save(inside, "evil.pt")
    for module in (None, "plant_modules:build"):
        with pytest.raises(ValueError, match=r"evil.pt: holds .*mkdir.*runs code.*state_dict\(\).*--trust-pickle"):
            bring.load(module, Path("evil.pt"))
    assert not Path("evil-has-run").exists()
    with contextlib.suppress(ValueError):
        bring.load(None, Path("evil.pt"), trust=True)
    assert Path("evil-has-run").exists(), "or this test would prove nothing"
    Path("evil-has-run").rmdir()


def test_a_whole_module_is_refused_by_name(place: Place) -> None:
    torch.save(place.weights(), "whole.pt")
    with pytest.raises(ValueError, match=r"whole.pt: holds plant_modules.Forecaster, not weights alone"):
        bring.load(None, Path("whole.pt"))
    assert same(bring.load(None, Path("whole.pt"), trust=True), place.weights())
    assert same(bring.load("plant_modules:build", Path("whole.pt"), trust=True), place.weights())


def tampered(change: Callable[[str, bytes], bytes | None], more: dict[str, bytes]) -> bytes:
    """model.pt2 with members changed, left out (None) or added."""
    packed = io.BytesIO()
    with zipfile.ZipFile("model.pt2") as source, zipfile.ZipFile(packed, "w") as target:
        root = source.namelist()[0].partition("/")[0]
        for name in source.namelist():
            if (data := change(name.partition("/")[2], source.read(name))) is not None:
                target.writestr(name, data)
        for name, data in more.items():
            target.writestr(f"{root}/{name}", data)
    return packed.getvalue()


def replaced_text(member: str, pattern: str, text: str) -> Callable[[str, bytes], bytes]:
    def change(name: str, data: bytes) -> bytes:
        if name != member:
            return data
        changed, times = re.subn(pattern, lambda _: text, data.decode(), count=1)
        assert times == 1
        return changed.encode()

    return change


MODEL, CONFIG = "models/model.json", "data/weights/model_weights_config.json"
EVAL = "__import__('os').mkdir('evil-has-run')"
ATTACKS: dict[str, tuple[Callable[[str, bytes], bytes], dict[str, bytes], str]] = {
    "size": (replaced_text(MODEL, r"Symbol\('\w+', positive=True, integer=True\)", EVAL), {}, "expr_str"),
    "operator": (replaced_text(MODEL, r"torch\.ops\.aten\.tanh\.default", "torch.os.mkdir"), {}, "target"),
    "file": (replaced_text(MODEL, r"aten\.tanh\.default", "aten.save.default"), {}, "target"),
    "name": (replaced_text(MODEL, r'"name": "tanh"', f'"name": "tanh = {EVAL}; x"'), {}, "name"),
    "key": (replaced_text(MODEL, r'"tensor_values": \{"\w+"', f'"tensor_values": {{"{EVAL}"'), {}, "a key"),
    "pickled weight": (replaced_text(CONFIG, '"use_pickle": false', '"use_pickle": true'), {}, "a pickle"),
    "tree": (
        replaced_text(MODEL, r'\\"type\\": \\"builtins.dict\\"', r"\"typ\\u0065\": \"collections.defaultdict\""),
        {},
        "in_spec",
    ),
    "legacy weights": (lambda _, data: data, {"data/weights/model.pt": b"x"}, "a member 'data/weights/model.pt'"),
    "custom object": (lambda _, data: data, {"data/constants/custom_obj_0": b"x"}, "a member"),
    "compiled": (lambda _, data: data, {"data/aotinductor/model/a.so": b"x"}, "a member"),
    "twice": (lambda _, data: data, {"./models/model.json": b"{}"}, "a member"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_program_that_could_run_code_is_refused(attack: str, place: Place) -> None:
    place.program("build", WINDOW - 1)
    change, more, words = ATTACKS[attack]
    Path("evil.pt2").write_bytes(tampered(change, more))
    with pytest.raises(ValueError, match=f"evil.pt2: holds {words}.*--trust-pickle"):
        bring.load(None, Path("evil.pt2"))
    assert not Path("evil-has-run").exists()


def test_the_sample_inputs_of_a_program_are_never_read(place: Place) -> None:
    place.program("build", WINDOW - 1)
    pickled = io.BytesIO()
    torch.save((Evil(),), pickled)
    Path("evil.pt2").write_bytes(tampered(lambda n, d: pickled.getvalue() if "sample_inputs" in n else d, {}))
    assert same(bring.load(None, Path("evil.pt2")), place.weights())
    assert not Path("evil-has-run").exists()


def test_every_model_of_ours_is_harmless(tmp_path: Path) -> None:
    from tsad_edge import models
    from tsad_edge.models.export import save

    for name in models.MODELS:
        save(models.build(name, 20, 3), tmp_path / "graph.pt2")
        assert torch.export.load(harmless(tmp_path / "graph.pt2")).graph_signature.user_inputs == ("window",)


# ---------------------------------------------------------------- what does not fit


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"weights": "none.pt"}, r"none.pt: no such file; --weights"),
        ({"weights": "normal.csv"}, r"normal.csv: .*must end in .pt, .pth, .ckpt, .safetensors or .pt2"),
        ({"weights": "noise.pt"}, r"noise.pt: not a file that torch.save wrote"),
        ({"weights": "noise.safetensors"}, r"noise.safetensors: not a safetensors file"),
        ({"weights": "noise.pt2", "module": None}, r"noise.pt2: not a program that torch.export.save wrote"),
        ({"weights": "empty.pt"}, r"empty.pt: holds a dict, not a state dict"),
        ({"weights": "odd.pt"}, r"odd.pt: 'epoch' is a int, not a tensor; .*'model_state_dict'"),
        ({"weights": "script.pt"}, r"script.pt: .*TorchScript; save the model's state_dict"),
        ({"weights": "less.pt"}, r"less.pt and --module plant_modules:build: the file lacks 'last.bias'; save"),
        ({"weights": "more.pt"}, r"more.pt and .*: the module does not have 'module.x' and 1 more; save"),
        ({"module": "plant_modules:wide"}, r"build.pt and .*:wide: size mismatch for first.weight.*\[8, 22\]"),
        ({"module": None}, r"build.pt: holds weights alone; name what builds their module: --module"),
        ({"weights": "model.pt2"}, r"model.pt2: is a whole program; leave --module plant_modules:build out"),
        ({"weights": "fixed.pt2", "module": None}, r'fixed.pt2: the batch is fixed at 3; .*"past": \{0: torch.export.'),
        (
            {"weights": "model.pt2", "module": None, "window": 13},
            r"model.pt2: it fails .* was exported for \(B, 11, 2\)",
        ),
        ({"module": "plant_modules"}, r"--module is 'plant_modules'; it must be like my_file:build"),
        ({"module": "plant_modules.py:build"}, r"--module plant_modules.py:build: no module .*without .py"),
        ({"module": "nowhere:build"}, r"--module nowhere:build: no module 'nowhere' in .*without .py"),
        ({"module": "plant_modules:none"}, r"--module plant_modules:none: .*has no attribute 'none'"),
        ({"module": "plant_modules:number"}, r"--module plant_modules:number: gives a int; it must give an nn.Module"),
        ({"module": "plant_modules:MODEL"}, r"has no attribute 'MODEL'"),
        ({"module": "plant_modules:sized"}, r"plant_modules:sized: needs arguments; write a function without any"),
        ({"module": "plant_modules:broken"}, r"broken: fails at plant_modules.py:\d+: return Forecaster\(\).no_such"),
        ({"module": "bad_syntax:build"}, r"bad_syntax:build: importing it fails: SyntaxError: .*bad_syntax.py, line 1"),
        ({"module": "exits:build"}, r"exits:build: importing it fails at exits.py:1: .*: SystemExit: 3"),
        ({"module": "lacks:build"}, r"lacks:build: it imports no_such_package, which is not installed"),
        ({"window": 13}, r"build: it fails on a batch of 3 \(B, 12, 2\), .* at plant_modules.py:\d+: .*mat1 and mat2"),
        ({"window": 1}, r"--window is 1; a forecaster needs at least 2"),
        ({"window": 0}, r"--window is 0; it must be 1 or more"),
        ({"channels": 3}, r"normal.csv: 2 channels \(flow, power\), but --channels is 3"),
        ({"adapt": "guess"}, r"--adapt is 'guess'; it must be one of forecast, reconstruct"),
        ({"adapt": "reconstruct", "window": 11}, r"--adapt reconstruct it must give \(B, 11, 2\) .*gives \(3, 2\)"),
        ({"adapt": None, "window": 11}, r"must give a score \(B,\).*gives \(3, 2\).*--adapt forecast makes"),
        ({"calibrate": "none.csv"}, r"none.csv: No such file or directory; .*the option that names the file"),
        ({"calibrate": "short.csv"}, r"short.csv: 20 rows are too few for a threshold with window 12: at least 23"),
        ({"calibrate": "gap.csv"}, r"gap.csv, line 4, column 'power': .*Normal data must be complete"),
        ({"check": "other.csv"}, r"other.csv: no column 'power', which normal.csv has"),
        ({"false_alarms": "often"}, r"--false-alarms is 'often'; it must be like"),
        ({"false_alarms": "2 per day"}, r"--false-alarms is '2 per day', but the sampling period is unknown"),
        ({"threshold": "magic"}, r"--threshold is 'magic'; it must be one of quantile, mean_sigma"),
        ({"out": "normal.csv"}, r"normal.csv: is a file; --out names a folder"),
        ({"out": "."}, r"\.: holds '.*', which is none of the files written here; --out names a new folder"),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)
def test_a_misfit_is_named(changed: dict[str, Any], words: str, place: Place, capsys: Any) -> None:
    misfits()
    place.program("build", WINDOW - 1)
    place.program("build", WINDOW - 1, "fixed.pt2", dynamic_shapes=None)
    assert cli.main(command(**changed)) == 1
    said = capsys.readouterr()
    assert re.search(words, said.err) and said.err.startswith("tsad convert: ") and said.out == ""
    assert not Path("made").exists() and not list(Path().glob(".*.new"))


def misfits() -> None:
    """Files with something wrong."""
    state = torch.load("build.pt")
    for name in ("noise.pt", "noise.safetensors", "noise.pt2"):
        Path(name).write_bytes(bytes(range(256)) * 4)
    torch.save({}, "empty.pt")
    torch.save({"epoch": 3, "weights": state}, "odd.pt")
    torch.save({key: value for key, value in state.items() if key != "last.bias"}, "less.pt")
    torch.save(state | {"module.x": torch.zeros(1), "module.y": torch.zeros(1)}, "more.pt")
    with zipfile.ZipFile("script.pt", "w") as file:  # what torch takes for TorchScript
        file.writestr("script/constants.pkl", b"x")
        file.writestr("script/data.pkl", b"x")
        file.writestr("script/version", b"3\n")
    Path("bad_syntax.py").write_text("def build(:\n")
    Path("exits.py").write_text("raise SystemExit(3)\n")
    Path("lacks.py").write_text("import no_such_package\n")
    Path("short.csv").write_text("flow,power\n" + "1,2\n" * 20)
    Path("gap.csv").write_text("flow,power\n1,2\n1,2\n1,\n" + "1,2\n" * 40)
    Path("other.csv").write_text("flow\n" + "1\n" * 40)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Unusual", r"plant_modules:Unusual: aten.i0.default in .*\(plant_modules.py:\d+: return torch.i0\("),
        ("Clock", r"plant_modules:Clock: the program .* gives other scores than it gives itself; .*time"),
        ("Decides", r"plant_modules:Decides: torch.export cannot follow it.* at plant_modules.py:\d+: return window"),
        ("Column", r"plant_modules:Column: .*gives \(3, 1\) for a batch of 3; .squeeze\(1\) would do"),
        ("Reconstructor", r"gives \(3, 12, 2\) .*--adapt reconstruct makes a score of it"),
    ],
)
def test_what_cannot_be_compiled_is_named_with_its_line(name: str, words: str, place: Place, capsys: Any) -> None:
    torch.save(place.weights(name).state_dict(), "kind.pt")
    assert cli.main(command(module=f"plant_modules:{name}", weights="kind.pt", adapt=None)) == 1
    assert re.search(words, capsys.readouterr().err)


def test_a_program_keeps_its_lines_through_an_adapter(place: Place) -> None:
    place.program("build", WINDOW - 1)
    adapter = bring.scorer(bring.load(None, Path("model.pt2")), "x", "forecast", WINDOW, CHANNELS, normal())
    graph = codegen.load_program(bring.program(adapter, "x", WINDOW, CHANNELS, normal()))
    sources = [source for op in graph.ops for source in op.sources]
    tanh = next(source for source in sources if "tanh" in source.operator)
    assert re.fullmatch(r"plant_modules.py:\d+: return self.last\(torch.tanh.*", tanh.line)
    assert not any("eval_with_key" in source.line for source in sources)
    assert {"first", "last"} <= {source.module for source in sources}


def test_half_a_call_is_a_wrong_call(capsys: Any) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["convert", "--weights", "x.pt", "--window", "3"])
    assert "needs --channels, --calibrate, --out, too" in capsys.readouterr().err


# ---------------------------------------------------------------- adapters


def normal() -> np.ndarray:
    return np.loadtxt("normal.csv", delimiter=",", skiprows=1, dtype=np.float32)


def windows(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.lib.stride_tricks.sliding_window_view(values, WINDOW, axis=0).transpose(0, 2, 1).copy())


@pytest.mark.parametrize(("adapt", "name"), [("forecast", "build"), ("reconstruct", "Reconstructor")])
@pytest.mark.parametrize("unit", [1.0, 1e25, 1e-25])
def test_normal_data_has_parts_near_1(adapt: str, name: str, unit: float, place: Place) -> None:
    class InUnits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = place.weights(name)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            given: torch.Tensor = self.inner(x / unit) * unit
            return given

    values = normal() * np.float32(unit)
    scorer = bring.scorer(InUnits(), "x", adapt, WINDOW, CHANNELS, values)
    with torch.no_grad():
        score, parts = scorer(windows(values))
        guess = place.weights(name)(windows(normal())[:, :-1] if adapt == "forecast" else windows(normal()))
    assert parts.mean(0).tolist() == pytest.approx([1, 1], rel=1e-3)
    assert torch.allclose(score, parts.mean(1))
    error = (guess if adapt == "forecast" else guess[:, -1]) - windows(normal())[:, -1]
    wanted = error**2 / (error**2).mean(0)
    assert torch.allclose(parts, wanted, rtol=1e-2, atol=1e-4), "of the newest sample alone"


def test_a_forecast_may_have_an_axis_of_one_sample(place: Place) -> None:
    x = windows(normal())[:9]
    with torch.no_grad():
        long, short = (Forecast(place.weights(name), CHANNELS)(x)[0] for name in ("LongForecast", "build"))
    assert torch.equal(long, short)


def test_a_channel_that_is_met_exactly_has_a_finite_scale(place: Place) -> None:
    values = normal()
    values[:, 1] = 7.0
    scorer = bring.scorer(nn.Identity(), "x", "reconstruct", WINDOW, CHANNELS, values)
    assert isinstance(scorer, Reconstruct) and scorer.scale.tolist() == pytest.approx(
        [1 / np.sqrt(1e-3) / values[:, 0].std(), 1 / np.sqrt(1e-3)], rel=1e-5
    )


def test_an_error_without_end_is_named(place: Place) -> None:
    class Overflows(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.exp() ** torch.tensor([1.0, 900.0])

    with pytest.raises(ValueError, match=r"not finite in channel 1 .*wants? scaled data"):
        bring.scorer(Overflows(), "x", "reconstruct", WINDOW, CHANNELS, normal())


# ---------------------------------------------------------------- the whole verb


@pytest.fixture(scope="module")
def made(shared: Place) -> str:
    """What `tsad convert` says of a forecaster, checked, in the folder `proven`."""
    torch.save(shared.weights().state_dict(), shared.path / "build.pt")
    return own_model.convert_own(**options(check="test.csv", out="proven", false_alarms="5 per 1000 samples"))


def test_what_is_written(made: str, place: Place, finished: Path) -> None:
    folder = Path("proven")
    names = {"m_proven.h", "m_proven.c", "libm_proven.so", "tsad-edge", "detector.json", "cost.json", "check.json"}
    assert {path.name for path in folder.iterdir()} == names and not list(Path().glob(".proven*"))
    for name, pipeline in (
        ("detector.json", finished / "csrc/generated/m_pump_1/detector.json"),
        ("cost.json", finished / "cost.json"),
        ("check.json", finished / "check.json"),
    ):
        ours, theirs = json.loads((folder / name).read_text()), json.loads(pipeline.read_text())
        assert ours.keys() == theirs.keys(), name
        if "per_entity" in ours:
            assert ours["per_entity"]["proven"].keys() == theirs["per_entity"]["pump-1"].keys(), name
    detector = json.loads((folder / "detector.json").read_text())
    assert (detector["entity"], detector["model"]) == ("proven", "plant_modules:build")
    assert detector["calibration_samples"] == 600 - WINDOW + 1
    check = json.loads((folder / "check.json").read_text())
    assert check["passed"] and check["samples"] == 300 - WINDOW + 1 and check["alarms"] > 4


def test_what_is_said(made: str, place: Place) -> None:
    for words in ("Written to proven", "libm_proven.so", "by quantile, from 589 scores", "wanted: 5 per 1000 samples"):
        assert words in made
    assert "expected, from these scores: 3.4 samples" in made and "weights B" in made and "PASSED" in made
    feed = made.splitlines()[-1].split()
    done = subprocess.run([*feed, "--events"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("id,start,end,peak,peak_t,top\n1,")


def test_the_library_scores_like_the_users_module(made: str, place: Place) -> None:
    values = np.loadtxt("test.csv", delimiter=",", skiprows=1, dtype=np.float32)
    scores = Detector.load("proven/libm_proven.so").score(values)[WINDOW - 1 :]
    model, x = place.weights(), windows(values)
    with torch.no_grad():
        error = ((model(x[:, :-1]) - x[:, -1]) ** 2).numpy()
        typical = ((model(windows(normal())[:, :-1]) - windows(normal())[:, -1]) ** 2).numpy().mean(axis=0)
    assert scores == pytest.approx((error / typical).mean(axis=1), rel=1e-4)


def test_a_failed_check_keeps_the_files_and_names_the_operator(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """The C is generated with one weight in which a sign is wrong; nothing else knows."""
    right = own_model.generated

    def wrong(graph: Any, *rest: Any) -> Any:
        name = next(name for name in graph.constants if name.endswith("last.weight"))
        damaged = graph.constants[name].copy()
        damaged.flat[3] *= -1
        made, bad = right(graph, *rest), right(codegen.with_constants(graph, {name: damaged.ravel()}), *rest)
        return replace(made, source=bad.source, header=bad.header)

    monkeypatch.setattr(own_model, "generated", wrong)
    assert cli.main(command(check="test.csv", out="damaged")) == 1
    said = capsys.readouterr()
    assert "do not ship them" in said.err and "FAILED" in said.err and "out of tolerance" in said.err
    check = json.loads(Path("damaged/check.json").read_text())
    assert not check["passed"] and Path("damaged/libm_damaged.so").is_file()
    assert any("last" in source for source in check["per_entity"]["damaged"]["diverged"]["sources"])


def test_the_bytes_depend_on_neither_process_nor_directory(made: str, place: Place, tmp_path: Path) -> None:
    """The same again in another process, from another directory, with other paths; and this time without a check."""
    for name in ("plant_modules.py", "test.csv"):
        (tmp_path / name).write_bytes(Path(name).read_bytes())
    arguments = command(
        weights=place.path / "build.pt",
        calibrate=place.path / "normal.csv",
        out="deep/er/proven",
        false_alarms="5 per 1000 samples",
    )
    done = tsad(tmp_path, arguments)
    assert "NOT CHECKED, nothing is proven yet" in done and "PASSED" not in done
    assert not (tmp_path / "deep/er/proven/check.json").exists()
    for name in ("m_proven.h", "m_proven.c", "detector.json"):
        assert (tmp_path / "deep/er/proven" / name).read_bytes() == (place.path / "proven" / name).read_bytes()


def tsad(place: Path, *calls: list[str]) -> str:
    """Calls of the command in one fresh process."""
    code = "import sys, json; from tsad_edge.cli import main; sys.exit(any(map(main, json.loads(sys.argv[1]))))"
    run = subprocess.run([sys.executable, "-c", code, json.dumps(calls)], cwd=place, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_a_folder_with_other_files_is_left_alone(made: str, place: Place, capsys: Any) -> None:
    Path("proven/notes.txt").write_text("mine")
    assert cli.main(command(out="proven")) == 1
    assert "proven: holds 'notes.txt'" in capsys.readouterr().err
    assert Path("proven/notes.txt").read_text() == "mine" and Path("proven/libm_proven.so").is_file()
    Path("proven/notes.txt").unlink()


REFERENCE = '''
"""Classes in the shapes of the reference benchmark; saved whole by torch.save(model, ...)."""
import torch
from torch import nn


def half(inner, hidden, outer):
    sizes = [inner, hidden, hidden, hidden, outer]
    layers = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [nn.Linear(a, b), nn.LeakyReLU(True)]
    return nn.Sequential(*layers[:-1], nn.Sigmoid())


class GAN(nn.Module):
    def __init__(self, inner=99, hidden=128):
        super().__init__()
        self.generator = half(inner, hidden, inner)
        self.discriminator = half(inner, hidden, 1)

    def forward(self, x):
        return self.discriminator(self.generator(x.squeeze(-1)))


class LSTM(nn.Module):
    def __init__(self, hidden=8):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, num_layers=2, batch_first=True)
        self.dropout = nn.Dropout(0.2)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.linear(self.dropout(out[:, -1, :]))
'''


def test_whole_module_checkpoints_of_the_reference(tmp_path: Path) -> None:
    """In a process that never made them: C equals PyTorch on a whole test set, and the GAN's affine halves fold."""
    (tmp_path / "reference_models.py").write_text(REFERENCE)
    code = "import torch, reference_models as r; torch.manual_seed(2); [torch.save(m, f'{n}.pt') for n, m in "
    code += "{'gan': r.GAN(), 'lstm': r.LSTM()}.items()]"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    draw = np.random.default_rng(7)
    for name in ("normal.csv", "test.csv"):
        wave = 0.5 + 0.4 * np.sin(np.arange(500) / 8) + draw.normal(0, 0.02, 500)
        np.savetxt(tmp_path / name, wave, "%.5f", header="telemetry", comments="")
    windows = {"gan": 100, "lstm": 30}
    calls = [
        command(module=None, weights=f"{name}.pt", window=window, channels=1, check="test.csv", out=name)
        for name, window in windows.items()
    ]
    said = tsad(tmp_path, *([*call, "--trust-pickle"] for call in calls))
    assert said.count("PASSED") == 2 and said.count("was trusted, and what code it holds has run") == 2
    for name, window in windows.items():
        check = json.loads((tmp_path / name / "check.json").read_text())
        assert check["passed"] and check["samples"] == 501 - window and check["flipped_decisions"] == 0
        assert json.loads((tmp_path / name / "detector.json").read_text())["model"] == f"{name}.pt"
    cost = json.loads((tmp_path / "gan" / "cost.json").read_text())["per_entity"]["gan"]
    assert cost["mac_before"] >= 103680 and cost["mac_after"] <= 9902


def test_a_pickle_whose_classes_are_elsewhere_says_where_to_stand(place: Place, tmp_path: Path) -> None:
    (tmp_path / "away.py").write_text("from torch import nn\n\n\nclass Away(nn.Linear):\n    pass\n")
    code = "import torch, away; torch.save(away.Away(2, 2), 'away.pt')"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    with pytest.raises(ValueError, match=r"away.pt: ModuleNotFoundError: No module named 'away'; run this where"):
        read(tmp_path / "away.pt", trust=True)


def test_readme_runs_as_it_stands(empty: Path) -> None:
    """The section "Your own model": its file, then its commands, in an empty directory."""
    section = (ROOT / "README.md").read_text().split("## Your own model\n")[1].split("\n## ")[0]
    files = re.findall(r"```python\n# (\S+)\n(.*?)```", section, re.S)
    commands = "".join(line.removeprefix("    ") + "\n" for line in _indented(section))
    assert [name for name, _ in files] == ["plant.py"] and commands.count("tsad convert") == 1
    for name, text in files:
        Path(name).write_text(text)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(["sh", "-e"], input=commands, env=os.environ | {"PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "PASSED" in done.stdout
    events = done.stdout.split("id,start,end,peak,peak_t,top\n")[1].splitlines()
    assert any(line.split(",")[1] == "1200" and line.split(",")[5] == "1" for line in events), "the fault, in `power`"


def _indented(text: str) -> list[str]:
    outside = re.sub(r"```.*?```", "", text, flags=re.S)
    return [line for line in outside.splitlines() if line.startswith("    ")]
