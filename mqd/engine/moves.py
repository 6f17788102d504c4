"""Moving an order through its lifecycle, and the facts that follow from where the orders are."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from mqd.engine.core import Engine, Step, raise_incident
from mqd.engine.holdings import note_ended_exit, note_ended_stop, note_resting_stop
from mqd.engine.ledger import EXACT
from mqd.engine.state import DeskState
from mqd.ground.errors import MqdError
from mqd.model.command import CancelOrder
from mqd.model.order import ENTRY, EXIT, EXTERNAL, Order
from mqd.model.position import ZERO

UNKNOWN = "UNKNOWN"
PENDING_CANCEL = "PENDING_CANCEL"
NOT_SENT = "NOT_SENT"


def confirmed(order: Order, broker_order_id: str) -> Order:
    """The order with the broker's id; the first one it was given stands."""
    return order._replace(broker_order_id=order.broker_order_id or broker_order_id or None)


def heard_of(order: Order, at_ns: int) -> Order:
    """The broker has said something about the order."""
    return order._replace(updated_ns=at_ns, look_ups=0, was_taken=True)


def move_order(
    engine: Engine, state: DeskState, order: Order, event: str, step: Step, asked_ns: int = 0
) -> Order:
    """Let one event act on an order that already carries what the event brought with it."""
    before = order.state
    error: MqdError | None = None
    try:
        order = engine.orders.apply(order, event, step.at_ns, step.log, asked_ns)
        order = order._replace(updated_ns=state.now_ns)  # a broker's clock may be anywhere
    except MqdError as caught:
        error = caught
    state.orders[order.client_order_id] = order
    if order.state in engine.orders.terminal and before not in engine.orders.terminal:
        state.working.discard(order.client_order_id)
        note_ended_exit(state, order)
        note_ended_stop(state, order)
        if is_entry_without_fill(state, order):
            state.strategies[order.strategy].entries_today -= 1
    note_resting_stop(state, order, step)
    count_working(state, order.symbol)
    if error is not None:  # last, because it may move the desk
        raise_incident(engine, state, step, error, order.client_order_id)
    return order


def ask_back(engine: Engine, state: DeskState, order: Order, reason: str, step: Step) -> None:
    """Ask the broker to cancel; again only where it has not taken the request before.

    An order that never left the desk ends here and now: nobody else knows of it.
    """
    if waits_here(engine, order):
        move_order(engine, state, order, "not_found", step)
        return
    is_again = order.state == PENDING_CANCEL and not order.was_taken
    order = order._replace(asked_ns=state.now_ns, look_ups=0, was_taken=True)
    has_moved = move_order(engine, state, order, "cancel_requested", step).state != order.state
    if has_moved or is_again:
        moved = state.orders[order.client_order_id]
        state.orders[order.client_order_id] = moved._replace(
            times_asked_back=moved.times_asked_back + 1
        )
        step.commands.append(CancelOrder(step.at_ns, order.client_order_id, reason))


def waits_here(engine: Engine, order: Order) -> bool:
    """Whether the order was made and provably never sent, because another one has to end first."""
    return order.never_left and order.state == engine.orders.rules.initial


def count_working(state: DeskState, symbol: str) -> None:
    """How many orders on the symbol have not ended, and what they may still open."""
    facts = state.symbol(symbol)
    orders = [state.orders[order_id] for order_id in state.working]
    on_symbol = [order for order in orders if order.symbol == symbol]
    facts.working_orders = len(on_symbol)
    facts.unknown_orders = sum(1 for order in on_symbol if order.state == UNKNOWN)
    count_positions(state)


def count_positions(state: DeskState) -> None:
    """Positions held, and those that an entry on its way may open."""
    held = {(item.strategy, item.symbol) for item in state.ledger.positions.open_positions()}
    orders = [state.orders[order_id] for order_id in state.working]
    coming = {(order.strategy, order.symbol) for order in orders if order.role == ENTRY}
    state.desk.open_positions = len(held | coming)
    state.desk.working_orders = len(state.working)


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


def count_roles(state: DeskState, strategy: str, symbol: str) -> Counter[str]:
    """How many orders of each role the strategy has on the symbol that have not ended."""
    found: Counter[str] = Counter()
    for order_id in state.working:
        order = state.orders[order_id]
        if order.symbol == symbol and order.strategy == strategy:
            found[order.role] += 1
    return found


def count_exits(state: DeskState, strategy: str, symbol: str) -> int:
    """How many exits of the strategy on the symbol have not ended."""
    orders = [state.orders[order_id] for order_id in state.working]
    wanted = (strategy, symbol, EXIT)
    return sum(1 for order in orders if (order.strategy, order.symbol, order.role) == wanted)


def count_queued(state: DeskState) -> int:
    """How many orders of ours were handed over that have not ended and nobody has confirmed."""
    orders = [state.orders[order_id] for order_id in state.working]
    return sum(
        1
        for order in orders
        if order.broker_order_id is None and not order.filled_qty and not order.never_left
    )


def exit_excess(state: DeskState, order: Order) -> float:
    """Shares that an exit or a stop may still trade beyond the position it is to close."""
    return max(0.0, float(EXACT.minus(_left_uncovered(state, order))))


def stop_shortfall(state: DeskState, order: Order) -> float:
    """Shares of the position beyond those that its stop may still sell."""
    return max(0.0, float(_left_uncovered(state, order)))


def _left_uncovered(state: DeskState, order: Order) -> Decimal:
    """Shares of the position that the order does not close; negative where it has too many."""
    held = state.ledger.positions.get(order.strategy, order.symbol).qty
    can_leave = held if order.side == "sell" else EXACT.minus(held)
    rest = EXACT.subtract(order.qty, order.filled_qty)
    return EXACT.subtract(max(can_leave, ZERO), rest)


def is_entry_without_fill(state: DeskState, order: Order) -> bool:
    """An entry of this session without a fill: once it has ended, it used up no trade."""
    is_from_today = order.created_ns >= state.session.open_ns
    return order.role == ENTRY and not order.filled_qty and is_from_today


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
    state.symbol(symbol).position_qty = float(state.ledger.positions.open_qty(symbol))
    count_positions(state)


def mark_to_market(state: DeskState) -> None:
    """The desk's P&L of the session and of the week: realised, and open shares at the last close.

    What the account is worth moves with all that the desk ever earned.
    """
    open_usd = 0.0
    for position in state.ledger.positions.open_positions():
        last_close = state.symbol(position.symbol).last_close
        if position.strategy != EXTERNAL and last_close:
            open_usd += float(position.qty) * last_close - float(position.cost_usd)
    desk = state.desk
    desk.pnl_usd = float(desk.realised_today) + open_usd
    desk.week_pnl_usd = float(desk.realised_week) + open_usd
    state.history.mark(state.now_ns, float(desk.realised_ever) + open_usd)
