"""What a broker says it has: positions, orders and executions, in its own words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple, Self


class HeldPosition(NamedTuple):
    """Shares of a symbol in the account, negative when short; the price is their average, USD."""

    symbol: str
    qty: Decimal
    average_price: Decimal

    @classmethod
    def read(cls, fields: list[Any]) -> Self:
        """The position from its journaled fields."""
        symbol, qty, average_price = fields
        return cls(symbol, Decimal(qty), Decimal(average_price))


class OrderReport(NamedTuple):
    """One order as the broker has it; `status` is the broker's own word.

    `average_price` is that of the filled shares in USD, or None where nothing is filled.
    """

    client_order_id: str
    broker_order_id: str
    symbol: str
    side: str
    qty: Decimal
    filled_qty: Decimal
    average_price: Decimal | None
    status: str

    @classmethod
    def read(cls, fields: list[Any]) -> Self:
        """The report from its journaled fields."""
        ids, (qty, filled_qty, average_price, status) = fields[:4], fields[4:]
        price = None if average_price is None else Decimal(average_price)
        return cls._make([*ids, Decimal(qty), Decimal(filled_qty), price, status])


class ReportedExecution(NamedTuple):
    """One execution as the broker's own list of them has it; the second source beside the stream.

    `client_order_id` is empty where the broker does not name the order's.
    """

    execution_id: str
    client_order_id: str
    broker_order_id: str
    symbol: str
    side: str
    qty: Decimal
    price: Decimal
    fee_usd: Decimal
    at_ns: int

    @classmethod
    def read(cls, fields: list[Any]) -> Self:
        """The execution from its journaled fields."""
        ids, (qty, price, fee_usd, at_ns) = fields[:5], fields[5:]
        return cls._make([*ids, Decimal(qty), Decimal(price), Decimal(fee_usd), at_ns])
