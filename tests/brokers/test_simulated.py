from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mqd.brokers.simulated import SimulatedBroker, SimulationSettings
from mqd.ground.errors import DuplicateOrderError, SettingsError
from mqd.ground.times import NS_PER_MINUTE
from mqd.model.command import CancelOrder, Command, LookUpOrder, SubmitOrder, TakeSnapshot
from mqd.model.event import (
    BarClosed,
    BrokerEvent,
    CancelRefused,
    ClockTicked,
    DeskStarted,
    OrderAcknowledged,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderNotFound,
    OrderRejected,
    OrderReported,
    SessionClosed,
    SessionOpened,
    SnapshotTaken,
)
from mqd.model.snapshot import HeldPosition, OrderReport, ReportedExecution
from mqd.ports.broker import Broker

OPEN_NS = 1_728_307_800_000_000_000  # 2024-10-07 09:30 in New York
MINUTES = 390
CLOSE_NS = OPEN_NS + MINUTES * NS_PER_MINUTE
DATE = "2024-10-07"
TERMINAL = (OrderCancelled, OrderRejected, OrderExpired)
ANSWERS = (CancelRefused, OrderNotFound, OrderReported, SnapshotTaken)


def end_of(minute: int) -> int:
    return OPEN_NS + (minute + 1) * NS_PER_MINUTE


def opened() -> SessionOpened:
    return SessionOpened(OPEN_NS, DATE, OPEN_NS, CLOSE_NS, 34_200)


def bar(minute: int, close: float = 571.17, open_: float = 571.0, symbol: str = "SPY") -> BarClosed:
    high, low = max(open_, close), min(open_, close)
    start_ns = end_of(minute) - NS_PER_MINUTE
    return BarClosed(end_of(minute), symbol, start_ns, open_, high, low, close, 100.0)


def order(
    name: str, qty: str = "1", side: str = "buy", symbol: str = "SPY", **changes: Any
) -> SubmitOrder:
    made = SubmitOrder(OPEN_NS, name, symbol, side, Decimal(qty), "market", "day")
    return made._replace(**changes)


def cancel(name: str) -> CancelOrder:
    return CancelOrder(OPEN_NS, name, "test")


def broker_with(**settings: Any) -> SimulatedBroker:
    """A broker in an open session that was shown no bar."""
    broker = SimulatedBroker(SimulationSettings(**settings))
    broker.observe(opened(), accepted=True)
    return broker


def show(broker: SimulatedBroker, event: Any, *, accepted: bool = True) -> list[BrokerEvent]:
    """What comes out before the desk reacts to `event`."""
    broker.observe(event, accepted=accepted)
    return list(broker.replies())


def ask(broker: SimulatedBroker, command: Command) -> list[BrokerEvent]:
    broker.send(command)
    return list(broker.replies())


def key_of(reply: Any) -> tuple[str, str, str]:
    """What kind of news it is, of which order, and of which execution."""
    return type(reply).__name__, reply.client_order_id, getattr(reply, "execution_id", "")


def filled(
    name: str, at_ns: int, price: str, qty: str = "1", part: int = 1, side: str = "buy"
) -> OrderFilled:
    return OrderFilled(
        at_ns, name, f"sim-{name}", f"sim-{name}-{part}", Decimal(price), Decimal(qty), Decimal(0),
        "SPY", side,
    )  # fmt: skip


def refused(name: str, at_ns: int, code: str = "ORDER_ENDED", status: str = "") -> CancelRefused:
    reason = f"the order is {status} already" if status else "no such order was sent"
    return CancelRefused(at_ns, name, code, reason)


def report(name: str, status: str, filled_qty: str = "0", **changes: Any) -> OrderReport:
    made = OrderReport(
        name, f"sim-{name}", "SPY", "buy", Decimal(1), Decimal(filled_qty), None, status
    )
    return made._replace(**changes)


# ---------------------------------------------------------------------------------------- stops


@pytest.mark.parametrize("fill", ["close", "next-open"])
@pytest.mark.parametrize(
    ("close", "open_", "price"), [(568.0, 571.0, "570"), (569.5, 569.0, "569"), (570.01, 571.0, "")]
)
def test_a_stop_trades_at_its_price_or_where_the_bar_opened_below_it(
    fill: str, close: float, open_: float, price: str
) -> None:
    broker = broker_with(fill=fill)
    show(broker, bar(0))
    ask(broker, order("a"))
    show(broker, bar(1))
    stop = order("s", side="sell", type="stop", stop_price=Decimal(570))
    assert [type(each) for each in ask(broker, stop)] == [OrderAcknowledged]
    assert [type(each) for each in ask(broker, order("b", side="sell"))] == [OrderRejected]
    told = show(broker, bar(2, close, open_))
    assert told == ([filled("s", end_of(2), price, side="sell")] if price else [])
    assert broker.position("SPY") == (0 if price else 1)


def test_a_stop_at_the_price_or_above_is_refused_and_one_taken_back_trades_no_more() -> None:
    broker = broker_with()
    show(broker, bar(0))
    ask(broker, order("a"))
    for price in ("571.17", "600"):
        stop = order(f"s{price}", side="sell", type="stop", stop_price=Decimal(price))
        (told,) = ask(broker, stop)
        assert isinstance(told, OrderRejected)
        assert told.code == "WRONG_SIDE"
    ask(broker, order("s", side="sell", type="stop", stop_price=Decimal(570)))
    assert [type(each) for each in ask(broker, cancel("s"))] == [OrderCancelled]
    assert not show(broker, bar(1, 500.0, 500.0))


# ------------------------------------------------------------------------------------- settings


def test_the_defaults_are_the_close_without_costs() -> None:
    assert SimulationSettings() == SimulationSettings(
        fill="close",
        slippage_bps=Decimal(0),
        largest_fill_shares=None,
        reject_every=0,
        fee_per_share_usd=Decimal(0),
        starting_cash_usd=Decimal(0),
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fill", "open"),
        ("slippage_bps", Decimal(-1)),
        ("slippage_bps", Decimal(10_000)),
        ("slippage_bps", Decimal("NaN")),
        ("slippage_bps", 1.5),
        ("largest_fill_shares", Decimal(0)),
        ("largest_fill_shares", Decimal("Infinity")),
        ("largest_fill_shares", 10),
        ("reject_every", -1),
        ("reject_every", 1.5),
        ("reject_every", True),
        ("fee_per_share_usd", Decimal("-0.01")),
        ("fee_per_share_usd", Decimal("sNaN")),
        ("starting_cash_usd", Decimal("Infinity")),
        ("starting_cash_usd", 100.0),
    ],
)
def test_an_impossible_setting_is_named(field: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=f"^{field} is "):
        SimulationSettings(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fill", "next-open"),
        ("slippage_bps", Decimal("9999.99")),
        ("largest_fill_shares", Decimal("0.001")),
        ("reject_every", 1),
        ("fee_per_share_usd", Decimal("0.0035")),
        ("starting_cash_usd", Decimal("-12.5")),
    ],
)
def test_a_possible_setting_is_taken(field: str, value: Any) -> None:
    assert getattr(SimulationSettings(**{field: value}), field) == value


# ---------------------------------------------------------------------------------- fill: close


def test_close_acknowledges_and_fills_at_the_close_of_the_bar_it_was_decided_on() -> None:
    broker: Broker = broker_with()
    broker.observe(bar(0), accepted=True)
    assert list(broker.replies()) == []
    broker.send(order("a", "0.852"))
    assert list(broker.replies()) == [
        OrderAcknowledged(end_of(0), "a", "sim-a"),
        filled("a", end_of(0), "571.17", "0.852"),
    ]
    assert list(broker.replies()) == []


def test_close_fills_the_rest_at_the_following_closes_after_the_desk_reacted_to_them() -> None:
    broker = broker_with(largest_fill_shares=Decimal(4))
    show(broker, bar(0, 10.0))
    assert ask(broker, order("a", "10"))[1:] == [filled("a", end_of(0), "10.0", "4", 1)]
    assert show(broker, bar(1, 11.0)) == []  # the desk decides on bar 1 without the fill
    assert show(broker, bar(2, 12.0)) == [filled("a", end_of(1), "11.0", "4", 2)]
    assert show(broker, bar(3, 13.0)) == [filled("a", end_of(2), "12.0", "2", 3)]
    assert show(broker, bar(4, 14.0)) == []
    assert broker.position("SPY") == 10


def test_close_counts_the_fill_of_a_bar_before_a_command_decided_on_that_bar() -> None:
    broker = broker_with(largest_fill_shares=Decimal(4))
    show(broker, bar(0, 10.0))
    ask(broker, order("a", "10"))
    show(broker, bar(1, 11.0))
    assert ask(broker, cancel("a")) == [
        filled("a", end_of(1), "11.0", "4", 2),
        OrderCancelled(end_of(1), "a", Decimal(8)),
    ]
    assert show(broker, bar(2, 12.0)) == []
    assert broker.position("SPY") == 8


def test_close_brings_the_last_part_before_the_session_ends() -> None:
    broker = broker_with(largest_fill_shares=Decimal(1))
    show(broker, bar(388, 10.0))
    ask(broker, order("a", "3"))
    show(broker, bar(389, 11.0))
    assert show(broker, SessionClosed(CLOSE_NS, DATE)) == [
        filled("a", CLOSE_NS, "11.0", "1", 2),
        OrderExpired(CLOSE_NS, "a", Decimal(2)),
    ]


def test_close_waits_for_the_next_bar_where_the_latest_close_is_not_of_now() -> None:
    broker = broker_with()
    assert ask(broker, order("a")) == [OrderAcknowledged(OPEN_NS, "a", "sim-a")]
    show(broker, bar(0, 10.0))
    assert show(broker, bar(1, 11.0), accepted=False) == [filled("a", end_of(0), "10.0")]
    assert ask(broker, order("b")) == [OrderAcknowledged(end_of(1), "b", "sim-b")]
    show(broker, bar(2, 12.0))
    assert show(broker, bar(3, 13.0)) == [filled("b", end_of(2), "12.0")]


# ------------------------------------------------------------------------------ fill: next-open


def test_next_open_fills_at_the_next_open_before_the_desk_reacts_to_that_bar() -> None:
    broker = broker_with(fill="next-open")
    show(broker, bar(0))
    assert ask(broker, order("a")) == [OrderAcknowledged(end_of(0), "a", "sim-a")]
    assert show(broker, bar(1, open_=12.5)) == [filled("a", end_of(0), "12.5")]
    assert show(broker, bar(2)) == []


def test_next_open_fills_the_rest_at_the_following_opens() -> None:
    broker = broker_with(fill="next-open", largest_fill_shares=Decimal(2))
    show(broker, bar(0))
    ask(broker, order("a", "3"))
    assert show(broker, bar(1, open_=12.5)) == [filled("a", end_of(0), "12.5", "2", 1)]
    assert show(broker, bar(2, open_=12.6)) == [filled("a", end_of(1), "12.6", "1", 2)]


def test_next_open_expires_with_the_session() -> None:
    broker = broker_with(fill="next-open")
    show(broker, bar(389))
    ask(broker, order("a"))
    assert show(broker, SessionClosed(CLOSE_NS, DATE)) == [OrderExpired(CLOSE_NS, "a", Decimal(0))]
    day_ns = 24 * 60 * NS_PER_MINUTE
    show(broker, SessionOpened(OPEN_NS + day_ns, "2024-10-08", 0, 0, 34_200))
    assert show(broker, bar(24 * 60)) == []


def test_next_open_never_fills_at_an_open_before_the_order() -> None:
    broker = broker_with(fill="next-open")
    show(broker, bar(0, symbol="QQQ"))
    ask(broker, order("a"))
    assert show(broker, bar(0)) == []  # the same minute of the other symbol began before
    assert show(broker, bar(1, open_=12.5)) == [filled("a", end_of(0), "12.5")]


# ------------------------------------------------------------------------ bars that do not count


@pytest.mark.parametrize("fill", ["close", "next-open"])
def test_a_bar_set_aside_or_of_another_symbol_fills_nothing(fill: str) -> None:
    broker = broker_with(fill=fill)
    ask(broker, order("a"))
    assert show(broker, bar(0), accepted=False) == []
    assert show(broker, bar(1, symbol="QQQ")) == []
    assert show(broker, bar(2, close=float("nan"), open_=float("nan"))) == []
    assert show(broker, bar(3, close=0.0, open_=0.0)) == []
    assert show(broker, bar(4, close=float("inf"), open_=float("inf"))) == []
    assert show(broker, bar(5, 10.0, 10.0)) + show(broker, bar(6)) == [
        filled("a", end_of(5 if fill == "close" else 4), "10.0")
    ]


def test_a_bar_that_comes_late_does_not_turn_back_the_clock() -> None:
    broker = broker_with()
    show(broker, bar(5))
    show(broker, bar(2), accepted=False)
    assert ask(broker, order("a")) == [
        OrderAcknowledged(end_of(5), "a", "sim-a"),
        filled("a", end_of(5), "571.17"),
    ]


def test_other_events_change_nothing() -> None:
    broker = broker_with(largest_fill_shares=Decimal(1))
    show(broker, bar(0))
    ask(broker, order("a", "2"))
    show(broker, bar(1))
    assert show(broker, DeskStarted(end_of(9), "digest", "backtest", "0")) == []
    assert show(broker, ClockTicked(end_of(9))) == []
    assert ask(broker, cancel("a")) == [
        filled("a", end_of(1), "571.17", "1", 2),
        refused("a", end_of(1), status="filled"),
    ]


# ------------------------------------------------------------------------------ prices and money


def test_slippage_is_the_exact_product() -> None:
    broker = broker_with(slippage_bps=Decimal("1.5"))
    show(broker, bar(0))
    bought = ask(broker, order("a"))[1]
    sold = ask(broker, order("b", side="sell"))[1]
    assert isinstance(bought, OrderFilled)
    assert isinstance(sold, OrderFilled)
    assert bought.price == Decimal("571.2556755")
    assert sold.price == Decimal("571.0843245")
    assert broker.cash_delta_usd == Decimal("-0.171351")


def test_nothing_is_rounded_where_the_default_context_would() -> None:
    broker = broker_with(slippage_bps=Decimal("0.0000000000001"))
    show(broker, bar(0, 571.1700000000001))
    reply = ask(broker, order("a", "0.123456789012345678901"))[1]
    assert isinstance(reply, OrderFilled)
    factor = 1 + Fraction("0.0000000000001") / 10_000
    price = Fraction("571.1700000000001") * factor
    assert Fraction(reply.price) == price
    assert Fraction(broker.cash_delta_usd) == -price * Fraction("0.123456789012345678901")


def test_fees_are_per_share_and_leave_the_cash() -> None:
    broker = broker_with(fee_per_share_usd=Decimal("0.0035"))
    show(broker, bar(0, 10.0))
    bought = ask(broker, order("a", "2"))[1]
    sold = ask(broker, order("b", "2", "sell"))[1]
    assert isinstance(bought, OrderFilled)
    assert isinstance(sold, OrderFilled)
    assert bought.fee_usd == sold.fee_usd == Decimal("0.0070")
    assert broker.cash_delta_usd == Decimal("-0.014")


# ------------------------------------------------------------------------------------- rejections


def codes(replies: list[BrokerEvent]) -> list[str]:
    return [reply.code for reply in replies if isinstance(reply, OrderRejected)]


def test_every_nth_entry_is_rejected_and_exits_never_are() -> None:
    broker = broker_with(reject_every=2)
    show(broker, bar(0))
    assert codes(ask(broker, order("a"))) == []
    assert codes(ask(broker, order("b", side="sell"))) == []
    assert codes(ask(broker, order("c"))) == ["SIMULATED_REJECT"]
    assert codes(ask(broker, order("d"))) == []
    assert codes(ask(broker, order("e", side="sell"))) == []
    assert codes(ask(broker, order("f"))) == ["SIMULATED_REJECT"]


def test_reject_every_zero_rejects_nothing_and_one_rejects_all() -> None:
    for every, expected in ((0, 0), (1, 5)):
        broker = broker_with(reject_every=every)
        show(broker, bar(0))
        replies = [reply for name in "abcde" for reply in ask(broker, order(name))]
        assert codes(replies) == ["SIMULATED_REJECT"] * expected


def test_an_id_sent_twice_is_refused_and_the_first_order_lives_on() -> None:
    broker = broker_with(largest_fill_shares=Decimal(1))
    show(broker, bar(0))
    ask(broker, order("a", "2"))
    show(broker, bar(1))
    with pytest.raises(DuplicateOrderError, match="unique: a"):
        broker.send(order("a", "5"))
    assert list(broker.replies()) == []  # not even the waiting fill moved
    assert show(broker, bar(2)) == [filled("a", end_of(1), "571.17", "1", 2)]
    with pytest.raises(DuplicateOrderError):
        broker.send(order("a"))  # nor after it has ended
    assert broker.position("SPY") == 2


def test_an_order_outside_a_session_is_rejected() -> None:
    broker = SimulatedBroker(SimulationSettings())
    early = ask(broker, order("a"))
    assert codes(early) == ["MARKET_CLOSED"]
    assert early[0].at_ns == OPEN_NS  # the order's own instant: the market had none yet
    show(broker, opened())
    show(broker, bar(389))
    assert codes(ask(broker, order("b"))) == []
    show(broker, SessionClosed(CLOSE_NS, DATE))
    late = ask(broker, order("c"))
    assert codes(late) == ["MARKET_CLOSED"]
    assert late[0].at_ns == CLOSE_NS


def test_more_than_is_held_cannot_be_sold() -> None:
    broker = broker_with()
    show(broker, bar(0))
    ask(broker, order("a", "1.5"))
    assert codes(ask(broker, order("b", "1.50001", "sell"))) == ["INSUFFICIENT_QTY"]
    assert codes(ask(broker, order("c", "1", "sell", symbol="QQQ"))) == ["INSUFFICIENT_QTY"]
    assert codes(ask(broker, order("d", "1.5", "sell"))) == []
    assert codes(ask(broker, order("e", "0.00001", "sell"))) == ["INSUFFICIENT_QTY"]
    assert broker.position("SPY") == 0


def test_shares_of_a_working_sell_cannot_be_sold_again() -> None:
    broker = broker_with(fill="next-open")
    ask(broker, order("a", "2"))
    assert codes(ask(broker, order("early", "1", "sell"))) == ["INSUFFICIENT_QTY"]
    show(broker, bar(0))
    assert codes(ask(broker, order("b", "1.5", "sell"))) == []
    assert codes(ask(broker, order("c", "0.6", "sell"))) == ["INSUFFICIENT_QTY"]
    assert codes(ask(broker, order("d", "0.5", "sell"))) == []
    ask(broker, cancel("b"))
    assert codes(ask(broker, order("e", "1.5", "sell"))) == []


def test_a_working_buy_takes_nothing_from_what_can_be_sold() -> None:
    broker = broker_with(largest_fill_shares=Decimal(2))
    show(broker, bar(0))
    ask(broker, order("a", "5"))
    assert codes(ask(broker, order("b", "2.1", "sell"))) == ["INSUFFICIENT_QTY"]
    assert codes(ask(broker, order("c", "2", "sell"))) == []
    assert broker.position("SPY") == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "limit"},
        {"time_in_force": "gtc"},
        {"side": "short"},
        {"qty": Decimal(0)},
        {"qty": Decimal(-1)},
        {"qty": Decimal("NaN")},
    ],
)
def test_an_order_that_is_not_simulated_is_rejected_not_guessed(changes: dict[str, Any]) -> None:
    broker = broker_with()
    show(broker, bar(0))
    assert codes(ask(broker, order("a", **changes))) == ["UNSUPPORTED_ORDER"]


def test_one_thousand_orders_may_work_and_not_one_more() -> None:
    broker = broker_with(fill="next-open")
    for number in range(1_000):
        broker.send(order(f"a{number}"))
    assert codes(list(broker.replies())) == []
    assert codes(ask(broker, order("b"))) == ["TOO_MANY_ORDERS"]
    ask(broker, cancel("a7"))
    assert codes(ask(broker, order("c"))) == []


# ----------------------------------------------------------------------------- cancel and session


def test_cancel_takes_a_working_order_back_once_and_is_refused_after_that() -> None:
    broker = broker_with(fill="next-open")
    ask(broker, order("a"))
    show(broker, bar(0, symbol="QQQ"))
    assert ask(broker, cancel("a")) == [OrderCancelled(end_of(0), "a", Decimal(0))]
    assert ask(broker, cancel("a")) == [refused("a", end_of(0), status="canceled")]
    assert ask(broker, cancel("unknown")) == [refused("unknown", end_of(0), "ORDER_UNKNOWN")]
    assert show(broker, bar(1)) == []


def test_a_filled_order_cannot_be_cancelled() -> None:
    broker = broker_with()
    show(broker, bar(0))
    ask(broker, order("a"))
    assert ask(broker, cancel("a")) == [refused("a", end_of(0), status="filled")]


def test_a_new_session_ends_what_an_unfinished_one_left_and_its_own_repeat_does_not() -> None:
    broker = broker_with(fill="next-open")
    ask(broker, order("a"))
    assert show(broker, opened()) == []
    next_ns = OPEN_NS + 24 * 60 * NS_PER_MINUTE
    next_open = SessionOpened(next_ns, "2024-10-08", next_ns, next_ns + 1, 34_200)
    assert show(broker, next_open) == [OrderExpired(next_ns, "a", Decimal(0))]


def test_a_position_outlives_its_session_and_its_price_does_not() -> None:
    broker = broker_with()
    show(broker, bar(389))
    ask(broker, order("a"))
    show(broker, SessionClosed(CLOSE_NS, DATE))
    # A session that opens at the very instant of the last close, so only the session differs.
    show(broker, SessionOpened(CLOSE_NS, "2024-10-08", CLOSE_NS, CLOSE_NS + 1, 34_200))
    assert broker.position("SPY") == 1
    assert ask(broker, order("b")) == [OrderAcknowledged(CLOSE_NS, "b", "sim-b")]


def test_replies_hands_over_what_commands_cause_while_it_is_read() -> None:
    broker = broker_with()
    show(broker, bar(0))
    broker.send(order("a"))
    seen = []
    for reply in broker.replies():
        seen.append(key_of(reply))
        if isinstance(reply, OrderFilled) and reply.client_order_id == "a":
            broker.send(order("b", side="sell"))
    assert seen == [
        ("OrderAcknowledged", "a", ""),
        ("OrderFilled", "a", "sim-a-1"),
        ("OrderAcknowledged", "b", ""),
        ("OrderFilled", "b", "sim-b-1"),
    ]


# ------------------------------------------------------------------------ look-ups and snapshots


def looked_up(broker: SimulatedBroker, name: str) -> list[BrokerEvent]:
    return ask(broker, LookUpOrder(OPEN_NS, name))


def test_a_look_up_tells_each_status_in_the_brokers_own_word() -> None:
    broker = broker_with(fill="next-open", largest_fill_shares=Decimal(1))
    broker.observe(bar(0), accepted=True)
    for name, qty in (("a", "1"), ("b", "2"), ("c", "1")):
        ask(broker, order(name, qty))
    ask(broker, order("d", side="sell", qty="9"))
    ask(broker, cancel("c"))
    statuses = {name: looked_up(broker, name)[0].report.status for name in "abcd"}
    assert statuses == {"a": "new", "b": "new", "c": "canceled", "d": "rejected"}
    show(broker, bar(1))
    statuses = {name: looked_up(broker, name)[0].report.status for name in "ab"}
    assert statuses == {"a": "filled", "b": "partially_filled"}
    show(broker, SessionClosed(CLOSE_NS, DATE))
    (answer,) = looked_up(broker, "b")
    assert answer.report.status == "expired"
    assert answer.report.filled_qty == 1


def test_a_look_up_reports_the_order_with_its_average_and_an_unknown_one_as_not_found() -> None:
    broker = broker_with(largest_fill_shares=Decimal(2))
    show(broker, bar(0, 10.0))
    ask(broker, order("a", "3"))
    show(broker, bar(1, 13.0))
    show(broker, bar(2, 99.0))
    assert looked_up(broker, "a") == [
        OrderReported(
            OPEN_NS, report("a", "filled", "3", qty=Decimal(3), average_price=Decimal(11))
        )
    ]
    assert looked_up(broker, "b") == [OrderNotFound(OPEN_NS, "b")]


def test_a_question_brings_nothing_about() -> None:
    """A desk that asks more often, as after a restart, gets no other fills."""
    broker = broker_with(largest_fill_shares=Decimal(1))
    show(broker, bar(0, 10.0))
    ask(broker, order("a", "2"))
    show(broker, bar(1, 11.0))  # its close is not traded on yet
    (answer,) = looked_up(broker, "a")
    assert isinstance(answer, OrderReported)
    assert answer.report.status == "partially_filled"
    (taken,) = ask(broker, TakeSnapshot(end_of(1), "test"))
    assert len(taken.executions) == 1
    assert show(broker, bar(2)) == [filled("a", end_of(1), "11.0", "1", 2)]


def test_a_snapshot_tells_everything_there_is() -> None:
    broker = broker_with(
        largest_fill_shares=Decimal(2),
        fee_per_share_usd=Decimal("0.01"),
        starting_cash_usd=Decimal(1000),
    )
    show(broker, bar(0, 10.0))
    ask(broker, order("a", "2"))
    ask(broker, order("b", "3"))
    (taken,) = ask(broker, TakeSnapshot(end_of(0) + 7, "test"))
    fee_usd = Decimal("0.02")
    execution = ReportedExecution(
        "sim-a-1", "a", "sim-a", "SPY", "buy", Decimal(2), Decimal("10.0"), fee_usd, end_of(0)
    )
    assert taken == SnapshotTaken(
        at_ns=end_of(0) + 7,
        asked_ns=end_of(0) + 7,
        cash_usd=Decimal("959.96"),
        positions=(HeldPosition("SPY", Decimal(4), Decimal(10)),),
        orders=(report("b", "partially_filled", "2", qty=Decimal(3), average_price=Decimal(10)),),
        executions=(
            execution,
            execution._replace(
                execution_id="sim-b-1", client_order_id="b", broker_order_id="sim-b"
            ),
        ),
    )


def test_an_average_follows_what_is_bought_and_not_what_is_sold() -> None:
    broker = broker_with()
    show(broker, bar(0, 10.0))
    ask(broker, order("a", "1"))
    show(broker, bar(1, 13.0))
    ask(broker, order("b", "2"))
    ask(broker, order("c", "1", "sell"))
    (taken,) = ask(broker, TakeSnapshot(end_of(1), "test"))
    assert taken.positions == (HeldPosition("SPY", Decimal(2), Decimal(12)),)
    ask(broker, order("d", "2", "sell"))
    (taken,) = ask(broker, TakeSnapshot(end_of(1), "test"))
    assert taken.positions == ()
    assert len(taken.executions) == 4


def test_a_snapshot_has_the_executions_of_its_session_and_the_positions_of_all() -> None:
    broker = broker_with()
    show(broker, bar(389, 10.0))
    ask(broker, order("a"))
    show(broker, SessionClosed(CLOSE_NS, DATE))
    (taken,) = ask(broker, TakeSnapshot(CLOSE_NS, "test"))
    assert len(taken.executions) == 1
    show(broker, SessionOpened(CLOSE_NS, "2024-10-08", CLOSE_NS, CLOSE_NS + 1, 34_200))
    (taken,) = ask(broker, TakeSnapshot(CLOSE_NS, "test"))
    assert taken.executions == ()
    assert taken.positions == (HeldPosition("SPY", Decimal(1), Decimal(10)),)


def test_before_the_first_market_event_answers_have_the_questions_instant() -> None:
    broker = SimulatedBroker(SimulationSettings())
    assert ask(broker, TakeSnapshot(5, "test")) == [SnapshotTaken(5, 5, Decimal(0), (), (), ())]
    assert ask(broker, LookUpOrder(6, "a")) == [OrderNotFound(6, "a")]


# ------------------------------------------------------------------------------------- properties

PRICES = st.integers(1, 100_000).map(lambda cents: cents / 100)
QUANTITIES = st.decimals("0.001", "20", places=3)
SYMBOLS = st.sampled_from(["SPY", "QQQ"])
NAMES = st.integers(0, 12).map(str)
SETTINGS = st.builds(
    SimulationSettings,
    fill=st.sampled_from(["close", "next-open"]),
    slippage_bps=st.decimals(0, 100, places=2),
    largest_fill_shares=st.none() | st.decimals("0.5", "7", places=2),
    reject_every=st.integers(0, 4),
    fee_per_share_usd=st.decimals(0, "0.01", places=4),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("bar"), PRICES, PRICES, SYMBOLS, st.sampled_from([True, True, False])),
        st.tuples(st.just("bar"), PRICES, PRICES, SYMBOLS, st.just(True)),
        st.tuples(st.just("buy"), NAMES, QUANTITIES, SYMBOLS),
        st.tuples(st.just("buy"), NAMES, QUANTITIES, SYMBOLS),
        st.tuples(st.just("sell"), NAMES, QUANTITIES, SYMBOLS),
        st.tuples(st.just("cancel"), NAMES),
        st.tuples(st.just("look_up"), NAMES),
        st.tuples(st.just("snapshot")),
        st.tuples(st.just("session")),
        st.tuples(st.just("drain")),
    ),
    max_size=60,
)


class Run:
    """Steps played against one broker; what was sent, what came back, and when."""

    def __init__(self, settings: SimulationSettings, steps: list[Any], *, drains: bool) -> None:
        self.broker = broker_with(
            **{name: getattr(settings, name) for name in SimulationSettings.__dataclass_fields__}
        )
        self.sent: dict[str, SubmitOrder] = {}
        self.replies: list[BrokerEvent] = []
        self.minute = -1
        self.session = 0
        for kind, *values in steps:
            play: Callable[..., None] = getattr(self, f"play_{kind}")
            play(*values)
            if drains:
                self.drain()
        self.drain()

    def now_ns(self) -> int:
        return end_of(self.minute)

    def drain(self) -> None:
        for reply in self.broker.replies():
            assert reply.at_ns <= self.now_ns()
            self.replies.append(reply)

    def play_drain(self) -> None:
        self.drain()

    def play_bar(self, close: float, open_: float, symbol: str, accepted: bool) -> None:
        self.minute += 1
        self.broker.observe(bar(self.minute, close, open_, symbol), accepted=accepted)

    def play_session(self) -> None:
        self.session += 1
        at_ns = self.now_ns()
        self.broker.observe(SessionClosed(at_ns, str(self.session)), accepted=True)
        if self.session % 3:
            start = SessionOpened(at_ns, f"{self.session}", at_ns, at_ns + 1, 34_200)
            self.broker.observe(start, accepted=True)

    def send(self, side: str, name: str, qty: Decimal, symbol: str) -> None:
        command = order(name, str(qty), side, symbol)
        if name in self.sent:
            with pytest.raises(DuplicateOrderError):
                self.broker.send(command)
        else:
            self.sent[name] = command
            self.broker.send(command)

    def play_buy(self, name: str, qty: Decimal, symbol: str) -> None:
        self.send("buy", name, qty, symbol)

    def play_sell(self, name: str, qty: Decimal, symbol: str) -> None:
        self.send("sell", name, qty, symbol)

    def play_cancel(self, name: str) -> None:
        self.broker.send(cancel(name))

    def play_look_up(self, name: str) -> None:
        self.broker.send(LookUpOrder(self.now_ns(), name))

    def play_snapshot(self) -> None:
        self.broker.send(TakeSnapshot(self.now_ns(), "test"))


@given(settings=SETTINGS, steps=STEPS)
def test_every_order_has_one_life(settings: SimulationSettings, steps: list[Any]) -> None:
    run = Run(settings, steps, drains=False)
    ended: set[str] = set()
    acknowledged: set[str] = set()
    cumulative: Counter[str] = Counter()  # in thousandths of a share, so exact
    for reply in run.replies:
        if isinstance(reply, ANSWERS):
            continue
        name = reply.client_order_id
        assert name not in ended, "a reply after the end"
        if isinstance(reply, OrderAcknowledged):
            assert name not in acknowledged
            acknowledged.add(name)
        elif isinstance(reply, OrderFilled):
            assert name in acknowledged
            assert reply.qty > 0
            assert settings.largest_fill_shares is None or reply.qty <= settings.largest_fill_shares
            cumulative[name] += int(reply.qty * 1000)
            assert cumulative[name] <= run.sent[name].qty * 1000
            if cumulative[name] == run.sent[name].qty * 1000:
                ended.add(name)
        else:
            assert isinstance(reply, TERMINAL)
            assert (name in acknowledged) is not isinstance(reply, OrderRejected)
            ended.add(name)
    run.replies.clear()
    for name in run.sent:  # what has not ended still works, and only that can be cancelled
        run.broker.send(cancel(name))
    run.drain()
    for reply in run.replies:
        if isinstance(reply, OrderFilled):
            cumulative[reply.client_order_id] += int(reply.qty * 1000)
    still = {r.client_order_id for r in run.replies if isinstance(r, OrderCancelled)}
    whole = {name for name in run.sent if cumulative[name] == run.sent[name].qty * 1000}
    assert ended.isdisjoint(still)
    assert whole.isdisjoint(still)
    assert ended | still | whole == set(run.sent)


@given(settings=SETTINGS, steps=STEPS)
def test_the_same_calls_give_the_same_replies(
    settings: SimulationSettings, steps: list[Any]
) -> None:
    run = Run(settings, steps, drains=False)
    again = Run(settings, steps, drains=True)  # how often the queue is emptied changes nothing
    assert run.replies == again.replies
    assert run.broker.cash_delta_usd == again.broker.cash_delta_usd
    keys = [key_of(reply) for reply in run.replies if not isinstance(reply, ANSWERS)]
    assert len(set(keys)) == len(keys)


@given(settings=SETTINGS, steps=STEPS)
def test_position_and_cash_are_the_sum_of_the_fills(
    settings: SimulationSettings, steps: list[Any]
) -> None:
    run = Run(settings, steps, drains=True)
    held = {"SPY": Decimal(0), "QQQ": Decimal(0)}
    cash_usd = Decimal(0)
    for reply in run.replies:
        if isinstance(reply, OrderFilled):
            sent = run.sent[reply.client_order_id]
            signed = reply.qty if sent.side == "buy" else -reply.qty
            held[sent.symbol] += signed
            assert held[sent.symbol] >= 0, "sold short"
            cash_usd -= signed * reply.price + reply.fee_usd
    assert {symbol: run.broker.position(symbol) for symbol in held} == held
    assert run.broker.cash_delta_usd == cash_usd


@given(settings=SETTINGS, steps=STEPS)
def test_every_answer_agrees_with_the_news_before_it(
    settings: SimulationSettings, steps: list[Any]
) -> None:
    run = Run(settings, steps, drains=True)
    held = {"SPY": Decimal(0), "QQQ": Decimal(0)}
    fills: Counter[str] = Counter()  # in thousandths of a share, so exact
    ended: dict[str, str] = {}
    words = {OrderCancelled: "canceled", OrderExpired: "expired", OrderRejected: "rejected"}
    for reply in run.replies:
        if isinstance(reply, OrderFilled):
            assert (reply.symbol, reply.side) == (
                run.sent[reply.client_order_id].symbol, run.sent[reply.client_order_id].side
            )  # fmt: skip
            held[reply.symbol] += reply.qty if reply.side == "buy" else -reply.qty
            fills[reply.client_order_id] += int(reply.qty * 1000)
        elif isinstance(reply, TERMINAL):
            ended[reply.client_order_id] = words[type(reply)]
        elif isinstance(reply, OrderReported):
            name, qty = reply.report.client_order_id, int(reply.report.qty * 1000)
            works = "partially_filled" if fills[name] else "new"
            expected = "filled" if fills[name] == qty else works
            assert reply.report.status == ended.get(name, expected)
            assert reply.report.filled_qty * 1000 == fills[name]
        elif isinstance(reply, SnapshotTaken):
            assert {item.symbol: item.qty for item in reply.positions} == {
                symbol: qty for symbol, qty in held.items() if qty
            }
            for order_report in reply.orders:
                name = order_report.client_order_id
                assert name not in ended
                assert fills[name] == order_report.filled_qty * 1000 < order_report.qty * 1000
