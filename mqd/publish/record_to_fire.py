"""How far what a strategy did is from flagging, pausing, retiring or promoting it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from mqd.engine.lives import record_now
from mqd.engine.state import DeskState, LifeFacts
from mqd.publish.live_values import live_values
from mqd.publish.plans import constants_of
from mqd.publish.to_fire import NotYet, ToFire, names_of, not_yet, to_fire
from mqd.publish.unknown_yet import why_unknown
from mqd.rules.book import Condition, RuleBook, Strategy
from mqd.rules.compile.question import Given
from mqd.rules.english import English
from mqd.rules.strategy_life import is_paused
from mqd.rules.words.facts import FACTS


class _Judged(NamedTuple):
    """The rules that a running strategy is judged by, what they read, and why that is unknown."""

    strategy: str
    rules: tuple[Condition, ...]
    live: Mapping[str, Given]
    why: Mapping[str, str]


def record_to_fire(state: DeskState, book: RuleBook) -> Iterator[ToFire]:
    """Every number that has a value, of each strategy that runs."""
    english, constants = English((), book.limits), constants_of(book)
    for strategy, rules, live, why in _judged(state, book):
        values = {**constants, **dict.fromkeys(why), **live}
        for rule in rules:
            yield from to_fire(rule, strategy, values, constants, english)


def record_not_yet(state: DeskState, book: RuleBook) -> tuple[NotYet, ...]:
    """Every number that has none yet."""
    english, constants = English((), book.limits), constants_of(book)
    return tuple(
        found
        for strategy, rules, _, why in _judged(state, book)
        for rule in rules
        for found in not_yet(rule, strategy, why, constants, english)
    )


def _judged(state: DeskState, book: RuleBook) -> Iterator[_Judged]:
    """Every strategy that runs and has a life, with its record as the engine has it."""
    for strategy in book.strategies:
        life = state.lives.get(strategy.id)
        if strategy.runs and life is not None:
            rules = _rules(book, life)
            names = dict.fromkeys(name for rule in rules for name in names_of(rule))
            yield _Judged(strategy.id, rules, *_values(state, book, strategy, tuple(names)))


def _values(
    state: DeskState, book: RuleBook, strategy: Strategy, names: tuple[str, ...]
) -> tuple[dict[str, Given], dict[str, str]]:
    """What is known, and why the rest is not; a record that fails is unknown as a whole."""
    facts = [name for name in names if name in FACTS]
    try:
        record = record_now(book, state, strategy.id)
        live = live_values(state, facts, strategy.id, strategy.symbol, record=record)
    except Exception as error:  # noqa: BLE001  # whatever it is, the rest of the status is told
        return {}, dict.fromkeys(facts, f"{type(error).__name__}: {error}")
    unknown = [name for name in facts if name not in live]
    return live, {name: why_unknown(name, record, state, book) for name in unknown}


def _rules(book: RuleBook, life: LifeFacts) -> tuple[Condition, ...]:
    """The rows of the watch; while the strategy is paused also what ends that."""
    rows = book.strategy_watch.rows
    is_resting = is_paused(book.strategy_machine, life.state_name)
    ends = [
        replace(row.until, code=f"{row.condition.code} ends")
        for row in rows
        if row.until is not None and row.condition.code == life.row and is_resting
    ]
    return (*(row.condition for row in rows), *ends)
