"""What the declared sizes plan: the shares of an entry at a price, what it costs, who refuses it.

Everything is asked of the rules' own expressions, with the declared values of params and limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import floor
from typing import NamedTuple

from mqd.ground.units import PRICE
from mqd.rules.book import Condition, Limit, Portfolio, Strategy
from mqd.rules.check.limits import PREFIX
from mqd.rules.compile.question import Given, declared, number_of, truth_of
from mqd.rules.expressions import ir

SAMPLE_PRICE = 100.0
"""Where a size in USD does not depend on the price, any price shows it."""
_NEARLY_A_STEP = 1e-6
_PRICES = tuple(1.01**power for power in range(700))  # from 1 to 1,000 USD a share, by 1 %


class Refused(NamedTuple):
    """The checks that refuse every entry of a strategy, and what one of them costs, in USD."""

    codes: tuple[str, ...]
    cost_usd: float


def constants_of(limits: Iterable[Limit | None]) -> dict[str, Given]:
    """The desk's limits under the names that rules read them by."""
    return {PREFIX + limit.name: declared(limit) for limit in limits if limit is not None}


def number_at(tree: ir.Numeric, price: float, constants: Mapping[str, Given]) -> float | None:
    """The value with every price of the market at `price`; None where more of it is asked for."""
    values: dict[str, Given] = dict(constants)
    for name in ir.names(tree):
        if name.name not in values:
            if name.unit != PRICE:
                return None
            values[name.name] = price
    found = number_of(tree).asked(values)
    return None if found is None else float(found)


def qty_at(strategy: Strategy, price: float, constants: Mapping[str, Given]) -> float | None:
    """The shares that an entry buys at this price; None where the market decides that too."""
    sizing = strategy.entry.qty
    asked, step = number_at(sizing.value, price, constants), float(sizing.step)
    return None if asked is None else floor(asked / step + _NEARLY_A_STEP) * step


def at_rest(portfolio: Portfolio, strategy: str) -> dict[str, float]:
    """What the account and its shares come to in USD while nothing is held, at its assumed size."""
    account = float(portfolio.account_usd)
    shares = {each.strategy: each.share for each in portfolio.allotments}
    share = shares.get(strategy)
    return {
        "account.equity": account,
        "account.buying_power": account,
        "portfolio.equity": account,
        "portfolio.exposure": 0.0,
        "portfolio.invested": 0.0,
        "portfolio.largest_exposure": float(portfolio.account_usd * portfolio.max_exposure),
        "portfolio.reserve": float(portfolio.account_usd * portfolio.reserve),
        "strategy.capital": 0.0 if share is None else float(portfolio.account_usd * share),
        "strategy.capital_used": 0.0,
    }


def refused_everywhere(
    strategy: Strategy,
    checks: Iterable[Condition],
    constants: Mapping[str, Given],
    resting: Mapping[str, float],
) -> Refused | None:
    """Who refuses an entry of the planned size whatever a share costs; None where some passes.

    Checks that ask for more than the order and the account at rest refuse nothing here. A size
    that the market decides is left alone, and so is one that never comes to a step.
    """
    own = dict(constants) | {param.name: declared(param) for param in strategy.params}
    known = {*constants, *resting, "order.qty"}
    asked = [rule for rule in checks if _is_answered(rule, known)]
    nearest: tuple[float, Refused] | None = None
    for price in (*_PRICES, SAMPLE_PRICE):
        qty = qty_at(strategy, price, own)
        if qty is None:
            return None
        if qty <= 0:
            continue
        values: dict[str, Given] = {**constants, **resting, "order.qty": qty}
        codes = tuple(rule.code for rule in asked if _refuses(rule, values, price))
        if not codes:
            return None
        distance = abs(price - SAMPLE_PRICE)
        if nearest is None or distance < nearest[0]:
            nearest = (distance, Refused(codes, qty * price))
    return None if nearest is None else nearest[1]


def _is_answered(rule: Condition, known: set[str]) -> bool:
    return all(name.name in known or name.unit == PRICE for name in ir.names(rule.when))


def _refuses(rule: Condition, values: Mapping[str, Given], price: float) -> bool:
    prices = {name.name: price for name in ir.names(rule.when) if name.unit == PRICE}
    return bool(truth_of(rule.when, possibly=False).asked({**values, **prices}))
