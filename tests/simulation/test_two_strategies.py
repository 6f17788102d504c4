"""Two strategies on one symbol through days in which everything goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from mqd.app.simulation.day import DayResult, SimulatedDay
from mqd.app.simulation.run import SimulationPlan, simulate
from mqd.app.simulation.settings import DaySettings
from mqd.engine.core import Engine
from mqd.rules.book import RuleBook
from mqd.rules.compile.book import compile_book

DAYS = 200
EAGER = {
    "status: draft": "status: paper",
    "over: 30 bars": "over: 4 bars",
    "over: 10 bars": "over: 3 bars",
    "min_rise_pct:           {value: 0.00005,": "min_rise_pct:           {value: 0.00001,",
    "most_noise_pct:         {value: 0.0012,": "most_noise_pct:         {value: 0.005,",
    "bar.close <= session_open": "bar.close <= session_open * 0.9",
}


@pytest.fixture
def both(edited) -> RuleBook:
    """The second strategy made eager, so that it trades on days of forty bars."""
    book: RuleBook = edited(
        {"strategies/momentum_following.yaml": EAGER}, values={"max_trades_per_day": "3"}
    )
    return book


def test_two_hundred_days_hold_with_two_strategies(plan: SimulationPlan, both: RuleBook) -> None:
    """Both trade, exits pass, no position is shared, and the books are right at the end."""
    shared = replace(plan, book=both)
    days: list[DayResult] = list(simulate(shared, range(DAYS)))
    assert [(day.day, day.violation) for day in days if day.violation] == []
    assert sum(day.trades for day in days) > DAYS / 2


def test_both_of_them_trade(settings: DaySettings, both: RuleBook) -> None:
    engine = Engine.of(compile_book(both))
    seen: set[str] = set()
    for number in range(30):
        day = SimulatedDay(settings, engine, 11, number)
        assert not day.run().violation
        seen |= {order.strategy for order in day.state.orders.values() if order.filled_qty}
    assert {"vwap_micro_mean_reversion", "momentum_following"} <= seen


BLIND = {
    "when: symbol.working_orders > 0": "when: symbol.working_orders > 99",
    "when: symbol.position_qty != 0": "when: symbol.position_qty < 0",
    "when: order.opposite_orders > 0": "when: order.opposite_orders > 99",
}


MANY = {"value: 1\n    min: 1\n    max: 10\n": "value: 9\n    min: 1\n    max: 10\n"}  # positions


def test_a_desk_that_enters_where_another_holds_is_caught(
    settings: DaySettings, edited: Callable[..., RuleBook]
) -> None:
    """Without the checks that see other strategies, the simulation says so by what left."""
    files = {
        "strategies/momentum_following.yaml": EAGER,
        "orders/checks.yaml": BLIND,
        "limits/desk.yaml": MANY,
    }
    blind = edited(files, values={"max_trades_per_day": "3"})
    engine = Engine.of(compile_book(blind))
    found = (SimulatedDay(settings, engine, 11, number).run().violation for number in range(100))
    assert any(" left while " in violation for violation in found)
