"""Daily values from files, told to the desk as events, and none before its session has closed."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from operator import attrgetter
from pathlib import Path

from mqd.app.operate import desk_time_ns
from mqd.engine.state import DeskState
from mqd.feeds.calendar import FIRST_YEAR, LAST_YEAR, ExchangeCalendar
from mqd.feeds.daily_series import DailyValue, read_series, series_file, wrong_row
from mqd.ground.errors import SettingsError
from mqd.model.event import Event, SeriesValueTold, SessionOpened
from mqd.ports.clock import Clock
from mqd.ports.feed import FeedEvent
from mqd.rules.book import RuleBook, Series
from mqd.rules.expressions import ir
from mqd.runtime.desk import Desk

_LONGEST_BREAK_DAYS = 14  # far longer than any number of days without a session
_ONE_DAY = timedelta(days=1)
_OF_DATE = attrgetter("date")
_HAS_FILES = frozenset({"paper", "live"})  # a rehearsal goes without


class SeriesFiles:
    """The files of every series that the rules declare, in one folder.

    A file with a wrong row tells nothing, also not of its other rows: days are counted by rows,
    so a wrong one makes its neighbours doubtful. What was told before stands until it is stale.
    """

    def __init__(self, folder: str, book: RuleBook) -> None:
        self._folder = Path(folder)
        self._series = book.series
        self._calendar = ExchangeCalendar()
        self._read: dict[str, tuple[tuple[int, int], list[DailyValue]]] = {}
        self._sessions: set[str] = set()
        self._kept: dict[str, list[DailyValue]] = {}

    def keep(self, first: str) -> None:
        """Read every file for recorded sessions from this date on, and none of them again.

        Raises:
            SettingsError: a file cannot be read, or has a wrong row of a day that these sessions
                could look at, or of a later one.
        """
        self._kept = {series.id: self._values_of(series, first) for series in self._series}

    def news(self, state: DeskState, at_ns: int, before: str) -> Iterator[SeriesValueTold]:
        """What the desk has not been told yet of the sessions before this date.

        Only as many values as are looked at together, each once; again where it was corrected.

        Raises:
            SettingsError: a file cannot be read, or has a row of these or of a later day that is
                no session.
        """
        for series in self._series:
            yield from self._news_of(series, state, at_ns, before)

    def news_of_right_files(
        self, state: DeskState, at_ns: int, before: str
    ) -> tuple[list[SeriesValueTold], tuple[str, ...]]:
        """The news of every series whose file is right, and one line for each that is not."""
        told: list[SeriesValueTold] = []
        wrong: list[str] = []
        for series in self._series:
            try:
                told += self._news_of(series, state, at_ns, before)
            except (OSError, SettingsError) as error:
                wrong.append(f"series {series.id}: {error}")
        return told, tuple(wrong)

    def stamps(self) -> tuple[tuple[int, int], ...]:
        """When each file was written last, and its size: they change with its content."""
        return tuple(self._stamp_of(series) for series in self._series)

    def _stamp_of(self, series: Series) -> tuple[int, int]:
        try:
            path = series_file(self._folder, series.id)
            return (0, 0) if path is None else _stamp(path)
        except OSError:  # of this file alone
            return (0, 0)

    def _news_of(
        self, series: Series, state: DeskState, at_ns: int, before: str
    ) -> list[SeriesValueTold]:
        told = {each.date: each.value for each in state.series.get(series.id, ())}
        every = self._values_of(series, before)
        values = every[: bisect_left(every, before, key=_OF_DATE)]
        return [
            self._event(series, each, at_ns)
            for each in values[-series.counts :]
            if told.get(each.date) != each.value
        ]

    def _values_of(self, series: Series, before: str) -> list[DailyValue]:
        """Every value of a series; those that are news before this date, and later ones, are of
        sessions.
        """
        if series.id in self._kept:
            return self._kept[series.id]
        path = series_file(self._folder, series.id)
        if path is None:
            return []
        values = self._values(path)
        if before:
            news = bisect_left(values, before, key=_OF_DATE)
            self._require_sessions(path, values[max(0, news - series.counts) :])
        return values

    def _values(self, path: Path) -> list[DailyValue]:
        """The values of a file, which is read again where it changed."""
        stamp = _stamp(path)
        known = self._read.get(path.name)
        if known is None or known[0] != stamp:
            known = self._read[path.name] = stamp, read_series(path)
        return known[1]

    def _require_sessions(self, path: Path, values: list[DailyValue]) -> None:
        """What was a session once is one; each day is asked for once."""
        new = [each for each in values if each.date not in self._sessions]
        _require_sessions(path, new, self._calendar)
        self._sessions.update(each.date for each in new)

    def _event(self, series: Series, value: DailyValue, at_ns: int) -> SeriesValueTold:
        """The event of a value, good through the last session that may go by it."""
        after = date.fromisoformat(value.date) + _ONE_DAY
        until = after + timedelta(days=_LONGEST_BREAK_DAYS + series.stale_after)
        later = self._calendar.sessions(after.isoformat(), until.isoformat())
        good_through = later[series.stale_after - 1].date if later else value.date
        return SeriesValueTold(at_ns, series.id, value.date, value.value, good_through)


def _require_sessions(path: Path, values: Iterable[DailyValue], calendar: ExchangeCalendar) -> None:
    """A day without a session would be counted like one, and push another one out.

    Raises:
        SettingsError: there is such a day, in the years that the calendar knows.
    """
    for each in values:
        is_known = FIRST_YEAR <= int(each.date[:4]) <= LAST_YEAR
        if is_known and not calendar.sessions(each.date, each.date):
            raise wrong_row(
                path, each.row, "date",
                f"{each.date} is no session of the exchange; remove the row",
            )  # fmt: skip


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def known_before(state: DeskState) -> str:
    """The date before which every session has closed, as the desk knows it; nothing before any."""
    if not state.session.date or state.session.is_open:
        return state.session.date
    return (date.fromisoformat(state.session.date) + _ONE_DAY).isoformat()


def series_warnings(book: RuleBook, profile: str, folder: str) -> Iterator[str]:
    """One line for each series that a desk of this profile would know nothing of.

    A rehearsal may go without a file, and is told of one that is wrong.
    """
    calendar = ExchangeCalendar()
    for series in book.series:
        try:
            path = series_file(Path(folder), series.id)
            values = [] if path is None else read_series(path)
            if path is not None:
                _require_sessions(path, values[-series.counts :], calendar)
            is_missed = not values and profile in _HAS_FILES
            told = f"{folder} has no value of it" if is_missed else ""
        except (OSError, SettingsError) as error:
            told = str(error)
        if told:
            unanswered = ", ".join(_readers(book, series.id))
            yield (
                f"series {series.id}: {told}; what reads it stays unknown ({unanswered}); "
                "docs/operator.md shows the file"
            )


def _readers(book: RuleBook, series: str) -> Iterator[str]:
    """The codes of the rows that read a series."""
    for rule in book.strategy_watch.conditions:
        if any(name.name.startswith(f"{series}.") for name in ir.names(rule.when)):
            yield rule.code


class SeriesWatch:
    """A source of interruptions for a desk that runs: looks where a file or the session changed.

    A file that is wrong keeps out its own series, which is stale before long, and no other;
    `mqd nightly` says what is wrong with it.
    """

    def __init__(self, files: SeriesFiles, desk: Desk, clock: Clock) -> None:
        self._files = files
        self._desk = desk
        self._clock = clock
        self._looked: object = None

    def __call__(self) -> Iterator[SeriesValueTold]:
        """What is new; nothing where nothing changed since the last look."""
        state = self._desk.state
        before = known_before(state)
        seen = (self._files.stamps(), before)
        if seen != self._looked:
            self._looked = seen
            at_ns = desk_time_ns(state, self._clock)
            told, _ = self._files.news_of_right_files(state, at_ns, before)
            yield from told


def with_series(
    events: Iterable[FeedEvent], files: SeriesFiles, state: DeskState
) -> Iterator[Event]:
    """Recorded events, and before each session opens the daily values that were known by then.

    Raises:
        SettingsError: a file cannot be read.
    """
    for event in events:
        if isinstance(event, SessionOpened):
            yield from files.news(state, event.at_ns, event.date)
        yield event
