"""Protections: when they trip, how long they hold, what they never touch, what survives."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqd.app.backtest import run_backtest
from mqd.brokers.simulated import SimulationSettings
from mqd.engine.blocks import ASK_ALL
from mqd.engine.core import Engine, Step
from mqd.engine.lock import Lock
from mqd.engine.protections import Check, Ruling
from mqd.engine.state import DeskState
from mqd.engine.step import step
from mqd.ground.times import NS_PER_MINUTE, NS_PER_S, to_ns
from mqd.model.command import CancelOrder, SubmitOrder
from mqd.model.decision import (
    EntryMadeSmaller,
    OperatorHeard,
    Outcome,
    ProtectionReleased,
    ProtectionTripped,
)
from mqd.model.event import (
    BarClosed,
    ClockTicked,
    DeskStarted,
    Event,
    OperatorActed,
    OrderRejected,
    SessionClosed,
    SessionOpened,
)
from mqd.model.position import Trade
from mqd.rules.book import RuleBook
from mqd.rules.changes import Changes
from mqd.rules.compile.book import compile_book
from mqd.rules.validate import load_rules
from tests.engine.conftest import Bench

ROOT = Path(__file__).resolve().parents[2]
NEW_YORK = ZoneInfo("America/New_York")
FIVE = {"max_trades_per_day": "5"}
LIMITS = "limits/desk.yaml"
EVERY = (
    "consecutive_losses", "cooldown_period", "daily_loss_limit", "equity_curve", "half_size",
    "low_profit", "max_drawdown", "quarter_size", "repeated_execution", "stoploss_guard",
    "time_window", "trade_frequency", "volatility_halt", "weekly_loss_limit",
)  # fmt: skip
EVERY_SIZE = ("half_size", "quarter_size")
Making = Callable[..., Bench]


@cache
def book_of(*protections: str) -> RuleBook:
    return load_rules(ROOT / "rules", Changes(values=FIVE, protections=protections))


@pytest.fixture
def desk(edited) -> Making:
    """A desk at 10:00 with these protections alone; `limits` are other values of the limits."""

    def made(*protections: str, profile: str = "backtest", **limits: str) -> Bench:
        book = book_of(*protections)
        if limits:
            said = {limit.name: limit for limit in book.limits}
            words = {
                f"  {name}:\n    value: {said[name].value}\n": f"  {name}:\n    value: {value}\n"
                for name, value in limits.items()
            }
            book = edited({LIMITS: words}, values=FIVE, protections=protections)
        bench = Bench(book, profile)
        bench.warm()
        return bench

    return made


def close(bench: Bench, pnl: str, reason: str = "STOP_LOSS", ago_s: int = 0, **whose: str) -> None:
    """A round trip ends; the desk hears of it as of any other."""
    desk, amount = bench.state.desk, Decimal(pnl)
    at_ns = bench.state.now_ns - ago_s * NS_PER_S
    one = Decimal(1)
    whose = {"strategy": bench.strategy, "symbol": "SPY"} | whose
    trade = Trade(
        whose["strategy"], whose["symbol"], at_ns - NS_PER_MINUTE, one, one, at_ns, one, reason,
        amount, bench.state.rules_digest,
    )  # fmt: skip
    desk.realised_today += amount
    desk.realised_week += amount
    desk.realised_ever += amount
    bench.state.history.add_trade(trade)
    bench.state.history.mark(bench.state.now_ns, float(desk.realised_ever))
    desk.pnl_usd, desk.week_pnl_usd = float(desk.realised_today), float(desk.realised_week)
    bench.take(ClockTicked(bench.state.now_ns))


def trade(bench: Bench, pnl: str, *, stopped: bool = True) -> None:
    """A round trip of real orders and fills within the next two bars, for so much."""
    minute = (bench.state.now_ns - bench.open_ns) // NS_PER_MINUTE
    entry_id = bench.sent(bench.bar(minute, 99.5))
    bench.ack(entry_id)
    bench.fill(entry_id)
    exit_id = bench.sent(bench.bar(minute + 1, 99.2 if stopped else 99.99))
    bench.ack(exit_id)
    bench.fill(exit_id, price=str(Decimal("99.5") + Decimal(pnl) / bench.order(entry_id).qty))


def asked(bench: Bench, after_s: float = 0, **whose: str) -> Check:
    """What an entry would be told so many seconds from now."""
    whose = {"strategy": bench.strategy, "symbol": "SPY"} | whose
    state = bench.state.fork()
    state.now_ns += round(after_s * NS_PER_S)
    step = Step(state.now_ns, state)
    return bench.engine.protections.check(
        state, whose["strategy"], whose["symbol"], step, on_bar=False
    )


def notes(bench: Bench, kind: type) -> list:
    return [note for each in bench.outcomes for note in each.notes if isinstance(note, kind)]


def press(bench: Bench, name: str) -> str:
    bench.take(OperatorActed(bench.state.now_ns, "rearm", name, "A. Person", "looked at it"))
    return notes(bench, OperatorHeard)[-1].result


def session(bench: Bench, date: str, minutes: int = 390) -> None:
    """A regular session of that day in New York, whatever the season."""
    opened = datetime.fromisoformat(f"{date}T09:30").replace(tzinfo=NEW_YORK)
    open_ns = to_ns(opened)
    if bench.state.session.is_open:
        before = bench.state.session
        bench.take(SessionClosed(before.close_ns, before.date))
    close_ns = open_ns + minutes * NS_PER_MINUTE
    bench.take(SessionOpened(open_ns, date, open_ns, close_ns, 34_200))


# -- when they trip, and until when --------------------------------------------------------------


@pytest.mark.case(108)
@pytest.mark.rule("time_window")
def test_case_108_the_window_blocks_though_no_trade_has_closed(desk):
    bench = desk("time_window")
    assert asked(bench).ruling is Ruling.ALLOW
    closes_in_s = 90 * 60
    assert asked(bench, closes_in_s - 1).ruling is Ruling.ALLOW
    found = asked(bench, closes_in_s)
    assert (found.ruling, found.reasons) == (Ruling.BLOCK, ("time_window",))


@pytest.mark.case(116)
@pytest.mark.rule("stoploss_guard", "PL-01", "PL-02", "PL-03", "PL-05")
def test_case_116_three_stops_block_for_half_an_hour_from_the_last_one(desk):
    bench = desk("stoploss_guard")
    for _ in range(2):
        close(bench, "-1")
    assert asked(bench).ruling is Ruling.ALLOW
    bench.bar(bench.ten, 100.0)
    close(bench, "-1")
    found = asked(bench)
    assert found.reasons == ("stoploss_guard",)
    assert found.until_ns == bench.state.now_ns + 1_800 * NS_PER_S
    assert asked(bench, 1_800 - 1e-9).ruling is Ruling.BLOCK
    assert asked(bench, 1_800).ruling is Ruling.ALLOW  # though there are three stops in the hour


@pytest.mark.rule("stoploss_guard", "PL-02")
def test_a_fourth_stop_moves_the_end_and_a_gain_does_not(desk):
    bench = desk("stoploss_guard")
    for _ in range(3):
        close(bench, "-1")
    first_ns = asked(bench).until_ns
    bench.bar(bench.ten, 100.0)
    close(bench, "5", "MEAN_REVERSION")
    assert asked(bench).until_ns == first_ns
    bench.bar(bench.ten + 1, 100.0)
    close(bench, "-1")
    assert asked(bench).until_ns == bench.state.now_ns + 1_800 * NS_PER_S


@pytest.mark.rule("stoploss_guard")
@pytest.mark.parametrize(("ago_s", "blocked"), [(3_600, False), (3_599, True)])
def test_a_stop_counts_for_an_hour(desk, ago_s, blocked):
    bench = desk("stoploss_guard")
    close(bench, "-1", ago_s=ago_s)
    close(bench, "-1")
    close(bench, "-1")
    assert (asked(bench).ruling is Ruling.BLOCK) is blocked


@pytest.mark.rule("stoploss_guard")
def test_one_strategys_stops_block_no_other(desk):
    bench = desk("stoploss_guard")
    for _ in range(3):
        close(bench, "-1")
    assert asked(bench).ruling is Ruling.BLOCK
    assert asked(bench, strategy="another").ruling is Ruling.ALLOW


@pytest.mark.rule("consecutive_losses")
def test_three_stops_in_a_row_block_however_far_apart_they_are(desk):
    bench = desk("consecutive_losses")
    close(bench, "-1", ago_s=90_000)
    close(bench, "-1", ago_s=50_000)
    close(bench, "0.5", "MEAN_REVERSION", ago_s=40_000)
    close(bench, "-1", ago_s=30_000)
    close(bench, "-1", ago_s=20_000)
    assert asked(bench).ruling is Ruling.ALLOW
    close(bench, "-1")
    assert asked(bench).reasons == ("consecutive_losses",)
    assert asked(bench, 1_799).ruling is Ruling.BLOCK
    assert asked(bench, 1_800).ruling is Ruling.ALLOW


@pytest.mark.rule("cooldown_period", "PL-04")
def test_a_symbol_cools_down_for_five_minutes(desk):
    bench = desk("cooldown_period")
    close(bench, "1", "MEAN_REVERSION")
    assert asked(bench).reasons == ("cooldown_period",)
    assert asked(bench, 299).ruling is Ruling.BLOCK
    assert asked(bench, 300).ruling is Ruling.ALLOW
    assert not notes(bench, ProtectionTripped)  # it blocks as long as it is true, and says so


@pytest.mark.rule("low_profit")
@pytest.mark.parametrize(("last", "blocked"), [("-0.99", False), ("-1.00", True)])
def test_twenty_trades_that_lost_too_much_wait_a_day(desk, last, blocked):
    bench = desk("low_profit")
    for _ in range(19):
        close(bench, "-1", "MEAN_REVERSION")
    assert asked(bench).ruling is Ruling.ALLOW
    close(bench, last, "MEAN_REVERSION")
    assert (asked(bench).ruling is Ruling.BLOCK) is blocked
    assert asked(bench, 86_400).ruling is Ruling.ALLOW


@pytest.mark.rule("max_drawdown")
@pytest.mark.parametrize(("loss", "blocked"), [("-14.99", False), ("-15.00", True)])
def test_a_drawdown_of_the_account_blocks_for_a_day(desk, loss, blocked):
    bench = desk("max_drawdown")
    bench.state.history.worth(Decimal(100))
    close(bench, loss, "MEAN_REVERSION")
    assert (asked(bench).ruling is Ruling.BLOCK) is blocked
    if blocked:
        assert asked(bench, 86_399).ruling is Ruling.BLOCK
    assert asked(bench, 86_400).ruling is Ruling.ALLOW


@pytest.mark.rule("max_drawdown")
def test_a_drawdown_that_goes_on_trips_again_with_the_next_trade(desk):
    bench = desk("max_drawdown")
    bench.answer = lambda command: bench.agreeing(command)._replace(account=None)
    bench.state.history.worth(Decimal(100))
    close(bench, "-16", "MEAN_REVERSION")
    session(bench, "2024-10-08")
    session(bench, "2024-10-09")
    bench.take(ClockTicked(bench.state.now_ns))
    assert asked(bench).ruling is Ruling.ALLOW
    close(bench, "-1", "MEAN_REVERSION")
    assert asked(bench).reasons == ("max_drawdown",)


@pytest.mark.rule("volatility_halt")
def test_a_market_that_jumps_halts_the_symbol(desk):
    bench = desk("volatility_halt")
    bench.bar(bench.ten, 100.5)
    assert asked(bench).ruling is Ruling.ALLOW  # 0.5 % in one of twenty minutes
    for minute, cents in enumerate((100.0, 100.8, 100.0, 100.8), 1):
        bench.bar(bench.ten + minute, cents)
    assert asked(bench).reasons == ("volatility_halt",)
    assert asked(bench, symbol="QQQ").ruling is Ruling.ALLOW
    first_s = (notes(bench, ProtectionTripped)[0].until_ns - bench.state.now_ns) / NS_PER_S
    assert asked(bench, first_s - 1).ruling is Ruling.BLOCK


@pytest.mark.rule("volatility_halt")
def test_what_is_not_known_yet_blocks_only_as_long(edited):
    bench = Bench(book_of("volatility_halt"))
    bench.open()
    for minute in range(10):
        bench.bar(minute, 100.0)
        assert asked(bench).ruling is Ruling.BLOCK
    bench.bar(10, 100.0)  # the tenth change
    assert asked(bench).ruling is Ruling.ALLOW
    assert not notes(bench, ProtectionTripped)


# -- days and weeks ------------------------------------------------------------------------------


@pytest.mark.case(122)
@pytest.mark.rule("daily_loss_limit")
@pytest.mark.parametrize(
    ("first", "second"),
    [("2024-03-08", "2024-03-11"), ("2024-11-01", "2024-11-04"), ("2024-11-29", "2024-12-02")],
)
def test_case_122_the_day_is_the_exchanges(desk, first, second):
    """Over both changes of the clock and after a half day: until the close, then a new day."""
    bench = desk("daily_loss_limit")
    session(bench, first, 210 if first == "2024-11-29" else 390)
    close(bench, "-10.00")
    bar_now(bench)
    assert asked(bench).reasons == ("daily_loss_limit",)
    left_s = (bench.state.session.close_ns - bench.state.now_ns) // NS_PER_S
    assert asked(bench, left_s - 1).ruling is Ruling.BLOCK
    session(bench, second)
    bar_now(bench)
    assert asked(bench).ruling is Ruling.ALLOW
    assert bench.state.desk.pnl_usd == 0.0


def bar_now(bench: Bench) -> None:
    """The next minute's bar of whatever session is open."""
    start_ns = max(
        bench.state.session.open_ns, bench.state.symbol("SPY").newest_start_ns + NS_PER_MINUTE
    )
    bench.take(
        BarClosed(start_ns + NS_PER_MINUTE, "SPY", start_ns, 100.0, 100.0, 100.0, 100.0, 100.0)
    )


@pytest.mark.case(123)
@pytest.mark.rule("weekly_loss_limit")
@pytest.mark.parametrize(("loss", "blocked"), [("-24.99", False), ("-25.00", True)])
def test_case_123_a_week_begins_with_its_first_session(desk, loss, blocked):
    """Labor Day 2024 was Monday, 2 September: the week begins on the Tuesday."""
    bench = desk("weekly_loss_limit")
    session(bench, "2024-08-29")
    close(bench, loss)
    bar_now(bench)
    session(bench, "2024-08-30")
    bar_now(bench)
    assert (asked(bench).ruling is Ruling.BLOCK) is blocked
    assert asked(bench, 3 * 86_400).ruling is (Ruling.BLOCK if blocked else Ruling.ALLOW)
    session(bench, "2024-09-03")
    bar_now(bench)
    assert asked(bench).ruling is Ruling.ALLOW
    assert bench.state.desk.week_pnl_usd == 0.0
    assert len(notes(bench, ProtectionReleased)) == blocked


@pytest.mark.rule("weekly_loss_limit")
def test_losses_of_several_days_add_up_within_the_week(desk):
    bench = desk("weekly_loss_limit")
    for date in ("2024-10-28", "2024-10-29", "2024-10-30"):
        session(bench, date)
        close(bench, "-8.50")
        bar_now(bench)
    assert bench.state.desk.week_pnl_usd == -25.5
    assert asked(bench).reasons == ("weekly_loss_limit",)
    session(bench, "2024-11-04")  # the clocks went back on the Sunday between
    bar_now(bench)
    assert asked(bench).ruling is Ruling.ALLOW


# -- several at once -----------------------------------------------------------------------------


@pytest.mark.case(117)
@pytest.mark.rule("daily_loss_limit", "stoploss_guard", "repeated_execution", "PL-06", "PL-90")
def test_case_117_all_reasons_the_longest_counts_and_each_ends_for_itself(desk):
    bench = desk("daily_loss_limit", "stoploss_guard")
    for _ in range(3):
        close(bench, "-4")
    bench.bar(bench.ten, 100.0)
    found = asked(bench)
    assert found.reasons == ("daily_loss_limit", "stoploss_guard")
    assert found.until_ns == bench.state.session.close_ns
    assert asked(bench, 1_800).reasons == ("daily_loss_limit",)
    assert "refused" in press(bench, "daily_loss_limit")
    assert asked(bench).reasons == ("daily_loss_limit", "stoploss_guard")


@pytest.mark.rule("repeated_execution", "PL-06")
def test_entries_again_and_again_need_a_persons_word(desk):
    bench = desk("repeated_execution", max_orders_per_session="200")
    minute = bench.ten
    for number in range(5):
        assert asked(bench).ruling is Ruling.ALLOW, number
        entry_id = bench.sent(bench.bar(minute, 99.5))
        bench.ack(entry_id)
        bench.fill(entry_id)
        exit_id = bench.sent(bench.bar(minute + 1, 99.99))
        bench.ack(exit_id)
        bench.fill(exit_id, price="99.6")
        minute += 2
    assert asked(bench).reasons == ("repeated_execution",)
    assert asked(bench, 86_400 * 3).reasons == ("repeated_execution",)
    session(bench, "2024-10-08")
    bench.restart(book_of("repeated_execution"))
    bar_now(bench)
    assert asked(bench).reasons == ("repeated_execution",)
    name = f"repeated_execution/{bench.strategy}"
    assert press(bench, name) == f"{name}: COOLING -> ARMED"
    assert asked(bench).ruling is Ruling.ALLOW
    assert press(bench, "repeated_execution") == "repeated_execution is ARMED already"
    assert "no protection" in press(bench, "nothing_of_that_name")


# -- exits, errors, restarts ---------------------------------------------------------------------


@cache
def with_all(profile: str, filled: str) -> Bench:
    """A desk with every protection whose entry of 5.025 shares is wholly filled, in part or not."""
    bench = Bench(book_of(*EVERY), profile)
    entry_id = bench.entry()
    bench.ack(entry_id)
    if filled != "0":
        bench.fill(entry_id, None if filled == "all" else filled)
    return bench


def out_of(bench: Bench, way: str) -> list[Decimal]:
    """Let something ask for less risk; the shares of the orders that left for it."""
    (entry_id,) = (name for name, order in bench.state.orders.items() if order.role == "entry")
    if way == "a person":
        by = ("A. Person", "to see")
        outcome = bench.take(OperatorActed(bench.state.now_ns, "flatten", "", *by))
    elif way == "a refused exit":
        refused = bench.sent(bench.bar(bench.ten + 1, 99.0))
        bench.take(OrderRejected(bench.state.now_ns, refused, "1", "no"))
        outcome = bench.take(ClockTicked(bench.state.now_ns + 6 * NS_PER_S))
    elif way == "its stop at the broker":
        outcome = bench.fill(entry_id)
    else:
        minute, close = {"its stop": (bench.ten + 1, 99.0), "its target": (bench.ten + 1, 100.5),
                         "the close": (385, 99.5)}[way]  # fmt: skip
        outcome = bench.bar(minute, close)
    cancels = [each for each in outcome.commands if isinstance(each, CancelOrder)]
    if bench.order(entry_id).remaining_qty and way != "a refused exit":
        assert [each.client_order_id for each in cancels] == [entry_id]
    sent = [each for each in outcome.commands if isinstance(each, SubmitOrder)]
    assert {each.side for each in sent} <= {"sell"}
    return [each.qty for each in sent]


WAYS = ("its stop", "its target", "the close", "a person", "a refused exit",
        "its stop at the broker")  # fmt: skip


@pytest.mark.case(119)
@pytest.mark.rule(*EVERY)
@settings(max_examples=150, deadline=None)
@given(
    tripped=st.sets(st.sampled_from(EVERY)),
    unknown=st.sets(st.sampled_from(EVERY)),
    failed=st.sets(st.sampled_from(EVERY)),
    filled=st.sampled_from(["all", "2"]),
    way=st.sampled_from(WAYS),
)
def test_case_119_with_any_protections_tripped_what_reduces_risk_passes(
    tripped, unknown, failed, filled, way
):
    """Whoever asks for it: a rule of the strategy, a watch, a person; beside it the rest of a
    half-filled entry is asked back. What blocks is that nothing be opened, and it does."""
    at_broker = way == "its stop at the broker"
    start = with_all("paper", "0") if at_broker else with_all("backtest", filled)
    bench = copy(start)
    bench.state, bench.outcomes = start.state.fork(), []
    bench.answer = bench.agreeing
    protections = bench.engine.protections
    for name in tripped | unknown:
        rules = next(each for each in bench.engine.book.rules.protections if each.id == name)
        subject = {"strategy": f"/{bench.strategy}", "symbol": "/SPY"}.get(rules.scope, "")
        lock = Lock("TRIPPED" if name in tripped else "ARMED", is_true=name in tripped)
        lock.is_unknown, lock.lasts = name in unknown, "until_operator"
        bench.state.locks[name + subject] = lock
    bench.state.protection_errors |= failed
    protections.blocks.recount(bench.state)
    blocking = {each for each in tripped | unknown if not each.endswith("_size")}
    answer = protections.answer(bench.state, bench.strategy, "SPY")
    assert set(answer.reasons) == blocking
    assert (answer.ruling is Ruling.BLOCK) is bool(blocking or failed)
    assert out_of(bench, way) == [bench.held()]
    assert bench.held() == Decimal("2" if filled == "2" and not at_broker else "5.025")


@pytest.mark.case(118)
@pytest.mark.rule("PROTECTION_ERROR")
@pytest.mark.parametrize("name", ["daily_loss_limit", "stoploss_guard"])
def test_case_118_a_protection_that_raises_blocks_entries_and_no_exit(desk, name):
    def broken(*_: object) -> int:
        raise ZeroDivisionError("inside")

    bench = desk("daily_loss_limit", "stoploss_guard")
    compiled = bench.engine.book.protections
    if name == "daily_loss_limit":
        target, key = compiled.possible, "evaluate"
    else:
        target, key = next(each for each in compiled.every if each.rules.id == name), "possible"
    sound = getattr(target, key)
    object.__setattr__(target, key, broken)
    if name == "stoploss_guard":
        object.__setattr__(target, key, sound)
        trade(bench, "-0.01")
        object.__setattr__(target, key, broken)
        bench.state.look_again_ns = 0
    bench.bar(bench.ten + 2, 99.5)
    assert bench.decision().outcome == "REFUSED"
    assert "PROTECTION_ERROR" in bench.check_codes()
    assert bench.incidents() == ["ProtectionError"]
    bench.bar(bench.ten + 3, 99.5)
    assert bench.incidents() == ["ProtectionError"]  # told once
    object.__setattr__(target, key, sound)
    order_id = bench.sent(bench.bar(bench.ten + 4, 99.4))
    bench.ack(order_id)
    bench.fill(order_id, price="99.4")
    object.__setattr__(target, key, broken)
    assert bench.sent(bench.bar(bench.ten + 5, 98.0))
    assert bench.decision().outcome == "EXIT"


@pytest.mark.case(124)
@pytest.mark.rule("OLDER_BLOCK")
def test_case_124_a_block_outlives_its_own_file(desk):
    bench = desk("daily_loss_limit", "stoploss_guard")
    for _ in range(3):
        trade(bench, "-1")
    tripped_under = bench.state.rules_digest
    bench.restart(book_of("daily_loss_limit"))
    bench.bar(bench.ten + 6, 99.5)
    assert bench.decision().outcome == "REFUSED"
    assert bench.check_codes() == ("OLDER_BLOCK",)
    key = f"stoploss_guard/{bench.strategy}"
    assert bench.state.locks[key].rules_digest == tripped_under
    assert bench.state.rules_digest != tripped_under
    for minute in range(7, 36):
        bench.bar(bench.ten + minute, 99.9)
    bench.bar(bench.ten + 36, 99.3)
    assert bench.decision().outcome == "ENTER"
    released = notes(bench, ProtectionReleased)
    assert [(each.protection, each.rules_digest) for each in released] == [
        ("stoploss_guard", tripped_under)
    ]


@pytest.mark.rule("stoploss_guard")
def test_a_change_of_the_numbers_keeps_the_block_and_its_end(edited, desk):
    bench = desk("stoploss_guard")
    for _ in range(3):
        close(bench, "-1")
    until_ns = asked(bench).until_ns
    words = {"protections/stoploss_guard.yaml": {"for: 30m": "for: 5m"}}
    bench.restart(edited(words, values=FIVE, protections=("stoploss_guard",)))
    assert asked(bench).until_ns == until_ns
    assert asked(bench, 1_799).ruling is Ruling.BLOCK


# -- sizes ---------------------------------------------------------------------------------------


@pytest.mark.rule("half_size")
@pytest.mark.parametrize(
    ("loss", "qty"), [("-4.99", Decimal("5.025")), ("-5.00", Decimal("2.512"))]
)
def test_half_the_daily_loss_halves_the_size(desk, loss, qty):
    bench = desk("half_size", "quarter_size")
    trade(bench, loss)
    order_id = bench.sent(bench.bar(bench.ten + 2, 99.5))
    assert bench.order(order_id).qty == qty
    smaller = notes(bench, EntryMadeSmaller)
    assert [(each.protections, each.kept) for each in smaller] == (
        [(("half_size",), Decimal("0.5"))] if loss == "-5.00" else []
    )


@pytest.mark.rule("half_size", "quarter_size")
@pytest.mark.parametrize(
    ("tripped", "outcome"),
    [(("half_size",), "ENTER"), (("quarter_size",), "REFUSED"), (EVERY_SIZE, "REFUSED")],
)
def test_an_entry_of_which_nothing_is_left_is_refused_by_what_took_it(edited, tripped, outcome):
    """Two thousandths of a share: half of that is one, a quarter of it none."""
    bench = Bench(edited(values=FIVE | {"max_notional_usd": "10"}, protections=EVERY_SIZE))
    bench.warm(4_000.0)
    for name in tripped:
        bench.state.locks[name] = Lock("TRIPPED", is_true=True, lasts="until_operator")
    sent = bench.bar(bench.ten, 3_980.0).commands
    assert bench.decision().outcome == outcome
    assert [each.qty for each in sent] == ([Decimal("0.001")] if outcome == "ENTER" else [])
    held = bench.engine.book.protections.true_codes(bench.decision().protections)
    assert held == (() if outcome == "ENTER" else tripped)
    assert not bench.incidents()


@pytest.mark.rule("half_size", "quarter_size")
def test_most_of_the_weekly_loss_leaves_a_quarter(desk):
    bench = desk("half_size", "quarter_size", daily_loss_usd="50")
    close(bench, "-14.99")
    assert asked(bench).size == 1
    close(bench, "-0.01")
    assert (asked(bench).size, asked(bench).ruling) == (Decimal("0.25"), Ruling.ALLOW)
    close(bench, "-10")
    bench.bar(bench.ten, 100.0)
    assert asked(bench).size == Decimal("0.25")  # of two the smaller


@pytest.mark.rule("half_size", "quarter_size")
@pytest.mark.parametrize(
    ("second_day", "third", "size"),
    [
        ("-0.01", "2024-10-30", Decimal("0.25")),
        ("0", "2024-10-30", Decimal("0.25")),
        ("0.01", "2024-10-30", Decimal(1)),
        ("-0.01", "2024-11-04", Decimal(1)),
    ],
)
def test_the_whole_size_is_back_after_a_profit_or_with_the_week(desk, second_day, third, size):
    bench = desk("half_size", "quarter_size")
    session(bench, "2024-10-28")
    close(bench, "-16")
    bar_now(bench)
    assert asked(bench).size == Decimal("0.25")
    session(bench, "2024-10-29")
    bar_now(bench)
    assert asked(bench).size == Decimal("0.25")
    close(bench, second_day, "MEAN_REVERSION")
    session(bench, third)
    bar_now(bench)
    assert asked(bench).size == size


@pytest.mark.rule("equity_curve")
@pytest.mark.parametrize(("last", "blocked"), [("19", True), ("19.01", False)])
@pytest.mark.parametrize("profile", ["live", "paper", "backtest"])
def test_a_curve_under_water_costs_a_day(desk, last, blocked, profile):
    """In a back-test as on the desk: else it would be a back-test of another desk."""
    bench = desk("equity_curve", profile=profile)
    for _ in range(19):
        close(bench, "-1", "MEAN_REVERSION")
    close(bench, last, "MEAN_REVERSION")
    assert (asked(bench).ruling is Ruling.BLOCK) is blocked
    if blocked:
        assert asked(bench, 86_399).ruling is Ruling.BLOCK
    assert asked(bench, 86_400).ruling is Ruling.ALLOW


@pytest.mark.rule("consecutive_losses", "cooldown_period")
@pytest.mark.parametrize("is_pressed", [False, True])
def test_a_button_between_a_start_and_its_first_look_takes_no_question_back(desk, is_pressed):
    """After a start all are asked once, whatever is pressed before that."""
    bench = desk("repeated_execution", "cooldown_period")
    for _ in range(4):
        close(bench, "-1")
    assert asked(bench).ruling is Ruling.BLOCK
    bench.restart(book_of("repeated_execution", "cooldown_period", "consecutive_losses"))
    if is_pressed:
        press(bench, "repeated_execution")
    bar_now(bench)
    assert "consecutive_losses" in asked(bench).reasons
    assert "cooldown_period" not in asked(bench, 3_600).reasons


# -- a bad day, and a process that ends in it ----------------------------------------------------


def bad_day(bench: Bench, restarts_at: int = -1) -> list[tuple[str, int, int]]:
    """A day that loses trade by trade; with `restarts_at` another process begins after that bar."""
    bench.open()
    seen = []
    for minute in range(75):
        close_at = 100.0 if minute < 30 or minute % 3 == 2 else 99.5 - minute % 3 * 0.6
        outcome = bench.bar(minute, close_at)
        for command in outcome.commands:
            if isinstance(command, SubmitOrder):
                bench.ack(command.client_order_id)
                bench.fill(command.client_order_id, price=str(close_at))
        decision = bench.decision()
        seen.append((decision.outcome, decision.no_trade, decision.protections))
        if minute == restarts_at:
            bench.restart(bench.engine.book.rules)
    return seen


@pytest.mark.case(110)
@pytest.mark.rule("daily_loss_limit", "max_drawdown", "stoploss_guard", "half_size")
def test_case_110_a_restart_at_any_bar_of_a_bad_day_changes_no_decision():
    kept = tuple(each for each in EVERY if each not in {"cooldown_period", "volatility_halt"})
    whole = bad_day(Bench(book_of(*kept)))
    assert {outcome for outcome, _, _ in whole} >= {"ENTER", "EXIT", "REFUSED"}
    assert any(mask for _, _, mask in whole[31:])
    for minute in range(28, 75):
        assert bad_day(Bench(book_of(*kept)), minute) == whole, minute


def test_to_ask_all_of_them_on_every_bar_finds_what_the_sparing_way_finds():
    """What has no news and whose time has not come answers as before, so it may be passed over."""
    book = load_rules(ROOT / "rules", Changes(values=FIVE))
    taken = Taken()
    run_backtest(book, [], SimulationSettings(), (taken,))
    engine = Engine.of(compile_book(book))
    started = DeskStarted(taken.events[0].at_ns, book.digest, "backtest", "test")
    sparing, asking = DeskState(), DeskState()
    bars = 0
    for event in [started, *taken.events]:
        if isinstance(event, BarClosed):
            asking.look_again_ns = ASK_ALL
            bars += 1
        assert step(engine, sparing, event) == step(engine, asking, event)
        if isinstance(event, BarClosed) and bars % 20 == 0:
            assert sparing.hash() == asking.hash()
    assert sparing.history.trades
    assert sparing.due_ns


class Taken:
    """Every event that a desk took."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        self.events.append(event)
