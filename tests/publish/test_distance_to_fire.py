"""How far each rule is from acting now, from the state that a replay leads to."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from mqd.engine.state import DeskState, StrategyFacts
from mqd.ground.times import NS_PER_S
from mqd.model.position import Trade
from mqd.publish.distance_to_fire import distances_to_fire
from mqd.publish.live_values import live_values
from mqd.publish.protection_status import protections_status
from mqd.rules.validate import load_rules
from mqd.rules.words.facts import FACTS

ROOT = Path(__file__).resolve().parents[2]
STRATEGY = "vwap_micro_mean_reversion"


@pytest.fixture(scope="module")
def book():
    return load_rules(ROOT / "rules")


@pytest.fixture
def state() -> DeskState:
    made = DeskState(profile="paper")
    made.strategies[STRATEGY] = StrategyFacts(entries_today=1, pnl_today_usd=-1.61)
    made.symbol("SPY").bars = 45
    made.desk.pnl_usd = -1.61
    made.desk.orders_today = 2
    made.session.clock_s = 37_800
    return made


def row(state, book, rule):
    return next(each for each in distances_to_fire(state, book) if each.rule == rule)


@pytest.mark.rule("daily_loss_limit")
def test_the_daily_loss_says_what_is_left_to_the_cent(state, book):
    found = row(state, book, "daily_loss_limit")
    assert (found.now, found.acts_at, found.distance, found.unit) == (-1.61, -10.0, 8.39, "usd")
    assert (found.now_text, found.acts_at_text, found.distance_text) == (
        "-1.61 USD", "-10.00 USD", "8.39 USD",
    )  # fmt: skip
    assert not found.holds


@pytest.mark.parametrize(("pnl", "holds"), [(-9.99, False), (-10.0, True), (-10.01, True)])
def test_it_says_that_it_holds_from_the_limit_on(state, book, pnl, holds):
    state.desk.pnl_usd = pnl
    found = row(state, book, "daily_loss_limit")
    assert (found.holds, found.acts) == (holds, holds)
    assert Decimal(str(found.distance)) == abs(Decimal(str(pnl)) + 10)


def test_a_strategys_own_numbers_are_its_own(state, book):
    found = row(state, book, "MAX_TRADES_REACHED")
    assert (found.strategy, found.now, found.acts_at, found.holds) == (STRATEGY, 1, 1, True)
    warm = row(state, book, "VWAP_WARMING_UP")
    assert (warm.now_text, warm.acts_at_text, warm.distance_text) == (
        "45 bars", "19 bars", "26 bars",
    )  # fmt: skip


def test_checks_of_the_desk_are_there_and_what_has_no_value_is_not(state, book):
    assert row(state, book, "TOO_MANY_QUEUED").acts_at_text == "11 orders"
    assert row(state, book, "ORDER_COUNT_REACHED").distance_text == "38 orders"
    shown = {each.rule for each in distances_to_fire(state, book)}
    assert not shown & {"QTY_ABOVE_LIMIT", "PRICE_TOO_FAR", "PRICE_ABOVE_THRESHOLD"}
    state.desk.pnl_usd = float("nan")
    assert "daily_loss_limit" not in {each.rule for each in distances_to_fire(state, book)}


def test_a_part_that_holds_is_not_the_rule(state, book):
    """The time since the last snapshot has passed, and the breaker does not wait for one."""
    state.desk.since_snapshot_s = 60.0
    state.desk.breaker_code = 0
    state.desk.snapshot_asked = True
    found = row(state, book, "BREAKER_PROBE")
    assert (found.holds, found.acts) == (True, False)


def test_a_fact_reads_the_state_as_the_rules_do(state):
    names = ("desk.pnl", "today.entries", "session.bars", "bar.close", "order.qty", "vwap")
    found = live_values(state, names, STRATEGY, "SPY")
    assert found == {"desk.pnl": -1.61, "today.entries": 1, "session.bars": 45}
    assert live_values(state, FACTS)  # none of them ends in an error
    assert "today.entries" not in live_values(state, names)


@pytest.mark.rule("stoploss_guard", "consecutive_losses")
@pytest.mark.parametrize(("ago_s", "left"), [(3_599, 2), (3_600, 3)])
def test_what_a_protection_measures_is_measured_now(state, book, ago_s, left):
    """A stop counts for an hour; how many came in a row is not a matter of time."""
    state.now_ns = 1_732_550_000 * NS_PER_S
    ended_ns = state.now_ns - ago_s * NS_PER_S
    stopped = Trade(
        strategy=STRATEGY, symbol="SPY", entry_ns=ended_ns - 60 * NS_PER_S,
        entry_price=Decimal(100), qty=Decimal(1), exit_ns=ended_ns, exit_price=Decimal(99),
        exit_reason="STOP_LOSS", pnl_usd=Decimal(-1), rules_digest="d",
    )  # fmt: skip
    state.history.add_trade(stopped)
    assert row(state, book, "stoploss_guard").distance == left
    assert row(state, book, "consecutive_losses").distance == 2
    shown = {each.protection: each for each in protections_status(state, book)}
    assert shown["stoploss_guard"].to_go == f"{left} trades"
