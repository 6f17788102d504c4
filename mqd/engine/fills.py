"""News from the broker: acknowledgements, fills and endings, each through the lifecycle table."""

from __future__ import annotations

from mqd.engine.core import Engine, Step, raise_incident
from mqd.engine.state import DeskState
from mqd.ground.errors import MqdError, OverfillError, UnknownOrderError
from mqd.model.event import (
    BrokerEvent,
    OrderAcknowledged,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderNotFound,
    OrderOutcomeLost,
    OrderRejected,
)
from mqd.model.fill import Execution
from mqd.model.order import ENTRY, Order

MACHINE_EVENT: dict[type, str] = {
    OrderAcknowledged: "acknowledged",
    OrderFilled: "filled",
    OrderCancelled: "cancelled",
    OrderRejected: "rejected",
    OrderExpired: "expired",
    OrderOutcomeLost: "outcome_lost",
    OrderNotFound: "not_found",
}
EXTERNAL = "external"


def on_broker_event(engine: Engine, state: DeskState, event: BrokerEvent, step: Step) -> None:
    """One piece of news about one order; a fill is booked whatever the order's state."""
    order = state.orders.get(event.client_order_id)
    if isinstance(event, OrderFilled):
        _on_fill(engine, state, event, order, step)
    elif order is None:
        error = UnknownOrderError(f"the broker reports on {event.client_order_id}, not ours")
        raise_incident(engine, state, step, error, event.client_order_id)
    else:
        if isinstance(event, OrderAcknowledged):
            order = order._replace(broker_order_id=event.broker_order_id)
        move_order(engine, state, order, MACHINE_EVENT[type(event)], step)


def move_order(engine: Engine, state: DeskState, order: Order, event: str, step: Step) -> None:
    """Let one event act on an order that already carries what the event brought."""
    before = order.state
    try:
        order = engine.orders.apply(order, event, step.at_ns, step.log)
    except MqdError as error:
        raise_incident(engine, state, step, error, order.client_order_id)
    state.orders[order.client_order_id] = order
    if order.state in engine.orders.terminal and before not in engine.orders.terminal:
        state.working.discard(order.client_order_id)
        _give_back_entry(state, order)
    count_working(state, order.symbol)


def _on_fill(
    engine: Engine, state: DeskState, event: OrderFilled, order: Order | None, step: Step
) -> None:
    execution = Execution(
        event.execution_id, event.client_order_id,
        order.strategy if order else EXTERNAL, order.symbol if order else "",
        order.side if order else "", event.qty, event.price, event.fee_usd, event.at_ns,
    )  # fmt: skip
    if order is None:
        error: MqdError = UnknownOrderError(
            f"a fill of {event.qty} for {event.client_order_id}, which is not ours"
        )
        raise_incident(engine, state, step, error, event.client_order_id)
        return
    try:
        booked = state.ledger.book(execution, order.reason, order.rules_digest)
    except MqdError as conflict:
        raise_incident(engine, state, step, conflict, event.execution_id)
        return
    if booked is None:
        state.counts["duplicate_fills"] += 1
        return
    order = order._replace(
        filled_qty=order.filled_qty + event.qty,
        broker_order_id=order.broker_order_id or event.broker_order_id or None,
    )
    move_order(engine, state, order, "filled", step)
    if order.filled_qty > order.qty:
        error = OverfillError(
            f"{order.client_order_id}: {order.filled_qty} filled of {order.qty} ordered"
        )
        raise_incident(engine, state, step, error, order.client_order_id)
    follow_ledger(state, order.strategy, order.symbol)
    strategy = state.strategies[order.strategy]
    strategy.pnl_today += booked.realised_usd
    strategy.pnl_today_usd = float(strategy.pnl_today)
    state.desk.realised_today += booked.realised_usd
    if booked.trade is not None:
        step.trades.append(booked.trade)
    mark_to_market(state)


def follow_ledger(state: DeskState, strategy_id: str, symbol: str) -> None:
    """Set the facts of a position to what the ledger says."""
    position = state.ledger.positions.get(strategy_id, symbol)
    facts = state.strategies[strategy_id]
    facts.position_open = position.is_open
    facts.position_qty = float(position.qty)
    facts.entry_price = float(position.entry_price or 0)
    state.symbol(symbol).position_qty = float(state.ledger.positions.held(symbol))
    state.desk.open_positions = len(state.ledger.positions.open_positions())


def mark_to_market(state: DeskState) -> None:
    """The desk's P&L of the session: realised, and open shares at their last close."""
    open_usd = 0.0
    for position in state.ledger.positions.open_positions():
        last_close = state.symbol(position.symbol).last_close
        open_usd += float(position.qty) * last_close - float(position.cost_usd)
    state.desk.pnl_usd = float(state.desk.realised_today) + open_usd


def count_working(state: DeskState, symbol: str) -> None:
    """How many orders on the symbol have not ended."""
    state.symbol(symbol).working_orders = sum(
        1 for order_id in state.working if state.orders[order_id].symbol == symbol
    )


def working_orders(state: DeskState, strategy: str, symbol: str, role: str) -> list[Order]:
    """The strategy's orders of one role on a symbol that have not ended, oldest first."""
    found = [state.orders[order_id] for order_id in state.working]
    mine = [
        order for order in found
        if (order.strategy, order.symbol, order.role) == (strategy, symbol, role)
    ]  # fmt: skip
    return sorted(mine, key=lambda order: (order.created_ns, order.client_order_id))


def _give_back_entry(state: DeskState, order: Order) -> None:
    """An entry of this session that ended without a fill used up no trade."""
    is_from_today = order.created_ns >= state.session.open_ns
    if order.role == ENTRY and not order.filled_qty and is_from_today:
        state.strategies[order.strategy].entries_today -= 1


