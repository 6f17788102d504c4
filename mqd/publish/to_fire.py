"""One comparison of one rule: its value now, where it turns, what is left, or what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from math import isfinite
from typing import Any, NamedTuple

from mqd.ground.units import DURATION, NUMBER, RATIO, TIME_OF_DAY, Unit
from mqd.publish.distances import size_text
from mqd.publish.figures import exact, fact_text, number_text
from mqd.rules.book import Condition
from mqd.rules.compile.question import Given, number_of, truth_of
from mqd.rules.english import English
from mqd.rules.expressions import ir

_DIGITS = 9
_FIGURE_DIGITS = 4
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


class NotYet(NamedTuple):
    """One comparison that nobody can make yet, and why; `acts_at` is None where it turns unseen."""

    rule: str
    strategy: str
    looks_at: str
    acts_at: float | None
    unit: str
    acts_at_text: str
    why: str

    def to_json(self) -> dict[str, Any]:
        """The comparison for a program."""
        return self._asdict()


def names_of(rule: Condition) -> tuple[str, ...]:
    """Everything that the rule reads."""
    return tuple(name.name for name in ir.names(rule.when))


def to_fire(
    rule: Condition,
    strategy: str,
    values: Mapping[str, Given],
    constants: Mapping[str, Given],
    english: English,
) -> Iterator[ToFire]:
    """Every comparison of numbers that has a value; a name whose value is None is unknown."""
    acts = None
    if all(name in values for name in names_of(rule)):
        acts = bool(truth_of(rule.when, possibly=False).asked(values))
    for leaf in _comparisons(rule):
        free = [name.name for name in ir.names(leaf) if name.name not in constants]
        if not free or not all(values.get(name) is not None for name in free):
            continue
        now, at = number_of(leaf.left).asked(values), _acts_at(leaf, values)
        if now is None or at is None or not (isfinite(now) and isfinite(at)):
            continue
        said = english.number(leaf.left)
        left = float(abs(Decimal(repr(now)) - Decimal(repr(at))))
        yield ToFire(
            rule.code, strategy, said, now, at, round(left, _DIGITS), leaf.unit.name,
            bool(truth_of(leaf, possibly=False).asked(values)),
            _text(now, leaf.unit), _text(at, leaf.unit), _size_text(left, leaf.unit), acts,
        )  # fmt: skip


def not_yet(
    rule: Condition,
    strategy: str,
    why: Mapping[str, str],
    constants: Mapping[str, Given],
    english: English,
) -> Iterator[NotYet]:
    """Every comparison of numbers that reads a name of `why`: what is missing of each."""
    for leaf in _comparisons(rule):
        reasons = [why[name.name] for name in ir.names(leaf) if name.name in why]
        if reasons:
            is_fixed = all(name.name in constants for name in ir.names(leaf.right))
            at = _acts_at(leaf, constants) if is_fixed else None
            said = "" if at is None else _text(at, leaf.unit)
            looks_at = english.number(leaf.left)
            yield NotYet(rule.code, strategy, looks_at, at, leaf.unit.name, said, reasons[0])


def _comparisons(rule: Condition) -> Iterator[ir.Compare]:
    for leaf in ir.walk(rule.when):
        if isinstance(leaf, ir.Compare) and leaf.unit.is_number:
            yield leaf


def _acts_at(leaf: ir.Compare, values: Mapping[str, Given]) -> float | None:
    """Where the comparison turns; None where that is unknown."""
    at: float | None = number_of(leaf.right).asked(values)
    return at + _NEXT.get(leaf.op, 0) if at is not None and leaf.unit.is_count else at


def _text(value: float, unit: Unit) -> str:
    if unit == NUMBER:
        return _figure(value)
    rounded = int(value) if unit.is_count or unit in {DURATION, TIME_OF_DAY} else value
    return fact_text(round(rounded, 6) if unit == RATIO else rounded, unit)


def _size_text(size: float, unit: Unit) -> str:
    return _figure(size) if unit == NUMBER else size_text(size, unit)


def _figure(value: float) -> str:
    """A number without a unit, such as a Sharpe ratio."""
    return number_text(exact(round(value, _FIGURE_DIGITS)))
