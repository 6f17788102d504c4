"""Files of daily values: what is read, and what is refused in one line."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mqd.feeds.daily_series import DailyValue, read_series, series_file
from mqd.ground.errors import SettingsError

ROWS = [
    DailyValue("2024-10-04", Decimal("19.21"), row=2),
    DailyValue("2024-10-07", Decimal("22.64"), row=1),
]


def test_csv_and_parquet_say_the_same(tmp_path):
    text = "date,name,value\n2024-10-07,VIX,22.64\n2024-10-04,VIX,19.21\n"
    csv_file, parquet = tmp_path / "vix.csv", tmp_path / "vix.parquet"
    csv_file.write_text(text, "utf-8")
    days = [dt.date(2024, 10, 7), dt.date(2024, 10, 4)]
    pq.write_table(pa.table({"date": days, "value": [22.64, 19.21]}), parquet)
    assert read_series(parquet) == ROWS
    below_the_names = [each._replace(row=each.row + 1) for each in ROWS]
    assert read_series(csv_file) == below_the_names
    assert series_file(tmp_path, "vix") == csv_file
    csv_file.unlink()
    assert series_file(tmp_path, "vix") == parquet
    assert series_file(tmp_path, "other") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("day,value\n2024-10-07,1\n", "no column date"),
        ("date,value\n07.10.2024,1\n", "row 2, column date: expected a date such as 2024-10-07"),
        ("date,value\n2024-10-07,\n", "row 2, column value: expected a number such as 22.64"),
        ("date,value\n2024-10-07,nan\n", "row 2, column value: expected a number"),
        ("date,value\n\n2024-10-07,nan\n", "row 3, column value: expected a number"),
        (
            "date,value\n2024-10-07,1\n2024-10-07,2\n",
            "row 3, column date: 2024-10-07 is there twice, in row 2 too; keep one of them",
        ),
        ("", "no column date"),
    ],
)
def test_what_is_no_series_is_refused_in_one_line(tmp_path, text, said):
    path = tmp_path / "vix.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError, match=said) as caught:
        read_series(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_parquet_file_is_refused(tmp_path):
    path = tmp_path / "vix.parquet"
    path.write_bytes(b"PAR1 it is not")
    with pytest.raises(SettingsError, match="Parquet"):
        read_series(path)
