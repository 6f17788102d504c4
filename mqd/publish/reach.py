"""How far each rule is from acting: the smallest move that makes it act, at the declared sizes.

A limit that nothing can reach protects from nothing, and a reader has to see that. So every
comparison of every condition is asked what it takes, and whether the trades that the rules plan
come that far; the answer comes from the generated text of the rules themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mqd.ground.units import PRICE, TEXT, TIME_OF_DAY
from mqd.publish.moves import BEYOND, NEVER, NO_MOVE, YES, Reach
from mqd.publish.plans import Plan, constants_of, plan_of, plans
from mqd.publish.turning_prices import by_move, by_price, by_share, by_sum
from mqd.publish.turning_values import Asking, by_value
from mqd.rules.book import Condition, Measure, Protection, RuleBook, Strategy
from mqd.rules.compile.measures import OF_STEPS
from mqd.rules.compile.question import Given, declared
from mqd.rules.english import English
from mqd.rules.expressions import ir
from mqd.rules.problems import Place

_SIZES = frozenset({"order.qty", "entry.qty"})
_STOP = "order.stop_loss"
_OF_STRATEGY = "strategy"
_NOTHING = Reach(YES, "")


class Reaches:
    """Answers for one rule book."""

    def __init__(self, book: RuleBook) -> None:
        self._book = book
        self._plans = plans(book)
        self._owners: dict[Place | None, Strategy] = {
            rule.place: strategy
            for strategy in book.strategies
            for rule in (
                *strategy.no_trade,
                *strategy.exits,
                *(failure.condition for failure in strategy.failure_regimes),
            )
        }
        self._protections: dict[Place | None, Protection] = {
            each.trips_when.place: each for each in book.protections
        }
        self._tags = {tag.place for tag in book.regimes.tags} if book.regimes else set()
        # What is asked of each strategy by itself is compared with its own trades.
        self._of_each = {each.place for each in book.strategy_watch.conditions} | {
            each.trips_when.place for each in book.protections if each.scope == _OF_STRATEGY
        }
        self._known: dict[Place, Reach] = {}

    def of(self, rule: Condition) -> Reach:
        """The reach of one condition; what no number decides acts by one change."""
        if rule.place not in self._known:
            self._known[rule.place] = self.of_tree(rule.when, rule.place)
        return self._known[rule.place]

    def of_tree(self, tree: ir.Logical, place: Place | None = None) -> Reach:
        """The reach of the condition of the rule at this place, or of the guard of a machine."""
        asked = [each.of(tree) for each in self._asked(place)]
        nearest = min(asked, key=lambda reach: _HARDNESS(reach.acts))
        if nearest.move:
            return nearest
        return Reach(YES, f"as soon as {self._english(place).condition(tree)}")

    def _asked(self, place: Place | None) -> list[_Asked]:
        english, constants = self._english(place), constants_of(self._book)
        measures: Sequence[Any] = getattr(self._protections.get(place), "measures", ())
        steps: Sequence[Measure] = ()
        every = [self._plans]
        owner = self._owners.get(place)
        if owner is not None:
            own = plan_of(self._book, owner)
            every, constants, steps = [(own,)], {**own.constants}, owner.measures
        elif place in self._tags and self._book.regimes is not None:
            regimes = self._book.regimes
            steps, constants = regimes.measures, constants | _values(regimes.params)
        elif place in self._of_each and self._plans:
            every = [(plan,) for plan in self._plans]
        at_rest = frozenset(each.name for each in steps if each.function in OF_STEPS)
        named = {item.name: item for item in measures}
        over = self._book.strategy_watch.over
        return [_Asked(Asking(each, constants, english, named, over), at_rest) for each in every]

    def _english(self, place: Place | None) -> English:
        owner = self._owners.get(place)
        if owner is not None:
            return English(owner.params, self._book.limits)
        if place in self._tags and self._book.regimes is not None:
            return English(self._book.regimes.params, self._book.limits)
        return English((), self._book.limits)


_HARDNESS = (YES, BEYOND, NEVER).index


def _values(params: Sequence[Any]) -> dict[str, Given]:
    return {param.name: declared(param) for param in params}


class _Asked:
    """Asks one condition, part by part. `steps` are names of measures that are 0 at rest."""

    def __init__(self, asking: Asking, steps: frozenset[str]) -> None:
        self._asking = asking
        self._steps = steps

    def of(self, tree: ir.Logical) -> Reach:
        match tree:
            case ir.Both(parts=parts):
                return _all_of([_within(part, self.of(part)) for part in parts])
            case ir.Either(parts=parts):
                return _any_of([self.of(part) for part in parts])
            case ir.Compare(unit=unit) if unit not in {TEXT, TIME_OF_DAY}:
                return self._compared(tree)
        return _NOTHING

    def _compared(self, leaf: ir.Compare) -> Reach:
        free = [name for name in ir.names(leaf) if name.name not in self._asking.constants]
        names = {name.name for name in free}
        if names & _SIZES:
            return self._sized(leaf, free)
        if free and all(name.unit == PRICE for name in free):
            if _STOP in names:
                return self._each_plan(lambda plan: by_price(self._asking, leaf, plan))
            if names & self._steps and len(names) > 1:
                return by_share(self._asking, leaf, names & self._steps)
            if len(names) > 1:
                return by_move(self._asking, leaf)
        if len(names) == 1 and free[0].unit not in {TEXT, TIME_OF_DAY}:
            return by_value(self._asking, leaf, free[0])
        return _NOTHING

    def _sized(self, leaf: ir.Compare, free: list[ir.Name]) -> Reach:
        """An order of the declared size, by itself or beside what the account holds."""
        known = _SIZES | {_STOP}
        others = {name.name for name in free if name.name not in known and name.unit != PRICE}
        if not others:
            return self._each_plan(lambda plan: by_price(self._asking, leaf, plan))
        if not all(others <= plan.resting.keys() for plan in self._asking.plans):
            return _NOTHING
        return self._each_plan(lambda plan: by_sum(self._asking, leaf, plan))

    def _each_plan(self, ask: Callable[[Plan], Reach]) -> Reach:
        """The strategy that comes nearest; several are told apart by name."""
        found = [(plan, ask(plan)) for plan in self._asking.plans]
        found = [(plan, reach) for plan, reach in found if reach.move]
        if len({reach for _, reach in found}) <= 1:
            return found[0][1] if found else _NOTHING
        named = [reach._replace(move=f"{plan.strategy.id}: {reach.said}") for plan, reach in found]
        return _joined(named, "; ", min)


def _all_of(parts: list[Reach]) -> Reach:
    """Of parts that must all hold the hardest counts; those that hold at rest need no move."""
    told = [part for part in parts if part.move]
    moving = [part for part in told if not part.holds_already]
    if not moving and len(told) < len(parts):
        return _NOTHING  # what has no number decides
    return _joined(moving or told, " and ", max)


def _any_of(parts: list[Reach]) -> Reach:
    """Of parts of which one has to hold the easiest counts; one that holds at rest is enough."""
    told = [part for part in parts if part.move]
    holding = [part for part in told if part.holds_already]
    return _joined(holding, " and ", max) if holding else _joined(told, " or ", min)


def _joined(told: list[Reach], word: str, pick: Callable[..., Reach]) -> Reach:
    if not told:
        return _NOTHING
    acts = pick(told, key=lambda part: _HARDNESS(part.acts)).acts
    why = "; ".join(dict.fromkeys(part.why for part in told if part.why))
    move = word.join(dict.fromkeys(part.move for part in told if part.move != NO_MOVE))
    return Reach(acts, move or NO_MOVE, why, all(part.holds_already for part in told))


def _within(tree: ir.Logical, reach: Reach) -> Reach:
    """A choice between moves in parentheses, where others have to come with it."""
    if isinstance(tree, ir.Either) and " or " in reach.move:
        return reach._replace(move=f"({reach.move})")
    return reach
