"""News from the broker: acknowledgements, fills and endings, each through the lifecycle table."""

from __future__ import annotations

from mqd.engine.core import Engine, Step, raise_incident
from mqd.engine.ledger import EXACT, Booked
from mqd.engine.state import DeskState
from mqd.ground.errors import MqdError, OverfillError, UnknownOrderError
from mqd.model.command import CancelOrder
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
from mqd.model.order import ENTRY, EXIT, Order

MACHINE_EVENT: dict[type, str] = {
    OrderAcknowledged: "acknowledged",
    OrderFilled: "filled",
    OrderCancelled: "cancelled",
    OrderRejected: "rejected",
    OrderExpired: "expired",
    OrderOutcomeLost: "outcome_lost",
    OrderNotFound: "not_found",
}


def on_broker_event(engine: Engine, state: DeskState, event: BrokerEvent, step: Step) -> None:
    """One piece of news about one order; a fill is booked whatever the order's state."""
    order = state.orders.get(event.client_order_id)
    if order is None:
        what = f"a fill of {event.qty}" if isinstance(event, OrderFilled) else type(event).__name__
        error = UnknownOrderError(f"{what} for {event.client_order_id}, which is not ours")
        raise_incident(engine, state, step, error, event.client_order_id)
    elif isinstance(event, OrderFilled):
        _on_fill(engine, state, event, order, step)
    else:
        if isinstance(event, OrderAcknowledged):
            order = _confirmed(order, event.broker_order_id)
        move_order(engine, state, order, MACHINE_EVENT[type(event)], step)


def _confirmed(order: Order, broker_order_id: str) -> Order:
    """The order with the broker's id; the first one it was given stands."""
    return order._replace(broker_order_id=order.broker_order_id or broker_order_id or None)


def move_order(engine: Engine, state: DeskState, order: Order, event: str, step: Step) -> Order:
    """Let one event act on an order that already carries what the event brought with it."""
    before = order.state
    error: MqdError | None = None
    try:
        order = engine.orders.apply(order, event, step.at_ns, step.log)
    except MqdError as caught:
        error = caught
    state.orders[order.client_order_id] = order
    if order.state in engine.orders.terminal and before not in engine.orders.terminal:
        state.working.discard(order.client_order_id)
        if _is_entry_without_fill(state, order):
            state.strategies[order.strategy].entries_today -= 1
    count_working(state, order.symbol)
    if error is not None:  # last, because it may move the desk, and with it other orders
        raise_incident(engine, state, step, error, order.client_order_id)
    return order


def ask_back(engine: Engine, state: DeskState, order: Order, reason: str, step: Step) -> None:
    """Ask the broker to cancel, once: an order that is asked back already is left alone."""
    if move_order(engine, state, order, "cancel_requested", step).state != order.state:
        step.commands.append(CancelOrder(step.at_ns, order.client_order_id, reason))


def ask_back_entries(engine: Engine, state: DeskState, step: Step) -> None:
    """A desk that opens nothing any more asks every entry back that still works."""
    if state.state_name != engine.desk.rules.initial:
        for order in in_age_order(state):
            if order.role == ENTRY:
                ask_back(engine, state, order, f"DESK_{state.state_name}", step)


def _on_fill(
    engine: Engine, state: DeskState, event: OrderFilled, order: Order, step: Step
) -> None:
    execution = Execution(
        event.execution_id, event.client_order_id, order.strategy, order.symbol, order.side,
        event.qty, event.price, event.fee_usd, event.at_ns,
    )  # fmt: skip
    try:
        booked = state.ledger.book(execution, order.reason, order.rules_digest)
    except MqdError as error:
        raise_incident(engine, state, step, error, event.execution_id)
        return
    if booked is None:
        state.counts["duplicate_fills"] += 1
        return
    if order.state in engine.orders.terminal and _is_entry_without_fill(state, order):
        state.strategies[order.strategy].entries_today += 1  # it was given back too early
    _follow_booked(engine, state, order, booked, step)
    order = _confirmed(order, event.broker_order_id)
    order = order._replace(filled_qty=EXACT.add(order.filled_qty, event.qty))
    move_order(engine, state, order, "filled", step)
    if order.filled_qty > order.qty:
        overfill = OverfillError(
            f"{order.client_order_id}: {order.filled_qty} filled of {order.qty} ordered"
        )
        raise_incident(engine, state, step, overfill, order.client_order_id)


def _follow_booked(
    engine: Engine, state: DeskState, order: Order, booked: Booked, step: Step
) -> None:
    """Positions, profit and trades after a fill; before anything else can go wrong with it."""
    follow_ledger(engine, state, order.strategy, order.symbol)
    strategy = state.strategies[order.strategy]
    strategy.pnl_today = EXACT.add(strategy.pnl_today, booked.realised_usd)
    strategy.pnl_today_usd = float(strategy.pnl_today)
    state.desk.realised_today = EXACT.add(state.desk.realised_today, booked.realised_usd)
    if booked.trade is not None:
        step.trades.append(booked.trade)
    mark_to_market(state)


def follow_ledger(engine: Engine, state: DeskState, strategy_id: str, symbol: str) -> None:
    """Set the facts of a position to what the ledger says.

    A strategy's own facts are those of the symbol it trades now; a late fill of another symbol,
    which it traded under older rules, is the symbol's and the desk's.
    """
    if any(item.rules.id == strategy_id for item in engine.by_symbol.get(symbol, ())):
        position = state.ledger.positions.get(strategy_id, symbol)
        facts = state.strategies[strategy_id]
        facts.position_open = position.is_open
        facts.position_qty = float(position.qty)
        facts.entry_price = float(position.entry_price or 0)
    state.symbol(symbol).position_qty = float(state.ledger.positions.held(symbol))
    _count_positions(state)


def _count_positions(state: DeskState) -> None:
    """Positions held, and those that an entry on its way may open."""
    held = {(item.strategy, item.symbol) for item in state.ledger.positions.open_positions()}
    orders = [state.orders[order_id] for order_id in state.working]
    coming = {(order.strategy, order.symbol) for order in orders if order.role == ENTRY}
    state.desk.open_positions = len(held | coming)


def mark_to_market(state: DeskState) -> None:
    """The desk's P&L of the session: realised, and open shares at their last close."""
    open_usd = 0.0
    for position in state.ledger.positions.open_positions():
        last_close = state.symbol(position.symbol).last_close
        open_usd += float(position.qty) * last_close - float(position.cost_usd)
    state.desk.pnl_usd = float(state.desk.realised_today) + open_usd


def count_working(state: DeskState, symbol: str) -> None:
    """How many orders on the symbol have not ended, and what they may still open."""
    state.symbol(symbol).working_orders = sum(
        1 for order_id in state.working if state.orders[order_id].symbol == symbol
    )
    _count_positions(state)


def count_exits(state: DeskState, strategy: str, symbol: str) -> int:
    """How many exits of the strategy on the symbol have not ended."""
    orders = [state.orders[order_id] for order_id in state.working]
    wanted = (strategy, symbol, EXIT)
    return sum(1 for order in orders if (order.strategy, order.symbol, order.role) == wanted)


def in_age_order(state: DeskState) -> list[Order]:
    """Every order that has not ended, oldest first."""
    found = [state.orders[order_id] for order_id in state.working]
    return sorted(found, key=lambda order: (order.created_ns, order.client_order_id))


def working_orders(state: DeskState, strategy: str, symbol: str, role: str) -> list[Order]:
    """The strategy's orders of one role on a symbol that have not ended, oldest first."""
    wanted = (strategy, symbol, role)
    return [
        order
        for order in in_age_order(state)
        if (order.strategy, order.symbol, order.role) == wanted
    ]


def _is_entry_without_fill(state: DeskState, order: Order) -> bool:
    """An entry of this session without a fill: once it has ended, it used up no trade."""
    is_from_today = order.created_ns >= state.session.open_ns
    return order.role == ENTRY and not order.filled_qty and is_from_today
