"""The engine: one rule book, made ready to step, and the parts that one step shares."""

from __future__ import annotations

from typing import NamedTuple

from mqd.engine.machine import WrappedMachine
from mqd.engine.orders import OrderStateMachine, TransactionLog
from mqd.engine.state import DeskState
from mqd.ground.errors import Incident, InvariantError, MqdError, UnknownOutcome
from mqd.model.command import Command
from mqd.model.decision import Decision, DeskStateChanged, IncidentRaised, Note, Outcome
from mqd.model.position import Trade
from mqd.rules.compile.book import CompiledBook
from mqd.rules.compile.strategy import CompiledStrategy


class Engine(NamedTuple):
    """A compiled book with its machines; nothing in it changes."""

    book: CompiledBook
    orders: OrderStateMachine
    desk: WrappedMachine
    by_symbol: dict[str, tuple[CompiledStrategy, ...]]

    @classmethod
    def of(cls, book: CompiledBook) -> Engine:
        """The engine of a compiled book."""
        by_symbol: dict[str, list[CompiledStrategy]] = {}
        for strategy in book.strategies:
            by_symbol.setdefault(strategy.rules.symbol, []).append(strategy)
        return cls(
            book,
            OrderStateMachine(book.rules.order_machine, book.guards),
            WrappedMachine(book.rules.desk_machine, book.guards),
            {symbol: tuple(found) for symbol, found in by_symbol.items()},
        )


class Step:
    """What one step gathers: it becomes the outcome."""

    __slots__ = ("at_ns", "commands", "decisions", "desk_moved", "log", "notes", "trades")

    def __init__(self, at_ns: int) -> None:
        self.at_ns = at_ns
        self.decisions: list[Decision] = []
        self.log = TransactionLog()
        self.trades: list[Trade] = []
        self.notes: list[Note] = []
        self.commands: list[Command] = []
        self.desk_moved = False

    def outcome(self) -> Outcome:
        """The step as an outcome."""
        return Outcome(
            tuple(self.decisions),
            tuple(self.log.entries),
            tuple(self.trades),
            tuple(self.notes),
            tuple(self.commands),
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


def tell_desk(engine: Engine, state: DeskState, step: Step, event: str) -> None:
    """Fire an event of the desk's machine; a change of state is noted."""
    fired = engine.desk.fire(state.state_name, event)
    if fired.state != state.state_name:
        step.notes.append(
            DeskStateChanged(step.at_ns, event, state.state_name, fired.state, fired.row.id)
        )
        set_desk_state(engine, state, fired.state)
        step.desk_moved = True


def set_desk_state(engine: Engine, state: DeskState, name: str) -> None:
    """Put the desk into a state, as the rules' facts see it too."""
    state.state_name = name
    names = [item.name for item in engine.book.rules.desk_machine.states]
    state.desk.state_code = names.index(name)
