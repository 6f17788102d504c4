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
        self._check_fields_are_there()
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

    def _check_fields_are_there(self) -> None:
        """Every field but the stop has to be there, each of its own kind."""
        for name in ("strategy", "symbol", "reason"):
            text = getattr(self, name)
            if not (isinstance(text, str) and text.strip()):
                raise MalformedSignalError(f"signal without {name}")
        for name in ("qty", "price", "stop_loss"):
            value = getattr(self, name)
            if not isinstance(value, Decimal) and (value is not None or name != "stop_loss"):
                raise MalformedSignalError(f"signal {name} is {value!r}, expected a decimal")
        if type(self.at_ns) is not int or self.at_ns <= 0:
            raise MalformedSignalError(f"signal at_ns is {self.at_ns!r}, expected an instant")


def _decimals(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0
