"""Fewer trades in a wild market: on both sides of the range, and never more than the ordinary."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from mqd.rules.book import RuleBook
from mqd.rules.changes import Changes
from mqd.rules.validate import load_rules
from tests.engine.conftest import Bench
from tests.engine.test_protections import FIVE, LIMITS, ROOT, asked, trade

CALM = [1.0] * 16
"""The first session only has the close before the twenty that are measured."""
ID = ("trade_frequency",)


def after(bench: Bench, widths: Iterable[float], first: int = 0) -> Bench:
    """The open of the session after those of these widths, in USD."""
    day = first
    for day, width in enumerate(widths, first):
        bench.open(day)
        bench.bar(0, 100.0, high=100 + width / 2, low=100 - width / 2)
        bench.close()
    bench.open(day + 1)
    for minute in range(bench.ten):
        bench.bar(minute, 100.0)
    return bench


@pytest.fixture(scope="module")
def book() -> RuleBook:
    return load_rules(ROOT / "rules", Changes(values=FIVE, protections=ID))


@pytest.mark.rule("trade_frequency", "wild_range", "entries_when_wild")
@pytest.mark.parametrize(("width", "reasons"), [(1.8, ()), (1.82, ID)])
def test_days_half_as_wide_again_are_wild_and_no_trade_is_left(book, width, reasons):
    """1.8 in the last five and 1 in fifteen is 1.2 in the mean: just half as wide again."""
    assert asked(after(Bench(book), CALM + [width] * 5)).reasons == reasons


@pytest.mark.rule("trade_frequency")
def test_a_wild_market_refuses_what_a_strategy_wants(book):
    bench = after(Bench(book), CALM + [3.0] * 5)
    bench.bar(bench.ten, 99.5)
    assert bench.decision().outcome == "REFUSED"
    assert bench.engine.book.protections.true_codes(bench.decision().protections) == ID


@pytest.mark.rule("trade_frequency")
def test_too_few_sessions_leave_the_ordinary_limit(book):
    assert asked(after(Bench(book), [*CALM[1:], *[9.0] * 5])).reasons == ()
    assert asked(after(Bench(book), [*CALM, *[9.0] * 5])).reasons == ID


@pytest.mark.rule("trade_frequency")
def test_the_wild_days_become_the_usual_ones(book):
    """Twenty wild days are no wider than usual; then the ordinary limit holds again."""
    bench = after(Bench(book), CALM + [3.0] * 5)
    assert asked(bench).reasons == ID
    assert asked(bench, symbol="QQQ").reasons == ()
    bench.close()
    assert asked(after(bench, [3.0] * 15, first=22)).reasons == ()


@pytest.mark.rule("trade_frequency", "RESTART_CHANGES_NOTHING")
def test_a_restart_forgets_no_session(book):
    bench = after(Bench(book), CALM + [3.0] * 5)
    bench.restart(book)
    bench.bar(bench.ten, 100.0)
    assert asked(bench).reasons == ID


@pytest.mark.rule("trade_frequency", "entries_when_wild")
def test_what_is_left_of_the_day_is_counted_by_entries_and_anew_each_day(edited):
    """The exit of the one trade that is left passes while entries are kept out."""
    edits = {LIMITS: {"  entries_when_wild:\n    value: 0": "  entries_when_wild:\n    value: 1"}}
    bench = after(Bench(edited(edits, values=FIVE, protections=ID)), CALM + [3.0] * 5)
    assert asked(bench).reasons == ()
    trade(bench, "0.50")
    assert asked(bench).reasons == ID
    bench.close()
    assert asked(after(bench, [3.0], first=22)).reasons == ()


@pytest.mark.rule("trade_frequency", "MAX_TRADES_REACHED")
def test_a_calm_market_raises_nothing():
    """A fifth of the usual range: one trade a day is one trade a day."""
    bench = Bench(load_rules(ROOT / "rules", Changes(protections=ID)))
    after(bench, CALM + [0.2] * 5)
    trade(bench, "0.50")
    bench.bar(bench.ten + 2, 99.0)
    assert bench.decision().outcome == "NO_TRADE"
    assert asked(bench).reasons == ()
