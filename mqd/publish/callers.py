"""Who calls for an event of a strategy's life: a row of its watch, or a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from mqd.publish.standing import Standing
from mqd.rules.book import MachineRules, Row, RuleBook
from mqd.rules.english import English
from mqd.rules.strategy_life import CALLS, ENABLE_ORDERED, PAUSE_ENDED

_ENABLE: Final = "mqd enable"


class Caller(NamedTuple):
    """A row of the watch by its code, or a command; `move` is what it takes."""

    code: str
    move: str
    is_person: bool = False


def callers(
    book: RuleBook, standing: Standing, machine: MachineRules, row: Row
) -> tuple[Caller, ...]:
    """What can lead to this row of a strategy's life; nothing for other machines."""
    if machine.id != book.strategy_machine.id:
        return ()
    return tuple(_callers(book, standing, row))


def _callers(book: RuleBook, standing: Standing, row: Row) -> Iterator[Caller]:
    for watched in book.strategy_watch.rows:
        if CALLS.get(watched.do) in row.events:
            yield Caller(watched.condition.code, standing.reach(watched.condition).text)
        if PAUSE_ENDED in row.events and watched.until is not None:
            said = English((), book.limits).condition(watched.until.when)
            yield Caller(watched.condition.code, f"as soon as {said}")
    if ENABLE_ORDERED in row.events:
        yield Caller(_ENABLE, "one order of a person", is_person=True)
