"""Five synthetic sessions that ship with the desk, so that it can be tried without data or keys.

They are made by integer arithmetic alone (whole cents, a small linear congruential generator), so
they are the same to the last byte on every machine. They are not market data and prove nothing
about any strategy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mqd.feeds.bars_file import COLUMNS, VALUE_COLUMNS, BarsTable
from mqd.feeds.mending import RecordedBars, mended_bars
from mqd.ground.errors import BarsFileError
from mqd.ground.times import NS_PER_MINUTE, iso_utc, parse_iso

SAMPLE_SYMBOL = "SPY"
SAMPLE_DESCRIPTION = """\
Synthetic one-minute bars labelled SPY: five sessions made up by a formula, not market data.
2024-11-25  a morning dip that comes back to VWAP
2024-11-26  a morning dip that goes on falling, through the stop
2024-11-27  a quiet day without a dip, with a few bars before the open and after the close
2024-11-28  Thanksgiving: no session
2024-11-29  early close at 13:00: a dip that neither comes back nor reaches the stop
2024-12-02  missing minutes, a row printed twice, an early dip, and one too late to enter on
"""

_FULL_DAY = 390
_HALF_DAY = 210
_OPEN = "T14:30:00Z"  # 09:30 in New York; all these days are on standard time
_SEED = 20241125


@dataclass(frozen=True, slots=True)
class _Day:
    """One session: its course in cents at minutes after the open, and what is odd about it."""

    date: str
    minutes: int
    course: tuple[tuple[int, int], ...]
    minutes_before: int = 0
    minutes_after: int = 0
    missing: frozenset[int] = frozenset()
    printed_twice: int | None = None


_DAYS = (
    _Day(
        "2024-11-25",
        _FULL_DAY,
        ((0, 597_10), (40, 597_40), (62, 594_95), (75, 594_80), (120, 597_60), (390, 598_90)),
    ),
    _Day(
        "2024-11-26",
        _FULL_DAY,
        ((0, 599_60), (45, 599_30), (95, 594_20), (150, 593_10), (300, 595_00), (390, 595_40)),
    ),
    _Day(
        "2024-11-27",
        _FULL_DAY,
        ((0, 597_80), (90, 598_30), (200, 597_70), (390, 598_60)),
        minutes_before=4,
        minutes_after=3,
    ),
    _Day(
        "2024-11-29",
        _HALF_DAY,
        ((0, 601_20), (50, 601_40), (75, 599_20), (140, 599_05), (210, 598_95)),
    ),
    _Day(
        "2024-12-02",
        _FULL_DAY,
        (
            (0, 602_90),
            (35, 603_00),
            (55, 600_60),
            (62, 600_55),
            (95, 603_40),
            (165, 603_10),
            (190, 600_10),
            (225, 600_00),
            (280, 602_70),
            (390, 603_60),
        ),
        missing=frozenset({28, 29, 30, 137}),
        printed_twice=50,
    ),
)


class _Row(NamedTuple):
    """One bar as it is recorded: prices in whole cents, volume in shares."""

    start_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int


class _Dice:
    """Pseudo-random integers that are the same everywhere (64-bit linear congruential)."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def roll(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % 2**64
        return low + (self._state >> 33) % (high - low + 1)


def sample_bars() -> RecordedBars:
    """The sample sessions as a file of them would be read: one row printed twice is mended."""
    rows = list(_rows())
    columns = [np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)]
    # The quotient of two integers is the float64 nearest to the decimal they stand for.
    prices = [column / 100 for column in columns[1:5]]
    table = BarsTable(
        (SAMPLE_SYMBOL,),
        np.zeros(len(rows), dtype=np.int64),
        columns[0],
        (*prices, columns[5].astype(np.float64)),
    )
    return mended_bars([table], SAMPLE_SYMBOL)


def write_samples(path: Path) -> None:
    """Write the sample rows to a `.parquet` or `.csv` file, the doubled row included.

    Raises:
        BarsFileError: another suffix, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".csv":
            path.write_bytes(_csv_text().encode())
        elif suffix == ".parquet":
            pq.write_table(_arrow_table(), path)
        else:
            raise BarsFileError(f"{path}: samples are written as .parquet or .csv")
    except OSError as error:
        raise BarsFileError(f"{path}: cannot be written: {error.strerror or error}") from error


def _csv_text() -> str:
    lines = [",".join(COLUMNS)]
    for row in _rows():
        prices = ",".join(f"{cents // 100}.{cents % 100:02d}" for cents in row[1:5])
        lines.append(f"{SAMPLE_SYMBOL},{iso_utc(row.start_ns)},{prices},{row.volume}")
    return "\n".join(lines) + "\n"


def _arrow_table() -> pa.Table:
    rows = list(_rows())
    values: dict[str, pa.Array] = {
        name: pa.array([row[number] / 100 for row in rows], pa.float64())
        for number, name in enumerate(VALUE_COLUMNS[:4], 1)
    }
    return pa.table(
        {
            "symbol": pa.array([SAMPLE_SYMBOL] * len(rows)),
            "ts": pa.array([row.start_ns for row in rows], pa.timestamp("ns", tz="UTC")),
            **values,
            "volume": pa.array([row.volume for row in rows], pa.int64()),
        }
    )


def _rows() -> Iterator[_Row]:
    """Every row in the order in which it was recorded."""
    dice = _Dice(_SEED)
    for day in _DAYS:
        yield from _rows_of(day, dice)


def _rows_of(day: _Day, dice: _Dice) -> Iterator[_Row]:
    open_ns = parse_iso(day.date + _OPEN)
    noise = 0
    last = day.course[0][1]
    for minute in range(-day.minutes_before, day.minutes + day.minutes_after):
        noise = noise * 3 // 4 + dice.roll(-5, 5)
        first = last + dice.roll(-1, 1)
        last = _course_at(day.course, minute) + noise
        row = _Row(
            open_ns + minute * NS_PER_MINUTE,
            first,
            max(first, last) + dice.roll(0, 6),
            min(first, last) - dice.roll(0, 6),
            last,
            _volume(day, minute, dice),
        )
        if minute == day.printed_twice:  # first without its last trades, then whole
            yield row._replace(volume=row.volume - dice.roll(100, 900))
        if minute not in day.missing:
            yield row


def _course_at(course: tuple[tuple[int, int], ...], minute: int) -> int:
    """The course's price in cents at a minute, on the straight line between its points."""
    if minute <= course[0][0]:
        return course[0][1]
    for (left, left_cents), (right, right_cents) in pairwise(course):
        if minute <= right:
            return left_cents + (right_cents - left_cents) * (minute - left) // (right - left)
    return course[-1][1]


def _volume(day: _Day, minute: int, dice: _Dice) -> int:
    """Shares: most at the open and the close, least at noon, next to nothing outside."""
    if not 0 <= minute < day.minutes:
        return dice.roll(200, 4_000)
    from_noon = 2 * minute - day.minutes
    return 35_000 + 190_000 * from_noon**2 // day.minutes**2 + dice.roll(0, 25_000)
