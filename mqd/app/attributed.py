"""Whose result the trades of a back-test were: a watcher for a run under one rule book."""

from __future__ import annotations

from mqd.app.backtest import BacktestResult
from mqd.engine.state import DeskState
from mqd.model.decision import Outcome
from mqd.model.event import Event
from mqd.publish.attribution import AttributionReport
from mqd.publish.attribution_watch import AttributionWatch
from mqd.rules.book import RuleBook


class AttributionOf:
    """Watches a back-test under this book."""

    def __init__(self, book: RuleBook) -> None:
        self._book = book
        self._watch = AttributionWatch()

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:  # a watcher's form
        """Take note of one event."""
        self._watch.saw(event, outcome, state, self._book)

    def report(self, result: BacktestResult, name: str = "") -> AttributionReport:
        """What is told of every trade of the run, those that the end of the bars closed too."""
        return self._watch.report(name, result.state.orders, result.trades)
