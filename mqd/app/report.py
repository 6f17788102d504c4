"""`mqd report`: a journal replayed: a day, how long orders took, every trading event."""

from __future__ import annotations

from functools import lru_cache

from mqd.engine.state import DeskState
from mqd.feeds.calendar import exchange_datetime
from mqd.ground.errors import SettingsError
from mqd.ground.times import NS_PER_S
from mqd.model.event import BarClosed, DeskStarted, SessionClosed, SessionOpened
from mqd.model.position import Trade
from mqd.ports.journal import Journal
from mqd.publish.attribution import AttributionReport
from mqd.publish.attribution_watch import AttributionWatch
from mqd.publish.closed import ClosedWatch
from mqd.publish.daily import DailyReport, DayWatch
from mqd.publish.idle import IdleReport, IdleWatch
from mqd.publish.latency import LatencyReport
from mqd.publish.latency_watch import LatencyWatch
from mqd.publish.trade_journal import TradeJournal, TradingEvent, with_tags
from mqd.runtime.replay import replay

_NS_PER_HOUR = 3_600 * NS_PER_S


def daily_report(journal: Journal, shown_as: str, date: str | None = None) -> DailyReport:
    """The report of an exchange date (2024-11-25), by default of the last one with a session.

    Raises:
        SettingsError: nothing happened at this desk on that day.
        JournalError: the journal does not replay.
    """
    days: list[str] = []
    watch: DayWatch | None = None
    attribution, state, lives = AttributionWatch(), DeskState(), ClosedWatch()
    for item in replay(journal):
        state = item.state
        attribution.saw(item.event, item.outcome, state, item.engine.book.rules)
        if isinstance(item.event, BarClosed | SessionOpened | SessionClosed):
            day = _date_of(item.event.at_ns // _NS_PER_HOUR)
            if not days or days[-1] != day:
                days.append(day)
        if days and date in {None, days[-1]}:
            if watch is None or watch.date != days[-1]:
                watch = DayWatch(days[-1], lives)
            watch.saw(item.event, item.outcome, state, item.engine.book.rules)
        lives.saw(item.event, item.outcome.notes)
    if watch is None:
        raise SettingsError(_nothing(shown_as, f"--date {date}", days))
    return watch.report(shown_as, state.orders, attribution)


def latency_report(journal: Journal, shown_as: str, date: str | None = None) -> LatencyReport:
    """How long the orders took, of every session or of the one on an exchange date.

    Raises:
        SettingsError: the journal has no session, or none on that day.
        JournalError: the journal does not replay.
    """
    watch = LatencyWatch()
    for item in replay(journal):
        watch.saw(item.event, item.outcome, item.state)
        if isinstance(item.event, SessionOpened | SessionClosed | DeskStarted):
            watch.holds_to(item.state.session.date, item.engine.book.rules.limits)
    found = watch.report(shown_as, date)
    if not found.sessions:
        raise SettingsError(_nothing(shown_as, f"--session {date}", sorted(watch.sessions)))
    return found


def trading_events(journal: Journal) -> list[TradingEvent]:
    """Every trading event of the journal, in order; a finished trade with its tags.

    Raises:
        JournalError: the journal does not replay.
    """
    told, attribution, state = TradeJournal(), AttributionWatch(), DeskState()
    lines: list[TradingEvent] = []
    trades: list[Trade] = []
    for item in replay(journal):
        state, book = item.state, item.engine.book.rules
        attribution.saw(item.event, item.outcome, state, book)
        lines += told.told(item.event, item.outcome, state, book)
        trades += item.outcome.trades
    return with_tags(lines, attribution.report("", state.orders, trades).trades)


def attribution_report(journal: Journal, shown_as: str) -> AttributionReport:
    """Whose result every finished trade of the journal was, in which market, how it failed.

    Raises:
        JournalError: the journal does not replay.
    """
    watch, state = AttributionWatch(), DeskState()
    for item in replay(journal):
        state = item.state
        watch.saw(item.event, item.outcome, state, item.engine.book.rules)
    return watch.report(shown_as, state.orders)


def idle_report(journal: Journal, shown_as: str, date: str | None = None) -> IdleReport:
    """Why nothing was traded, session by session, or in the one of an exchange date.

    Raises:
        SettingsError: the journal has no session that closed, or none on that day.
        JournalError: the journal does not replay.
    """
    watch = IdleWatch()
    for item in replay(journal):
        watch.saw(item.event, item.outcome, item.state, item.engine.book.rules)
    found = watch.report(shown_as, date)
    if not found.sessions:
        days = sorted({session.date for session in watch.sessions})
        if not days:
            raise SettingsError(f"no session of the journal {shown_as} has closed; none is told")
        raise SettingsError(_nothing(shown_as, f"--session {date}", days))
    return found


def _nothing(shown_as: str, asked: str, days: list[str]) -> str:
    if not days:
        return f"the journal {shown_as} holds no day yet; start a desk with `mqd run`"
    known = f"{days[0]} to {days[-1]}" if len(days) > 1 else days[0]
    return f"{asked}: the journal {shown_as} holds nothing of that day; it has {known}"


@lru_cache(maxsize=1_000)
def _date_of(hour: int) -> str:
    """The exchange's date in an hour since 1970; the exchange's offset is whole hours."""
    return exchange_datetime(hour * _NS_PER_HOUR).date().isoformat()
