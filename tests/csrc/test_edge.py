"""tsad-edge as a user meets it: what it prints, what it refuses in which words, and its exit status."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from tsad_edge import _core

USAGE, INPUT, MODEL = 2, 3, 4
GOLDEN = Path(__file__).parents[2] / "csrc" / "reference"


@pytest.fixture
def edge(built: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Run tsad-edge with the tiny model on a text: (exit status, output lines, error text)."""

    def run(text: str | bytes, *options: str, model: str | None = "libm_tiny.so") -> tuple[int, list[str], str]:
        path = tmp_path / "in.csv"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        chosen = ["--model", built / model] if model else []
        done = subprocess.run([built / "tsad-edge", *chosen, *options, path], capture_output=True, text=True)
        return done.returncode, done.stdout.splitlines(), done.stderr

    return run


def refused(run: tuple[int, list[str], str], status: int, *words: str) -> None:
    """The exit status, and one line of error with all these words."""
    assert run[0] == status, run
    assert run[2].startswith("tsad-edge: ") and run[2].count("\n") == 1, run[2]
    for word in words:
        assert word in run[2], f"{word!r} is not in {run[2]!r}"


# score of the tiny model: sum over 3 samples of (a - 1) / 2 + 4 * (b + 1); threshold 10
QUIET = "1,-1\n"


def test_scores_and_alarms(edge) -> None:  # type: ignore[no-untyped-def]
    status, out, err = edge("1,-1\n3,-1\n1,0\n5,1\n1,-1\n")
    assert (status, err) == (0, "")
    assert out == ["t,score,alarm,quality", "0,nan,0,0", "1,nan,0,0", "2,5,0,0", "3,15,1,0", "4,14,1,0"]


def test_a_refused_row_is_missing(edge) -> None:  # type: ignore[no-untyped-def]
    for hole in ("", "nan", "NaN", "inf", "-inf", "1e39"):
        status, out, _ = edge(f"1,-1\n3,-1\n1,{hole}\n1,0\n5,1\n")
        assert status == 0
        assert out[1:] == ["0,nan,0,0", "1,nan,0,0", "2,nan,0,1", "3,5,0,0", "4,15,1,0"]


def test_events(edge) -> None:  # type: ignore[no-untyped-def]
    rows = QUIET * 3 + "1,9\n" + QUIET * 4 + "91,-1\n"
    status, out, _ = edge(rows, "--events")
    assert status == 0
    assert out == ["id,start,end,peak,peak_t,top", "1,3,5,40,3,1", "2,8,8,45,8,0"]
    assert edge(rows, "--events", "--threshold", "44")[1] == [out[0], "1,8,8,45,8,0"]
    assert edge(rows, "--events", "--threshold", "1e6")[1] == [out[0]]


def test_header_time_and_labels(edge) -> None:  # type: ignore[no-untyped-def]
    text = (
        "\ufeffTime,a,Label,b\r\n2024-05-01T12:30:15Z,1,0,-1\r\n2024-05-01T12:30:15.5+00:00,1,oops,-1\r\n"
        '"2024-05-01 14:30:16+02:00", 1 ,,"0"'
    )
    status, out, err = edge(text)
    assert (status, err) == (0, "")
    assert out[1:] == ["1714566615000,nan,0,0", "1714566615500,nan,0,0", "1714566616000,4,0,0"]
    assert edge("a,b\n1,-1\n", model="libm_tiny.so")[1][1:] == ["0,nan,0,0"]
    assert edge("a,T,b\n1,7,-1\n")[1][1:] == ["7,nan,0,0"]


ROWS = [(1, -1), (3, -1), (1, 0), (5, 1), (1, -1)]
SCORES = ["nan,0,0", "nan,0,0", "5,0,0", "15,1,0", "14,1,0"]


def csv(header: str, row: str) -> str:
    """The rows of ROWS; `row` is formatted with t (10 and on), a and b."""
    return "\n".join([header, *(row.format(t=10 + t, a=a, b=b) for t, (a, b) in enumerate(ROWS))])


@pytest.mark.parametrize(
    ("header", "row", "options", "first", "ignored"),
    [
        ("a,b", "{a},{b}", [], 0, ""),
        ("b,a", "{b},{a}", [], 0, ""),
        ("b,time,a", "{b},{t},{a}", [], 10, ""),
        ("Label,b,t,is_anomaly,a", "x,{b},{t},,{a}", [], 10, ""),
        ("b,fault,a", "{b},none,{a}", [], 0, "fault"),
        ("A,b,t,a,time,", "9,{b},{t},{a},7,7", [], 10, "A, time, column 6, which has no name"),
        ("b,stamp,a", "{b},{t},{a}", ["--time", "stamp"], 10, ""),
        ("t,b,stamp,a", "x,{b},{t},{a}", ["--time", "stamp"], 10, "t"),
        ("Label,b,a", "{t},{b},{a}", ["--time", "Label"], 10, ""),
    ],
)
def test_columns_by_name(edge, header: str, row: str, options: list[str], first: int, ignored: str) -> None:  # type: ignore[no-untyped-def]
    status, out, err = edge(csv(header, row), *options)
    assert (status, out) == (0, ["t,score,alarm,quality", *(f"{first + i},{s}" for i, s in enumerate(SCORES))])
    assert err.endswith(f"in.csv: ignored: {ignored}\n") and err.count("\n") == 1 if ignored else err == ""


def test_a_reordered_file_scores_the_same(edge) -> None:  # type: ignore[no-untyped-def]
    lines = [line.split(",") for line in (GOLDEN / "golden.csv").read_text().split()]
    ordered = edge("\n".join(",".join(line) for line in lines), model=None)
    for order in ([1, 2, 0], [2, 1, 0], [0, 2, 1]):
        assert edge("\n".join(",".join(line[i] for i in order) for line in lines), model=None) == ordered
    assert ordered[0] == 0


def test_a_model_without_names_goes_by_position(edge) -> None:  # type: ignore[no-untyped-def]
    def run(header: str, row: str, *options: str) -> tuple[int, list[str], str]:
        return edge(csv(header, row), *options, model="libm_nameless.so")  # type: ignore[no-any-return]

    for header in ("x,label,y", "b,label,a"):
        assert run(header, "{a},0,{b}") == (
            0,
            ["t,score,alarm,quality", *(f"{i},{s}" for i, s in enumerate(SCORES))],
            "",
        )
    assert run("x,stamp,y", "{a},{t},{b}", "--time", "stamp")[1][1:] == [f"{10 + i},{s}" for i, s in enumerate(SCORES)]
    refused(run("x,stamp,y", "{a},{t},{b}"), INPUT, "line 1", "3 channel columns", "m_nameless has 2")
    refused(run("time,x", "{t},{a}"), INPUT, "line 1", "1 channel columns", "m_nameless has 2")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b,T\n1,2,3\n", ["line 1", "no column is named 'stamp'", "--time"]),
        ("stamp,a,b,stamp\n1,2,3,4\n", ["line 1", "column 4 (stamp)", "second time", "rename or remove"]),
        ("1,2\n", ["line 1", "no header", "'stamp'", "leave --time out"]),
    ],
)
def test_a_time_that_is_not_there(edge, text: str, words: list[str]) -> None:  # type: ignore[no-untyped-def]
    refused(edge(text, "--time", "stamp"), INPUT, "in.csv", *words)
    refused(edge("a,b\n1,2\n", "--time", "b"), INPUT, "line 1", "column 2 (b)", "is a channel", "--time")


def test_standard_input_is_answered_row_by_row(built: Path) -> None:
    command = [built / "tsad-edge", "--model", built / "libm_tiny.so", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("1,-1\n")
        assert [process.stdout.readline() for _ in range(2)] == ["t,score,alarm,quality\n", "0,nan,0,0\n"]
        process.stdin.write("1,-1\n")
        assert process.stdout.readline() == "1,nan,0,0\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["in.csv", "is empty"]),
        ("\n\n", ["in.csv", "is empty"]),
        ("a;b\n1,5;2\n", ["line 1", "no comma", "m_tiny has 2", "commas between"]),
        ("1\t2\n", ["line 1", "no comma"]),
        ("1,2,3\n", ["line 1", "3 channel columns", "m_tiny has 2"]),
        ("time,a\n1,2\n", ["line 1", "no column: b;", "add or rename"]),
        ("time,a,B\n1,2,3\n", ["line 1", "no column: b;", "add or rename"]),
        ("x,y\n1,2\n", ["line 1", "no column has a name", "m_tiny knows: a, b;", "by position"]),
        ("b,a,b\n1,2,3\n", ["line 1", "column 3 (b)", "second time", "rename or remove"]),
        ("b,a,b,b\n1,2,3,4\n", ["line 1", "column 3 (b)", "second time", "rename or remove"]),
        ("a,b\n1,2\n1\n", ["line 3", "1 fields", "has 2"]),
        ("a,b\n1,2\n\n1,2,3\n", ["line 4", "3 fields", "has 2"]),
        ("a,b\n1,2\n1,high\n", ["line 3", "column 2 (b)", "'high'", "not a number"]),
        ("1,2\n1,0x10\n", ["line 2", "column 2:", "'0x10'"]),
        ("1,2\n1,2;5\n", ["line 2", "column 2:", "'2;5'"]),
        ("time,a,b\nyesterday,1,2\n", ["line 2", "column 1 (time)", "'yesterday'", "ISO 8601"]),
        ("time,a,b\n,1,2\n", ["line 2", "column 1 (time)", "''"]),
        ("time,a,b\n-5,1,2\n", ["line 2", "column 1 (time)", "'-5'"]),
        ("time,a,b\n1.5,1,2\n", ["line 2", "column 1 (time)", "'1.5'"]),
        ("time,a,b\n2024-02-30,1,2\n", ["line 2", "'2024-02-30'"]),
        ("time,a,b\n5,1,2\n4,1,2\n", ["line 3", "column 1 (time)", "'4'", "t = 5", "sort", "one row for each time"]),
        ("time,a,b\n5,1,2\n5,,2\n", ["line 3", "column 1 (time)", "'5'"]),
        ("2024-05-01,1,2\n", ["line 1", "column 1", "no header"]),
        ('a,b\n1,"2\n', ["line 2", "column 2", "quote"]),
        (b"a,b\n1,\x00\n", ["line 2", "zero byte"]),
    ],
)
def test_bad_input(edge, text: str | bytes, words: list[str]) -> None:  # type: ignore[no-untyped-def]
    refused(edge(text), INPUT, "in.csv", *words)


def test_a_recording_without_any_score_is_no_silent_all_clear(edge) -> None:  # type: ignore[no-untyped-def]
    run = edge(QUIET * 2)
    refused(run, INPUT, "in.csv", "no row has a score", "m_tiny wants 3", "2 of 2", "longer")
    assert run[1] == ["t,score,alarm,quality", "0,nan,0,0", "1,nan,0,0"]
    refused(edge("a,b\n" + "1,\n" * 9, "--events"), INPUT, "in.csv", "takes 0 of 9")
    refused(edge("a,b\n"), INPUT, "in.csv", "0 of 0")
    assert edge(QUIET * 3, "--events")[0] == 0


def test_rows_before_a_bad_one_are_scored(edge) -> None:  # type: ignore[no-untyped-def]
    run = edge(QUIET * 3 + "1,x\n")
    refused(run, INPUT, "line 4", "'x'")
    assert run[1] == ["t,score,alarm,quality", "0,nan,0,0", "1,nan,0,0", "2,0,0,0"]


def test_files_that_are_not_there(built: Path, tmp_path: Path) -> None:
    def run(*arguments: str | Path) -> tuple[int, list[str], str]:
        done = subprocess.run([built / "tsad-edge", *arguments], capture_output=True, text=True, cwd=tmp_path)
        return done.returncode, done.stdout.splitlines(), done.stderr

    refused(run("gone.csv"), INPUT, "gone.csv", "cannot be opened", "No such file")
    refused(run(tmp_path), INPUT, str(tmp_path), "line 1", "cannot be read", "no folder")
    refused(run("--model", "gone.so", "x.csv"), MODEL, "gone.so", "tsad convert")
    (tmp_path / "text.so").write_text("no library")
    refused(run("--model", "text.so", "x.csv"), MODEL, "text.so")


def test_models_that_cannot_be_used(edge) -> None:  # type: ignore[no-untyped-def]
    refused(edge(QUIET, model="libm_foreign.so"), MODEL, "libm_foreign.so", f"ABI {_core.abi + 1}", "convert it again")
    refused(edge(QUIET, model="libm_damaged.so"), MODEL, "libm_damaged.so", "CRC", "convert it again")


def test_usage(built: Path) -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run([built / "tsad-edge", *arguments], capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    for wrong in (
        [],
        ["--what", "x"],
        ["a", "b"],
        ["x", "--model"],
        ["x", "--time"],
        ["--threshold", "high", "x"],
        ["--threshold", "nan", "x"],
    ):
        status, out, err = run(*wrong)
        assert status == USAGE and out == "" and err.startswith("tsad-edge: "), wrong

    def told(model: "_core.Model") -> str:
        return f"{model.name} {model.id}, weights' CRC-32 {model.crc:08x}, kernels {model.isa}\n"

    program, mine = f"tsad-edge {_core.version} (model ABI {_core.abi})\n", _core.reference()
    assert run("--version") == (0, f"{program}{told(mine)}", "")
    other = _core.Model(str(built / "libm_tiny.so"))
    status, out, err = run("--version", "--model", str(built / "libm_tiny.so"))
    assert (status, out, err) == (0, f"{program}{told(other)}", "")
    status, out, err = run("--model", str(built / "libm_damaged.so"), "--version")
    assert status == MODEL and out == "" and "libm_damaged.so: the model's weights are damaged" in err
    status, out, err = run("--help")
    assert status == 0 and out.startswith("usage: tsad-edge") and err == ""


def test_the_built_in_model_scores_what_it_was_generated_with(edge) -> None:  # type: ignore[no-untyped-def]
    status, out, _ = edge((GOLDEN / "golden.csv").read_text(), model=None)
    golden = np.array((GOLDEN / "golden_scores.csv").read_text().split()[1:], dtype=np.float64)
    scores = np.array([line.split(",")[1] for line in out[1:]], dtype=np.float64)
    assert status == 0 and np.isfinite(golden).sum() > 40
    np.testing.assert_allclose(scores, golden, rtol=1e-6, atol=1e-7)  # golden is exact arithmetic, C is float32


def test_the_built_in_model_scores_like_core(edge) -> None:  # type: ignore[no-untyped-def]
    model = _core.reference()
    samples = np.random.default_rng(3).normal(size=(200, model.channels)).astype(np.float32)
    samples[70, 0] = np.nan
    text = "\n".join(",".join(f"{value:.9g}" for value in row) for row in samples)
    status, out, _ = edge(text, model=None)
    assert status == 0
    printed = np.array([line.split(",")[1] for line in out[1:]], dtype=np.float32)
    scores, alarms, events, quality = _core.Detector(model).run(samples, None)
    np.testing.assert_array_equal(printed, scores)
    assert [line.split(",")[2] == "1" for line in out[1:]] == alarms.tolist()
    assert [int(line.split(",")[3]) for line in out[1:]] == quality.tolist() == [int(i == 70) for i in range(200)]
    lines = edge(text, "--events", model=None)[1][1:]
    assert len(lines) == len(events)
    for line, event in zip(lines, events, strict=True):
        fields = line.split(",")
        assert [int(fields[i]) for i in (0, 1, 2, 4, 5)] == [
            int(event[n]) for n in ("id", "start", "end", "peak_t", "top")
        ]
        assert np.float32(fields[3]) == event["peak"]
