"""A back-test: the live loop over recorded bars, with a journal in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from mqd import __version__
from mqd.app.bars import recorded_feed
from mqd.app.end_of_data import closed_at_the_end
from mqd.app.shadow import ShadowLedger
from mqd.brokers.simulated import SimulatedBroker, SimulationSettings
from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.model.decision import Outcome
from mqd.model.event import DeskStarted, Event
from mqd.model.position import Trade
from mqd.ports.journal import Journal
from mqd.publish.shadow import ShadowReport
from mqd.rules.book import RuleBook
from mqd.rules.compile.book import CompiledBook, compile_book
from mqd.runtime.desk import Desk, Watcher
from mqd.runtime.loop import Loop
from mqd.store.memory import MemoryJournal

PROFILE = "backtest"


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """What a back-test found: its trades in order of exit, and the desk as it stands.

    `shadows` is what protections kept out, where that was asked for.
    """

    book: CompiledBook
    trades: tuple[Trade, ...]
    state: DeskState
    bars: int
    shadows: ShadowReport | None = None

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
    *,
    with_shadows: bool = False,
) -> BacktestResult:
    """Run the rules over the bars; a position still open at the end is closed at the last close.

    With shadows what protections keep out is followed beside it; the run itself is the same.

    Raises:
        BarsFileError: a file cannot be read.
    """
    feed = recorded_feed(paths, book)
    compiled = compile_book(book)
    trades = _Trades()
    keeper = journal if journal is not None else MemoryJournal(keep=False)
    keeper.remember_rules(book.digest, book.canonical)
    broker = SimulatedBroker(simulation)
    desk = Desk(Engine.of(compiled), DeskState(), keeper, broker)
    shadows = ShadowLedger(compiled, broker) if with_shadows else None
    loop = Loop(desk, (trades, *([shadows] if shadows is not None else []), *watchers))
    start_ns = feed.rows.first_ns if feed.rows.count else 0
    desk.take(DeskStarted(start_ns, book.digest, PROFILE, __version__))
    loop.run(feed.events())
    positions = desk.state.ledger.positions.open_positions()
    open_trades = [closed_at_the_end(desk.state, position) for position in positions]
    return BacktestResult(
        compiled, (*trades.found, *open_trades), desk.state, feed.rows.count,
        shadows.report() if shadows is not None else None,
    )  # fmt: skip
