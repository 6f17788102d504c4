"""What the status says of records, the account and the desk is what the engine goes by."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from mqd.cli.status_account import account_sections, series_facts
from mqd.engine.lives import record_now
from mqd.model.position import ZERO
from mqd.publish.distance_to_fire import distances_to_fire
from mqd.publish.record_to_fire import record_not_yet
from mqd.publish.status import StatusWatcher
from tests.engine.test_lives import LOST, WON, life, press, slowly, traded
from tests.engine.test_lives_at_the_edges import promoted, told_on
from tests.engine.test_portfolio import COST, MANY, told, wants

FIRST = "vwap_micro_mean_reversion"
LIVE = {"strategies/vwap_micro_mean_reversion.yaml": {"status: paper": "status: live"}}
FIGURES = {
    "its losses in a row": "losses_in_a_row",
    "its trades under water in a row": "trades_under_water",
    "its P&L of the week": "week_pnl",
    "the sessions it is judged by": "sessions",
    "its trades in these sessions": "trades",
    "its win rate": "win_rate",
    "its profit factor": "profit_factor",
    "its Sharpe ratio": "sharpe",
}


@pytest.fixture
def bench(shipped, make_bench):
    return make_bench(shipped, "samples")


def rows(bench):
    """The rows of the watch, by rule and by what they look at."""
    book = bench.engine.book.rules
    codes = {row.condition.code for row in book.strategy_watch.rows}
    return {
        (each.rule, each.looks_at): each
        for each in distances_to_fire(bench.state, book)
        if each.rule.removesuffix(" ends") in codes
    }


def missing(bench):
    found = record_not_yet(bench.state, bench.engine.book.rules)
    return {(each.rule, each.looks_at): each.why for each in found}


def agree(bench):
    """Every figure is the engine's own, and a rule acts where the engine's own answer is yes."""
    book, state = bench.engine.book, bench.state
    record = record_now(book.rules, state, bench.strategy)
    watch = book.strategy_watch
    mask = watch.evaluate(None, None, state.session, state.desk, None, None, record)
    true = watch.true_codes(mask)
    found = rows(bench)
    assert found
    for (rule, looks_at), row in found.items():
        assert row.acts is (rule in true)
        if looks_at in FIGURES:
            assert row.now == getattr(record, FIGURES[looks_at])
    for (_, looks_at), why in missing(bench).items():
        assert why
        assert looks_at not in FIGURES or getattr(record, FIGURES[looks_at]) is None
    return true


@pytest.mark.rule("LOSING_STREAK")
def test_nine_losses_are_one_from_the_end_and_ten_are_it(bench):
    for day in range(9):
        traded(bench, day, LOST)
    row = rows(bench)["LOSING_STREAK", "its losses in a row"]
    assert (row.strategy, row.now_text, row.acts_at_text, row.distance_text, row.acts) == (
        FIRST, "9 trades", "10 trades", "1 trade", False,
    )  # fmt: skip
    traded(bench, 9, LOST)
    row = rows(bench)["LOSING_STREAK", "its losses in a row"]
    assert (row.distance, row.acts, life(bench).state_name) == (0, True, "RETIRED")


@pytest.mark.rule("POOR_SHARPE", "CURVE_UNDER_WATER")
def test_every_figure_is_the_one_that_the_engine_judges_by(bench):
    """Session by session, with and without trades, until the curve ends it."""
    seen = set(agree(bench))
    for number in range(39):
        slowly(bench, 1, first=number)
        seen |= set(agree(bench))
    assert seen == {"POOR_SHARPE", "CURVE_UNDER_WATER"}


@pytest.mark.rule("EDGE_IS_GONE")
def test_an_edge_that_is_gone_acts_with_the_last_of_its_trades(bench):
    for day in range(19):
        traded(bench, day, WON if day % 4 == 3 else LOST)
    trades = rows(bench)["EDGE_IS_GONE", "its trades in these sessions"]
    assert (trades.distance_text, trades.acts) == ("1 trade", False)
    assert rows(bench)["EDGE_IS_GONE", "its win rate"].holds
    traded(bench, 19, LOST)
    assert "EDGE_IS_GONE" in agree(bench)


@pytest.mark.rule("GOOD_RECORD", "WEEKLY_LOSS")
def test_a_good_record_is_near_its_promotion_and_then_there(bench):
    for day in range(9):
        traded(bench, day, LOST if day % 4 == 3 else WON)
    assert not agree(bench)
    row = rows(bench)["GOOD_RECORD", "the sessions it is judged by"]
    assert (row.distance_text, row.holds) == ("1 session", False)
    loss = rows(bench)["WEEKLY_LOSS", "its P&L of the week"]
    assert loss.distance == pytest.approx(loss.now + 25)
    for day in range(9, 20):
        traded(bench, day, LOST if day % 4 == 3 else WON)
    assert "GOOD_RECORD" in agree(bench)


@pytest.mark.rule("POOR_SHARPE")
def test_what_is_unknown_says_what_it_takes(bench):
    sharpe, wins = ("POOR_SHARPE", "its Sharpe ratio"), ("GOOD_RECORD", "its win rate")
    factor = ("GOOD_RECORD", "its profit factor")
    assert missing(bench)[sharpe] == "needs 2 more sessions"
    assert missing(bench)[wins] == "needs a trade in these sessions"
    traded(bench, 0, WON)
    assert missing(bench)[sharpe] == "needs 1 more session"
    assert missing(bench)[factor] == "needs a loss in these sessions"
    assert wins not in missing(bench)
    traded(bench, 1, WON)
    assert missing(bench)[sharpe] == "needs two sessions that differ"
    traded(bench, 2, LOST)
    assert not {sharpe, wins, factor} & missing(bench).keys()
    assert {sharpe, wins, factor} <= rows(bench).keys()


@pytest.mark.rule("MARKET_TOO_WILD")
def test_the_vix_is_told_with_its_date_until_it_is_stale(bench):
    wild = ("MARKET_TOO_WILD", "the lowest VIX of the sessions that count")
    assert missing(bench)[wild] == "no value told yet"
    assert status(bench).to_json()["series"] == {"vix": None}
    days = ["2024-09-30", "2024-10-01", "2024-10-02", "2024-10-03", "2024-10-04", "2024-10-07"]
    for count, day in enumerate(days[:5], 1):
        told_on(bench, day, "31.5", days[count])
        if count == 3:
            assert missing(bench)[wild] == "needs 2 more sessions"
    assert wild not in missing(bench)
    assert rows(bench)[wild].acts
    assert life(bench).state_name == "PAUSED"
    end = rows(bench)["MARKET_TOO_WILD ends", "the VIX"]
    assert (end.now_text, end.acts_at_text, end.distance_text, end.holds) == (
        "31.5", "25", "6.5", False,
    )  # fmt: skip
    assert dict(series_facts(status(bench)))["vix"] == "31.5 of 2024-10-04, good through 2024-10-07"
    bench.close()
    bench.open(1)
    assert missing(bench)[wild] == "stale since 2024-10-07"
    assert status(bench).to_json()["series"]["vix"] == {
        "date": "2024-10-04", "value": "31.5", "good_through": "2024-10-07", "is_stale": True,
    }  # fmt: skip
    assert "stale since 2024-10-07" in dict(series_facts(status(bench)))["vix"]


@pytest.mark.rule("RECORD_IS_FIGURED")
def test_a_record_that_fails_leaves_the_rest_of_the_status(bench):
    traded(bench, 0, LOST)
    bench.state.history.trades.append(bench.state.history.trades[-1]._replace(pnl_usd=None))
    assert not rows(bench)
    assert {why.partition(":")[0] for why in missing(bench).values()} == {"TypeError"}
    assert status(bench).account is not None


def status(bench, watcher=None):
    return (watcher or StatusWatcher()).status(bench.state, bench.engine.book.rules, "memory")


# -- the account ----------------------------------------------------------------------------------


@pytest.mark.rule("EXCEEDS_STRATEGY_ALLOCATION", "PORTFOLIO_EXPOSURE", "RESERVE")
@pytest.mark.parametrize(
    "equity", ["555.54", "555.55", "624.98", "624.99", "999.97", "999.975", "2500"]
)
def test_the_room_that_is_left_is_what_an_entry_may_cost(edited, make_bench, equity):
    bench = bench_worth(edited, make_bench, equity)
    account = status(bench).account
    (share,) = account.shares
    assert (share.strategy, share.share, share.declared_share) == (FIRST, *[Decimal("0.5")] * 2)
    assert share.capital_usd == Decimal(equity) / 2
    assert (share.used_usd, share.left_usd, share.entry_usd) == (0, share.capital_usd, 500)
    _, codes = wants(bench)
    assert ("EXCEEDS_STRATEGY_ALLOCATION" in codes) is (share.left_usd < COST)
    assert ("PORTFOLIO_EXPOSURE" in codes) is (account.exposure_left_usd <= COST)
    assert ("RESERVE" in codes) is (account.reserve_left_usd < COST)


@pytest.mark.rule("EXCEEDS_STRATEGY_ALLOCATION", "PORTFOLIO_EXPOSURE", "RESERVE")
def test_an_entry_on_its_way_takes_its_room_and_gives_it_back(edited, make_bench):
    bench = bench_worth(edited, make_bench, "1250")
    assert sums(bench) == {
        "EXCEEDS_STRATEGY_ALLOCATION": (FIRST, "0.00 USD", "625.00 USD", "625.00 USD"),
        "PORTFOLIO_EXPOSURE": ("", "0.00 USD", "1,000.00 USD", "1,000.00 USD"),
        "RESERVE": ("", "1,250.00 USD", "125.00 USD", "1,125.00 USD"),
    }
    bench.warm()
    order_id = bench.sent(bench.bar(bench.ten, 99.5))
    (share,) = status(bench).account.shares
    assert (share.used_usd, share.left_usd) == (COST, Decimal(625) - COST)
    assert sums(bench) == {
        "EXCEEDS_STRATEGY_ALLOCATION": (FIRST, "499.99 USD", "625.00 USD", "125.01 USD"),
        "PORTFOLIO_EXPOSURE": ("", "499.99 USD", "1,000.00 USD", "500.01 USD"),
        "RESERVE": ("", "750.01 USD", "125.00 USD", "625.01 USD"),
    }
    (section,) = account_sections(status(bench))
    assert section.rows == ((FIRST, "50 %", "50 %", "625.00", "499.99", "125.01", "500.00"),)
    assert dict(section.facts)["in the market"] == (
        "499.99, stays below 1,000.00 (80 %): 500.01 to go"
    )
    bench.ack(order_id)
    bench.cancelled(order_id)
    assert status(bench).account.shares[0].used_usd == ZERO
    assert sums(bench)["EXCEEDS_STRATEGY_ALLOCATION"][1] == "0.00 USD"


def test_rules_without_a_portfolio_have_no_account(bench):
    book = replace(bench.engine.book.rules, portfolio=None)
    found = StatusWatcher().status(bench.state, book, "memory")
    assert found.account is None
    assert found.to_json()["account"] is None
    assert not list(account_sections(found))
    assert "RESERVE" not in {each.rule for each in found.to_fire}


def bench_worth(edited, make_bench, equity):
    """A desk whose broker says that the account is worth so much."""
    bench = make_bench(edited(MANY))
    bench.answer = lambda command: told(equity)(bench, command)
    bench.restart(bench.engine.book.rules)
    return bench


def sums(bench):
    return {
        each.rule: (each.strategy, each.now_text, each.acts_at_text, each.distance_text)
        for each in distances_to_fire(bench.state, bench.engine.book.rules)
        if each.rule in {"EXCEEDS_STRATEGY_ALLOCATION", "PORTFOLIO_EXPOSURE", "RESERVE"}
    }


# -- what waits for a person ----------------------------------------------------------------------


@pytest.mark.rule("GOOD_RECORD")
def test_a_promotion_that_waits_says_so_until_somebody_agrees(edited, make_bench):
    bench = make_bench(edited(LIVE), "samples")
    bench.state.profile = "live"
    assert status(bench).to_json()["waits_for_approval"] == {}
    promoted(bench)
    assert status(bench).to_json()["waits_for_approval"] == {FIRST: "0.1"}
    assert ("promotion", f"10 % more of its share waits for `mqd approve {FIRST}`") in list(
        series_facts(status(bench))
    )
    press(bench, "approve", FIRST)
    assert status(bench).proposed == ()


@pytest.mark.rule("DL-07")
def test_a_desk_that_halts_again_at_once_says_that_nobody_is_left(bench):
    watcher = StatusWatcher()
    bench.watcher = lambda event, outcome: watcher.saw(event, outcome, bench.state)
    for day in range(10):
        traded(bench, day, LOST)
    first = status(bench, watcher).standing
    assert (first.by, first.rule) == ("the desk", "DL-07")
    press(bench, "resume")
    again = status(bench, watcher).standing
    assert again.since_ns >= first.since_ns
    assert (again.by, again.rule) == ("the desk", "DL-07")
    assert again.why == f"no strategy is left that may open: {FIRST} is RETIRED by LOSING_STREAK"
    press(bench, "enable", FIRST)
    press(bench, "resume")
    assert status(bench, watcher).standing.by == "A. Person"
