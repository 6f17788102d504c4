"""At what price an order trades: at once against the last close, later against a bar's range.

A bar tells its open, high and low but not their order. An order that rests gets its own price,
or the open where the bar opened beyond it; never a price that the bar did not have.
"""

from __future__ import annotations

from decimal import Decimal

from mqd.brokers.practice.orders import PracticeOrder
from mqd.model.event import BarClosed


def exact(price: float) -> Decimal:
    """The decimal that a feed wrote."""
    return Decimal(repr(price))


def price_at_once(order: PracticeOrder, last: Decimal) -> Decimal | None:
    """The price that an arriving order gets from a market at `last`, or None: it rests."""
    if order.type in {"stop", "stop_limit"} and not order.is_triggered:
        if not _reached(order, last, last):
            return None
        order.is_triggered = True
    if order.limit_price is None or _is_inside(order, last):
        return last
    return None


def price_in_bar(order: PracticeOrder, bar: BarClosed) -> Decimal | None:
    """The price that a resting order gets out of this bar, or None."""
    opened, low, high = exact(bar.open), exact(bar.low), exact(bar.high)
    starts_at = opened
    if order.type in {"stop", "stop_limit"} and not order.is_triggered:
        if not _reached(order, low, high):
            return None
        order.is_triggered = True
        stop = order.stop_price or opened
        starts_at = min(stop, opened) if order.side == "sell" else max(stop, opened)
    if order.limit_price is None or _is_inside(order, starts_at):
        return starts_at
    best = low if order.side == "buy" else high
    return order.limit_price if _is_inside(order, best) else None


def _reached(order: PracticeOrder, low: Decimal, high: Decimal) -> bool:
    stop = order.stop_price or low
    return low <= stop if order.side == "sell" else high >= stop


def _is_inside(order: PracticeOrder, price: Decimal) -> bool:
    """Whether the limit lets it trade at this price."""
    limit = order.limit_price or price
    return price <= limit if order.side == "buy" else price >= limit
