"""The shared account: what may be in the market, who may use how much, and when shares move."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mqd.engine.moves import follow_ledger
from mqd.engine.state import DeskState
from mqd.engine.step import step
from mqd.model.command import TakeSnapshot
from mqd.model.decision import AllocationChanged
from mqd.model.order import EXTERNAL

STRATEGY_FILE = "strategies/vwap_micro_mean_reversion.yaml"
NAME = "strategy: vwap_micro_mean_reversion"
FIRST = "vwap_micro_mean_reversion"
LIMITS = "limits/desk.yaml"
PORTFOLIO = "desk/portfolio.yaml"
OWN = f"  {FIRST}:\n    share: 0.5\n    min: 0.3\n    max: 0.6\n"
MANY = {LIMITS: {"value: 1\n    min: 1\n    max: 10\n": "value: 9\n    min: 1\n    max: 10\n"}}
COST = Decimal("499.9875")  # 5.025 shares at 99.50


def told(equity, broker=None):
    """An answer to every snapshot whose account is worth so much; None says nothing of it."""

    def answer(bench, command: TakeSnapshot):
        snapshot = bench.agreeing(command)
        worth = None if equity is None else Decimal(equity)
        return snapshot._replace(account=snapshot.account._replace(equity_usd=worth))

    return answer


@pytest.fixture
def bench_of(edited, make_bench):
    def made(equity=None, edits=None, copies=None, **changes):
        bench = make_bench(edited({**MANY, **(edits or {})}, copies=copies, **changes))
        answer = told(equity)
        bench.answer = lambda command: answer(bench, command)
        bench.close() if bench.state.session.is_open else None
        bench.restart(bench.engine.book.rules)
        return bench

    return made


def wants(bench, close=99.5):
    """Whether the dip was bought, and the checks that refused it."""
    bench.warm()
    bench.bar(bench.ten, close)
    return bench.decision().outcome, bench.check_codes()


def shares(bench):
    return {name: each.share for name, each in bench.state.allocations.items()}


# -- what may be used -----------------------------------------------------------------------------


@pytest.mark.rule("EXCEEDS_STRATEGY_ALLOCATION")
@pytest.mark.parametrize(
    ("equity", "refused"), [("999.98", False), ("999.975", False), ("999.97", True), ("1", True)]
)
def test_an_order_beyond_the_strategys_share_is_refused(bench_of, equity, refused):
    """Half of the account, to the cent: 499.9875 of 999.975."""
    outcome, codes = wants(bench_of(equity))
    assert ("EXCEEDS_STRATEGY_ALLOCATION" in codes) is refused
    assert outcome == ("REFUSED" if refused else "ENTER")


@pytest.mark.rule("PORTFOLIO_EXPOSURE")
@pytest.mark.parametrize(
    ("equity", "refused"), [("624.99", False), ("624.984375", True), ("624.98", True)]
)
def test_from_the_largest_exposure_nothing_is_opened(bench_of, equity, refused):
    """Four fifths of 624.984375 are 499.9875: at that an entry is refused, below it is not."""
    whole = OWN.replace("0.5", "0.9").replace("0.6", "1")
    others = {"share: 0.25\n    min: 0.1": "share: 0.1\n    min: 0.1"}
    bench = bench_of(equity, {PORTFOLIO: {OWN: whole, **others}})
    outcome, codes = wants(bench)
    assert (outcome, codes) == (("REFUSED", ("PORTFOLIO_EXPOSURE",)) if refused else ("ENTER", ()))


@pytest.mark.rule("RESERVE")
@pytest.mark.parametrize(("equity", "refused"), [("555.55", False), ("555.54", True)])
def test_the_reserve_stays_out_of_the_market(bench_of, equity, refused):
    """A tenth of 555.541666... is kept, whatever the exposure may be."""
    whole = OWN.replace("0.5", "0.95").replace("0.6", "1")
    others = {"share: 0.25\n    min: 0.1": "share: 0\n    min: 0"}
    most = {"value: 0.8\n    min: 0.05": "value: 0.95\n    min: 0.05"}
    bench = bench_of(equity, {PORTFOLIO: {OWN: whole, **others, **most}})
    assert wants(bench) == (("REFUSED", ("RESERVE",)) if refused else ("ENTER", ()))


@pytest.mark.rule("EXCEEDS_STRATEGY_ALLOCATION", "PORTFOLIO_EXPOSURE", "RESERVE")
@pytest.mark.rule("POSITION_OPEN")
@pytest.mark.parametrize("held", [True, False])
def test_what_one_holds_and_another_sold_short_is_no_free_symbol(bench_of, held):
    """Together they are nothing; each is a position all the same."""
    bench = bench_of()
    if held:
        ledger, now_ns = bench.state.ledger, bench.state.now_ns
        ledger.adopt("another", "SPY", Decimal(1), Decimal(100), now_ns)
        ledger.adopt(EXTERNAL, "SPY", Decimal(-1), Decimal(100), now_ns)
        assert ledger.positions.held("SPY") == 0
        follow_ledger(bench.engine, bench.state, "another", "SPY")
    outcome, codes = wants(bench)
    assert ("POSITION_OPEN" in codes) is held
    assert outcome == ("REFUSED" if held else "ENTER")


def test_what_others_hold_is_invested_and_no_exposure_of_a_strategy(bench_of):
    bench = bench_of("1000")
    bench.open()
    bench.state.ledger.adopt(EXTERNAL, "QQQ", Decimal(5), Decimal(100), bench.state.now_ns)
    for minute in range(30):
        bench.bar(minute, 100.0)
    bench.bar(bench.ten, 99.5)
    assert bench.check_codes() == ("RESERVE",)  # 500 of 1,000 are left, and 100 are kept


@pytest.mark.case(99)
@pytest.mark.rule("PORTFOLIO_EXPOSURE")
@pytest.mark.parametrize("filled", [False, True])
@pytest.mark.parametrize(("equity", "expected"), [("2000", "ENTER"), ("1200", "REFUSED")])
def test_case_099_an_entry_on_its_way_counts_as_exposure(bench_of, filled, equity, expected):
    words = {NAME: "strategy: twin", "symbol: SPY": "symbol: QQQ"}
    grown = {"share: 0.1\n    min: 0\n": "share: 0.5\n    min: 0\n"}
    own = {"share: 0.25\n    min: 0.1": "share: 0\n    min: 0"}
    copies = {"strategies/twin.yaml": (STRATEGY_FILE, words)}
    bench = bench_of(equity, {PORTFOLIO: grown | own}, copies)
    bench.warm()
    bench.warm(symbol="QQQ")
    order_id = bench.sent(bench.bar(bench.ten, 99.5))
    if filled:
        bench.fill(order_id)
    bench.bar(bench.ten, 99.5, "QQQ")
    assert bench.decision().outcome == expected
    assert bench.check_codes() == (() if expected == "ENTER" else ("PORTFOLIO_EXPOSURE",))


@pytest.mark.rule("PORTFOLIO_EXPOSURE", "STOP_LOSS")
def test_beyond_every_cap_an_exit_passes(bench_of):
    bench = bench_of("10000")
    bench.holding()
    bench.answer = lambda command: told("1")(bench, command)
    bench.restart(bench.engine.book.rules)
    bench.bar(bench.ten + 1, 99.0)
    assert bench.decision().outcome == "EXIT"


@pytest.mark.rule("EXCEEDS_STRATEGY_ALLOCATION")
def test_a_strategy_without_a_share_opens_nothing(bench_of):
    bench = bench_of("10000", {PORTFOLIO: {OWN + "    because: It came first, and half of the "
                                           "account covers its largest order.\n": ""}})  # fmt: skip
    assert wants(bench) == ("REFUSED", ("EXCEEDS_STRATEGY_ALLOCATION",))


# -- what the account is worth --------------------------------------------------------------------


@pytest.mark.rule("EXCEEDS_STRATEGY_ALLOCATION")
@pytest.mark.parametrize(("price", "expected"), [("99.5", "ENTER"), ("99.4", "REFUSED")])
def test_without_a_word_of_the_broker_losses_make_the_account_smaller(bench_of, price, expected):
    """Half of 1,000 covers the order of 500 or a little less; half of 999.50 does not."""
    small = {"value: 2500\n": "value: 1000\n"}
    bench = bench_of(None, {"limits/desk.yaml": small}, values={"max_trades_per_day": "5"})
    order_id = bench.entry()
    bench.fill(order_id)
    exit_id = bench.sent(bench.bar(bench.ten + 1, 100.5))
    bench.fill(exit_id, price=price)
    bench.bar(bench.ten + 2, 99.5)
    assert bench.decision().outcome == expected


# -- shares move at day boundaries, and only there ------------------------------------------------


def day(bench, number, *prices):
    """A day with a trade from 99.5 to each price, and what the next one's shares are."""
    bench.close()
    bench.open(number)
    for minute in range(bench.ten):
        bench.bar(minute, 100.0)
    for place, price in enumerate(prices):
        bench.fill(bench.sent(bench.bar(bench.ten + 2 * place, 99.5)))
        exit_id = bench.sent(bench.bar(bench.ten + 2 * place + 1, 100.5))
        bench.fill(exit_id, price=str(price))
    return shares(bench)[FIRST]


def moves(bench):
    return [
        note
        for outcome in bench.outcomes
        for note in outcome.notes
        if isinstance(note, AllocationChanged)
    ]


@pytest.mark.rule("raises", "returns")
def test_a_profitable_day_moves_a_share_and_a_bad_one_gives_it_back(bench_of):
    bench = bench_of("10000")
    bench.open()
    seen = [
        day(bench, 1, 100), day(bench, 2, 100), day(bench, 3, 99), day(bench, 4), day(bench, 5),
    ]  # fmt: skip
    assert seen == [Decimal(each) for each in ("0.5", "0.52", "0.54", "0.52", "0.5")]
    assert [note.why for note in moves(bench)] == ["RAISED", "RAISED", "RETURNED", "RETURNED"]


@pytest.mark.rule("raises")
def test_a_share_stays_within_its_range_and_what_is_free(bench_of):
    bench = bench_of("10000")
    bench.open()
    seen = [day(bench, number, 100) for number in range(1, 9)]
    assert max(seen) == Decimal("0.6") == seen[-1]
    tight = {"share: 0.25\n    min: 0.1\n    max: 0.3": "share: 0.385\n    min: 0.1\n    max: 0.4"}
    bench = bench_of("10000", {PORTFOLIO: tight})
    bench.open()
    seen = [day(bench, number, 100) for number in range(1, 4)]
    assert seen == [Decimal("0.5"), Decimal("0.515"), Decimal("0.515")]  # 0.1 is kept


def test_nothing_moves_within_a_day_or_where_the_session_is_told_again(bench_of):
    bench = bench_of("10000")
    bench.open()
    day(bench, 1, 100)
    assert not moves(bench)
    bench.open(1)
    assert not moves(bench)


def test_shares_survive_a_restart_and_replay_from_the_journal(bench_of):
    bench = bench_of("10000")
    bench.open()
    day(bench, 1, 100)
    day(bench, 2)
    assert shares(bench)[FIRST] == Decimal("0.52")
    bench.restart(bench.engine.book.rules)
    assert shares(bench)[FIRST] == Decimal("0.52")
    again = DeskState()
    for event in bench.events:
        step(bench.engine, again, event)
    assert again.canonical() == bench.state.canonical()


def test_a_share_that_is_declared_anew_starts_there(bench_of, edited):
    bench = bench_of("10000")
    bench.open()
    day(bench, 1, 100)
    day(bench, 2)
    bench.restart(edited({PORTFOLIO: {"share: 0.5\n": "share: 0.45\n"}}))
    assert shares(bench)[FIRST] == Decimal("0.45")
