"""Both streams against the practice exchange, through its faults."""

from __future__ import annotations

import json
import random

import pytest
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import MarketOrderRequest

from mqd.brokers.alpaca.stream import TradeUpdates
from mqd.brokers.practice.server import PracticeServer
from mqd.feeds.alpaca_bars.feed import AlpacaBars, BarsSource
from mqd.feeds.calendar import ExchangeCalendar
from mqd.feeds.recorded import RecordedFeed
from mqd.feeds.samples import sample_bars
from mqd.model.event import (
    BarClosed,
    BrokerLockedOut,
    FeedDefectFound,
    FrameReceived,
    SessionClosed,
    SessionOpened,
    StreamLost,
    StreamRestored,
    UnreadableReceived,
)

CALENDAR = ExchangeCalendar()
SAMPLES = [
    event
    for event in RecordedFeed(sample_bars(), CALENDAR).events()
    if isinstance(event, BarClosed)
]
DAY = SAMPLES[:390]
MARKET = (BarClosed, SessionOpened, SessionClosed, FeedDefectFound)


@pytest.fixture
def exchange():
    with PracticeServer(DAY, CALENDAR) as server:
        yield server


@pytest.fixture
def feed(exchange, inbox, hand_clock, stream_requests):
    class Played:
        """The feed, and the exchange's time as its clock."""

        def __init__(self) -> None:
            source = BarsSource(
                ("SPY",),
                exchange.keys,
                exchange.addresses.data_url,
                exchange.addresses.data_stream_url,
                stream_requests,
            )
            hand_clock.time_ns = DAY[0].start_ns - 60_000_000_000
            self.feed = AlpacaBars(source, hand_clock, CALENDAR, inbox, random.Random(7).random)

        def play(self, bars: int) -> None:
            exchange.step(bars)
            played = exchange.state()["bars_played"]
            hand_clock.time_ns = DAY[played - 1].at_ns

        @property
        def market(self) -> list:
            return [event for event in inbox.told if isinstance(event, MARKET)]

    played = Played()
    played.feed.start()
    yield played
    assert played.feed.stop()
    assert played.feed.failure is None


def recorded(count: int) -> list:
    """The day's first events, as a recorded feed tells them: its bars have no gap."""
    opened = CALENDAR.session_on(DAY[0].start_ns)
    assert opened is not None
    return [SessionOpened(opened.open_ns, opened.date, *opened[1:]), *DAY[:count]]


def test_a_whole_day_is_the_day_of_a_recorded_feed(feed, exchange, inbox, eventually) -> None:
    eventually(lambda: inbox.of(StreamRestored))
    for _ in range(39):
        feed.play(10)
        eventually(lambda: len(feed.market) > exchange.state()["bars_played"])
    eventually(lambda: inbox.of(SessionClosed))
    close = CALENDAR.session_on(DAY[0].start_ns)
    assert feed.market == [*recorded(390), SessionClosed(close.close_ns, close.date)]
    assert inbox.names[:2] == ["StreamLost", "StreamRestored"]


@pytest.mark.case(131, 132, 133, 220)
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "stream_dropped", "stream": "bars", "seconds": 0.2},
        {"kind": "bar_missing"},
        {"kind": "bar_duplicated"},
        {"kind": "bar_late", "bars": 2},
        {"kind": "bar_updated", "field": "v", "value": 7},
    ],
    ids=lambda fault: fault["kind"],
)
def test_a_fault_changes_nothing_of_the_bars(feed, exchange, inbox, eventually, fault) -> None:
    eventually(lambda: inbox.of(StreamRestored))
    feed.play(5)
    eventually(lambda: len(inbox.of(BarClosed)) == 5)
    exchange.plan(**fault)
    for count in range(6, 12):
        feed.play(1)
        if fault["kind"] == "stream_dropped":
            # A bar that comes while the line is made anew is asked for with the next one.
            eventually(lambda: len(inbox.of(StreamRestored)) == 2)
            if count > 6:
                eventually(lambda count=count: len(inbox.of(BarClosed)) == count)
    feed.play(1)
    eventually(lambda: len(inbox.of(BarClosed)) == 12)
    bars = [event for event in feed.market if not isinstance(event, FeedDefectFound)]
    assert bars == recorded(12)


@pytest.mark.case(136, 220)
def test_an_absurd_bar_goes_on_to_the_data_rules(feed, exchange, inbox, eventually) -> None:
    eventually(lambda: inbox.of(StreamRestored))
    exchange.plan(kind="bar_absurd", field="c", value=-5)
    feed.play(1)
    eventually(lambda: inbox.of(BarClosed))
    assert inbox.of(BarClosed)[0].close == -5.0
    assert not inbox.of(UnreadableReceived)


@pytest.fixture
def news(exchange, inbox, hand_clock, stream_requests):
    def read(text: str, at_ns: int):
        json.loads(text)
        return ()

    stream = TradeUpdates(
        exchange.keys,
        exchange.addresses.trade_stream_url,
        stream_requests,
        hand_clock,
        inbox,
        read=read,
        chance=random.Random(7).random,
    )
    stream.start()
    yield stream
    assert stream.stop()


def buy(exchange) -> None:
    keys = exchange.keys
    client = TradingClient(keys.key_id, keys.secret, url_override=exchange.addresses.trading_url)
    client.submit_order(
        MarketOrderRequest(symbol="SPY", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)
    )


def told(inbox) -> list[str]:
    return [json.loads(frame.text)["data"]["event"] for frame in inbox.of(FrameReceived)]


def test_an_order_of_the_real_client_is_told_of(news, exchange, inbox, eventually) -> None:
    eventually(lambda: inbox.of(StreamRestored))
    exchange.step(2)
    buy(exchange)
    eventually(lambda: told(inbox)[-1:] == ["fill"])
    assert "new" in told(inbox)


@pytest.mark.case(63, 66, 205)
def test_a_dropped_stream_of_news_comes_back(news, exchange, inbox, eventually) -> None:
    eventually(lambda: inbox.of(StreamRestored))
    exchange.plan(kind="stream_dropped", stream="trade_updates", seconds=0.2)
    eventually(lambda: len(inbox.of(StreamLost)) == 2)
    eventually(lambda: len(inbox.of(StreamRestored)) == 2)
    exchange.step(2)
    buy(exchange)
    eventually(lambda: told(inbox)[-1:] == ["fill"])


@pytest.mark.case(226)
def test_revoked_keys_lock_the_news_out(news, exchange, inbox, eventually) -> None:
    eventually(lambda: inbox.of(StreamRestored))
    exchange.plan(kind="keys_revoked")
    exchange.plan(kind="stream_dropped", stream="trade_updates", seconds=0.1)
    eventually(lambda: inbox.of(BrokerLockedOut), 10)
    eventually(lambda: not news.is_alive)
