"""One CSV file -> arrays, or an error that names file, line, column and the next step."""

import numpy as np
import pytest

from tsad_edge.data.table import read_table


def test_all_columns() -> None:
    text = (
        "\ufeffflow, power ,Timestamp,is_anomaly\r\n"
        "1,2.5,2024-05-01T12:00:00Z,0\r\n"
        ',nan,2024-05-01T14:00:01.250+02:00,1\r\n"3",inf,2024-05-01 12:00:02,0\r\n'
    )
    table = read_table(text.encode(), "a.csv")
    assert table.channels == ("flow", "power")
    assert table.values.dtype == np.float32
    np.testing.assert_array_equal(table.values, [[1, 2.5], [np.nan, np.nan], [3, np.nan]])
    assert (table.t - table.t[0]).tolist() == [0, 1250, 2000]
    assert (table.time, table.t[0]) == ("milliseconds", 1714564800000)
    assert table.labels is not None
    assert table.labels.tolist() == [0, 1, 0]


def test_without_time_and_label() -> None:
    table = read_table(b"a,b\n1,2\n3,4", "a.csv")
    assert (table.time, table.t.tolist(), table.labels) == ("index", [0, 1], None)
    assert table.values.tolist() == [[1, 2], [3, 4]]


def test_named_columns_and_integer_time() -> None:
    table = read_table(b"when,fault,t\n10,0,5\n20,1,6\n", "a.csv", time="when", label="fault")
    assert (table.channels, table.t.tolist(), table.time) == (("t",), [10, 20], "milliseconds")


def test_a_single_column_may_have_gaps() -> None:
    table = read_table(b"a\n1\n\n3\n\n\n", "a.csv")
    np.testing.assert_array_equal(table.values, [[1], [np.nan], [3]])


BAD = {
    "empty": (b"", "a.csv: the file is empty"),
    "blank": (b"\n\n", "a.csv: the file is empty"),
    "header only": (b"a,b\n", "a.csv: there is a header line but no data"),
    "no header": (b"1,2\n3,4\n", "a.csv, line 1: .* holds a number where column names belong"),
    "semicolons": (b"a;b\n1;2\n", "a.csv, line 1: columns must be separated by commas"),
    "unnamed": (b"a,,b\n1,2,3\n", "a.csv, line 1: column 2 has no name"),
    "twice": (b"a,a\n1,2\n", "a.csv, line 1: two columns are called 'a'"),
    "no channels": (b"t,label\n1,0\n", "a.csv: no channel beside time and label"),
    "text": (b"a,b\n1,2\n3,x7\n5,y\n", "a.csv, line 3, column 'b': x7 is not a number"),
    "text like NA": (b"a\n1\nNA\n", "a.csv, line 3, column 'a': NA is not a number"),
    "booleans": (b"a\nTrue\nFalse\n", "a.csv, line 2, column 'a': True is not a number"),
    "some booleans": (b"a,b\n1,True\n2,\n", "a.csv, line 2, column 'b': True is not a number"),
    "open quote": (b'a,b\n1,"2\n3,4"\n', "a.csv, line 2: a quote is opened but not closed"),
    "NUL": (b"a\n1\n\x002\n", "a.csv, line 3: holds a NUL character"),
    "label in words": (b"a,label\n1,normal\n", "a.csv, line 2, column 'label': normal is not a label"),
    "temperature T": (b"T,a\n20.5,1\n", "a.csv, line 2, column 'T': 20.5 is no time; .* rename the column"),
    "decimal comma": (b'a,b\n1,"2,5"\n', "a.csv, line 2, column 'b': 2,5 is not a number"),
    "too many fields": (b"a,b\n1,2\n1,2,3\n", "a.csv, line 3: 3 fields, but the header names 2"),
    "too few fields": (b"a,b\n1,2\n1\n", "a.csv, line 3: 1 fields, but the header names 2"),
    "gap in the middle": (b"a,b\n1,2\n\n1,2\n", "a.csv, line 3: 1 fields"),
    "bad label": (b"a,label\n1,0\n1,2\n", "a.csv, line 3, column 'label': 2 is not a label"),
    "missing label": (b"a,label\n1,0\n1,\n", "a.csv, line 3, column 'label': nan is not a label"),
    "not sorted": (b"t,a\n1,1\n3,1\n2,1\n", "a.csv, line 4, column 't': 2 is earlier than the line before; sort"),
    "duplicate time": (b"t,a\n1,1\n1,1\n", "a.csv, line 3, column 't': 1 repeats the time"),
    "missing time": (b"t,a\n1,1\n,1\n", "a.csv, line 3, column 't': nan is no time"),
    "odd time": (b"t,a\n2024-01-01,1\nmonday,1\n", "a.csv, line 3, column 't': monday is no time"),
    "fractional time": (b"t,a\n0.5,1\n1.5,1\n", "a.csv, line 2, column 't': 0.5 is no time"),
    "negative time": (b"t,a\n-5,1\n1,1\n", "a.csv, line 2, column 't': -5 lies before 1970"),
    "not text": (b"a\n1\n\xff\xfe\n", "a.csv, line 3: not UTF-8"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(case: str) -> None:
    data, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        read_table(data, "a.csv")


def test_a_named_column_must_exist() -> None:
    with pytest.raises(ValueError, match=r"a.csv: no column 'when' \(columns: a, b\).*prepare.csv.time"):
        read_table(b"a,b\n1,2\n", "a.csv", time="when")
    with pytest.raises(ValueError, match=r"a.csv: no column 'fault'.*prepare.csv.label"):
        read_table(b"a,b\n1,2\n", "a.csv", label="fault")


def test_require_complete_names_the_line() -> None:
    table = read_table(b"a,b\n1,2\n3,\n,6\n", "a.csv")
    table.require_complete(1)
    with pytest.raises(
        ValueError, match=r"a.csv, line 3, column 'b': the value is missing or infinite \(2 such rows\)"
    ):
        table.require_complete(3)


def test_too_large_for_float32_is_missing() -> None:
    assert np.isnan(read_table(b"a\n1e39\n", "a.csv").values).all()


def test_old_line_ends() -> None:
    assert read_table(b"a,b\r1,2\r3,4\r", "a.csv").values.tolist() == [[1, 2], [3, 4]]
