"""The same sums a second time, from the entries of the ledger alone: what an invariant compares."""

from __future__ import annotations

from decimal import Decimal
from itertools import islice

from mqd.engine.entries import cash_of, signed_qty
from mqd.engine.positions import EXACT
from mqd.engine.round_trip import RoundTrips
from mqd.model.fill import CORRECTION, Execution
from mqd.model.position import ZERO, Position


class Recount:
    """Positions and cash counted from executions; because those never change, it goes on counting.

    Quantities and cash are plain sums, so that a fault of the round trips cannot hide in them.
    """

    def __init__(self) -> None:
        self.cash_usd = ZERO
        self._qty: dict[tuple[str, str], Decimal] = {}
        self._trips = RoundTrips()
        self._counted = 0

    def follow(self, executions: dict[str, Execution]) -> None:
        """Count what is new."""
        if self._counted == len(executions):
            return
        change: list[Execution] = []
        for entry in islice(executions.values(), self._counted, None):
            key = (entry.strategy, entry.symbol)
            self._qty[key] = EXACT.add(self._qty.get(key, ZERO), signed_qty(entry))
            self.cash_usd = EXACT.add(self.cash_usd, cash_of(entry))
            change.append(entry)
            if not (entry.kind == CORRECTION and entry.of):  # else what is booked instead follows
                self._trips.apply(change, "", "")
                change = []
        self._counted = len(executions)

    def position(self, strategy: str, symbol: str) -> Position:
        """The position as counted."""
        counted = self._trips.positions.get(strategy, symbol)
        return counted._replace(qty=self._qty.get((strategy, symbol), ZERO))

    def fork(self) -> Recount:
        """An independent copy."""
        other = Recount()
        other.cash_usd = self.cash_usd
        other._qty = dict(self._qty)
        other._trips = self._trips.fork()
        other._counted = self._counted
        return other
