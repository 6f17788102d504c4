"""From the text of a journaled outcome back to the records it is made of."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from mqd.ground.canonical import decode
from mqd.ground.errors import JournalError
from mqd.model.command import COMMANDS, Command
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
    Note,
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

Record = Decision | OrderStateChangedEvent | Trade | Note | Command

_CLASSES: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (
        Decision,
        OrderStateChangedEvent,
        Trade,
        BarSetAside,
        ProtectionTripped,
        ProtectionReleased,
        EntryMadeSmaller,
        IncidentRaised,
        DeskStateChanged,
        WatchActed,
        OperatorHeard,
        DriftFound,
        Reconciled,
        TradeWatched,
        BreakerMoved,
        SignalsConflict,
        AllocationChanged,
        IdleOutOfBand,
        StrategyMoved,
        StrategyJudged,
        PromotionProposed,
        ThesisJudged,
    )
} | COMMANDS
# Exact numbers are journaled as text; these are the fields that hold one.
_EXACT = {"qty", "entry_price", "exit_price", "pnl_usd", "local", "broker", "share"} | {
    "stop_price", "stop_beyond", "kept", "from_share", "to_share",
}  # fmt: skip


def records_of(outcome: str | None) -> tuple[Record, ...]:
    """What an outcome says, in its order; nothing where none was committed.

    Raises:
        JournalError: this version of the desk does not know such a record.
    """
    return tuple(_record(name, fields) for name, *fields in decode(outcome or "[]"))


def _record(name: str, fields: list[Any]) -> Record:
    cls = _CLASSES.get(name)
    if cls is None or not _can_be(cls, len(fields)):
        raise JournalError(f"not a record of this version: {name} with {len(fields)} fields")
    for place, field in enumerate(cls._fields[: len(fields)]):
        if field in _EXACT and fields[place] is not None:
            fields[place] = Decimal(fields[place])
        elif isinstance(fields[place], list):
            fields[place] = tuple(fields[place])
    record: Record = cls(*fields)
    return record


def _can_be(cls: type[Any], count: int) -> bool:
    """Whether a record has so many fields: an older one lacks the last ones, which say nothing."""
    return len(cls._fields) - len(cls._field_defaults) <= count <= len(cls._fields)
