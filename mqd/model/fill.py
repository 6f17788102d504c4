"""One execution as the broker reported it: the only thing a position is made of."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple


class Execution(NamedTuple):
    """A fill, keyed by the broker's execution id; `qty` is positive shares, `price` and fee USD."""

    execution_id: str
    client_order_id: str
    strategy: str
    symbol: str
    side: str
    qty: Decimal
    price: Decimal
    fee_usd: Decimal
    at_ns: int
