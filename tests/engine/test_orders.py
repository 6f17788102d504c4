"""Orders with everything that a broker can say about them at the wrong moment."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.engine.orders import OrderStateMachine, TransactionLog, error_class
from mqd.ground.errors import (
    BrokerConfirmationRequiredError,
    InvalidTransitionError,
    MqdError,
    TerminalStateError,
)
from mqd.ground.times import NS_PER_S
from mqd.model.command import CancelOrder, LookUpOrder, SubmitOrder
from mqd.model.decision import DeskStateChanged
from mqd.model.event import (
    ClockTicked,
    ExecutionBusted,
    OrderAcknowledged,
    OrderExpired,
    OrderFilled,
    OrderNotFound,
    OrderOutcomeLost,
    OrderRejected,
)
from mqd.model.order import Order

ORDER = Order(
    "o-1", "s", "SPY", "buy", "market", "entry", Decimal(10), Decimal(100), Decimal(99), "ENTRY",
    "digest", 7, "",
)  # fmt: skip


@pytest.fixture
def machine(bench) -> OrderStateMachine:
    return bench.engine.orders


def desk_changes(bench):
    notes = [note for outcome in bench.outcomes for note in outcome.notes]
    return [(n.event, n.from_state, n.to_state) for n in notes if isinstance(n, DeskStateChanged)]


def transitions(bench):
    return [
        (line.event, line.from_state, line.to_state, line.error)
        for outcome in bench.outcomes
        for line in outcome.transitions
    ]


# --------------------------------------------------------------------------- the machine's errors


def test_an_order_is_born_pending_and_its_log_says_so(machine):
    log = TransactionLog()
    born = machine.created(ORDER, log)
    assert (born.state, born.updated_ns) == ("PENDING", 7)
    (line,) = log.entries
    assert (line.event, line.from_state, line.to_state) == ("created", "", "PENDING")


@pytest.mark.parametrize(
    ("state", "event", "error"),
    [
        ("PARTIALLY_FILLED", "rejected", InvalidTransitionError),
        ("SUBMITTED", "not_found", InvalidTransitionError),
        ("CANCELLED", "filled", TerminalStateError),
        ("PENDING", "acknowledged", BrokerConfirmationRequiredError),
        ("PENDING", "filled", BrokerConfirmationRequiredError),
        ("PENDING", "no_such_event", InvalidTransitionError),
        ("NO_SUCH_STATE", "filled", InvalidTransitionError),
    ],
)
def test_a_refused_event_leaves_the_order_as_it_was_and_is_logged_first(
    machine, state, event, error
):
    """The specification's three errors, and news that no table knows."""
    order = ORDER._replace(state=state)
    log = TransactionLog()
    with pytest.raises(error):
        machine.apply(order, event, 9, log)
    assert order == ORDER._replace(state=state)
    (line,) = log.entries
    assert (line.from_state, line.to_state) == (state, state)
    assert (line.error, line.severity) == (error.__name__, "CRITICAL")


def test_an_empty_broker_id_confirms_nothing(machine):
    order = ORDER._replace(state="PENDING", broker_order_id="")
    with pytest.raises(BrokerConfirmationRequiredError):
        machine.apply(order, "acknowledged", 9, TransactionLog())


@pytest.mark.parametrize("name", ["TerminalStateError", "InvalidTransitionError"])
def test_a_rule_names_an_error_by_its_class(name):
    assert issubclass(error_class(name), MqdError)


@pytest.mark.rule("OL-02")
@pytest.mark.parametrize("filled", ["10", "10.000000001", "9.9999999999"])
def test_an_order_is_filled_when_nothing_worth_a_share_is_missing(machine, filled):
    order = ORDER._replace(state="SUBMITTED", broker_order_id="b", filled_qty=Decimal(filled))
    assert machine.apply(order, "filled", 9, TransactionLog()).state == "FILLED"


@pytest.mark.rule("OL-03")
def test_a_billionth_of_a_share_is_worth_waiting_for(machine):
    order = ORDER._replace(
        state="SUBMITTED", broker_order_id="b", qty=Decimal("0.123456789"),
        filled_qty=Decimal("0.123456788"),
    )  # fmt: skip
    assert machine.apply(order, "filled", 9, TransactionLog()).state == "PARTIALLY_FILLED"


# --------------------------------------------------------------------------- through the desk


@pytest.mark.rule("OL-01", "OL-02")
def test_the_life_of_an_order_in_its_log(bench):
    order_id = bench.holding()
    assert transitions(bench) == [
        ("created", "", "PENDING", None),
        ("acknowledged", "PENDING", "SUBMITTED", None),
        ("filled", "SUBMITTED", "FILLED", None),
    ]
    order = bench.order(order_id)
    assert (order.state, order.filled_qty) == ("FILLED", Decimal("5.025"))
    assert order.broker_order_id == f"b-{order_id}"


@pytest.mark.rule("OL-02", "OL-91")
def test_case_25_a_fill_before_the_acknowledgement(bench):
    order_id = bench.entry()
    bench.fill(order_id)
    bench.ack(order_id)
    assert bench.order(order_id).state == "FILLED"
    assert bench.held() == Decimal("5.025")
    assert not bench.incidents()


@pytest.mark.rule("OL-81", "OL-91")
def test_the_first_broker_id_stands(bench):
    """A stale acknowledgement changes nothing, its id included."""
    order_id = bench.entry()
    bench.ack(order_id)
    before = bench.order(order_id)
    bench.take(OrderAcknowledged(bench.state.now_ns, order_id, "another"))
    assert bench.order(order_id).broker_order_id == before.broker_order_id
    bench.fill(order_id)
    bench.take(OrderAcknowledged(bench.state.now_ns, order_id, "another"))
    assert bench.order(order_id).broker_order_id == before.broker_order_id


@pytest.mark.rule("OL-84", "DL-02")
def test_a_broken_invariant_freezes_the_desk_and_leaves_the_order(bench):
    order_id = bench.entry()
    bench.ack(order_id)
    bench.fill(order_id, "2")
    bench.take(OrderRejected(bench.state.now_ns, order_id, "42210000", "no"))
    assert bench.incidents() == ["InvalidTransitionError"]
    assert desk_changes(bench) == [("invariant_broken", "ACTIVE", "FROZEN")]
    assert transitions(bench)[-2] == (
        "rejected", "PARTIALLY_FILLED", "PARTIALLY_FILLED", "InvalidTransitionError",
    )  # fmt: skip
    assert bench.order(order_id).filled_qty == 2
    assert bench.held() == 2


@pytest.mark.rule("DL-91")
def test_a_frozen_desk_stays_frozen_whatever_breaks_next(bench):
    order_id = bench.entry()
    bench.ack(order_id)
    bench.fill(order_id, "2")
    bench.take(OrderRejected(bench.state.now_ns, order_id, "42210000", "no"))
    assert bench.state.state_name == "FROZEN"
    other = OrderFilled(
        bench.state.now_ns, order_id, "b-1", "x-9", Decimal(1), Decimal(1), Decimal(0), "QQQ", "buy"
    )
    bench.take(other)
    assert bench.incidents() == ["InvalidTransitionError", "BrokerEchoError"]
    assert bench.state.state_name == "FROZEN"
    assert len(desk_changes(bench)) == 1  # the second one moved nothing


def test_an_answer_older_than_what_was_heard_since_is_not_believed(bench):
    """The broker was asked, the order arrived, and only then the answer that it is not there."""
    order_id = bench.entry()
    bench.take(OrderOutcomeLost(bench.state.now_ns, order_id))
    asked_ns = bench.state.now_ns
    bench.take(ClockTicked(asked_ns + NS_PER_S))
    bench.ack(order_id)
    bench.take(OrderNotFound(bench.state.now_ns, order_id, asked_ns))
    assert bench.order(order_id).state == "SUBMITTED"
    assert bench.state.state_name == "ACTIVE"


@pytest.mark.rule("OL-85", "DL-02", "DESK_FROZEN", "ENTRY_ASKED_BACK")
def test_a_frozen_desk_cancels_entries_and_sends_no_exit(bench):
    """Decision 36: a desk stopped by an invariant sends nothing but cancels."""
    order_id = bench.entry()
    bench.ack(order_id)
    bench.fill(order_id, "2")
    frozen = bench.take(OrderNotFound(bench.state.now_ns, order_id))
    assert [type(command) for command in frozen.commands] == [CancelOrder]
    assert bench.order(order_id).state == "PENDING_CANCEL"
    bench.cancelled(order_id)
    assert not bench.bar(bench.ten + 1, 90.0).commands  # far through the stop
    assert bench.decision().outcome == "EXIT_WAITS"
    assert bench.check_codes() == ("DESK_FROZEN",)


@pytest.mark.rule("OL-02", "DL-01")
def test_a_fill_without_the_brokers_id_is_booked_and_halts_the_desk(bench):
    order_id = bench.entry()
    bench.fill(order_id, broker="")
    assert bench.incidents() == ["BrokerConfirmationRequiredError"]
    assert desk_changes(bench) == [("incident", "ACTIVE", "HALTED")]
    assert transitions(bench)[1] == (
        "filled", "PENDING", "PENDING", "BrokerConfirmationRequiredError",
    )  # fmt: skip
    assert bench.held() == Decimal("5.025")


@pytest.mark.rule("OL-90", "DL-01", "STOP_LOSS")
def test_case_42_a_late_fill_is_booked_and_can_be_sold_while_entries_stop(bench):
    order_id = bench.entry()
    bench.ack(order_id)
    bench.cancelled(order_id)
    assert bench.order(order_id).state == "CANCELLED"
    assert not bench.held()

    bench.fill(order_id)
    order = bench.order(order_id)
    assert (order.state, order.filled_qty) == ("CANCELLED", Decimal("5.025"))
    assert bench.incidents() == ["TerminalStateError"]
    assert desk_changes(bench) == [("incident", "ACTIVE", "HALTED")]
    assert bench.held() == Decimal("5.025")
    assert bench.state.strategies[bench.strategy].position_open

    exit_id = bench.sent(bench.bar(bench.ten + 1, 99.0))
    assert bench.order(exit_id).reason == "STOP_LOSS"
    bench.ack(exit_id)
    bench.fill(exit_id, price="99")
    assert not bench.held()

    bench.bar(bench.ten + 2, 98.0)
    decision = bench.decision()
    assert decision.outcome == "NO_TRADE"  # today's one trade is used up, late or not


@pytest.mark.rule("DL-01", "DESK_NOT_ACTIVE")
def test_entries_stop_after_an_incident(edited, make_bench):
    desk = make_bench(edited(values={"max_trades_per_day": "5"}))
    order_id = desk.entry()
    desk.ack(order_id)
    desk.cancelled(order_id)
    desk.fill(order_id)
    exit_id = desk.sent(desk.bar(desk.ten + 1, 99.0))
    desk.fill(exit_id, price="99")
    desk.bar(desk.ten + 2, 98.0)
    assert desk.decision().outcome == "REFUSED"
    assert desk.check_codes() == ("DESK_NOT_ACTIVE",)


def test_a_late_fill_takes_back_the_trade_that_was_given_back(bench):
    """`today.entries` counts entries less those that ended without a fill; this one did not."""
    order_id = bench.entry()
    facts = bench.state.strategies[bench.strategy]
    assert facts.entries_today == 1
    bench.cancelled(order_id)
    assert facts.entries_today == 0
    bench.fill(order_id, "2")
    assert facts.entries_today == 1
    bench.fill(order_id, "2")
    assert facts.entries_today == 1


def test_an_entry_whose_only_fill_is_taken_back_used_up_no_trade(bench):
    order_id = bench.holding()
    facts = bench.state.strategies[bench.strategy]
    assert facts.entries_today == 1
    bench.take(ExecutionBusted(bench.state.now_ns, "x1"))
    assert facts.entries_today == 0
    bench.fill(order_id, "2", execution="x2")  # and another one comes late
    assert facts.entries_today == 1
    assert bench.held() == 2


@pytest.mark.rule("OL-05", "OL-06", "OL-07", "OL-09")
@pytest.mark.parametrize(
    "ending", ["cancelled", "rejected", "expired", "not_found"]
)  # fmt: skip
def test_an_entry_that_ends_without_a_fill_uses_up_no_trade(bench, ending):
    order_id = bench.entry()
    now = bench.state.now_ns
    news = {
        "rejected": OrderRejected(now, order_id, "1", "no"),
        "expired": OrderExpired(now, order_id),
        "not_found": OrderNotFound(now + 10 * NS_PER_S, order_id, now + 10 * NS_PER_S),
    }
    bench.take(news[ending]) if ending in news else bench.cancelled(order_id)
    assert bench.state.strategies[bench.strategy].entries_today == 0
    again = bench.sent(bench.bar(bench.ten + 1, 99.4))
    assert again != order_id
    assert bench.decision().outcome == "ENTER"


def test_an_entry_of_yesterday_gives_nothing_back_today(bench):
    order_id = bench.entry()
    bench.close()
    bench.open(day=1)
    bench.cancelled(order_id)
    assert bench.state.strategies[bench.strategy].entries_today == 0


@pytest.mark.rule("OL-08")
def test_a_lost_outcome_keeps_the_order_working(bench):
    """Case 3: not proved is not rejected; entries on the symbol stay blocked."""
    order_id = bench.entry()
    bench.take(OrderOutcomeLost(bench.state.now_ns, order_id))
    assert bench.order(order_id).state == "UNKNOWN"
    asked = bench.bar(bench.ten + 1, 99.4)
    assert [type(command) for command in asked.commands] == [LookUpOrder]
    assert bench.decision().outcome == "NO_TRADE"
    bench.fill(order_id)
    assert bench.order(order_id).state == "FILLED"


@pytest.mark.parametrize("news", ["ack", "cancelled", "fill"])
def test_news_about_an_order_that_is_not_ours(bench, news):
    bench.warm()
    getattr(bench, news)("stranger")
    assert bench.incidents() == ["UnknownOrderError"]
    assert bench.state.state_name == "HALTED"
    assert not bench.state.orders


@pytest.mark.rule("OVERFILL_IS_BOOKED")
def test_case_28_an_overfill_moves_the_position_and_stops_entries(bench):
    order_id = bench.entry()
    bench.ack(order_id)
    bench.fill(order_id, "6")
    assert bench.order(order_id).state == "FILLED"
    assert bench.held() == 6
    assert bench.incidents() == ["OverfillError"]
    assert bench.state.state_name == "HALTED"
    exit_id = bench.sent(bench.bar(bench.ten + 1, 99.0))
    assert bench.order(exit_id).qty == 6


@pytest.mark.case(100)
def test_case_100_an_oversold_position_is_bought_back(bench):
    """The desk never asks to sell more than it holds; where a broker does it, an exit exists."""
    bench.holding()
    exit_id = bench.sent(bench.bar(bench.ten + 1, 99.0))
    bench.ack(exit_id)
    bench.fill(exit_id, "7.025", price="99")
    assert bench.held() == -2
    assert "OverfillError" in bench.incidents()
    closing = bench.bar(385, 99.0)  # FORCE_FLAT looks at the clock alone
    (command,) = closing.commands
    assert isinstance(command, SubmitOrder)
    assert command.side == "buy"
    assert command.qty == 2
    bench.fill(command.client_order_id, price="99")
    assert not bench.held()
    assert bench.state.desk.realised_today == sum(
        t.pnl_usd for o in bench.outcomes for t in o.trades
    )


@pytest.mark.rule("BOOKED_ONCE")
def test_case_21_a_fill_told_twice_is_booked_once(bench):
    order_id = bench.entry()
    bench.ack(order_id)
    bench.fill(order_id, "2", execution="x")
    bench.fill(order_id, "2", execution="x")
    assert bench.held() == 2
    assert bench.order(order_id).filled_qty == 2
    assert bench.state.counts["duplicate_fills"] == 1
    assert not bench.incidents()


@pytest.mark.rule("FIRST_TELLING_STANDS")
def test_case_22_one_execution_told_in_two_ways(bench):
    order_id = bench.entry()
    bench.ack(order_id)
    bench.fill(order_id, "2", execution="x")
    bench.fill(order_id, "3", execution="x")
    assert bench.held() == 2
    assert bench.incidents() == ["ExecutionConflictError"]
    assert bench.state.state_name == "HALTED"


@pytest.mark.parametrize(
    ("qty", "price", "fee"),
    [
        ("0", "1", "0"), ("-1", "1", "0"), ("NaN", "1", "0"), ("1", "0", "0"), ("1", "-1", "0"),
        ("1", "Infinity", "0"), ("1", "1", "NaN"), ("1e5000", "1", "0"), ("1", "1e-5000", "0"),
    ],
)  # fmt: skip
@pytest.mark.rule("IMPOSSIBLE_IS_NOT_BOOKED")
@pytest.mark.case(70)
def test_an_execution_that_cannot_be_is_not_booked_and_kills_nothing(bench, qty, price, fee):
    order_id = bench.entry()
    bench.ack(order_id)
    bench.fill(order_id, qty, price=price, fee=fee)
    assert bench.incidents() == ["MalformedExecutionError"]
    assert not bench.state.ledger.executions
    assert not bench.held()
    assert bench.order(order_id).state == "PENDING_CANCEL"  # a halted desk asks it back


@pytest.mark.rule("OL-04", "DL-01", "DL-90", "ENTRY_ASKED_BACK")
def test_an_incident_asks_every_working_entry_back_once(bench):
    """HALTED opens nothing, and an entry that still works would."""
    order_id = bench.entry()
    bench.ack(order_id)
    outcome = bench.ack("stranger")
    asked = CancelOrder(outcome.commands[0].at_ns, order_id, "ENTRY_ASKED_BACK")
    assert outcome.commands == (asked,)
    assert bench.order(order_id).state == "PENDING_CANCEL"
    assert not bench.ack("another stranger").commands


def test_an_incident_leaves_working_exits_alone(bench):
    bench.holding()
    exit_id = bench.sent(bench.bar(bench.ten + 1, 99.0))
    assert not bench.ack("stranger").commands
    assert bench.order(exit_id).state == "PENDING"


@pytest.mark.rule("OL-10")
def test_case_41_a_fill_that_crosses_the_cancel_wins(bench):
    order_id = bench.entry()
    bench.ack(order_id)
    bench.ack("stranger")
    bench.fill(order_id, "2")
    assert bench.order(order_id).state == "PENDING_CANCEL"
    bench.fill(order_id)
    assert bench.order(order_id).state == "FILLED"
    bench.cancelled(order_id)
    assert bench.order(order_id).state == "FILLED"
    assert bench.held() == Decimal("5.025")


def test_every_order_in_the_state_is_working_or_terminal(bench):
    order_id = bench.holding()
    assert not bench.state.working
    exit_id = bench.sent(bench.bar(bench.ten + 1, 99.0))
    assert bench.state.working == {exit_id}
    bench.fill(exit_id, price="99")
    assert not bench.state.working
    assert {bench.order(order_id).state, bench.order(exit_id).state} == {"FILLED"}


def test_a_fill_event_reaches_the_ledger_whole(bench):
    order_id = bench.entry()
    event = OrderFilled(
        bench.state.now_ns, order_id, "b", "x1", Decimal("99.49"), Decimal(1), Decimal("0.01")
    )
    bench.take(event)
    booked = bench.state.ledger.executions["x1"]
    assert (booked.qty, booked.price, booked.fee_usd, booked.at_ns) == (
        event.qty, event.price, event.fee_usd, event.at_ns,
    )  # fmt: skip
    assert (booked.strategy, booked.symbol, booked.side) == (bench.strategy, "SPY", "buy")
