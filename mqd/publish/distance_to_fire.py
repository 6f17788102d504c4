"""How far each rule with a number is from acting now: the value, the threshold, what is between."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from mqd.engine.state import DeskState
from mqd.publish.account_to_fire import account_to_fire
from mqd.publish.live_values import live_values
from mqd.publish.measured_now import measured_now, subjects
from mqd.publish.plans import constants_of
from mqd.publish.record_to_fire import record_to_fire
from mqd.publish.to_fire import ToFire, names_of, to_fire
from mqd.rules.book import RuleBook, Strategy
from mqd.rules.compile.question import Given, declared
from mqd.rules.english import English


def distances_to_fire(state: DeskState, book: RuleBook) -> tuple[ToFire, ...]:
    """Every comparison of a number that has a value now, protections first."""
    every = (
        _protections(state, book), _desk(state, book), account_to_fire(state, book),
        _strategies(state, book), record_to_fire(state, book),
    )  # fmt: skip
    return tuple(chain.from_iterable(every))


def _protections(state: DeskState, book: RuleBook) -> Iterator[ToFire]:
    english, constants = English((), book.limits), constants_of(book)
    for protection in book.protections:
        rule = protection.trips_when
        for subject in subjects(book, protection):
            live = live_values(state, names_of(rule))
            own = measured_now(state, book, protection, subject)
            yield from to_fire(rule, subject, {**constants, **live, **own}, constants, english)


def _desk(state: DeskState, book: RuleBook) -> Iterator[ToFire]:
    english, constants = English((), book.limits), constants_of(book)
    for rule in (*book.entry_checks.conditions, *book.desk_watch.conditions):
        values = {**constants, **live_values(state, names_of(rule))}
        yield from to_fire(rule, "", values, constants, english)


def _strategies(state: DeskState, book: RuleBook) -> Iterator[ToFire]:
    for strategy in book.strategies:
        if strategy.runs:
            english = English(strategy.params, book.limits)
            constants = constants_of(book) | _params(strategy)
            for rule in strategy.no_trade:
                live = live_values(state, names_of(rule), strategy.id, strategy.symbol)
                yield from to_fire(rule, strategy.id, constants | live, constants, english)


def _params(strategy: Strategy) -> dict[str, Given]:
    return {param.name: declared(param) for param in strategy.params}
