"""Executions: booked once, whatever the order's state, and never edited."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from mqd.engine.core import Engine, Step, raise_incident
from mqd.engine.holdings import follow_holding, tell_of_orphan
from mqd.engine.ledger import EXACT, Booked
from mqd.engine.moves import (
    confirmed,
    follow_ledger,
    heard_of,
    is_entry_without_fill,
    mark_to_market,
    move_order,
)
from mqd.engine.positions import closing_qty
from mqd.engine.state import DeskState
from mqd.ground.errors import (
    BrokerEchoError,
    MqdError,
    OverfillError,
    UnknownOrderError,
)
from mqd.model.event import OrderFilled
from mqd.model.fill import Execution
from mqd.model.order import EXTERNAL, Order
from mqd.model.position import ZERO
from mqd.model.snapshot import OrderReport


def on_fill(engine: Engine, state: DeskState, event: OrderFilled, order: Order, step: Step) -> None:
    """Book a fill of one of our orders."""
    if event.symbol and (event.symbol, event.side) != (order.symbol, order.side):
        echo = BrokerEchoError(
            f"{order.client_order_id}: sent {order.side} {order.symbol}, the broker fills "
            f"{event.side} {event.symbol}; execution {event.execution_id} was not booked"
        )
        raise_incident(engine, state, step, echo, event.execution_id)
        return
    execution = Execution(
        event.execution_id, event.client_order_id, order.strategy, order.symbol, order.side,
        event.qty, event.price, event.fee_usd, event.at_ns,
    )  # fmt: skip
    try:
        booked = state.ledger.book(execution, order.reason, order.rules_digest)
    except MqdError as error:
        state.desk.snapshot_is_due = True
        raise_incident(engine, state, step, error, event.execution_id)
        return
    if booked is None:
        state.counts["duplicate_fills"] += 1
        return
    _after_fill(engine, state, order, booked, event.broker_order_id, step)


def infer_fill(
    engine: Engine, state: DeskState, order: Order, report: OrderReport, step: Step
) -> Order:
    """Book what the broker's total says was filled and no execution has told yet."""
    if report.average_price is None:
        return order
    try:
        booked = state.ledger.infer(
            order.client_order_id, order.strategy, order.symbol, order.side, report.filled_qty,
            report.average_price, state.now_ns, order.reason, order.rules_digest,
        )  # fmt: skip
    except MqdError as error:
        state.desk.snapshot_is_due = True
        raise_incident(engine, state, step, error, order.client_order_id)
        return order
    if booked is None:
        return order
    return _after_fill(engine, state, order, booked, report.broker_order_id, step)


def _after_fill(
    engine: Engine, state: DeskState, order: Order, booked: Booked, broker_order_id: str, step: Step
) -> Order:
    """Positions first, then the order: its state never decides what is held."""
    if order.state in engine.orders.terminal and is_entry_without_fill(state, order):
        state.strategies[order.strategy].entries_today += 1  # it was given back too early
    state.symbol(order.symbol).filled_ns = state.now_ns
    follow_booked(engine, state, (order.strategy, order.symbol), booked, step)
    before_qty = order.filled_qty
    order = heard_of(confirmed(order, broker_order_id), state.now_ns)
    order = order._replace(filled_qty=state.ledger.filled(order.client_order_id))
    state.orders[order.client_order_id] = order
    if order.filled_qty <= before_qty:  # an execution that an earlier inference had told already
        return order
    order = move_order(engine, state, order, "filled", step)
    if order.filled_qty > order.qty:
        overfill = OverfillError(
            f"{order.client_order_id}: {order.filled_qty} filled of {order.qty} ordered"
        )
        raise_incident(engine, state, step, overfill, order.client_order_id)
    return order


def follow_booked(
    engine: Engine, state: DeskState, key: tuple[str, str], booked: Booked, step: Step
) -> None:
    """Positions, profit and trades after a booking; before anything else can go wrong with it."""
    step.booked.append(key)
    step.cash_moved_usd = EXACT.add(step.cash_moved_usd, booked.cash_usd)
    strategy_id, symbol = key
    is_new = key not in state.holdings
    follow_ledger(engine, state, strategy_id, symbol)
    follow_holding(state, key, step)
    if strategy_id != EXTERNAL:
        strategy = state.strategies[strategy_id]
        strategy.pnl_today = EXACT.add(strategy.pnl_today, booked.realised_usd)
        strategy.pnl_today_usd = float(strategy.pnl_today)
        desk, realised_usd = state.desk, booked.realised_usd
        desk.realised_today = EXACT.add(desk.realised_today, realised_usd)
        desk.realised_week = EXACT.add(desk.realised_week, realised_usd)
        desk.realised_ever = EXACT.add(desk.realised_ever, realised_usd)
        if booked.trade is not None:
            step.trades.append(booked.trade)
            state.history.add_trade(booked.trade)
    mark_to_market(state)
    if is_new:  # a late fill may open what these rules no longer look after
        tell_of_orphan(engine, state, key, step)


def on_foreign_fill(engine: Engine, state: DeskState, event: OrderFilled, step: Step) -> None:
    """A fill of an order that the desk never made: the position follows, and a person is told."""
    if event.execution_id in state.accounted:  # its shares came with a comparison already
        state.counts["duplicate_fills"] += 1
        return
    error = UnknownOrderError(f"a fill of {event.qty} for {event.client_order_id}, not ours")
    if event.symbol and event.side:
        before = len(state.ledger.executions)
        for execution in _shared_out(state, event):
            try:
                booked = state.ledger.book(execution, EXTERNAL.upper(), state.rules_digest)
            except MqdError as caught:
                state.desk.snapshot_is_due = True
                raise_incident(engine, state, step, caught, event.execution_id)
                return
            if booked is not None:
                follow_booked(engine, state, (execution.strategy, event.symbol), booked, step)
        if len(state.ledger.executions) == before:  # told before
            return
    state.desk.snapshot_is_due = True
    raise_incident(engine, state, step, error, event.client_order_id)


def _shared_out(state: DeskState, event: OrderFilled) -> Iterator[Execution]:
    """What goes against a position of ours closes it, whoever traded: it cannot be closed again.

    What is more than that is not ours, and is not sold; it has the id with a word behind it.
    """
    rest_id = f"{event.execution_id}-rest"
    known = state.ledger.executions.get(event.execution_id)
    strategy, qty = EXTERNAL, event.qty
    if not event.qty.is_finite():
        pass  # it is refused as a whole
    elif known is None:
        strategy, qty = _against(state, event)
    else:
        strategy = known.strategy
        qty = min(known.qty, qty) if rest_id in state.ledger.executions else qty
    whole = Execution(
        event.execution_id, event.client_order_id, strategy, event.symbol, event.side,
        event.qty, event.price, event.fee_usd, event.at_ns,
    )  # fmt: skip
    yield whole._replace(qty=qty)
    if qty < event.qty:
        rest = EXACT.subtract(event.qty, qty)
        yield whole._replace(execution_id=rest_id, strategy=EXTERNAL, qty=rest, fee_usd=ZERO)


def _against(state: DeskState, event: OrderFilled) -> tuple[str, Decimal]:
    for position in state.ledger.positions.open_positions():
        is_ours = position.symbol == event.symbol and position.strategy != EXTERNAL
        closing = closing_qty(position, event.side, event.qty)
        if is_ours and closing > 0:
            return position.strategy, closing
    return EXTERNAL, event.qty


def adopt(
    engine: Engine,
    state: DeskState,
    key: tuple[str, str],
    difference: Decimal,
    price: Decimal,
    step: Step,
) -> None:
    """Take the broker's side of a position: the difference becomes an execution of its own."""
    try:
        booked = state.ledger.adopt(*key, difference, price, state.now_ns)
    except MqdError as error:
        raise_incident(engine, state, step, error, key[1])
        return
    follow_booked(engine, state, key, booked, step)
