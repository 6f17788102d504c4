"""The execution ledger: append-only, keyed by the broker's execution id, and what follows from it.

Positions are the sum of executions and of nothing else; an order's state never decides them.
Everything here is exact (`Decimal`); an average is taken only for showing and for rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from mqd.ground.errors import ExecutionConflictError
from mqd.model.fill import Execution
from mqd.model.position import ZERO, Position, Trade


class PositionStore:
    """One position per strategy and symbol; changed by the ledger only, together with the fill."""

    def __init__(self) -> None:
        self._positions: dict[tuple[str, str], Position] = {}

    def get(self, strategy: str, symbol: str) -> Position:
        """The position, flat when nothing was ever bought."""
        return self._positions.get((strategy, symbol), Position(strategy, symbol))

    def upsert(self, position: Position) -> None:
        """Replace the position of this strategy and symbol."""
        key = (position.strategy, position.symbol)
        if position.is_open:
            self._positions[key] = position
        else:
            self._positions.pop(key, None)

    def open_positions(self) -> list[Position]:
        """Every position that holds shares, by strategy and symbol."""
        return [self._positions[key] for key in sorted(self._positions)]

    def held(self, symbol: str) -> Decimal:
        """Shares of a symbol over all strategies."""
        return sum((item.qty for item in self._positions.values() if item.symbol == symbol), ZERO)


@dataclass(slots=True)
class _RoundTrip:
    """What a position that is still open has cost and brought so far."""

    entry_ns: int
    rules_digest: str
    bought: Decimal = ZERO
    paid_usd: Decimal = ZERO
    sold: Decimal = ZERO
    received_usd: Decimal = ZERO
    fees_usd: Decimal = ZERO


class Booked(NamedTuple):
    """What one execution changed: the position, the P&L it realised net of its fee, the trade
    it finished."""

    position: Position
    realised_usd: Decimal
    trade: Trade | None


class Ledger:
    """Books each execution exactly once."""

    def __init__(self) -> None:
        self.executions: dict[str, Execution] = {}
        self.positions = PositionStore()
        self._open: dict[tuple[str, str], _RoundTrip] = {}

    def book(self, execution: Execution, reason: str, rules_digest: str) -> Booked | None:
        """Book an execution; None when it was booked before. `reason` is the order's.

        Raises:
            ExecutionConflictError: this id was booked with other contents; the first one stands.
        """
        known = self.executions.get(execution.execution_id)
        if known is not None:
            if known != execution._replace(at_ns=known.at_ns):
                raise ExecutionConflictError(
                    f"execution {execution.execution_id} came again with other contents"
                )
            return None
        self.executions[execution.execution_id] = execution
        return self._apply(execution, reason, rules_digest)

    def _apply(self, execution: Execution, reason: str, rules_digest: str) -> Booked:
        key = (execution.strategy, execution.symbol)
        trip = self._open.setdefault(key, _RoundTrip(execution.at_ns, rules_digest))
        trip.fees_usd += execution.fee_usd
        position = self.positions.get(*key)
        amount_usd = execution.qty * execution.price
        realised_usd = -execution.fee_usd
        if execution.side == "buy":
            trip.bought += execution.qty
            trip.paid_usd += amount_usd
            qty, cost_usd = position.qty + execution.qty, position.cost_usd + amount_usd
        else:
            trip.sold += execution.qty
            trip.received_usd += amount_usd
            qty = position.qty - execution.qty
            gone_usd = (
                position.cost_usd * execution.qty / position.qty
                if qty and position.qty
                else position.cost_usd
            )
            cost_usd = position.cost_usd - gone_usd
            realised_usd += amount_usd - gone_usd
        opened_ns = position.opened_ns or execution.at_ns
        position = Position(*key, qty, cost_usd, opened_ns)
        self.positions.upsert(position)
        trade = None if position.is_open else self._finished(key, execution, reason)
        return Booked(position, realised_usd, trade)

    def _finished(self, key: tuple[str, str], last: Execution, reason: str) -> Trade:
        trip = self._open.pop(key)
        return Trade(
            strategy=key[0],
            symbol=key[1],
            entry_ns=trip.entry_ns,
            entry_price=trip.paid_usd / trip.bought if trip.bought else ZERO,
            qty=trip.bought,
            exit_ns=last.at_ns,
            exit_price=trip.received_usd / trip.sold if trip.sold else ZERO,
            exit_reason=reason,
            pnl_usd=trip.received_usd - trip.paid_usd - trip.fees_usd,
            rules_digest=trip.rules_digest,
        )

    def closed_at(
        self, position: Position, price: Decimal, at_ns: int, reason: str
    ) -> Trade:
        """The trade this open position would make if the rest were sold at `price` without costs."""
        trip = self._open[position.strategy, position.symbol]
        sold, received_usd = trip.sold + position.qty, trip.received_usd + position.qty * price
        return Trade(
            strategy=position.strategy,
            symbol=position.symbol,
            entry_ns=trip.entry_ns,
            entry_price=trip.paid_usd / trip.bought,
            qty=trip.bought,
            exit_ns=at_ns,
            exit_price=received_usd / sold,
            exit_reason=reason,
            pnl_usd=received_usd - trip.paid_usd - trip.fees_usd,
            rules_digest=trip.rules_digest,
        )

    def canonical(self) -> list[object]:
        """Everything the ledger knows, in its order of booking."""
        return [list(self.executions.values()), self.positions.open_positions()]
