"""What the world said: frozen facts in the past tense, one ordered stream of them.

Events are NamedTuples: a tenth of a frozen dataclass's cost to make, and their tuple is their
canonical form. Every event starts with `at_ns`, the instant it became true. `EVENTS` maps the
name under which an event is journaled to its class; `to_record` and `from_record` are the two
directions of that form.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple


class DeskStarted(NamedTuple):
    """The process took the journal: which rules, which profile, which version of the desk."""

    at_ns: int
    rules_digest: str
    profile: str
    version: str


class SessionOpened(NamedTuple):
    """A regular session began; `open_time_s` is the open in seconds after midnight there."""

    at_ns: int
    date: str
    open_ns: int
    close_ns: int
    open_time_s: int


class SessionClosed(NamedTuple):
    """The regular session ended."""

    at_ns: int
    date: str


class BarClosed(NamedTuple):
    """One minute of trading ended at `at_ns`; prices in USD, volume in shares.

    Prices are the float64 nearest to the decimals a feed wrote; their shortest digits are those
    decimals. A value the feed could not read is NaN and is treated as unknown.
    """

    at_ns: int
    symbol: str
    start_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class FeedDefectFound(NamedTuple):
    """A feed mended or dropped something; `code` says what, `detail` says it in words."""

    at_ns: int
    symbol: str
    code: str
    start_ns: int
    detail: str


class OrderAcknowledged(NamedTuple):
    """The broker has given the order an id of its own."""

    at_ns: int
    client_order_id: str
    broker_order_id: str


class OrderFilled(NamedTuple):
    """The broker reports one execution; whether it completes the order follows from the ledger."""

    at_ns: int
    client_order_id: str
    broker_order_id: str
    execution_id: str
    price: Decimal
    qty: Decimal
    fee_usd: Decimal


class OrderCancelled(NamedTuple):
    """The broker took the order back."""

    at_ns: int
    client_order_id: str


class OrderRejected(NamedTuple):
    """The broker said no; its own code and words are kept."""

    at_ns: int
    client_order_id: str
    code: str
    reason: str


class OrderExpired(NamedTuple):
    """The order's time ran out at the broker."""

    at_ns: int
    client_order_id: str


class OrderOutcomeLost(NamedTuple):
    """A request was sent and no answer came; the outcome is not proved."""

    at_ns: int
    client_order_id: str


class OrderNotFound(NamedTuple):
    """The broker was asked after the settle window and does not know the order."""

    at_ns: int
    client_order_id: str


Event = (
    DeskStarted
    | SessionOpened
    | SessionClosed
    | BarClosed
    | FeedDefectFound
    | OrderAcknowledged
    | OrderFilled
    | OrderCancelled
    | OrderRejected
    | OrderExpired
    | OrderOutcomeLost
    | OrderNotFound
)

BrokerEvent = (
    OrderAcknowledged
    | OrderFilled
    | OrderCancelled
    | OrderRejected
    | OrderExpired
    | OrderOutcomeLost
    | OrderNotFound
)

BROKER_EVENTS: tuple[type[Any], ...] = (
    OrderAcknowledged,
    OrderFilled,
    OrderCancelled,
    OrderRejected,
    OrderExpired,
    OrderOutcomeLost,
    OrderNotFound,
)

EVENTS: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (
        DeskStarted,
        SessionOpened,
        SessionClosed,
        BarClosed,
        FeedDefectFound,
        *BROKER_EVENTS,
    )
}


def to_record(event: Event) -> tuple[object, ...]:
    """The event as `(name, *fields)`: what the journal encodes."""
    return (type(event).__name__, *event)


def from_record(record: list[Any]) -> Event:
    """The event that `to_record` wrote, after a trip through JSON.

    Raises:
        ValueError: no such event, or a wrong number of fields.
    """
    name, *fields = record
    cls = EVENTS.get(name)
    if cls is None or len(fields) != len(cls._fields):
        raise ValueError(f"not an event of this version: {name} with {len(fields)} fields")
    if cls is BarClosed:
        fields[3:8] = [float("nan") if value is None else float(value) for value in fields[3:8]]
    elif cls is OrderFilled:
        fields[4:7] = [Decimal(value) for value in fields[4:7]]
    event: Event = cls(*fields)
    return event
