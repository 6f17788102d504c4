"""The trading stream's messages, read into events; a pure function of the message and the rules."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from mqd.brokers.alpaca.fields import (
    MisfitError,
    Row,
    instant_of,
    number_of,
    positive_of,
    read_json,
    row_of,
    text_of,
)
from mqd.brokers.alpaca.wire import read_order
from mqd.ground.canonical import decimal_text
from mqd.model.event import (
    BrokerEvent,
    CancelRefused,
    OrderAcknowledged,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    UnreadableReceived,
)
from mqd.model.snapshot import OrderReport
from mqd.rules.book import BrokerWords

STREAM = "trade_updates"
_ABOUT_THE_STREAM = frozenset({"authorization", "listening"})
_REASONS = ("reason", "reject_reason", "message")
_NO_FEE = Decimal(0)


class TradeNews(NamedTuple):
    """What a message tells; `ask_after` is the order that it only says to ask about, or empty.

    `filled_qty` is how much of its order is filled beside an execution, in all.
    """

    events: tuple[BrokerEvent, ...] = ()
    ask_after: str = ""
    filled_qty: Decimal = _NO_FEE


def read_trade_update(text: str, at_ns: int, words: BrokerWords) -> TradeNews:
    """What one message tells that came at `at_ns`; an `UnreadableReceived` where it does not fit.

    An execution has the broker's time, all else the time at which it came. Never raises.
    """
    try:
        return _read(row_of(read_json(text), "the message"), at_ns, words)
    except MisfitError as error:
        return TradeNews((UnreadableReceived(at_ns, STREAM, str(error), text),))


def _read(message: Row, at_ns: int, words: BrokerWords) -> TradeNews:
    stream = text_of(message, "stream")
    if stream in _ABOUT_THE_STREAM:
        return TradeNews()
    if stream != STREAM:
        raise MisfitError(f"stream is {stream!r}, expected {STREAM}")
    data = row_of(message.get("data"), "data")
    word = text_of(data, "event")
    means = words.news_meaning(word)
    if means is None:
        raise MisfitError(f"{word!r} is a word without a rule")
    row = row_of(data.get("order"), "order")
    order_id = text_of(row, "client_order_id")
    if means == "stays":
        return TradeNews()
    if means == "look_up":
        return TradeNews(ask_after=order_id)
    report = read_order(row)
    if means == "execution":
        return TradeNews((_execution(data, report),), filled_qty=report.filled_qty)
    return TradeNews((_EVENTS[means](at_ns, report, data, word),))


def _execution(data: Row, report: OrderReport) -> OrderFilled:
    qty = positive_of(data, "qty")
    if qty > report.filled_qty:
        raise MisfitError(f"qty is {qty}, more than the order's filled_qty {report.filled_qty}")
    return OrderFilled(
        at_ns=instant_of(data, "timestamp"),
        client_order_id=report.client_order_id,
        broker_order_id=report.broker_order_id,
        execution_id=_execution_id(data, report),
        price=positive_of(data, "price"),
        qty=qty,
        fee_usd=_NO_FEE,
        symbol=report.symbol,
        side=report.side,
    )


def _execution_id(data: Row, report: OrderReport) -> str:
    """The execution's own id; else one that the same execution gets again, told once more."""
    if data.get("execution_id") is None:
        total = decimal_text(number_of(data["order"], "filled_qty"))
        return f"{report.broker_order_id}-{total}"
    return text_of(data, "execution_id")


def _acknowledged(at_ns: int, report: OrderReport, _data: Row, _word: str) -> BrokerEvent:
    return OrderAcknowledged(at_ns, report.client_order_id, report.broker_order_id)


def _cancelled(at_ns: int, report: OrderReport, _data: Row, _word: str) -> BrokerEvent:
    return OrderCancelled(at_ns, report.client_order_id, report.filled_qty)


def _expired(at_ns: int, report: OrderReport, _data: Row, _word: str) -> BrokerEvent:
    return OrderExpired(at_ns, report.client_order_id, report.filled_qty)


def _rejected(at_ns: int, report: OrderReport, data: Row, word: str) -> BrokerEvent:
    return OrderRejected(at_ns, report.client_order_id, word, _reason(data, word))


def _cancel_refused(at_ns: int, report: OrderReport, data: Row, word: str) -> BrokerEvent:
    return CancelRefused(at_ns, report.client_order_id, word, _reason(data, report.status))


def _reason(data: Row, otherwise: str) -> str:
    """The broker's words for it, where it gives any."""
    for place in (data, data["order"]):
        for name in _REASONS:
            if place.get(name) is not None:
                return text_of(place, name)
    return otherwise


_EVENTS: dict[str, Any] = {
    "acknowledged": _acknowledged,
    "cancelled": _cancelled,
    "expired": _expired,
    "rejected": _rejected,
    "cancel_refused": _cancel_refused,
}
