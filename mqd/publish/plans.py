"""What the declared sizes plan: the shares of an entry at a price, its loss, its trades a session.

Everything is asked of the rules' own expressions, with the declared values of their params.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import floor
from typing import NamedTuple

from mqd.ground.units import PRICE
from mqd.rules.book import RuleBook, Strategy
from mqd.rules.check.limits import PREFIX
from mqd.rules.compile.question import Given, declared, number_of, truth_of
from mqd.rules.expressions import ir

ENTRIES = "today.entries"
SAMPLE_PRICE = 100.0
"""Where a size in USD does not depend on the price, any price shows it."""
_MOST_ENTRIES = 1_000
_NEARLY_A_STEP = 1e-6


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
        sizing = self.strategy.entry.qty
        asked = self._number(sizing.value, price)
        step = float(sizing.step)
        return None if asked is None else floor(asked / step + _NEARLY_A_STEP) * step

    def stop(self, price: float) -> float | None:
        """The planned stop of an entry at this price, or None alike."""
        return self._number(self.strategy.entry.stop_loss, price)

    def notional_usd(self) -> float | None:
        """What an entry costs."""
        qty = self.qty(SAMPLE_PRICE)
        return None if qty is None else qty * SAMPLE_PRICE

    def risk_usd(self) -> float | None:
        """What a trade loses that is closed at its stop."""
        qty, stop = self.qty(SAMPLE_PRICE), self.stop(SAMPLE_PRICE)
        return None if qty is None or stop is None else qty * abs(SAMPLE_PRICE - stop)

    def _number(self, tree: ir.Numeric, price: float) -> float | None:
        """The value with every price of the market at `price`."""
        values: dict[str, Given] = dict(self.constants)
        for name in ir.names(tree):
            if name.name not in values:
                if name.unit != PRICE:
                    return None
                values[name.name] = price
        found = number_of(tree).asked(values)
        return None if found is None else float(found)


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
    return Plan(strategy, constants, entries, _resting(book, strategy))


def constants_of(book: RuleBook) -> dict[str, Given]:
    """The desk's limits under the names that rules read them by."""
    return {PREFIX + limit.name: declared(limit) for limit in book.limits}


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


def _resting(book: RuleBook, strategy: Strategy) -> dict[str, float]:
    """What the account and its shares come to while nothing is held, at its assumed size."""
    portfolio = book.portfolio
    if portfolio is None:
        return {}
    account = float(portfolio.account_usd)
    shares = {each.strategy: float(each.share) for each in portfolio.allotments}
    return {
        "account.equity": account,
        "account.buying_power": account,
        "portfolio.equity": account,
        "portfolio.exposure": 0.0,
        "portfolio.invested": 0.0,
        "portfolio.largest_exposure": account * float(portfolio.max_exposure),
        "portfolio.reserve": account * float(portfolio.reserve),
        "strategy.capital": account * shares.get(strategy.id, 0.0),
        "strategy.capital_used": 0.0,
    }
