"""A practice exchange with small made-up days, and the real alpaca-py clients against it."""

from __future__ import annotations

import asyncio
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from mqd.brokers.practice.faults import FaultPlan
from mqd.brokers.practice.server import PracticeServer
from mqd.brokers.practice.settings import PracticeSettings
from mqd.feeds.calendar import ExchangeCalendar
from mqd.ground.times import NS_PER_MINUTE, parse_iso
from mqd.model.event import BarClosed

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # alpaca-py uses websockets.legacy
    from alpaca.data.historical import StockHistoricalDataClient
    from alpaca.data.live import StockDataStream
    from alpaca.trading.client import TradingClient
    from alpaca.trading.stream import TradingStream

CALENDAR = ExchangeCalendar()
MONDAY = "2024-10-07T13:30:00Z"
PATIENCE_S = 10.0


def bar(minute: int, *prices: float, symbol: str = "SPY", opens: str = MONDAY) -> BarClosed:
    """One minute after an opening: a close, or open, high, low, close."""
    start_ns = parse_iso(opens) + minute * NS_PER_MINUTE
    o, h, low, c = prices if len(prices) == 4 else (prices[0],) * 4
    return BarClosed(start_ns + NS_PER_MINUTE, symbol, start_ns, o, h, low, c, 1_000.0)


def flat_day(minutes: int = 30, price: float = 100.0, **named: Any) -> list[BarClosed]:
    return [bar(minute, price, **named) for minute in range(minutes)]


def wait_for(what: Callable[[], Any], why: str = "it happened") -> Any:
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        found = what()
        if found:
            return found
        time.sleep(0.005)
    raise AssertionError(f"waited in vain until {why}")


class Heard:
    """What one stream of alpaca-py hands over, raw, on a thread of its own."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.frames: list[Any] = []
        self.thread = threading.Thread(target=stream.run, daemon=True)

    async def take(self, frame: Any) -> None:
        self.frames.append(frame)

    def start(self, is_heard: Callable[[], bool]) -> Heard:
        self.thread.start()
        wait_for(is_heard, "the stream listens")
        return self

    def wait(self, count: int) -> list[Any]:
        wait_for(lambda: len(self.frames) >= count, f"{count} frames came")
        return self.frames

    def events(self, count: int) -> list[str]:
        return [frame["data"]["event"] for frame in self.wait(count)]

    def ping(self) -> bool:
        """Whether a ping of the client is answered within half a second."""

        async def send() -> bool:
            pong = await self.stream._ws.ping()
            try:
                await asyncio.wait_for(pong, 0.5)
            except TimeoutError:
                return False
            return True

        return asyncio.run_coroutine_threadsafe(send(), self.stream._loop).result(5)

    def stop(self) -> None:
        self.stream.stop()


class Practice:
    """One exchange and its clients; `orders` retries nothing."""

    def __init__(self, server: PracticeServer, ends: ExitStack) -> None:
        self.server = server
        self._ends = ends
        keys, places = server.keys, server.addresses
        self.orders: Any = TradingClient(
            keys.key_id, keys.secret, raw_data=True, url_override=places.trading_url
        )
        self.orders._retry = 0
        self.data: Any = StockHistoricalDataClient(
            keys.key_id, keys.secret, raw_data=True, url_override=places.data_url
        )
        for client in (self.orders, self.data):
            ends.callback(client._session.close)

    def trade_updates(self) -> Heard:
        keys = self.server.keys
        stream = TradingStream(
            keys.key_id, keys.secret, raw_data=True,
            url_override=self.server.addresses.trade_stream_url,
        )  # fmt: skip
        heard = Heard(stream)
        stream.subscribe_trade_updates(heard.take)
        self._ends.callback(heard.stop)
        return heard.start(lambda: self.server.state()["trade_updates_heard"])

    def bars(self, *symbols: str) -> Heard:
        keys = self.server.keys
        stream = StockDataStream(
            keys.key_id, keys.secret, raw_data=True,
            url_override=self.server.addresses.data_stream_url,
        )  # fmt: skip
        heard = Heard(stream)
        for subscribe in (stream.subscribe_bars, stream.subscribe_updated_bars):
            subscribe(heard.take, *(symbols or ("SPY",)))
        stream.subscribe_trading_statuses(heard.take, *(symbols or ("SPY",)))
        self._ends.callback(heard.stop)
        return heard.start(lambda: self.server.state()["bars_heard"])

    def send(self, **words: Any) -> Any:
        """POST one order: a market buy of one share unless told otherwise."""
        usual = {"symbol": "SPY", "side": "buy", "type": "market", "time_in_force": "day"}
        if "notional" not in words:
            usual["qty"] = "1"
        return self.orders.post("/orders", {**usual, **words})

    def status(self, order: dict[str, Any]) -> str:
        return str(self.orders.get(f"/orders/{order['id']}")["status"])

    def step(self, bars: int = 1) -> int:
        return self.server.step(bars)


class Exchanges:
    """Starts exchanges: `practice(bars, faults=[...], seed=0, history=[...], **settings)`."""

    bar = staticmethod(bar)
    flat_day = staticmethod(flat_day)
    wait_for = staticmethod(wait_for)

    def __init__(self, servers: ExitStack, clients: ExitStack) -> None:
        self._servers = servers
        self._clients = clients

    def listen(self, stream: Any) -> Heard:
        """A stream of the test's own making, stopped when the test ends."""
        heard = Heard(stream)
        self._clients.callback(heard.stop)
        return heard

    def __call__(
        self,
        bars: list[BarClosed] | None = None,
        faults: Any = (),
        seed: int = 0,
        history: Any = (),
        **settings: Any,
    ) -> Practice:
        server = PracticeServer(
            flat_day() if bars is None else bars,
            CALENDAR,
            PracticeSettings(**settings),
            FaultPlan(faults, seed),
            history=history,
        )
        self._servers.enter_context(server)
        return Practice(server, self._clients)


@pytest.fixture
def practice(monkeypatch) -> Iterator[Exchanges]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ExitStack() as servers, ExitStack() as clients:  # clients leave before their exchange
        yield Exchanges(servers, clients)


@pytest.fixture
def day(practice) -> Practice:
    """A day that stands after its first three flat minutes at 100."""
    found: Practice = practice()
    found.step(3)
    return found
