"""What the checks of the shared account leave of it now, before any order is asked about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mqd.engine.portfolio import tell_portfolio
from mqd.engine.state import DeskState, OrderFacts
from mqd.ground.units import USD
from mqd.publish.figures import fact_text
from mqd.publish.live_values import live_values
from mqd.publish.plans import constants_of
from mqd.publish.to_fire import ToFire, names_of, to_fire
from mqd.rules.book import Condition, RuleBook
from mqd.rules.english import English
from mqd.rules.expressions import ir
from mqd.rules.words.sharing import SHARING

_SUMS = frozenset(fact.name for fact in SHARING if fact.unit == USD)
_OF_ORDER, _OF_STRATEGY = "order.", "strategy."


def account_to_fire(state: DeskState, book: RuleBook) -> Iterator[ToFire]:
    """Each check of the account: a check of a strategy's share for each strategy that runs."""
    english, constants = English((), book.limits), constants_of(book)
    running = tuple(each.id for each in book.strategies if each.runs)
    for rule in book.entry_checks.conditions:
        if _SUMS.isdisjoint(names_of(rule)):
            continue
        of_strategy = any(name.startswith(_OF_STRATEGY) for name in names_of(rule))
        rested = _without_order(rule)
        names = [name for name in names_of(rested) if not name.startswith(_OF_ORDER)]
        for strategy in running if of_strategy else ("",):
            facts = OrderFacts(qty=0.0)
            tell_portfolio(book.portfolio, state, strategy, facts)
            values = constants | live_values(state, names, strategy, order=facts)
            for found in to_fire(rested, strategy, values, constants, english):
                yield found._replace(
                    now_text=_sum_text(found.now),
                    acts_at_text=_sum_text(found.acts_at),
                    distance_text=_sum_text(found.distance),
                )


def _sum_text(amount_usd: float) -> str:
    """A sum of money, which is neither won nor lost."""
    return fact_text(amount_usd, USD).removeprefix("+")


def _without_order(rule: Condition) -> Condition:
    """The rule as it is of an order for nothing: the order's own terms are left out of sums."""
    when = rule.when
    if isinstance(when, ir.Compare):
        when = replace(when, left=_rest(when.left), right=_rest(when.right))
    return replace(rule, when=when)


def _rest(tree: ir.Numeric) -> ir.Numeric:
    match tree:
        case ir.Arithmetic(op="+" | "-", left=left, right=right) if _is_of_order(right):
            return _rest(left)
        case ir.Arithmetic(op="+", left=left, right=right) if _is_of_order(left):
            return _rest(right)
        case ir.Arithmetic(op="+" | "-", left=left, right=right):
            return replace(tree, left=_rest(left), right=_rest(right))
    return tree


def _is_of_order(tree: ir.Numeric) -> bool:
    found = ir.names(tree)
    return bool(found) and all(name.name.startswith(_OF_ORDER) for name in found)
