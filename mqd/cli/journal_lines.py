"""Journal entries as one readable line each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mqd.cli.happenings import both_times
from mqd.ground.canonical import decimal_text
from mqd.ground.times import iso_utc
from mqd.model.command import CancelOrder, SubmitOrder
from mqd.model.decision import (
    BarSetAside,
    Decision,
    DeskStateChanged,
    IncidentRaised,
    ProtectionTripped,
)
from mqd.model.event import (
    BarClosed,
    DeskStarted,
    Event,
    FeedDefectFound,
    OrderFilled,
    OrderRejected,
    SessionClosed,
    SessionOpened,
)
from mqd.model.order import OrderStateChangedEvent
from mqd.model.position import Trade
from mqd.ports.journal import JournalEntry
from mqd.publish.figures import exact, price_text, signed_usd
from mqd.publish.recorded_values import finite
from mqd.publish.records import Record, records_of
from mqd.publish.tables import DecisionTable

_NOT_COMMITTED = "the process stopped before the outcome was committed"
TableOf = Callable[[str], DecisionTable]


def entry_line(entry: JournalEntry, table_of: TableOf) -> str:
    """An entry: its number, its times, what happened, what came of it."""
    parts = [_record_text(record, table_of) for record in records_of(entry.outcome)]
    if entry.outcome is None:
        parts = [_NOT_COMMITTED]
    led_to = f"  =>  {'; '.join(parts)}" if parts else ""
    return f"{entry.seq:>7}  {both_times(entry.event.at_ns)}  {event_text(entry.event)}{led_to}"


def entry_row(entry: JournalEntry, table_of: TableOf) -> dict[str, Any]:
    """An entry for a program; times in UTC."""
    return {
        "seq": entry.seq,
        "at": iso_utc(entry.event.at_ns),
        "event": type(entry.event).__name__,
        "text": event_text(entry.event),
        "outcome": [_record_text(record, table_of) for record in records_of(entry.outcome)],
        "committed": entry.outcome is not None,
    }


def event_text(event: Event) -> str:
    """What the world said, in a few words."""
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
        case OrderFilled():
            filled = f"{decimal_text(event.qty)} @ {price_text(event.price)}"
            return f"filled {filled} {event.client_order_id}"
        case OrderRejected():
            return f"rejected {event.client_order_id}: {event.code}, {event.reason}"
    return f"{type(event).__name__} {event.client_order_id}"


def _record_text(record: Record, table_of: TableOf) -> str:
    match record:
        case Decision():
            return _decision_text(record, table_of(record.rules_digest))
        case OrderStateChangedEvent():
            return f"{record.from_state or 'new'} -> {record.to_state}"
        case Trade():
            return f"trade {record.exit_reason} {signed_usd(record.pnl_usd)} USD"
        case BarSetAside():
            return f"set aside: {', '.join(record.codes)}"
        case ProtectionTripped():
            return f"{record.protection} tripped until {both_times(record.until_ns)}"
        case IncidentRaised():
            return f"incident {record.error}: {record.message}"
        case DeskStateChanged():
            return f"desk {record.from_state} -> {record.to_state}"
        case SubmitOrder():
            return f"send {record.side.upper()} {decimal_text(record.qty)} {record.symbol}"
        case CancelOrder():
            return f"cancel {record.client_order_id}"


def _decision_text(decision: Decision, table: DecisionTable) -> str:
    codes = ", ".join(table.blocking(decision))
    return f"{decision.outcome}{': ' if codes else ''}{codes}"
