"""What must be true of every simulated day, however bad: the desk's books are the world's."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from mqd.brokers.books import CANCELED, EXPIRED, FILLED, REJECTED, ZERO
from mqd.brokers.faulty import FaultyBroker
from mqd.brokers.world import MANUAL
from mqd.engine.core import Engine
from mqd.engine.entries import cash_of
from mqd.engine.ledger import EXACT
from mqd.engine.reconcile import CLEAN, MENDED, WAITS
from mqd.engine.state import DeskState
from mqd.model.command import SubmitOrder
from mqd.model.decision import IncidentRaised, Outcome, Reconciled
from mqd.model.event import DeskStarted, Event, SnapshotFailed, StreamLost, StreamRestored
from mqd.model.fill import BUST, CORRECTION, REPORTED
from mqd.model.order import ENTRY, EXTERNAL

_ENDED = {
    FILLED: "FILLED",
    CANCELED: "CANCELLED",
    EXPIRED: "EXPIRED",
    REJECTED: "REJECTED",
}
_NEVER = frozenset(
    {
        "InvariantViolatedError",
        "InvalidTransitionError",
        "BrokerEchoError",
        "MalformedExecutionError",
        "UnknownBrokerWordError",
        "OrphanedPositionError",
    }
)
_BY_OTHER_HANDS = frozenset({"PositionDriftError", "ReconciliationError", "ExecutionConflictError"})
_HANDS = ("manual_order", "manual_position", "busted", "corrected")
_IN_STEP = frozenset({CLEAN, MENDED})


class Comparing:
    """Whether the desk may open anything: it may not before it has compared itself anew.

    Told from the journal alone: what the desk itself believes of it is what is being checked.
    """

    def __init__(self) -> None:
        self._has_compared = False
        self._is_stream_down = False

    def broken_by(self, event: Event, outcome: Outcome, state: DeskState) -> str | None:
        """The entry that left while the broker's side was not known, in words."""
        if isinstance(event, DeskStarted):
            self._has_compared = self._is_stream_down = False
        elif isinstance(event, StreamLost | StreamRestored):
            self._is_stream_down = isinstance(event, StreamLost)
        if isinstance(event, SnapshotFailed | StreamLost):
            self._has_compared = False
        for note in outcome.notes:
            if isinstance(note, Reconciled) and note.verdict != WAITS:  # which says nothing new
                self._has_compared = note.verdict in _IN_STEP and not self._is_stream_down
        if not self._has_compared:
            sent = (c.client_order_id for c in outcome.commands if isinstance(c, SubmitOrder))
            for order in (state.orders[order_id] for order_id in sent if order_id in state.orders):
                if order.role == ENTRY:
                    return f"{order.client_order_id} left before the desk had compared itself anew"
        return None


def broken_by(incident: IncidentRaised, broker: FaultyBroker) -> str | None:
    """What an incident proves about the desk, or None where the world is to blame."""
    what = f"{incident.error}: {incident.message}"
    if incident.error in _NEVER:
        return what
    if incident.error == "OverfillError" and not _was_changed(incident.subject, broker):
        return what
    other_hands = any(broker.dice.happened[fault] for fault in _HANDS)
    if incident.error in _BY_OTHER_HANDS and not other_hands:
        return f"{what}; nobody else touched the account"
    if incident.error == "UnknownOrderError" and not incident.subject.startswith(MANUAL):
        return f"{what}; the desk sent it"
    return None


def _was_changed(order_id: str, broker: FaultyBroker) -> bool:
    """Whether the broker changed an execution of this order: then it may trade those shares anew,
    and be heard of before the change is.
    """
    booked = broker.world.books.orders.get(order_id)
    return booked is not None and any(
        execution_id.startswith(f"{booked.broker_order_id}-")
        for execution_id in broker.world.changed
    )


def differences(engine: Engine, state: DeskState, broker: FaultyBroker) -> Iterator[str]:
    """Every way in which the desk's books are not the world's, once all is calm."""
    yield from _executions(state, broker)
    yield from _taken_back(state, broker)
    yield from _orders(engine, state, broker)
    yield from _positions(state, broker)


def own_profit_usd(state: DeskState) -> Decimal:
    """What the executions of the desk's own strategies have earned, without what is open."""
    total = ZERO
    for item in state.ledger.executions.values():
        if item.strategy != EXTERNAL:
            total = EXACT.add(total, cash_of(item))
    for position in state.ledger.positions.open_positions():
        if position.strategy != EXTERNAL:
            total = EXACT.add(total, position.cost_usd)
    return total


def wrong_profit(state: DeskState, earned_usd: Decimal) -> Iterator[str]:
    """What the loss limits read, against what the executions of this session have `earned_usd`."""
    if state.desk.realised_today != earned_usd:
        told = f"the desk's profit of the session is {state.desk.realised_today} USD"
        yield f"{told}, by its executions {earned_usd}"
    of_all = ZERO
    for facts in state.strategies.values():  # exactly: a sum of Python's rounds to 28 digits
        of_all = EXACT.add(of_all, facts.pnl_today)
    if of_all != earned_usd:
        yield f"its strategies count {of_all} USD for the session, by executions {earned_usd}"


def _executions(state: DeskState, broker: FaultyBroker) -> Iterator[str]:
    true = broker.world.own_executions()
    booked = {
        execution_id: item
        for execution_id, item in state.ledger.executions.items()
        if item.kind == REPORTED and item.client_order_id in state.orders
    }
    for execution_id, item in true.items():
        found = booked.get(execution_id)
        if found is None:
            if execution_id not in state.ledger.executions:
                yield f"execution {execution_id} happened and is not booked"
        elif (found.qty, found.price) != (item.qty, item.price):
            yield f"execution {execution_id} was {item.qty} at {item.price}, booked as {found}"
    for execution_id in booked.keys() - true.keys() - broker.world.changed:
        yield f"execution {execution_id} is booked and never happened"


def _taken_back(state: DeskState, broker: FaultyBroker) -> Iterator[str]:
    """What the broker took back and has told, also to a desk that was away."""
    of = {item.of for item in state.ledger.executions.values() if item.kind in {BUST, CORRECTION}}
    true = broker.world.own_executions()
    for execution_id in sorted(broker.world.changed - true.keys() - of):
        if execution_id in state.ledger.executions:  # else it died with the process that heard it
            yield f"execution {execution_id} was taken back, and the desk still counts it"


def _orders(engine: Engine, state: DeskState, broker: FaultyBroker) -> Iterator[str]:
    busted = broker.dice.happened["busted"]  # filled for the broker, and not by its executions
    for order_id, order in state.orders.items():
        is_working = order.state not in engine.orders.terminal
        booked = broker.world.books.orders.get(order_id)
        if is_working:
            there = "is not there" if booked is None else f"is {booked.status} there"
            yield f"{order_id} is {order.state} for the desk and {there}"
        elif booked is not None and order.state != _ENDED.get(booked.status) and not busted:
            yield f"{order_id} is {order.state} for the desk and {booked.status} there"
    for order_id in broker.world.own.keys() - state.orders.keys():
        yield f"{order_id} was sent and the desk does not know it"


def _positions(state: DeskState, broker: FaultyBroker) -> Iterator[str]:
    positions = state.ledger.positions
    held = {item.symbol: ZERO for item in broker.world.books.snapshot(0, 0, ZERO).positions}
    held |= {item.symbol: ZERO for item in positions.open_positions()}
    for symbol in sorted(held):
        here, there = positions.held(symbol), broker.world.books.position(symbol)
        if here != there:
            yield f"{symbol}: the desk counts {here}, the account holds {there}"
        own, true = _own(state, symbol), broker.world.own_position(symbol)
        if own != true and not broker.dice.happened["busted"]:
            yield f"{symbol}: {own} are the desk's by its books, {true} by its executions"
        if own:
            yield f"{symbol}: {own} are left after a whole calm session"
    if not any(broker.dice.happened[fault] for fault in _HANDS):
        here_usd = state.ledger.cash_delta_usd
        there_usd = broker.world.books.cash_delta_usd
        if here_usd != there_usd:
            yield f"cash moved by {here_usd} USD by the desk's books, by {there_usd} there"


def _own(state: DeskState, symbol: str) -> Decimal:
    return sum(
        (
            item.qty
            for item in state.ledger.positions.open_positions()
            if item.symbol == symbol and item.strategy != EXTERNAL
        ),
        ZERO,
    )
