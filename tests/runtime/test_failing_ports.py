"""Every call of every port fails once: the first, the second, until a day passes without it.

The broker outlives the desk, as a real one does. What it was about to say when a process ends is
lost in one half of the days, and waits for the next process in the other. A command that cannot be
delivered, or replies that cannot be asked for, are events and end nothing; any other failure ends
the process, and the next one starts from the journal. However the day went: no order is doubled,
none is lost, the books are the broker's, and no invariant broke.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import pytest

from mqd.brokers.simulated import SimulatedBroker, SimulationSettings
from mqd.engine.holdings import is_managed
from mqd.engine.state import DeskState
from mqd.ground.errors import (
    BarsFileError,
    BrokerTimeoutError,
    BrokerUnavailableError,
    InvariantError,
    JournalError,
    MqdError,
)
from mqd.ground.times import NS_PER_S
from mqd.model.command import Command, SubmitOrder
from mqd.model.decision import IncidentRaised
from mqd.model.event import BrokerEvent, ClockTicked, DeskStarted, Event
from mqd.ports.feed import FeedEvent
from mqd.runtime.desk import Desk
from mqd.runtime.interruptions import Interruptions
from mqd.runtime.loop import Loop
from mqd.runtime.recovery import rebuilt

STATES = {
    "new": "SUBMITTED",
    "partially_filled": "PARTIALLY_FILLED",
    "filled": "FILLED",
    "canceled": "CANCELLED",
    "expired": "EXPIRED",
    "rejected": "REJECTED",
}
EVERY_CALL = os.environ.get("MQD_EVERY_POINT") == "1"
STRIDE = 9
"""Without it: every call that sends, and of the others one in so many."""
TICKS = 40
TICK_NS = 15 * NS_PER_S


class Failing:
    """Fails one call, the `number`-th; `calls` counts them."""

    def __init__(self, error: Exception | None = None, number: int = 0) -> None:
        self._error = error
        self._number = number
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1
        if self.calls == self._number:
            assert self._error is not None
            raise self._error

    @property
    def has_failed(self) -> bool:
        return self.calls >= self._number


def never() -> None:
    """A call that does not fail."""


class Calls(NamedTuple):
    """What fails where: called before a call does its work, or after it."""

    before_send: Callable[[], None] = never
    after_send: Callable[[], None] = never
    replies: Callable[[], None] = never
    before_append: Callable[[], None] = never
    before_commit: Callable[[], None] = never
    after_commit: Callable[[], None] = never
    clock: Callable[[], None] = never
    feed: Callable[[], None] = never

    def journal(self, where: str) -> None:
        """The points of a journal's work by their names here."""
        name = where.split(",", maxsplit=1)[0].replace(" ", "_")
        if name in self._fields:
            getattr(self, name)()


class LivingBroker:
    """A simulated broker that outlives every desk; it lives each moment of the market once."""

    def __init__(self, settings: dict[str, Any], calls: Calls) -> None:
        self.inner = SimulatedBroker(SimulationSettings(**settings))
        self.sent: list[SubmitOrder] = []
        self._calls = calls
        self._lived: set[Event] = set()

    def send(self, command: Command) -> None:
        self._calls.before_send()
        if isinstance(command, SubmitOrder):
            self.sent.append(command)
        self.inner.send(command)
        self._calls.after_send()

    def observe(self, event: Event, *, accepted: bool) -> None:
        if event not in self._lived:
            self._lived.add(event)
            self.inner.observe(event, accepted=accepted)

    def replies(self) -> Iterator[BrokerEvent]:
        self._calls.replies()
        return self.inner.replies()


class FailingClock:
    """Every look at it is a second later."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._now_ns = 0

    def now_ns(self) -> int:
        return self.monotonic_ns()

    def monotonic_ns(self) -> int:
        self._calls.clock()
        self._now_ns += NS_PER_S
        return self._now_ns

    def sleep(self, duration_s: float) -> None:
        raise AssertionError(f"nobody waits {duration_s} s here")


class Day:
    """One day, as many processes as it takes."""

    def __init__(self, desks, runtime, calls: Calls, *, is_deaf: bool = False) -> None:
        self.broker = LivingBroker(desks.market, calls)
        self.processes = 0
        self.state = DeskState()
        self._desks = desks
        self._calls = calls
        self._is_deaf = is_deaf
        self.journal = runtime.KeptJournal(calls.journal)

    def live(self) -> None:
        """Start, and start again after every failure, as a person would."""
        while True:
            self.processes += 1
            assert self.processes < 5, "it fails once"
            try:
                self._process()
            except (MqdError, OSError):
                self.journal = self.journal.left()
                self.journal.passes = self._calls.journal
                if self._is_deaf:
                    list(self.broker.inner.replies())
            else:
                return

    def _process(self) -> None:
        digest = self._desks.books["first"].digest
        self.journal.remember_rules(digest, self._desks.books["first"].canonical)
        found = rebuilt(self.journal, self._desks.engine)
        self.state = found.state
        desk = Desk(self._desks.engine(digest), found.state, self.journal, self.broker)
        loop = Loop(desk, interruptions=Interruptions(FailingClock(self._calls), ()))
        loop.start(DeskStarted(found.state.now_ns, digest, "paper", "test"))
        loop.run(self._events(found.rest_of(self._desks.feed)))

    def _events(self, rest: Iterable[FeedEvent]) -> Iterator[Any]:
        """The rest of the feed, then time enough for everything that still waits for it."""
        for event in rest:
            self._calls.feed()
            yield event
        for _ in range(TICKS):
            yield ClockTicked(self.state.now_ns + TICK_NS)


def check(day: Day, desks, runtime) -> None:
    """What holds at the end of any day."""
    state, books = day.state, day.broker.inner._books
    engine = desks.engine(desks.books["first"].digest)
    incidents = [
        note for _, outcome in day.journal.pairs for note in outcome.notes
        if isinstance(note, IncidentRaised)
    ]  # fmt: skip
    broken = {each.__name__ for each in InvariantError.__subclasses__()}
    assert not [note for note in incidents if note.error in broken]
    assert state.state_name != "FROZEN"
    # No id stands for two orders, and every order that left is in the journal before it.
    sent = runtime.sent_once(day.broker.sent)
    recorded = runtime.sent_once(
        command for _, outcome in day.journal.pairs for command in outcome.commands
    )
    assert sent.items() <= recorded.items()
    # Every order is where the broker has it, and no more or less is filled of it.
    for order_id, order in state.orders.items():
        booked = books.orders.get(order_id)
        # What was asked back and is not there was taken back, for all that the desk can know.
        gone = "CANCELLED" if order.times_asked_back else "NOT_SENT"
        assert order.state == (gone if booked is None else STATES[booked.status]), order
        assert order.filled_qty == (0 if booked is None else booked.filled_qty)
    assert books.orders.keys() <= state.orders.keys()
    # The books are the broker's.
    positions = state.ledger.positions
    assert positions.held("SPY") == day.broker.inner.position("SPY")
    assert state.ledger.cash_delta_usd == day.broker.inner.cash_delta_usd
    for position in positions.open_positions():
        assert is_managed(engine, (position.strategy, position.symbol))
    assert state.desk.is_in_step


PORTS = {
    "the connection is refused": ("before_send", BrokerUnavailableError("connection refused")),
    "the connection breaks": ("before_send", ConnectionResetError("reset by peer")),
    "a request is lost": ("before_send", BrokerTimeoutError("no answer")),
    "an answer is lost": ("after_send", BrokerTimeoutError("no answer")),
    "the stream breaks": ("replies", BrokerUnavailableError("connection refused")),
    "an append": ("before_append", JournalError("the disk is full")),
    "a commit": ("before_commit", JournalError("the disk is full")),
    "a commit that was written": ("after_commit", JournalError("the database is locked")),
    "the clock": ("clock", OSError("no clock")),
    "the feed": ("feed", BarsFileError("cannot be read")),
}
SENDS = {"before_send", "after_send"}
ENDS_NOTHING = {*SENDS, "replies"}


@pytest.fixture(params=["next-open-in-parts", "close-with-rejects"])
def desks(request, books, busy_feed, runtime) -> Any:
    """On two markets; every failure is tried on both."""
    made = runtime.Desks(books, busy_feed, **runtime.MARKETS[request.param])
    made.market = runtime.MARKETS[request.param]
    return made


@pytest.mark.rule("DURABLE_BEFORE_SENT", "RESTART_CHANGES_NOTHING")
@pytest.mark.parametrize("is_deaf", [False, True], ids=["news waits", "news is lost"])
@pytest.mark.parametrize("failure", PORTS)
def test_every_call_of_every_port_fails_once(desks, runtime, failure, is_deaf):
    port, error = PORTS[failure]
    if port in ENDS_NOTHING and is_deaf:
        pytest.skip("no process ends, so no news is lost")
    number = 1
    while True:
        failing = Failing(error, number)
        day = Day(desks, runtime, Calls(**{port: failing}), is_deaf=is_deaf)
        day.live()
        check(day, desks, runtime)
        if not failing.has_failed:
            break
        assert day.processes == (1 if port in ENDS_NOTHING else 2), f"call {number}"
        number += 1 if EVERY_CALL or port in SENDS else STRIDE
    assert number > 20
