"""Entries of the ledger: which can be, what one adds up to, and how one takes another back."""

from __future__ import annotations

from decimal import Decimal

from mqd.engine.positions import BUY, EXACT, SELL
from mqd.ground.errors import MalformedExecutionError
from mqd.model.fill import ADOPTED, Execution

_MOST_DIGITS = 100
_LARGEST_EXPONENT = 30
_OTHER_SIDE = {BUY: SELL, SELL: BUY}


def signed_qty(entry: Execution) -> Decimal:
    """Shares that came (positive) or went with this entry."""
    return entry.qty if entry.side == BUY else entry.qty.copy_negate()


def cash_of(entry: Execution) -> Decimal:
    """What this entry did to the cash, in USD: shares bought cost, shares sold bring, fees cost."""
    amount_usd = EXACT.multiply(entry.qty, entry.price)
    came_usd = amount_usd.copy_negate() if entry.side == BUY else amount_usd
    return EXACT.subtract(came_usd, entry.fee_usd)


def reversal(of: Execution, entry_id: str, kind: str, at_ns: int) -> Execution:
    """The entry that takes an execution back: its shares on the other side, and its own fee."""
    return of._replace(
        execution_id=entry_id,
        side=_OTHER_SIDE[of.side],
        fee_usd=of.fee_usd.copy_negate(),
        at_ns=at_ns,
        kind=kind,
        of=of.execution_id,
    )


def check_execution(execution: Execution) -> None:
    """Refuse what cannot be. Shares that were given to the account may have cost nothing.

    Raises:
        MalformedExecutionError: one of its numbers, its side, or that it has no id.
    """
    if not execution.execution_id:
        raise MalformedExecutionError(
            f"an execution of {execution.client_order_id} has no id, so that a repeat of it could "
            "not be told; it was not booked"
        )
    may_be_free = execution.kind == ADOPTED and not execution.price
    for name in ("qty", "price", "fee_usd"):
        value = getattr(execution, name)
        is_signed = name == "fee_usd" or (name == "price" and may_be_free)
        if not is_possible(value) or (value <= 0 and not is_signed):
            raise MalformedExecutionError(
                f"execution {execution.execution_id} has {name} {value}; it was not booked"
            )
    if execution.side not in _OTHER_SIDE:
        raise MalformedExecutionError(
            f"execution {execution.execution_id} is neither buy nor sell: {execution.side!r}"
        )


def is_possible(value: Decimal) -> bool:
    """Whether exact sums with this number stay small enough to be made."""
    return value.is_finite() and (
        not value
        or (
            abs(value.adjusted()) <= _LARGEST_EXPONENT
            and len(value.as_tuple().digits) <= _MOST_DIGITS
        )
    )
