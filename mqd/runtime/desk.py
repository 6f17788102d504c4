"""A running desk: append, step, commit, send; in this order, for every event there ever is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.engine.step import step
from mqd.ground.errors import DuplicateOrderError, Unavailable, UnknownOutcome
from mqd.model.command import CancelOrder, Command, LookUpOrder, SubmitOrder, TakeSnapshot
from mqd.model.decision import NOTHING, Outcome
from mqd.model.event import (
    BrokerEvent,
    Event,
    OrderNotTaken,
    OrderOutcomeLost,
    OrderReachedFor,
    SnapshotFailed,
)
from mqd.model.journaled import as_journaled
from mqd.ports.broker import Broker
from mqd.ports.journal import Journal
from mqd.runtime.door import Door

NOT_DELIVERED = "NOT_DELIVERED"


class Watcher(Protocol):
    """Somebody who is told what happened, after it is durable; it can change nothing."""

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        """One event was taken and led to this outcome."""
        ...


class Desk:
    """The engine with its state, its journal and its broker.

    What others see as its `broker` sends nothing: the right to send is the desk's own.
    `waiting` are events that come before the next reply of the broker: a command that could not
    be delivered ends nothing, but becomes one of them. Give the desk a `stopwatch` (nanoseconds
    that never step back) and `took_ns` tells how long the last event took, from being taken to
    being decided and committed.
    """

    def __init__(self, engine: Engine, state: DeskState, journal: Journal, broker: Broker) -> None:
        self.engine = engine
        self.state = state
        self.journal = journal
        self.waiting: deque[BrokerEvent] = deque()
        door = Door(broker, self._tell_of_reach)
        self._sender = door.right()
        self.broker: Broker = door
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
        event = as_journaled(event)
        seq = self.journal.append(event)
        outcome = step(self.engine, self.state, event, aside)
        self.journal.commit(seq, outcome)
        if stopwatch is not None:
            self.took_ns = stopwatch() - started_ns
        for command in outcome.commands:
            failed = deliver(self._sender, command, self.state.now_ns)
            if failed is not None:
                self.waiting.append(failed)
        return outcome

    def _tell_of_reach(self, what: str) -> None:
        self.waiting.append(OrderReachedFor(self.state.now_ns, what))

    def would_act(self, event: Event) -> bool:
        """Whether an event would lead to anything now; nothing is changed by asking."""
        return step(self.engine, self.state.fork(), event) != NOTHING


def deliver(broker: Broker, command: Command, at_ns: int) -> BrokerEvent | None:
    """Send a durable command; the event that tells of it where it could not be delivered.

    None for a command that was delivered, and for a look-up that was not: the watch asks again.
    An order that the broker has already is asked after: its own id found it there.
    """
    try:
        broker.send(command)
    except DuplicateOrderError:
        return deliver(broker, LookUpOrder(at_ns, _order_id(command)), at_ns)
    except Unavailable as error:
        return _not_sent(command, at_ns, str(error))
    except (UnknownOutcome, OSError) as error:
        return _no_answer(command, at_ns, str(error))
    return None


def _not_sent(command: Command, at_ns: int, reason: str) -> BrokerEvent | None:
    """The request provably did not reach the broker's books."""
    if isinstance(command, SubmitOrder | CancelOrder):
        return OrderNotTaken(at_ns, command.client_order_id, NOT_DELIVERED, reason)
    return SnapshotFailed(at_ns, reason) if isinstance(command, TakeSnapshot) else None


def _no_answer(command: Command, at_ns: int, reason: str) -> BrokerEvent | None:
    """The request may have reached the broker's books, or not."""
    if isinstance(command, SubmitOrder | CancelOrder):
        return OrderOutcomeLost(at_ns, command.client_order_id)
    return SnapshotFailed(at_ns, reason) if isinstance(command, TakeSnapshot) else None


def _order_id(command: Command) -> str:
    assert isinstance(command, SubmitOrder), f"only an order can be there already, not {command}"
    return command.client_order_id
