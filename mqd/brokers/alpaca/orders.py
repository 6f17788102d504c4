"""The last hop: what an order looks like on the wire, and the last look at it before it leaves."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from mqd.ground.canonical import decimal_text
from mqd.ground.errors import LimitExceededError
from mqd.ground.ids import is_ours
from mqd.model.command import SubmitOrder
from mqd.model.order import MARKET, STOP

PATH = "/orders"
LAST_HOP = "LAST_HOP"

_SIDES = frozenset({"buy", "sell"})
_TYPES = frozenset({MARKET, STOP})
_FINEST = Decimal("0.0001")
_MOST_ID = 128
_MOST_DECIMALS = 9

LastCheck = Callable[[SubmitOrder], None]
"""Raises `LimitExceededError` for an order that must not leave this process."""


def no_check(_order: SubmitOrder) -> None:
    """Nothing beyond what every order has to be."""


def order_body(order: SubmitOrder, last_check: LastCheck) -> dict[str, str]:
    """The body of the request; numbers are exact text, never a binary float.

    Every order passes here, next to the request itself.

    Raises:
        LimitExceededError: this is no order of the desk, or it must not leave.
    """
    written = decimal_text(order.qty)
    decimals = written.partition(".")[2]
    if not (order.qty.is_finite() and order.qty > 0 and len(decimals) <= _MOST_DECIMALS):
        raise LimitExceededError(f"qty is {order.qty}, expected up to 9 decimals above 0")
    if not is_ours(order.client_order_id) or len(order.client_order_id) > _MOST_ID:
        raise LimitExceededError(f"{order.client_order_id!r} is no id that this desk gives")
    if order.side not in _SIDES or order.type not in _TYPES or not order.symbol:
        raise LimitExceededError(f"{order.type} {order.side} {order.symbol!r} is no order of ours")
    stop = order.stop_price
    if (order.type == STOP) != (stop is not None) or (stop is not None and not _is_price(stop)):
        raise LimitExceededError(f"a {order.type} order with a stop price of {stop}")
    if decimals and order.time_in_force != "day":
        raise LimitExceededError(f"{order.qty} shares are only traded for the day")
    last_check(order)
    body = {
        "symbol": order.symbol,
        "qty": written,
        "side": order.side,
        "type": order.type,
        "time_in_force": order.time_in_force,
        "client_order_id": order.client_order_id,
    }
    if stop is not None:
        body["stop_price"] = decimal_text(stop)
    return body


def _is_price(price: Decimal) -> bool:
    return price.is_finite() and price > 0 and price == price.quantize(_FINEST)
