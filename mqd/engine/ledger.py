"""The execution ledger: append-only, keyed by the broker's execution id, and what follows from it.

Positions are the sum of executions and of nothing else; an order's state never decides them.
What the broker takes back, corrects or charges later is an entry of its own: every entry is a
signed number of shares and of USD, so the sums over all of them are right whatever their order.
Sums and products are exact whatever their number of digits (what would be rounded is an error).
Three things are rounded, on purpose and always alike: an average, which is for showing and for
rules; the share of a position's cost that a part sale takes with it (the rest of that cost stays
with the rest of the position, so no cent is ever lost between the two); and the price at which
shares are inferred from an average that the broker has rounded already.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from mqd.engine.entries import cash_of, check_execution, is_possible, reversal
from mqd.engine.order_fills import OrderFills
from mqd.engine.positions import BUY, EXACT, SELL, PositionStore
from mqd.engine.recount import Recount
from mqd.engine.round_trip import RoundTrips
from mqd.ground.canonical import decimal_text
from mqd.ground.errors import ExecutionConflictError, MalformedExecutionError
from mqd.model.fill import ADOPTED, BUST, CORRECTION, FEE, INFERRED, REPORTED, Execution
from mqd.model.position import ZERO, Position, Trade

__all__ = ["EXACT", "Booked", "Ledger", "PositionStore"]

_OF_THE_BROKER = frozenset({REPORTED, CORRECTION})


class Booked(NamedTuple):
    """What an entry changed: the position, its realised P&L net of fees, a trade's end, the cash.

    `realised_usd` is negative where something booked before was worth less than it seemed.
    """

    position: Position
    realised_usd: Decimal
    trade: Trade | None
    cash_usd: Decimal


class Ledger:
    """Books each execution exactly once; `cash_delta_usd` is what all of them did to the cash."""

    def __init__(self) -> None:
        self.executions: dict[str, Execution] = {}
        self.cash_delta_usd = ZERO
        self._trips = RoundTrips()
        self._orders = OrderFills()
        self._recount = Recount()

    @property
    def positions(self) -> PositionStore:
        """Every position."""
        return self._trips.positions

    def book(self, execution: Execution, reason: str, rules_digest: str) -> Booked | None:
        """Book an execution; None when it was booked before. `reason` is the order's.

        Where shares of the same order were inferred, it stands in for as many of them as it has:
        they are taken back and it is booked, in one. Shares beyond them are booked as new.

        Raises:
            ExecutionConflictError: this id was booked with other contents; the first one stands.
            MalformedExecutionError: its numbers cannot be; nothing was booked.
        """
        known = self.executions.get(execution.execution_id)
        if known is not None:
            return self._again(known, execution)
        check_execution(execution)
        replaced = self._orders.replaced_by(execution)
        return self._enter((*replaced, execution), reason, rules_digest)

    def _again(self, known: Execution, execution: Execution) -> Booked | None:
        """The same execution once more: only the fee of a correction is news, it told none."""
        expected = execution._replace(at_ns=known.at_ns, kind=known.kind)
        if known == expected:
            return None
        if known.kind == CORRECTION and known == expected._replace(fee_usd=known.fee_usd):
            more_usd = EXACT.subtract(execution.fee_usd, known.fee_usd)
            return self.charge(known.execution_id, more_usd, execution.at_ns)
        raise ExecutionConflictError(
            f"execution {execution.execution_id} came again with other contents"
        )

    def infer(  # noqa: PLR0913, PLR0917  # an order's identity, and what the broker says of it
        self,
        order_id: str,
        strategy: str,
        symbol: str,
        side: str,
        total_qty: Decimal,
        average_price: Decimal,
        at_ns: int,
        reason: str,
        rules_digest: str,
    ) -> Booked | None:
        """Book what the broker's total of an order has more than its executions; None if nothing.

        The price is the one that makes the order's average right, or the average itself where
        that would be no price. The id follows from the order and the total; where an execution
        was taken back since, the same total can be missing shares again: then a number follows.

        Raises:
            MalformedExecutionError: the total or the average cannot be; nothing was booked.
        """
        first_id = entry_id = f"inferred-{order_id}-{decimal_text(total_qty)}"
        total = Execution(
            entry_id, order_id, strategy, symbol, side, total_qty, average_price, ZERO, at_ns,
            INFERRED,
        )  # fmt: skip
        check_execution(total)
        guess = self._orders.missing(total)
        if guess is None:
            return None
        number = 1
        while entry_id in self.executions:
            number += 1
            entry_id = f"{first_id}-{number}"
        return self._enter((guess._replace(execution_id=entry_id),), reason, rules_digest)

    def filled(self, client_order_id: str) -> Decimal:
        """Shares of this order that were filled, by executions that count and by inference."""
        return self._orders.of(client_order_id).qty

    def bust(self, execution_id: str, at_ns: int) -> Booked | None:
        """Take an execution back with its own fee; None when it was taken back before.

        Fees that were charged for it later stay until the broker gives them back.

        Raises:
            ExecutionConflictError: the broker never reported such an execution.
        """
        known = self._reported(execution_id)
        if self._is_taken_back(execution_id):
            return None
        back = reversal(known, f"bust-{execution_id}", BUST, at_ns)
        digest = self._orders.of(known.client_order_id).rules_digest
        return self._enter((back,), BUST.upper(), digest)

    def correct(
        self, execution_id: str, new_execution_id: str, price: Decimal, qty: Decimal, at_ns: int
    ) -> Booked | None:
        """Take an execution back and book what it is now, in one; None when that is done already.

        The fee stays until the new execution is reported with another one. Where the new one was
        reported before, only the old one is taken back.

        Raises:
            ExecutionConflictError: the broker never reported such an execution, took it back
                before, or has reported the new id with other contents; nothing was booked.
            MalformedExecutionError: its numbers cannot be; nothing was booked.
        """
        old = self._reported(execution_id)
        new = old._replace(
            execution_id=new_execution_id, qty=qty, price=price, at_ns=at_ns, kind=CORRECTION
        )
        known = self.executions.get(new_execution_id)
        if known is not None:
            if known != new._replace(at_ns=known.at_ns, kind=known.kind, fee_usd=known.fee_usd):
                raise ExecutionConflictError(
                    f"execution {execution_id} was corrected to {new_execution_id}, "
                    "which was booked with other contents"
                )
            return None if known is old else self.bust(execution_id, at_ns)
        if self._is_taken_back(execution_id):
            raise ExecutionConflictError(
                f"execution {execution_id} was corrected to {new_execution_id}, "
                "but it had been taken back before"
            )
        check_execution(new)
        filled = self._orders.of(old.client_order_id)
        back = reversal(old, f"corrected-{execution_id}", CORRECTION, at_ns)
        return self._enter((back, new), filled.reason, filled.rules_digest)

    def charge(self, execution_id: str, fee_usd: Decimal, at_ns: int) -> Booked | None:
        """Book a fee that came later than its execution; None when it was booked before.

        The entry's id is made of the execution's and the amount, so the same news twice is one
        fee; two fees of the same amount for one execution cannot be told from that. A fee that
        is given back is negative. The P&L changes, and the trade where it has not ended.

        Raises:
            ExecutionConflictError: the broker never reported such an execution.
            MalformedExecutionError: the amount cannot be; nothing was booked.
        """
        known = self._reported(execution_id)
        if not is_possible(fee_usd):
            raise MalformedExecutionError(
                f"execution {execution_id} has a fee of {fee_usd}; it was not booked"
            )
        entry_id = f"fee-{decimal_text(fee_usd)}-{execution_id}"
        if not fee_usd or entry_id in self.executions:
            return None
        fee = known._replace(
            execution_id=entry_id, qty=ZERO, price=ZERO, fee_usd=fee_usd, at_ns=at_ns, kind=FEE,
            of=execution_id,
        )  # fmt: skip
        return self._enter((fee,), "", "")

    def adopt(
        self, strategy: str, symbol: str, difference_qty: Decimal, price: Decimal, at_ns: int
    ) -> Booked:
        """Book a difference in shares that the broker has and no execution explains.

        Positive shares are more than the desk holds. Each call is an entry of its own.

        Raises:
            MalformedExecutionError: its numbers cannot be; nothing was booked.
        """
        side = SELL if difference_qty.is_signed() else BUY
        adopted = Execution(
            f"adopted-{symbol}-{at_ns}-{len(self.executions)}", "", strategy, symbol, side,
            difference_qty.copy_abs(), price, ZERO, at_ns, ADOPTED,
        )  # fmt: skip
        booked = self.book(adopted, ADOPTED.upper(), "")
        assert booked is not None, "its number makes every entry new"
        return booked

    def _reported(self, execution_id: str) -> Execution:
        """The execution of this id, as the broker reported it."""
        known = self.executions.get(execution_id)
        if known is None or known.kind not in _OF_THE_BROKER or known.of:
            raise ExecutionConflictError(
                f"the broker changes execution {execution_id}, which it never reported"
            )
        return known

    def _is_taken_back(self, execution_id: str) -> bool:
        return any(
            (entry := self.executions.get(prefix + execution_id)) is not None
            and entry.of == execution_id
            for prefix in ("bust-", "corrected-")
        )

    def _enter(self, change: tuple[Execution, ...], reason: str, rules_digest: str) -> Booked:
        """Append entries that belong together. Realised P&L less the open cost is always cash.

        Raises:
            ExecutionConflictError: the broker has used an id of the desk's own; nothing was booked.
        """
        last = change[-1]
        for entry in change:
            if entry.execution_id in self.executions:
                raise ExecutionConflictError(
                    f"execution {entry.execution_id} has an id of the desk's own"
                )
        cost_before_usd = self.positions.get(last.strategy, last.symbol).cost_usd
        cash_usd = ZERO
        for entry in change:
            self.executions[entry.execution_id] = entry
            cash_usd = EXACT.add(cash_usd, cash_of(entry))
            self._orders.count(entry, reason, rules_digest)
        self.cash_delta_usd = EXACT.add(self.cash_delta_usd, cash_usd)
        trade = self._trips.apply(change, reason, rules_digest)
        position = self.positions.get(last.strategy, last.symbol)
        open_usd = EXACT.subtract(position.cost_usd, cost_before_usd)
        return Booked(position, EXACT.add(cash_usd, open_usd), trade, cash_usd)

    def recomputed(self, strategy: str, symbol: str) -> Position:
        """The position from the executions alone; what `positions` says must be the same."""
        self._recount.follow(self.executions)
        return self._recount.position(strategy, symbol)

    def recomputed_cash(self) -> Decimal:
        """`cash_delta_usd` from the executions alone."""
        self._recount.follow(self.executions)
        return self._recount.cash_usd

    def earned_today(
        self, open_ns: int, strategies: Iterable[str]
    ) -> tuple[Decimal, dict[str, Decimal]]:
        """Realised P&L of this session, from the executions: the desk's own, and by strategy.

        It has to be asked after every booking, so that the next session starts from there.
        """
        self._recount.follow(self.executions)
        held = self.positions.open_positions()
        return self._recount.earned_today(open_ns, strategies, held)

    def closed_at(self, position: Position, price: Decimal, at_ns: int, reason: str) -> Trade:
        """The trade of this open position if its rest were closed at `price` without costs."""
        return self._trips.closed_at(position, price, at_ns, reason)

    def fork(self) -> Ledger:
        """An independent copy; what never changes is shared."""
        other = Ledger()
        other.executions = dict(self.executions)
        other.cash_delta_usd = self.cash_delta_usd
        other._trips = self._trips.fork()
        other._orders = self._orders.fork()
        other._recount = self._recount.fork()
        return other

    def canonical(self) -> list[object]:
        """Everything the ledger knows, in its order of booking."""
        return [
            list(self.executions.values()),
            self.positions.open_positions(),
            self.cash_delta_usd,
            self._orders.inferred,
        ]
