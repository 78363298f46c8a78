"""The edge binary says what the Python twin says, and a detector that is broken in one rule does not: rule by rule."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tsad_edge.codegen.config import config

from tsad_edge import _core
from tsad_edge.twin import ERR_INPUT, ERR_TIME, NOT_FINITE, decide, guard, smooth

CSRC = Path(__file__).parents[2] / "csrc"
THRESHOLD = 1.5
LIMITS = {
    "low": [-2.5, -2.0, -1.0],
    "high": [2.5, 2.0, 3.0],
    "jump_most": [3.0, 2.0, 2.5],
    "stuck_from": [4, 0, 3],
    "gap_most": 20,
}
RULES: dict[str, dict[str, Any]] = {
    "marks": {
        "guard": {"out_of_range": "mark", "stuck": "mark", "jump": "mark", "gap": "mark", **LIMITS},
        "events": {"hysteresis": 0.3, "min_on": 3, "refractory": 6},
    },
    "holds": {
        "guard": {"not_finite": "hold", "out_of_range": "hold", "jump": "hold", "hold_most": 3, **LIMITS},
        "events": {"smoothing": 0.4, "hysteresis": 0.1},
    },
    "resets": {
        "guard": {
            **dict.fromkeys(("not_finite", "out_of_range", "stuck", "jump", "gap", "step_back"), "reset"),
            **LIMITS,
            "jump_most": [9.0] * 3,
        },
        "events": {"smoothing": 0.4, "refractory": 3},
    },
}
BREAKS = {
    "the upper end of the range": ("tsad_guard.c", "x > g->high[c]", "x > g->high[c] + 1.0f"),
    "the lower end of the range": ("tsad_guard.c", "x < g->low[c] ||", ""),
    "a gap is longer than allowed": ("tsad_guard.c", "> d->config.guard.gap_most", ">= d->config.guard.gap_most"),
    "stuck for so many": ("tsad_guard.c", "g->stuck_from[c] - 1)", "g->stuck_from[c])"),
    "jumps go down, too": ("tsad_guard.c", "tsad_magnitude(x - d->last[c]) >", "x - d->last[c] >"),
    "held so long": ("tsad_guard.c", "d->held[c] < d->config", "d->held[c] <= d->config"),
    "a bad value is not taken": ("tsad_guard.c", "d->held[c]++;\n            continue;", "d->held[c]++;"),
    "a good value ends holding": ("tsad_guard.c", "d->held[c] = 0;", ""),
    "left out what cannot be": ("tsad_guard.c", "v->take = !cannot_be;", "v->take = (v->quality & 1) == 0;"),
    "time that runs back": ("tsad_guard.c", "v.quality = TSAD_STEP_BACK;", "v.quality = 0;"),
    "hysteresis": ("tsad_event.c", "runs ? lower(d->threshold, c->hysteresis) :", ""),
    "minimum on-time": ("tsad_event.c", "++d->run_length >= c->min_on", "++d->run_length > c->min_on"),
    "dated from the first sample": ("tsad_event.c", "d->run.id =", "d->run.start = r->t, d->run.id ="),
    "refractory time": ("tsad_event.c", "d->quiet = d->config.events.refractory;", ""),
    "refractory time ends": ("tsad_event.c", "d->quiet--;", ""),
    "the peak": ("tsad_event.c", "r->score > e->peak", "r->score < e->peak"),
    "one rounding an operation": ("tsad.c", "share * (x - d->smooth)", "share * x - share * d->smooth"),
    "smoothing begins anew": ("tsad.c", "d->smooth = tsad_nan();", ""),
    "a reset ends an event": ("tsad.c", "ended = tsad_finish(d);", "ended = 0;"),
    "a reset refills the window": ("tsad.c", "d->in_row = 0;\n", "\n"),
    "a failed step leaves no trace": ("tsad.c", "return v.status;", "return d->last_t = t, v.status;"),
}
"""What is broken -> file, what stands there, and what it is replaced with."""


def recording(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Samples (T, C) and times (T,) with all that the guard looks for; time runs back where it may."""
    draw = np.random.default_rng(4)
    values = np.round(draw.normal(0, 0.8, (3000, 3)) * 8) / 8
    steps = draw.choice([1, 5, 20, 21, 60], 3000, p=[0.985, 0.005, 0.004, 0.003, 0.003])
    for start in range(40, 2960, 40):
        row, channel, kind = start + draw.integers(20), draw.integers(3), draw.integers(6)
        rows = slice(row, row + draw.integers(1, 8))
        if kind == 0:
            values[rows, channel] = draw.choice([np.nan, np.inf])
        elif kind == 1:
            values[rows, channel] = draw.choice([-2.75, 3.25, 8])
        elif kind == 2:
            values[rows, channel] = values[row - 1, channel]
        elif kind == 3:
            values[rows] *= 2
        elif kind == 4:
            values[rows, channel] += np.where(np.arange(8)[: rows.stop - row] % 2, 3, -3)
    steps[1500] = -700 if name == "resets" else 1
    return values.astype(np.float32), np.cumsum(steps) + 1000


class Edge:
    """The edge binary with any rule broken, a library of the reference model for each of `RULES`, and its recording."""

    def __init__(self, compiler: str, place: Path) -> None:
        self.compiler, self.place = compiler, place
        self.flags = ["-std=c99", "-O1", "-ffp-contract=off", "-fPIC"]
        self.flags += [f"-I{CSRC / folder}" for folder in (".", "kernels", "reference", "target")]
        self.flags += ["-DTSAD_MODEL=m_reference", '-DTSAD_MODEL_HEADER="m_reference.h"']
        kernels = self.objects(sorted((CSRC / "kernels").glob("*.c")))
        host = [file for file in sorted((CSRC / "target").glob("*.c")) if file.stem != "tap"]
        rest = self.objects([*sorted(CSRC.glob("tsad*.c")), *host, CSRC / "reference" / "m_reference.c"])
        self.linked = [*rest, *kernels]
        for name, rules in RULES.items():
            made = config(rules, 3)
            text = (CSRC / "reference" / "m_reference.c").read_text()
            at = text.rindex("const tsad_config ")
            begins = text[at : text.index(".threshold", at)]
            fields = f".threshold = {THRESHOLD}f,\n{made.fields}}};\n"
            (place / f"{name}.c").write_text(text[:at] + made.arrays + begins + fields)
            self.cc("-shared", *self.objects([place / f"{name}.c"]), place / "library.o", *kernels, out=f"{name}.so")
            values, t = recording(name)
            rows = zip(t.tolist(), values.tolist(), strict=True)
            lines = ["t,a,b,c", *(f"{now}," + ",".join(f"{x:.9g}" for x in row) for now, row in rows)]
            (place / f"{name}.csv").write_text("\n".join(lines) + "\n")

    def cc(self, *words: str | Path, out: str) -> None:
        done = subprocess.run([self.compiler, *words, "-o", self.place / out], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def objects(self, sources: list[Path]) -> list[Path]:
        for source in sources:
            self.cc(*self.flags, "-c", source, out=f"{source.stem}.o")
        return [self.place / f"{source.stem}.o" for source in sources]

    def says(self, name: str, broken: tuple[str, str, str] | None = None) -> list[str]:
        """Scores and then events of a recording, without the events' top channel, which the twin does not know."""
        linked = self.linked
        if broken is not None:
            file, old, new = broken
            text = (CSRC / file).read_text()
            assert text.count(old) == 1, f"{file}: {old!r} stands there {text.count(old)} times: mend this test"
            (self.place / f"broken_{file}").write_text(text.replace(old, new))
            linked = [each for each in linked if each.name != file.replace(".c", ".o")]
            linked += self.objects([self.place / f"broken_{file}"])
        self.cc(*linked, "-ldl", out="tsad-edge")
        said = []
        for more in ([], ["--events"]):
            command = [
                self.place / "tsad-edge",
                "--model",
                self.place / f"{name}.so",
                *more,
                self.place / f"{name}.csv",
            ]
            done = subprocess.run(command, capture_output=True, text=True)
            lines = done.stdout.splitlines()
            said += [line.rpartition(",")[0] for line in lines] if more else lines
            said.append(f"exit {done.returncode}")
        return said

    def expected(self, name: str) -> list[str]:
        """The same by the twin."""
        rules, model = RULES[name], _core.Model(str(self.place / f"{name}.so"))

        def scored(run: np.ndarray) -> np.ndarray:
            return _core.Detector(model, guard={}, events={}).score(np.require(run, np.float32, ["C", "A"]))

        values, t = recording(name)
        seen = guard(values, t, rules["guard"])
        scores = smooth(seen.score(scored).astype(np.float32), seen.resets, rules["events"].get("smoothing", 0))
        alarms, events = decide(t, scores, THRESHOLD, rules["events"], seen.resets)
        quality = np.where(seen.refused == ERR_INPUT, NOT_FINITE, seen.quality)
        assert not (seen.refused == ERR_TIME).any() and len(events) > 5 and len(np.unique(quality)) > 3
        rows = zip(t.tolist(), scores.tolist(), alarms.tolist(), quality.tolist(), strict=True)
        return [
            "t,score,alarm,quality",
            *(f"{now},{score:.9g},{alarm:d},{found}" for now, score, alarm, found in rows),
            "exit 0",
            "id,start,end,peak,peak_t",
            *(f"{e['id']},{e['start']},{e['end']},{e['peak']:.9g},{e['peak_t']}" for e in events),
            "exit 0",
        ]


@pytest.fixture(scope="module")
def edge(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> Edge:
    return Edge(compiler, tmp_path_factory.mktemp("broken"))


@pytest.mark.parametrize("name", RULES)
def test_the_edge_binary_says_what_the_twin_says(edge: Edge, name: str) -> None:
    assert edge.says(name) == edge.expected(name)


@pytest.mark.parametrize("what", BREAKS)
def test_a_broken_rule_is_seen(edge: Edge, what: str) -> None:
    assert any(edge.says(name, BREAKS[what]) != edge.expected(name) for name in RULES)
