"""Each fault alone: it happens where its rate is one, and never where it is nought."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

import pytest

from mqd.brokers.faults import FAULTS, Dice, FaultRates
from mqd.brokers.faulty import FaultyBroker
from mqd.brokers.world import WorldViolation
from mqd.ground.errors import SettingsError
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S
from mqd.model.command import CancelOrder, Command, LookUpOrder, SubmitOrder, TakeSnapshot
from mqd.model.event import (
    BarClosed,
    BrokerEvent,
    CancelRefused,
    ClockTicked,
    ExecutionBusted,
    ExecutionCorrected,
    FeeCharged,
    OrderAcknowledged,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderNotFound,
    OrderNotTaken,
    OrderOutcomeLost,
    OrderRejected,
    OrderReported,
    RequestAnswered,
    SessionClosed,
    SessionOpened,
    SnapshotFailed,
    SnapshotTaken,
    StreamLost,
    StreamRestored,
)
from mqd.ports.broker import Broker

OPEN_NS = 1_728_307_800_000_000_000  # 2024-10-07 09:30 in New York
CLOSE_NS = OPEN_NS + 40 * NS_PER_MINUTE
NEXT_NS = OPEN_NS + 24 * 60 * NS_PER_MINUTE
DATE = "2024-10-07"


def bar(minute: int, price: float = 570.0) -> BarClosed:
    start_ns = OPEN_NS + minute * NS_PER_MINUTE
    end_ns = start_ns + NS_PER_MINUTE
    return BarClosed(end_ns, "SPY", start_ns, price, price, price, price, 100.0)


def order(name: str, side: str = "buy", qty: str = "1") -> SubmitOrder:
    return SubmitOrder(OPEN_NS, name, "SPY", side, Decimal(qty), "market", "day")


def news(broker: FaultyBroker) -> list[BrokerEvent]:
    """What it says of the account; what requests came to is looked at by itself."""
    return [event for event in broker.replies() if not isinstance(event, RequestAnswered)]


def came_to(broker: FaultyBroker, command: Command) -> list[tuple[object, ...]]:
    """What the requests came to: (request, outcome, milliseconds)."""
    broker.send(command)
    return [event[1:] for event in broker.replies() if isinstance(event, RequestAnswered)]


def show(broker: FaultyBroker, event: Any) -> list[BrokerEvent]:
    broker.observe(event, accepted=True)
    return news(broker)


def ask(broker: FaultyBroker, command: Command) -> list[BrokerEvent]:
    broker.send(command)
    return news(broker)


def tick(broker: FaultyBroker, after_s: int = 10) -> list[BrokerEvent]:
    return show(broker, ClockTicked(broker.world.now_ns + after_s * NS_PER_S))


def cancel(name: str) -> CancelOrder:
    return CancelOrder(OPEN_NS, name, "test")


def kinds(events: list[BrokerEvent]) -> list[type]:
    return [type(event) for event in events]


def broker_with(seed: int = 1, **rates: float) -> FaultyBroker:
    """A broker in an open session with one bar behind it."""
    broker = FaultyBroker(Dice(Random(seed), FaultRates(**rates)))
    show(broker, SessionOpened(OPEN_NS, DATE, OPEN_NS, CLOSE_NS, 34_200))
    show(broker, bar(0))
    return broker


# -------------------------------------------------------------------------------- nothing wrong


def test_without_faults_it_answers_everything_at_once_and_in_order() -> None:
    broker = broker_with()
    port: Broker = broker
    assert port is broker
    acknowledged, filled = ask(broker, order("a"))
    assert isinstance(acknowledged, OrderAcknowledged)
    assert isinstance(filled, OrderFilled)
    assert (filled.symbol, filled.side, filled.qty) == ("SPY", "buy", Decimal(1))
    (reported,) = ask(broker, LookUpOrder(OPEN_NS, "a"))
    assert isinstance(reported, OrderReported)
    assert reported.report.status == "filled"
    assert kinds(ask(broker, LookUpOrder(OPEN_NS, "b"))) == [OrderNotFound]
    (taken,) = ask(broker, TakeSnapshot(OPEN_NS + 5, "test"))
    assert isinstance(taken, SnapshotTaken)
    assert taken.asked_ns == OPEN_NS + 5
    assert [held.qty for held in taken.positions] == [1]
    assert kinds(ask(broker, cancel("a"))) == [CancelRefused]
    assert not broker.dice.happened


def test_it_sells_no_more_than_is_held_and_nothing_after_the_close() -> None:
    broker = broker_with()
    assert kinds(ask(broker, order("a", "sell"))) == [OrderRejected]
    ask(broker, order("b"))
    assert kinds(ask(broker, order("c", "sell"))) == [OrderAcknowledged, OrderFilled]
    show(broker, SessionClosed(CLOSE_NS, DATE))
    (late,) = ask(broker, order("d"))
    assert isinstance(late, OrderRejected)
    assert late.code == "MARKET_CLOSED"


def stop(name: str, at: str, qty: str = "1") -> SubmitOrder:
    return order(name, "sell", qty)._replace(type="stop", stop_price=Decimal(at))


def dip(minute: int, low: float, close: float) -> BarClosed:
    return bar(minute, close)._replace(open=570.0, high=570.0, low=low)


@pytest.mark.parametrize(
    ("low", "close", "price"), [(565.0, 569.0, "565"), (564.0, 564.0, "564"), (565.01, 569.0, "")]
)
def test_a_stop_rests_until_a_low_reaches_it_and_trades_at_its_price_or_worse(
    low: float, close: float, price: str
) -> None:
    broker = broker_with()
    ask(broker, order("a"))
    assert kinds(ask(broker, stop("s", "565"))) == [OrderAcknowledged]
    assert not tick(broker)
    told = [each for each in show(broker, dip(1, low, close)) if isinstance(each, OrderFilled)]
    assert bool(told) is bool(price)
    for filled in told:
        assert filled.client_order_id == "s"
        assert abs(filled.price - Decimal(price)) <= Decimal("0.03")
        assert filled.price <= Decimal(565)


def test_a_low_that_is_history_reaches_no_stop() -> None:
    broker = broker_with()
    show(broker, dip(1, 560.0, 570.0))
    ask(broker, order("a"))
    ask(broker, stop("s", "565"))
    assert not tick(broker)
    assert "s" in broker.world.books.working


def test_a_stop_holds_its_shares_and_stands_below_the_price_and_beside_no_buy() -> None:
    broker = broker_with(no_fill=0.0)
    ask(broker, order("a"))
    (refused,) = ask(broker, stop("high", "570"))
    assert isinstance(refused, OrderRejected)
    assert refused.code == "WRONG_SIDE"
    ask(broker, stop("s", "565"))
    (refused,) = ask(broker, order("b", "sell"))
    assert isinstance(refused, OrderRejected)
    assert refused.code == "INSUFFICIENT_QTY"
    assert kinds(ask(broker, cancel("s"))) == [OrderCancelled]
    broker.world.books.take(order("by-hand"), "b", broker.world.now_ns)
    (refused,) = ask(broker, stop("t", "565"))
    assert isinstance(refused, OrderRejected)
    assert refused.code == "WASH_TRADE"


def test_the_same_seed_lives_the_same_life() -> None:
    rates: Any = dict.fromkeys(FAULTS, 0.3)

    def life(seed: int) -> list[BrokerEvent]:
        broker = broker_with(seed, **rates)
        found: list[BrokerEvent] = []
        for minute in range(1, 30):
            found += ask(broker, order(f"a{minute}")._replace(symbol=f"S{minute}"))
            found += ask(broker, cancel(f"a{minute}"))
            found += ask(broker, TakeSnapshot(minute, "test"))
            found += tick(broker) + show(broker, bar(minute))
        return found

    assert life(1) == life(1)
    assert life(1) != life(2)


# ----------------------------------------------------------------------------------- requests


def test_a_lost_submit_leaves_no_order_and_a_lost_reply_leaves_one() -> None:
    lost = broker_with(submit_lost=1.0)
    assert kinds(ask(lost, order("a"))) == [OrderOutcomeLost]
    assert not lost.world.books.orders
    unanswered = broker_with(reply_lost=1.0)
    assert OrderOutcomeLost in kinds(ask(unanswered, order("a")))
    assert unanswered.world.books.orders["a"].status == "filled"


def test_a_request_that_was_not_taken_can_be_sent_again_under_its_id() -> None:
    broker = broker_with(not_taken=1.0)
    assert kinds(ask(broker, order("a"))) == [OrderNotTaken]
    assert not broker.world.books.orders
    broker.calm_down()
    assert kinds(ask(broker, order("a")._replace(at_ns=OPEN_NS + 9))) == [
        OrderAcknowledged,
        OrderFilled,
    ]
    assert broker.sent_again == 1


def test_an_id_that_is_there_already_is_reported_and_never_a_second_order() -> None:
    broker = broker_with(no_fill=1.0)
    ask(broker, order("a"))
    (reported,) = ask(broker, order("a")._replace(at_ns=OPEN_NS + 9))
    assert isinstance(reported, OrderReported)
    assert reported.report.status == "new"
    assert list(broker.world.books.working) == ["a"]


def test_other_contents_under_an_old_id_are_a_violation() -> None:
    broker = broker_with(submit_lost=1.0)
    ask(broker, order("a"))
    with pytest.raises(WorldViolation, match="sent twice"):
        broker.send(order("a", qty="2"))


def test_two_live_orders_on_one_side_are_a_violation_and_after_the_first_has_ended_are_not() -> (
    None
):
    broker = broker_with(no_fill=1.0)
    ask(broker, order("a"))
    with pytest.raises(WorldViolation, match="two live orders"):
        broker.send(order("b"))
    other = broker_with(no_fill=1.0)
    ask(other, order("a"))
    ask(other, cancel("a"))
    assert kinds(ask(other, order("b"))) == [OrderAcknowledged]


@pytest.mark.parametrize(
    ("first", "second", "is_violation"),
    [
        (("vwap", "exit"), ("momentum", "exit"), False),
        (("vwap", "exit"), ("momentum", "protective"), False),
        (("vwap", "exit"), ("vwap", "exit"), True),
        (("vwap", "protective"), ("vwap", "exit"), True),
        (("vwap", "exit"), ("momentum", "entry"), True),
        (("vwap", "entry"), ("momentum", "entry"), True),
    ],
)
def test_only_another_strategy_s_way_out_works_beside_an_order_of_that_side(
    first, second, is_violation
) -> None:
    """What a bust left each of them with, each sells; nothing else may come twice."""
    broker = broker_with(no_fill=1.0)
    broker.world.books.move("SPY", Decimal(2), Decimal(570), Decimal(0))
    names = [f"mqd-{strategy}-SPY-20241007T133100Z-{role}-1" for strategy, role in (first, second)]
    again = names[1] if second != first else names[1].removesuffix("1") + "2"
    assert kinds(ask(broker, order(names[0], side="sell"))) == [OrderAcknowledged]
    if is_violation:
        with pytest.raises(WorldViolation, match="two live orders"):
            broker.send(order(again, side="sell"))
    else:
        assert kinds(ask(broker, order(again, side="sell"))) == [OrderAcknowledged]
        assert set(broker.world.books.working) == set(names)


def test_rejections_come_at_once_or_after_the_acknowledgement() -> None:
    assert kinds(ask(broker_with(rejected=1.0), order("a"))) == [OrderRejected]
    later = broker_with(rejected_later=1.0)
    assert kinds(ask(later, order("a"))) == [OrderAcknowledged, OrderRejected]
    assert later.world.books.orders["a"].status == "rejected"


def test_a_cancel_is_lost_or_refused_while_the_order_works_on() -> None:
    lost = broker_with(cancel_lost=1.0, no_fill=1.0)
    ask(lost, order("a"))
    assert kinds(ask(lost, cancel("a"))) in ([], [OrderOutcomeLost])
    assert list(lost.world.books.working) == ["a"]
    refused = broker_with(cancel_refused=1.0, no_fill=1.0)
    ask(refused, order("a"))
    assert kinds(ask(refused, cancel("a"))) == [CancelRefused]
    assert list(refused.world.books.working) == ["a"]
    taken_back = broker_with(no_fill=1.0)
    ask(taken_back, order("a"))
    assert kinds(ask(taken_back, cancel("a"))) == [OrderCancelled]


def test_questions_go_unanswered_or_are_answered_with_an_error() -> None:
    assert ask(broker_with(look_up_failed=1.0), LookUpOrder(OPEN_NS, "a")) == []
    snapshot = TakeSnapshot(OPEN_NS, "test")
    assert ask(broker_with(snapshot_silent=1.0), snapshot) == []
    assert kinds(ask(broker_with(snapshot_failed=1.0), snapshot)) == [SnapshotFailed]


def test_a_late_answer_says_what_was_so_when_it_was_asked() -> None:
    broker = broker_with(answer_late=1.0)
    assert ask(broker, TakeSnapshot(OPEN_NS, "test")) == []
    ask(broker, order("a"))
    (taken,) = tick(broker, 60)
    assert isinstance(taken, SnapshotTaken)
    assert taken.positions == ()
    assert taken.at_ns < broker.world.now_ns


# ------------------------------------------------------------------------------------- market


def test_an_order_trades_in_parts_later_or_never() -> None:
    parts = broker_with(partial_fill=1.0)
    found = ask(parts, order("a"))
    while parts.world.books.working:
        found += tick(parts)
    fills = [event for event in found if isinstance(event, OrderFilled)]
    assert len(fills) >= 2
    assert sum(event.qty for event in fills) == 1
    slow = broker_with(slow_fill=1.0)
    assert kinds(ask(slow, order("a"))) == [OrderAcknowledged]
    assert OrderFilled in [kind for _ in range(12) for kind in kinds(tick(slow))]
    never = broker_with(no_fill=1.0)
    ask(never, order("a"))
    assert [event for _ in range(50) for event in tick(never)] == []
    assert kinds(show(never, SessionClosed(CLOSE_NS, DATE))) == [OrderExpired]


def test_a_fill_crosses_a_cancel_in_whole_or_in_part() -> None:
    seen = set()
    for seed in range(20):
        broker = broker_with(seed, fill_crosses_cancel=1.0, no_fill=1.0)
        ask(broker, order("a"))
        seen.add(tuple(kind.__name__ for kind in kinds(ask(broker, cancel("a")))))
    assert seen == {("OrderFilled", "CancelRefused"), ("OrderFilled", "OrderCancelled")}


# ------------------------------------------------------------------------------------- stream


def test_news_is_doubled_dropped_or_lacks_its_acknowledgement() -> None:
    doubled = kinds(ask(broker_with(duplicated=1.0), order("a")))
    assert (
        sorted(kind.__name__ for kind in doubled) == ["OrderAcknowledged"] * 2 + ["OrderFilled"] * 2
    )
    dropped = broker_with(dropped=1.0)
    assert ask(dropped, order("a")) == []
    assert dropped.world.books.position("SPY") == 1
    assert kinds(ask(broker_with(ack_missing=1.0), order("a"))) == [OrderFilled]


def test_news_is_overtaken_within_a_bounded_time() -> None:
    orders_seen = set()
    for seed in range(20):
        broker = broker_with(seed, reordered=1.0)
        assert ask(broker, order("a")) == []
        orders_seen.add(tuple(kinds(tick(broker, 12))))
    assert orders_seen == {(OrderAcknowledged, OrderFilled), (OrderFilled, OrderAcknowledged)}


def test_news_comes_with_a_later_bar_or_in_the_next_session() -> None:
    later = broker_with(late_bar=1.0)
    assert ask(later, order("a")) == []
    assert tick(later, 59) == []
    assert sorted(kind.__name__ for kind in kinds(show(later, bar(6)))) == [
        "OrderAcknowledged",
        "OrderFilled",
    ]
    held = broker_with(late_session=1.0)
    ask(held, order("a"))
    assert show(held, bar(20)) == []
    assert show(held, SessionClosed(CLOSE_NS, DATE)) == []
    opened = SessionOpened(NEXT_NS, "2024-10-08", NEXT_NS, NEXT_NS + 1, 34_200)
    assert kinds(show(held, opened)) == [OrderAcknowledged, OrderFilled]


def test_a_lost_stream_tells_nothing_until_it_is_back() -> None:
    broker = FaultyBroker(Dice(Random(1), FaultRates(stream_lost=1.0)))
    opened = SessionOpened(OPEN_NS, DATE, OPEN_NS, CLOSE_NS, 34_200)
    assert kinds(show(broker, opened)) == [StreamLost]
    assert ask(broker, order("a")) == []
    broker.calm_down()
    assert kinds(tick(broker)) == [StreamRestored]
    assert broker.world.books.orders["a"].status == "filled"
    assert broker.dice.happened["told_to_nobody"] == 2


# ------------------------------------------------------------------------- the account by itself


def test_an_execution_that_was_told_is_taken_back_corrected_or_charged() -> None:
    busted = broker_with(busted=1.0)
    ask(busted, order("a"))
    assert kinds(tick(busted)) == [ExecutionBusted]
    assert busted.world.books.position("SPY") == 0
    corrected = broker_with(corrected=1.0)
    (_, filled) = ask(corrected, order("a"))
    assert isinstance(filled, OrderFilled)
    (news,) = tick(corrected)
    assert isinstance(news, ExecutionCorrected)
    assert news.price != filled.price
    assert list(corrected.world.own_executions()) == [news.new_execution_id]
    assert tick(corrected) == []  # what was corrected stays
    charged = broker_with(fee_later=1.0)
    ask(charged, order("a"))
    cash_usd = charged.world.books.cash_delta_usd
    (fee,) = tick(charged)
    assert isinstance(fee, FeeCharged)
    assert charged.world.books.cash_delta_usd == cash_usd - fee.fee_usd


def test_what_the_desk_was_not_told_is_never_taken_back() -> None:
    broker = broker_with(busted=1.0, dropped=1.0)
    ask(broker, order("a"))
    assert tick(broker) == []
    assert broker.world.books.position("SPY") == 1


def test_other_hands_trade_on_the_account_and_the_desk_s_own_shares_are_known() -> None:
    ordered = broker_with(manual_order=1.0)
    found = tick(ordered)
    assert {type(event) for event in found} == {OrderAcknowledged, OrderFilled}
    assert not ordered.world.own_executions()
    given = broker_with(manual_position=1.0)
    assert tick(given) == []
    (taken,) = ask(given, TakeSnapshot(OPEN_NS, "test"))
    assert isinstance(taken, SnapshotTaken)
    assert taken.positions
    assert taken.executions == ()
    assert given.world.own_position("SPY") == given.world.own_position("QQQ") == 0


# -------------------------------------------------------------------------- processes and calm


def test_a_process_that_ends_loses_what_was_on_its_way_to_it_and_nothing_else() -> None:
    broker = broker_with()
    broker.send(order("a"))
    broker.desk_ended(0)
    assert news(broker) == []
    (reported,) = ask(broker, LookUpOrder(OPEN_NS, "a"))
    assert isinstance(reported, OrderReported)
    assert reported.report.status == "filled"


def test_the_world_goes_on_while_the_desk_is_down() -> None:
    broker = broker_with(slow_fill=1.0)
    ask(broker, order("a"))
    for _ in range(12):
        broker.desk_ended(60 * NS_PER_S)
    assert news(broker) == []
    assert broker.world.books.orders["a"].status == "filled"


def test_a_bust_is_told_again_to_the_next_process() -> None:
    broker = broker_with(busted=1.0)
    ask(broker, order("a"))
    broker.observe(ClockTicked(broker.world.now_ns + NS_PER_S), accepted=False)
    broker.desk_ended(0)
    broker.calm_down()
    assert kinds(tick(broker)) == [ExecutionBusted]


def test_calm_nothing_goes_wrong_whatever_the_rates() -> None:
    rates: Any = dict.fromkeys(FAULTS, 1.0)
    broker = broker_with(**rates)
    broker.calm_down()
    tick(broker)
    before = broker.dice.happened.total()
    assert kinds(ask(broker, order("calm"))) == [OrderAcknowledged, OrderFilled]
    assert broker.dice.happened.total() == before


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), 1])
def test_a_rate_is_a_share(rate: Any) -> None:
    with pytest.raises(SettingsError, match="dropped is"):
        FaultRates(dropped=rate)


@pytest.mark.case(73)
@pytest.mark.parametrize(
    ("fault", "command", "told"),
    [
        ("", order("a"), ("submit", "answered", 40)),
        ("rejected", order("a"), ("submit", "answered", 40)),
        ("submit_lost", order("a"), ("submit", "unproved", 5_020)),
        ("reply_lost", order("a"), ("submit", "unproved", 5_020)),
        ("not_taken", order("a"), ("submit", "not_taken", 40)),
        ("", cancel("a"), ("cancel", "answered", 40)),
        ("", LookUpOrder(OPEN_NS, "a"), ("look_up", "answered", 40)),
        ("", TakeSnapshot(OPEN_NS, "test"), ("read", "answered", 40)),
        ("snapshot_failed", TakeSnapshot(OPEN_NS, "test"), ("read", "unproved", 40)),
    ],
)
def test_each_request_tells_what_it_came_to(fault: str, command: Command, told: Any) -> None:
    rates: dict[str, Any] = {fault: 1.0} if fault else {}
    broker = broker_with(**rates)
    assert came_to(broker, command) == [told]


def test_an_answer_that_comes_late_says_how_late_and_one_that_never_comes_says_nothing() -> None:
    late = broker_with(answer_late=1.0)
    assert came_to(late, TakeSnapshot(OPEN_NS, "test")) == []
    late.observe(ClockTicked(late.world.now_ns + 60 * NS_PER_S), accepted=True)
    (event,) = (each for each in late.replies() if isinstance(each, RequestAnswered))
    assert 1_040 <= event.took_ms <= 40_040
    assert came_to(broker_with(snapshot_silent=1.0), TakeSnapshot(OPEN_NS, "test")) == []
