"""Watches a replay for what a trade is told by later: decisions, sessions, finished trades."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from operator import attrgetter

from mqd.engine.state import DeskState
from mqd.ground.times import NS_PER_S
from mqd.model.decision import EXIT, EXIT_WAITS, Outcome
from mqd.model.event import BarClosed, Event, SessionOpened
from mqd.model.order import ENTRY, EXTERNAL, LEAVING, PROTECTIVE, Order
from mqd.model.order import EXIT as EXIT_ROLE
from mqd.model.position import Trade
from mqd.publish.attribution import (
    UNDECLARED,
    AttributionReport,
    EndedEntry,
    TradeAttribution,
)
from mqd.publish.risk import TradeRisk, risks, stop_codes
from mqd.rules.book import Condition, RuleBook, Strategy
from mqd.rules.compile.question import Given, declared, truth_of
from mqd.rules.looking_back import OF_ENTRY, OF_TRADE, UNKNOWN_REGIME

Key = tuple[str, str]
REJECTED = "REJECTED"


class AttributionWatch:
    """Sees every event of a run or a replay; `report` then tells of every trade."""

    def __init__(self) -> None:
        self.trades: list[Trade] = []
        self._books: dict[str, RuleBook] = {}
        self._opens_ns: list[int] = []
        self._regimes: dict[tuple[str, int], str] = {}
        self._exit_bars: dict[tuple[str, str, int], float] = {}

    def saw(self, event: Event, outcome: Outcome, state: DeskState, book: RuleBook) -> None:
        """Remember what only this moment knows."""
        self._books.setdefault(book.digest, book)
        if isinstance(event, BarClosed):
            for decision in outcome.decisions:
                if decision.outcome in {EXIT, EXIT_WAITS}:
                    key = (decision.strategy, decision.symbol, decision.at_ns)
                    self._exit_bars[key] = event.open
        elif isinstance(event, SessionOpened):
            self._opens_ns.append(event.open_ns)
            for symbol in state.symbols.values():
                self._regimes[symbol.symbol, event.open_ns] = symbol.regime
        self.trades += (trade for trade in outcome.trades if trade.strategy != EXTERNAL)

    def report(
        self, journal: str, orders: Mapping[str, Order], trades: Iterable[Trade] | None = None
    ) -> AttributionReport:
        """What is known of every trade; `orders` are all that the desk ever made.

        `trades` are those to tell of, where they are not the ones that were seen.
        """
        history = _History(orders)
        told = [
            self._attributed(item, history)
            for item in self._with_risks(self.trades if trades is None else trades, orders)
        ]
        return AttributionReport(journal, tuple(told), tuple(self._ended_entries(orders)))

    def _with_risks(
        self, trades: Iterable[Trade], orders: Mapping[str, Order]
    ) -> Iterator[TradeRisk]:
        for trade in trades:
            book = self._books.get(trade.rules_digest)
            stops = stop_codes(book) if book is not None else frozenset[str]()
            yield from risks((trade,), orders, stops)

    def _attributed(self, risk: TradeRisk, history: _History) -> TradeAttribution:
        trade = risk.trade
        book = self._books.get(trade.rules_digest)
        entry, exits = history.entry_of(trade), history.exits_of(trade)
        last = next((order for order in reversed(exits) if order.filled_qty), None)
        sign = -1 if entry is not None and entry.side == "sell" else 1
        tag, counts_as = trade.exit_reason, UNDECLARED
        failures: tuple[str, ...] = ()
        if book is not None:
            values = self._values(risk, entry, exits, last, history)
            tag, counts_as = _ending(trade, book, values)
            failures = _failures(book, trade.strategy, OF_TRADE, values)
        return TradeAttribution(
            risk=risk,
            tag=tag,
            counts_as=counts_as,
            regime=self._regime(trade),
            entry_decided=entry.reference_price if entry else None,
            exit_decided=_decided(last),
            sign=sign,
            failures=failures,
        )

    def _values(
        self,
        risk: TradeRisk,
        entry: Order | None,
        exits: list[Order],
        last: Order | None,
        history: _History,
    ) -> dict[str, Given]:
        """What the conditions about a finished trade read."""
        trade = risk.trade
        decided_ns = min((order.created_ns for order in exits if order.reason == trade.exit_reason),
                         default=0)  # fmt: skip
        shorts = [order for order in exits if order is not last and _fell_short(order)]
        rejected = [order for order in shorts if order.state == REJECTED]
        return {
            "trade.entry_price": float(trade.entry_price),
            "trade.entry_decided": _float(entry.reference_price if entry else None),
            "trade.planned_stop": _float(risk.stop_loss),
            "trade.exit_bar_open": self._exit_bars.get((trade.strategy, trade.symbol, decided_ns)),
            "trade.held": max(0, trade.exit_ns - trade.entry_ns) // NS_PER_S,
            "trade.is_stopped": _is_stopped(trade, self._books[trade.rules_digest]),
            "trade.number": history.number_of(entry, self._session_ns(trade.entry_ns)),
            "trade.rejected_exits": len(rejected),
            "trade.failed_exits": len(shorts) - len(rejected),
        }

    def _session_ns(self, at_ns: int) -> int:
        place = bisect_right(self._opens_ns, at_ns)
        return self._opens_ns[place - 1] if place else 0

    def _regime(self, trade: Trade) -> str:
        found = self._regimes.get((trade.symbol, self._session_ns(trade.entry_ns)))
        return found or UNKNOWN_REGIME

    def _ended_entries(self, orders: Mapping[str, Order]) -> Iterator[EndedEntry]:
        for order in orders.values():
            book = self._books.get(order.rules_digest)
            is_ours = order.role == ENTRY and order.filled_qty < order.qty
            if book is None or not is_ours or order.state not in book.order_machine.terminal:
                continue
            states = [state.name for state in book.order_machine.states]
            values: dict[str, Given] = {
                "order.state": states.index(order.state),
                "order.age": max(0, order.updated_ns - order.created_ns) // NS_PER_S,
                "order.qty": float(order.qty),
                "order.filled_qty": float(order.filled_qty),
            }
            yield EndedEntry(order, _failures(book, order.strategy, OF_ENTRY, values))


class _History:
    """The orders of a journal by position, in the order in which they were made."""

    def __init__(self, orders: Mapping[str, Order]) -> None:
        self._entries: dict[Key, list[Order]] = {}
        self._exits: dict[Key, list[Order]] = {}
        for order in sorted(orders.values(), key=attrgetter("created_ns")):
            found = self._exits if order.role in LEAVING else self._entries
            if order.role == ENTRY and not order.filled_qty:
                continue
            found.setdefault((order.strategy, order.symbol), []).append(order)

    def entry_of(self, trade: Trade) -> Order | None:
        """The entry that opened it: the newest before its first fill."""
        entries = self._entries.get((trade.strategy, trade.symbol), [])
        place = bisect_right(entries, trade.entry_ns, key=attrgetter("created_ns"))
        return entries[place - 1] if place else None

    def exits_of(self, trade: Trade) -> list[Order]:
        """Everything that was to end it: exits, and stops that rested at the broker."""
        exits = self._exits.get((trade.strategy, trade.symbol), [])
        first, last = (
            bisect_right(exits, at_ns, key=attrgetter("created_ns"))
            for at_ns in (trade.entry_ns - 1, trade.exit_ns)
        )
        return exits[first:last]

    def number_of(self, entry: Order | None, session_ns: int) -> int:
        """The place of an entry among those of its strategy in its session, all symbols."""
        if entry is None:
            return 0
        own = (item for (name, _), found in self._entries.items() if name == entry.strategy
               for item in found)  # fmt: skip
        return sum(session_ns <= item.created_ns <= entry.created_ns for item in own)


def _is_stopped(trade: Trade, book: RuleBook) -> bool:
    """Whether a stop ended it; one that got out at its entry price was stopped all the same."""
    return trade.exit_reason in stop_codes(book) and trade.pnl_usd <= 0


def _fell_short(order: Order) -> bool:
    """Whether an exit that left the desk was not filled; a stop that rests is none."""
    is_exit = order.role == EXIT_ROLE and order.times_sent > 0
    return is_exit and order.filled_qty < order.qty


def _decided(order: Order | None) -> Decimal | None:
    if order is None:
        return None
    return order.stop_price if order.role == PROTECTIVE else order.reference_price


def _ending(trade: Trade, book: RuleBook, values: Mapping[str, Given]) -> tuple[str, str]:
    """The tag of what ended a trade, and whose result that makes it."""
    declared_ends = book.attribution
    if declared_ends is None:
        return trade.exit_reason, UNDECLARED
    for tag in declared_ends.tags:
        if truth_of(tag.condition.when, possibly=False).asked(values):
            return tag.condition.code, tag.counts_as
    kinds = {item.code: item.counts_as for item in declared_ends.exits}
    strategy = _strategy(book, trade.strategy)
    kinds |= dict(strategy.exit_kinds) if strategy else {}
    return trade.exit_reason, kinds.get(trade.exit_reason, UNDECLARED)


def _failures(
    book: RuleBook, strategy_id: str, of: str, values: Mapping[str, Given]
) -> tuple[str, ...]:
    """The failure regimes of the strategy that are true of a trade or an entry."""
    strategy = _strategy(book, strategy_id)
    if strategy is None:
        return ()
    known = {**values, **{param.name: declared(param) for param in strategy.params}}
    wanted = (item.condition for item in strategy.failure_regimes if item.of == of)
    return tuple(rule.code for rule in wanted if _is_true(rule, known))


def _is_true(rule: Condition, values: Mapping[str, Given]) -> bool:
    return bool(truth_of(rule.when, possibly=rule.true_if_unknown).asked(values))


def _strategy(book: RuleBook, strategy_id: str) -> Strategy | None:
    return next((item for item in book.strategies if item.id == strategy_id), None)


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
