"""Bars as a second source of the exchange's time, beside the answers of its clock."""

from __future__ import annotations

from mqd.brokers.alpaca.exchange_clock import ExchangeClock
from mqd.engine.state import DeskState
from mqd.model.decision import Outcome
from mqd.model.event import BarClosed, Event
from mqd.ports.clock import Clock


class FeedTime:
    """A watcher of the loop: where time is the exchange's, a bar that ended moves it on.

    Its clock may be answered late, or stand still between two bars, and the desk must not count
    minutes that have passed as minutes to come.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock if isinstance(clock, ExchangeClock) else None

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:  # a watcher's form
        """Take the end of a bar for the time that it is at least."""
        if self._clock is not None and type(event) is BarClosed:
            self._clock.at_least(event.at_ns)
