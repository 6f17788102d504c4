"""What a strategy asks for, checked at the strategy's own boundary."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from mqd.ground.errors import MalformedSignalError
from mqd.model.order import ENTRY, EXIT

MOST_DECIMALS = 9
"""Of a quantity that is bought: no broker of this desk divides a share further."""


class StrategySignal(NamedTuple):
    """A wish to trade: not yet an order, because the gate may still say no."""

    strategy: str
    symbol: str
    role: str
    side: str
    order_type: str
    qty: Decimal
    price: Decimal
    stop_loss: Decimal | None
    reason: str
    at_ns: int

    def checked(self) -> StrategySignal:
        """This signal, if every required field is there and possible.

        Raises:
            MalformedSignalError: a field is missing or impossible; the message names it.
        """
        for name in ("strategy", "symbol", "reason"):
            if not getattr(self, name):
                raise MalformedSignalError(f"signal without {name}")
        if self.role not in {ENTRY, EXIT}:
            raise MalformedSignalError(f"signal role is {self.role!r}, expected entry or exit")
        if self.side not in {"buy", "sell"}:
            raise MalformedSignalError(f"signal side is {self.side!r}, expected buy or sell")
        if self.order_type != "market":
            raise MalformedSignalError(f"signal order_type is {self.order_type!r}, expected market")
        if self.role == ENTRY and _decimals(self.qty) > MOST_DECIMALS:
            raise MalformedSignalError(
                f"signal qty is {self.qty}, expected at most {MOST_DECIMALS} decimals"
            )
        for name in ("qty", "price", "stop_loss"):
            value = getattr(self, name)
            if value is not None and not (value.is_finite() and value > 0):
                raise MalformedSignalError(f"signal {name} is {value}, expected more than 0")
        return self


def _decimals(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0
