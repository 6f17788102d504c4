"""An order as the desk sees it: what was asked, what state it is in, how much is filled."""

from __future__ import annotations

from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import NamedTuple

ENTRY = "entry"
EXIT = "exit"
EXTERNAL = "external"
"""The role of an order that the desk did not make, and the strategy that its fills belong to."""
PROTECTIVE = "protective"
"""The role of a stop order that rests at the broker for as long as a position is held."""
ROLES = (ENTRY, EXIT, EXTERNAL, PROTECTIVE)
LEAVING = frozenset({EXIT, PROTECTIVE})
"""The roles of orders that can only make a position smaller."""
MARKET = "market"
STOP = "stop"
_EXACT = Context(prec=2_000, traps=[Inexact, InvalidOperation])  # whatever the caller has set


class Order(NamedTuple):
    """One order; immutable, a change makes a new one. Its state is a projection of events.

    `qty` and `filled_qty` are shares; `reference_price` is the price the decision was made at;
    `stop_loss` is the planned stop of an entry; `reason` is the code of the rule that asked.
    `attempt` counts the orders made for one wish to leave; `asked_ns` is when the broker was last
    asked about this one, `sent_ns` when it was last sent, `updated_ns` when it was last heard of;
    `was_taken` is False while the broker's last word on it is that the request did not reach its
    books. `stop_price` is the price at which a stop order begins to trade.
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
    attempt: int = 1
    asked_ns: int = 0
    sent_ns: int = 0
    times_sent: int = 0
    look_ups: int = 0
    times_asked_back: int = 0
    was_taken: bool = True
    time_in_force: str = "day"
    stop_price: Decimal | None = None

    @property
    def never_left(self) -> bool:
        """Whether no request for it ever left the desk; it waits for another order to end."""
        return not self.times_sent

    @property
    def remaining_qty(self) -> Decimal:
        """Shares not yet filled."""
        return _EXACT.subtract(self.qty, self.filled_qty)


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
