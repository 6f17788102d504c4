"""The engine: one rule book, made ready to step, and the parts that one step shares."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from mqd.engine.machine import WrappedMachine
from mqd.engine.orders import OrderStateMachine, TransactionLog
from mqd.engine.state import DeskState
from mqd.ground.errors import Incident, InvariantError, MqdError, UnknownOutcome
from mqd.model.command import Command
from mqd.model.decision import Decision, DeskStateChanged, IncidentRaised, Note, Outcome
from mqd.model.position import Trade
from mqd.rules.book import Row
from mqd.rules.compile.book import CompiledBook
from mqd.rules.compile.strategy import CompiledStrategy

TIME_PASSED = "time_passed"


class Engine(NamedTuple):
    """A compiled book with its machines; nothing in it changes.

    `breaker_waits` are the states of the breaker that the passing of time may lead out of.
    """

    book: CompiledBook
    orders: OrderStateMachine
    desk: WrappedMachine
    by_symbol: dict[str, tuple[CompiledStrategy, ...]]
    order_state_codes: dict[str, int]
    broker_words: dict[str, str]
    breaker: WrappedMachine
    breaker_waits: frozenset[str]

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
            {item.name: code for code, item in enumerate(book.rules.order_machine.states)},
            {item.word: item.means for item in book.rules.broker_words.statuses},
            WrappedMachine(book.rules.breaker_machine, book.guards),
            frozenset(
                state
                for (state, event), row in book.rules.breaker_machine.table.items()
                if event == TIME_PASSED and row.target not in {None, state}
            ),
        )


class Step:
    """What one step gathers: it becomes the outcome.

    `booked` are the positions that the ledger moved, `cash_moved_usd` by how much by the
    executions themselves; `state_before` is the desk's state when the step began.
    """

    __slots__ = (
        "at_ns", "booked", "cash_before_usd", "cash_moved_usd", "commands", "decisions",
        "log", "notes", "state_before", "trades",
    )  # fmt: skip

    def __init__(self, at_ns: int, state: DeskState) -> None:
        self.at_ns = at_ns
        self.state_before = state.state_name
        self.booked: list[tuple[str, str]] = []
        self.cash_before_usd = state.ledger.cash_delta_usd
        self.cash_moved_usd = Decimal(0)
        self.decisions: list[Decision] = []
        self.log = TransactionLog()
        self.trades: list[Trade] = []
        self.notes: list[Note] = []
        self.commands: list[Command] = []

    @property
    def touched(self) -> bool:
        """Whether orders or the ledger were touched, so that the invariants are looked at."""
        return bool(self.log.entries or self.booked or self.commands)

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
