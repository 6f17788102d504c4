"""Measures of the past, each at both sides of its window."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from decimal import Decimal
from math import isnan, sqrt
from pathlib import Path
from types import SimpleNamespace

import pytest

from mqd.engine.history import EntrySent, History, Now, measured
from mqd.ground.times import NS_PER_S
from mqd.model.position import Trade
from mqd.rules.compile.book import compile_book
from mqd.rules.compile.history import CompiledMeasure
from mqd.rules.validate import load_rules

ROOT = Path(__file__).resolve().parents[2]
NOW_NS = 1_728_309_600_000_000_000
DAY_S = 86_400
HEADER = """protection: probe
title: Probe
owner: desk
since: 2026-11-23
because: A test asks.
format: 1
scope: {scope}
blocks: entries
measures:
  asked: {measure}
trips_when: asked > {limit}
for: 1m
"""
Of = Callable[..., CompiledMeasure]


@pytest.fixture
def of(tmp_path) -> Of:
    """The compiled form of one measure, as a rule file writes it."""

    def made(measure: str, scope: str = "desk", limit: str = "0") -> CompiledMeasure:
        root = tmp_path / "rules"
        shutil.copytree(ROOT / "rules", root, dirs_exist_ok=True)
        text = HEADER.format(measure=measure, scope=scope, limit=limit)
        (root / "protections" / "probe.yaml").write_text(text, encoding="utf-8")
        compiled = compile_book(load_rules(root)).protections
        return next(each for each in compiled.every if each.rules.id == "probe").measures[0]

    return made


def traded(
    ago_s: float = 0.0, pnl: str = "-1", reason: str = "STOP_LOSS", strategy: str = "one",
    symbol: str = "SPY",
) -> Trade:  # fmt: skip
    at_ns = NOW_NS - round(ago_s * NS_PER_S)
    one = Decimal(1)
    return Trade(
        strategy, symbol, at_ns - 60 * NS_PER_S, one, one, at_ns, one, reason, Decimal(pnl), "d"
    )


def kept(*trades: Trade) -> History:
    history = History()
    for trade in trades:
        history.add_trade(trade)
    return history


def value(history: History, measure: CompiledMeasure, **scope: str) -> float:
    now = Now(NOW_NS, NOW_NS - 1_800 * NS_PER_S, NOW_NS - 2 * DAY_S * NS_PER_S)
    return measured(history, measure, now, **scope).value


@pytest.mark.parametrize(
    ("over", "length_s"), [("60m", 3_600), ("30s", 30), ("7 days", 7 * DAY_S), ("2h", 7_200)]
)
def test_a_time_window_is_open_where_it_begins(of, over, length_s):
    measure = of(f"{{count: trades, over: {over}}}")
    assert value(kept(traded(length_s)), measure) == 0
    assert value(kept(traded(length_s - 1e-9)), measure) == 1
    assert value(kept(traded(0)), measure) == 1


def test_a_row_leaves_its_window_at_the_instant_that_is_told(of):
    measure = of("{count: trades, over: 60m}")
    history = kept(traded(3_000), traded(10))
    until_ns = measured(history, measure, Now(NOW_NS, 0, 0)).until_ns
    assert until_ns == NOW_NS + 600 * NS_PER_S
    assert measured(history, measure, Now(until_ns - 1, 0, 0)).value == 2
    assert measured(history, measure, Now(until_ns, 0, 0)).value == 1


@pytest.mark.parametrize(("over", "count"), [("session", 1), ("week", 2), ("all", 3)])
def test_a_stretch_holds_what_happened_since_it_began(of, over, count):
    measure = of(f"{{count: trades, over: {over}}}")
    history = kept(traded(1_800), traded(2 * DAY_S), traded(2 * DAY_S + 1e-9))
    assert value(history, measure) == count


def test_a_number_of_rows_is_the_newest_of_them_and_where_counts_among_these(of):
    history = kept(*[traded(100 - n, reason="FORCE_FLAT" if n else "STOP_LOSS") for n in range(4)])
    where = "where: exit_reason == STOP_LOSS"
    assert value(history, of(f"{{count: trades, {where}, over: 4 trades}}")) == 1
    assert value(history, of(f"{{count: trades, {where}, over: 3 trades}}")) == 0


@pytest.mark.case(115)
def test_case_115_a_stop_is_a_stop_whatever_it_came_to(of):
    measure = of("{streak: trades, where: exit_reason == STOP_LOSS, over: all}")
    assert value(kept(traded(3, "0"), traded(2, "0.01"), traded(1, "-5")), measure) == 3


@pytest.mark.parametrize(
    ("reasons", "count"),
    [("", 0), ("S", 1), ("SSS", 3), ("SMSS", 2), ("SSSM", 0), ("MS", 1)],
)
def test_a_streak_ends_at_the_first_row_that_does_not_meet_it(of, reasons, count):
    measure = of("{streak: trades, where: exit_reason == STOP_LOSS, over: all}")
    words = {"S": "STOP_LOSS", "M": "MEAN_REVERSION"}
    trades = [traded(100 - n, reason=words[each]) for n, each in enumerate(reasons)]
    assert value(kept(*trades), measure) == count


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("sum", 4.5), ("mean", 1.5), ("min", -1.0), ("max", 3.5), ("last", 2.0),
        ("stdev", sqrt((2.5**2 + 2.0**2 + 0.5**2) / 2)),
    ],
)  # fmt: skip
def test_a_function_of_values(of, function, expected):
    measure = of(f"{{{function}: trades, of: pnl, over: all}}")
    history = kept(traded(3, "-1"), traded(2, "3.5"), traded(1, "2"))
    assert value(history, measure) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("function", "fewest"), [("sum", 0), ("mean", 1), ("last", 1), ("stdev", 2)]
)
def test_a_function_of_too_few_rows_is_unknown(of, function, fewest):
    measure = of(f"{{{function}: trades, of: pnl, over: all}}")
    for count in range(4):
        found = value(kept(*[traded(each) for each in range(count)]), measure)
        assert isnan(found) is (count < fewest)


def test_a_measure_is_unknown_before_its_warm_up(of):
    measure = of("{mean: trades, of: pnl, over: all, warmup: 3}")
    assert isnan(value(kept(traded(2), traded(1)), measure))
    assert value(kept(traded(3), traded(2), traded(1)), measure) == -1.0


def test_a_scope_sees_its_own_rows(of):
    measure = of("{count: trades, over: 2 trades}", "strategy")
    history = kept(traded(3), traded(2, strategy="two"), traded(1, symbol="QQQ"))
    assert value(history, measure) == 2
    assert value(history, measure, strategy="two") == 1
    assert value(history, measure, strategy="one") == 2
    assert value(history, measure, symbol="SPY") == 2


def test_entries_are_rows_too(of):
    measure = of("{count: entries, over: 60m}")
    history = History()
    for ago_s in (3_600, 3_599, 1):
        history.add_entry(EntrySent(NOW_NS - ago_s * NS_PER_S, "one", "SPY"))
    assert value(history, measure) == 2


def test_the_values_of_bars_are_those_of_the_newest(of):
    measure = of("{stdev: bars, of: change, over: 3 bars}", "symbol")
    history = History()
    symbol = SimpleNamespace(symbol="SPY", previous_close=0.0)
    for close in (100.0, 101.0, 101.0, 99.99, 99.99):
        history.take_bar(measure, SimpleNamespace(close=close), symbol)
        symbol.previous_close = close
    # the first bar has no change; of the four others three are kept: 0, -1 %, 0
    assert value(history, measure, symbol="SPY") == pytest.approx(0.01 / sqrt(3), rel=1e-9)
    assert isnan(value(history, measure, symbol="QQQ"))


# -- the equity -----------------------------------------------------------------------------------


def fallen(*marks: tuple[float, float], base_usd: str | None = "100") -> History:
    """An account with these profits, each since so many seconds ago."""
    history = History()
    for ago_s, pnl_usd in marks:
        history.mark(NOW_NS - round(ago_s * NS_PER_S), pnl_usd)
    history.base_usd = None if base_usd is None else Decimal(base_usd)
    return history


@pytest.fixture
def drawdown(of) -> CompiledMeasure:
    return of("{drawdown: equity, over: 7 days, assumed: limits.assumed_equity_usd}")


@pytest.mark.case(112)
@pytest.mark.rule("max_drawdown")
def test_case_112_the_first_loss_of_the_window_counts(drawdown):
    """What the account was worth when the window began is a height that it fell from."""
    eight_days_s = 8 * DAY_S
    assert value(fallen((eight_days_s, 0.0), (60, -20.0)), drawdown) == pytest.approx(0.2)


@pytest.mark.case(113)
@pytest.mark.rule("max_drawdown")
def test_case_113_losses_from_nothing_are_a_drawdown(drawdown):
    marks = [(2_000 - 100 * n, -1.5 * n) for n in range(11)]
    assert value(fallen(*marks), drawdown) == pytest.approx(0.15)


@pytest.mark.case(114)
@pytest.mark.rule("max_drawdown")
def test_case_114_a_small_gain_before_a_loss_makes_no_monster(drawdown):
    assert value(fallen((300, 0.0), (200, 0.1), (100, -1.4)), drawdown) == pytest.approx(
        1.5 / 100.1
    )


def test_a_height_leaves_the_window_when_its_time_is_over(drawdown):
    """100 until 7 days ago, 90 since, a moment of 95: the height of the window is 95."""
    length_s = 7 * DAY_S
    history = fallen((20 * DAY_S, 0.0), (length_s, -10.0), (60, -5.0), (30, -10.0))
    assert value(history, drawdown) == pytest.approx(5 / 95)
    almost = fallen((20 * DAY_S, 0.0), (length_s - 1e-9, -10.0), (60, -5.0), (30, -10.0))
    assert value(almost, drawdown) == pytest.approx(10 / 100)


def test_a_recovery_ends_it(drawdown):
    assert value(fallen((300, 0.0), (200, -30.0), (100, 0.0)), drawdown) == 0


def test_money_that_is_paid_in_or_out_is_no_drawdown(drawdown):
    history = fallen((300, 0.0), (200, -10.0))
    assert value(history, drawdown) == pytest.approx(0.1)
    history.worth(Decimal(40))  # 50 were paid out
    assert value(history, drawdown) == pytest.approx(10 / 50)
    history.worth(Decimal(190))
    assert value(history, drawdown) == pytest.approx(10 / 200)


def test_an_account_that_nobody_told_of_is_worth_what_is_assumed(drawdown):
    assert value(fallen((300, 0.0), (200, -100.0), base_usd=None), drawdown) == pytest.approx(0.04)


def test_a_fork_goes_its_own_way(of):
    measure = of("{count: trades, over: all}")
    history = kept(traded(2))
    other = history.fork()
    assert other.canonical() == history.canonical()
    other.add_trade(traded(1))
    assert (value(history, measure), value(other, measure)) == (1, 2)
