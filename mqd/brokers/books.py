"""What a broker keeps: orders with their status, executions, positions and cash, all exact.

The words of `status` are Alpaca's. Books know no market: who keeps them says when and at what
price an order trades.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

from mqd.model.command import SubmitOrder
from mqd.model.event import OrderFilled, SnapshotTaken
from mqd.model.position import AVERAGE
from mqd.model.snapshot import (
    AccountReport,
    HeldPosition,
    OrderReport,
    ReportedExecution,
    SymbolProperties,
)

NEW = "new"
PARTIALLY_FILLED = "partially_filled"
FILLED = "filled"
CANCELED = "canceled"
EXPIRED = "expired"
REJECTED = "rejected"

ZERO = Decimal(0)

# Sums and products of any float64 prices fit; what would not is an error, never a rounding.
EXACT = Context(prec=2_000, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])


@dataclass(slots=True)
class BookedOrder:
    """One order in the books; `filled_usd` is what its filled shares cost or brought."""

    order: SubmitOrder
    broker_order_id: str
    sent_ns: int
    status: str = NEW
    filled_qty: Decimal = ZERO
    filled_usd: Decimal = ZERO
    parts: int = 0

    @property
    def remaining_qty(self) -> Decimal:
        """Shares that have not traded."""
        return EXACT.subtract(self.order.qty, self.filled_qty)

    def report(self) -> OrderReport:
        """The order as the broker tells it; the average is rounded, as every average is."""
        order, filled_qty = self.order, self.filled_qty
        average = AVERAGE.divide(self.filled_usd, filled_qty) if filled_qty else None
        return OrderReport(
            order.client_order_id, self.broker_order_id, order.symbol, order.side,
            order.qty, filled_qty, average, self.status, order.stop_price,
        )  # fmt: skip


class Books:
    """One account. `working` are the orders that may still trade, in the order of their taking."""

    def __init__(self) -> None:
        self.orders: dict[str, BookedOrder] = {}
        self.working: dict[str, BookedOrder] = {}
        self.executions: list[ReportedExecution] = []
        self.cash_delta_usd = ZERO
        self._held: dict[str, HeldPosition] = {}

    def position(self, symbol: str) -> Decimal:
        """Shares held of `symbol`: the sum of its fills."""
        held = self._held.get(symbol)
        return ZERO if held is None else held.qty

    def available_qty(self, symbol: str) -> Decimal:
        """Shares held that no working sell has claimed: two sells may not share a share."""
        available = self.position(symbol)
        for booked in self.working.values():
            if booked.order.symbol == symbol and booked.order.side == "sell":
                available = EXACT.subtract(available, booked.remaining_qty)
        return available

    def take(self, order: SubmitOrder, broker_order_id: str, at_ns: int) -> BookedOrder:
        """Book an order that works from now on."""
        booked = BookedOrder(order, broker_order_id, at_ns)
        self.orders[order.client_order_id] = self.working[order.client_order_id] = booked
        return booked

    def refuse(self, order: SubmitOrder, broker_order_id: str, at_ns: int) -> None:
        """Book an order that was rejected."""
        self.orders[order.client_order_id] = BookedOrder(order, broker_order_id, at_ns, REJECTED)

    def end(self, client_order_id: str, status: str) -> BookedOrder | None:
        """End a working order with this word; None where none works under the id."""
        booked = self.working.pop(client_order_id, None)
        if booked is not None:
            booked.status = status
        return booked

    def fill(
        self, booked: BookedOrder, qty: Decimal, price: Decimal, fee_usd: Decimal, at_ns: int
    ) -> OrderFilled:
        """Trade `qty` shares of a working order; the news of it comes back."""
        order = booked.order
        booked.parts += 1
        booked.filled_qty = EXACT.add(booked.filled_qty, qty)
        booked.filled_usd = EXACT.add(booked.filled_usd, EXACT.multiply(qty, price))
        booked.status = PARTIALLY_FILLED
        if booked.filled_qty >= order.qty:
            booked.status = FILLED
            del self.working[order.client_order_id]
        execution_id = f"{booked.broker_order_id}-{booked.parts}"
        execution = ReportedExecution(
            execution_id, order.client_order_id, booked.broker_order_id,
            order.symbol, order.side, qty, price, fee_usd, at_ns,
        )  # fmt: skip
        self.executions.append(execution)
        self.move(order.symbol, qty if order.side == "buy" else qty.copy_negate(), price, fee_usd)
        return OrderFilled(
            at_ns, order.client_order_id, booked.broker_order_id, execution_id,
            price, qty, fee_usd, order.symbol, order.side,
        )  # fmt: skip

    def move(self, symbol: str, signed_qty: Decimal, price: Decimal, fee_usd: Decimal) -> None:
        """Let shares come (or go, negative) at `price`; the cash follows."""
        held = self._held.get(symbol, HeldPosition(symbol, ZERO, ZERO))
        qty = EXACT.add(held.qty, signed_qty)
        average = held.average_price
        if not held.qty or (held.qty > 0) != (qty > 0):
            average = price
        elif (held.qty > 0) == (signed_qty > 0):
            before_usd = EXACT.multiply(held.qty, average)
            cost_usd = EXACT.add(before_usd, EXACT.multiply(signed_qty, price))
            average = AVERAGE.divide(cost_usd, qty)
        self._held[symbol] = HeldPosition(symbol, qty, average)
        cost_usd = EXACT.add(EXACT.multiply(price, signed_qty), fee_usd)
        self.cash_delta_usd = EXACT.subtract(self.cash_delta_usd, cost_usd)

    def snapshot(
        self,
        at_ns: int,
        asked_ns: int,
        starting_cash_usd: Decimal,
        account: AccountReport | None = None,
        symbols: tuple[SymbolProperties, ...] = (),
    ) -> SnapshotTaken:
        """Everything there is at `at_ns`; orders that have ended are not told."""
        return SnapshotTaken(
            at_ns,
            asked_ns,
            EXACT.add(starting_cash_usd, self.cash_delta_usd),
            tuple(held for held in self._held.values() if held.qty),
            tuple(booked.report() for booked in self.working.values()),
            tuple(self.executions),
            account,
            symbols,
        )
