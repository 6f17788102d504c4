"""Bars in time order with the session events between them, and what is missing counted.

`turn`, `missing` and `session_around` are what recorded and live bars share; `Sequencer` is the
same for bars that come one by one, where a recorded feed looks ahead in its rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import Enum
from operator import itemgetter

from mqd.ground.times import NS_PER_MINUTE, NS_PER_S, iso_utc
from mqd.model.event import BarClosed, FeedDefectFound, SessionClosed, SessionOpened
from mqd.ports.calendar import Calendar, Session
from mqd.ports.feed import FeedEvent

GAP = "GAP"
SESSION_STARTS_LATE = "SESSION_STARTS_LATE"
DUPLICATE_BAR = "DUPLICATE_BAR"
LATE_BAR = "LATE_BAR"
REVISED_BAR = "REVISED_BAR"
BAR_TOO_EARLY = "BAR_TOO_EARLY"

NEVER_NS = -(1 << 62)
"""Earlier than any bar."""

_NS_PER_HOUR = 3_600 * NS_PER_S
_NS_PER_DAY = 24 * _NS_PER_HOUR
_VALUES = ("open", "high", "low", "close", "volume")


def session_around(calendar: Calendar, start_ns: int | None) -> Session | None:
    """The session that a bar starting at `start_ns` opened or found open."""
    if start_ns is None:
        return None
    session = calendar.session_on(start_ns)
    if session is not None and session.open_ns <= start_ns < session.close_ns:
        return session
    return None


def turn(
    calendar: Calendar, start_ns: int, session: Session | None
) -> tuple[list[FeedEvent], Session | None, int]:
    """Session events before a bar, the session it is in, and until when that holds."""
    events: list[FeedEvent] = []
    if session is not None:
        if start_ns < session.close_ns:
            return events, session, session.close_ns
        events.append(SessionClosed(session.close_ns, session.date))
    today = calendar.session_on(start_ns)
    if today is None:  # the exchange's date changes on a full hour of UTC
        return events, None, (start_ns // _NS_PER_HOUR + 1) * _NS_PER_HOUR
    if start_ns < today.open_ns:
        return events, None, today.open_ns
    if start_ns >= today.close_ns:  # clocks change on Sundays only: midnight is at 24 h
        return events, None, today.open_ns - today.open_time_s * NS_PER_S + _NS_PER_DAY
    opened = SessionOpened(
        today.open_ns, today.date, today.open_ns, today.close_ns, today.open_time_s
    )
    events.append(opened)
    return events, today, today.close_ns


def missing(
    symbol: str, start_ns: int, previous_ns: int, session: Session | None
) -> list[FeedDefectFound]:
    """The defect of regular minutes that are missing just before a bar, if any are.

    `previous_ns` is the start of the latest bar of the symbol that starts on a full minute.
    """
    if session is None or start_ns % NS_PER_MINUTE:
        return []
    is_late = previous_ns < session.open_ns
    first_ns = session.open_ns if is_late else previous_ns + NS_PER_MINUTE
    minutes = (start_ns - first_ns) // NS_PER_MINUTE
    if not minutes:
        return []
    detail = (
        f"{minutes} minute{'s' if minutes > 1 else ''} missing from {iso_utc(first_ns)} "
        f"until {iso_utc(start_ns)}"
    )
    code = SESSION_STARTS_LATE if is_late else GAP
    return [FeedDefectFound(start_ns, symbol, code, first_ns, detail)]


def defect_of(bar: BarClosed, code: str, detail: str) -> FeedDefectFound:
    """What is told of a bar that is not given."""
    return FeedDefectFound(bar.at_ns, bar.symbol, code, bar.start_ns, detail)


class Source(Enum):
    """Where a bar that came one by one is from."""

    LIVE = "the stream"
    HISTORY = "the history"


class Sequencer:
    """Takes bars as they come, and gives each minute once, in time order.

    A bar that was given already, or that comes after a later one, is told of and left out: the
    desk decided without it. The same bar from the stream and from the history is one bar.
    """

    def __init__(
        self,
        calendar: Calendar,
        symbols: Iterable[str],
        after_ns: int | None = None,
        told_ns: int | None = None,
    ) -> None:
        """Of what was given before a restart: `after_ns` is the end of the last bar, `told_ns` the
        last open or close of a session; what is before that is over, and is not told again.
        """
        self.symbols = tuple(sorted(symbols))
        self._calendar = calendar
        edge_ns = NEVER_NS if told_ns is None else told_ns
        known_ns = edge_ns if after_ns is None else max(after_ns, edge_ns)
        seen_ns = NEVER_NS if known_ns == NEVER_NS else known_ns - NS_PER_MINUTE
        self.latest_ns = seen_ns
        """The start of the latest bar of any symbol; `NEVER_NS` before the first one."""
        around = session_around(calendar, max(seen_ns, edge_ns))  # an open may have had no bar
        self.session = around if around is not None and around.close_ns > edge_ns else None
        """The session that has been opened and not closed."""
        on_minute_ns = NEVER_NS if seen_ns % NS_PER_MINUTE else seen_ns
        self._previous_ns = dict.fromkeys(self.symbols, on_minute_ns)
        self._last_ns = dict.fromkeys(self.symbols, seen_ns)
        self._floor_ns = edge_ns
        self._given: dict[tuple[str, int], tuple[BarClosed, Source]] = {}

    def has_hole_before(self, start_ns: int) -> bool:
        """Whether regular minutes of any symbol are missing before a bar that starts then."""
        if start_ns <= self.latest_ns:
            return False
        _, session, _ = turn(self._calendar, start_ns, self.session)
        return any(
            missing(symbol, start_ns, previous_ns, session)
            for symbol, previous_ns in self._previous_ns.items()
        )

    def take(self, bar: BarClosed, source: Source) -> list[FeedEvent]:
        """What a bar leads to: session events and defects, then the bar, then its session's end."""
        start_ns = bar.start_ns
        is_new = start_ns > self._last_ns[bar.symbol]
        if not is_new or start_ns < max(self.latest_ns, self._floor_ns):
            return self._again(bar, source)
        events, session, _ = turn(self._calendar, start_ns, self.session)
        if session is not self.session:
            self._given.clear()
        self.session = session
        events += missing(bar.symbol, start_ns, self._previous_ns[bar.symbol], session)
        events.sort(key=itemgetter(0))
        self.latest_ns = self._last_ns[bar.symbol] = start_ns
        if start_ns % NS_PER_MINUTE == 0:
            self._previous_ns[bar.symbol] = start_ns
        self._given[bar.symbol, start_ns] = bar, source
        return [*events, bar, *self._complete()]

    def revise(self, bar: BarClosed) -> list[FeedEvent]:
        """What is told of a bar that came again with late trades in it; the first one stands."""
        start_ns = bar.start_ns - bar.start_ns % NS_PER_MINUTE
        known = self._given.get((bar.symbol, start_ns))
        if known is None:
            detail = "revised, and the bar itself was never given; left out"
            return [FeedDefectFound(bar.at_ns, bar.symbol, REVISED_BAR, start_ns, detail)]
        return self._revised(known[0], bar)

    def open(self, now_ns: int) -> list[FeedEvent]:
        """The start of a session that is under way and has brought no bar.

        What comes of the time before it is late: a session is told from its open on.
        """
        if self.session is not None or now_ns < self._floor_ns:
            return []
        events, session, _ = turn(self._calendar, now_ns, None)
        if session is not None:
            self._given.clear()
            seen_ns = session.open_ns - NS_PER_MINUTE
            self.latest_ns = max(self.latest_ns, seen_ns)
            self._last_ns = {name: max(each, seen_ns) for name, each in self._last_ns.items()}
        self.session = session
        return events

    def close(self, now_ns: int) -> list[FeedEvent]:
        """The end of the session that is open, when its close has passed."""
        session = self.session
        if session is None or now_ns < session.close_ns:
            return []
        self.session = None
        self._floor_ns = session.close_ns  # what comes later of this session is late
        return [SessionClosed(session.close_ns, session.date)]

    def _complete(self) -> list[FeedEvent]:
        """The session's end, when every symbol's last bar of it is there."""
        session = self.session
        if session is None or min(self._last_ns.values()) + NS_PER_MINUTE < session.close_ns:
            return []
        return self.close(session.close_ns)

    def _again(self, bar: BarClosed, source: Source) -> list[FeedEvent]:
        known = self._given.get((bar.symbol, bar.start_ns))
        if known is None:
            detail = f"came after the bar of {iso_utc(self.latest_ns)}; left out"
            return [defect_of(bar, LATE_BAR, detail)]
        revised = self._revised(known[0], bar)
        if revised or Source.HISTORY in {source, known[1]}:
            return revised  # the stream and the history may overlap: that is no defect
        return [defect_of(bar, DUPLICATE_BAR, "exact repeat")]

    @staticmethod
    def _revised(given: BarClosed, bar: BarClosed) -> list[FeedEvent]:
        changes = [
            f"{name} {_digits(old)} -> {_digits(new)}"
            for name, old, new in zip(_VALUES, given[3:], bar[3:], strict=True)
            if old != new and not (math.isnan(old) and math.isnan(new))
        ]
        if not changes:
            return []
        detail = f"revised: {', '.join(changes)}; the first bar stands"
        return [FeedDefectFound(bar.at_ns, bar.symbol, REVISED_BAR, given.start_ns, detail)]


def _digits(value: float) -> str:
    return repr(value).removesuffix(".0")
