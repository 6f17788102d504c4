"""One bars file, Parquet or CSV, as columns in the file's own row order; nothing is mended here.

A bars file has the columns `symbol, ts, open, high, low, close, volume`; others are ignored.
`ts` is the start of the minute with a time zone. Whatever cannot be read as that is refused in
one line that names the file, the column and what was expected.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mqd.ground.errors import BarsFileError
from mqd.ground.times import iso_utc, parse_iso

VALUE_COLUMNS = ("open", "high", "low", "close", "volume")
COLUMNS = ("symbol", "ts", *VALUE_COLUMNS)

_PARQUET_MAGIC = b"PAR1"
_UTC_NS = pa.timestamp("ns", tz="UTC")
_FIRST_NS = parse_iso("1980-01-01T00:00:00Z")
_END_NS = parse_iso("2200-01-01T00:00:00Z")
_ADD_ZONE = "write it with its zone (UTC: 2024-10-07T13:30:00Z; pandas: ts.dt.tz_localize('UTC'))"


@dataclass(frozen=True, slots=True, eq=False)
class BarsTable:
    """The rows of one file in file order.

    `codes` index `symbols`; `start_ns` is the start of each bar; `values` are the columns open,
    high, low, close (USD) and volume (shares), NaN where the file holds no finite number.
    """

    symbols: tuple[str, ...]
    codes: NDArray[np.int64]
    start_ns: NDArray[np.int64]
    values: tuple[NDArray[np.float64], ...]


def read_table(path: Path) -> BarsTable:
    """The bars of one file; `.csv` is read as CSV, everything else must be Parquet.

    Raises:
        BarsFileError: missing, empty, unreadable, or something else than one-minute bars.
    """
    try:
        if not path.exists():
            raise _refusal(path, "no such file")
        if not path.is_file():
            raise _refusal(path, "is not a file; name the bars files themselves")
        if path.stat().st_size == 0:
            raise _refusal(path, "is empty; expected one-minute bars")
        is_csv = path.suffix.lower() == ".csv"
        table = _csv_table(path) if is_csv else _parquet_table(path)
        first_row = 2 if is_csv else 1  # a person counts the header line of a CSV file
        return _bars(path, table, first_row)
    except (pa.ArrowException, OSError, UnicodeDecodeError, csv.Error) as error:
        raise _refusal(path, f"cannot be read: {_one_line(error)}") from error


def _parquet_table(path: Path) -> pa.Table:
    with path.open("rb") as file:
        if file.read(len(_PARQUET_MAGIC)) != _PARQUET_MAGIC:
            raise _refusal(path, "is not Parquet; a CSV file must be named .csv")
    with pq.ParquetFile(path) as parquet:
        _require_columns(path, parquet.schema_arrow.names)
        return parquet.read(columns=list(COLUMNS))


def _csv_table(path: Path) -> pa.Table:
    with path.open(encoding="utf-8-sig", newline="") as file:
        _require_columns(path, next(csv.reader(file), []))
    # Cells stay text here: one bad cell is then one unknown value and not a refused file.
    return pa_csv.read_csv(
        path,
        read_options=pa_csv.ReadOptions(use_threads=False),  # so that errors name the row
        convert_options=pa_csv.ConvertOptions(
            column_types={name: pa.string() for name in COLUMNS},
            include_columns=list(COLUMNS),
            null_values=[""],
            strings_can_be_null=True,
        ),
    )


def _require_columns(path: Path, found: list[str]) -> None:
    missing = [name for name in COLUMNS if name not in found]
    if missing:
        raise _refusal(
            path,
            f"has no column {', '.join(missing)}; expected {', '.join(COLUMNS)}, "
            f"found {', '.join(found[:20]) or 'nothing'}",
        )
    for name in COLUMNS:
        if found.count(name) > 1:
            raise _refusal(path, f"has the column {name} more than once")


def _bars(path: Path, table: pa.Table, first_row: int) -> BarsTable:
    if table.num_rows == 0:
        raise _refusal(path, "holds no rows; expected one-minute bars")
    plain = {name: _decoded(table.column(name)) for name in COLUMNS}
    symbols, codes = _symbols(path, plain["symbol"], first_row)
    start_ns = _starts(path, plain["ts"], first_row)
    _refuse_impossible(path, start_ns, first_row)
    return BarsTable(
        symbols, codes, start_ns, tuple(_values(path, name, plain[name]) for name in VALUE_COLUMNS)
    )


def _decoded(column: pa.ChunkedArray) -> pa.Array:
    """The column in one piece, without dictionary encoding."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _is_text(column: pa.Array) -> bool:
    kind = column.type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _symbols(
    path: Path, column: pa.Array, first_row: int
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    if not _is_text(column):
        raise _refusal(path, f"column symbol: expected text, found {column.type}")
    _refuse_empty(path, "symbol", column, first_row)
    encoded = column.cast(pa.string()).dictionary_encode()
    return tuple(encoded.dictionary.to_pylist()), _int64(encoded.indices)


def _starts(path: Path, column: pa.Array, first_row: int) -> NDArray[np.int64]:
    if _is_text(column):
        return _starts_of_text(path, column.cast(pa.string()), first_row)
    if not pa.types.is_timestamp(column.type):
        raise _refusal(
            path, f"column ts: expected timestamps with a time zone, found {column.type}"
        )
    if column.type.tz is None:
        raise _refusal(path, f"column ts has no time zone; {_ADD_ZONE}")
    _refuse_empty(path, "ts", column, first_row)
    return _int64(column.cast(_UTC_NS))


def _starts_of_text(path: Path, column: pa.Array, first_row: int) -> NDArray[np.int64]:
    _refuse_empty(path, "ts", column, first_row)
    try:
        return _int64(column.cast(_UTC_NS))
    except pa.ArrowInvalid:  # one by one: more spellings, and the row that is wrong
        return np.array(
            [
                _start_of_text(path, text, row)
                for row, text in enumerate(column.to_pylist(), first_row)
            ],
            dtype=np.int64,
        )


def _start_of_text(path: Path, text: str, row: int) -> int:
    try:
        return parse_iso(text.strip())
    except ValueError as error:
        if "time zone" in str(error):
            raise _refusal(
                path, f"column ts, row {row}: {text!r} has no time zone; {_ADD_ZONE}"
            ) from error
        raise _refusal(
            path,
            f"column ts, row {row}: expected a time like 2024-10-07T13:30:00Z, found {text!r}",
        ) from error


def _refuse_impossible(path: Path, start_ns: NDArray[np.int64], first_row: int) -> None:
    wrong = np.flatnonzero((start_ns < _FIRST_NS) | (start_ns >= _END_NS))
    if len(wrong):
        row = int(wrong[0])
        raise _refusal(
            path,
            f"column ts, row {row + first_row}: {iso_utc(int(start_ns[row]))} is outside 1980 to "
            "2199; are these seconds, milliseconds or nanoseconds read as another unit?",
        )


def _values(path: Path, name: str, column: pa.Array) -> NDArray[np.float64]:
    kind = column.type
    if pa.types.is_decimal(kind):
        column = column.cast(pa.string())  # Arrow's own cast of a decimal rounds twice
    if _is_text(column):
        values = _values_of_text(column.cast(pa.string()))
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        values = _float64(pc.cast(column, pa.float64(), safe=False))
    elif pa.types.is_null(kind):
        values = np.full(len(column), np.nan)
    else:
        raise _refusal(path, f"column {name}: expected numbers, found {kind}")
    # An infinite price or volume is no value either: like NaN it has no canonical form.
    return np.where(np.isfinite(values), values, np.nan)


def _values_of_text(column: pa.Array) -> NDArray[np.float64]:
    try:
        return _float64(column.cast(pa.float64()))
    except pa.ArrowInvalid:
        return np.array([_value_of_text(text) for text in column.to_pylist()], dtype=np.float64)


def _value_of_text(text: str | None) -> float:
    try:
        return math.nan if text is None else float(text)
    except ValueError:
        return math.nan


def _refuse_empty(path: Path, name: str, column: pa.Array, first_row: int) -> None:
    if column.null_count:
        row = column.is_null().to_pylist().index(True) + first_row
        raise _refusal(path, f"column {name}, row {row}: is empty")


def _int64(column: pa.Array) -> NDArray[np.int64]:
    return np.asarray(column.cast(pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)


def _float64(column: pa.Array) -> NDArray[np.float64]:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _refusal(path: Path, what: str) -> BarsFileError:
    return BarsFileError(f"{path}: {what}")
