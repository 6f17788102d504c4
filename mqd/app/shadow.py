"""The shadow ledger of a back-test: what its protections kept out, followed to its own end.

Where nothing but protections refuses an entry, a copy of the desk and of its broker goes on from
that bar without the protections that block: the same size, exits, fills and costs. It is followed
until that trade is over. The desk of the back-test never hears of it.

While a strategy's shadow is open its further wishes for the symbol are no new trades, whoever
blocks them; and what its shadows traded in a session counts among its entries of that session, so
that a limit of one trade a day lets in one. Only protections have shadows: what checks and data
rules refuse could not have been ordered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from decimal import Decimal

from mqd.app.end_of_data import closed_at_the_end
from mqd.brokers.simulated import SimulatedBroker
from mqd.engine.core import Engine
from mqd.engine.ledger import EXACT
from mqd.engine.state import DeskState, StrategyFacts
from mqd.engine.what_if import forked, let_in, without_blocks
from mqd.model.decision import ENTER, NO_TRADE, REFUSED, Decision, Outcome
from mqd.model.event import BROKER_EVENTS, BarClosed, Event, SessionOpened
from mqd.model.position import Trade
from mqd.publish.shadow import ShadowReport, ShadowTrade, blocked_by
from mqd.rules.compile.book import CompiledBook, compile_book
from mqd.runtime.desk import Desk, deliver
from mqd.runtime.loop import Loop
from mqd.store.memory import MemoryJournal

_OF_THE_BROKER = frozenset(BROKER_EVENTS)
_Key = tuple[str, str]


class _FirstTrade:
    """Waits for the first round trip of one strategy in one symbol.

    `was_over` where it had ended already when a bar was decided on.
    """

    def __init__(self, key: _Key) -> None:
        self._key = key
        self.found: Trade | None = None
        self.was_over = False

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:  # a watcher's form
        """Take note of one event."""
        if self.found is not None and isinstance(event, BarClosed):
            self.was_over = True
        for trade in outcome.trades:
            if self.found is None and (trade.strategy, trade.symbol) == self._key:
                self.found = trade


@dataclass(slots=True)
class _Shadow:
    """A trade that is followed: the copy of the desk that makes it, and who blocked it."""

    loop: Loop
    trade: _FirstTrade
    mask: int
    is_postponed: bool = False

    def is_idle(self, key: _Key) -> bool:
        """Whether it holds nothing, and nothing is on its way: its entry came to nothing."""
        state = self.loop.desk.state
        return not state.ledger.positions.get(*key).is_open and not any(
            (state.orders[each].strategy, state.orders[each].symbol) == key
            for each in state.working
        )


@dataclass(slots=True)
class _Today:
    """What a strategy's shadows came to in this session."""

    entries: int = 0
    pnl_usd: Decimal = field(default_factory=lambda: Decimal(0))


class ShadowLedger:
    """A watcher of a back-test with this compiled book and this broker."""

    def __init__(self, book: CompiledBook, broker: SimulatedBroker) -> None:
        self._book = book
        self._broker = broker
        self._strategies = tuple(each.rules.id for each in book.strategies)
        self._engine = Engine.of(compile_book(without_blocks(book.rules)))
        self._before: dict[str, tuple[float, ...]] = {}
        self._open: dict[_Key, _Shadow] = {}
        self._today: dict[str, _Today] = {}
        self._stood: Counter[int] = Counter()
        self._wished: Counter[int] = Counter()
        self._ended: list[tuple[Trade, int, bool]] = []
        self._just_over: set[_Key] = set()
        self._stopped = 0

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        """Follow what is open, and take note of what was refused."""
        if type(event) in _OF_THE_BROKER:
            return
        self._just_over.clear()
        if self._open:
            self._go_on(event, state)
        if isinstance(event, SessionOpened):
            self._today.clear()
        elif isinstance(event, BarClosed):
            for decision in outcome.decisions:
                self._look_at(decision, event, state)
        for strategy_id in self._strategies:
            self._before[strategy_id] = state.strategies[strategy_id].accumulators

    def report(self) -> ShadowReport:
        """What was kept out; what is open still ends with the last bar."""
        found = [*self._ended, *self._ended_by_the_bars()]
        protections = self._book.protections
        trades = tuple(
            ShadowTrade(trade, protections.true_codes(mask), is_postponed)
            for trade, mask, is_postponed in sorted(
                found, key=lambda item: (item[0].entry_ns, item[0].strategy)
            )
        )
        rows = (
            blocked_by(
                each.rules.id, _count(self._stood, each.bit), _count(self._wished, each.bit), trades
            )
            for each in protections.every
            if each.rules.sizes is None
        )
        return ShadowReport(tuple(rows), trades, self._stopped)

    # -- one bar ---------------------------------------------------------------------------------

    def _look_at(self, decision: Decision, bar: BarClosed, state: DeskState) -> None:
        mask, outcome = decision.protections, decision.outcome
        if mask:
            self._stood[mask] += 1
        if outcome == NO_TRADE:  # most of them
            return
        key = (decision.strategy, decision.symbol)
        if outcome == ENTER and key in self._open:
            self._open[key].is_postponed = True
        if not mask or outcome != REFUSED or decision.no_trade:
            return
        self._wished[mask] += 1
        is_taken = key in self._open or key in self._just_over
        if not (decision.data or decision.checks or is_taken):
            self._begin(key, mask, bar, state)

    def _begin(self, key: _Key, mask: int, bar: BarClosed, state: DeskState) -> None:
        fork = forked(self._engine, state)
        commands = let_in(self._engine, fork, key[0], self._facts(key[0], state), bar)
        if commands is None:
            return
        broker = deepcopy(self._broker)
        for command in commands:
            deliver(broker, command, bar.at_ns)
        trade = _FirstTrade(key)
        desk = Desk(self._engine, fork, MemoryJournal(keep=False), broker)
        shadow = _Shadow(Loop(desk, (trade,)), trade, mask)
        shadow.loop.take_replies()
        if not shadow.is_idle(key):
            self._open[key] = shadow

    def _facts(self, strategy: str, state: DeskState) -> StrategyFacts:
        """The strategy as it was asked on this bar, with what its shadows have traded today."""
        facts, today = state.strategies[strategy], self._today.get(strategy, _Today())
        pnl_usd = EXACT.add(facts.pnl_today, today.pnl_usd)
        return replace(
            facts,
            accumulators=self._before.get(strategy, facts.accumulators),
            entries_today=facts.entries_today + today.entries,
            pnl_today=pnl_usd,
            pnl_today_usd=facts.pnl_today_usd + float(today.pnl_usd),
        )

    def _go_on(self, event: Event, state: DeskState) -> None:
        for key, shadow in list(self._open.items()):
            shadow.loop.run([event])
            trade = shadow.trade.found
            if trade is None and shadow.loop.desk.state.state_name != state.state_name:
                self._stopped += 1  # what it would have come to cannot be told
                del self._open[key]
                continue
            if trade is not None:
                self._ended.append((trade, shadow.mask, shadow.is_postponed))
                if not shadow.is_postponed:  # else the desk's own entry counts already
                    today = self._today.setdefault(key[0], _Today())
                    today.entries += trade.entry_ns >= state.session.open_ns
                    today.pnl_usd = EXACT.add(today.pnl_usd, trade.pnl_usd)
            if trade is not None or shadow.is_idle(key):
                del self._open[key]
                if not shadow.trade.was_over:
                    self._just_over.add(key)  # on this bar it was still in

    def _ended_by_the_bars(self) -> Iterator[tuple[Trade, int, bool]]:
        for key, shadow in self._open.items():
            state = shadow.loop.desk.state
            position = state.ledger.positions.get(*key)
            if position.is_open:
                yield closed_at_the_end(state, position), shadow.mask, shadow.is_postponed


def _count(masks: Counter[int], bit: int) -> int:
    return sum(count for mask, count in masks.items() if mask >> bit & 1)
