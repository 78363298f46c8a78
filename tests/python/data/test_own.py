"""One's own CSV: one file or two."""

from pathlib import Path

import numpy as np
import pytest

from tsad_edge.data.own import entity_name, read_normal, read_own

WINDOW = 10


def write(path: Path, rows: int, header: str = "flow,power", line: str = "{i},{j}") -> str:
    path.write_text(
        header + "\n" + "".join(line.format(i=i, j=i % 7, t=1000 * i, fault=int(i > 90)) + "\n" for i in range(rows))
    )
    return str(path)


def test_one_file_is_split_by_time(tmp_path: Path, csv_files) -> None:  # type: ignore[no-untyped-def]
    path = write(tmp_path / "pump7.csv", 100, "t,flow,power,label", "{t},{i},{j},{fault}")
    one = read_own(csv_files(path), WINDOW)
    assert one.name == "pump7"
    assert (len(one.train), len(one.test)) == (60, 40)
    assert one.train.channels == ("flow", "power")
    assert one.test.values[0].tolist() == [60, 60 % 7]
    assert one.test.t[0] == 60000
    assert one.train.sampling_period == one.test.sampling_period == 1.0
    assert [(e.start, e.end, e.kind) for e in one.test.events] == [(31, 40, None)]
    assert one.notes == ("pump7: times are taken as milliseconds, so the sampling period is 1 s",)


def test_two_files_by_name_of_channel(tmp_path: Path, csv_files) -> None:  # type: ignore[no-untyped-def]
    train = write(tmp_path / "a.train.csv", 50)
    test = write(tmp_path / "b.csv", 20, "power,fault,flow", "{j},{fault},{i}")
    one = read_own(csv_files(train, test, label="fault"), WINDOW)
    assert one.name == "a"
    assert one.test.values[15].tolist() == [15, 1]
    assert one.train.labels is None
    assert one.test.labels is not None
    assert (one.train.time, one.train.sampling_period) == ("index", None)


def test_a_named_label_in_the_training_file_is_no_channel(tmp_path: Path, csv_files) -> None:  # type: ignore[no-untyped-def]
    header, line = "flow,fault", "{i},{fault}"
    files = write(tmp_path / "a.csv", 95, header, line), write(tmp_path / "b.csv", 20, header, line)
    one = read_own(csv_files(*files, label="fault"), WINDOW)
    assert one.train.channels == ("flow",)
    assert one.notes[0].startswith("a: 4 training rows are labelled anomalous")


def test_missing_values(tmp_path: Path, csv_files) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "a.csv"
    lines = ["flow", *map(str, range(100))]
    lines[80] = "nan"
    path.write_text("\n".join(lines))
    assert np.isnan(read_own(csv_files(str(path)), WINDOW).test.values).sum() == 1
    lines[60] = ""
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match="line 61, "):  # the last of the 60 training rows
        read_own(csv_files(str(path)), WINDOW)
    lines[30], lines[60] = "", "60"
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"a.csv, line 31, column 'flow': the value is missing or infinite \(1 such"):
        read_own(csv_files(str(path)), WINDOW)


def test_sampling_period_is_the_median_difference(tmp_path: Path, csv_files) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "a.csv"
    minutes = np.delete(np.arange(130), [5, 6, 40])
    stamps = np.datetime64("2024-05-01T00:00:00") + minutes * np.timedelta64(60, "s")
    path.write_text("date,flow\n" + "".join(f"{s},{i}\n" for i, s in enumerate(stamps)))
    one = read_own(csv_files(str(path)), WINDOW)
    assert (one.train.sampling_period, one.notes) == (60.0, ())


def test_constant_channels_are_named(tmp_path: Path, csv_files) -> None:  # type: ignore[no-untyped-def]
    one = read_own(csv_files(write(tmp_path / "a.csv", 100, "x,y", "{i},3")), WINDOW)
    assert one.train.constant_channels() == ("y",)


def test_errors(tmp_path: Path, csv_files) -> None:  # type: ignore[no-untyped-def]
    good = write(tmp_path / "good.csv", 100)
    cases = [
        (csv_files(), "prepare.csv.train is not set"),
        (csv_files(str(tmp_path / "none.csv")), "none.csv: No such file or directory; check prepare.csv"),
        (csv_files(good, train_fraction=1.0), "train_fraction is 1.0; it must lie between 0 and 1"),
        (csv_files(write(tmp_path / "s.csv", 60)), "first 36 of 60 rows of .*s.csv: 36 rows .* at least 40 are needed"),
        (csv_files(good, write(tmp_path / "t.csv", 9)), "t.csv: 9 rows are too few for the test .* at least 10"),
        (
            csv_files(good, write(tmp_path / "m.csv", 50, "flow", "{i}")),
            "m.csv: no column 'power', which .*good.csv has",
        ),
        (
            csv_files(good, write(tmp_path / "x.csv", 50, "flow,power,z", "1,2,3")),
            "x.csv: column 'z' is not in .*good.csv",
        ),
        (csv_files(good, write(tmp_path / "y.csv", 50, "t,flow,power", "{t},2,3")), "one has a time column"),
        (csv_files(good, label="fault"), "good.csv: no column 'fault'"),
    ]
    for csv, message in cases:
        with pytest.raises(ValueError, match=message):
            read_own(csv, WINDOW)


def test_entity_name(csv_files) -> None:  # type: ignore[no-untyped-def]
    assert entity_name(csv_files("x/y/C-1.train.csv")) == "C-1"


def test_the_sampling_period_is_that_of_the_training_rows(tmp_path: Path, csv_files) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "a.csv"
    path.write_text("t,x\n" + "".join(f"{i * 1000 if i < 50 else 50_000 + i * 10_000},{i}\n" for i in range(120)))
    one = read_own(csv_files(str(path), train_fraction=0.4), WINDOW)
    assert (one.train.sampling_period, one.test.sampling_period) == (1.0, 10.0)


def test_normal_data_for_a_model_made_elsewhere(tmp_path: Path) -> None:
    """The rules of `read_own`; labels go nowhere, gaps are for the file to judge alone."""
    normal = write(tmp_path / "a.csv", 19, "t,flow,power,label", "{t},{i},{j},1")
    judged = write(tmp_path / "b.csv", 10, "power,t,flow", "{j},{t},")
    one, other, notes = read_normal(normal, judged, WINDOW)
    assert other is not None and one.labels is None and one.events == ()
    assert one.channels == other.channels == ("flow", "power")
    assert np.isnan(other.values[:, 0]).all() and other.values[9, 1] == 2
    assert one.sampling_period == 1.0
    assert notes == ("a: times are taken as milliseconds, so the sampling period is 1 s",)
    assert read_normal(write(tmp_path / "c.csv", 19, "x,y", "{i},3"), None, WINDOW)[1:] == (None, ("c: constant: y",))
    with pytest.raises(ValueError, match="d.csv: 18 rows are too few for a threshold with window 10: at least 19"):
        read_normal(write(tmp_path / "d.csv", 18), None, WINDOW)
    with pytest.raises(ValueError, match="e.csv: 9 rows are too few for a check with window 10: at least 10"):
        read_normal(write(tmp_path / "f.csv", 19), write(tmp_path / "e.csv", 9), WINDOW)
    with pytest.raises(ValueError, match="b.csv, line 2, column 'flow': the value is missing"):
        read_normal(judged, None, WINDOW)
    assert len(read_normal(write(tmp_path / "g.csv", 1), None, 1)[0]) == 1
