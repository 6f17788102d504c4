"""What the world said: frozen facts in the past tense, one ordered stream of them.

Events are NamedTuples: a tenth of a frozen dataclass's cost to make, and their tuple is their
canonical form. Every event starts with `at_ns`, the instant it became true. How they are
journaled is said in `mqd.model.journaled`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from mqd.model.snapshot import (
    AccountReport,
    HeldPosition,
    OrderReport,
    ReportedExecution,
    SymbolProperties,
)


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


class ClockTicked(NamedTuple):
    """Time passed; nothing else happened."""

    at_ns: int


class OperatorActed(NamedTuple):
    """A person pressed a button: who, and why; `strategy` is empty where the desk is meant."""

    at_ns: int
    action: str
    strategy: str
    by: str
    reason: str


class SeriesValueTold(NamedTuple):
    """A daily value from outside, of the session of `date`.

    The session of `good_through` is the last that may go by it.
    """

    at_ns: int
    series: str
    date: str
    value: Decimal
    good_through: str


class StreamLost(NamedTuple):
    """A stream of news broke; what it would have told is not known."""

    at_ns: int
    stream: str


class StreamRestored(NamedTuple):
    """A stream of news is back; what happened meanwhile has to be asked for."""

    at_ns: int
    stream: str


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
    symbol: str = ""
    side: str = ""


class OrderCancelled(NamedTuple):
    """The broker took the order back; `filled_qty` is its total there, None if unsaid."""

    at_ns: int
    client_order_id: str
    filled_qty: Decimal | None = None


class OrderRejected(NamedTuple):
    """The broker said no; its own code and words are kept."""

    at_ns: int
    client_order_id: str
    code: str
    reason: str


class OrderExpired(NamedTuple):
    """The order's time ran out at the broker; `filled_qty` is its total there, None if unsaid."""

    at_ns: int
    client_order_id: str
    filled_qty: Decimal | None = None


class OrderOutcomeLost(NamedTuple):
    """A request was sent and no answer came; the outcome is not proved."""

    at_ns: int
    client_order_id: str


class OrderNotFound(NamedTuple):
    """The broker does not know the order, asked at `asked_ns` (0: at the instant it says so)."""

    at_ns: int
    client_order_id: str
    asked_ns: int = 0


class OrderNotTaken(NamedTuple):
    """The request provably did not reach the broker's books: too many requests, no connection."""

    at_ns: int
    client_order_id: str
    code: str
    reason: str


class CancelRefused(NamedTuple):
    """The broker would not take the order back; what became of it is not said."""

    at_ns: int
    client_order_id: str
    code: str
    reason: str


class OrderReported(NamedTuple):
    """The broker's answer to a look-up; `report.status` is its own word."""

    at_ns: int
    report: OrderReport


class ExecutionBusted(NamedTuple):
    """The broker takes an execution back: it never happened."""

    at_ns: int
    execution_id: str


class ExecutionCorrected(NamedTuple):
    """The broker corrects an execution; `price` and `qty` are what it says now."""

    at_ns: int
    execution_id: str
    new_execution_id: str
    price: Decimal
    qty: Decimal


class FeeCharged(NamedTuple):
    """A fee that came later than its execution; USD, positive costs."""

    at_ns: int
    execution_id: str
    fee_usd: Decimal


class SnapshotTaken(NamedTuple):
    """Everything the broker says it has, asked for at `asked_ns`; cash in USD, None if unsaid.

    `orders` are those that work there now; `executions` those since the session's open, at least.
    `account` is None where there is no account; `symbols` are those of which the broker tells.
    """

    at_ns: int
    asked_ns: int
    cash_usd: Decimal | None
    positions: tuple[HeldPosition, ...]
    orders: tuple[OrderReport, ...]
    executions: tuple[ReportedExecution, ...]
    account: AccountReport | None = None
    symbols: tuple[SymbolProperties, ...] = ()


class SnapshotFailed(NamedTuple):
    """The broker could not be asked; nothing is known, which is never the same as nothing."""

    at_ns: int
    reason: str


class BrokerLockedOut(NamedTuple):
    """The broker does not take our keys any more; asking again changes nothing."""

    at_ns: int
    reason: str


class RequestAnswered(NamedTuple):
    """A command's requests came back: what of, what of it came, how long the slowest took.

    `request` is submit, cancel, look_up or read; `outcome` is `ANSWERED` for a yes or a no,
    `NOT_TAKEN` where nothing came of it, `UNPROVED` where nobody knows. Any one that failed
    stands for all of them. `at_ns` is of the desk's own clock.
    """

    at_ns: int
    request: str
    outcome: str
    took_ms: int


ANSWERED = "answered"
NOT_TAKEN = "not_taken"
UNPROVED = "unproved"


class FrameReceived(NamedTuple):
    """One message of a stream as it came, before anybody read it; the desk's memory keeps it."""

    at_ns: int
    stream: str
    text: str


class UnreadableReceived(NamedTuple):
    """A message that nobody could read: an unknown word, a missing field, no number."""

    at_ns: int
    stream: str
    reason: str
    text: str


class OrderReachedFor(NamedTuple):
    """Something that is not the loop tried to send; it was refused, and nothing left.

    `what` is what it reached for, in words.
    """

    at_ns: int
    what: str


BrokerEvent = (
    OrderAcknowledged
    | OrderFilled
    | OrderCancelled
    | OrderRejected
    | OrderExpired
    | OrderOutcomeLost
    | OrderNotFound
    | OrderNotTaken
    | CancelRefused
    | OrderReported
    | ExecutionBusted
    | ExecutionCorrected
    | FeeCharged
    | SnapshotTaken
    | SnapshotFailed
    | StreamLost
    | StreamRestored
    | BrokerLockedOut
    | UnreadableReceived
    | RequestAnswered
    | OrderReachedFor
)

Event = (
    DeskStarted
    | SessionOpened
    | SessionClosed
    | BarClosed
    | FeedDefectFound
    | ClockTicked
    | OperatorActed
    | SeriesValueTold
    | FrameReceived
    | BrokerEvent
)

BROKER_EVENTS: tuple[type[Any], ...] = (
    OrderAcknowledged,
    OrderFilled,
    OrderCancelled,
    OrderRejected,
    OrderExpired,
    OrderOutcomeLost,
    OrderNotFound,
    OrderNotTaken,
    CancelRefused,
    OrderReported,
    ExecutionBusted,
    ExecutionCorrected,
    FeeCharged,
    SnapshotTaken,
    SnapshotFailed,
    StreamLost,
    StreamRestored,
    BrokerLockedOut,
    UnreadableReceived,
    RequestAnswered,
    OrderReachedFor,
)
