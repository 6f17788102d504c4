"""The engine: one rule book, made ready to step, and the parts that one step shares."""

from __future__ import annotations

from typing import NamedTuple

from mqd.engine.gathering import Step
from mqd.engine.machine import WrappedMachine
from mqd.engine.orders import OrderStateMachine
from mqd.engine.protections import ProtectionManager
from mqd.engine.state import DeskState
from mqd.ground.errors import Incident, InvariantError, MqdError, UnknownOutcome
from mqd.model.decision import DeskStateChanged, IncidentRaised
from mqd.model.order import STOP
from mqd.rules.book import Row
from mqd.rules.compile.book import CompiledBook
from mqd.rules.compile.strategy import CompiledStrategy
from mqd.rules.expressions.ir import names

__all__ = ["Engine", "Step", "raise_incident", "set_desk_state", "tell_desk"]

TIME_PASSED = "time_passed"
OPPOSITE_SIGNALS = "order.opposite_signals"


class Engine(NamedTuple):
    """A compiled book with its machines; nothing in it changes.

    `breaker_waits` are the states of the breaker that the passing of time may lead out of. With
    `refuses_opposites` a check refuses an entry against another strategy's signal. `managed` are
    strategies with their symbols; `takes_stop` tells, of whole shares and of parts (True), whether
    the broker takes a stop for as long as exits are sent.
    """

    book: CompiledBook
    orders: OrderStateMachine
    desk: WrappedMachine
    by_symbol: dict[str, tuple[CompiledStrategy, ...]]
    order_state_codes: dict[str, int]
    broker_words: dict[str, str]
    breaker: WrappedMachine
    breaker_waits: frozenset[str]
    protections: ProtectionManager
    refuses_opposites: bool
    lives: WrappedMachine
    managed: frozenset[tuple[str, str]]
    takes_stop: dict[bool, bool]

    @classmethod
    def of(cls, book: CompiledBook) -> Engine:
        """The engine of a compiled book."""
        lasts = book.rules.sends.exit.time_in_force
        by_symbol: dict[str, list[CompiledStrategy]] = {}
        for strategy in book.strategies:
            by_symbol.setdefault(strategy.rules.symbol, []).append(strategy)
        return cls(
            book,
            OrderStateMachine(book.rules.order_machine, book.guards),
            WrappedMachine(book.rules.desk_machine, book.guards),
            {symbol: tuple(found) for symbol, found in by_symbol.items()},
            {item.name: code for code, item in enumerate(book.rules.order_machine.states)},
            {item.word: item.means for item in book.rules.broker_words.statuses},
            WrappedMachine(book.rules.breaker_machine, book.guards),
            frozenset(
                state
                for (state, event), row in book.rules.breaker_machine.table.items()
                if event == TIME_PASSED and row.target not in {None, state}
            ),
            ProtectionManager(book),
            any(
                name.name == OPPOSITE_SIGNALS
                for check in book.rules.entry_checks.conditions
                for name in names(check.when)
            ),
            WrappedMachine(book.rules.strategy_machine, book.guards),
            frozenset((item.rules.id, item.rules.symbol) for item in book.strategies),
            {
                is_part: book.rules.broker_words.takes(STOP, lasts, is_part=is_part)
                for is_part in (False, True)
            },
        )


def raise_incident(
    engine: Engine, state: DeskState, step: Step, error: MqdError, subject: str
) -> None:
    """Book a typed error: note it, and let the desk's own machine hear of it.

    An `InvariantError` is `invariant_broken`; an `Incident`, or an order whose outcome cannot
    be told, is an `incident`; anything else, such as a refusal, is only noted.
    """
    step.notes.append(
        IncidentRaised(step.at_ns, type(error).__name__, error.severity, subject, str(error))
    )
    if isinstance(error, Incident | InvariantError | UnknownOutcome):
        state.counts["incidents"] += 1
        is_broken = isinstance(error, InvariantError)
        tell_desk(engine, state, step, "invariant_broken" if is_broken else "incident")


def tell_desk(engine: Engine, state: DeskState, step: Step, event: str) -> Row:
    """Fire an event of the desk's machine, note a change of state, and return the row."""
    fired = engine.desk.fire(state.state_name, event)
    if fired.state != state.state_name:
        step.notes.append(
            DeskStateChanged(step.at_ns, event, state.state_name, fired.state, fired.row.id)
        )
        set_desk_state(engine, state, fired.state)
    return fired.row


def set_desk_state(engine: Engine, state: DeskState, name: str) -> None:
    """Put the desk into a state, as the rules' facts see it too."""
    state.state_name = name
    names = [item.name for item in engine.book.rules.desk_machine.states]
    state.desk.state_code = names.index(name)
