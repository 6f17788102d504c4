"""Rows of one or several files made into one clean order, and a defect for every mending.

What is mended: rows of other symbols are left out, rows are sorted by time, and of rows with
equal symbol and stamp the last one in file order (a later file wins) is kept. Prices are not
judged here: that is what the desk's data rules are for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mqd.feeds.bars_file import VALUE_COLUMNS, BarsTable
from mqd.ground.times import NS_PER_MINUTE, iso_utc
from mqd.model.event import FeedDefectFound

DUPLICATE_ROW = "DUPLICATE_ROW"
OUT_OF_ORDER_ROW = "OUT_OF_ORDER_ROW"
NEWEST_FIRST_FILE = "NEWEST_FIRST_FILE"
FOREIGN_SYMBOL_ROW = "FOREIGN_SYMBOL_ROW"

_NO_TIME = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True, eq=False)
class RecordedBars:
    """One-minute bars as columns, sorted by (start, symbol), no two rows with the same of both.

    `symbols` are sorted and `codes` index them; `start_ns` is the start of each bar; prices are
    USD, volumes shares, NaN where unknown. `defects` are (row, defect) pairs in order: what was
    mended, and the row that it concerns (`count` for what comes after the last row).
    """

    symbols: tuple[str, ...]
    codes: NDArray[np.int64]
    start_ns: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    defects: tuple[tuple[int, FeedDefectFound], ...] = ()

    @property
    def count(self) -> int:
        """The number of bars."""
        return len(self.start_ns)

    @property
    def first_ns(self) -> int:
        """The start of the first bar.

        Raises:
            IndexError: there are no bars.
        """
        return int(self.start_ns[0])

    @property
    def last_ns(self) -> int:
        """The end of the last bar.

        Raises:
            IndexError: there are no bars.
        """
        return int(self.start_ns[-1]) + NS_PER_MINUTE


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """The rows of every file one after the other; `file_ends` is where each file ends."""

    symbols: tuple[str, ...]
    codes: NDArray[np.int64]
    start_ns: NDArray[np.int64]
    values: tuple[NDArray[np.float64], ...]
    file_ends: tuple[int, ...]


def mended_bars(tables: Sequence[BarsTable], symbol: str | None = None) -> RecordedBars:
    """The rows of all tables in time order; with `symbol`, only that symbol's.

    Tables must come in the order in which the files were named. With `symbol`, at least one row
    must be of it.
    """
    everything = _joined(tables)
    rows, foreign = _of_symbol(everything, symbol)
    order = _time_order(rows)
    start_ns, codes = rows.start_ns[order], rows.codes[order]
    is_last = np.append((start_ns[1:] != start_ns[:-1]) | (codes[1:] != codes[:-1]), True)
    kept = order[is_last]
    # For every sorted row the number of the kept row with its stamp and symbol.
    final_of_sorted = np.cumsum(is_last) - is_last
    final = np.empty(len(order), dtype=np.int64)
    final[order] = final_of_sorted
    dropped = order[~is_last]
    kept_starts = rows.start_ns[kept]
    defects = [
        *_order_defects(rows, final),
        *_foreign_defects(everything, foreign, kept_starts, symbol),
        *_duplicate_defects(rows, dropped, kept, final),
    ]
    defects.sort(key=lambda pair: (pair[0], pair[1].at_ns))
    opens, highs, lows, closes, volumes = (column[kept] for column in rows.values)
    return RecordedBars(
        rows.symbols,
        rows.codes[kept],
        kept_starts,
        opens,
        highs,
        lows,
        closes,
        volumes,
        tuple(defects),
    )


def _joined(tables: Sequence[BarsTable]) -> _Rows:
    symbols = tuple(sorted({symbol for table in tables for symbol in table.symbols}))
    code_of = {symbol: code for code, symbol in enumerate(symbols)}
    return _Rows(
        symbols,
        np.concatenate(
            [
                np.array([code_of[symbol] for symbol in table.symbols], dtype=np.int64)[table.codes]
                for table in tables
            ]
        ),
        np.concatenate([table.start_ns for table in tables]),
        tuple(
            np.concatenate([table.values[number] for table in tables])
            for number in range(len(VALUE_COLUMNS))
        ),
        tuple(np.cumsum([len(table.start_ns) for table in tables]).tolist()),
    )


def _of_symbol(rows: _Rows, symbol: str | None) -> tuple[_Rows, NDArray[np.int64]]:
    """The rows of `symbol`, and the numbers of the rows that were left out."""
    if symbol is None or rows.symbols == (symbol,):
        return rows, np.empty(0, dtype=np.int64)
    wanted = rows.codes == rows.symbols.index(symbol)
    kept_before = np.concatenate(([0], np.cumsum(wanted)))
    return (
        _Rows(
            (symbol,),
            np.zeros(int(kept_before[-1]), dtype=np.int64),
            rows.start_ns[wanted],
            tuple(column[wanted] for column in rows.values),
            tuple(int(kept_before[end]) for end in rows.file_ends),
        ),
        np.flatnonzero(~wanted),
    )


def _time_order(rows: _Rows) -> NDArray[np.int64]:
    """Row numbers by (start, symbol, place in the files)."""
    if len(rows.symbols) == 1:
        if bool(np.all(rows.start_ns[1:] >= rows.start_ns[:-1])):
            return np.arange(len(rows.start_ns))
        return np.argsort(rows.start_ns, kind="stable")
    return np.lexsort((rows.codes, rows.start_ns))  # stable: file order decides between equals


def _order_defects(rows: _Rows, final: NDArray[np.int64]) -> list[tuple[int, FeedDefectFound]]:
    """One defect per row that stood too late in its file, or one for a file newest row first."""
    defects = []
    first = 0
    for end in rows.file_ends:
        latest, falls, rises = _latest_before(rows, first, end)
        if falls and not rises:
            row = first + int(np.argmin(rows.start_ns[first:end]))
            detail = "the file's newest row stands first; its rows were turned round"
            defects.append(_defect(rows, row, final, NEWEST_FIRST_FILE, detail))
        elif falls:
            for place in np.flatnonzero(rows.start_ns[first:end] < latest).tolist():
                detail = f"stood after the row of {iso_utc(int(latest[place]))}; put in its place"
                defects.append(_defect(rows, first + place, final, OUT_OF_ORDER_ROW, detail))
        first = end
    return defects


def _latest_before(rows: _Rows, first: int, end: int) -> tuple[NDArray[np.int64], bool, bool]:
    """Per row the latest stamp of its symbol earlier in the file; does time fall, does it rise?"""
    starts, codes = rows.start_ns[first:end], rows.codes[first:end]
    latest = np.full(end - first, _NO_TIME, dtype=np.int64)
    falls = rises = False
    for code in range(len(rows.symbols)):
        places = np.flatnonzero(codes == code) if len(rows.symbols) > 1 else slice(None)
        own = starts[places]
        if len(own) > 1:
            falls = falls or bool(np.any(own[1:] < own[:-1]))
            rises = rises or bool(np.any(own[1:] > own[:-1]))
            latest[places] = np.concatenate(([_NO_TIME], np.maximum.accumulate(own)[:-1]))
    return latest, falls, rises


def _foreign_defects(
    rows: _Rows, foreign: NDArray[np.int64], kept_starts: NDArray[np.int64], symbol: str | None
) -> list[tuple[int, FeedDefectFound]]:
    starts = rows.start_ns[foreign]
    detail = f"left out: not {symbol}"
    return [
        (place, FeedDefectFound(start, rows.symbols[code], FOREIGN_SYMBOL_ROW, start, detail))
        for place, start, code in zip(
            np.searchsorted(kept_starts, starts).tolist(),
            starts.tolist(),
            rows.codes[foreign].tolist(),
            strict=True,
        )
    ]


def _duplicate_defects(
    rows: _Rows, dropped: NDArray[np.int64], kept: NDArray[np.int64], final: NDArray[np.int64]
) -> list[tuple[int, FeedDefectFound]]:
    return [
        _defect(rows, row, final, DUPLICATE_ROW, _difference(rows, row, int(kept[final[row]])))
        for row in dropped.tolist()
    ]


def _difference(rows: _Rows, dropped: int, kept: int) -> str:
    changes = []
    for name, column in zip(VALUE_COLUMNS, rows.values, strict=True):
        old, new = float(column[dropped]), float(column[kept])
        if old != new and not (math.isnan(old) and math.isnan(new)):
            changes.append(f"{name} {_digits(old)} -> {_digits(new)}")
    return f"revised: {', '.join(changes)}; the later row was kept" if changes else "exact repeat"


def _digits(value: float) -> str:
    return repr(value).removesuffix(".0")


def _defect(
    rows: _Rows, row: int, final: NDArray[np.int64], code: str, detail: str
) -> tuple[int, FeedDefectFound]:
    start_ns = int(rows.start_ns[row])
    symbol = rows.symbols[int(rows.codes[row])]
    return int(final[row]), FeedDefectFound(start_ns, symbol, code, start_ns, detail)
