"""The New York Stock Exchange's sessions: holidays, early closes, days of mourning, clock changes.

The days come from the exchange-calendars library, which is asked for whole blocks of years when
an instant in them is first looked up. The wall clock decides nothing: the same instant has the
same session whenever it is asked for.
"""

from __future__ import annotations

import warnings
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from mqd.ground.errors import SetupError
from mqd.ground.times import NS_PER_S, clock_text, iso_utc
from mqd.ports.calendar import Session

EXCHANGE_ZONE = ZoneInfo("America/New_York")
FIRST_YEAR = 1970
LAST_YEAR = 2199
"""The years the library's holiday rules reach; outside them no day has a session."""

_BLOCK_YEARS = 30  # the library takes as long for one year as for thirty (about 80 ms)
_LONGEST_BREAK_DAYS = 14  # the longest since 1970 was 6 days, in September 2001
_NS_PER_HOUR = 3_600 * NS_PER_S
_ONE_DAY = timedelta(days=1)


def exchange_datetime(at_ns: int) -> datetime:
    """The wall time at the exchange, cut to seconds.

    Raises:
        OverflowError, ValueError: `at_ns` lies outside the years 1 to 9999.
    """
    return datetime.fromtimestamp(at_ns // NS_PER_S, UTC).astimezone(EXCHANGE_ZONE)


def exchange_time_text(at_ns: int) -> str:
    """Exchange time for people: `2024-10-07 10:05 ET`, with seconds only where there are any."""
    moment = exchange_datetime(at_ns)
    second_of_day = moment.hour * 3_600 + moment.minute * 60 + moment.second
    return f"{moment:%Y-%m-%d} {clock_text(second_of_day)} ET"


class ExchangeCalendar:
    """The regular sessions of the NYSE from 1970 to 2199; implements `mqd.ports.calendar.Calendar`.

    Future years hold the holidays that follow from rules; a closure announced later is known
    once the library is updated.
    """

    def __init__(self) -> None:
        self._by_date: dict[date, Session] = {}
        self._by_hour: dict[int, Session | None] = {}
        self._blocks: set[int] = set()

    def session_on(self, at_ns: int) -> Session | None:
        """The session of the exchange date that `at_ns` falls on, or None on a day without one.

        None too for instants outside 1970 to 2199: where nothing is known, nothing trades.
        """
        # The exchange's offset from UTC is whole hours, so a UTC hour lies within one date there.
        hour = at_ns // _NS_PER_HOUR
        try:
            return self._by_hour[hour]
        except KeyError:
            session = self._look_up(hour)
            self._by_hour[hour] = session
            return session

    def next_session(self, at_ns: int) -> Session:
        """The first session that opens after `at_ns` (one that opens exactly then is not next).

        Raises:
            SetupError: `at_ns` lies outside the years the calendar knows.
        """
        if _year_known(at_ns):
            day = exchange_datetime(at_ns).date()
            for _ in range(_LONGEST_BREAK_DAYS):
                session = self._session_of(day)
                if session is not None and session.open_ns > at_ns:
                    return session
                day += _ONE_DAY
        raise SetupError(f"no exchange session is known after {_instant_text(at_ns)}")

    def sessions(self, first_date: str, last_date: str) -> tuple[Session, ...]:
        """The sessions from `first_date` to `last_date`, both included, as ISO dates (2024-10-07).

        Raises:
            ValueError: a date is not an ISO date.
        """
        day, last = date.fromisoformat(first_date), date.fromisoformat(last_date)
        day = max(day, date(FIRST_YEAR, 1, 1))
        last = min(last, date(LAST_YEAR, 12, 31))
        found = []
        while day <= last:
            session = self._session_of(day)
            if session is not None:
                found.append(session)
            day += _ONE_DAY
        return tuple(found)

    def _look_up(self, hour: int) -> Session | None:
        at_ns = hour * _NS_PER_HOUR
        return self._session_of(exchange_datetime(at_ns).date()) if _year_known(at_ns) else None

    def _session_of(self, day: date) -> Session | None:
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            return None
        block = (day.year - FIRST_YEAR) // _BLOCK_YEARS
        if block not in self._blocks:
            first_year = FIRST_YEAR + block * _BLOCK_YEARS
            self._by_date.update(
                _library_sessions(first_year, min(first_year + _BLOCK_YEARS - 1, LAST_YEAR))
            )
            self._blocks.add(block)
        return self._by_date.get(day)


def _library_sessions(first_year: int, last_year: int) -> dict[date, Session]:
    """Every session of these years, asked with both ends given: the library's own end is today."""
    # Imported here because it takes a third of a second and most commands need no calendar.
    import exchange_calendars

    with warnings.catch_warnings():
        # With pandas 3.1 the library uses, inside itself, what pandas is about to change.
        warnings.simplefilter("ignore", DeprecationWarning)
        schedule = exchange_calendars.get_calendar(
            "XNYS", start=f"{first_year}-01-01", end=f"{last_year}-12-31"
        ).schedule
    opens = schedule["open"].to_numpy("datetime64[ns]").astype("int64").tolist()
    closes = schedule["close"].to_numpy("datetime64[ns]").astype("int64").tolist()
    return {
        moment.date(): Session(
            moment.date().isoformat(),
            open_ns,
            close_ns,
            moment.hour * 3_600 + moment.minute * 60 + moment.second,
        )
        for open_ns, close_ns in zip(opens, closes, strict=True)
        for moment in (exchange_datetime(open_ns),)
    }


_FIRST_NS = int(datetime(FIRST_YEAR, 1, 2, tzinfo=UTC).timestamp()) * NS_PER_S
_END_NS = int(datetime(LAST_YEAR, 12, 31, tzinfo=UTC).timestamp()) * NS_PER_S


def _year_known(at_ns: int) -> bool:
    return _FIRST_NS <= at_ns < _END_NS


def _instant_text(at_ns: int) -> str:
    try:
        return iso_utc(at_ns)
    except OverflowError:
        return f"{at_ns} ns after 1970"
