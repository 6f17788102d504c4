"""Round trips: what a position that is open was made of, part by part, until it is flat again.

What is taken back or corrected inside a trip that is still open changes that trip, as if it had
been so from the start. A trip that has ended stays as it was told: there a difference in price
goes to the realised P&L alone, and a difference in shares is a movement of its own, now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from mqd.engine.positions import (
    BUY,
    EXACT,
    SELL,
    PositionStore,
    closing_qty,
    increased,
    reduced,
)
from mqd.model.fill import FEE, Execution
from mqd.model.position import AVERAGE, ZERO, Position, Trade


class Part(NamedTuple):
    """What one execution did within one trip; a fee that came later is a part without shares."""

    execution_id: str
    side: str
    qty: Decimal
    price: Decimal
    fee_usd: Decimal


@dataclass(slots=True)
class RoundTrip:
    """A trip that is still open; it stays as old as its first part was, whatever becomes of it."""

    entry_ns: int
    rules_digest: str
    parts: list[Part] = field(default_factory=list)

    def qty_of(self, execution_id: str) -> Decimal:
        """Shares of this execution that belong to this trip."""
        total = ZERO
        for part in self.parts:
            if part.execution_id == execution_id:
                total = EXACT.add(total, part.qty)
        return total

    def exchange(self, execution_id: str, qty: Decimal, replacement: Part | None) -> None:
        """Take shares of an execution out; the replacement stands where the first of them stood."""
        parts: list[Part] = []
        for part in self.parts:
            taken = min(qty, part.qty) if part.execution_id == execution_id else ZERO
            if not taken:
                parts.append(part)
                continue
            qty = EXACT.subtract(qty, taken)
            if replacement is not None:
                parts.append(replacement)
                replacement = None
            if taken < part.qty:
                parts.append(part._replace(qty=EXACT.subtract(part.qty, taken)))
        self.parts = parts

    def position(self, before: Position) -> Position:
        """The position that all parts together make; `before` says whose, and since when."""
        made = Position(before.strategy, before.symbol)
        for _, side, qty, price, _ in self.parts:
            closing = closing_qty(made, side, qty)
            if closing:
                made = reduced(made, closing)
            if closing < qty:
                made = increased(made, side, EXACT.subtract(qty, closing), price, before.opened_ns)
        return made._replace(opened_ns=before.opened_ns)

    def trade(
        self, key: tuple[str, str], exit_ns: int, reason: str, last: Part | None = None
    ) -> Trade | None:
        """The finished trip, `last` included; None when nothing was ever held in it."""
        parts = self.parts if last is None else [*self.parts, last]
        moved = [part for part in parts if part.qty]
        if not moved:
            return None
        bought, paid_usd = _sums(moved, BUY)
        sold, received_usd = _sums(moved, SELL)
        fees_usd = ZERO
        for part in parts:
            fees_usd = EXACT.add(fees_usd, part.fee_usd)
        buys, sells = AVERAGE.divide(paid_usd, bought), AVERAGE.divide(received_usd, sold)
        is_long = moved[0].side == BUY
        return Trade(
            strategy=key[0],
            symbol=key[1],
            entry_ns=self.entry_ns,
            entry_price=buys if is_long else sells,
            qty=bought,
            exit_ns=exit_ns,
            exit_price=sells if is_long else buys,
            exit_reason=reason,
            pnl_usd=EXACT.subtract(EXACT.subtract(received_usd, paid_usd), fees_usd),
            rules_digest=self.rules_digest,
        )


def _sums(parts: list[Part], side: str) -> tuple[Decimal, Decimal]:
    """Shares and USD of one side."""
    qty = amount_usd = ZERO
    for part in parts:
        if part.side == side:
            qty = EXACT.add(qty, part.qty)
            amount_usd = EXACT.add(amount_usd, EXACT.multiply(part.qty, part.price))
    return qty, amount_usd


class RoundTrips:
    """Every position with the trip that it is on; one is open as long as the other is."""

    def __init__(self) -> None:
        self.positions = PositionStore()
        self._open: dict[tuple[str, str], RoundTrip] = {}

    def apply(self, change: Sequence[Execution], reason: str, rules_digest: str) -> Trade | None:
        """Follow entries of one strategy and symbol that belong together; the trip they ended.

        They are what is taken back (`of` names it), and last, where there is one, what is booked
        instead or anew. `reason` and `rules_digest` are the order's.
        """
        last = change[-1]
        if last.kind == FEE:
            self._charge(last)
            return None
        left, fee_usd, taken = last.qty, last.fee_usd, change[:-1]
        if last.of:
            left, fee_usd, taken = ZERO, ZERO, change
        trade = None
        for reversal in taken:
            given = min(left, reversal.qty)
            part = Part(last.execution_id, last.side, given, last.price, fee_usd)
            trade = self._exchange(reversal, part, rules_digest) or trade
            left = EXACT.subtract(left, given)
            fee_usd = ZERO
        if left:
            trade = self._move(last, left, fee_usd, reason, rules_digest) or trade
        return trade

    def _charge(self, fee: Execution) -> None:
        trip = self._open.get((fee.strategy, fee.symbol))
        if trip is not None and trip.qty_of(fee.of):
            trip.parts.append(Part(fee.execution_id, fee.side, ZERO, ZERO, fee.fee_usd))

    def _exchange(self, reversal: Execution, given: Part, rules_digest: str) -> Trade | None:
        """Take shares back for the given ones; those of trips that have ended are given first."""
        key = (reversal.strategy, reversal.symbol)
        trip = self._open.get(key)
        inside = min(trip.qty_of(reversal.of), reversal.qty) if trip is not None else ZERO
        outside = EXACT.subtract(reversal.qty, inside)
        settled = min(given.qty, outside)
        reason = reversal.kind.upper()
        trade = None
        if trip is not None and inside:
            rest = EXACT.subtract(given.qty, settled)
            fee_usd = ZERO if settled else given.fee_usd
            replacement = given._replace(qty=rest, fee_usd=fee_usd) if rest else None
            trip.exchange(reversal.of, inside, replacement)
            position = trip.position(self.positions.get(*key))
            self.positions.upsert(position)
            if not position.is_open:
                del self._open[key]
                trade = trip.trade(key, reversal.at_ns, reason)
        if settled < outside:
            returned = EXACT.subtract(outside, settled)
            trade = self._move(reversal, returned, ZERO, reason, rules_digest) or trade
        return trade

    def _move(
        self, entry: Execution, qty: Decimal, fee_usd: Decimal, reason: str, rules_digest: str
    ) -> Trade | None:
        """Close as much of the position as these shares can, then open what is left of them."""
        key = (entry.strategy, entry.symbol)
        position = self.positions.get(*key)
        closing = closing_qty(position, entry.side, qty)
        opening = EXACT.subtract(qty, closing)
        trade = None
        if closing:
            trip = self._open[key]
            trip.parts.append(Part(entry.execution_id, entry.side, closing, entry.price, fee_usd))
            fee_usd = ZERO
            position = reduced(position, closing)
            if not position.is_open:
                del self._open[key]
                trade = trip.trade(key, entry.at_ns, reason)
        if opening:  # after a fill that went through zero, the other side starts anew
            opened = self._open.get(key)
            if opened is None:
                opened = self._open[key] = RoundTrip(entry.at_ns, rules_digest)
            opened.parts.append(Part(entry.execution_id, entry.side, opening, entry.price, fee_usd))
            position = increased(position, entry.side, opening, entry.price, entry.at_ns)
        self.positions.upsert(position)
        return trade

    def closed_at(self, position: Position, price: Decimal, at_ns: int, reason: str) -> Trade:
        """The trade of this open position if its rest were closed at `price` without costs."""
        key = (position.strategy, position.symbol)
        side = SELL if position.qty > 0 else BUY
        rest = Part("", side, position.qty.copy_abs(), price, ZERO)
        trade = self._open[key].trade(key, at_ns, reason, rest)
        assert trade is not None
        return trade

    def fork(self) -> RoundTrips:
        """An independent copy."""
        other = RoundTrips()
        other.positions = self.positions.fork()
        other._open = {
            key: RoundTrip(trip.entry_ns, trip.rules_digest, list(trip.parts))
            for key, trip in self._open.items()
        }
        return other
