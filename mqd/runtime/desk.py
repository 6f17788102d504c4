"""A running desk: append, step, commit, send; in this order, for every event there ever is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.engine.step import step
from mqd.model.decision import Outcome
from mqd.model.event import Event
from mqd.ports.broker import Broker
from mqd.ports.journal import Journal


class Watcher(Protocol):
    """Somebody who is told what happened, after it is durable; it can change nothing."""

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        """One event was taken and led to this outcome."""
        ...


class Desk:
    """The engine with its state, its journal and its broker.

    Give it a `stopwatch` (nanoseconds that never step back) and `took_ns` tells how long the last
    event took, from being taken to being decided and committed.
    """

    def __init__(self, engine: Engine, state: DeskState, journal: Journal, broker: Broker) -> None:
        self.engine = engine
        self.state = state
        self.journal = journal
        self.broker = broker
        self.stopwatch: Callable[[], int] | None = None
        self.took_ns = 0

    def take(self, event: Event, aside: int | None = None) -> Outcome:
        """Let one event act; its commands leave only when the journal has them.

        `aside` is for a bar whose data rules were asked already: their answer.

        Raises:
            JournalError: the journal cannot be written; this process's state ends here.
        """
        stopwatch = self.stopwatch
        started_ns = stopwatch() if stopwatch is not None else 0
        seq = self.journal.append(event)
        outcome = step(self.engine, self.state, event, aside)
        self.journal.commit(seq, outcome)
        if stopwatch is not None:
            self.took_ns = stopwatch() - started_ns
        for command in outcome.commands:
            self.broker.send(command)
        return outcome
