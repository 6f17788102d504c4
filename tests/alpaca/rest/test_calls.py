"""How many calls a day costs, over real sockets, beside those of a desk without streams."""

from __future__ import annotations

import pytest

from mqd.brokers.alpaca.fields import parse_instant
from mqd.brokers.alpaca.session import Call
from mqd.brokers.alpaca.stream import TradeUpdates
from mqd.brokers.alpaca.tally import Tally
from mqd.brokers.practice.server import PracticeServer
from mqd.engine.state import DeskState
from mqd.feeds.calendar import ExchangeCalendar
from mqd.feeds.recorded import RecordedFeed
from mqd.feeds.samples import sample_bars
from mqd.ground.times import NS_PER_S
from mqd.model.decision import NOTHING, Outcome
from mqd.model.event import BarClosed, OrderFilled, SnapshotTaken, StreamRestored
from mqd.publish.api_calls import ApiCalls, CycleWatch

CALENDAR = ExchangeCalendar()
WARM_BARS, REST_BARS, ORDERS, WAVES = 10, 15, 6, 2
COMPARE_EVERY = 5  # bars, as the desk does


@pytest.fixture
def bars():
    events = RecordedFeed(sample_bars(), CALENDAR).events()
    return [event for event in events if isinstance(event, BarClosed)][:60]


class Day:
    """A practice day: bar by bar, with a comparison every five bars, and what it cost."""

    def __init__(self, exchange, at, make, bars):
        self.exchange, self.at, self.make = exchange, at, make
        self.bars = iter(bars[WARM_BARS:])
        self.watch, self.state, self.tally = CycleWatch(), DeskState(), Tally()
        self.compared = self.filled = self.sent = 0

    def send(self, count):
        """Orders that rest for fifteen bars before they trade."""
        self.exchange.plan(kind="held_back", bars=REST_BARS, times=count)
        for _ in range(count):
            self.sent += 1
            command = self.make.submit(attempt=self.sent)
            before = len(self.at.calls)
            self.at.broker.send(command)
            self.state.working.add(command.client_order_id)
            self.watch.saw(self.made(before), Outcome(commands=(command,)), self.state)

    def made(self, calls):
        """The answer to a submission, which is there when its call was made."""
        self.at.inbox.wait_until(lambda _: len(self.at.calls) > calls)
        return StreamRestored(self.at.clock.at_ns, "test")  # any event that is no bar

    def step(self, bars, *, fills=0):
        for number in range(1, bars + 1):
            self.exchange.step()
            self.at.clock.at_ns = parse_instant(self.exchange.state()["now"])
            if number == bars:
                self.take_fills(fills)
            self.watch.saw(next(self.bars), NOTHING, self.state)
            if self.watch.cycles % COMPARE_EVERY == 0:
                self.compare()

    def take_fills(self, count):
        self.filled += count
        self.wait(OrderFilled, self.filled)
        for event in self.at.inbox.events:
            if isinstance(event, OrderFilled):
                self.state.working.discard(event.client_order_id)

    def compare(self):
        self.compared += 1
        self.at.broker.send(self.make.snapshot(self.at.clock.at_ns))
        self.wait(SnapshotTaken, self.compared)

    def wait(self, kind, count):
        self.at.inbox.wait_until(
            lambda events: sum(isinstance(event, kind) for event in events) >= count
        )

    def calls(self) -> ApiCalls:
        for call in self.at.calls:
            self.tally.add(call)
        return self.watch.with_calls(self.tally.counts, self.tally.busiest_minute)


@pytest.fixture
def day(bars, desk, make, words):
    with PracticeServer(bars, CALENDAR) as server:
        server.step(WARM_BARS)
        now_ns = parse_instant(server.state()["now"])
        at = desk(server.addresses.trading_url, keys=server.keys, at_ns=now_ns, calendar=CALENDAR)
        stream = TradeUpdates(
            server.keys, server.addresses.trade_stream_url, words.requests, at.clock, at.inbox,
            read=at.broker.read_news, chance=lambda: 0.5,
        )  # fmt: skip
        stream.start()
        found = Day(server, at, make, bars)
        found.wait(StreamRestored, 1)
        yield found
        stream.stop()


def test_orders_that_rest_cost_a_third_of_asking_after_them(day):
    for _ in range(WAVES):
        day.send(ORDERS)
        day.step(REST_BARS, fills=ORDERS)
    found = day.calls()
    assert found.by_kind["submit"] == ORDERS * WAVES
    assert found.by_kind["account"] == found.by_kind["positions"] == day.compared == 6
    assert "look_up" not in found.by_kind
    assert found.order_questions == ORDERS * WAVES * REST_BARS
    assert found.total == len(day.at.calls)
    asked = 2 * found.cycles + found.order_questions
    assert found.total_by_polling == ORDERS * WAVES + asked
    assert found.reduction_pct > 60


def test_a_day_without_orders_costs_less_than_asking_how_things_stand(day):
    day.step(4 * COMPARE_EVERY)
    found = day.calls()
    assert found.order_questions == 0
    assert found.per_cycle == found.total / (4 * COMPARE_EVERY) > 0
    assert found.reduction_pct > 30


def heard(tally: Tally, *at_s: float) -> int:
    for each_s in at_s:
        tally.add(Call(round(each_s * NS_PER_S), "orders", "200", 1))
    return tally.busiest_minute


def test_the_busiest_minute_is_the_most_in_any_sixty_seconds():
    tally = Tally()
    assert tally.busiest_minute == 0
    assert heard(tally, 0, 59.9) == 2
    assert heard(tally, 60) == 2  # the first is a minute old
    assert heard(tally, 119.8) == 3  # over the turn of a minute
    assert heard(tally, 500, 600) == 3
    assert tally.counts == {"orders": 6}
