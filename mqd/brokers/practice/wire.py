"""How orders, positions, the account and the rest are written: Alpaca's fields, its strings."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from mqd.brokers.practice.orders import SMALLEST_QTY, ZERO, Execution, PracticeOrder
from mqd.ground.canonical import decimal_text
from mqd.ground.times import iso_utc, to_datetime
from mqd.model.event import BarClosed

ZONE = ZoneInfo("America/New_York")
Json = dict[str, Any]
_MINUTE_PLACES = 6


def made_id(name: str) -> str:
    """The UUID that follows from a name: the same on every machine."""
    return str(UUID(bytes=sha256(name.encode()).digest()[:16], version=4))


def text(value: Decimal | None) -> str | None:
    """A number as Alpaca writes it, or None."""
    return None if value is None else decimal_text(value)


def ratio(part: Decimal, whole: Decimal) -> str:
    """`part / whole` to nine decimals; 0 where there is no whole."""
    return decimal_text((part / whole).quantize(SMALLEST_QTY)) if whole else "0"


def instant(at_ns: int | None) -> str | None:
    """An instant in UTC, or None."""
    return None if at_ns is None else iso_utc(at_ns)


def local(at_ns: int) -> datetime:
    """The wall time in New York, to microseconds."""
    return to_datetime(at_ns).astimezone(ZONE)


def order_json(order: PracticeOrder, *, nested: bool = True) -> Json:
    """One order as REST tells it."""
    return {**_order(order, nested=nested), "expires_at": instant(order.expires_ns)}


def _order(order: PracticeOrder, *, nested: bool) -> Json:
    legs = [order_json(leg) for leg in order.legs] if nested and order.legs else None
    return {
        "id": order.id,
        "client_order_id": order.client_order_id,
        "created_at": instant(order.submitted_ns),
        "updated_at": instant(order.updated_ns),
        "submitted_at": instant(order.submitted_ns),
        "filled_at": instant(order.filled_ns),
        "expired_at": instant(order.expired_ns),
        "canceled_at": instant(order.canceled_ns),
        "failed_at": instant(order.failed_ns),
        "replaced_at": instant(order.replaced_ns),
        "replaced_by": order.replaced_by,
        "replaces": order.replaces,
        "asset_id": asset_id(order.symbol),
        "symbol": order.symbol,
        "asset_class": "us_equity",
        "notional": text(order.notional),
        "qty": text(order.qty),
        "filled_qty": text(order.filled_qty),
        "filled_avg_price": text(order.average_price),
        "order_class": order.order_class,
        "order_type": order.type,
        "type": order.type,
        "side": order.side,
        "time_in_force": order.time_in_force,
        "limit_price": text(order.limit_price),
        "stop_price": text(order.stop_price),
        "status": order.status,
        "extended_hours": order.extended_hours,
        "legs": legs,
        "trail_percent": None,
        "trail_price": None,
        "hwm": None,
        "position_intent": order.position_intent,
        "subtag": None,
        "source": None,
    }


def news_frame(
    event: str, execution_id: str, order: PracticeOrder, at_ns: int, execution: Execution | None
) -> Json:
    """One frame of `trade_updates`; `execution` where the event is a fill."""
    told = _order(order, nested=True)
    told["cancel_requested_at"] = instant(order.cancel_requested_ns)
    data: Json = {
        "event": event,
        "timestamp": iso_utc(at_ns),
        "order": told,
        "execution_id": execution_id,
    }
    if execution is not None:
        data["price"] = decimal_text(execution.price)
        data["qty"] = decimal_text(execution.qty)
        data["position_qty"] = decimal_text(execution.position_qty)
    return {"stream": "trade_updates", "data": data}


def activity_id(execution: Execution) -> str:
    """The id of a fill activity: its moment in New York and the execution's own id."""
    milliseconds = execution.at_ns // 1_000_000 % 1_000
    return f"{local(execution.at_ns):%Y%m%d%H%M%S}{milliseconds:03d}::{execution.id}"


def activity_json(execution: Execution, account: str) -> Json:
    """One row of the fill activities."""
    return {
        "id": activity_id(execution),
        "account_id": account,
        "activity_type": "FILL",
        "transaction_time": iso_utc(execution.at_ns),
        "type": "fill" if execution.order_status == "filled" else "partial_fill",
        "price": decimal_text(execution.price),
        "qty": decimal_text(execution.qty),
        "side": execution.side,
        "symbol": execution.symbol,
        "leaves_qty": decimal_text(execution.leaves_qty),
        "order_id": execution.order_id,
        "cum_qty": decimal_text(execution.cum_qty),
        "order_status": execution.order_status,
    }


def asset_id(symbol: str) -> str:
    """The id of an asset, the same in every practice exchange."""
    return made_id(f"asset {symbol}")


def asset_json(symbol: str) -> Json:
    """A share that may be traded in every way."""
    return {
        "id": asset_id(symbol),
        "class": "us_equity",
        "exchange": "ARCA",
        "symbol": symbol,
        "name": f"{symbol} (practice)",
        "status": "active",
        "tradable": True,
        "marginable": True,
        "shortable": True,
        "easy_to_borrow": True,
        "fractionable": True,
        "maintenance_margin_requirement": 30,
        "attributes": [],
    }


def position_json(
    symbol: str,
    qty: Decimal,
    available: Decimal,
    cost_usd: Decimal,
    price: Decimal,
    before: Decimal,
) -> Json:
    """One position; `price` is the last close, `before` the close of the day before."""
    value, average = qty * price, (cost_usd / qty).quantize(SMALLEST_QTY)
    gain = value - cost_usd
    return {
        "asset_id": asset_id(symbol),
        "symbol": symbol,
        "exchange": "ARCA",
        "asset_class": "us_equity",
        "asset_marginable": True,
        "qty": decimal_text(qty),
        "qty_available": decimal_text(available),
        "avg_entry_price": decimal_text(average),
        "side": "long" if qty > ZERO else "short",
        "market_value": decimal_text(value),
        "cost_basis": decimal_text(cost_usd),
        "unrealized_pl": decimal_text(gain),
        "unrealized_plpc": ratio(gain, cost_usd),
        "unrealized_intraday_pl": decimal_text(gain),
        "unrealized_intraday_plpc": ratio(gain, cost_usd),
        "current_price": decimal_text(price),
        "lastday_price": decimal_text(before),
        "change_today": ratio(price - before, before),
    }


def bar_json(bar: BarClosed) -> Json:
    """The numbers of a bar; a bars file has no `n` and `vw`, so these are made up to look right."""
    is_whole = bar.volume == int(bar.volume)
    volume = int(bar.volume) if is_whole else bar.volume
    middle = round((bar.high + bar.low + bar.close) / 3, _MINUTE_PLACES)
    return {
        "o": bar.open,
        "h": bar.high,
        "l": bar.low,
        "c": bar.close,
        "v": volume,
        "n": int(bar.volume) // 100 + 1 if bar.volume else 0,
        "vw": middle if bar.volume else 0,
    }
