"""The bars that have been shown so far, by symbol."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from decimal import Decimal
from operator import attrgetter

from mqd.brokers.practice.matching import exact
from mqd.model.event import BarClosed
from mqd.ports.calendar import Session

_START = attrgetter("start_ns")


class Market:
    """Bars by symbol in order of time; a later bar of the same minute takes the earlier's place."""

    def __init__(self) -> None:
        self.bars: dict[str, list[BarClosed]] = {}
        self.before: dict[str, Decimal] = {}

    def list_symbols(self, symbols: Iterable[str]) -> None:
        """Know these symbols before their first bar."""
        for symbol in dict.fromkeys(symbols):
            self.bars.setdefault(symbol, [])

    def add(self, bar: BarClosed) -> None:
        """Show one bar."""
        shown = self.bars.setdefault(bar.symbol, [])
        place = bisect_left(shown, bar.start_ns, key=_START)
        if place < len(shown) and shown[place].start_ns == bar.start_ns:
            shown[place] = bar
        else:
            insort(shown, bar, key=_START)

    def latest(self, symbol: str) -> BarClosed | None:
        """The newest bar of a symbol."""
        shown = self.bars.get(symbol)
        return shown[-1] if shown else None

    def last_close(self, symbol: str, session: Session) -> float | None:
        """The last close of this session, or None before its first bar."""
        latest = self.latest(symbol)
        if latest is None or not session.open_ns <= latest.start_ns < session.close_ns:
            return None
        return latest.close

    def price(self, symbol: str) -> Decimal:
        """The last close ever, 0 where there was none."""
        latest = self.latest(symbol)
        return exact(latest.close) if latest else Decimal(0)

    def price_before(self, symbol: str) -> Decimal:
        """The last close of the day before, or the last close."""
        return self.before.get(symbol) or self.price(symbol)

    def end_day(self) -> None:
        """Remember today's last closes as those of the day before."""
        for symbol in self.bars:
            self.before[symbol] = self.price(symbol)

    def between(self, symbol: str, first_ns: int, last_ns: int) -> list[BarClosed]:
        """The bars that start from `first_ns` to `last_ns`, both included."""
        shown = self.bars.get(symbol, [])
        return shown[
            bisect_left(shown, first_ns, key=_START) : bisect_left(shown, last_ns + 1, key=_START)
        ]
