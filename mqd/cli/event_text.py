"""What the world said, in a few words: one event of the journal."""

from __future__ import annotations

from mqd.ground.canonical import decimal_text
from mqd.model.event import (
    BarClosed,
    BrokerLockedOut,
    CancelRefused,
    ClockTicked,
    DeskStarted,
    Event,
    ExecutionBusted,
    ExecutionCorrected,
    FeeCharged,
    FeedDefectFound,
    FrameReceived,
    OperatorActed,
    OrderFilled,
    OrderNotTaken,
    OrderReachedFor,
    OrderRejected,
    OrderReported,
    RequestAnswered,
    SeriesValueTold,
    SessionClosed,
    SessionOpened,
    SnapshotFailed,
    SnapshotTaken,
    StreamLost,
    StreamRestored,
    UnreadableReceived,
)
from mqd.publish.figures import exact, price_text
from mqd.publish.recorded_values import finite


def event_text(event: Event) -> str:
    """One event in a few words."""
    match event:
        case DeskStarted():
            return f"desk started: {event.profile}, rules {event.rules_digest[:12]}"
        case SessionOpened():
            return f"session {event.date} opened"
        case SessionClosed():
            return f"session {event.date} closed"
        case BarClosed():
            close = finite(event.close)
            return f"bar {event.symbol} {'unknown' if close is None else price_text(exact(close))}"
        case FeedDefectFound():
            return f"feed {event.code} {event.symbol}: {event.detail}"
        case ClockTicked():
            return "the clock ticked"
        case FrameReceived():
            return f"a message of {event.stream}"
        case SeriesValueTold():
            value = decimal_text(event.value)
            return f"{event.series} {value} of {event.date}, good through {event.good_through}"
        case OperatorActed():
            button = f"{event.action} {event.strategy}".rstrip()
            return f"{button} by {event.by}: {event.reason}"
    return _broker_text(event)


def _broker_text(event: Event) -> str:
    match event:
        case OrderFilled():
            return f"filled {_traded(event)} {event.client_order_id}"
        case OrderRejected() | OrderNotTaken() | CancelRefused():
            word = {OrderRejected: "rejected", OrderNotTaken: "not taken"}.get(
                type(event), "cancel refused"
            )
            return f"{word} {event.client_order_id}: {event.code}, {event.reason}"
        case OrderReported(report=report):
            filled = f"{decimal_text(report.filled_qty)} of {decimal_text(report.qty)} filled"
            return f"reported {report.client_order_id}: {report.status}, {filled}"
        case ExecutionBusted():
            return f"busted {event.execution_id}"
        case ExecutionCorrected():
            return f"corrected {event.execution_id} to {_traded(event)}"
        case FeeCharged():
            return f"fee of {decimal_text(event.fee_usd)} USD for {event.execution_id}"
        case SnapshotTaken():
            count = f"{len(event.positions)} positions, {len(event.orders)} orders"
            return f"the broker has {count}, {len(event.executions)} executions"
        case SnapshotFailed():
            return f"the broker could not be asked: {event.reason}"
    return _line_text(event)


def _line_text(event: Event) -> str:
    match event:
        case StreamLost() | StreamRestored():
            word = "lost" if isinstance(event, StreamLost) else "restored"
            return f"stream {event.stream} {word}"
        case RequestAnswered():
            return f"{event.request}: {event.outcome} after {event.took_ms:,} ms"
        case BrokerLockedOut():
            return f"locked out: {event.reason}"
        case UnreadableReceived():
            return f"unreadable, from {event.stream}: {event.reason}"
        case OrderReachedFor():
            return f"refused, not from the loop: {event.what}"
    return f"{type(event).__name__} {getattr(event, 'client_order_id', '')}".rstrip()


def _traded(event: OrderFilled | ExecutionCorrected) -> str:
    return f"{decimal_text(event.qty)} @ {price_text(event.price)}"
