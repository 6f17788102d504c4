"""The day as it goes on: bars and sessions in order; by request, at a pace, or at full speed."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Iterable

from mqd.brokers.practice.fault_kinds import BAR, MOMENT
from mqd.brokers.practice.faults import Fault
from mqd.brokers.practice.floor import Floor
from mqd.brokers.practice.refusals import Refusal
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S
from mqd.model.event import BarClosed
from mqd.ports.calendar import Calendar, Session

_LONG_NS = 60 * NS_PER_MINUTE
_SLICE_S = 0.01


class Replay:
    """Plays bars, in order of time, with the sessions of a calendar around them."""

    def __init__(self, bars: Iterable[BarClosed], calendar: Calendar, floor: Floor) -> None:
        self._bars = iter(bars)
        self._next = next(self._bars, None)
        self._calendar = calendar
        self._exchange, self._desk, self._gate = floor.exchange, floor.desk, floor.gate
        self._trades, self._prices = floor.trades, floor.prices
        self._happenings = floor.happenings
        self._playing: asyncio.Task[None] | None = None
        self.played = 0
        if self._next is not None:
            self._exchange.now_ns = self._next.start_ns - NS_PER_MINUTE

    @property
    def is_over(self) -> bool:
        """Whether every bar was played, and the last session closed if it was reached."""
        return self._next is None and not self._closes_now()

    def _closes_now(self) -> bool:
        session = self._exchange.session
        return session is not None and self._exchange.now_ns >= session.close_ns

    # -------------------------------------------------------------------------------- one by one

    async def step(self, bars: int, settle_s: float = 0.0) -> int:
        """Play so many bars and what lies between them; how many there were.

        After each one it waits until its frames are with the network and, with `settle_s`, until
        no request has been at work for so long.
        """
        count = 0
        while count < bars and not self.is_over:
            count += self._advance()
            await self.drained()
            if settle_s:
                await self.settled(settle_s)
        if self._next is None and self._closes_now() and count < bars:
            self._advance()
        return count

    def _advance(self) -> bool:
        """Do what comes next; True where that was a bar."""
        self._desk.settle()
        exchange, bar = self._exchange, self._next
        session = exchange.session
        if session is not None and (
            self._closes_now() or (bar is not None and bar.start_ns >= session.close_ns)
        ):
            exchange.close_session()
            return False
        if bar is None:
            return False
        if session is None:
            today = self._session_of(bar)
            if today is not None:
                exchange.open_session(today)
        self._next = next(self._bars, None)
        self._play(bar)
        self.played += 1
        return True

    def _session_of(self, bar: BarClosed) -> Session | None:
        today = self._calendar.session_on(bar.start_ns)
        if today is not None and today.open_ns <= bar.start_ns < today.close_ns:
            return today
        return None

    def _play(self, bar: BarClosed) -> None:
        exchange = self._exchange
        self._trades.bar_passed()
        for moment in exchange.faults.take_all(MOMENT, exchange.now_ns):
            with contextlib.suppress(Refusal):  # somebody's order by hand, perhaps
                self._happenings.happen(moment, bar.symbol)
        is_real = all(math.isfinite(value) for value in bar[3:])
        fault = exchange.faults.take(BAR, bar.at_ns, symbol=bar.symbol) if is_real else None
        exchange.now_ns = max(exchange.now_ns, bar.at_ns)
        if is_real and not self._is_kept_back(bar, fault):
            exchange.take_bar(bar)
            self._prices.publish(bar, fault)
        self._prices.bar_passed()
        self._desk.settle(after_bar=True)

    def _is_kept_back(self, bar: BarClosed, fault: Fault | None) -> bool:
        """Whether this bar never was: its symbol is halted, or a fault is planned."""
        left = self._exchange.halted.get(bar.symbol)
        if left is None:
            return fault is not None and fault.kind == "bar_never"
        if left > 0:
            self._exchange.halted[bar.symbol] = left - 1
            return True
        del self._exchange.halted[bar.symbol]
        self._prices.tell_status(bar.symbol, is_halted=False)
        return False

    async def drained(self) -> None:
        """Wait until every frame is with the network."""
        for connection in [*self._trades.connections, *self._prices.connections]:
            await connection.drained()

    # ----------------------------------------------------------------------------- by themselves

    def play(self, speed: float | None) -> None:
        """Go on at `speed` times real time, or with None as fast as requests settle; 0 stops."""
        if self._playing is not None:
            self._playing.cancel()
            self._playing = None
        if speed != 0:
            self._playing = asyncio.get_running_loop().create_task(self._go_on(speed))

    async def stop(self) -> None:
        """Stop playing."""
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)

    @property
    def failure(self) -> str | None:
        """Why it stopped playing by itself, if it did."""
        if self._playing is None or not self._playing.done() or self._playing.cancelled():
            return None
        error = self._playing.exception()
        return None if error is None else repr(error)

    async def _go_on(self, speed: float | None) -> None:
        await self._prices.subscribed.wait()
        while not self.is_over:
            if speed is None:
                await self._prices.subscribed.wait()
                await self.settled(self._exchange.settings.settle_s)
            else:
                await self._reach(self._due_ns(), speed)
            self._advance()
            await self.drained()

    def _due_ns(self) -> int:
        """When the next thing happens: a session's close, or the end of a bar."""
        session, bar = self._exchange.session, self._next
        if session is not None and (bar is None or bar.start_ns >= session.close_ns):
            return session.close_ns
        return bar.at_ns if bar is not None else self._exchange.now_ns

    async def _reach(self, due_ns: int, speed: float) -> None:
        """Let time run until then; of a long silence only the last minute is lived through."""
        exchange, loop = self._exchange, asyncio.get_running_loop()
        if due_ns - exchange.now_ns > _LONG_NS:
            exchange.now_ns = due_ns - NS_PER_MINUTE
        started_ns, started_s = exchange.now_ns, loop.time()
        while exchange.now_ns < due_ns:
            left_s = (due_ns - exchange.now_ns) / NS_PER_S / speed
            await asyncio.sleep(min(_SLICE_S, left_s))
            passed_ns = int((loop.time() - started_s) * speed * NS_PER_S)
            exchange.now_ns = min(due_ns, started_ns + passed_ns)

    async def settled(self, settle_s: float) -> None:
        """Wait until clients have read what they were sent, and no request works for so long."""
        loop = asyncio.get_running_loop()
        for connection in [*self._trades.connections, *self._prices.connections]:
            if not (connection.is_mute or connection.is_half_dead):
                await connection.read()
        since_s = loop.time()
        while True:
            left_s = max(since_s, self._gate.idle_since_s) + settle_s - loop.time()
            if not self._gate.at_work and left_s <= 0:
                return
            await asyncio.sleep(max(left_s, _SLICE_S / 10))
