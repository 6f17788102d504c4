"""`step`: decisions, exits, the gate, protections, and that all of it is a function."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal, localcontext
from pathlib import Path

import pytest

from mqd.engine.state import OrderFacts
from mqd.engine.step import sets_aside, step
from mqd.ground.canonical import encode
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S
from mqd.model.command import CancelOrder, SubmitOrder
from mqd.model.decision import BarSetAside, OperatorHeard, ProtectionTripped, outcome_record
from mqd.model.event import ClockTicked, FeedDefectFound, OperatorActed, SessionOpened
from mqd.rules.words.blocking import REST_OF_SESSION

ROOT = Path(__file__).resolve().parents[2]
STRATEGY_FILE = "strategies/vwap_micro_mean_reversion.yaml"
TWIN_FILE = "strategies/twin.yaml"
LIMITS = "limits/desk.yaml"
NAME = "strategy: vwap_micro_mean_reversion"
FIVE_TRADES = {"max_trades_per_day": "5"}


def codes(bench, kind="no_trade"):
    """The codes of the last decision's conditions, in the order of the file."""
    decision = bench.decision()
    rules = bench.engine.book.strategy(decision.strategy).rules
    mask = getattr(decision, kind)
    return [rule.code for bit, rule in enumerate(getattr(rules, kind)) if mask >> bit & 1]


def protections(bench):
    return bench.engine.book.protections.true_codes(bench.decision().protections)


def tripped(bench):
    notes = [note for outcome in bench.outcomes for note in outcome.notes]
    return [note for note in notes if isinstance(note, ProtectionTripped)]


def twin(symbol):
    """A second strategy like the shipped one on another (or the same) symbol."""
    words = {NAME: "strategy: twin", "symbol: SPY": f"symbol: {symbol}"}
    return {TWIN_FILE: (STRATEGY_FILE, words)}


# ---------------------------------------------------------------------------- decision records


@pytest.mark.case(143)
def test_every_regular_bar_leaves_one_record_per_strategy(edited, make_bench):
    bench = make_bench(edited(copies=twin("SPY")))
    bench.open()
    for minute in range(40):
        outcome = bench.bar(minute, 100 - minute / 100)
        assert [each.strategy for each in outcome.decisions] == [
            "vwap_micro_mean_reversion", "twin",
        ]  # fmt: skip
        assert {each.at_ns for each in outcome.decisions} == {bench.end_of(minute)}
        assert {each.rules_digest for each in outcome.decisions} == {bench.engine.book.digest}


@pytest.mark.rule("OUTSIDE_WINDOW", "PRICE_ABOVE_THRESHOLD", "VWAP_WARMING_UP")
def test_a_record_holds_every_true_code_and_the_facts_read(bench):
    bench.open()
    bench.bar(0, 100.0)
    decision = bench.decision()
    assert decision.outcome == "NO_TRADE"
    assert codes(bench) == ["VWAP_WARMING_UP", "OUTSIDE_WINDOW", "PRICE_ABOVE_THRESHOLD"]
    names = bench.engine.book.strategies[0].fact_names
    facts = dict(zip(names, decision.facts, strict=True))
    assert facts["vwap"] == 100.0
    assert facts["session.bars"] == 1
    assert facts["clock.time"] == 34_260
    assert facts["position.entry_price"] is None
    assert facts["session.time_to_close"] == 389 * 60


@pytest.mark.case(136)
@pytest.mark.rule("VWAP_UNAVAILABLE")
def test_a_bar_without_volume_counts_and_adds_nothing(bench):
    bench.open()
    bench.bar(0, 100.0, volume=0.0)
    assert "VWAP_UNAVAILABLE" in codes(bench)
    bench.bar(1, 101.0)
    bench.bar(2, 90.0, volume=0.0)
    assert bench.state.symbols["SPY"].bars == 3
    assert bench.decision().facts[3] == 101.0


NAN = float("nan")


@pytest.mark.case(136)
@pytest.mark.rule(
    "HIGH_BELOW_LOW", "PRICE_NOT_POSITIVE", "SYMBOL_NOT_TRADED", "VALUE_MISSING",
    "VOLUME_NEGATIVE",
)  # fmt: skip
@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"symbol": "QQQ"}, "SYMBOL_NOT_TRADED"), ({"open": NAN}, "VALUE_MISSING"),
        ({"volume": float("inf")}, "VALUE_MISSING"), ({"low": -1.0}, "PRICE_NOT_POSITIVE"),
        ({"high": 99.0, "low": 100.0}, "HIGH_BELOW_LOW"), ({"volume": -1.0}, "VOLUME_NEGATIVE"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_bar_that_cannot_be_trusted_is_set_aside(bench, values, code):
    bench.warm()
    facts = encode(bench.state.strategies[bench.strategy].accumulators)
    outcome = bench.bar(bench.ten, 99.5, **values)
    (note,) = outcome.notes
    assert isinstance(note, BarSetAside)
    assert code in note.codes
    assert not outcome.decisions
    assert not outcome.commands
    assert bench.state.counts[code] == 1
    assert bench.state.symbols["SPY"].bars == bench.ten
    assert encode(bench.state.strategies[bench.strategy].accumulators) == facts


@pytest.mark.case(133, 139)
@pytest.mark.rule("EXTENDED_HOURS", "OFF_THE_MINUTE", "OUT_OF_ORDER")
def test_a_bar_at_the_wrong_time_is_set_aside(bench):
    bench.warm()
    late = bench.made(bench.ten, 99.5)
    half = late._replace(start_ns=late.start_ns + 30 * NS_PER_S, at_ns=late.at_ns + 30 * NS_PER_S)
    for bar, code in [
        (half, "OFF_THE_MINUTE"), (bench.made(3, 99.5), "OUT_OF_ORDER"),
        (bench.made(bench.ten - 1, 99.5), "OUT_OF_ORDER"),
        (bench.made(390, 99.5), "EXTENDED_HOURS"),
    ]:  # fmt: skip
        (note,) = bench.take(bar).notes
        assert note.codes == (code,)
    assert bench.sent(bench.take(late))


@pytest.mark.case(139)
@pytest.mark.rule("EXTENDED_HOURS")
def test_a_bar_before_the_open_feeds_nothing(bench):
    bench.open()
    bench.state.session.is_open = False
    (note,) = bench.bar(0, 99.5).notes
    assert note.codes == ("EXTENDED_HOURS",)


def test_the_answer_about_a_bar_may_be_handed_over(bench):
    """The loop has asked the data rules already; asking once or twice is the same."""
    bench.warm()
    other = bench.state.fork()
    for minute, close in [(bench.ten, 99.5), (2, 99.5), (bench.ten + 1, 98.0)]:
        bar = bench.made(minute, close)
        mask = sets_aside(bench.engine, other, bar)
        assert step(bench.engine, other, bar, mask) == bench.take(bar)
    assert other.canonical() == bench.state.canonical()


def test_a_feed_defect_is_counted_and_nothing_else(bench):
    outcome = bench.take(FeedDefectFound(1, "SPY", "GAP", 1, "words"))
    assert not any(outcome)
    assert bench.state.counts["GAP"] == 1


def test_a_session_starts_the_day_anew(bench):
    bench.holding()
    exit_id = bench.sent(bench.bar(bench.ten + 1, 97.0))
    bench.fill(exit_id, price="97")
    bench.close()
    facts = bench.state.strategies[bench.strategy]
    assert (facts.entries_today, facts.pnl_today) == (1, Decimal("-12.5625"))
    bench.open(day=1)
    assert (facts.entries_today, facts.pnl_today_usd, facts.pnl_today) == (0, 0.0, Decimal(0))
    assert bench.state.desk.orders_today == 0
    assert bench.state.desk.pnl_usd == 0.0
    assert bench.state.symbols["SPY"].bars == 0
    bench.bar(0, 120.0)
    assert bench.decision().facts[3] == 120.0  # yesterday's bars are not in today's VWAP
    assert not protections(bench) or protections(bench) == ("time_window",)


# ------------------------------------------------------------------------------------- exits


def test_an_exit_sells_what_is_held_at_market(bench):
    bench.holding()
    (command,) = bench.bar(bench.ten + 1, 99.2).commands
    assert isinstance(command, SubmitOrder)
    assert (command.side, command.type, command.qty) == ("sell", "market", Decimal("5.025"))
    assert bench.decision().outcome == "EXIT"


@pytest.mark.rule("FORCE_FLAT", "MEAN_REVERSION", "STOP_LOSS")
@pytest.mark.parametrize(
    ("minute", "close", "expected"),
    [
        (31, 99.2, ["STOP_LOSS"]),
        (31, 99.9999, ["MEAN_REVERSION"]),
        (384, 99.3, ["FORCE_FLAT"]),
        (384, 98.0, ["STOP_LOSS", "FORCE_FLAT"]),
        (384, 101.0, ["MEAN_REVERSION", "FORCE_FLAT"]),
        (383, 99.3, []),
    ],
)
def test_decision_21_the_first_true_exit_acts_and_all_are_recorded(bench, minute, close, expected):
    bench.holding()
    outcome = bench.bar(minute, close)
    assert codes(bench, "exits") == expected
    if expected:
        assert bench.order(bench.sent(outcome)).reason == expected[0]
    else:
        assert not outcome.commands


@pytest.mark.rule("STOP_LOSS")
def test_the_highest_price_that_stops_and_the_one_above(bench):
    """99.5 * (1 - 0.003) = 99.2015."""
    bench.holding()
    bench.bar(bench.ten + 1, 99.2016)
    assert not codes(bench, "exits")
    bench.bar(bench.ten + 2, 99.2015)
    assert codes(bench, "exits") == ["STOP_LOSS"]


@pytest.mark.case(126)
@pytest.mark.rule("FORCE_FLAT")
def test_case_126_the_flat_comes_before_an_early_close(bench):
    bench.open(minutes=210)
    bench.warm()
    order_id = bench.sent(bench.bar(bench.ten, 99.5))
    bench.fill(order_id)
    assert not bench.bar(203, 99.3).commands
    assert bench.sent(bench.bar(204, 99.3))
    assert codes(bench, "exits") == ["FORCE_FLAT"]


@pytest.mark.rule("ALREADY_IN_POSITION")
def test_a_bar_that_exits_never_enters(edited, make_bench):
    """The stop at 99.0 is also a dip to buy; the next bar may, this one may not."""
    bench = make_bench(edited(values=FIVE_TRADES))
    bench.holding()
    outcome = bench.bar(bench.ten + 1, 99.0)
    exit_id = bench.sent(outcome)
    assert len(outcome.commands) == 1
    assert "ALREADY_IN_POSITION" in codes(bench)
    bench.fill(exit_id, price="99")
    assert not bench.held()
    bench.bar(bench.ten + 2, 98.5)
    assert bench.decision().outcome == "ENTER"


@pytest.mark.rule("EXIT_WORKING")
def test_case_38_an_exit_waits_while_one_works(bench):
    bench.holding()
    exit_id = bench.sent(bench.bar(bench.ten + 1, 99.0))
    bench.ack(exit_id)
    for minute, too_old in ((2, 0), (3, 1)):
        commands = bench.bar(bench.ten + minute, 98.0).commands
        assert [type(command) for command in commands] == [CancelOrder] * too_old
        assert bench.decision().outcome == "EXIT_WAITS"
        assert bench.check_codes() == ("EXIT_WORKING",)
    bench.cancelled(exit_id)
    again = bench.sent(bench.bar(bench.ten + 4, 97.0))
    assert again != exit_id
    assert bench.decision().outcome == "EXIT"


def test_case_31_the_rest_of_a_partly_filled_exit_is_what_is_sold_next(bench):
    bench.holding()
    exit_id = bench.sent(bench.bar(bench.ten + 1, 99.0))
    bench.ack(exit_id)
    bench.fill(exit_id, "2", price="99")
    bench.cancelled(exit_id)
    again = bench.sent(bench.bar(bench.ten + 2, 98.0))
    assert bench.order(again).qty == Decimal("3.025")


def test_case_29_a_partly_filled_entry_is_cancelled_and_its_shares_are_sold(bench):
    order_id = bench.entry()
    bench.ack(order_id)
    bench.fill(order_id, "2")
    cancel, sell = bench.bar(bench.ten + 1, 99.0).commands
    assert isinstance(cancel, CancelOrder)
    assert (cancel.client_order_id, cancel.reason) == (order_id, "STOP_LOSS")
    assert isinstance(sell, SubmitOrder)
    assert sell.qty == 2
    # The exit and the cancel cross with the rest of the entry: it gets its own exit.
    bench.fill(order_id, "3.025")
    assert bench.order(order_id).state == "FILLED"
    bench.ack(sell.client_order_id)
    bench.fill(sell.client_order_id, price="99")
    assert bench.held() == Decimal("3.025")
    late = bench.sent(bench.bar(bench.ten + 2, 98.0))
    assert bench.order(late).qty == Decimal("3.025")
    bench.fill(late, price="98")
    assert not bench.held()
    (trade,) = [trade for outcome in bench.outcomes for trade in outcome.trades]
    assert trade.qty == Decimal("5.025")
    assert not bench.incidents()


def test_case_39_a_cancel_is_asked_for_once(bench):
    order_id = bench.entry()
    bench.ack(order_id)
    bench.fill(order_id, "2")
    asked = []
    for minute in (1, 2, 3):
        outcome = bench.bar(bench.ten + minute, 99.0)
        asked += [each for each in outcome.commands if isinstance(each, CancelOrder)]
    assert len(asked) == 1
    assert bench.order(order_id).state == "PENDING_CANCEL"


@pytest.mark.case(87)
def test_case_87_a_position_found_next_morning_has_an_exit(bench):
    bench.holding()
    bench.close()
    bench.open(day=1)
    bench.bar(0, 99.0)
    assert bench.decision().outcome == "EXIT"


# --------------------------------------------------------------------------------- the gate


def test_an_entry_carries_its_plan(bench):
    order = bench.order(bench.entry())
    assert (order.qty, order.reference_price) == (Decimal("5.025"), Decimal("99.5"))
    assert order.stop_loss == Decimal("99.2015")
    assert (order.reason, order.role, order.side) == ("ENTRY", "entry", "buy")


def dipped(book, make_bench, profile="backtest"):
    """A desk that has just looked at a dip at 10:01."""
    bench = make_bench(book, profile)
    bench.warm()
    bench.bar(bench.ten, 99.5)
    return bench


SHARES = "value: 1000\n    min: 1\n    max: 10000\n"
NOTIONAL = "value: 1000\n    min: 10\n    max: 5000\n"
STOP = "stop_loss: bar.close * (1 - stop_loss_pct)"


@pytest.mark.rule(
    "NOTIONAL_ABOVE_LIMIT", "QTY_ABOVE_LIMIT", "STOP_LOSS_MISSING", "STOP_LOSS_NOT_BELOW_PRICE",
)  # fmt: skip
@pytest.mark.parametrize(
    ("edit", "refused"),
    [
        ({LIMITS: {SHARES: SHARES.replace("1000\n    min", "5.025\n    min")}}, ()),
        ({LIMITS: {SHARES: SHARES.replace("1000\n    min", "5.024\n    min")}},
         ("QTY_ABOVE_LIMIT",)),
        ({LIMITS: {NOTIONAL: NOTIONAL.replace("1000\n", "499.9875\n")}}, ()),
        ({LIMITS: {NOTIONAL: NOTIONAL.replace("1000\n", "499.98\n")}}, ("NOTIONAL_ABOVE_LIMIT",)),
        ({STRATEGY_FILE: {STOP: "stop_loss: bar.close / ((vwap - vwap) / vwap)"}},
         ("STOP_LOSS_MISSING",)),
        ({STRATEGY_FILE: {STOP: "stop_loss: bar.close * (1 + stop_loss_pct) + vwap - vwap"}},
         ("STOP_LOSS_NOT_BELOW_PRICE",)),
        ({STRATEGY_FILE: {STOP: "stop_loss: bar.close + vwap - vwap"}},
         ("STOP_LOSS_NOT_BELOW_PRICE",)),
    ],
)  # fmt: skip
def test_a_check_refuses_and_names_itself(edited, make_bench, edit, refused):
    bench = dipped(edited(edit), make_bench)
    decision = bench.decision()
    assert decision.outcome == ("REFUSED" if refused else "ENTER")
    assert bench.check_codes() == refused
    assert bool(bench.state.orders) is not bool(refused)
    assert bench.state.desk.orders_today == (0 if refused else 1)
    assert not bench.incidents()


@pytest.mark.rule("QTY_NOT_POSITIVE")
def test_a_size_of_nothing_is_refused_by_the_check_too(bench):
    bench.open()
    state = bench.state
    symbol, facts = state.symbol("SPY"), state.strategies[bench.strategy]
    checks = bench.engine.book.entry_checks
    for qty, refused in [(0.0, True), (-1.0, True), (0.001, False)]:
        order = OrderFacts(qty=qty, price=100.0, stop_loss=99.0)
        mask = checks.evaluate(None, symbol, state.session, state.desk, facts, order)
        assert ("QTY_NOT_POSITIVE" in checks.true_codes(mask)) is refused


@pytest.mark.rule("MAX_OPEN_POSITIONS", "ORDER_WORKING")
def test_an_order_that_works_blocks_the_next_entry(edited, make_bench):
    bench = dipped(edited(values=FIVE_TRADES), make_bench)
    bench.bar(bench.ten + 1, 99.4)
    assert bench.decision().outcome == "REFUSED"
    assert bench.check_codes() == ("ORDER_WORKING", "MAX_OPEN_POSITIONS")


@pytest.mark.rule("POSITION_OPEN", "SAME_ORDER_AGAIN")
@pytest.mark.case(98)
def test_a_position_blocks_another_strategys_entry_on_the_symbol(edited, make_bench):
    """Decision 27: one position per symbol, whoever holds it."""
    two = {LIMITS: {"value: 1\n    min: 1\n    max: 10\n": "value: 2\n    min: 1\n    max: 10\n"}}
    bench = make_bench(edited(two, copies=twin("SPY"), values=FIVE_TRADES))
    bench.warm()
    bench.bar(bench.ten, 99.5)
    first, second = bench.outcomes[-1].decisions
    assert (first.outcome, second.outcome) == ("ENTER", "REFUSED")
    checks = bench.engine.book.entry_checks
    assert checks.true_codes(second.checks) == ("ORDER_WORKING", "SAME_ORDER_AGAIN")
    bench.fill(next(iter(bench.state.orders)))
    bench.bar(bench.ten + 1, 99.4)
    _, second = bench.outcomes[-1].decisions
    assert checks.true_codes(second.checks) == ("POSITION_OPEN",)


@pytest.mark.rule("MAX_OPEN_POSITIONS")
@pytest.mark.parametrize("filled", [False, True])
@pytest.mark.parametrize("most", [1, 2])
@pytest.mark.case(99)
def test_case_99_an_entry_on_its_way_counts_as_a_position(edited, make_bench, filled, most):
    old = "value: 1\n    min: 1\n    max: 10\n"
    limits = {LIMITS: {old: old.replace("1\n", f"{most}\n", 1)}}
    bench = make_bench(edited(limits, copies=twin("QQQ")))
    bench.warm()
    bench.warm(symbol="QQQ")
    order_id = bench.sent(bench.bar(bench.ten, 99.5))
    if filled:
        bench.fill(order_id)
    bench.bar(bench.ten, 99.5, "QQQ")
    assert bench.decision().outcome == ("ENTER" if most == 2 else "REFUSED")
    assert bench.check_codes() == (() if most == 2 else ("MAX_OPEN_POSITIONS",))


@pytest.mark.rule("ORDER_COUNT_REACHED")
def test_so_many_orders_a_session(edited, make_bench):
    bench = make_bench(edited({LIMITS: {"value: 40": "value: 2"}}))
    bench.warm()
    for minute in (0, 1):
        order_id = bench.sent(bench.bar(bench.ten + minute, 99.5 - minute / 10))
        bench.cancelled(order_id)
    bench.bar(bench.ten + 2, 99.2)
    assert bench.check_codes() == ("ORDER_COUNT_REACHED",)


def test_the_count_of_orders_never_refuses_an_exit(edited, make_bench):
    bench = make_bench(edited({LIMITS: {"value: 40": "value: 2"}}))
    bench.holding()
    for minute in (1, 2, 3):
        exit_id = bench.sent(bench.bar(bench.ten + minute, 99.0))
        bench.cancelled(exit_id)
    assert bench.state.desk.orders_today == 4


@pytest.mark.case(137)
@pytest.mark.rule("SESSION_INCOMPLETE")
@pytest.mark.parametrize(
    ("profile", "expected"),
    [("backtest", "ENTER"), ("samples", "ENTER"), ("practice", "REFUSED"), ("paper", "REFUSED")],
)
def test_case_137_an_incomplete_session_blocks_entries_where_it_counts(
    shipped, make_bench, profile, expected
):
    bench = make_bench(shipped, profile)
    bench.open()
    for minute in range(1, bench.ten):
        bench.bar(minute, 100.0)
    bench.bar(bench.ten, 99.5)
    decision = bench.decision()
    assert decision.outcome == expected
    data = bench.engine.book.blocks_entries.true_codes(decision.data)
    assert data == (("SESSION_INCOMPLETE",) if expected == "REFUSED" else ())


@pytest.mark.case(134)
@pytest.mark.rule("longest_bar_age")
@pytest.mark.rule("BAR_TOO_OLD")
@pytest.mark.parametrize(
    ("late_s", "profile", "expected"),
    [(20, "paper", "ENTER"), (21, "paper", "REFUSED"), (3_600, "samples", "ENTER")],
)
def test_nothing_is_opened_on_a_bar_that_came_late(shipped, make_bench, late_s, profile, expected):
    bench = make_bench(shipped, profile)
    bench.open()
    for minute in range(bench.ten):
        bench.bar(minute, 100.0)
    bench.take(ClockTicked(bench.open_ns + (bench.ten + 1) * NS_PER_MINUTE + late_s * NS_PER_S))
    bench.bar(bench.ten, 99.5)
    decision = bench.decision()
    assert decision.outcome == expected
    data = bench.engine.book.blocks_entries.true_codes(decision.data)
    assert data == (("BAR_TOO_OLD",) if expected == "REFUSED" else ())


def test_an_incomplete_session_blocks_no_exit(shipped, make_bench):
    bench = make_bench(shipped, "paper")
    bench.holding()
    bench.close()
    bench.open(day=1)
    bench.bar(5, 99.0)
    assert bench.decision().data
    assert bench.decision().outcome == "EXIT"


@pytest.mark.rule("STRATEGY_DISABLED")
@pytest.mark.parametrize(
    ("status", "profile", "trades"),
    [("paper", "backtest", True), ("paper", "live", False), ("live", "live", True)],
)
def test_the_status_of_a_strategy_says_where_it_trades(edited, make_bench, status, profile, trades):
    if status == "live":
        edits = {
            STRATEGY_FILE: {"status: paper": "status: live"},
            "theses/TH-001.yaml": {"status: PENDING": "status: ACTIVE"},
            "strategies/watch.yaml": {"vix.lowest is unknown": "record.sessions < 0"},
        }
    else:
        edits = {}
    bench = dipped(edited(edits), make_bench, profile)
    assert ("STRATEGY_DISABLED" in codes(bench)) is not trades
    assert (bench.decision().outcome == "ENTER") is trades


# ------------------------------------------------------------------------------- protections


def lose(bench, price):
    """Buy at 99.50 and sell 5.025 shares again at 10:02 for `price`."""
    bench.holding()
    exit_id = bench.sent(bench.bar(bench.ten + 1, 99.0))
    bench.fill(exit_id, price=price)


@pytest.mark.rule("DAILY_LOSS_LIMIT_HIT", "daily_loss_limit")
@pytest.mark.parametrize(
    ("price", "trips"), [("97.5101", False), ("97.50995024875621890547263682", True)]
)
@pytest.mark.case(109)
def test_case_109_the_daily_loss_limit_to_the_cent(bench, price, trips):
    """-9.9995 USD and -10 USD: the protection and the strategy's own condition read one limit."""
    lose(bench, price)
    bench.bar(bench.ten + 2, 99.3)
    assert ("daily_loss_limit" in protections(bench)) is trips
    assert ("DAILY_LOSS_LIMIT_HIT" in codes(bench)) is trips
    assert [note.protection for note in tripped(bench)] == ["daily_loss_limit"] * trips


def test_the_limit_is_said_once(edited, make_bench):
    book = edited(
        {LIMITS: {"value: 10\n    min: 1\n    max: 50": "value: 13\n    min: 1\n    max: 50"}}
    )
    bench = make_bench(book)
    lose(bench, "97")  # -12.5625
    bench.bar(bench.ten + 2, 99.3)
    assert not protections(bench)
    assert "DAILY_LOSS_LIMIT_HIT" not in codes(bench)


def test_a_gain_of_the_same_size_trips_nothing(bench):
    lose(bench, "102")
    bench.bar(bench.ten + 2, 99.3)
    assert not protections(bench)


@pytest.mark.rule("daily_loss_limit")
def test_a_loss_on_paper_trips_the_desks_limit_and_exits_go_on(bench):
    bench.holding()
    outcome = bench.bar(bench.ten + 1, 97.0)
    assert [note.protection for note in tripped(bench)] == ["daily_loss_limit"]
    assert bench.sent(outcome)
    assert bench.decision().outcome == "EXIT"


@pytest.mark.rule("daily_loss_limit")
def test_decision_39_a_tripped_limit_stays_for_the_rest_of_the_session(edited, make_bench):
    """Even when the loss comes back, entries stay blocked until the close and not beyond."""
    bench = make_bench(edited(values=FIVE_TRADES))
    bench.holding()
    bench.bar(bench.ten + 1, 97.0)
    exit_id = next(iter(bench.state.working))
    bench.fill(exit_id, price="99.4")
    bench.bar(bench.ten + 2, 98.0)
    assert bench.state.desk.pnl_usd > -1
    assert bench.decision().outcome == "REFUSED"
    assert protections(bench) == ("daily_loss_limit",)
    (note,) = tripped(bench)
    assert note.until_ns == bench.state.session.close_ns
    bench.bar(388, 99.0)
    assert "daily_loss_limit" in protections(bench)
    bench.bar(389, 99.0)  # ends with the session: [trip, until)
    assert "daily_loss_limit" not in protections(bench)
    bench.open(day=1)
    bench.warm()
    bench.bar(bench.ten, 99.5)
    assert bench.decision().outcome == "ENTER"


def test_a_limit_that_is_true_on_the_last_bar_locks_no_empty_time(bench):
    bench.holding()
    bench.bar(389, 97.0)
    assert "daily_loss_limit" in protections(bench)
    assert not tripped(bench)


def test_a_lock_of_some_minutes_is_half_open_and_trips_again(edited, make_bench):
    book = edited(
        {"protections/daily_loss_limit.yaml": {f"for: {REST_OF_SESSION}": "for: 5m"}},
        protections=("daily_loss_limit",),
    )
    bench = make_bench(book)
    bench.holding()
    bench.bar(bench.ten + 1, 97.0)
    exit_id = next(iter(bench.state.working))
    bench.fill(exit_id, price="99.4")
    locked = []
    for minute in range(2, 9):
        bench.bar(bench.ten + minute, 99.9)
        locked.append(bool(protections(bench)))
    assert locked == [True] * 4 + [False] * 3  # from 10:02 until 10:07
    lose_again = bench.state.strategies[bench.strategy]
    lose_again.pnl_today = Decimal(-11)
    bench.state.desk.realised_today = Decimal(-11)
    bench.state.desk.pnl_usd = -11.0
    for minute in range(9, 15):
        bench.bar(bench.ten + minute, 99.9)
    starts = [(note.at_ns - bench.end_of(bench.ten)) // NS_PER_MINUTE for note in tripped(bench)]
    assert starts == [1, 9, 14]


@pytest.mark.rule("OUTSIDE_WINDOW", "time_window")
@pytest.mark.parametrize(
    ("minute", "blocked"), [(28, True), (29, False), (118, False), (119, True)]
)
def test_the_entry_window_is_half_open(bench, minute, blocked):
    """Decision 31: a bar that ends at 10:00 is inside, one that ends at 11:30 is not."""
    bench.open()
    for each in range(minute):
        bench.bar(each, 100.0)
    bench.bar(minute, 99.0)
    assert (protections(bench) == ("time_window",)) is blocked
    assert ("OUTSIDE_WINDOW" in codes(bench)) is blocked
    assert (bench.decision().outcome == "ENTER") is not blocked


@pytest.mark.rule("time_window")
def test_the_window_protects_where_a_strategy_forgot_it(edited, make_bench):
    window = "OUTSIDE_WINDOW:\n    when: clock.time not in trade_window\n"
    always = "OUTSIDE_WINDOW:\n    when: clock.time not in trade_window and session.bars < 0\n"
    bench = make_bench(edited({STRATEGY_FILE: {window: always}}))
    bench.open()
    for minute in range(150):
        bench.bar(minute, 100.0)
    bench.bar(150, 99.0)
    assert bench.decision().outcome == "REFUSED"
    assert protections(bench) == ("time_window",)
    assert not bench.decision().checks


@pytest.mark.rule("daily_loss_limit", "time_window")
@pytest.mark.case(119)
def test_case_119_no_protection_blocks_an_exit(bench):
    """Decision 8: outside the window and with every lock tripped, the stop still goes out."""
    bench.holding()
    assert bench.sent(bench.bar(200, 90.0))
    assert protections(bench) == ("daily_loss_limit", "time_window")
    assert bench.decision().outcome == "EXIT"


@pytest.mark.case(124)
def test_case_124_a_lock_outlives_a_change_of_the_rules(edited, make_bench, shipped):
    bench = make_bench(edited(values=FIVE_TRADES))
    bench.holding()
    bench.bar(bench.ten + 1, 97.0)
    bench.fill(next(iter(bench.state.working)), price="99.4")
    bench.restart(edited(values={"max_trades_per_day": "4"}))
    bench.bar(bench.ten + 2, 98.0)
    assert bench.decision().outcome == "REFUSED"
    assert protections(bench) == ("daily_loss_limit",)


def test_rules_without_protections_inherit_none(bench, unprotected):
    bench.open()
    bench.bar(0, 100.0)
    assert bench.state.active_protections
    bench.restart(unprotected)
    bench.bar(1, 100.0)
    assert not bench.decision().protections


# ------------------------------------------------------------- other rules under a running desk


def test_changed_numbers_go_on_with_the_same_measures(bench, edited):
    bench.open()
    for minute in range(25):
        bench.bar(minute, 100.0 + minute)
    before = bench.state.strategies[bench.strategy].accumulators
    bench.restart(edited(values={"entry_deviation_pct": "0.002"}))
    assert bench.state.strategies[bench.strategy].accumulators == before
    assert bench.state.symbols["SPY"].bars == 25


def test_another_symbol_starts_its_measures_anew(bench, edited):
    bench.warm()
    bench.restart(edited(symbol="QQQ"))
    facts = bench.state.strategies[bench.strategy]
    assert facts.accumulators == (0.0, 0.0)
    bench.bar(bench.ten, 50.0, "QQQ")
    assert "VWAP_WARMING_UP" in codes(bench)
    assert bench.decision().facts[3] == 50.0


def test_a_strategy_that_was_away_starts_its_measures_anew(bench, edited, shipped):
    away = edited(copies=twin("SPY"), strategy="twin")
    bench.warm()
    bench.restart(away)
    for minute in range(30, 60):
        bench.bar(minute, 200.0)
    bench.restart(shipped)
    bench.bar(60, 100.0)
    assert bench.decision().facts[3] == 100.0
    assert "VWAP_WARMING_UP" in codes(bench)


@pytest.mark.parametrize("other", ["name", "symbol"])
def test_a_position_that_no_rule_manages_any_more_is_an_incident(bench, edited, other):
    bench.holding()
    away = {"strategy": "twin"} if other == "name" else {"symbol": "QQQ"}
    bench.restart(edited(copies=twin("QQQ"), **away))
    assert bench.incidents() == ["OrphanedPositionError"]
    assert bench.state.state_name == "HALTED"
    bench.warm(symbol="QQQ")
    bench.bar(bench.ten, 90.0, "QQQ")  # neither sold as SPY nor bought
    assert not bench.outcomes[-1].commands
    assert bench.held() == Decimal("5.025")


@pytest.mark.rule("POSITION_LOOKED_AFTER", "DL-01", "DL-06")
def test_nobody_resumes_over_a_position_that_nothing_looks_after(bench, edited):
    bench.holding()
    bench.restart(edited(symbol="QQQ"))
    (heard,) = [
        note
        for note in bench.take(
            OperatorActed(bench.state.now_ns, "resume", "", "A. Person", "it looks fine")
        ).notes
        if isinstance(note, OperatorHeard)
    ]
    assert heard.result.startswith("back in HALTED at once")
    assert bench.incidents() == ["OrphanedPositionError"] * 2
    assert bench.state.state_name == "HALTED"
    bench.take(OperatorActed(bench.state.now_ns, "flatten", "", "A. Person", "out of it"))
    (exit_id,) = bench.state.working
    bench.fill(exit_id)
    bench.take(OperatorActed(bench.state.now_ns, "resume", "", "A. Person", "it is gone"))
    assert bench.state.state_name == "ACTIVE"


@pytest.mark.rule("DL-01", "POSITION_LOOKED_AFTER")
def test_a_late_fill_of_the_old_symbol_is_not_taken_for_the_new_one(bench, edited):
    order_id = bench.entry()
    bench.restart(edited(symbol="QQQ"))
    bench.fill(order_id)
    assert bench.incidents() == ["OrphanedPositionError"]
    assert bench.state.state_name == "HALTED"
    assert bench.held("SPY") == Decimal("5.025")
    assert not bench.state.strategies[bench.strategy].position_open
    bench.restart(edited())
    assert bench.state.strategies[bench.strategy].position_open
    assert bench.sent(bench.bar(bench.ten + 1, 99.0))


def test_a_desk_state_that_the_rules_no_longer_know_is_no_reason_to_trade(bench, edited):
    bench.warm()
    bench.take(OperatorActed(bench.state.now_ns, "reduce", "", "A. Person", "to see"))
    assert bench.state.state_name == "REDUCING"
    bench.restart(edited({"desk/lifecycle.yaml": {"REDUCING": "CAREFUL"}}))
    assert bench.state.state_name == "FROZEN"
    assert bench.incidents()[-1] == "InvalidTransitionError"


def test_an_order_state_that_the_rules_no_longer_know_halts_at_the_next_news(bench, edited):
    order_id = bench.entry()
    bench.ack(order_id)
    renamed = {"SUBMITTED": "ACCEPTED"}
    bench.restart(edited({"orders/lifecycle.yaml": renamed, "orders/watch.yaml": renamed}))
    bench.fill(order_id)
    assert bench.held() == Decimal("5.025")
    assert set(bench.incidents()) == {"InvalidTransitionError"}
    assert bench.state.state_name == "FROZEN"


# --------------------------------------------------------------------------- a pure function


def a_day(bench):
    """A day with an entry in parts, a crossing cancel, exits, incidents and a second session."""
    order_id = bench.entry()
    bench.ack(order_id)
    bench.fill(order_id, "2", fee="0.01")
    bench.bar(bench.ten + 1, 99.0)
    bench.fill(order_id, "1.5", price="99.49")
    exit_id = next(o for o in bench.state.orders if o.endswith("exit-1"))
    bench.ack(exit_id)
    bench.fill(exit_id, price="99")
    bench.cancelled(order_id)
    bench.fill(bench.sent(bench.bar(bench.ten + 2, 98.9)), price="98.8")
    bench.fill(order_id, "0.5", price="98.7")
    for minute in range(bench.ten + 3, 390):
        bench.bar(minute, 99 + minute % 7 / 100)
    bench.close()
    bench.open(day=1)
    for minute in range(60):
        bench.bar(minute, 100 - minute / 50)
    return bench


@pytest.mark.rule("ONE_ID_PER_DECISION")
def test_the_same_events_twice_give_the_same_bytes(make_bench, shipped):
    one, two = a_day(make_bench(shipped)), a_day(make_bench(shipped))
    with localcontext() as context:
        context.prec = 5  # somebody else's decimal context is not ours
        three = a_day(make_bench(shipped))
    texts = [encode([outcome_record(each) for each in b.outcomes]) for b in (one, two, three)]
    assert texts[0] == texts[1] == texts[2]
    assert one.state.hash() == two.state.hash() == three.state.hash()
    # The late fill; and the exit of its shares, which nobody ever answers.
    assert set(one.incidents()) == {"TerminalStateError", "UnresolvedError"}


SCRIPT = """
from pathlib import Path
from mqd.app.backtest import run_backtest
from mqd.brokers.simulated import SimulationSettings
from mqd.rules.validate import load_rules
from mqd.store.memory import MemoryJournal
journal = MemoryJournal(keep=False)
result = run_backtest(load_rules(Path("rules")), [], SimulationSettings(), journal=journal)
print(*journal.head(), result.state.hash(), len(result.trades))
"""


def test_another_process_with_another_hash_seed_gives_the_same_bytes():
    printed = set()
    for seed in ("0", "1", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        printed.add(done.stdout)
    assert len(printed) == 1
    assert int(printed.pop().split()[-1])


def test_a_fork_lives_its_own_life(make_bench, shipped):
    bench = make_bench(shipped)
    order_id = bench.entry()
    bench.ack(order_id)
    bench.fill(order_id, "2")
    before = bench.state.canonical()
    other = make_bench(shipped)
    other.state = bench.state.fork()
    assert other.state.canonical() == before
    other.fill(order_id)
    other.bar(bench.ten + 1, 97.0)
    other.ack("stranger")
    other.fill(next(o for o in other.state.working), price="97")
    other.close()
    other.open(day=1)
    other.bar(0, 100.0, "QQQ")
    assert bench.state.canonical() == before
    bench.fill(order_id)
    assert bench.held() == Decimal("5.025")
    assert not other.held()


def test_two_forks_with_the_same_events_stay_equal(bench):
    bench.holding()
    one, two = bench.state.fork(), bench.state.fork()
    for minute in range(bench.ten + 1, 390):
        bar = bench.made(minute, 99.4)
        assert step(bench.engine, one, bar) == step(bench.engine, two, bar)
    assert one.hash() == two.hash() != bench.state.hash()


def test_a_session_may_open_before_any_bar_was_seen(make_bench, shipped):
    bench = make_bench(shipped)
    bench.take(SessionOpened(1, "2024-10-07", 1, 2, 34_200))
    assert bench.state.session.is_open
