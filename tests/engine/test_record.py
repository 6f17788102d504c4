"""The figures of a record, against numbers worked by hand."""

from __future__ import annotations

from decimal import Decimal
from math import sqrt
from statistics import mean, stdev

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mqd.engine.record import (
    ClosedSession,
    losses_in_a_row,
    profit_factor,
    record_of,
    sharpe,
    trades_under_water,
    win_rate,
)
from mqd.model.position import Trade

DAY_NS = 86_400_000_000_000


def trade(day: int, pnl: str) -> Trade:
    price = Decimal(100)
    end_ns = day * DAY_NS + 1
    return Trade("one", "SPY", end_ns - 1, price, price, end_ns, price, "OUT", Decimal(pnl), "d")


def sessions(count: int) -> list[ClosedSession]:
    return [ClosedSession(f"2024-01-{day + 1:02}", day * DAY_NS + 2) for day in range(count)]


def test_a_trade_that_made_nothing_is_no_win_and_ends_no_streak():
    assert losses_in_a_row([trade(0, "1"), trade(1, "-1"), trade(2, "0")]) == 2
    assert losses_in_a_row([trade(0, "-1"), trade(1, "0.01")]) == 0
    assert win_rate([trade(0, "0"), trade(1, "1")]) == pytest.approx(0.5)
    assert win_rate([]) is None


@given(st.lists(st.integers(-300, 300), max_size=60), st.integers(2, 25))
def test_trades_under_water_are_counted_as_a_person_would(cents, curve):
    trades = [trade(day, str(Decimal(each) / 100)) for day, each in enumerate(cents)]
    expected = 0
    for newest in range(len(cents), curve - 1, -1):
        if sum(cents[newest - curve : newest]) > 0:
            break
        expected += 1
    assert trades_under_water(trades, curve) == expected


def test_a_curve_at_nothing_is_under_water_and_a_cent_above_is_not():
    nothing = [trade(0, "-1"), *[trade(day, "0") for day in range(1, 19)]]
    assert trades_under_water([*nothing, trade(19, "1")], 20) == 1
    assert trades_under_water([*nothing, trade(19, "1.01")], 20) == 0
    assert trades_under_water(nothing, 20) == 0  # nineteen have no mean of twenty


def test_the_profit_factor_is_unknown_where_nothing_was_lost():
    assert profit_factor([trade(0, "3"), trade(1, "-2")]) == pytest.approx(1.5)
    assert profit_factor([trade(0, "3")]) is None


@given(st.lists(st.integers(-500, 500), min_size=2, max_size=40))
@example([9, 9, 9])  # whose mean is not 0.09 in binary
def test_the_sharpe_ratio_is_the_textbooks(cents):
    days = [each / 100 for each in cents]
    found = sharpe(days)
    if len(set(days)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(mean(days) / stdev(days) * sqrt(252), abs=1e-6)


def test_one_day_has_no_sharpe_ratio():
    assert sharpe([1.0]) is None


def test_a_record_looks_back_over_its_sessions_and_counts_days_without_a_trade():
    trades = [trade(0, "-9"), trade(2, "1"), trade(4, "2")]
    found = record_of(trades, sessions(5), -1, 3 * DAY_NS, over=4)
    assert (found.sessions, found.trades, found.win_rate) == (4, 2, 1.0)
    days = [0.0, 1.0, 0.0, 2.0]
    assert found.sharpe == pytest.approx(mean(days) / stdev(days) * sqrt(252))
    assert found.week_pnl == pytest.approx(2.0)


def test_a_record_begins_where_a_person_put_the_strategy_back():
    trades = [trade(day, "-1") for day in range(5)]
    found = record_of(trades, sessions(5), 2 * DAY_NS + 2, 0, over=30)
    assert (found.losses_in_a_row, found.sessions, found.trades) == (2, 2, 2)
    assert found.week_pnl == pytest.approx(-2.0)
