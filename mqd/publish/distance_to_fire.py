"""How far each rule with a number is from acting now: the value, the threshold, what is between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import chain
from math import isfinite
from typing import Any, NamedTuple

from mqd.engine.state import DeskState
from mqd.ground.units import DURATION, RATIO, TIME_OF_DAY, Unit
from mqd.publish.distances import size_text
from mqd.publish.figures import fact_text
from mqd.publish.live_values import live_values
from mqd.publish.measured_now import measured_now, subjects
from mqd.publish.plans import constants_of
from mqd.rules.book import Condition, RuleBook, Strategy
from mqd.rules.compile.question import Given, declared, number_of, truth_of
from mqd.rules.english import English
from mqd.rules.expressions import ir

_DIGITS = 9
_NEXT = {">": 1, "<": -1}
"""A count that has to pass a number acts at the next one."""


class ToFire(NamedTuple):
    """One comparison of one rule: what it looks at, its value now, where it turns, what is left.

    `strategy` is empty for a rule of the desk. `holds` tells that the comparison is true now,
    `acts` that the whole rule is; that one is None where other parts of it have no value.
    """

    rule: str
    strategy: str
    looks_at: str
    now: float
    acts_at: float
    distance: float
    unit: str
    holds: bool
    now_text: str
    acts_at_text: str
    distance_text: str
    acts: bool | None

    def to_json(self) -> dict[str, Any]:
        """The distance for a program."""
        return self._asdict()


def distances_to_fire(state: DeskState, book: RuleBook) -> tuple[ToFire, ...]:
    """Every comparison of a number that has a value now, protections first."""
    every = (_protections(state, book), _desk(state, book), _strategies(state, book))
    return tuple(chain.from_iterable(every))


def _protections(state: DeskState, book: RuleBook) -> Iterator[ToFire]:
    english, constants = English((), book.limits), constants_of(book)
    for protection in book.protections:
        rule = protection.trips_when
        for subject in subjects(book, protection):
            live = live_values(state, _names(rule))
            own = measured_now(state, book, protection, subject)
            yield from _of(rule, subject, {**constants, **live, **own}, constants, english)


def _desk(state: DeskState, book: RuleBook) -> Iterator[ToFire]:
    english, constants = English((), book.limits), constants_of(book)
    for rule in (*book.entry_checks.conditions, *book.desk_watch.conditions):
        values = {**constants, **live_values(state, _names(rule))}
        yield from _of(rule, "", values, constants, english)


def _strategies(state: DeskState, book: RuleBook) -> Iterator[ToFire]:
    for strategy in book.strategies:
        if strategy.runs:
            english = English(strategy.params, book.limits)
            constants = constants_of(book) | _params(strategy)
            for rule in strategy.no_trade:
                live = live_values(state, _names(rule), strategy.id, strategy.symbol)
                yield from _of(rule, strategy.id, constants | live, constants, english)


def _params(strategy: Strategy) -> dict[str, Given]:
    return {param.name: declared(param) for param in strategy.params}


def _names(rule: Condition) -> tuple[str, ...]:
    return tuple(name.name for name in ir.names(rule.when))


def _of(
    rule: Condition,
    strategy: str,
    values: Mapping[str, Given],
    constants: Mapping[str, Given],
    english: English,
) -> Iterator[ToFire]:
    acts = None
    if all(values.get(name) is not None for name in _names(rule)):
        acts = bool(truth_of(rule.when, possibly=False).asked(values))
    for leaf in ir.walk(rule.when):
        if not isinstance(leaf, ir.Compare) or not leaf.unit.is_number:
            continue
        free = [name.name for name in ir.names(leaf) if name.name not in constants]
        if not free or not all(values.get(name) is not None for name in free):
            continue
        now, at = (number_of(side).asked(values) for side in (leaf.left, leaf.right))
        if now is None or at is None or not (isfinite(now) and isfinite(at)):
            continue
        if leaf.unit.is_count:
            at += _NEXT.get(leaf.op, 0)
        said = english.number(leaf.left)
        left = float(abs(Decimal(repr(now)) - Decimal(repr(at))))
        yield ToFire(
            rule.code, strategy, said, now, at, round(left, _DIGITS), leaf.unit.name,
            bool(truth_of(leaf, possibly=False).asked(values)),
            _text(now, leaf.unit), _text(at, leaf.unit), size_text(left, leaf.unit), acts,
        )  # fmt: skip


def _text(value: float, unit: Unit) -> str:
    rounded = int(value) if unit.is_count or unit in {DURATION, TIME_OF_DAY} else value
    return fact_text(round(rounded, 6) if unit == RATIO else rounded, unit)
