"""What stands beside a rule on a page: how far it is from acting, and when it last did so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from mqd.publish.controls import Fired
from mqd.publish.moves import BEYOND, NEVER, YES, Reach
from mqd.publish.reach import Reaches
from mqd.publish.uses import conditions
from mqd.rules.book import Condition, RuleBook, Strategy
from mqd.rules.check.limits import PREFIX
from mqd.rules.expressions import ir
from mqd.rules.problems import Place

_HARDNESS = (YES, BEYOND, NEVER).index


class Row(NamedTuple):
    """One rule with the limits that it reads, its reach, and when it last came true."""

    code: str
    place: Place
    reads: tuple[str, ...]
    reach: Reach
    last: Fired | None


class Standing:
    """Knows the rules of one book; `fired` is what came true in the samples, None if not asked."""

    def __init__(self, book: RuleBook, fired: Mapping[str, Fired] | None) -> None:
        self._book = book
        self._reaches = Reaches(book)
        self._fired = fired
        self._owners: dict[Place, str] = dict(_owned(book))
        self._drafts = {strategy.id for strategy in book.strategies if not strategy.runs}
        self.rows = tuple(self._rows())

    def reach(self, rule: Condition) -> Reach:
        """How far the rule is from acting."""
        return self._reaches.of(rule)

    def last(self, rule: Condition) -> str:
        """When the rule last came true: its own strategy's, where two have a code alike."""
        owner = self._owners.get(rule.place, "")
        told = self.last_of(rule.code, owner)
        return f"{told}, it does not run" if told and owner in self._drafts else told

    def last_of(self, code: str, owner: str = "") -> str:
        """The same of a code, in words; empty where nobody looked."""
        if self._fired is None:
            return ""
        return _last_text(self._found(code, owner))

    def nearest(self, limit: str) -> Row | None:
        """Of the rules that read a limit the one that takes the least."""
        found = [row for row in self.rows if PREFIX + limit in row.reads]
        return min(found, key=lambda row: _HARDNESS(row.reach.acts), default=None)

    def last_of_limit(self, limit: str) -> str:
        """When a rule that reads the limit last came true, and which."""
        if self._fired is None:
            return ""
        found = [row for row in self.rows if PREFIX + limit in row.reads and row.last]
        if not found:
            return _last_text(None)
        newest = max(found, key=lambda row: row.last.last if row.last else "")
        return f"{_last_text(newest.last)} by {newest.code}"

    def _found(self, code: str, owner: str) -> Fired | None:
        return (self._fired or {}).get(f"{owner} {code}" if owner else code)

    def _rows(self) -> Iterator[Row]:
        """The rules that limits speak through, protections, and what never acts as planned."""
        behind = {
            (strategy.id, param.name): PREFIX + param.limit
            for strategy in self._book.strategies
            for param in strategy.params
            if param.limit is not None
        }
        beside = dict(_beside(self._book))
        trips = [each.trips_when for each in self._book.protections]
        places = {rule.place for rule in trips}
        others = [rule for rule in conditions(self._book) if rule.place not in places]
        for rule in (*trips, *others):
            owner = self._owners.get(rule.place, "")
            trees = [rule.when, *beside.get(rule.place, ())]
            read = [name.name for tree in trees for name in ir.names(tree)]
            limits = _limits(behind.get((owner, name), name) for name in read)
            reach = self._reaches.of(rule)
            if limits or rule.place in places or reach.acts != YES or reach.refuses_at_rest:
                yield Row(rule.code, rule.place, limits, reach, self._found(rule.code, owner))
        for machine in self._book.machines:
            for row in machine.rows:
                limits = _limits(name.name for name in ir.names(row.when)) if row.when else ()
                if row.when is not None and limits:
                    reach = self._reaches.of_tree(row.when)
                    yield Row(row.id, row.place, limits, reach, self._found(row.id, ""))


def _last_text(fired: Fired | None) -> str:
    return f"{fired.last} ({fired.times:,})" if fired else "never"


def _limits(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name.startswith(PREFIX)))


def _owned(book: RuleBook) -> Iterator[tuple[Place, str]]:
    """Conditions whose codes another strategy or thesis may have too, with whose they are."""
    for strategy in book.strategies:
        yield from ((rule.place, strategy.id) for rule in _of_strategy(strategy))
    for thesis in book.theses:
        for rule in thesis.invalidated_when.rules:
            yield rule.place, thesis.header.id


def _of_strategy(strategy: Strategy) -> Iterator[Condition]:
    yield from strategy.no_trade
    yield from strategy.exits
    yield from (failure.condition for failure in strategy.failure_regimes)


def _beside(book: RuleBook) -> Iterator[tuple[Place, tuple[Any, ...]]]:
    """What a rule computes with beside its condition: how, how long, how much."""
    for protection in book.protections:
        trees = [tree for measure in protection.measures
                 for tree in (measure.where, measure.of, measure.assumed)]  # fmt: skip
        trees.append(protection.until.when if protection.until else None)
        yield protection.trips_when.place, tuple(tree for tree in trees if tree is not None)
    for watch in book.watches:
        for row in watch.rows:
            every = (row.at, row.until.when if row.until else None, row.by)
            yield row.condition.place, tuple(tree for tree in every if tree is not None)
