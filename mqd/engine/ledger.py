"""The execution ledger: append-only, keyed by the broker's execution id, and what follows from it.

Positions are the sum of executions and of nothing else; an order's state never decides them.
Sums and products are exact whatever their number of digits (what would be rounded is an error).
Two things are rounded, on purpose and always alike: an average, which is for showing and for
rules, and the share of a position's cost that a part sale takes with it; the rest of that cost
stays with the rest of the position, so no cent is ever lost between the two.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import NamedTuple

from mqd.ground.errors import ExecutionConflictError, MalformedExecutionError
from mqd.model.fill import Execution
from mqd.model.position import AVERAGE, ZERO, Position, Trade

# The caller's own decimal context (its precision, its rounding) changes nothing here.
EXACT = Context(prec=2_000, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])
_ROUNDED = Context(prec=2_000, traps=[InvalidOperation, Overflow, DivisionByZero])
_COST_STEP = Decimal("1e-12")  # USD; below what any price times any quantity can mean
_MOST_DIGITS = 100
_LARGEST_EXPONENT = 30
_SIDES = frozenset({"buy", "sell"})


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
        total = ZERO
        for position in self._positions.values():
            if position.symbol == symbol:
                total = EXACT.add(total, position.qty)
        return total

    def fork(self) -> PositionStore:
        """An independent copy."""
        other = PositionStore()
        other._positions = dict(self._positions)
        return other


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

    def add(self, side: str, qty: Decimal, price: Decimal) -> None:
        """Count shares that were bought or sold."""
        amount_usd = EXACT.multiply(qty, price)
        if side == "buy":
            self.bought = EXACT.add(self.bought, qty)
            self.paid_usd = EXACT.add(self.paid_usd, amount_usd)
        else:
            self.sold = EXACT.add(self.sold, qty)
            self.received_usd = EXACT.add(self.received_usd, amount_usd)

    @property
    def pnl_usd(self) -> Decimal:
        """What came in less what went out."""
        return EXACT.subtract(EXACT.subtract(self.received_usd, self.paid_usd), self.fees_usd)


class Booked(NamedTuple):
    """What an execution changed: the position, its realised P&L net of the fee, a trade's end."""

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
            MalformedExecutionError: its numbers cannot be; nothing was booked.
        """
        known = self.executions.get(execution.execution_id)
        if known is None:
            _check(execution)
            self.executions[execution.execution_id] = execution
            return self._apply(execution, reason, rules_digest)
        if known != execution._replace(at_ns=known.at_ns):
            raise ExecutionConflictError(
                f"execution {execution.execution_id} came again with other contents"
            )
        return None

    def _apply(self, execution: Execution, reason: str, rules_digest: str) -> Booked:
        """Close as much of the position as the fill can, then open what is left of the fill."""
        key = (execution.strategy, execution.symbol)
        position = self.positions.get(*key)
        buys = execution.side == "buy"
        against = position.is_open and (position.qty < 0) == buys
        closing = min(execution.qty, abs(position.qty)) if against else ZERO
        opening = EXACT.subtract(execution.qty, closing)
        trip = self._open.setdefault(key, _RoundTrip(execution.at_ns, rules_digest))
        trip.fees_usd = EXACT.add(trip.fees_usd, execution.fee_usd)
        realised_usd = -execution.fee_usd
        trade = None
        if closing:
            trip.add(execution.side, closing, execution.price)
            position, gain_usd = _reduced(position, closing, execution.price)
            realised_usd = EXACT.add(realised_usd, gain_usd)
            if not position.is_open:
                trade = self._finished(key, execution, reason)
        if opening:
            if trade is not None:  # the fill went through zero: the other side starts anew
                trip = self._open[key] = _RoundTrip(execution.at_ns, rules_digest)
            trip.add(execution.side, opening, execution.price)
            position = _increased(position, opening if buys else -opening, execution)
        self.positions.upsert(position)
        return Booked(position, realised_usd, trade)

    def _finished(self, key: tuple[str, str], last: Execution, reason: str) -> Trade:
        trip = self._open.pop(key)
        return _trade(key, trip, last.at_ns, reason, is_long=last.side == "sell")

    def closed_at(self, position: Position, price: Decimal, at_ns: int, reason: str) -> Trade:
        """The trade of this open position if its rest were closed at `price` without costs."""
        key = (position.strategy, position.symbol)
        trip = replace(self._open[key])
        is_long = position.qty > 0
        trip.add("sell" if is_long else "buy", abs(position.qty), price)
        return _trade(key, trip, at_ns, reason, is_long=is_long)

    def fork(self) -> Ledger:
        """An independent copy; what never changes is shared."""
        other = Ledger()
        other.executions = dict(self.executions)
        other.positions = self.positions.fork()
        other._open = {key: copy(trip) for key, trip in self._open.items()}
        return other

    def canonical(self) -> list[object]:
        """Everything the ledger knows, in its order of booking."""
        return [list(self.executions.values()), self.positions.open_positions()]


def _check(execution: Execution) -> None:
    for name in ("qty", "price", "fee_usd"):
        value = getattr(execution, name)
        if not _is_possible(value) or (value <= 0 and name != "fee_usd"):
            raise MalformedExecutionError(
                f"execution {execution.execution_id} has {name} {value}; it was not booked"
            )
    if execution.side not in _SIDES:
        raise MalformedExecutionError(
            f"execution {execution.execution_id} is neither buy nor sell: {execution.side!r}"
        )


def _is_possible(value: Decimal) -> bool:
    """Whether exact sums with this number stay small enough to be made."""
    return value.is_finite() and (
        not value
        or (
            abs(value.adjusted()) <= _LARGEST_EXPONENT
            and len(value.as_tuple().digits) <= _MOST_DIGITS
        )
    )


def _reduced(position: Position, closing: Decimal, price: Decimal) -> tuple[Position, Decimal]:
    """The position with `closing` shares less, and what closing them at `price` gained in USD."""
    is_long = position.qty > 0
    signed = closing if is_long else -closing
    qty = EXACT.subtract(position.qty, signed)
    gone_usd = position.cost_usd
    if qty:
        share_usd = _ROUNDED.divide(EXACT.multiply(position.cost_usd, signed), position.qty)
        gone_usd = share_usd.quantize(_COST_STEP, context=_ROUNDED)
    gain_usd = EXACT.subtract(EXACT.multiply(signed, price), gone_usd)
    rest_usd = EXACT.subtract(position.cost_usd, gone_usd)
    return position._replace(qty=qty, cost_usd=rest_usd), gain_usd


def _increased(position: Position, signed: Decimal, execution: Execution) -> Position:
    cost_usd = EXACT.add(position.cost_usd, EXACT.multiply(signed, execution.price))
    opened_ns = position.opened_ns if position.is_open else execution.at_ns
    return position._replace(
        qty=EXACT.add(position.qty, signed), cost_usd=cost_usd, opened_ns=opened_ns
    )


def _trade(
    key: tuple[str, str], trip: _RoundTrip, exit_ns: int, reason: str, *, is_long: bool
) -> Trade:
    bought = AVERAGE.divide(trip.paid_usd, trip.bought)
    sold = AVERAGE.divide(trip.received_usd, trip.sold)
    return Trade(
        strategy=key[0],
        symbol=key[1],
        entry_ns=trip.entry_ns,
        entry_price=bought if is_long else sold,
        qty=trip.bought,
        exit_ns=exit_ns,
        exit_price=sold if is_long else bought,
        exit_reason=reason,
        pnl_usd=trip.pnl_usd,
        rules_digest=trip.rules_digest,
    )
