"""A day's made-up market: a dip that comes back, goes on, stays or breaks, in whole cents."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from mqd.app.simulation.settings import DaySettings
from mqd.brokers.faults import Dice
from mqd.ground.times import NS_PER_MINUTE
from mqd.model.event import BarClosed, SessionClosed, SessionOpened
from mqd.ports.feed import FeedEvent

_NS_PER_DAY = 24 * 60 * NS_PER_MINUTE


def market_events(settings: DaySettings, dice: Dice, symbol: str) -> tuple[list[FeedEvent], int]:
    """The events of both sessions, and how many of them are the first one's."""
    first = _session(settings, dice, symbol, settings.date, settings.opens_ns, settings.bars)
    next_ns = settings.opens_ns + _NS_PER_DAY
    next_date = (date.fromisoformat(settings.date) + timedelta(days=1)).isoformat()
    calm = _session(settings, dice, symbol, next_date, next_ns, settings.calm_bars)
    return first + calm, len(first)


def _session(
    settings: DaySettings, dice: Dice, symbol: str, date: str, open_ns: int, bars: int
) -> list[FeedEvent]:
    close_ns = open_ns + bars * NS_PER_MINUTE
    opened = SessionOpened(open_ns, date, open_ns, close_ns, settings.open_time_s)
    made = list(_bars(settings, dice, symbol, open_ns, bars))
    return [opened, *made, SessionClosed(close_ns, date)]


def _bars(
    settings: DaySettings, dice: Dice, symbol: str, open_ns: int, bars: int
) -> Iterator[BarClosed]:
    course = _course(settings, dice, bars)
    noise, last = 0, course[0]
    for minute in range(bars):
        noise = noise * 3 // 4 + dice.roll(-settings.noise_cents, settings.noise_cents)
        first, last = last, max(1, course[minute] + noise)
        high = max(first, last) + dice.roll(0, 4)
        low = max(1, min(first, last) - dice.roll(0, 4))
        start_ns = open_ns + minute * NS_PER_MINUTE
        yield BarClosed(
            start_ns + NS_PER_MINUTE, symbol, start_ns, first / 100, high / 100, low / 100,
            last / 100, float(dice.roll(10_000, 60_000)),
        )  # fmt: skip


def _course(settings: DaySettings, dice: Dice, bars: int) -> list[int]:
    """Where the price is drawn to, in cents, minute by minute."""
    level, dip = settings.price_cents, settings.dip_cents
    falls_at = dice.roll(bars // 2, bars * 3 // 4)
    turns_at = falls_at + dice.roll(1, max(1, bars // 5))
    after = (level, level - 2 * dip, level - dip, level - 4 * dip)[dice.roll(0, 3)]
    return [
        level if minute < falls_at else level - dip if minute < turns_at else after
        for minute in range(bars)
    ]
