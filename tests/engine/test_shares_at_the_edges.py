"""Shares of the account where rules change under them: never more than the whole together."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.engine.test_portfolio import FIRST, PORTFOLIO, bench_of, day, shares

__all__ = ["bench_of"]


@pytest.mark.rule("raises")
def test_a_share_that_was_won_does_not_stand_beside_a_larger_one_of_another(bench_of, edited):
    bench = bench_of("10000")
    bench.open()
    for number in range(1, 7):
        day(bench, number, 100)
    assert shares(bench)[FIRST] == Decimal("0.6")
    declared = {"share: 0.25\n    min: 0.1\n    max: 0.3": "share: 0.5\n    min: 0.1\n    max: 0.5"}
    bench.restart(edited({PORTFOLIO: declared}))
    assert sum(shares(bench).values()) <= 1
    assert shares(bench)[FIRST] == Decimal("0.5")


@pytest.mark.rule("max_drawdown", "assumed_equity_usd")
def test_whoever_assumes_what_the_account_is_worth_assumes_the_same(edited):
    said = "assumed_equity_usd:\n    value: {}"
    rules = edited({"limits/desk.yaml": {said.format(2500): said.format(4000)}})
    assert rules.portfolio is not None
    assert rules.portfolio.account_usd == 4000
    (account, *_) = rules.portfolio.values
    assert (account.name, account.value) == ("account_usd", 4000)
