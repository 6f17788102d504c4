"""Two strategies through bad days: no entry leaves beyond a cap, and what is shared was undone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from mqd.app.simulation.day import SimulatedDay
from mqd.app.simulation.settings import DaySettings
from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.model.order import EXTERNAL
from mqd.rules.book import RuleBook
from mqd.rules.compile.book import compile_book
from mqd.runtime.replay import replay
from tests.simulation.test_two_strategies import EAGER

SEED = 11
MOMENTUM = "strategies/momentum_following.yaml"
CHECKS = "orders/checks.yaml"
PORTFOLIO = "desk/portfolio.yaml"
Edited = Callable[..., RuleBook]


@pytest.fixture
def both(edited: Edited) -> RuleBook:
    return edited({MOMENTUM: EAGER}, values={"max_trades_per_day": "3"})


def owners(state: DeskState) -> set[str]:
    held = state.ledger.positions.open_positions()
    return {each.strategy for each in held if each.strategy != EXTERNAL}


def test_a_symbol_is_shared_only_where_an_execution_was_taken_back(
    settings: DaySettings, both: RuleBook
) -> None:
    """By the time at which the broker takes a sale back, the other strategy may be in the symbol.

    The desk halts, counts both and looks after both; no order of its own leads there.
    """
    engine, days = Engine.of(compile_book(both)), 0
    for number in range(100, 130):
        day = SimulatedDay(settings, engine, SEED, number)
        assert not day.run().violation
        shared = [
            item
            for item in replay(day.journal, lambda _digest: engine)
            if len(owners(item.state)) > 1
        ]
        days += bool(shared)
        assert not shared or day.broker.dice.happened["busted"]
    assert days > 0


BLIND = {"symbol.position_qty != 0\n": "symbol.position_qty < 0\n"}
SMALL = {"max_exposure:\n    value: 0.8": "max_exposure:\n    value: 0.05"}
POOR = {"    share: 0.5\n    min: 0.3": "    share: 0.01\n    min: 0.01"}
CAUGHT = {
    "one position too many": (
        {CHECKS: BLIND | {"limits.max_open_positions\n": "limits.max_open_positions + 9\n"}},
        "2 positions| left while ",
    ),
    "beyond the exposure": (
        {PORTFOLIO: SMALL,
         CHECKS: {">= portfolio.largest_exposure\n": ">= portfolio.largest_exposure * 99\n"}},
        "in the market",
    ),
    "beyond its share": (
        {PORTFOLIO: POOR, CHECKS: {"> strategy.capital\n": "> strategy.capital * 99\n"}},
        "in its allocation",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CAUGHT)
def test_a_desk_that_goes_beyond_a_cap_is_caught(
    settings: DaySettings, edited: Edited, what: str
) -> None:
    words, expected = CAUGHT[what]
    book = edited({MOMENTUM: EAGER, **words}, values={"max_trades_per_day": "3"})
    engine = Engine.of(compile_book(book))
    found = (SimulatedDay(settings, engine, SEED, each).run().violation for each in range(150))
    told = next((violation for violation in found if violation), "")
    assert re.search(expected, told), told


JUST_ENOUGH = (  # of 2,500 USD for the entry of 500 that each plans; less is refused at load
    {"max_exposure:\n    value: 0.8": "max_exposure:\n    value: 0.21"},
    {"    share: 0.5\n    min: 0.3": "    share: 0.2\n    min: 0.2"},
)


@pytest.mark.parametrize("words", [{}, *({PORTFOLIO: each} for each in JUST_ENOUGH)])
def test_a_desk_with_its_checks_is_not(
    settings: DaySettings, edited: Edited, words: dict[str, dict[str, str]]
) -> None:
    book = edited({MOMENTUM: EAGER, **words}, values={"max_trades_per_day": "3"})
    engine = Engine.of(compile_book(book))
    for number in range(30):
        assert not SimulatedDay(settings, engine, SEED, number).run().violation
