"""Orders and executions as the practice exchange keeps them; prices and quantities are exact."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Context, Decimal, DivisionByZero, Inexact, InvalidOperation
from typing import NamedTuple

ZERO = Decimal(0)
SMALLEST_QTY = Decimal("0.000000001")
EXACT = Context(prec=200, traps=[Inexact, InvalidOperation, DivisionByZero])
"""Sums and products of prices and quantities; what would have to be rounded is an error."""

ROUNDED = Context(prec=28, traps=[InvalidOperation, DivisionByZero])

PENDING_NEW, ACCEPTED, NEW, HELD = "pending_new", "accepted", "new", "held"
PARTIALLY_FILLED, FILLED = "partially_filled", "filled"
PENDING_CANCEL, CANCELED, EXPIRED = "pending_cancel", "canceled", "expired"
REJECTED, REPLACED = "rejected", "replaced"
ENDED = frozenset({FILLED, CANCELED, EXPIRED, REJECTED, REPLACED})


@dataclass(slots=True, eq=False)
class PracticeOrder:
    """One order; `filled_usd` is what its filled shares cost or brought, `*_ns` are instants.

    `waits_bars` bars may pass before it trades again, `is_triggered` tells that a stop's price
    was reached, `legs` are the orders that an entry or a pair carries with it.
    """

    id: str
    client_order_id: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    qty: Decimal | None
    notional: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    order_class: str
    extended_hours: bool
    position_intent: str
    submitted_ns: int
    status: str = PENDING_NEW
    filled_qty: Decimal = ZERO
    filled_usd: Decimal = ZERO
    updated_ns: int = 0
    expires_ns: int | None = None
    filled_ns: int | None = None
    expired_ns: int | None = None
    cancel_requested_ns: int | None = None
    canceled_ns: int | None = None
    failed_ns: int | None = None
    replaced_ns: int | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    legs: list[PracticeOrder] = field(default_factory=list)
    parent: PracticeOrder | None = None
    is_triggered: bool = False
    waits_bars: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it may still trade."""
        return self.status not in ENDED

    @property
    def sign(self) -> Decimal:
        """What a share of it does to the position: 1 or -1."""
        return Decimal(1 if self.side == "buy" else -1)

    @property
    def average_price(self) -> Decimal | None:
        """What a filled share cost, to nine decimals; None before the first fill."""
        if not self.filled_qty:
            return None
        average = ROUNDED.divide(self.filled_usd, self.filled_qty)
        return average.quantize(SMALLEST_QTY, context=ROUNDED)

    def remaining_qty(self, price: Decimal | None) -> Decimal:
        """The shares that have not traded; those of an order for dollars follow from `price`."""
        if self.qty is not None:
            return EXACT.subtract(self.qty, self.filled_qty)
        if self.notional is None or price is None:
            return ZERO
        left_usd = EXACT.subtract(self.notional, self.filled_usd)
        return ROUNDED.divide(left_usd, price).quantize(SMALLEST_QTY, rounding=ROUND_DOWN)


class Execution(NamedTuple):
    """One trade of an order, with what was so right after it; nothing of it ever changes."""

    id: str
    order_id: str
    client_order_id: str
    symbol: str
    side: str
    qty: Decimal
    price: Decimal
    at_ns: int
    cum_qty: Decimal
    leaves_qty: Decimal
    position_qty: Decimal
    order_status: str
