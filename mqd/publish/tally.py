"""What one run of the desk saw and did, counted while it runs; one cheap step a bar."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable
from itertools import chain

from mqd.engine.state import DeskState
from mqd.model.decision import (
    REFUSED,
    BarSetAside,
    DeskStateChanged,
    DriftFound,
    IdleOutOfBand,
    IncidentRaised,
    OperatorHeard,
    Outcome,
    ProtectionTripped,
    Reconciled,
    TradeWatched,
    WatchActed,
)
from mqd.model.event import BarClosed, Event, FeedDefectFound, SessionClosed, SessionOpened
from mqd.model.position import Trade
from mqd.publish.figures import PERCENTS, nearest_rank
from mqd.publish.strategy_news import STRATEGY_NEWS, StrategyNews


class Tally:
    """A watcher of the loop. `took_ns` tells how long the last event took; 0: nobody knows.

    `blocked` counts decisions by strategy and NO-TRADE mask, `refused` entries by the masks of
    what refused them (data, protections, checks): codes are looked up once, when the run is over.
    """

    def __init__(self, took_ns: Callable[[], int] = lambda: 0) -> None:
        self._took_ns = took_ns
        self.sessions: list[str] = []
        self.sessions_closed = 0
        self.bars = 0
        self.bars_aside = 0
        self.aside: Counter[str] = Counter()
        self.defects: Counter[str] = Counter()
        self.blocked: Counter[tuple[str, int]] = Counter()
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.refused: Counter[tuple[int, int, int]] = Counter()
        self.trades: list[Trade] = []
        self.tripped: list[ProtectionTripped] = []
        self.incidents: list[IncidentRaised] = []
        self.desk_changes: list[DeskStateChanged] = []
        self.heard: list[OperatorHeard] = []
        self.drifts: list[DriftFound] = []
        self.comparisons: list[Reconciled] = []
        self.watched: list[WatchActed] = []
        self.looked_after: list[TradeWatched] = []
        self.out_of_band: list[IdleOutOfBand] = []
        self.strategy_news: list[StrategyNews] = []
        self.took: array[int] = array("q")
        self.took_with_orders: array[int] = array("q")

    @property
    def bars_counted(self) -> int:
        """Bars that fed the rules."""
        return self.bars - self.bars_aside

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:  # a watcher's form
        """Count one event and what it led to."""
        kind = type(event)
        if kind is BarClosed:
            self._count_bar(outcome)
        elif isinstance(event, FeedDefectFound):
            self.defects[event.code] += 1
        elif isinstance(event, SessionOpened):
            self.sessions.append(event.date)
        elif kind is SessionClosed:
            self.sessions_closed += 1
        if outcome.trades:
            self.trades += outcome.trades
        if outcome.notes:
            self._count_notes(outcome)
            self.strategy_news += (n for n in outcome.notes if isinstance(n, STRATEGY_NEWS))

    def _count_bar(self, outcome: Outcome) -> None:
        self.bars += 1
        for decision in outcome.decisions:
            self.blocked[decision.strategy, decision.no_trade] += 1
            self.outcomes[decision.strategy, decision.outcome] += 1
            if decision.outcome == REFUSED:
                self.refused[decision.data, decision.protections, decision.checks] += 1
        took_ns = self._took_ns()
        if took_ns and outcome.decisions:
            self.took.append(took_ns)
            if outcome.commands:
                self.took_with_orders.append(took_ns)

    def _count_notes(self, outcome: Outcome) -> None:
        for note in outcome.notes:
            match note:
                case BarSetAside():
                    self.bars_aside += 1
                    self.aside.update(note.codes)
                case ProtectionTripped():
                    self.tripped.append(note)
                case IncidentRaised():
                    self.incidents.append(note)
                case DeskStateChanged():
                    self.desk_changes.append(note)
                case OperatorHeard():
                    self.heard.append(note)
                case DriftFound():
                    self.drifts.append(note)
                case Reconciled():
                    self.comparisons.append(note)
                case WatchActed():
                    self.watched.append(note)
                case TradeWatched():
                    self.looked_after.append(note)
                case IdleOutOfBand():
                    self.out_of_band.append(note)

    def strategies(self) -> list[str]:
        """Every strategy that decided on a bar, by name."""
        return sorted({strategy for strategy, _ in chain(self.blocked, self.outcomes)})


def percentiles_us(took_ns: array[int]) -> dict[str, float]:
    """The 50th, 90th, 95th and 99th percentile by nearest rank, in microseconds."""
    ordered = sorted(took_ns)
    if not ordered:
        return {}
    return {f"p{percent}": nearest_rank(ordered, percent) / 1_000 for percent in PERCENTS}
