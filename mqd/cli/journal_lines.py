"""Journal entries as one readable line each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mqd.cli.event_text import event_text
from mqd.cli.happenings import both_times
from mqd.ground.canonical import decimal_text
from mqd.ground.times import iso_utc
from mqd.model.command import CancelOrder, LookUpOrder, SubmitOrder, TakeSnapshot
from mqd.model.decision import (
    AllocationChanged,
    BarSetAside,
    BreakerMoved,
    Decision,
    DeskStateChanged,
    DriftFound,
    EntryMadeSmaller,
    IdleOutOfBand,
    IncidentRaised,
    OperatorHeard,
    PromotionProposed,
    ProtectionReleased,
    ProtectionTripped,
    Reconciled,
    SignalsConflict,
    StrategyJudged,
    StrategyMoved,
    ThesisJudged,
    TradeWatched,
    WatchActed,
)
from mqd.model.order import OrderStateChangedEvent
from mqd.model.position import Trade
from mqd.ports.journal import JournalEntry
from mqd.publish.figures import duration_text, record_text, signed_usd
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


def _record_text(record: Record, table_of: TableOf) -> str:
    match record:
        case Decision():
            return _decision_text(record, table_of(record.rules_digest))
        case OrderStateChangedEvent():
            return f"{record.from_state or 'new'} -> {record.to_state}"
        case Trade():
            return f"trade {record.exit_reason} {signed_usd(record.pnl_usd)} USD"
        case SubmitOrder():
            stop = f", stop {decimal_text(record.stop_price)}" if record.stop_price else ""
            return f"send {record.side.upper()} {decimal_text(record.qty)} {record.symbol}{stop}"
        case CancelOrder():
            return f"cancel {record.client_order_id}"
        case LookUpOrder():
            return f"look up {record.client_order_id}"
        case TakeSnapshot():
            return f"ask the broker for everything ({record.reason})"
        case StrategyJudged() | ThesisJudged() | PromotionProposed():
            return judged_text(record)
        case _:
            return _note_text(record)


def _note_text(
    note: BarSetAside
    | ProtectionTripped
    | ProtectionReleased
    | EntryMadeSmaller
    | IncidentRaised
    | DeskStateChanged
    | BreakerMoved
    | SignalsConflict
    | AllocationChanged
    | IdleOutOfBand
    | StrategyMoved
    | WatchActed
    | OperatorHeard
    | DriftFound
    | Reconciled
    | TradeWatched,
) -> str:
    match note:
        case BarSetAside():
            return f"set aside: {', '.join(note.codes)}"
        case ProtectionTripped():
            return f"{note.name} tripped until {end_text(note)}"
        case IncidentRaised():
            return f"incident {note.error}: {note.message}"
        case DeskStateChanged():
            return f"desk {note.from_state} -> {note.to_state}"
        case (
            BreakerMoved()
            | ProtectionReleased()
            | EntryMadeSmaller()
            | SignalsConflict()
            | AllocationChanged()
            | IdleOutOfBand()
            | StrategyMoved()
        ):
            return note.text
        case WatchActed():
            return f"{note.code}: {note.act} {note.subject}"
        case OperatorHeard():
            return note.result
        case DriftFound():
            sides = f"{decimal_text(note.local)} here, {decimal_text(note.broker)} there"
            return f"{note.kind} {note.subject}: {sides}, {note.done}"
        case Reconciled():
            return f"compared: {note.verdict}, {note.differences} differences"
        case TradeWatched():
            return (
                f"held {duration_text(note.held_s)}, unwatched {note.unprotected_s}s"
                f"{stop_text(note)}"
            )


def end_text(note: ProtectionTripped) -> str:
    """When the block of a protection is over: an instant, or what ends it."""
    return both_times(note.until_ns) if note.until_ns else note.end


def judged_text(note: StrategyJudged | ThesisJudged | PromotionProposed) -> str:
    """What the night, or a record, said of a strategy or of a thesis."""
    figures = record_text(note.names, note.values)
    match note:
        case PromotionProposed():
            waits = "; it waits for `mqd approve`" if note.waits else " from the next session on"
            more = f"{decimal_text(note.share * 100)} % more of what it has"
            return f"{note.strategy} may have {more} by {note.row}{waits} ({figures})"
        case StrategyJudged():
            if note.skipped:
                return f"{note.strategy} was not judged: {note.skipped}"
            rows = ", ".join(note.rows) or "no row is true"
            return f"{note.strategy} is {note.state}: {rows} ({figures})"
    if note.skipped:
        return f"{note.thesis} was not judged: {note.skipped}"
    if note.met:
        return f"{note.thesis} is contradicted by {', '.join(note.met)} ({figures})"
    return f"{note.thesis}: {'nothing against it' if note.enough else 'too few trades'} ({figures})"


def strategy_text(note: StrategyMoved | PromotionProposed | AllocationChanged) -> str:
    """What became of a strategy, with the figures that it was judged by."""
    if isinstance(note, PromotionProposed):
        return judged_text(note)
    if isinstance(note, StrategyMoved) and note.names:
        return f"{note.text} ({record_text(note.names, note.values)})"
    return note.text


def stop_text(note: TradeWatched) -> str:
    """What became of the stop at the broker: how soon it rested, and how well it was filled."""
    if note.stop_after_ms is None:
        return ""
    text = f", a stop at the broker after {note.stop_after_ms / 1_000:.1f}s"
    if note.stop_beyond is not None:
        text += f", filled {decimal_text(note.stop_beyond)} USD a share beyond its price"
    return text


def _decision_text(decision: Decision, table: DecisionTable) -> str:
    codes = ", ".join(table.blocking(decision))
    return f"{decision.outcome}{': ' if codes else ''}{codes}"
