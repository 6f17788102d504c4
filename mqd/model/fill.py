"""One execution as the broker reported it: the only thing a position is made of."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

REPORTED = "reported"
INFERRED = "inferred"
ADOPTED = "adopted"
BUST = "bust"
CORRECTION = "correction"
FEE = "fee"


class Execution(NamedTuple):
    """A fill, keyed by the broker's execution id; `qty` is positive shares, `price` and fee USD.

    `kind` says where it comes from: `reported` by the broker; `inferred` from a total that the
    broker reported, until the execution itself arrives; `adopted` from a comparison of positions;
    a `bust`, `correction` or `fee` changes what was booked before and never edits it. `of` is then
    the execution that it changes: a bust takes it back by the same shares on the other side, and
    so does a correction, which is followed by what is booked instead. A fee moves no shares.
    """

    execution_id: str
    client_order_id: str
    strategy: str
    symbol: str
    side: str
    qty: Decimal
    price: Decimal
    fee_usd: Decimal
    at_ns: int
    kind: str = REPORTED
    of: str = ""
