"""Says conditions and numbers of one rule book, with the values of the params they read."""

from __future__ import annotations

from mqd.rules.book import Condition, Limit, Param, RuleBook, Strategy
from mqd.rules.check.limits import PREFIX
from mqd.rules.english import English
from mqd.rules.expressions.ir import Logical, Numeric, names
from mqd.rules.problems import Place


class Speaker:
    """Knows for every condition of a book whose numbers it reads."""

    def __init__(self, book: RuleBook) -> None:
        # Of the desk only the regimes have params, and their names are theirs alone.
        self._params = book.regimes.params if book.regimes is not None else ()
        self._desk = English(self._params, book.limits)
        self._limits = {PREFIX + limit.name: limit for limit in book.limits}
        self._owners: dict[Place, Strategy] = {
            condition.place: strategy
            for strategy in book.strategies
            for condition in (
                *strategy.no_trade,
                *strategy.exits,
                *(failure.condition for failure in strategy.failure_regimes),
            )
        }
        self._english = {
            strategy.id: English(strategy.params, book.limits) for strategy in book.strategies
        }

    def sentence(self, condition: Condition) -> str:
        """The condition as a sentence."""
        owner = self._owners.get(condition.place)
        english = self._english[owner.id] if owner else self._desk
        return english.sentence(condition.when)

    def guard(self, tree: Logical) -> str:
        """The guard of a machine's row as a clause."""
        return self._desk.condition(tree)

    def number(self, tree: Numeric, strategy: Strategy) -> str:
        """A number that a strategy computes, as a phrase."""
        said = self._english[strategy.id].number(tree)
        return said[:1].upper() + said[1:]

    def desk_number(self, tree: Numeric) -> str:
        """A number that a rule of the desk computes, within a sentence."""
        return self._desk.number(tree)

    def declared(self, condition: Condition) -> tuple[Param | Limit, ...]:
        """The params and limits that the condition reads, in its order."""
        owner = self._owners.get(condition.place)
        known: dict[str, Param | Limit] = dict(self._limits)
        known |= {param.name: param for param in (owner.params if owner else self._params)}
        read = [name.name for name in names(condition.when)]
        return tuple(known[name] for name in read if name in known)
