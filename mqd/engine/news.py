"""News from the broker: each piece goes to the order it is about, through the lifecycle table."""

from __future__ import annotations

from decimal import Decimal

from mqd.engine.afterthoughts import on_afterthought, take_fill
from mqd.engine.breaker import on_request_answered
from mqd.engine.core import Engine, Step, raise_incident
from mqd.engine.fills import infer_fill
from mqd.engine.moves import PENDING_CANCEL, confirmed, heard_of, move_order
from mqd.engine.state import DeskState
from mqd.ground.errors import (
    BrokerEchoError,
    LockedOutError,
    UnauthorizedAIActionError,
    UnknownBrokerWordError,
    UnknownOrderError,
    UnreadableNewsError,
)
from mqd.model.command import LookUpOrder
from mqd.model.event import (
    BrokerEvent,
    BrokerLockedOut,
    CancelRefused,
    ExecutionBusted,
    ExecutionCorrected,
    FeeCharged,
    OrderAcknowledged,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderNotFound,
    OrderNotTaken,
    OrderOutcomeLost,
    OrderReachedFor,
    OrderRejected,
    OrderReported,
    RequestAnswered,
    SnapshotFailed,
    StreamLost,
    StreamRestored,
    UnreadableReceived,
)
from mqd.model.order import Order
from mqd.model.snapshot import OrderReport

MACHINE_EVENT: dict[type, str] = {
    OrderAcknowledged: "acknowledged",
    OrderFilled: "filled",
    OrderCancelled: "cancelled",
    OrderRejected: "rejected",
    OrderExpired: "expired",
    OrderOutcomeLost: "outcome_lost",
    OrderNotFound: "not_found",
    OrderNotTaken: "not_taken",
    CancelRefused: "cancel_refused",
}
_STAYS = "stays"
_FILLED = "filled"
_ACKNOWLEDGED = "acknowledged"
_ENDS = frozenset({_FILLED, "cancelled", "expired", "rejected"})  # no newer news undoes an end


def on_broker_event(engine: Engine, state: DeskState, event: BrokerEvent, step: Step) -> None:
    """One piece of news; a fill is booked whatever the order's state."""
    if isinstance(event, RequestAnswered):  # of the line, not of what the broker has
        on_request_answered(engine, state, event, step)
        return
    if isinstance(event, OrderReachedFor):  # within the desk; the broker knows nothing of it
        error = UnauthorizedAIActionError(f"{event.what}: only the loop sends; nothing was sent")
        raise_incident(engine, state, step, error, "broker")
        return
    state.news_since_ask += 1
    match event:
        case OrderFilled():
            take_fill(engine, state, event, step)
        case OrderReported():
            on_report(engine, state, event.report, step)
        case ExecutionBusted() | ExecutionCorrected() | FeeCharged():
            on_afterthought(engine, state, event, step)
        case StreamLost() | StreamRestored() | BrokerLockedOut() | UnreadableReceived():
            _on_line(engine, state, event, step)
        case SnapshotFailed():
            # Nothing is known, which is not the same as nothing: the desk's patience asks again.
            state.desk.is_in_step = state.desk.is_waiting_for_snapshot = False
        case _:
            _on_order_news(engine, state, event, step)


def _on_line(engine: Engine, state: DeskState, event: BrokerEvent, step: Step) -> None:
    """The line to the broker: whether it is there, and whether what it says can be read."""
    match event:
        case StreamLost():
            state.streams_down.add(event.stream)
            state.desk.is_in_step = False
        case StreamRestored():
            state.streams_down.discard(event.stream)
            state.desk.snapshot_is_due = True
        case BrokerLockedOut():
            state.desk.is_in_step = False
            raise_incident(engine, state, step, LockedOutError(event.reason), "broker")
        case UnreadableReceived():
            state.desk.snapshot_is_due = True
            error = UnreadableNewsError(f"{event.stream}: {event.reason}")
            raise_incident(engine, state, step, error, event.stream)


def _on_order_news(engine: Engine, state: DeskState, event: BrokerEvent, step: Step) -> None:
    order_id: str = event.client_order_id  # type: ignore[union-attr]  # all others carry one
    order = state.orders.get(order_id)
    if order is None:
        error = UnknownOrderError(f"{type(event).__name__} for {order_id}, which is not ours")
        state.desk.snapshot_is_due = True
        raise_incident(engine, state, step, error, order_id)
        return
    if isinstance(event, OrderNotFound) and _was_asked_before(event, order):
        return  # it was sent, or heard of, after the question: the answer is older than that
    state.desk.refused_orders += isinstance(event, OrderRejected)
    if isinstance(event, OrderAcknowledged):
        order = confirmed(order, event.broker_order_id)
        _compare_if_given_up(state, order)
    if isinstance(event, OrderOutcomeLost):
        order = order._replace(updated_ns=state.now_ns)
    elif isinstance(event, OrderNotTaken):
        order = order._replace(was_taken=False, updated_ns=state.now_ns)
    else:
        order = heard_of(order, state.now_ns)
    if isinstance(event, OrderCancelled | OrderExpired) and _ends_too_early(state, event, order):
        # The broker filled more than we have heard of: that is fetched and booked first.
        state.orders[order_id] = order._replace(asked_ns=state.now_ns)
        step.commands.append(LookUpOrder(step.at_ns, order_id))
        return
    asked_ns = event.asked_ns if isinstance(event, OrderNotFound) else 0
    move_order(engine, state, order, MACHINE_EVENT[type(event)], step, asked_ns)


def _was_asked_before(event: OrderNotFound, order: Order) -> bool:
    return (event.asked_ns or event.at_ns) < max(order.sent_ns, order.updated_ns)


def _ends_too_early(state: DeskState, event: OrderCancelled | OrderExpired, order: Order) -> bool:
    told = event.filled_qty
    return told is not None and told > state.ledger.filled(order.client_order_id)


def on_report(engine: Engine, state: DeskState, report: OrderReport, step: Step) -> None:
    """The broker's whole view of one order: what is filled first, then what state it is in."""
    order = state.orders.get(report.client_order_id)
    if order is None:
        error = UnknownOrderError(f"a report on {report.client_order_id}, which is not ours")
        raise_incident(engine, state, step, error, report.client_order_id)
        return
    meaning = _meaning(engine, state, report, order, step)
    if meaning is None:
        return
    booked_qty = state.ledger.filled(order.client_order_id)
    if report.filled_qty < booked_qty and meaning not in _ENDS:
        return  # older than what we know: the filled quantity never falls
    look_ups = order.look_ups
    order = heard_of(confirmed(order, report.broker_order_id), state.now_ns)
    if meaning == _STAYS:
        order = order._replace(look_ups=look_ups)  # an answer that leaves the question open
    if order.state == PENDING_CANCEL and meaning == _ACKNOWLEDGED:
        order = order._replace(was_taken=False)  # it works there; of our cancel nothing is known
    if meaning == _ACKNOWLEDGED:
        _compare_if_given_up(state, order)
    state.orders[order.client_order_id] = order
    if report.filled_qty > booked_qty:
        order = infer_fill(engine, state, order, report, step)
        if order.filled_qty < report.filled_qty and meaning in _ENDS:
            return  # it does not end before all that was filled of it is booked
    if meaning == _FILLED:
        # Done there with less than was ordered: an execution was taken back, the rest is gone.
        meaning = "cancelled" if report.filled_qty < report.qty else _FILLED
        if order.state in engine.orders.terminal:
            return
    if meaning != _STAYS:
        move_order(engine, state, order, meaning, step)


def _meaning(
    engine: Engine, state: DeskState, report: OrderReport, order: Order, step: Step
) -> str | None:
    """What the broker's word means for the order; None, and told, where nothing can follow."""
    sent = (order.symbol, order.side, order.qty, order.stop_price)
    stop_price = order.stop_price if report.stop_price is None else report.stop_price
    if (report.symbol, report.side, report.qty, stop_price) != sent:
        echo = BrokerEchoError(
            f"{order.client_order_id}: sent {_terms(*sent)}, the broker has "
            f"{_terms(report.symbol, report.side, report.qty, report.stop_price)}"
        )
        raise_incident(engine, state, step, echo, order.client_order_id)
        return None
    meaning = engine.broker_words.get(report.status)
    if meaning is None:
        unknown = UnknownBrokerWordError(
            f"{order.client_order_id} is {report.status!r} at the broker, a word without a rule"
        )
        raise_incident(engine, state, step, unknown, order.client_order_id)
    return meaning


def _terms(symbol: str, side: str, qty: Decimal, stop_price: Decimal | None) -> str:
    return f"{side} {qty} {symbol}" + (f", stop {stop_price}" if stop_price is not None else "")


def _compare_if_given_up(state: DeskState, order: Order) -> None:
    """Compare, where the broker has an order of ours that counts as ended and never had an id."""
    order_id = order.client_order_id
    if order_id not in state.working and state.orders[order_id].broker_order_id is None:
        state.desk.snapshot_is_due = True
