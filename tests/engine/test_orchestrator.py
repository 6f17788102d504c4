"""Several strategies on one bar: who is asked when, who leaves, who is refused, who is left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mqd.engine.core import Engine
from mqd.model.command import CancelOrder, SubmitOrder
from mqd.model.decision import IncidentRaised, SignalsConflict
from mqd.rules.compile.book import CompiledBook, compile_book

STRATEGY_FILE = "strategies/vwap_micro_mean_reversion.yaml"
NAME = "strategy: vwap_micro_mean_reversion"
FIRST = "vwap_micro_mean_reversion"
LIMITS = "limits/desk.yaml"
MANY = {LIMITS: {"value: 1\n    min: 1\n    max: 10\n": "value: 5\n    min: 1\n    max: 10\n"}}


def copies(*names, symbol="SPY"):
    return {
        f"strategies/{name}.yaml": (
            STRATEGY_FILE, {NAME: f"strategy: {name}", "symbol: SPY": f"symbol: {symbol}"}
        )
        for name in names
    }  # fmt: skip


@pytest.fixture
def bench_of(edited, make_bench):
    def made(*names, edits=None, change=lambda book: book):
        bench = make_bench(edited({**MANY, **(edits or {})}, copies=copies(*names)))
        bench.engine = Engine.of(change(compile_book(bench.engine.book.rules)))
        return bench

    return made


def changed(book: CompiledBook, name, **parts) -> CompiledBook:
    """The book with parts of one compiled strategy replaced."""
    return replace(
        book,
        strategies=tuple(
            replace(each, **{key: make(each) for key, make in parts.items()})
            if each.rules.id == name else each
            for each in book.strategies
        ),
    )  # fmt: skip


def sells(compiled):
    return replace(compiled.rules, entry=replace(compiled.rules.entry, side="sell"))


def outcomes(outcome):
    return {each.strategy: each.outcome for each in outcome.decisions}


def refusals(bench, outcome, name):
    (decision,) = [each for each in outcome.decisions if each.strategy == name]
    return bench.engine.book.entry_checks.true_codes(decision.checks)


def sides(outcome):
    return [each.side for each in outcome.commands if isinstance(each, SubmitOrder)]


def conflicts(outcome):
    return [each for each in outcome.notes if isinstance(each, SignalsConflict)]


# -- the order in which they are asked ------------------------------------------------------------


@pytest.mark.case(20)
def test_case_020_they_are_asked_in_the_order_of_the_portfolio(bench_of):
    """Not by name: `aa` comes after the shipped one, because it has its share after it."""
    bench = bench_of("zz", "aa")
    bench.warm()
    outcome = bench.bar(bench.ten, 99.5)
    assert [each.strategy for each in outcome.decisions] == [FIRST, "zz", "aa"]
    assert outcomes(outcome) == {FIRST: "ENTER", "zz": "REFUSED", "aa": "REFUSED"}


@pytest.mark.case(99)
@pytest.mark.rule("ORDER_WORKING", "SAME_ORDER_AGAIN", "OPPOSITE_SIGNALS")
def test_case_099_what_one_has_just_sent_counts_for_the_next(bench_of):
    bench = bench_of("twin")
    bench.warm()
    outcome = bench.bar(bench.ten, 99.5)
    assert refusals(bench, outcome, "twin") == ("ORDER_WORKING", "SAME_ORDER_AGAIN")
    assert not conflicts(outcome)  # both want to buy


@pytest.mark.case(99)
def test_case_099_none_sees_what_another_did_on_the_same_bar(bench_of):
    """Their own conditions are all asked first: only the checks before the order differ."""
    bench = bench_of("twin")
    bench.warm()
    one, two = bench.bar(bench.ten, 99.5).decisions
    assert one.facts == two.facts
    assert (one.no_trade, two.no_trade) == (0, 0)


# -- opposite signals -----------------------------------------------------------------------------


@pytest.mark.case(20)
@pytest.mark.rule("OPPOSITE_SIGNALS")
def test_case_020_of_opposite_entries_both_are_refused(bench_of):
    bench = bench_of("bear", change=lambda book: changed(book, "bear", rules=sells))
    bench.warm()
    outcome = bench.bar(bench.ten, 99.5)
    assert outcomes(outcome) == {FIRST: "REFUSED", "bear": "REFUSED"}
    for name in (FIRST, "bear"):
        assert refusals(bench, outcome, name) == ("OPPOSITE_SIGNALS",)
    assert not outcome.commands
    (conflict,) = conflicts(outcome)
    assert (conflict.symbol, conflict.buying, conflict.selling) == ("SPY", (FIRST,), ("bear",))
    assert FIRST in conflict.text


@pytest.mark.case(20)
@pytest.mark.rule("OPPOSITE_SIGNALS")
def test_case_020_an_exit_passes_and_the_entry_against_it_does_not(bench_of):
    bench = bench_of("twin")
    bench.state.disabled.add("twin")
    bench.restart(bench.engine.book.rules)
    bench.holding()
    bench.state.disabled.clear()
    bench.state.strategies["twin"].enabled = True
    outcome = bench.bar(bench.ten + 1, 99.0)
    assert outcomes(outcome) == {FIRST: "EXIT", "twin": "REFUSED"}
    assert "OPPOSITE_SIGNALS" in refusals(bench, outcome, "twin")
    assert "buy" not in sides(outcome)
    (conflict,) = conflicts(outcome)
    assert (conflict.buying, conflict.selling) == (("twin",), (FIRST,))


def test_without_the_rule_nobody_is_told_of_a_conflict(bench_of):
    """What is refused stands in the rules: without the check only the others are asked."""
    edits = {"orders/checks.yaml": {"order.opposite_signals > 0": "order.opposite_orders > 999"}}
    bench = bench_of("bear", edits=edits, change=lambda book: changed(book, "bear", rules=sells))
    bench.warm()
    outcome = bench.bar(bench.ten, 99.5)
    assert outcomes(outcome)[FIRST] == "ENTER"
    assert refusals(bench, outcome, "bear")[0] == "ORDER_WORKING"
    assert not conflicts(outcome)


# -- one that fails -------------------------------------------------------------------------------


def fails(_):
    def decide(*_):
        raise ZeroDivisionError("nothing to divide by")

    return decide


@pytest.mark.parametrize(("name", "other"), [(FIRST, "twin"), ("twin", FIRST)])
def test_a_strategy_that_fails_is_left_out_and_no_other(bench_of, name, other):
    bench = bench_of("twin", change=lambda book: changed(book, name, decide=fails))
    bench.warm()
    outcome = bench.bar(bench.ten, 99.5)
    assert outcomes(outcome) == {other: "ENTER"}
    assert sides(outcome) == ["buy"]
    (told,) = [each for each in outcome.notes if isinstance(each, IncidentRaised)]
    assert (told.error, told.severity, told.subject) == ("StrategyFailedError", "CRITICAL", name)
    assert bench.state.state_name == "ACTIVE"  # the others go on


def test_it_is_asked_again_on_the_next_bar(bench_of):
    bench = bench_of("twin")
    sound = bench.engine
    bench.warm()
    bench.engine = Engine.of(changed(sound.book, FIRST, decide=fails))
    assert outcomes(bench.bar(bench.ten, 100.0)) == {"twin": "NO_TRADE"}
    bench.engine = sound
    assert list(outcomes(bench.bar(bench.ten + 1, 100.0))) == [FIRST, "twin"]


@pytest.mark.rule("NOT_WATCHED")
@pytest.mark.case(101)
def test_case_101_what_a_failing_strategy_holds_is_watched_all_the_same(bench_of):
    """Its exits cannot be asked; after some minutes the watch of positions does something."""
    bench = bench_of()
    bench.holding()
    bench.engine = Engine.of(changed(bench.engine.book, FIRST, decide=fails))
    before = bench.state.state_name
    for minute in range(1, 7):
        bench.bar(bench.ten + minute, 99.6)
    assert before == "ACTIVE"
    assert "UnresolvedError" in bench.incidents() or any(
        "sell" in sides(each) for each in bench.outcomes
    )


@pytest.mark.case(100)
def test_case_100_with_two_strategies_an_exit_is_for_its_own_shares(bench_of):
    """Each on its own symbol; a resting stop is asked back before the exit leaves."""
    bench = bench_of("twin")
    bench.holding()
    outcome = bench.bar(bench.ten + 1, 99.0)
    (exit_order,) = [each for each in bench.state.orders.values() if each.role == "exit"]
    assert exit_order.qty == bench.held()
    assert {type(each) for each in outcome.commands} <= {SubmitOrder, CancelOrder}
