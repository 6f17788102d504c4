"""How long one decision takes, and how long the rules take to be checked.

`pytest tests/benchmarks/test_decision_benchmark.py --benchmark-enable` shows the times; without it
each runs once, as a test that it runs.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mqd.engine.state import DeskFacts, SessionFacts, StrategyFacts, SymbolFacts
from mqd.model.decision import NO_TRADE, Decision
from mqd.model.event import BarClosed
from mqd.rules.compile.book import CompiledBook, compile_book
from mqd.rules.validate import load_rules, validate

RULES = Path(__file__).resolve().parents[2] / "rules"
AT = 1_728_309_900_000_000_000
BARS = {  # the one that enters has no volume, so that round after round the VWAP stays above it
    "quiet": BarClosed(AT, "SPY", AT - 60_000_000_000, 450.0, 450.5, 449.9, 450.2, 12_345.0),
    "enters": BarClosed(AT, "SPY", AT - 60_000_000_000, 448.0, 448.5, 447.9, 448.2, 0.0),
    "no-number": BarClosed(AT, "SPY", AT - 60_000_000_000, 450.0, 450.5, 449.9, float("nan"), 1.0),
}


@pytest.fixture(scope="module")
def book() -> CompiledBook:
    return compile_book(load_rules(RULES))


@pytest.fixture
def facts():
    """A bar in mid-window, warmed up, flat."""
    return (
        SymbolFacts("SPY", bars=45),
        SessionFacts(clock_s=37_000, time_to_close_s=20_600),
        DeskFacts(),
        StrategyFacts(accumulators=(45_000.0 * 1_000, 100_000.0)),
    )


@pytest.mark.parametrize("bar", BARS)
def test_decision(benchmark, book: CompiledBook, facts, bar: str) -> None:
    """At most 1.5 microseconds in the median."""
    decide = book.strategies[0].decide
    symbol, session, desk, strategy = facts
    found = benchmark(decide, BARS[bar], symbol, session, desk, strategy)
    assert (found[0] == 0) == (bar == "enters")


def test_decision_in_a_position(benchmark, book: CompiledBook, facts) -> None:
    """At most 1.5 microseconds in the median."""
    symbol, session, desk, strategy = facts
    strategy.position_open, strategy.entry_price = True, 448.0
    found = benchmark(book.strategies[0].decide, BARS["quiet"], symbol, session, desk, strategy)
    assert found[1]


def test_decision_with_its_record(benchmark, book: CompiledBook, facts) -> None:
    """At most 4 microseconds in the median."""
    decide = book.strategies[0].decide
    symbol, session, desk, strategy = facts
    strategy_id, digest = book.strategies[0].rules.id, book.digest
    bar = BARS["quiet"]

    def decided() -> Decision:
        no_trade, exits, _, _, _, values = decide(bar, symbol, session, desk, strategy)
        return Decision(
            AT, strategy_id, bar.symbol, NO_TRADE, no_trade, exits, 0, 0, 0, values, digest
        )

    assert benchmark(decided).no_trade


def test_protections(benchmark, book: CompiledBook, facts) -> None:
    symbol, session, desk, strategy = facts
    assert benchmark(
        book.protections.possible.evaluate, BARS["quiet"], symbol, session, desk, strategy, None
    ) == 0  # fmt: skip


def test_validate_of_the_shipped_rules(benchmark) -> None:
    """Cold, with Python's own start, at most one second; this is the warm part of it."""
    assert benchmark(validate, RULES).book is not None


def test_compile_of_the_shipped_rules(benchmark) -> None:
    rules = load_rules(RULES)
    assert benchmark(compile_book, rules).strategies
