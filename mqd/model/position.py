"""A position and a finished round trip; both follow from executions and nothing else."""

from __future__ import annotations

from decimal import Context, Decimal, DivisionByZero, InvalidOperation
from typing import NamedTuple

ZERO = Decimal(0)
AVERAGE = Context(prec=28, traps=[InvalidOperation, DivisionByZero])
"""How every average is rounded, whatever decimal context the caller has set."""


class Position(NamedTuple):
    """What one strategy holds of one symbol; `cost_usd` is what the open shares cost, exact."""

    strategy: str
    symbol: str
    qty: Decimal = ZERO
    cost_usd: Decimal = ZERO
    opened_ns: int = 0

    @property
    def is_open(self) -> bool:
        """True while any share is held."""
        return self.qty != 0

    @property
    def entry_price(self) -> Decimal | None:
        """The average fill of the open shares in USD, or None when flat."""
        return AVERAGE.divide(self.cost_usd, self.qty) if self.qty else None


class Trade(NamedTuple):
    """A round trip: first entry fill to the fill that made it flat; `pnl_usd` is net of fees."""

    strategy: str
    symbol: str
    entry_ns: int
    entry_price: Decimal
    qty: Decimal
    exit_ns: int
    exit_price: Decimal
    exit_reason: str
    pnl_usd: Decimal
    rules_digest: str
