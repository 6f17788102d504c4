"""The trading API, third part: what time it is at the exchange, and when it trades."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from aiohttp import web

from mqd.brokers.practice.answers import answered, date_of
from mqd.brokers.practice.exchange import Exchange
from mqd.brokers.practice.wire import Json, local
from mqd.ground.times import to_ns
from mqd.ports.calendar import Calendar, Session

_LONGEST_BREAK_DAYS = 14
_LONGEST_CALENDAR_DAYS = 3_660


class ClockApi:
    """The routes of the clock and the calendar."""

    def __init__(self, exchange: Exchange, calendar: Calendar) -> None:
        self._exchange = exchange
        self._calendar = calendar

    def routes(self) -> list[web.RouteDef]:
        """Every route; its name is what a planned fault calls the request."""
        return [
            web.get("/v2/clock", self.clock, name="clock"),
            web.get("/v2/calendar", self.calendar, name="calendar"),
        ]

    async def clock(self, request: web.Request) -> web.Response:
        """The exchange's own time, in New York's."""
        now_ns, session = self._exchange.now_ns, self._exchange.session
        following = self._next_session(now_ns)
        next_close_ns = session.close_ns if session else following.close_ns if following else 0
        return answered(
            {
                "timestamp": local(now_ns).isoformat(),
                "is_open": session is not None,
                "next_open": local(following.open_ns if following else 0).isoformat(),
                "next_close": local(next_close_ns).isoformat(),
            }
        )

    def _next_session(self, at_ns: int) -> Session | None:
        day = local(at_ns).date()
        for days in range(_LONGEST_BREAK_DAYS):
            session = self._session_on(day + timedelta(days=days))
            if session is not None and session.open_ns > at_ns:
                return session
        return None

    def _session_on(self, day: date) -> Session | None:
        """Noon in UTC is the same date in New York."""
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        return self._calendar.session_on(to_ns(noon))

    async def calendar(self, request: web.Request) -> web.Response:
        """The sessions from `start` to `end`, both included; without them, the year around now."""
        today = local(self._exchange.now_ns).date()
        first = date_of(request.query.get("start"), today - timedelta(days=30))
        last = date_of(request.query.get("end"), today + timedelta(days=335))
        days = min((last - first).days + 1, _LONGEST_CALENDAR_DAYS)
        found = (self._session_on(first + timedelta(days=each)) for each in range(days))
        return answered([_session_json(session) for session in found if session is not None])


def _session_json(session: Session) -> Json:
    following = date.fromisoformat(session.date) + timedelta(days=1)
    while following.weekday() > 4:
        following += timedelta(days=1)
    return {
        "date": session.date,
        "open": f"{local(session.open_ns):%H:%M}",
        "close": f"{local(session.close_ns):%H:%M}",
        "session_open": "0400",
        "session_close": "2000",
        "settlement_date": following.isoformat(),
    }
