"""The same sums a second time, from the entries of the ledger alone: what an invariant compares."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import islice

from mqd.engine.entries import cash_of, signed_qty
from mqd.engine.positions import EXACT
from mqd.engine.round_trip import RoundTrips
from mqd.model.fill import CORRECTION, Execution
from mqd.model.order import EXTERNAL
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
        self._cash_usd: dict[str, Decimal] = {}
        self._session_ns = 0
        self._earned: dict[str, Decimal] = {}
        self._before_usd = ZERO
        self._before: dict[str, Decimal] = {}

    def follow(self, executions: dict[str, Execution]) -> None:
        """Count what is new."""
        if self._counted == len(executions):
            return
        change: list[Execution] = []
        for entry in islice(executions.values(), self._counted, None):
            key = (entry.strategy, entry.symbol)
            self._qty[key] = EXACT.add(self._qty.get(key, ZERO), signed_qty(entry))
            cash_usd = cash_of(entry)
            self.cash_usd = EXACT.add(self.cash_usd, cash_usd)
            owner_usd = self._cash_usd.get(entry.strategy, ZERO)
            self._cash_usd[entry.strategy] = EXACT.add(owner_usd, cash_usd)
            change.append(entry)
            if not (entry.kind == CORRECTION and entry.of):  # else what is booked instead follows
                self._trips.apply(change, "", "")
                change = []
        self._counted = len(executions)

    def position(self, strategy: str, symbol: str) -> Position:
        """The position as counted."""
        counted = self._trips.positions.get(strategy, symbol)
        return counted._replace(qty=self._qty.get((strategy, symbol), ZERO))

    def earned_today(
        self, open_ns: int, strategies: Iterable[str], held: Iterable[Position]
    ) -> tuple[Decimal, dict[str, Decimal]]:
        """What the desk's executions of the session earned, in USD; and by strategy.

        Earned is the cash, and what is `held` at its cost. Asked with every entry; what it was
        when the session was another one is what was earned before. Told of are the strategies
        that ran when it began.
        """
        if open_ns != self._session_ns:
            self._session_ns = open_ns
            self._before_usd = _own(self._earned)
            self._before = {each: self._earned.get(each, ZERO) for each in strategies}
        self._earned = dict(self._cash_usd)
        for position in held:
            cash_usd = self._earned.get(position.strategy, ZERO)
            self._earned[position.strategy] = EXACT.add(cash_usd, position.cost_usd)
        by_strategy = {
            each: EXACT.subtract(self._earned.get(each, ZERO), before_usd)
            for each, before_usd in self._before.items()
        }
        return EXACT.subtract(_own(self._earned), self._before_usd), by_strategy

    def fork(self) -> Recount:
        """An independent copy."""
        other = Recount()
        other.cash_usd = self.cash_usd
        other._qty = dict(self._qty)
        other._trips = self._trips.fork()
        other._counted = self._counted
        other._cash_usd = dict(self._cash_usd)
        other._session_ns = self._session_ns
        other._earned = self._earned
        other._before_usd, other._before = self._before_usd, self._before
        return other


def _own(earned: dict[str, Decimal]) -> Decimal:
    total_usd = ZERO
    for strategy, earned_usd in earned.items():
        if strategy != EXTERNAL:
            total_usd = EXACT.add(total_usd, earned_usd)
    return total_usd
