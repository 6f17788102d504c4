"""How far each rule is from acting, on the page: the smallest move at the declared sizes."""

from __future__ import annotations

from pathlib import Path

import pytest

from mqd.publish import markdown
from mqd.publish.beside import NOTHING_BESIDE, Beside
from mqd.publish.controls import Fired
from mqd.publish.moves import BEYOND, NEVER, YES
from mqd.publish.pages import render_pages
from mqd.publish.plans import plans
from mqd.publish.reach import Reaches
from mqd.publish.rulefiles import read_sources
from mqd.publish.standing import Standing
from mqd.publish.uses import conditions
from mqd.rules.changes import Changes
from mqd.rules.compile.question import truth_of
from mqd.rules.validate import load_rules
from mqd.rules.words.reporting import SLOWEST

ROOT = Path(__file__).resolve().parents[2]
STRATEGY = "vwap_micro_mean_reversion"
PAGE = f"strategies/{STRATEGY}.md"


def reach(book, code, strategy=STRATEGY):
    """The reach of a rule of the desk, or of this strategy; others have codes alike."""
    (found,) = [each for each in book.strategies if each.id == strategy]
    others = [each.header.place.file for each in book.strategies if each is not found]
    (rule,) = [
        each for each in conditions(book) if each.code == code and each.place.file not in others
    ]
    return Reaches(book).of(rule)


@pytest.fixture(scope="module")
def shipped():
    return load_rules(ROOT / "rules")


def changed(**values):
    return load_rules(ROOT / "rules", Changes(values=values))


def test_the_plan_is_what_the_rules_size(shipped):
    (plan,) = plans(shipped)
    assert plan.entries == 1
    assert plan.notional_usd() == pytest.approx(500)
    assert plan.risk_usd() == pytest.approx(1.5)
    assert plan.qty(99.5) == pytest.approx(5.025)


@pytest.mark.rule("daily_loss_limit", "DAILY_LOSS_LIMIT_HIT")
@pytest.mark.parametrize("code", ["daily_loss_limit", "DAILY_LOSS_LIMIT_HIT"])
def test_a_daily_loss_that_no_plan_reaches_needs_a_jump_past_the_stop(shipped, code):
    found = reach(shipped, code)
    assert found.acts == BEYOND
    assert "10.00 USD" in found.move
    assert "plan to lose 1.50 USD" in found.why
    assert "jumps 1.7 % past the stop" in found.why  # 10 of 500 is 2 %, less 0.3 %
    values = {"risk_dollars_per_trade": "5", "max_trades_per_day": "5"}
    capped = reach(changed(**values), code)
    assert capped.acts == BEYOND  # 500 USD at 0.3 % is 1.50 whatever the budget; five times 7.50
    more = reach(changed(**values, max_notional_usd="1000"), code)
    assert more.acts == YES
    assert "4 trades that end at stops" in more.move


def test_the_money_of_the_plan_is_all_that_it_can_lose(edited):
    code = "daily_loss_limit"
    sizes = [
        f"max_notional_usd:       {{value: {size}" for size in ("500,   min: 10,", "5, min: 1,")
    ]
    found = reach(edited("strategies/vwap_micro_mean_reversion.yaml", (sizes[0], sizes[1])), code)
    assert found.acts == NEVER
    assert "cost 5.00 USD, and cannot lose 10.00 USD" in found.why


@pytest.mark.rule("SIZE_IS_ZERO")
def test_a_size_of_nothing_takes_a_price_that_no_share_has(shipped):
    found = reach(shipped, "SIZE_IS_ZERO")
    assert (found.acts, found.move) == (BEYOND, "a price above 500,000.00 USD")
    smaller = reach(changed(max_notional_usd="10"), "SIZE_IS_ZERO")
    assert smaller.move == "a price above 10,000.00 USD"


def test_a_window_of_twenty_trades_never_holds_one_more(shipped, edited):
    """A range that lets the limit grow above its window; then the curve would keep nobody out."""
    words = [
        f"trades_to_judge:\n    value: {count}\n    min: 5\n    max: {count}" for count in (20, 21)
    ]
    found = reach(edited("limits/desk.yaml", (words[0], words[1])), "equity_curve")
    assert (found.acts, found.why) == (NEVER, "it never counts more than 20")
    assert reach(shipped, "equity_curve").acts == YES


@pytest.mark.rule("NOTIONAL_ABOVE_LIMIT")
def test_a_limit_above_every_size_can_never_act(shipped, edited):
    found = reach(shipped, "NOTIONAL_ABOVE_LIMIT")
    assert found.acts == NEVER
    assert "500.00 USD at most" in found.why
    assert "1,000.00 USD" in found.why
    lower = [f"value: {limit}\n    min: 10\n    max: 5000" for limit in ("1000", "400")]
    assert (
        reach(edited("limits/desk.yaml", (lower[0], lower[1])), "NOTIONAL_ABOVE_LIMIT").acts == YES
    )


@pytest.mark.parametrize(
    ("code", "acts", "move"),
    [
        ("QTY_ABOVE_LIMIT", BEYOND, "a price below 0.50 USD"),
        ("PRICE_TOO_FAR", YES, "a fall of 5 % or a rise of 5 % against the close before"),
        ("STOP_LOSS", YES, "a fall of 0.3 % against the entry price"),
        ("MAX_TRADES_REACHED", YES, "today's entries at 1 trade"),
        ("ORDER_COUNT_REACHED", BEYOND, "the desk's orders today at 40 orders"),
        ("TOO_MANY_QUEUED", YES, "the orders without an answer at 11 orders"),
        ("ENTRY_TOO_OLD", YES, "the order's age at 10m"),
        ("STOP_LOSS_NOT_BELOW_PRICE", NEVER, "no move"),
        ("DESK_NOT_ACTIVE", YES, "as soon as the desk is not ACTIVE"),
        (
            "time_window",
            YES,
            "as soon as the exchange time is outside 10:00-11:30 (`limits.entry_window`)",
        ),
        ("quarter_size", BEYOND, "a loss of 15.00 USD and the desk's P&L of the session below 0"),
        (
            "GOOD_RECORD",
            YES,
            (
                "the sessions it is judged by at 10 sessions and its trades in these "
                "sessions at 20 trades and its Sharpe ratio at 1.5 and its win rate at 60 % "
                "and its profit factor at 1.8"
            ),
        ),
        ("HIGH_VOL", YES, "the usual range at 1.2 % of the last close"),
        (
            "POOR_SHARPE",
            YES,
            ("the sessions it is judged by at 10 sessions and its Sharpe ratio at 0.5"),
        ),
        ("FORCE_FLAT", YES, "the time to the close at 5m"),
        (
            "EDGE_IS_GONE",
            YES,
            (
                "the sessions it is judged by at 10 sessions and its trades in these "
                "sessions at 20 trades and (its win rate at 40 % or its Sharpe ratio at 0.5)"
            ),
        ),
        (
            "SAME_ORDER_AGAIN",
            YES,
            (
                "as soon as the time since the same order was made is known, "
                "and is less than 30 seconds (`limits.same_order_window`)"
            ),
        ),
        ("TRENDING_DOWN", YES, "the drift at -20 % of the usual range"),
        ("GAP_THROUGH_STOP", YES, "any fall against the stop that its entry planned"),
    ],
)
def test_the_smallest_move_of_other_rules(shipped, code, acts, move):
    found = reach(shipped, code)
    assert (found.acts, found.move) == (acts, move)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("VWAP_WARMING_UP", "holds until the session's bars so far at 20 bars"),
        ("PRICE_ABOVE_THRESHOLD", "holds until a fall of 0.3 % against the VWAP"),
    ],
)
def test_what_holds_from_the_start_says_what_ends_it(shipped, code, said):
    assert reach(shipped, code).text == said


def test_the_move_is_where_the_rule_itself_turns(shipped):
    """The page's 5 % against the rule's own generated text, a hair on each side."""
    (rule,) = [each for each in conditions(shipped) if each.code == "PRICE_TOO_FAR"]
    truth = truth_of(rule.when, possibly=False)
    values = {"symbol.previous_close": 100.0, "limits.price_collar": 0.05}
    assert not truth.asked({**values, "order.price": 104.99})
    assert truth.asked({**values, "order.price": 105.01})


@pytest.mark.rule("daily_loss_limit")
def test_every_limit_that_a_number_reaches_has_its_row(shipped):
    rows = Standing(shipped, None).rows
    read = {name for row in rows for name in row.reads}
    silent = {limit.name for limit in shipped.limits if f"limits.{limit.name}" not in read}
    assert silent
    assert silent <= set(SLOWEST)  # these are told of by a report, and no rule acts on them
    page = render_pages(shipped, read_sources(shipped))["limits.md"]
    section = page.split("## How far each limit")[1].split("\n## ")[0]
    for row in rows:
        (shown,) = [
            line
            for line in section.splitlines()
            if f"<br>`{row.code}` |" in line
            and f"{row.place.line})<br>" in line
            and Path(row.place.file).name in line
        ]
        assert markdown.spoken(row.reach.said) in shown


@pytest.mark.rule("SIZE_IS_ZERO")
def test_what_is_declared_unreachable_is_beyond_every_plan(shipped):
    declared = [rule for rule in conditions(shipped) if rule.expected_unreachable]
    assert [rule.code for rule in declared] == ["SIZE_IS_ZERO"] * len(shipped.strategies)
    assert all(Reaches(shipped).of(rule).acts != YES for rule in declared)


def test_a_rules_row_shows_its_move_and_its_last_firing(shipped):
    fired = {f"{STRATEGY} STOP_LOSS": Fired(2, "2024-11-26 10:52 ET"),
             "daily_loss_limit": Fired(1, "2024-11-25 11:00 ET")}  # fmt: skip
    pages = render_pages(shipped, read_sources(shipped), Beside(fired=fired))

    def row(page, code):
        return next(line for line in pages[page].splitlines() if f"`{code}`<br>" in line)

    assert "Last fired in the samples: 2024-11-26 10:52 ET (2)." in row(PAGE, "STOP_LOSS")
    assert "Smallest move: a fall of 0.3 % against the entry price." in row(PAGE, "STOP_LOSS")
    assert "Last fired in the samples: never." in row(PAGE, "SIZE_IS_ZERO")
    assert "500,000.00 USD" in row(PAGE, "SIZE_IS_ZERO")
    section = pages["limits.md"].split("### Daily loss limit")[1]
    assert "Last fired in the samples: 2024-11-25 11:00 ET (1)." in section
    assert "jumps 1.7 % past the stop" in section
    without = render_pages(shipped, read_sources(shipped), NOTHING_BESIDE)
    assert "Last fired" not in without[PAGE]


@pytest.mark.parametrize(
    ("code", "acts", "move"),
    [
        ("RISE_TOO_SLOW", YES, "the trend slope at 0.005 % of the close"),
        ("TOO_NOISY", YES, "the average range at 0.12 % of the close"),
        ("TAKE_PROFIT", YES, "a rise of 0.4 % against the entry price"),
        ("SIZE_IS_ZERO", BEYOND, "a price above 500,000.00 USD"),
    ],
)
def test_a_strategy_that_does_not_run_has_its_distances_too(shipped, code, acts, move):
    found = reach(shipped, code, "momentum_following")
    assert (found.acts, found.move) == (acts, move)


def test_what_holds_nothing_is_asked_beside_an_order_of_the_declared_size(shipped):
    """An account of 2,500 USD: 80 % may be in the market, 10 % never, one strategy has a half."""
    for code, used in (
        ("EXCEEDS_STRATEGY_ALLOCATION", "750.00"),  # 1,250 less the order's 500
        ("PORTFOLIO_EXPOSURE", "1,500.00"),
        ("RESERVE", "1,750.00"),
    ):
        found = reach(shipped, code)
        assert found.acts == BEYOND
        assert f" at {used} USD before an entry of the declared size" in found.move
        assert found.why == "the strategies plan to hold 500.00 USD at most"
    power = reach(shipped, "NO_BUYING_POWER")
    assert power.acts == YES
    assert " at 625.00 USD before" in power.move  # the order and 5 % of 2,500 USD


def test_a_week_of_one_strategy_is_five_sessions_of_its_trades(shipped):
    found = reach(shipped, "WEEKLY_LOSS")
    assert found.acts == BEYOND
    assert "the trades of 5 sessions plan to lose 7.50 USD" in found.why


@pytest.mark.rule("EXCEEDS_STRATEGY_ALLOCATION", "assumed_equity_usd")
def test_what_refuses_every_entry_is_on_the_page_and_says_so(edited):
    """Where only the rounding of a size leaves some entry is where a reader needs it most."""
    words = [f"assumed_equity_usd:\n    value: {usd}\n" for usd in (2500, 999)]
    book = edited("limits/desk.yaml", (words[0], words[1]))  # 499.50 of it, and orders of 500
    found = reach(book, "EXCEEDS_STRATEGY_ALLOCATION")
    assert (found.acts, found.said) == (YES, "holds already")
    assert found.text == "holds already; an entry of the declared size is enough"
    rows = {row.code: row.reach for row in Standing(book, None).rows}
    assert rows["EXCEEDS_STRATEGY_ALLOCATION"] == found


@pytest.mark.rule("POOR_SHARPE", "EDGE_IS_GONE", "GOOD_RECORD", "evaluation_sessions")
@pytest.mark.parametrize("code", ["POOR_SHARPE", "EDGE_IS_GONE", "GOOD_RECORD"])
@pytest.mark.parametrize(("looks_back", "acts"), [(5, NEVER), (9, NEVER), (30, YES)])
def test_a_record_that_looks_back_less_far_than_it_has_to_is_never_judged(
    edited, code, looks_back, acts
):
    found = reach(
        edited("strategies/watch.yaml", ("looks_back: 30 ", f"looks_back: {looks_back} ")), code
    )
    assert found.acts == acts
    assert (f"the record holds {looks_back} sessions at most" in found.why) is (acts == NEVER)


@pytest.mark.rule("EDGE_IS_GONE", "evaluation_trades")
def test_a_record_of_fewer_trades_than_the_rules_plan_takes_more_than_the_plan(edited):
    found = reach(
        edited("strategies/watch.yaml", ("looks_back: 30 ", "looks_back: 19 ")), "EDGE_IS_GONE"
    )
    assert (found.acts, found.why) == (BEYOND, "the rules plan 19 in 19 sessions")
