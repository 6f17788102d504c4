"""What was filled of each order, and which shares of it are inferred: they await executions."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from mqd.engine.entries import reversal
from mqd.engine.positions import EXACT, quotient
from mqd.model.fill import ADOPTED, CORRECTION, FEE, INFERRED, Execution
from mqd.model.position import ZERO

_PRICE_STEP = Decimal("1e-9")  # USD; of an inferred price, and finer than any average is told


class Filled(NamedTuple):
    """What the executions that count make of one order; USD without fees."""

    reason: str = ""
    rules_digest: str = ""
    qty: Decimal = ZERO
    amount_usd: Decimal = ZERO


class OrderFills:
    """The totals of every order, kept with each entry of the ledger."""

    def __init__(self) -> None:
        self._filled: dict[str, Filled] = {}
        self.inferred: dict[str, tuple[Execution, ...]] = {}
        """By order: the inferences that still wait, each with the shares that do."""

    def of(self, order_id: str) -> Filled:
        """The totals of one order."""
        return self._filled.get(order_id) or Filled()

    def count(self, entry: Execution, reason: str, rules_digest: str) -> None:
        """Follow one entry; `reason` and `rules_digest` are its order's."""
        if entry.kind in {FEE, ADOPTED}:
            return
        filled = self._filled.get(entry.client_order_id) or Filled(reason, rules_digest)
        if entry.of:
            self._no_longer_waits(entry)
        elif entry.kind == INFERRED:
            waiting = self.inferred.get(entry.client_order_id, ())
            self.inferred[entry.client_order_id] = (*waiting, entry)
        change = EXACT.subtract if entry.of else EXACT.add
        self._filled[entry.client_order_id] = Filled(
            filled.reason,
            filled.rules_digest,
            change(filled.qty, entry.qty),
            change(filled.amount_usd, EXACT.multiply(entry.qty, entry.price)),
        )

    def missing(self, total: Execution) -> Execution | None:
        """What the broker's total at its average price has more than is booked; None if nothing."""
        filled = self.of(total.client_order_id)
        qty = EXACT.subtract(total.qty, filled.qty)
        if qty <= 0:
            return None
        price = total.price
        if filled.qty:
            rest_usd = EXACT.subtract(EXACT.multiply(total.qty, total.price), filled.amount_usd)
            fitting_price = quotient(rest_usd, qty, _PRICE_STEP)
            price = fitting_price if fitting_price > 0 else price
        return total._replace(qty=qty, price=price)

    def replaced_by(self, execution: Execution) -> list[Execution]:
        """The entries that take back the inferred shares which this execution stands in for."""
        left = execution.qty
        found: list[Execution] = []
        for guess in self.inferred.get(execution.client_order_id, ()):
            is_same = guess[2:5] == execution[2:5]  # strategy, symbol, side
            qty = min(left, guess.qty) if is_same else ZERO
            if qty:
                entry_id = f"replaced-{len(found) + 1}-{execution.execution_id}"
                back = reversal(guess, entry_id, CORRECTION, execution.at_ns)
                found.append(back._replace(qty=qty))
                left = EXACT.subtract(left, qty)
        return found

    def _no_longer_waits(self, entry: Execution) -> None:
        """Forget the inferred shares that this entry takes back, if it does."""
        order_id = entry.client_order_id
        kept = [
            guess._replace(qty=EXACT.subtract(guess.qty, entry.qty))
            if guess.execution_id == entry.of
            else guess
            for guess in self.inferred.pop(order_id, ())
        ]
        if waiting := tuple(guess for guess in kept if guess.qty):
            self.inferred[order_id] = waiting

    def fork(self) -> OrderFills:
        """An independent copy."""
        other = OrderFills()
        other._filled = dict(self._filled)
        other.inferred = dict(self.inferred)
        return other
