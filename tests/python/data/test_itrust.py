"""SWaT and WADI from files made here in the layouts that iTrust delivers, oddities included."""

import csv
import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest

from tsad_edge.data import entities, load_labels, load_meta, load_values, on_request, prepare_dataset, sheet
from tsad_edge.data.itrust import WADI_ATTACKS, read_on_request
from tsad_edge.data.series import Entity

SWAT, WADI = on_request()["SWaT"], on_request()["WADI"]
ABOVE = [None, "P1", None, "P2", None]
TAGS = [" FIT101", "LIT101 ", " MV101", " Normal/Attack"]


def rows_of(start: str, labels: Sequence[str], clock: str = " %d/%m/%Y %I:%M:%S %p") -> list[list[Any]]:
    """Rows of SWaT, one a second."""
    first = datetime.datetime.fromisoformat(start)
    times = [(first + datetime.timedelta(seconds=i)).strftime(clock) for i in range(len(labels))]
    return [[times[i], 2.5 + i, 500 - i, i % 3, label] for i, label in enumerate(labels)]


def save(path: Path, rows: list[list[Any]], separator: str = ",") -> None:
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(path)
    else:
        text = [["" if cell is None else str(cell) for cell in row] for row in rows]
        if separator == ";":
            text = [[cell.replace(".", ",") for cell in row] for row in text]
        with open(path, "w", newline="") as file:
            csv.writer(file, delimiter=separator).writerows(text)


def swat(folder: Path, ending: str = ".csv", normal: str = "Normal_v1", **changes: Any) -> Entity:
    """Write both files, `changes` to the rows of one by name, and read them."""
    train = [ABOVE, [" Timestamp", *TAGS], *rows_of("2015-12-22 11:59:58", ["Normal"] * 6)]
    test = [ABOVE, [" Timestamp", *TAGS], *rows_of("2015-12-28 10:00:00", ["Normal", "Attack", "A ttack", "Normal"])]
    separator = changes.pop("separator", ",")
    save(folder / f"SWaT_Dataset_{normal}{ending}", changes.pop("train", lambda rows: rows)(train), separator)
    save(folder / f"SWaT_Dataset_Attack_v0{ending}", changes.pop("test", lambda rows: rows)(test), separator)
    return read_on_request(SWAT, str(folder))


@pytest.mark.parametrize(("ending", "separator"), [(".xlsx", ","), (".csv", ","), (".csv", ";")])
def test_swat(tmp_path: Path, ending: str, separator: str) -> None:
    one = swat(tmp_path, ending, separator=separator)
    assert one.name == one.test.entity == "SWaT"
    assert one.train.channels == one.test.channels == ("FIT101", "LIT101", "MV101")
    assert one.train.values.dtype == np.float32
    assert one.train.values[:2].tolist() == [[2.5, 500, 0], [3.5, 499, 1]]
    assert one.train.time == one.test.time == "milliseconds"
    assert np.datetime64(int(one.train.t[2]), "ms") == np.datetime64("2015-12-22T12:00:00")  # day first, noon
    assert np.diff(one.train.t).tolist() == [1000] * 5
    assert (one.train.sampling_period, one.train.labels) == (1.0, None)
    assert one.test.labels is not None
    assert one.test.labels.tolist() == [0, 1, 1, 0]
    assert [(e.start, e.end) for e in one.test.events] == [(1, 3)]
    assert one.notes == ()


def test_swat_without_the_line_above_the_header_and_with_an_index_column(tmp_path: Path) -> None:
    one = swat(tmp_path, train=lambda rows: rows[1:], test=lambda rows: [["", *rows[1]]] + [[7, *r] for r in rows[2:]])
    assert one.test.channels == ("FIT101", "LIT101", "MV101")
    assert len(one.test) == 4


def test_swat_versions(tmp_path: Path) -> None:
    one = swat(tmp_path, ".xlsx", "Normal_v0")
    assert one.notes == (
        "SWaT: SWaT_Dataset_Normal_v0.xlsx begins with the half hour in which the plant settles; v1 leaves that out",
    )
    assert swat(tmp_path, train=lambda rows: rows[:-1]).notes == ()  # v1 is preferred, and .csv to .xlsx
    assert len(read_on_request(SWAT, str(tmp_path)).train) == 5


def test_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for ending in (".csv", ".xlsx"):
        (tmp_path / ending).mkdir()
        whole = swat(tmp_path / ending, ending)
        with monkeypatch.context() as small:
            small.setattr(sheet, "PIECE", 4)
            pieces = swat(tmp_path / ending, ending)
        np.testing.assert_array_equal(whole.train.values, pieces.train.values)
        np.testing.assert_array_equal(whole.train.t, pieces.train.t)


def test_times_that_cannot_be_used_count_samples(tmp_path: Path) -> None:
    def twice(rows: list[list[Any]]) -> list[list[Any]]:
        rows[4][0] = rows[3][0]
        return rows

    one = swat(tmp_path, test=twice)
    assert (one.train.time, one.train.t.tolist(), one.test.t.tolist()) == ("index", [*range(6)], [*range(4)])
    assert one.train.sampling_period == 1.0
    assert one.notes == (
        "SWaT: time counts samples, as SWaT_Dataset_Attack_v0.csv, line 5: '28/12/2015 10:00:01 AM' is not later than "
        "the line before",
    )


def changed(row: int, column: int, value: Any) -> Any:
    def change(rows: list[list[Any]]) -> list[list[Any]]:
        rows[row][column] = value
        return rows

    return change


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test": changed(3, 4, "Atack")}, r"Attack_v0.*, line 4: the label 'Atack' is unknown; known are normal, att"),
        ({"train": changed(4, 4, "Attack")}, r"Normal_v1.*, line 5: 'Attack', but .* normal operation only; .* mixed"),
        ({"train": changed(4, 2, "Bad")}, r"Normal_v1.*, line 5, column 'LIT101': 'Bad' is not a number"),
        (
            {"test": changed(1, 2, "LIT9")},
            r"Attack_v0.*: no column 'LIT101', which SWaT_Dataset_Normal_v1.* one version",
        ),
        ({"train": changed(1, 0, "When")}, r"Normal_v1.*: none of the first 8 lines is a header with 'Timestamp'"),
        ({"test": changed(1, 2, "FIT101")}, r"Attack_v0.*: two columns are called 'FIT101'"),
        ({"test": lambda rows: rows[:2]}, r"Attack_v0.*: there is no row of values below the header"),
        ({"train": lambda rows: [[row[0]] for row in rows]}, r"Normal_v1.*: there is no channel beside time and label"),
    ],
)
@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
def test_bad_swat(tmp_path: Path, ending: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        swat(tmp_path, ending, **changes)


def test_bad_files(tmp_path: Path) -> None:
    swat(tmp_path, ".xlsx")
    (tmp_path / "SWaT_Dataset_Attack_v0.xlsx").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"Attack_v0.xlsx: not a readable .xlsx file"):
        read_on_request(SWAT, str(tmp_path))
    with pytest.raises(ValueError, match=r"Attack_v0.csv: .*line 4.*; the file is not as delivered, or was cut off"):
        swat(tmp_path, test=lambda rows: [*rows[:3], [*rows[3], "", 9], *rows[4:]])


def test_missing_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TSAD_MIRROR", raising=False)
    start = r"data set 'SWaT' \(Secure .*\) is given out on request only: ask at https://itrust.*, put its files .*"
    with pytest.raises(ValueError, match=start + r"Normal_v0 and SWaT_.*, as .csv or .xlsx. No folder is named now"):
        read_on_request(SWAT, None)
    with pytest.raises(ValueError, match=start + r"https://x is an address, not a folder"):
        read_on_request(SWAT, "https://x")
    with pytest.raises(ValueError, match=start + r"none has none of them"):
        read_on_request(SWAT, str(tmp_path / "none"))
    swat(tmp_path)
    monkeypatch.setenv("TSAD_MIRROR", str(tmp_path))
    assert len(read_on_request(SWAT, None).train) == 6
    (tmp_path / "SWaT_Dataset_Normal_v1.csv").unlink()
    with pytest.raises(ValueError, match=start + r"has only SWaT_Dataset_Attack_v0.csv$"):
        read_on_request(SWAT, None)


PREAMBLE = [["Created: 4/10/2017"], ["Number of rows: 6"], ["Interpolation interval: 1 seconds"], [""]]
PATH = r"\\WIN-25J4RO10SBF\LOG_DATA\SUTD_WADI\LOG_DATA" + "\\"
WADI_TAGS = ["1_AIT_001_PV", "2_LS_001_AL", "2B_AIT_004_PV"]


def wadi_rows(start: str, values: list[list[Any]]) -> list[list[Any]]:
    """Rows of WADI.A1."""
    first = datetime.datetime.fromisoformat(start)
    times = [first + datetime.timedelta(seconds=i) for i in range(len(values))]
    dates = [[f"{t.month}/{t.day}/{t.year}", f"{t.hour % 12 or 12}:{t:%M:%S}.000 {t:%p}"] for t in times]
    return [[i + 1, *date, *row] for i, (date, row) in enumerate(zip(dates, values, strict=True))]


GAPS = [["", "", 7], [1, "", 8], [2, "", ""], [3, "", ""], [4, "", 9], [5, "", 10]]
FULL = [[i, "", 10 * i] for i in range(6)]


def wadi_a1(folder: Path, start: str = "2017-10-09 19:24:58") -> Entity:
    header = ["Row", "Date", "Time", *(PATH + tag for tag in WADI_TAGS)]
    save(folder / "WADI_14days.csv", [*PREAMBLE, header, *wadi_rows("2017-09-25 18:00:00", GAPS)])
    save(folder / "WADI_attackdata.csv", [header, *wadi_rows(start, FULL)])
    return read_on_request(WADI, str(folder))


def wadi_a2(folder: Path, labels: Sequence[Any] = (1, 1, -1, -1, 1, 1)) -> Entity:
    train = [[row[0], row[1], "00:00.0", *row[3:]] for row in wadi_rows("2017-09-25 18:00:00", GAPS)]
    test = [[row[0], row[1], "00:00.0", *row[3:]] for row in wadi_rows("2017-10-09 18:00:00", FULL)]
    save(folder / "WADI_14days_new.csv", [["Row", "Date", "Time", *WADI_TAGS], *train])
    header = ["Row ", "Date ", "Time", *WADI_TAGS, "Attack LABLE (1:No Attack, -1:Attack)"]
    rows = [[*row, label] for row, label in zip(test, labels, strict=True)]
    save(folder / "WADI_attackdataLABLE.csv", [["", "", "", 1, 2, 3, ""], header, *rows, [""] * 7, [""] * 7])
    return read_on_request(WADI, str(folder))


def test_wadi_a1(tmp_path: Path) -> None:
    one = wadi_a1(tmp_path)
    assert one.train.channels == one.test.channels == ("1_AIT_001_PV", "2B_AIT_004_PV")
    assert one.train.values.tolist() == [[1, 7], [1, 8], [2, 8], [3, 8], [4, 9], [5, 10]]
    assert np.datetime64(int(one.train.t[0]), "ms") == np.datetime64("2017-09-25T18:00:00")  # month first
    assert one.test.labels is not None
    assert one.test.labels.tolist() == [0, 0, 1, 1, 1, 1]
    assert one.notes == (
        "WADI: dropped as they are empty: 2_LS_001_AL",
        "WADI: 3 missing training values in 1_AIT_001_PV, 2B_AIT_004_PV hold the value before them, for at most 2 "
        "samples",
        "WADI: WADI_attackdata.csv has no labels; they were made from the times of table_WADI.pdf, attack 9 on 11 "
        "October",
    )


def test_wadi_a1_ends_of_an_attack_and_none_at_all(tmp_path: Path) -> None:
    labels = wadi_a1(tmp_path, "2017-10-11 10:56:24").test.labels  # the ninth attack ends at 10:56:27
    assert labels is not None
    assert labels.tolist() == [1, 1, 1, 1, 0, 0]
    one = wadi_a1(tmp_path, "2018-10-09 19:24:58")
    assert (one.test.labels, one.test.events) == (None, ())
    assert one.notes[-1] == "WADI: WADI_attackdata.csv has no labels, so `tsad evaluate` counts alarms only"


def test_wadi_a1_with_a_damaged_training_clock_keeps_its_labels(tmp_path: Path) -> None:
    wadi_a1(tmp_path)
    lines = (tmp_path / "WADI_14days.csv").read_text().splitlines()
    lines[6] = lines[6].replace("6:00:01", "6:00:00")  # a second that repeats
    (tmp_path / "WADI_14days.csv").write_text("\n".join(lines))
    one = read_on_request(WADI, str(tmp_path))
    assert one.test.labels is not None and one.test.labels.tolist() == [0, 0, 1, 1, 1, 1]
    assert one.test.time == "index" and "is not later than the line before" in one.notes[-1]


def test_attacks_follow_one_another() -> None:
    assert WADI_ATTACKS.shape == (14, 2)
    assert (np.diff(WADI_ATTACKS.ravel()) > 0).all()
    seconds = (WADI_ATTACKS[:, 1] - WADI_ATTACKS[:, 0]) // 1000 + 1
    assert seconds.sum() - seconds[7] == 9860  # as users count who have attack 9 where it is misdated, inside another


def test_wadi_a2(tmp_path: Path) -> None:
    wadi_a1(tmp_path)
    one = wadi_a2(tmp_path)  # is preferred
    assert one.train.channels == ("1_AIT_001_PV", "2B_AIT_004_PV")
    assert len(one.test) == 6  # the empty rows at the end are gone
    assert one.test.labels is not None
    assert one.test.labels.tolist() == [0, 0, 1, 1, 0, 0]
    assert (one.test.time, one.test.t.tolist(), one.test.sampling_period) == ("index", [*range(6)], 1.0)
    assert one.notes[2:] == (
        "WADI: time counts samples, as WADI_14days_new.csv, line 2: '9/25/2017 00:00.0' is no time of day",
    )
    with pytest.raises(ValueError, match=r"LABLE.csv, line 4: the label '0.0' is unknown; known are 1, 1.0, -1, -1.0"):
        wadi_a2(tmp_path, (1, 0, 1, 1, 1, 1))


def test_missing_test_values_stay_missing(tmp_path: Path) -> None:
    one = swat(tmp_path, test=changed(3, 2, ""))
    assert np.argwhere(np.isnan(one.test.values)).tolist() == [[1, 1]]


def test_a_channel_without_a_test_value_is_dropped(tmp_path: Path) -> None:
    def emptied(rows: list[list[Any]]) -> list[list[Any]]:
        return [row if i < 2 else [*row[:2], "", *row[3:]] for i, row in enumerate(rows)]

    assert swat(tmp_path, test=emptied).notes == ("SWaT: dropped as they are empty: LIT101",)


def test_prepare(tmp_path: Path, csv_files) -> None:  # type: ignore[no-untyped-def]
    swat(tmp_path)
    out = {name: tmp_path / "data" / name for name in ("values", "labels", "cache")}

    def prepare(entities: str | list[str], window: int = 1) -> tuple[str, ...]:
        return prepare_dataset(
            "SWaT",
            entities=entities,
            window=window,
            mirror=str(tmp_path),
            csv=csv_files(),
            seed=1,
            values_dir=out["values"],
            labels_dir=out["labels"],
            cache_dir=out["cache"],
        )

    for chosen in ("all", ["SWaT"]):
        assert prepare(chosen) == ()
    assert entities(out["values"]) == ["SWaT"]
    meta = load_meta(out["values"], "SWaT")
    assert (meta.family, meta.sampling_period, meta.time) == ("SWaT", 1.0, "milliseconds")
    assert len(load_values(out["values"], "SWaT", "train")) == 6
    known = load_labels(out["labels"], "SWaT")
    assert known is not None
    assert [(e.start, e.end) for e in known.events] == [(1, 3)]
    with pytest.raises(ValueError, match="data set 'SWaT' has no 'tune'; write all, or a list of names from SWaT"):
        prepare("tune")
    with pytest.raises(ValueError, match="SWaT: 6 training rows are too few for window 100"):
        prepare("SWaT", window=100)
