"""What the declared sizes plan: the shares of an entry at a price, its loss, its trades a session.

Everything is asked of the rules' own expressions, with the declared values of their params.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from mqd.rules.book import RuleBook, Strategy
from mqd.rules.check import planned
from mqd.rules.check.planned import SAMPLE_PRICE
from mqd.rules.compile.question import Given, declared, truth_of
from mqd.rules.expressions import ir

ENTRIES = "today.entries"
_MOST_ENTRIES = 1_000


class Plan(NamedTuple):
    """What one strategy plans: `entries` a session, None where nothing bounds them.

    `constants` are its params and the desk's limits by the names that its rules read, `resting`
    what the account and its shares come to in USD while nothing is held.
    """

    strategy: Strategy
    constants: Mapping[str, Given]
    entries: int | None
    resting: Mapping[str, float]

    def qty(self, price: float) -> float | None:
        """The shares that an entry buys at this price; None where the market decides that too."""
        return planned.qty_at(self.strategy, price, self.constants)

    def stop(self, price: float) -> float | None:
        """The planned stop of an entry at this price, or None alike."""
        return planned.number_at(self.strategy.entry.stop_loss, price, self.constants)

    def notional_usd(self) -> float | None:
        """What an entry costs."""
        qty = self.qty(SAMPLE_PRICE)
        return None if qty is None else qty * SAMPLE_PRICE

    def risk_usd(self) -> float | None:
        """What a trade loses that is closed at its stop."""
        qty, stop = self.qty(SAMPLE_PRICE), self.stop(SAMPLE_PRICE)
        return None if qty is None or stop is None else qty * abs(SAMPLE_PRICE - stop)


def plans(book: RuleBook) -> tuple[Plan, ...]:
    """The plans of the strategies that may trade."""
    return tuple(
        plan_of(book, strategy)
        for strategy in book.strategies
        if strategy.runs and strategy.status != "retired"
    )


def plan_of(book: RuleBook, strategy: Strategy) -> Plan:
    """What a strategy plans, whether or not it runs."""
    own = {param.name: declared(param) for param in strategy.params}
    constants = constants_of(book) | own
    entries = _most_entries(strategy, constants)
    portfolio = book.portfolio
    resting = {} if portfolio is None else planned.at_rest(portfolio, strategy.id)
    return Plan(strategy, constants, entries, resting)


def constants_of(book: RuleBook) -> dict[str, Given]:
    """The desk's limits under the names that rules read them by."""
    return planned.constants_of(book.limits)


def entries_of(found: Iterable[Plan]) -> int | None:
    """The entries that they plan for one session together; None where nothing bounds them."""
    total = 0
    for plan in found:
        if plan.entries is None:
            return None
        total += plan.entries
    return total


def _most_entries(strategy: Strategy, constants: Mapping[str, Given]) -> int | None:
    """The smallest count of today's entries that keeps it from the next one."""
    for rule in strategy.no_trade:
        read = {name.name for name in ir.names(rule.when)}
        if ENTRIES in read and read - {ENTRIES} <= constants.keys():
            question = truth_of(rule.when, possibly=False)
            for count in range(_MOST_ENTRIES):
                if question.asked({**constants, ENTRIES: count}):
                    return count
    return None
