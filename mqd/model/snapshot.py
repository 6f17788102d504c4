"""What a broker says it has: positions, orders, executions, its account and its symbols."""

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

    `average_price` is that of the filled shares in USD, or None where nothing is filled;
    `stop_price` that of a stop order, None where the broker says none.
    """

    client_order_id: str
    broker_order_id: str
    symbol: str
    side: str
    qty: Decimal
    filled_qty: Decimal
    average_price: Decimal | None
    status: str
    stop_price: Decimal | None = None

    @classmethod
    def read(cls, fields: list[Any]) -> Self:
        """The report from its journaled fields."""
        ids, (qty, filled_qty, average_price, status, *more) = fields[:4], fields[4:]
        price = None if average_price is None else Decimal(average_price)
        stop = more[0] if more else None  # a report of an older form says none
        stop_price = None if stop is None else Decimal(stop)
        return cls._make([*ids, Decimal(qty), Decimal(filled_qty), price, status, stop_price])


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


class AccountReport(NamedTuple):
    """What the account says of itself; None where it does not. Money in USD.

    `buying_power_usd` is what it may still spend, working orders deducted; with `is_restricted`
    it may not trade at all.
    """

    buying_power_usd: Decimal | None
    equity_usd: Decimal | None
    is_restricted: bool | None

    @classmethod
    def read(cls, fields: list[Any]) -> Self:
        """The report from its journaled fields."""
        *money, is_restricted = fields
        power, equity = (None if each is None else Decimal(each) for each in money)
        return cls(power, equity, is_restricted)


class SymbolProperties(NamedTuple):
    """What the broker says of one symbol, and when it said so.

    Every order is for a whole multiple of `lot_qty` shares; prices are multiples of `tick_usd`.
    """

    symbol: str
    read_ns: int
    is_tradable: bool
    is_fractionable: bool
    lot_qty: Decimal
    tick_usd: Decimal

    @classmethod
    def read(cls, fields: list[Any]) -> Self:
        """The properties from their journaled fields."""
        said, (lot_qty, tick_usd) = fields[:4], fields[4:]
        return cls._make([*said, Decimal(lot_qty), Decimal(tick_usd)])
