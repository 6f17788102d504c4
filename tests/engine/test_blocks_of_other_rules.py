"""Blocks that began under other rules: none is forgotten, and none stays when nobody can end it."""

from __future__ import annotations

import pytest

from mqd.engine.protections import Ruling
from mqd.ground.times import NS_PER_S
from mqd.model.event import ClockTicked
from tests.engine.test_orchestrator import copies
from tests.engine.test_protections import (
    FIVE,
    asked,
    book_of,
    close,
    desk,
    press,
    session,
    trade,
)

__all__ = ["desk"]


@pytest.mark.rule("half_size", "PL-06")
def test_a_size_whose_end_the_rules_do_not_know_any_more_is_for_a_person(edited, desk):
    bench = desk("half_size")
    trade(bench, "-5")
    words = {"protections/half_size.yaml": {
        "until: week.is_new or desk.previous_pnl > 0": "for: 30m",
    }}  # fmt: skip
    bench.restart(edited(words, values=FIVE, protections=("half_size",)))
    session(bench, "2024-10-14")
    session(bench, "2024-10-21")
    for minute in range(31):
        bench.bar((bench.state.session.open_ns - bench.open_ns) // (60 * NS_PER_S) + minute, 100.0)
    assert asked(bench).size < 1
    assert press(bench, "half_size") == "half_size: COOLING -> ARMED"
    assert asked(bench).size == 1


@pytest.mark.rule("stoploss_guard", "PL-05")
def test_the_block_of_a_strategy_that_is_gone_ends_at_its_time(edited, desk):
    """Nobody asks its question; a block that never ended would be looked at on every bar."""
    both = edited(copies=copies("twin"), values=FIVE, protections=("stoploss_guard",))
    bench = desk("stoploss_guard")
    bench.restart(both)
    for _ in range(3):
        close(bench, "-1", strategy="twin")
    assert asked(bench, strategy="twin").ruling is Ruling.BLOCK
    bench.restart(book_of("stoploss_guard"))
    later_ns = bench.state.now_ns + 7_200 * NS_PER_S
    bench.take(ClockTicked(later_ns))
    bench.bar((later_ns - bench.open_ns) // (60 * NS_PER_S), 100.0)
    assert "stoploss_guard/twin" not in bench.state.locks or (
        bench.state.locks["stoploss_guard/twin"].state_name == "ARMED"
    )
    assert bench.state.look_again_ns > bench.state.now_ns
    assert asked(bench, strategy="twin").ruling is Ruling.ALLOW


@pytest.mark.rule("consecutive_losses", "PL-04")
def test_a_row_that_does_not_count_may_push_out_one_that_does(edited, desk):
    """What blocks while two of the newest three trades are stops is over with two gains."""
    words = {"protections/consecutive_losses.yaml": {
        "    streak: trades": "    count: trades",
        "    over: all": "    over: 3 trades",
        "stops_in_a_row >= 3": "stops_in_a_row >= 2",
        "for: 30m": "for: while_true",
    }}  # fmt: skip
    bench = desk("consecutive_losses")
    bench.restart(edited(words, values=FIVE, protections=("consecutive_losses",)))
    close(bench, "-1")
    close(bench, "-1")
    assert asked(bench).ruling is Ruling.BLOCK
    close(bench, "1", "MEAN_REVERSION")
    assert asked(bench).ruling is Ruling.BLOCK
    close(bench, "1", "MEAN_REVERSION")
    assert asked(bench).ruling is Ruling.ALLOW


@pytest.mark.rule("stoploss_guard", "consecutive_losses")
@pytest.mark.parametrize("reason", ["PROTECTIVE_STOP", "BELOW_ITS_STOP"])
def test_a_stop_at_the_broker_is_a_stop_too(desk, reason):
    bench = desk("stoploss_guard", "consecutive_losses")
    for _ in range(3):
        close(bench, "-1", reason)
    assert asked(bench).reasons == ("consecutive_losses", "stoploss_guard")


@pytest.mark.rule("stoploss_guard", "OLDER_BLOCK")
def test_a_block_keeps_whom_it_is_about_when_the_rules_ask_about_somebody_else(edited, desk):
    bench = desk("stoploss_guard")
    for _ in range(3):
        close(bench, "-1")
    until_ns = asked(bench).until_ns
    words = {"protections/stoploss_guard.yaml": {
        "scope: strategy": "scope: symbol", "stops >= 3": "stops >= 4",
    }}  # fmt: skip
    bench.restart(edited(words, values=FIVE, protections=("stoploss_guard",)))
    assert asked(bench).ruling is Ruling.BLOCK
    later_s = (until_ns - bench.state.now_ns) / NS_PER_S
    assert asked(bench, later_s - 1).ruling is Ruling.BLOCK
    assert asked(bench, later_s).ruling is Ruling.ALLOW


@pytest.mark.rule("volatility_halt")
@pytest.mark.parametrize(
    "words",
    [
        {"of: change": "of: close / close", "warmup: 10": "warmup: 20"},
        {"over: 20 bars": "over: 40 bars", "warmup: 10": "warmup: 40"},
    ],
)
def test_what_other_rules_measure_is_measured_anew(edited, desk, words):
    """What was kept of the changes of twenty bars is no part of another measure of that name."""
    bench = desk("volatility_halt")
    assert asked(bench).ruling is Ruling.ALLOW
    protections = ("volatility_halt",)
    bench.restart(edited(
        {"protections/volatility_halt.yaml": words}, values=FIVE, protections=protections,
    ))  # fmt: skip
    assert asked(bench).ruling is Ruling.BLOCK  # too few of them are known
    for minute in range(19 if "of: change" in words else 39):
        bench.bar(bench.ten + minute, 100.0)
    assert asked(bench).ruling is Ruling.BLOCK
    bench.bar(bench.ten + 40, 100.0)
    assert asked(bench).ruling is Ruling.ALLOW
