"""A command that cannot be delivered: it ends nothing, and what it means is in the journal."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from mqd.brokers.simulated import SimulatedBroker, SimulationSettings
from mqd.ground.errors import BrokerTimeoutError, BrokerUnavailableError
from mqd.model.command import CancelOrder, Command, LookUpOrder, SubmitOrder, TakeSnapshot
from mqd.model.event import (
    BrokerEvent,
    DeskStarted,
    Event,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderNotTaken,
    OrderOutcomeLost,
    OrderReported,
    SnapshotFailed,
    SnapshotTaken,
)
from mqd.runtime.desk import deliver
from mqd.runtime.older_rows import same_reply

AT = 1_728_309_600_000_000_000
SUBMIT = SubmitOrder(AT, "a", "SPY", "buy", Decimal(1), "market", "day")
CANCEL = CancelOrder(AT, "a", "TEST")
LOOK_UP = LookUpOrder(AT, "a")
SNAPSHOT = TakeSnapshot(AT, "TEST")
REFUSED = BrokerUnavailableError("connection refused")
LOST = BrokerTimeoutError("no answer")
BROKEN = ConnectionResetError("reset by peer")


class OutOfReach:
    """A broker whose line fails."""

    def __init__(self, error: Exception) -> None:
        self.error: Exception | None = error
        self.inner = SimulatedBroker(SimulationSettings())

    def send(self, command: Command) -> None:
        if self.error is not None:
            raise self.error
        self.inner.send(command)

    def observe(self, event: Event, *, accepted: bool) -> None:
        self.inner.observe(event, accepted=accepted)

    def replies(self) -> Iterator[BrokerEvent]:
        return self.inner.replies()


@pytest.mark.parametrize(
    ("command", "error", "told"),
    [
        (SUBMIT, REFUSED, OrderNotTaken(AT, "a", "NOT_DELIVERED", "connection refused")),
        (SUBMIT, LOST, OrderOutcomeLost(AT, "a")),
        (SUBMIT, BROKEN, OrderOutcomeLost(AT, "a")),
        (CANCEL, REFUSED, OrderNotTaken(AT, "a", "NOT_DELIVERED", "connection refused")),
        (CANCEL, LOST, OrderOutcomeLost(AT, "a")),
        (SNAPSHOT, REFUSED, SnapshotFailed(AT, "connection refused")),
        (SNAPSHOT, BROKEN, SnapshotFailed(AT, "reset by peer")),
        (LOOK_UP, REFUSED, None),  # the watch asks again
        (LOOK_UP, LOST, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_delivered_is_told_as_what_it_proves(command, error, told):
    assert deliver(OutOfReach(error), command, AT) == told


def test_what_is_delivered_tells_nothing():
    broker = OutOfReach(REFUSED)
    broker.error = None
    assert deliver(broker, SNAPSHOT, AT) is None
    assert [type(reply) for reply in broker.replies()] == [SnapshotTaken]


def test_an_error_of_ours_is_no_news_of_the_broker():
    with pytest.raises(TypeError):
        deliver(OutOfReach(TypeError("a mistake")), SUBMIT, AT)


def test_an_order_that_is_there_already_is_asked_after():
    broker = OutOfReach(REFUSED)
    broker.error = None
    assert deliver(broker, SUBMIT, AT) is None
    first = list(broker.replies())
    assert deliver(broker, SUBMIT._replace(at_ns=AT + 1), AT + 1) is None
    (answer,) = broker.replies()
    assert len(first) == 1
    assert isinstance(answer, OrderReported)
    assert answer.report.client_order_id == "a"


def test_a_desk_whose_broker_cannot_be_asked_waits_and_asks_again(books, busy_feed, runtime):
    """The start is no crash: nothing is opened until a snapshot has come."""
    desks = runtime.Desks(books, busy_feed)
    journal = runtime.KeptJournal()
    lines: list[OutOfReach] = []

    def line_to(broker):
        line = OutOfReach(REFUSED)
        line.inner = broker
        lines.append(line)
        return line

    state = desks.start(journal, most=40, line_to=line_to)
    assert isinstance(journal.pairs[0][0], DeskStarted)
    assert isinstance(journal.pairs[1][0], SnapshotFailed)
    asked = [
        command for _, outcome in journal.pairs for command in outcome.commands
        if isinstance(command, TakeSnapshot)
    ]  # fmt: skip
    assert len(asked) > 10
    assert not state.orders
    assert not state.desk.is_in_step


def test_a_reply_of_an_older_journal_is_the_same_reply():
    filled = OrderFilled(AT, "a", "b", "x", Decimal(1), Decimal(2), Decimal(0), "SPY", "buy")
    assert same_reply(filled._replace(symbol="", side=""), filled)
    assert not same_reply(filled._replace(symbol="", side="", qty=Decimal(1)), filled)
    for kind in (OrderCancelled, OrderExpired):
        assert same_reply(kind(AT, "a", None), kind(AT, "a", Decimal(1)))
        assert not same_reply(kind(AT, "a", Decimal(0)), kind(AT, "a", Decimal(1)))
        assert not same_reply(kind(AT, "b", None), kind(AT, "a", Decimal(1)))
