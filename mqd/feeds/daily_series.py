"""One file of daily values: CSV or Parquet with the columns `date` and `value`, one row a session.

Other columns are ignored. What cannot be read as that is refused in one line.
"""

from __future__ import annotations

import csv
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

from mqd.ground.errors import SettingsError

COLUMNS = ("date", "value")
SUFFIXES = (".csv", ".parquet")
_MOST_BYTES = 16 * 1024 * 1024


class DailyValue(NamedTuple):
    """The value of a session's date, and the row of the file that says it."""

    date: str
    value: Decimal
    row: int


def series_file(folder: Path, series: str) -> Path | None:
    """The file of a series in its folder, CSV first; None where there is none."""
    candidates = (folder / f"{series}{suffix}" for suffix in SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def read_series(path: Path) -> list[DailyValue]:
    """The values of one file by their dates, oldest first.

    Raises:
        SettingsError: it cannot be read, lacks a column, or says something else than one finite
            number for each date.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise SettingsError(f"{path}: is larger than a file of daily values may be")
        rows = _csv_rows(path) if path.suffix == ".csv" else _parquet_rows(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    found: dict[str, DailyValue] = {}
    for number, day, value in rows:
        read = _read(path, number, day, value)
        if read.date in found:
            raise wrong_row(
                path, number, "date",
                f"{read.date} is there twice, in row {found[read.date].row} too; keep one of them",
            )  # fmt: skip
        found[read.date] = read
    return [found[day] for day in sorted(found)]


def wrong_row(path: Path, number: int, column: str, what: str) -> SettingsError:
    """The one line of a row that is wrong: where it is, what was expected, and a hint."""
    return SettingsError(f"{path}: row {number}, column {column}: {what}")


def _csv_rows(path: Path) -> list[tuple[int, Any, Any]]:
    """Each row by its line in the file: an empty line is no row."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        _require(path, reader.fieldnames or ())
        return [(reader.line_num, row["date"], row["value"]) for row in reader]


def _parquet_rows(path: Path) -> list[tuple[int, Any, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as parquet:
            _require(path, parquet.schema_arrow.names)
            table = parquet.read(columns=list(COLUMNS))
    except pa.ArrowException as error:
        raise SettingsError(f"{path}: is not a Parquet file: {error}") from error
    columns = (table[name].to_pylist() for name in COLUMNS)
    return list(zip(range(1, table.num_rows + 1), *columns, strict=True))


def _require(path: Path, columns: Any) -> None:
    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise SettingsError(f"{path}: has no column {missing[0]}; expected date, value")


def _read(path: Path, number: int, day: Any, value: Any) -> DailyValue:
    try:
        if isinstance(day, datetime):
            day = day.date()
        parsed = day if isinstance(day, date) else date.fromisoformat(str(day).strip())
    except ValueError:
        raise wrong_row(
            path, number, "date", f"expected a date such as 2024-10-07, not {day!r}"
        ) from None
    try:
        exact = Decimal(str(value).strip())
    except InvalidOperation:
        exact = Decimal("NaN")
    if not exact.is_finite():
        raise wrong_row(
            path, number, "value",
            f"expected a number such as 22.64, not {value!r}; a session without one has no row",
        )  # fmt: skip
    return DailyValue(parsed.isoformat(), exact, number)
