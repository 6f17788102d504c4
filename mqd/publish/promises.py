"""What the code itself promises about positions and duplicates, in the words of its docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from mqd.engine import core, decide, gate, orders, step
from mqd.ground import errors
from mqd.ground.ids import client_order_id
from mqd.ground.times import parse_iso
from mqd.model import command, fill, position
from mqd.rules.book import Condition, MachineRules, RuleBook
from mqd.rules.expressions.ir import names

POSITION_FACTS = frozenset(
    {"desk.open_positions", "position.is_open", "position.qty", "symbol.position_qty"}
)
WORKING_FACTS = frozenset({"symbol.working_exits", "symbol.working_orders"})
BOOKING_EVENT = "filled"
_ENFORCED_BY = {
    "order": orders,
    "desk": core,
    "checks": gate,
    "protections": gate,
    "bars": step,
    "strategy": decide,
}


@dataclass(frozen=True, slots=True)
class Promise:
    """A sentence of the code, and the name it stands under."""

    name: str
    sentence: str


@dataclass(frozen=True, slots=True)
class ErrorMeaning:
    """A typed error, what it means, and what happens next."""

    name: str
    means: str
    group: str
    then: str


def about_positions() -> tuple[Promise, ...]:
    """What a position is made of."""
    return _promises(
        fill, fill.Execution, position, position.Position,
        errors.OverfillError, errors.ExecutionConflictError,
    )  # fmt: skip


def about_duplicates() -> tuple[Promise, ...]:
    """What keeps one decision from becoming two orders."""
    return _promises(
        client_order_id, command, command.SubmitOrder, errors.DuplicateOrderError
    )  # fmt: skip


def enforced_by(part: str) -> Promise:
    """The module that makes a part of the page true, in the words of its docstring."""
    (promise,) = _promises(_ENFORCED_BY[part])
    return promise


def example_order_id(book: RuleBook) -> str:
    """An id as the desk makes it, or empty when no strategy is declared."""
    if not book.strategies:
        return ""
    strategy = book.strategies[0]
    at_ns = parse_iso("2024-10-07T14:05:00Z")
    return client_order_id(strategy.id, strategy.symbol, at_ns, "entry")


def conditions_reading(book: RuleBook, facts: Iterable[str]) -> tuple[Condition, ...]:
    """The conditions that keep an order back because of one of these facts."""
    wanted = set(facts)

    def reads_one(condition: Condition) -> bool:
        return not wanted.isdisjoint(name.name for name in names(condition.when))

    blocking = (
        *book.entry_checks.conditions,
        *book.exit_checks.conditions,
        *(condition for strategy in book.strategies for condition in strategy.no_trade),
    )
    return tuple(filter(reads_one, blocking))


def raised_by(machines: Iterable[MachineRules]) -> tuple[ErrorMeaning, ...]:
    """The typed errors that rows of the machines raise, by name."""
    found: set[str] = set()
    for row in (row for machine in machines for row in machine.rows):
        found |= {row.raises} if row.raises else set()
        found |= {errors.BrokerConfirmationRequiredError.__name__} if row.requires else set()
    return tuple(_meaning(name) for name in sorted(found))


def _meaning(name: str) -> ErrorMeaning:
    error: type[Exception] = getattr(errors, name)
    group = error.__mro__[1]
    return ErrorMeaning(name, _sentence(error), group.__name__, _sentence(group))


def _promises(*things: Any) -> tuple[Promise, ...]:
    return tuple(Promise(_name(thing), _sentence(thing)) for thing in things)


def _name(thing: Any) -> str:
    if isinstance(thing, ModuleType):
        return thing.__name__
    return f"{thing.__module__}.{thing.__qualname__}"


def _sentence(thing: Any) -> str:
    """The first paragraph of a docstring on one line."""
    first = (inspect.getdoc(thing) or "").split("\n\n")[0]
    return " ".join(first.split())
