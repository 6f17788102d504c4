"""A back-test: the live loop over recorded bars, with a journal in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from mqd import __version__
from mqd.app.bars import recorded_feed
from mqd.brokers.simulated import SimulatedBroker, SimulationSettings
from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.ground.times import NS_PER_MINUTE
from mqd.model.decision import Outcome
from mqd.model.event import DeskStarted, Event
from mqd.model.position import Trade
from mqd.ports.journal import Journal
from mqd.rules.book import RuleBook
from mqd.rules.compile.book import CompiledBook, compile_book
from mqd.runtime.desk import Desk, Watcher
from mqd.runtime.loop import Loop
from mqd.store.memory import MemoryJournal

END_OF_DATA = "END_OF_DATA"
PROFILE = "backtest"


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """What a back-test found: its trades in order of exit, and the desk as it stands."""

    book: CompiledBook
    trades: tuple[Trade, ...]
    state: DeskState
    bars: int

    @property
    def pnl_usd(self) -> Decimal:
        """The P&L of all trades in USD, net of modelled costs, exact."""
        return sum((trade.pnl_usd for trade in self.trades), Decimal(0))

    @property
    def won(self) -> int:
        """How many trades made money."""
        return sum(1 for trade in self.trades if trade.pnl_usd > 0)


class _Trades:
    """Collects finished trades and counts bars."""

    def __init__(self) -> None:
        self.found: list[Trade] = []

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        """Keep the trades of this outcome."""
        if outcome.trades:
            self.found += outcome.trades


def run_backtest(
    book: RuleBook,
    paths: Sequence[Path],
    simulation: SimulationSettings,
    watchers: Iterable[Watcher] = (),
    journal: Journal | None = None,
) -> BacktestResult:
    """Run the rules over the bars; a position still open at the end is closed at the last close.

    Raises:
        BarsFileError: a file cannot be read.
    """
    feed = recorded_feed(paths, book)
    compiled = compile_book(book)
    trades = _Trades()
    keeper = journal if journal is not None else MemoryJournal(keep=False)
    keeper.remember_rules(book.digest, book.canonical)
    desk = Desk(Engine.of(compiled), DeskState(), keeper, SimulatedBroker(simulation))
    loop = Loop(desk, (trades, *watchers))
    start_ns = feed.rows.first_ns if feed.rows.count else 0
    desk.take(DeskStarted(start_ns, book.digest, PROFILE, __version__))
    loop.run(feed.events())
    open_trades = _close_open(desk.state)
    return BacktestResult(compiled, (*trades.found, *open_trades), desk.state, feed.rows.count)


def _close_open(state: DeskState) -> list[Trade]:
    found: list[Trade] = []
    for position in state.ledger.positions.open_positions():
        symbol = state.symbol(position.symbol)
        last_end_ns = symbol.newest_start_ns + NS_PER_MINUTE
        price = Decimal(repr(symbol.last_close))
        found.append(state.ledger.closed_at(position, price, last_end_ns, END_OF_DATA))
    return found
