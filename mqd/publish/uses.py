"""Which rule reads what: every name an expression uses, with the place of the rule that uses it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mqd.rules.book import Condition, MachineRules, Protection, RuleBook, Strategy
from mqd.rules.check.limits import PREFIX
from mqd.rules.compile.measures import FUNCTIONS
from mqd.rules.expressions.ir import Tree, names
from mqd.rules.problems import Place


class Use(NamedTuple):
    """A rule that reads a name."""

    rule: str
    place: Place


def uses(book: RuleBook) -> dict[str, tuple[Use, ...]]:
    """The rules that read each fact, limit, param and measure, by its name, in reading order."""
    found: dict[str, dict[Use, None]] = {}
    for name, use in _all_uses(book):
        found.setdefault(name, {})[use] = None
    return {name: tuple(rules) for name, rules in found.items()}


def rule_places(book: RuleBook) -> Iterator[tuple[str, Place]]:
    """Every rule that has an id within its file, and where it stands."""
    for condition in conditions(book):
        yield condition.code, condition.place
    for machine in book.machines:
        yield from ((row.id, row.place) for row in machine.rows)
        yield from ((state.name, state.place) for state in machine.states)
    yield from ((item.kind, item.place) for item in book.reconciliation.differences)
    broker = book.broker_words
    yield from ((item.word, item.place) for item in (*broker.statuses, *broker.news))
    yield from ((answer.code, answer.place) for answer in broker.answers)
    yield from ((form.code, form.place) for form in broker.forms)
    yield from ((number.name, number.place) for number in broker.request_limits)
    yield from ((limit.name, limit.place) for limit in book.limits)
    for protection in book.protections:
        yield from ((measure.name, measure.place) for measure in protection.measures)
    if book.portfolio is not None:
        yield from ((value.name, value.place) for value in book.portfolio.values)
        yield from ((each.strategy, each.place) for each in book.portfolio.allotments)
    if book.regimes is not None:
        yield from ((param.name, param.place) for param in book.regimes.params)
        yield from ((measure.name, measure.place) for measure in book.regimes.measures)
    if book.attribution is not None:
        yield from ((end.code, end.place) for end in book.attribution.exits)
    for strategy in book.strategies:
        yield from ((param.name, param.place) for param in strategy.params)
        yield from ((measure.name, measure.place) for measure in strategy.measures)
        yield "entry", strategy.entry.place
        yield "qty", strategy.entry.qty.place


def conditions(book: RuleBook) -> Iterator[Condition]:
    """Every condition of every document."""
    for rules in (book.sets_aside, book.blocks_entries, book.entry_checks, book.exit_checks):
        yield from rules.conditions
    for protection in book.protections:
        yield protection.trips_when
    for strategy in book.strategies:
        yield from strategy.no_trade
        yield from strategy.exits
        yield from (failure.condition for failure in strategy.failure_regimes)
    for watch in book.watches:
        yield from watch.conditions
    for thesis in book.theses:
        yield from thesis.invalidated_when.rules
    yield from book.reconciliation.looks_again
    yield from book.reconciliation.tolerates
    yield from book.reconciliation.refuses
    for invariants in book.invariants:
        yield from invariants.always
    if book.portfolio is not None and book.portfolio.reallocation is not None:
        yield book.portfolio.reallocation.raises
        yield book.portfolio.reallocation.returns
    if book.regimes is not None:
        yield from book.regimes.tags
    if book.attribution is not None:
        yield from (tag.condition for tag in book.attribution.tags)


def _all_uses(book: RuleBook) -> Iterator[tuple[str, Use]]:
    for condition in conditions(book):
        yield from _read(condition.when, condition.code, condition.place)
    for row in book.position_watch.rows:
        if row.at is not None:
            yield from _read(row.at, row.condition.code, row.condition.place)
    for protection in book.protections:
        yield from _protection_uses(protection)
    for row in book.strategy_watch.rows:
        for tree in (row.until.when if row.until else None, row.by):
            if tree is not None:
                yield from _read(tree, row.condition.code, row.condition.place)
    for strategy in book.strategies:
        yield from _strategy_uses(strategy)
    if book.portfolio is not None and book.portfolio.account_limit is not None:
        account = book.portfolio.values[0]
        yield PREFIX + book.portfolio.account_limit, Use(account.name, account.place)
    for machine in book.machines:
        yield from _guard_uses(machine)


def _strategy_uses(strategy: Strategy) -> Iterator[tuple[str, Use]]:
    for param in strategy.params:
        if param.limit is not None:
            yield PREFIX + param.limit, Use(param.name, param.place)
    for measure in strategy.measures:
        for fact in FUNCTIONS[measure.function].facts(measure.of):
            yield fact, Use(measure.name, measure.place)
    entry = strategy.entry
    yield from _read(entry.qty.value, "entry.qty", entry.qty.place)
    yield from _read(entry.stop_loss, "entry.stop_loss", entry.stop_loss_place)


def _protection_uses(protection: Protection) -> Iterator[tuple[str, Use]]:
    if protection.until is not None:
        yield from _read(protection.until.when, protection.id, protection.until.place)
    for measure in protection.measures:
        for tree in (measure.where, measure.of, measure.assumed):
            if tree is not None:
                yield from _read(tree, measure.name, measure.place)


def _guard_uses(machine: MachineRules) -> Iterator[tuple[str, Use]]:
    for row in machine.rows:
        if row.when is not None:
            yield from _read(row.when, row.id, row.place)


def _read(tree: Tree, rule: str, place: Place) -> Iterator[tuple[str, Use]]:
    for name in names(tree):
        yield name.name, Use(rule, place)
