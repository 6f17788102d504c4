"""The broker against the practice exchange: what goes wrong there, and that no order is doubled."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path

import pytest

from mqd.brokers.alpaca.fields import parse_instant
from mqd.brokers.alpaca.stream import TradeUpdates
from mqd.brokers.practice.refusals import REASONS
from mqd.brokers.practice.server import PracticeServer
from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.engine.step import step
from mqd.feeds.calendar import ExchangeCalendar
from mqd.feeds.recorded import RecordedFeed
from mqd.feeds.samples import sample_bars
from mqd.ground.times import NS_PER_S
from mqd.model.event import (
    BarClosed,
    BrokerLockedOut,
    CancelRefused,
    ClockTicked,
    DeskStarted,
    OrderCancelled,
    OrderFilled,
    OrderNotTaken,
    OrderOutcomeLost,
    OrderRejected,
    OrderReported,
    SnapshotFailed,
    SnapshotTaken,
    StreamRestored,
    UnreadableReceived,
)
from mqd.rules.compile.book import compile_book
from mqd.rules.validate import load_rules

ROOT = Path(__file__).resolve().parents[3]
CALENDAR = ExchangeCalendar()


@pytest.fixture(scope="module")
def bars():
    events = RecordedFeed(sample_bars(), CALENDAR).events()
    return [event for event in events if isinstance(event, BarClosed)][:40]


@pytest.fixture
def exchange(bars):
    with PracticeServer(bars, CALENDAR) as server:
        server.step(10)
        yield server


@pytest.fixture
def at(exchange, desk):
    now_ns = parse_instant(exchange.state()["now"])
    return desk(exchange.addresses.trading_url, keys=exchange.keys, at_ns=now_ns, calendar=CALENDAR)


@pytest.fixture
def listening(exchange, at, words):
    """The trading stream, read by the broker into the same inbox."""
    stream = TradeUpdates(
        exchange.keys, exchange.addresses.trade_stream_url, words.requests, at.clock, at.inbox,
        read=at.broker.read_news, chance=lambda: 0.5,
    )  # fmt: skip
    stream.start()
    wait_for(at, StreamRestored)
    yield stream
    stream.stop()


def wait_for(at, kind, count=1):
    at.inbox.wait_until(lambda events: sum(isinstance(each, kind) for each in events) >= count)
    return [event for event in at.inbox.events if isinstance(event, kind)]


def orders_there(exchange):
    return [order["client_order_id"] for order in exchange.books()["orders"]]


@pytest.mark.case(84)
def test_the_stream_and_the_list_name_an_execution_alike(exchange, at, listening, make):
    at.told(make.submit())
    (fill,) = wait_for(at, OrderFilled)
    taken = at_last(at, make.snapshot())
    (listed,) = taken.executions
    assert listed.execution_id == fill.execution_id
    assert listed[1:8] == (
        make.order_id(), fill.broker_order_id, "SPY", "buy", fill.qty, fill.price, fill.fee_usd,
    )  # fmt: skip
    assert listed.at_ns == fill.at_ns
    assert taken.positions[0].qty == fill.qty == Decimal("0.862")
    assert taken.cash_usd == Decimal(100_000) - fill.qty * fill.price
    assert taken.orders == ()


def at_last(at, command):
    at.broker.send(command)
    return wait_for(at, SnapshotTaken)[-1]


@pytest.mark.case(4, 5, 203)
@pytest.mark.rule(
    "SERVER_FAILED", "CONNECTION_BROKEN", "NO_ANSWER_IN_TIME", "ANSWER_UNREADABLE",
    "NO_SUCH_ORDER",
)  # fmt: skip
@pytest.mark.parametrize(
    "kind", ["no_answer", "reset", "http_504", "http_504_html", "http_500", "garbage_body",
             "html_body"],
)  # fmt: skip
@pytest.mark.parametrize("booked", [True, False])
def test_in_doubt_an_order_is_there_once_or_not_at_all(exchange, at, make, kind, booked):
    exchange.plan(kind=kind, request="submit", booked=booked)
    at.broker.send(make.submit())
    at.inbox.wait_until(lambda events: OrderOutcomeLost in map(type, events))
    assert orders_there(exchange) == [make.order_id()] * booked
    (found,) = at.told(make.look_up())
    assert isinstance(found, OrderReported) is booked


@pytest.mark.case(5, 11, 222)
@pytest.mark.rule("ORDER_EXISTS", "SERVER_FAILED")
def test_an_exit_that_is_sent_again_under_its_id_is_one_order(exchange, at, make):
    at.told(make.submit())
    exchange.plan(kind="http_504", request="submit", booked=True)
    assert isinstance(at.one(make.submit("exit")), OrderOutcomeLost)
    again = at.one(make.submit("exit"))
    assert isinstance(again, OrderReported)
    assert orders_there(exchange) == [make.order_id(), make.order_id("exit")]
    assert at.one(make.snapshot()).positions == ()


@pytest.mark.case(2, 11, 204)
@pytest.mark.rule("ORDER_EXISTS")
def test_an_id_outlives_its_order_and_a_restart(exchange, at, make, desk):
    at.told(make.submit())
    at.broker.close()
    other = desk(exchange.addresses.trading_url, keys=exchange.keys, at_ns=at.clock.at_ns)
    assert isinstance(other.one(make.submit()), OrderReported)
    assert len(orders_there(exchange)) == 1


@pytest.mark.case(7)
@pytest.mark.rule("SUBMITS_TOO_OFTEN")
def test_too_many_requests_leave_no_order(exchange, at, make):
    exchange.plan(kind="http_429", request="submit", seconds=1)
    assert isinstance(at.one(make.submit()), OrderNotTaken)
    assert orders_there(exchange) == []


@pytest.mark.case(6)
def test_a_no_of_the_broker_is_a_no(exchange, at, make):
    assert isinstance(at.one(make.submit("exit")), OrderRejected)  # nothing to sell
    assert isinstance(at.one(make.submit(symbol="NOPE")), OrderRejected)


@pytest.mark.case(6, 46, 90, 211, 212)
@pytest.mark.rule(
    "NO_BUYING_POWER", "SHARES_HELD", "WASH_TRADE", "NOT_ALLOWED", "NOT_IN_FRACTIONS",
    "ACCOUNT_MAY_NOT", "DAY_TRADES", "NOT_TRADABLE", "FRACTION_NOT_SO", "PRICE_TOO_FINE",
    "STOP_ON_WRONG_SIDE", "ORDER_MALFORMED",
)  # fmt: skip
@pytest.mark.parametrize(
    ("reason", "row"),
    [
        ("buying_power", "NO_BUYING_POWER"), ("qty", "SHARES_HELD"), ("wash_trade", "WASH_TRADE"),
        ("short", "NOT_ALLOWED"), ("not_fractionable", "NOT_IN_FRACTIONS"),
        ("not_authorized", "ACCOUNT_MAY_NOT"), ("day_trading", "DAY_TRADES"),
        ("not_tradable", "NOT_TRADABLE"), ("fractional_day", "FRACTION_NOT_SO"),
        ("sub_penny", "PRICE_TOO_FINE"), ("stop_price", "STOP_ON_WRONG_SIDE"),
        ("malformed", "ORDER_MALFORMED"),
    ],
)  # fmt: skip
def test_each_no_keeps_its_code_and_words_and_is_not_repeated(
    exchange, at, make, words, reason, row
):
    exchange.plan(kind="refused", reason=reason)
    event = at.one(make.submit())
    status, code, said = REASONS[reason]
    assert event == OrderRejected(event.at_ns, make.order_id(), str(code), f"{status}: {said}")
    assert words.answer("submit", str(status), event.code, event.reason).code == row
    assert [call.kind for call in at.calls] == ["submit"]
    assert orders_there(exchange) == []


@pytest.mark.case(19)
@pytest.mark.rule("ACCOUNT_MAY_NOT")
def test_an_account_that_is_blocked_meanwhile_says_so_to_each_order(exchange, at, make):
    exchange.plan(kind="account_says", fields={"trading_blocked": True})
    for attempt in (1, 2):
        event = at.one(make.submit(attempt=attempt))
        assert isinstance(event, OrderRejected)
        assert "not authorized to trade" in event.reason


@pytest.mark.case(210)
@pytest.mark.rule("rejected")
def test_an_order_that_is_taken_and_refused_later_ends(exchange, at, listening, make):
    exchange.plan(kind="rejected_later")
    at.told(make.submit())
    (rejected,) = wait_for(at, OrderRejected)
    assert rejected.client_order_id == make.order_id()


@pytest.mark.case(39)
@pytest.mark.rule("canceled")
def test_a_cancel_ends_an_order_when_the_stream_says_so(exchange, at, listening, make):
    exchange.plan(kind="held_back", bars=10)
    at.told(make.submit())
    at.broker.send(make.cancel())
    (cancelled,) = wait_for(at, OrderCancelled)
    assert cancelled.filled_qty == 0


@pytest.mark.case(209)
@pytest.mark.rule("partial_fill", "canceled")
def test_what_was_filled_before_a_cancel_stays_filled(exchange, at, listening, make):
    exchange.plan(kind="partial_fill", part="0.5", bars=10)
    at.told(make.submit())
    (fill,) = wait_for(at, OrderFilled)
    at.broker.send(make.cancel())
    (cancelled,) = wait_for(at, OrderCancelled)
    assert cancelled.filled_qty == fill.qty == Decimal("0.431")


@pytest.mark.case(40, 41, 208)
@pytest.mark.rule("ENDED_BEFORE")
def test_a_cancel_of_what_is_filled_tells_of_the_fill(exchange, at, make):
    at.told(make.submit())
    event = at.one(make.cancel())
    assert isinstance(event, OrderReported)
    assert event.report.status == "filled"


@pytest.mark.case(42, 209)
@pytest.mark.rule("fill", "canceled")
def test_a_fill_after_the_cancel_is_told(exchange, at, listening, make):
    exchange.plan(kind="held_back", bars=10)
    exchange.plan(kind="fill_after_cancel", part="0.5")
    at.told(make.submit())
    at.broker.send(make.cancel())
    wait_for(at, OrderCancelled)
    (fill,) = wait_for(at, OrderFilled)
    assert at_last(at, make.snapshot()).executions[0].execution_id == fill.execution_id


@pytest.mark.case(58, 208)
@pytest.mark.rule("order_cancel_rejected")
def test_a_cancel_that_the_exchange_turns_down_is_told(exchange, at, listening, make):
    exchange.plan(kind="held_back", bars=10)
    exchange.plan(kind="cancel_rejected")
    at.told(make.submit())
    at.broker.send(make.cancel())
    assert wait_for(at, CancelRefused)[0].client_order_id == make.order_id()


@pytest.mark.case(82)
@pytest.mark.rule("NOTHING_KNOWN", "SERVER_FAILED", "ANSWER_UNREADABLE")
@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("http_500", {}), ("http_504_html", {}), ("reset", {}), ("garbage_body", {}),
        ("no_answer", {}), ("http_429", {"seconds": 0}), ("html_body", {}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("request_", ["orders", "positions", "account", "activities"])
def test_a_snapshot_is_whole_or_none(exchange, at, make, kind, more, request_):
    at.told(make.submit())
    exchange.plan(kind=kind, request=request_, **more)
    at.broker.send(make.snapshot())
    at.inbox.wait_until(lambda events: SnapshotFailed in map(type, events))
    assert SnapshotTaken not in map(type, at.inbox.events)
    assert at_last(at, make.snapshot()).positions[0].qty == Decimal("0.862")


@pytest.mark.case(69, 70)
@pytest.mark.rule("WORDS_ARE_EXPLAINED")
@pytest.mark.parametrize(
    ("kind", "more"),
    [("event_unknown_word", {"word": "teleported"}), ("event_not_json", {}),
     ("event_missing_field", {"field": "order.filled_qty"})],
)  # fmt: skip
def test_news_that_nobody_can_read_is_kept(exchange, at, listening, make, kind, more):
    exchange.plan(kind=kind, event="fill", **more)
    at.told(make.submit())
    assert wait_for(at, UnreadableReceived)[0].text
    assert [item.qty for item in at_last(at, make.snapshot()).executions] == [Decimal("0.862")]


@pytest.mark.case(226)
@pytest.mark.rule("KEYS_REFUSED")
def test_keys_that_are_revoked_are_told_once(exchange, at, make):
    exchange.plan(kind="keys_revoked")
    at.told(make.submit(), 2)
    assert [type(event) for event in at.inbox.events] == [OrderNotTaken, BrokerLockedOut]


@pytest.mark.case(88, 222, 224)
def test_orders_and_positions_of_others_are_seen_and_left_alone(exchange, at, make):
    exchange.plan(kind="foreign_order", symbol="SPY", side="buy", qty="3", type="limit",
                  limit_price="1")  # fmt: skip
    exchange.plan(kind="position_drift", symbol="SPY", qty="2")
    taken = at.one(make.snapshot())
    assert [report.qty for report in taken.orders] == [Decimal(3)]
    assert taken.positions[0].qty == Decimal(2)
    assert taken.executions == ()


@pytest.mark.case(70, 215)
def test_an_account_that_loses_and_gains_fields_is_read(exchange, at, make):
    exchange.plan(kind="account_says", fields={"pattern_day_trader": None, "equity": None, "x": 1})
    assert isinstance(at.one(make.snapshot()), SnapshotTaken)
    assert "equity" in at.broker.account.unsaid


# -- what the breaker hears ------------------------------------------------------------------------


def came_to(at, command):
    """What a command's requests came to, as it was told with the answer."""
    before = len(at.inbox.came_to)
    at.broker.send(command)
    end_s = time.monotonic() + 10
    while len(at.inbox.came_to) == before:
        assert time.monotonic() < end_s, "nobody told what it came to"
        time.sleep(0.005)
    (told,) = at.inbox.came_to[before:]
    return told


@pytest.mark.case(73)
@pytest.mark.rule("BREAKER_TABLE")
@pytest.mark.parametrize(
    ("kind", "more", "outcome", "at_least_ms"),
    [
        ("slow_answer", {"seconds": 0.3}, "answered", 300),
        ("http_429", {"seconds": 1}, "not_taken", 0),
        ("http_500", {}, "unproved", 0),
        ("http_504_html", {}, "unproved", 0),
        ("garbage_body", {}, "unproved", 0),
        ("reset", {}, "unproved", 0),
        ("no_answer", {"seconds": 3}, "unproved", 600),
    ],
)
def test_each_request_tells_what_it_came_to_and_how_long_it_took(
    exchange, at, make, kind, more, outcome, at_least_ms
):
    exchange.plan(kind=kind, request="submit", **more)
    told = came_to(at, make.submit())
    assert (told.request, told.outcome) == ("submit", outcome)
    assert at_least_ms <= told.took_ms < at_least_ms + 500


@pytest.mark.case(73)
@pytest.mark.rule("BREAKER_TABLE")
def test_a_no_is_an_answer_and_one_bad_request_spoils_a_snapshot(exchange, at, make):
    assert came_to(at, make.submit("exit"))[1:3] == ("submit", "answered")  # nothing to sell
    assert came_to(at, make.look_up(attempt=7))[1:3] == ("look_up", "answered")  # no such order
    assert came_to(at, make.snapshot())[1:3] == ("read", "answered")
    exchange.plan(kind="http_500", request="positions")
    assert came_to(at, make.snapshot())[1:3] == ("read", "unproved")
    exchange.plan(kind="slow_answer", request="account", seconds=0.3)
    told = came_to(at, make.snapshot())
    assert told.outcome == "answered"
    assert 300 <= told.took_ms < 600  # the slowest of them, not all together


@pytest.mark.case(73)
@pytest.mark.rule("BR-02", "BR-03", "BR-05")
def test_an_exchange_that_fails_opens_the_breaker_and_a_comparison_closes_it(exchange, at, make):
    engine = Engine.of(compile_book(load_rules(ROOT / "rules")))
    state = DeskState()

    def hear(event):
        step(engine, state, event)
        return state.breaker.state_name

    now_ns = at.clock.at_ns
    assert hear(DeskStarted(now_ns, "digest", "practice", "test")) == "CLOSED"
    exchange.plan(kind="http_500", request="submit", times=5)
    heard = [hear(came_to(at, make.submit(attempt=number))) for number in range(5)]
    assert heard == ["CLOSED"] * 4 + ["OPEN"]
    assert came_to(at, make.submit("exit")).outcome == "answered"  # nothing here holds it up
    assert hear(ClockTicked(now_ns + 60 * NS_PER_S)) == "HALF_OPEN"
    assert hear(came_to(at, make.snapshot())) == "CLOSED"
