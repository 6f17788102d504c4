"""The trade journal: what was wanted, sent, answered, filled and taken back, one line each.

Nothing here is stored: every line follows from the journal of events, so the two cannot disagree.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from decimal import Decimal
from io import StringIO
from itertools import islice
from typing import NamedTuple

from mqd.engine.state import DeskState
from mqd.ground.canonical import decimal_text
from mqd.ground.times import iso_utc
from mqd.model import fill
from mqd.model.command import CancelOrder, SubmitOrder
from mqd.model.decision import EXIT, EXIT_WAITS, NO_TRADE, Decision, Outcome
from mqd.model.event import CancelRefused, Event, OrderNotTaken, OrderRejected
from mqd.model.fill import Execution
from mqd.model.order import PROTECTIVE, Order, OrderStateChangedEvent
from mqd.model.position import Trade
from mqd.publish.attribution import TradeAttribution
from mqd.publish.summary import true_codes
from mqd.publish.tables import SEPARATOR
from mqd.rules.book import RuleBook

SIGNAL = "SIGNAL"
SUBMIT = "SUBMIT"
CANCEL = "CANCEL"
EXIT_DONE = "EXIT"
NOT_TAKEN = "NOT_TAKEN"
CANCEL_REFUSED = "CANCEL_REFUSED"

# What an order's move is called here; a state that is not listed is called by its own name.
_BY_STATE = {
    "SUBMITTED": "ACK",
    "PENDING_CANCEL": "CANCEL_REQUESTED",
    "CANCELLED": CANCEL,
    "REJECTED": "REJECT",
    "EXPIRED": "EXPIRE",
}
# Fills are told from the ledger, one by one, and not from what they do to the order.
_TOLD_BY_FILLS = frozenset({"FILLED", "PARTIALLY_FILLED"})
_BY_KIND = {
    fill.REPORTED: "FILL",
    fill.INFERRED: "FILL",
    fill.ADOPTED: "ADOPT",
    fill.BUST: "BUST",
    fill.CORRECTION: "CORRECTION",
    fill.FEE: "FEE",
}
_NOT_ASKED_FOR = "not asked for by the desk"


class TradingEvent(NamedTuple):
    """One line; `qty` is shares, `price` USD, both None where the event has none.

    `order_id` is empty where no order was made; `reason` is a rule's code, or the broker's words.
    A finished trade has its tags: what ended it, the market's regime, the ways in which it failed.
    """

    at_ns: int
    event_type: str
    order_id: str
    strategy: str
    symbol: str
    side: str
    qty: Decimal | None
    price: Decimal | None
    reason: str
    tag: str = ""
    regime: str = ""
    failure_regimes: tuple[str, ...] = ()

    def row(self) -> dict[str, str]:
        """The line for a program: its time in UTC, numbers as exact text."""
        return {
            "ts": iso_utc(self.at_ns),
            "event_type": self.event_type,
            "order_id": self.order_id,
            "strategy": self.strategy,
            "symbol": self.symbol,
            "side": self.side,
            "qty": "" if self.qty is None else decimal_text(self.qty),
            "price": "" if self.price is None else decimal_text(self.price),
            "reason": self.reason,
            "tag": self.tag,
            "regime": self.regime,
            "failure_regimes": SEPARATOR.join(self.failure_regimes),
        }


COLUMNS = (
    "ts", "event_type", "order_id", "strategy", "symbol", "side", "qty", "price", "reason",
    "tag", "regime", "failure_regimes",
)  # fmt: skip


class TradeJournal:
    """Tells the lines of one event after the other; events come in the order of the journal."""

    def __init__(self) -> None:
        self._booked = 0
        self._asked_back: dict[str, str] = {}

    def told(
        self, event: Event, outcome: Outcome, state: DeskState, book: RuleBook
    ) -> Iterator[TradingEvent]:
        """The lines of one event, in the order in which they came to be."""
        yield from self._executions(state)
        for decision in outcome.decisions:
            if decision.outcome != NO_TRADE:
                yield _signal(decision, outcome, state, book)
        for command in outcome.commands:
            if isinstance(command, CancelOrder):
                self._asked_back[command.client_order_id] = command.reason
        for change in outcome.transitions:
            if change.from_state not in {"", change.to_state}:
                yield from self._moved(change, event, state)
        for command in outcome.commands:
            if isinstance(command, SubmitOrder):
                order = state.orders[command.client_order_id]
                price = command.stop_price or order.reference_price
                yield _line(command.at_ns, SUBMIT, order, order.reason, price)
        if isinstance(event, OrderNotTaken | CancelRefused):
            yield from self._refused(event, state)
        for trade in outcome.trades:
            yield _finished(trade)

    def _executions(self, state: DeskState) -> Iterator[TradingEvent]:
        executions = state.ledger.executions
        for execution in islice(executions.values(), self._booked, None):
            yield _execution(execution, state.orders.get(execution.client_order_id))
        self._booked = len(executions)

    def _moved(
        self, change: OrderStateChangedEvent, event: Event, state: DeskState
    ) -> Iterator[TradingEvent]:
        if change.to_state in _TOLD_BY_FILLS:
            return
        order = state.orders[change.client_order_id]
        kind = _BY_STATE.get(change.to_state, change.to_state)
        reason = change.event
        if kind in {CANCEL, "CANCEL_REQUESTED"}:
            reason = self._asked_back.get(change.client_order_id, _NOT_ASKED_FOR)
        elif isinstance(event, OrderRejected):
            reason = f"{event.code}: {event.reason}"
        yield _line(change.at_ns, kind, order, reason, None, order.remaining_qty)

    def _refused(
        self, event: OrderNotTaken | CancelRefused, state: DeskState
    ) -> Iterator[TradingEvent]:
        order = state.orders.get(event.client_order_id)
        if order is not None:
            kind = CANCEL_REFUSED if isinstance(event, CancelRefused) else NOT_TAKEN
            yield _line(event.at_ns, kind, order, f"{event.code}: {event.reason}", None)


def made_by(decision: Decision, outcome: Outcome, state: DeskState) -> Order | None:
    """The order that a decision made; an exit may wait for a stop before it is sent."""
    for change in outcome.transitions:
        order = state.orders[change.client_order_id]
        is_mine = order.strategy == decision.strategy and order.role != PROTECTIVE
        if is_mine and not change.from_state:
            return order
    return None


def with_tags(
    lines: Iterable[TradingEvent], trades: Iterable[TradeAttribution]
) -> list[TradingEvent]:
    """The lines with the tags of every finished trade; both in the order of the journal."""
    tagged = iter(trades)
    return [_tagged(line, next(tagged)) if line.event_type == EXIT_DONE else line for line in lines]


def _tagged(line: TradingEvent, of: TradeAttribution) -> TradingEvent:
    return line._replace(tag=of.tag, regime=of.regime, failure_regimes=of.failures)


def trading_csv(lines: Iterable[TradingEvent]) -> str:
    """The lines as CSV text with a header."""
    out = StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(line.row() for line in lines)
    return out.getvalue()


def _line(
    at_ns: int,
    kind: str,
    order: Order,
    reason: str,
    price: Decimal | None,
    qty: Decimal | None = None,
) -> TradingEvent:
    shares = order.qty if qty is None else qty
    return TradingEvent(
        at_ns, kind, order.client_order_id, order.strategy, order.symbol, order.side, shares,
        price, reason,
    )  # fmt: skip


def _signal(decision: Decision, outcome: Outcome, state: DeskState, book: RuleBook) -> TradingEvent:
    """A wish to trade: with the order that came of it, or with what held it back."""
    order = made_by(decision, outcome, state)
    if order is not None:
        return _line(decision.at_ns, SIGNAL, order, order.reason, order.reference_price)
    codes = ", ".join(_held_back(decision, book))
    reason = f"{decision.outcome}: {codes}" if codes else decision.outcome
    return TradingEvent(
        decision.at_ns, SIGNAL, "", decision.strategy, decision.symbol, "", None, None, reason
    )


def _held_back(decision: Decision, book: RuleBook) -> list[str]:
    if decision.outcome in {EXIT, EXIT_WAITS}:
        return true_codes(book.exit_checks.conditions, decision.checks)
    return [
        *true_codes(book.blocks_entries.conditions, decision.data),
        *true_codes([item.trips_when for item in book.protections], decision.protections),
        *true_codes(book.entry_checks.conditions, decision.checks),
    ]


def _execution(execution: Execution, order: Order | None) -> TradingEvent:
    reason = order.reason if order is not None else execution.kind
    if execution.kind == fill.INFERRED:
        reason = f"{reason}, inferred from the broker's total"
    return TradingEvent(
        execution.at_ns, _BY_KIND.get(execution.kind, execution.kind.upper()),
        execution.client_order_id, execution.strategy, execution.symbol, execution.side,
        execution.qty, execution.price, reason,
    )  # fmt: skip


def _finished(trade: Trade) -> TradingEvent:
    return TradingEvent(
        trade.exit_ns, EXIT_DONE, "", trade.strategy, trade.symbol, "", trade.qty,
        trade.exit_price, trade.exit_reason,
    )  # fmt: skip
