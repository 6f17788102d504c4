"""How an event is journaled: its name and fields, in the form of today, read from every form.

`EVENTS` maps the name under which an event is journaled to its class; `to_record` and
`from_record` are the two directions of that form.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from mqd.ground import canonical
from mqd.model.event import (
    BROKER_EVENTS,
    BarClosed,
    ClockTicked,
    DeskStarted,
    Event,
    FeedDefectFound,
    FrameReceived,
    OperatorActed,
    SeriesValueTold,
    SessionClosed,
    SessionOpened,
)
from mqd.model.snapshot import (
    AccountReport,
    HeldPosition,
    OrderReport,
    ReportedExecution,
    SymbolProperties,
)

EVENTS: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (
        DeskStarted,
        SessionOpened,
        SessionClosed,
        BarClosed,
        FeedDefectFound,
        ClockTicked,
        OperatorActed,
        SeriesValueTold,
        FrameReceived,
        *BROKER_EVENTS,
    )
}


RECORD_VERSION = 6
"""The form in which events and outcomes are written; records of the forms before it are read."""


def to_record(event: Event) -> tuple[object, ...]:
    """The event as `(name, *fields)`: what the journal encodes."""
    return (type(event).__name__, *event)


def from_record(record: list[Any], version: int = RECORD_VERSION) -> Event:
    """The event that `to_record` wrote in this form, after a trip through JSON.

    Raises:
        ValueError: no such event, or a wrong number of fields.
    """
    name, *fields = record
    if version < _SAYS_WHAT_A_FILL_IS_OF:
        fields = _UPGRADES.get(name, list)(fields)
    cls = EVENTS.get(name)
    later = _LATER.get(name, [])
    missing = 0 if cls is None else len(cls._fields) - len(fields)
    if 0 < missing <= len(later):
        fields = [*fields, *later[-missing:]]
    if cls is None or len(fields) != len(cls._fields):
        raise ValueError(f"not an event of this version: {name} with {len(fields)} fields")
    read = _READERS.get(name)
    event: Event = cls(*(read(fields) if read is not None else fields))
    return event


def as_journaled(event: Event) -> Event:
    """The event as a replay of the journal will read it: what is decided on is what is kept.

    A broker may write 1.000 where the journal writes 1; only such events change.
    """
    if type(event) is BarClosed or type(event).__name__ not in _READERS:
        return event
    return from_record(canonical.decode(canonical.encode(to_record(event))))


def _bar(fields: list[Any]) -> list[Any]:
    fields[3:8] = [float("nan") if value is None else float(value) for value in fields[3:8]]
    return fields


def _filled(fields: list[Any]) -> list[Any]:
    fields[4:7] = [Decimal(value) for value in fields[4:7]]
    return fields


def _snapshot(fields: list[Any]) -> list[Any]:
    at_ns, asked_ns, cash_usd, positions, orders, executions, account, symbols = fields
    return [
        at_ns,
        asked_ns,
        None if cash_usd is None else Decimal(cash_usd),
        tuple(HeldPosition.read(item) for item in positions),
        tuple(OrderReport.read(item) for item in orders),
        tuple(ReportedExecution.read(item) for item in executions),
        None if account is None else AccountReport.read(account),
        tuple(SymbolProperties.read(item) for item in symbols),
    ]


def _ended(fields: list[Any]) -> list[Any]:
    return [*fields[:2], None if fields[2] is None else Decimal(fields[2])]


_READERS: dict[str, Callable[[list[Any]], list[Any]]] = {
    "BarClosed": _bar,
    "OrderFilled": _filled,
    "OrderCancelled": _ended,
    "OrderExpired": _ended,
    "OrderReported": lambda fields: [fields[0], OrderReport.read(fields[1])],
    "ExecutionCorrected": lambda fields: [*fields[:3], *map(Decimal, fields[3:])],
    "FeeCharged": lambda fields: [*fields[:2], Decimal(fields[2])],
    "SnapshotTaken": _snapshot,
    "SeriesValueTold": lambda fields: [*fields[:3], Decimal(fields[3]), fields[4]],
}

# Fields that came later, at the end: who wrote an event without them said nothing of them.
_LATER: dict[str, list[Any]] = {"SnapshotTaken": [None, []]}

_SAYS_WHAT_A_FILL_IS_OF = 2
# Version 1 did not say what a fill was of, nor how much of an ended order was filled.
_UPGRADES: dict[str, Callable[[list[Any]], list[Any]]] = {
    "OrderFilled": lambda fields: [*fields, "", ""],
    "OrderCancelled": lambda fields: [*fields, None],
    "OrderNotFound": lambda fields: [*fields, 0],
    "OrderExpired": lambda fields: [*fields, None],
}
