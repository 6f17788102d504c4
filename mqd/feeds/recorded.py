"""Recorded bars as a feed: files in, the ordered stream of bars and session events out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import groupby, repeat
from operator import itemgetter
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from mqd.feeds.bars_file import read_table
from mqd.feeds.mending import RecordedBars, mended_bars
from mqd.feeds.sequence import missing, session_around, turn
from mqd.ground.errors import BarsFileError
from mqd.ground.times import NS_PER_MINUTE
from mqd.model.event import BarClosed, FeedDefectFound, SessionClosed
from mqd.ports.calendar import Calendar, Session
from mqd.ports.feed import FeedEvent

_NAMED_SYMBOLS = 10  # in an error line


def read_bars(paths: Sequence[Path], symbol: str | None = None) -> RecordedBars:
    """The bars of all files in time order, mended; with `symbol`, only that symbol's.

    Raises:
        BarsFileError: a file cannot be read as one-minute bars, or no row is of `symbol`.
    """
    if not paths:
        raise BarsFileError("no bars file was named")
    tables = [read_table(Path(path)) for path in paths]
    found = sorted({name for table in tables for name in table.symbols})
    if symbol is not None and symbol not in found:
        names = ", ".join(found[:_NAMED_SYMBOLS]) + (", …" if len(found) > _NAMED_SYMBOLS else "")
        raise BarsFileError(
            f"{', '.join(str(path) for path in paths)}: no row of {symbol}; "
            f"holds only {names}; try --symbol {found[0]}"
        )
    return mended_bars(tables, symbol)


class RecordedFeed:
    """Bars out of files, with the sessions of a calendar; implements `mqd.ports.feed.Feed`.

    A run of bars in which nothing can happen (minute after minute inside one session, nothing
    mended) is delivered in one sweep; the feed thinks only where a run may end.
    """

    def __init__(self, rows: RecordedBars, calendar: Calendar) -> None:
        self.rows = rows
        self._calendar = calendar
        self._previous_ns = _previous_minutes(rows)
        self._mended: dict[int, list[FeedDefectFound]] = {
            row: [defect for _, defect in pairs]
            for row, pairs in groupby(rows.defects, key=itemgetter(0))
        }
        is_break = rows.start_ns - self._previous_ns != NS_PER_MINUTE
        is_break &= rows.start_ns % NS_PER_MINUTE == 0
        is_break[[row for row in self._mended if row < rows.count]] = True
        self._breaks: list[int] = [*np.flatnonzero(is_break).tolist(), rows.count]

    def events(self, after_ns: int | None = None) -> Iterator[FeedEvent]:
        """The stream; with `after_ns`, what follows the bar that ended then (for a restart).

        A session that such a bar was part of has been opened before and is not opened again.
        """
        rows = self.rows
        starts = rows.start_ns
        seen_ns: int | None = None
        row = 0
        if after_ns is not None:
            seen_ns = after_ns - NS_PER_MINUTE
            row = int(np.searchsorted(starts, seen_ns, side="right"))
        session = session_around(self._calendar, seen_ns)
        while row < rows.count:
            start_ns = int(starts[row])
            before, session, horizon_ns = turn(self._calendar, start_ns, session)
            before += self._mended.get(row, ())
            before += self._missing(row, session, seen_ns)
            before.sort(key=itemgetter(0))
            yield from before
            end = min(
                self._breaks[bisect_right(self._breaks, row)],
                max(row + 1, int(np.searchsorted(starts, horizon_ns))),
            )
            yield from self._bars(row, end)
            row = end
        yield from self._ending(session, seen_ns)

    def _missing(self, row: int, session: Session | None, seen_ns: int | None) -> list[FeedEvent]:
        """The defect of regular minutes that are missing just before this row, if any are."""
        start_ns = int(self.rows.start_ns[row])
        if session is None or start_ns % NS_PER_MINUTE:
            return []
        previous_ns = int(self._previous_ns[row])
        if seen_ns is not None and seen_ns % NS_PER_MINUTE == 0:
            is_first = row == 0 or int(self.rows.start_ns[row - 1]) < session.open_ns
            if is_first:  # the bar before a restart may be one that this feed never held
                previous_ns = max(previous_ns, seen_ns)
        return [
            *missing(self.rows.symbols[int(self.rows.codes[row])], start_ns, previous_ns, session)
        ]

    def _bars(self, row: int, end: int) -> Iterator[BarClosed]:
        """The bars of the rows from `row` to before `end`."""
        rows = self.rows
        run = slice(row, end)
        symbols: Iterator[str] = repeat(rows.symbols[0])
        if len(rows.symbols) > 1:
            symbols = iter([rows.symbols[code] for code in rows.codes[run].tolist()])
        starts = rows.start_ns[run]
        fields = zip(
            (starts + NS_PER_MINUTE).tolist(),
            symbols,
            starts.tolist(),
            rows.open[run].tolist(),
            rows.high[run].tolist(),
            rows.low[run].tolist(),
            rows.close[run].tolist(),
            rows.volume[run].tolist(),
            strict=False,  # one symbol repeats without end
        )
        # tuple.__new__ skips the NamedTuple's own constructor, which takes three times as long.
        return cast("Iterator[BarClosed]", map(tuple.__new__, repeat(BarClosed), fields))

    def _ending(self, session: Session | None, seen_ns: int | None) -> Iterator[FeedEvent]:
        """What comes after the last bar: its session's close if it was reached, late defects."""
        events: list[FeedEvent] = [*self._mended.get(self.rows.count, ())]
        if session is not None:
            last_ns = max(int(start) for start in (*self.rows.start_ns[-1:], seen_ns or 0))
            if last_ns + NS_PER_MINUTE >= session.close_ns or any(
                event.at_ns >= session.close_ns for event in events
            ):
                events.insert(0, SessionClosed(session.close_ns, session.date))
        events.sort(key=itemgetter(0))
        yield from events


def _previous_minutes(rows: RecordedBars) -> NDArray[np.int64]:
    """Per row the start of the latest earlier bar of its symbol that starts on a full minute."""
    previous = np.full(rows.count, np.iinfo(np.int64).min // 2, dtype=np.int64)
    on_minute = rows.start_ns % NS_PER_MINUTE == 0
    for code in range(len(rows.symbols)):
        places = np.flatnonzero(on_minute & (rows.codes == code))
        previous[places[1:]] = rows.start_ns[places[:-1]]
    return previous
