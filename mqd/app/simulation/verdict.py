"""What must be true of every simulated day, however bad: the desk's books are the world's."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from mqd.brokers.books import CANCELED, EXPIRED, FILLED, REJECTED, ZERO
from mqd.brokers.faulty import FaultyBroker
from mqd.brokers.world import MANUAL
from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.model.decision import IncidentRaised
from mqd.model.fill import REPORTED
from mqd.model.order import EXTERNAL

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
        "OverfillError",
        "MalformedExecutionError",
        "UnknownBrokerWordError",
        "OrphanedPositionError",
    }
)
_BY_OTHER_HANDS = frozenset({"PositionDriftError", "ReconciliationError", "ExecutionConflictError"})
_HANDS = ("manual_order", "manual_position", "busted", "corrected")


def broken_by(incident: IncidentRaised, broker: FaultyBroker) -> str | None:
    """What an incident proves about the desk, or None where the world is to blame."""
    what = f"{incident.error}: {incident.message}"
    if incident.error in _NEVER:
        return what
    other_hands = any(broker.dice.happened[fault] for fault in _HANDS)
    if incident.error in _BY_OTHER_HANDS and not other_hands:
        return f"{what}; nobody else touched the account"
    if incident.error == "UnknownOrderError" and not incident.subject.startswith(MANUAL):
        return f"{what}; the desk sent it"
    return None


def differences(engine: Engine, state: DeskState, broker: FaultyBroker) -> Iterator[str]:
    """Every way in which the desk's books are not the world's, once all is calm."""
    yield from _executions(state, broker)
    yield from _orders(engine, state, broker)
    yield from _positions(state, broker)


def _executions(state: DeskState, broker: FaultyBroker) -> Iterator[str]:
    true = broker.world.own_executions()
    booked = {
        execution_id: item
        for execution_id, item in state.ledger.executions.items()
        if item.kind == REPORTED and item.strategy != EXTERNAL
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
