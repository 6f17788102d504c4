"""What the desk asks of the world: imperative, durable in the journal before it is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple


class SubmitOrder(NamedTuple):
    """Send this order; `client_order_id` is unique for ever, `stop_price` is a stop order's."""

    at_ns: int
    client_order_id: str
    symbol: str
    side: str
    qty: Decimal
    type: str
    time_in_force: str
    stop_price: Decimal | None = None


class CancelOrder(NamedTuple):
    """Ask the broker to take the order back; only the broker's word ends it."""

    at_ns: int
    client_order_id: str
    reason: str


class LookUpOrder(NamedTuple):
    """Ask the broker what became of one order; the answer comes as an event."""

    at_ns: int
    client_order_id: str


class TakeSnapshot(NamedTuple):
    """Ask the broker for everything it has: cash, positions, orders, executions."""

    at_ns: int
    reason: str


Command = SubmitOrder | CancelOrder | LookUpOrder | TakeSnapshot

COMMANDS: dict[str, type[Any]] = {
    cls.__name__: cls for cls in (SubmitOrder, CancelOrder, LookUpOrder, TakeSnapshot)
}
