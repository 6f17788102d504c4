"""An order as the desk sees it: what was asked, what state it is in, how much is filled."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

ENTRY = "entry"
EXIT = "exit"


class Order(NamedTuple):
    """One order; immutable, a change makes a new one. Its state is a projection of events.

    `qty` and `filled_qty` are shares; `reference_price` is the price the decision was made at;
    `stop_loss` is the planned stop of an entry; `reason` is the code of the rule that asked.
    """

    client_order_id: str
    strategy: str
    symbol: str
    side: str
    type: str
    role: str
    qty: Decimal
    reference_price: Decimal
    stop_loss: Decimal | None
    reason: str
    rules_digest: str
    created_ns: int
    state: str
    broker_order_id: str | None = None
    filled_qty: Decimal = Decimal(0)
    updated_ns: int = 0

    @property
    def remaining_qty(self) -> Decimal:
        """Shares not yet filled."""
        return self.qty - self.filled_qty


class OrderStateChangedEvent(NamedTuple):
    """An order moved, or an event left it where it was; one line of the transaction log.

    `rule` is the id of the transition in the lifecycle file; `disposition` is what it did;
    `error` names the typed error where the rule raises one, `severity` how loud it is.
    """

    at_ns: int
    client_order_id: str
    event: str
    from_state: str
    to_state: str
    rule: str
    disposition: str
    severity: str = "INFO"
    error: str | None = None
