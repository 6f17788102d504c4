"""What Alpaca says it has, read from its JSON: orders, positions, fills, the account."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from mqd.brokers.alpaca.fields import (
    MisfitError,
    Row,
    instant_of,
    number_of,
    number_or_none,
    positive_of,
    row_of,
    shown,
    side_of,
    text_of,
)
from mqd.model.snapshot import AccountReport, HeldPosition, OrderReport, ReportedExecution

_ZERO = Decimal(0)
_NOTABLE = (
    "account_number", "status", "currency", "cash", "buying_power", "equity", "trading_blocked",
    "account_blocked", "trade_suspended_by_user",
)  # fmt: skip


class AccountFacts(NamedTuple):
    """What the account says of itself; None where it does not. `unsaid` are the names of those."""

    number: str | None
    status: str | None
    currency: str | None
    cash_usd: Decimal | None
    buying_power_usd: Decimal | None
    equity_usd: Decimal | None
    is_blocked: bool | None
    unsaid: tuple[str, ...]

    def report(self) -> AccountReport:
        """What the desk's rules read of it: an account that is not active may not trade."""
        is_inactive = self.status is not None and self.status != "ACTIVE"
        is_restricted = True if is_inactive else self.is_blocked
        return AccountReport(self.buying_power_usd, self.equity_usd, is_restricted)


def read_order(value: object) -> OrderReport:
    """An order as Alpaca has it.

    One that was sent by its amount in USD has no quantity: what is filled of it is all that is
    known. The desk sends none such.

    Raises:
        MisfitError: something is missing or impossible.
    """
    row = row_of(value, "the order")
    filled_qty = number_of(row, "filled_qty")
    average = number_or_none(row, "filled_avg_price")
    if filled_qty < 0:
        raise MisfitError(f"filled_qty is {filled_qty}, expected 0 or more")
    if average is not None and average <= 0:
        raise MisfitError(f"filled_avg_price is {average}, expected a number above 0")
    stop_price = number_or_none(row, "stop_price")
    if stop_price is not None and stop_price <= 0:
        raise MisfitError(f"stop_price is {stop_price}, expected a number above 0")
    is_by_amount = row.get("qty") is None and row.get("notional") is not None
    return OrderReport(
        client_order_id=text_of(row, "client_order_id"),
        broker_order_id=text_of(row, "id"),
        symbol=text_of(row, "symbol"),
        side=side_of(row),
        qty=filled_qty if is_by_amount else positive_of(row, "qty"),
        filled_qty=filled_qty,
        average_price=average if filled_qty else None,
        status=text_of(row, "status"),
        stop_price=stop_price,
    )


def read_position(value: object) -> HeldPosition:
    """A position; short is negative.

    Raises:
        MisfitError: something is missing, or the sign and the side do not agree.
    """
    row = row_of(value, "the position")
    qty = number_of(row, "qty")
    side = row.get("side")
    if side not in {"long", "short"} or (qty < 0) != (side == "short" and qty != 0):
        raise MisfitError(f"qty is {qty} and side {shown(side)}, which do not agree")
    average = number_of(row, "avg_entry_price")
    if average < 0:
        raise MisfitError(f"avg_entry_price is {average}, expected 0 or more")
    return HeldPosition(text_of(row, "symbol"), qty, average)


def read_execution(value: object) -> ReportedExecution:
    """A row of the fill activities; it names the order by the broker's id only.

    Its id is a stamp, two colons and an id that we take for the stream's of the same execution;
    `told` is for the case that it is not.

    Raises:
        MisfitError: something is missing or impossible.
    """
    row = row_of(value, "the activity")
    kind = text_of(row, "activity_type")
    if kind != "FILL":
        raise MisfitError(f"activity_type is {shown(kind)}, expected FILL")
    activity_id = text_of(row, "id")
    execution_id = activity_id.rpartition("::")[2]
    if not execution_id:
        raise MisfitError(f"id is {shown(activity_id)}, which names no execution")
    return ReportedExecution(
        execution_id=execution_id,
        client_order_id="",
        broker_order_id=text_of(row, "order_id"),
        symbol=text_of(row, "symbol"),
        side=side_of(row),
        qty=positive_of(row, "qty"),
        price=positive_of(row, "price"),
        fee_usd=_ZERO,
        at_ns=instant_of(row, "transaction_time"),
    )


def read_account(value: object) -> AccountFacts:
    """What the account says; a field that is gone is noticed and is no fault.

    Raises:
        MisfitError: a field is there and is not what it should be.
    """
    row = row_of(value, "the account")
    blocks = [
        _flag(row, name)
        for name in ("trading_blocked", "account_blocked", "trade_suspended_by_user")
    ]
    said = [each for each in blocks if each is not None]
    return AccountFacts(
        number=_text_or_none(row, "account_number"),
        status=_text_or_none(row, "status"),
        currency=_text_or_none(row, "currency"),
        cash_usd=number_or_none(row, "cash"),
        buying_power_usd=number_or_none(row, "buying_power"),
        equity_usd=number_or_none(row, "equity"),
        is_blocked=any(said) if said else None,
        unsaid=tuple(name for name in _NOTABLE if row.get(name) is None),
    )


def _text_or_none(row: Row, name: str) -> str | None:
    return None if row.get(name) is None else text_of(row, name)


def _flag(row: Row, name: str) -> bool | None:
    value = row.get(name)
    if value is not None and not isinstance(value, bool):
        raise MisfitError(f"{name} is {shown(value)}, expected true or false")
    return value
