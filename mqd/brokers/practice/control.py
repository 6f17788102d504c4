"""The levers of the exchange itself, under `/practice`: steps, pace, faults, and the truth."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from mqd.brokers.practice.answers import answered
from mqd.brokers.practice.fault_kinds import MOMENT
from mqd.brokers.practice.floor import Floor
from mqd.brokers.practice.refusals import Refusal
from mqd.brokers.practice.replay import Replay
from mqd.brokers.practice.wire import Json, order_json
from mqd.ground.canonical import decimal_text
from mqd.ground.errors import SettingsError
from mqd.ground.times import iso_utc


class Control:
    """The routes under `/practice`; they ask for no keys and count for no limit."""

    def __init__(self, floor: Floor, replay: Replay) -> None:
        self._exchange, self._gate = floor.exchange, floor.gate
        self._trades, self._prices = floor.trades, floor.prices
        self._happenings = floor.happenings
        self._replay = replay

    def routes(self) -> list[web.RouteDef]:
        """Every route."""
        return [
            web.get("/practice", self.state, name="practice.state"),
            web.post("/practice/step", self.step, name="practice.step"),
            web.post("/practice/play", self.play, name="practice.play"),
            web.get("/practice/faults", self.faults, name="practice.faults"),
            web.post("/practice/faults", self.plan, name="practice.plan"),
            web.delete("/practice/faults", self.forget, name="practice.forget"),
            web.get("/practice/books", self.books, name="practice.books"),
        ]

    def now(self) -> Json:
        """Where the day is, and who listens."""
        return {
            "now": iso_utc(self._exchange.now_ns),
            "session": self._exchange.session.date if self._exchange.session else None,
            "bars_played": self._replay.played,
            "is_over": self._replay.is_over,
            "failure": self._replay.failure,
            "trade_updates_heard": self._trades.is_heard,
            "bars_heard": self._prices.is_heard,
        }

    def truth(self) -> Json:
        """The books: orders, executions, positions, cash, and every request as it came."""
        books = self._exchange.books
        executions = [
            {
                name: decimal_text(value) if name in _EXACT else value
                for name, value in {**each._asdict(), "at": iso_utc(each.at_ns)}.items()
            }
            for each in books.executions
        ]
        return {
            **self.now(),
            "cash": decimal_text(books.cash_usd),
            "positions": {symbol: decimal_text(qty) for symbol, qty in books.qty.items()},
            "orders": [order_json(order) for order in books.orders.values()],
            "executions": executions,
            "requests": self._gate.requests,
            "faults": [fault.told() for fault in self._exchange.faults.faults],
        }

    def add_fault(self, words: dict[str, Any]) -> Json:
        """Plan one fault; what happens by itself happens at once, unless it is to wait.

        Raises:
            SettingsError: there is no such fault.
        """
        fault = self._exchange.faults.add(words)
        is_now = fault.place == MOMENT and not fault.skip and fault.share is None
        if is_now and fault.happens(self._exchange.now_ns, {}):
            symbols = list(self._exchange.market.bars)
            self._happenings.happen(fault, symbols[0] if symbols else "")
        return fault.told()

    async def state(self, request: web.Request) -> web.Response:
        """Where the day is."""
        return answered(self.now())

    async def step(self, request: web.Request) -> web.Response:
        """Play `bars` bars; with `settle_ms`, let requests come to rest after each."""
        try:
            bars = int(request.query.get("bars", "1"))
            settle_s = float(request.query.get("settle_ms", "0")) / 1_000
        except ValueError as error:
            return answered({"message": f"bars and settle_ms take numbers: {error}"}, 422)
        played = await self._replay.step(bars, settle_s)
        return answered({"played": played, **self.now()})

    async def play(self, request: web.Request) -> web.Response:
        """Go on by itself at `speed`: a number, `max`, or `step` to stand."""
        try:
            self._replay.play(pace(request.query.get("speed", "1")))
        except SettingsError as error:
            return answered({"message": str(error)}, 422)
        return answered(self.now())

    async def faults(self, request: web.Request) -> web.Response:
        """The plan, and how often each fault has happened."""
        return answered([fault.told() for fault in self._exchange.faults.faults])

    async def plan(self, request: web.Request) -> web.Response:
        """Plan one fault, or several in a list."""
        try:
            wanted = json.loads(await request.text())
            several = wanted if isinstance(wanted, list) else [wanted]
            return answered([self.add_fault(dict(words)) for words in several])
        except (ValueError, TypeError, SettingsError, Refusal) as error:
            return answered({"message": str(error)}, 422)

    async def forget(self, request: web.Request) -> web.Response:
        """Plan nothing any more."""
        self._exchange.faults.faults.clear()
        return answered([])

    async def books(self, request: web.Request) -> web.Response:
        """The truth."""
        return answered(self.truth())


_EXACT = {"qty", "price", "cum_qty", "leaves_qty", "position_qty"}


def pace(written: str) -> float | None:
    """A speed as it is written: a number of times real time, `max` as None, `step` as 0.

    Raises:
        SettingsError: none of these.
    """
    if written in {"max", "step"}:
        return None if written == "max" else 0.0
    try:
        speed = float(written)
    except ValueError:
        speed = 0.0
    if not 0.0 < speed < float("inf"):
        raise SettingsError(
            f"the speed is `{written}`: expected how many times real time, as in 60, or max or step"
        )
    return speed
