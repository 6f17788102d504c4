"""A command that cannot be delivered: it ends nothing, and what it means is in the journal."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import islice, pairwise

import pytest

from mqd.brokers.simulated import SimulatedBroker, SimulationSettings
from mqd.engine.state import DeskState
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
    StreamLost,
    StreamRestored,
)
from mqd.runtime.desk import Desk, deliver
from mqd.runtime.loop import NEWS, Loop
from mqd.runtime.older_rows import same_reply
from mqd.runtime.recovery import rebuilt

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
    assert deliver(broker, SUBMIT, AT + 1) is None
    (answer,) = broker.replies()
    assert answer.at_ns == AT + 1  # asked now, whenever the order was made
    assert len(first) == 1
    assert isinstance(answer, OrderReported)
    assert answer.report.client_order_id == "a"


@pytest.mark.parametrize("error", [REFUSED, LOST, BROKEN], ids=lambda each: type(each).__name__)
def test_an_order_that_is_there_already_and_cannot_be_asked_after_waits_for_the_watch(error):
    class LostForLookUps(OutOfReach):
        def send(self, command: Command) -> None:
            self.error = error if isinstance(command, LookUpOrder) else None
            super().send(command)

    broker = LostForLookUps(error)
    assert deliver(broker, SUBMIT, AT) is None
    list(broker.replies())
    assert deliver(broker, SUBMIT, AT + 1) is None
    assert not list(broker.replies())


def test_what_was_not_delivered_is_the_next_thing_the_desk_takes(books, busy_feed, runtime):
    """At the desk's own time, and before anything else that the broker says."""

    class LostForOrders(OutOfReach):
        def send(self, command: Command) -> None:
            self.error = LOST if isinstance(command, SubmitOrder) else None
            super().send(command)

    journal = runtime.KeptJournal()

    def line_to(broker):
        line = LostForOrders(LOST)
        line.inner = broker
        return line

    runtime.Desks(books, busy_feed).start(journal, most=60, line_to=line_to)
    told = [
        (command.client_order_id, after, event.at_ns)
        for (event, outcome), (after, _) in pairwise(journal.pairs)
        for command in outcome.commands if isinstance(command, SubmitOrder)
    ]  # fmt: skip
    assert told
    assert all(after == OrderOutcomeLost(at_ns, order) for order, after, at_ns in told)


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


class OutOfHearing(OutOfReach):
    """A line that carries requests, and no replies in the calls `lost`; `cut`: after the first."""

    def __init__(self, error: Exception, lost: range, *, cut: bool = False) -> None:
        super().__init__(error)
        self.failure, self.error = error, None
        self.lost, self.cut = lost, cut
        self.calls = 0

    def replies(self) -> Iterator[BrokerEvent]:
        self.calls += 1
        if self.calls not in self.lost:
            return self.inner.replies()
        if self.cut:
            return self._one()
        raise self.failure

    def _one(self) -> Iterator[BrokerEvent]:
        yield from islice(self.inner.replies(), 1)
        raise self.failure


class TestNoReplies:
    """The desk goes on without the broker's news: it opens nothing, and asks when it is back."""

    @pytest.fixture
    def desks(self, books, busy_feed, runtime):
        return runtime.Desks(books, busy_feed)

    @staticmethod
    def day(desks, runtime, line):
        """The journaled events with their outcomes, and the state after them."""
        journal = runtime.KeptJournal()

        def line_to(broker):
            line.inner = broker
            return line

        state = desks.start(journal, line_to=line_to)
        again = rebuilt(journal, desks.engine).state
        assert again.hash() == state.hash()
        return journal.pairs, state

    @pytest.mark.parametrize("cut", [False, True], ids=["asking", "midway"])
    @pytest.mark.parametrize("error", [REFUSED, LOST, BROKEN], ids=lambda each: type(each).__name__)
    def test_it_is_told_once_opens_nothing_and_compares_itself_then(
        self, desks, runtime, error, cut
    ):
        whole, _ = self.day(desks, runtime, OutOfHearing(error, range(0)))
        pairs, state = self.day(desks, runtime, OutOfHearing(error, range(60, 100), cut=cut))
        kinds = [type(event) for event, _ in pairs]
        lost, back = kinds.index(StreamLost), kinds.index(StreamRestored)
        assert (kinds.count(StreamLost), kinds.count(StreamRestored)) == (1, 1)
        assert (pairs[lost][0].stream, pairs[back][0].stream) == (NEWS, NEWS)
        # What was opened that day in the meantime is not.
        times = pairs[lost][0].at_ns, pairs[back][0].at_ns
        opened = entries(whole, times)
        assert opened
        assert not entries(pairs, times)
        # It looks at once at what it missed, trades again, and its books are the broker's.
        assert any(isinstance(each, TakeSnapshot) for each in pairs[back][1].commands)
        assert SnapshotTaken in kinds[back : back + 4]
        assert entries(pairs, (times[1], 1 << 62))
        assert state.desk.is_in_step
        assert not state.streams_down
        executions = [e.execution_id for e, _ in pairs if isinstance(e, OrderFilled)]
        assert sorted(executions) == sorted(set(executions))

    def test_exits_go_on_without_it(self, desks, runtime):
        class LostOnceHeld(OutOfHearing):
            """Every reply after the one that tells of the fill is lost, until nothing is held."""

            def replies(self) -> Iterator[BrokerEvent]:
                self.calls = self.calls + 1 if self.inner.position("SPY") else 0
                if self.calls > 1:
                    raise self.failure
                return self.inner.replies()

        pairs, state = self.day(desks, runtime, LostOnceHeld(LOST, range(0)))
        kinds = [type(event) for event, _ in pairs]
        lost, back = kinds.index(StreamLost), kinds.index(StreamRestored)
        (sold,) = [
            command for _, outcome in pairs[lost:back] for command in outcome.commands
            if isinstance(command, SubmitOrder)
        ]  # fmt: skip
        assert sold.side == "sell"
        assert state.orders[sold.client_order_id].state == "FILLED"
        assert not state.ledger.positions.open_positions()

    def test_it_may_be_gone_for_good(self, desks, runtime):
        pairs, state = self.day(desks, runtime, OutOfHearing(LOST, range(1, 1 << 30)))
        kinds = [type(event) for event, _ in pairs]
        assert kinds[:2] == [DeskStarted, StreamLost]
        assert kinds.count(StreamLost) == 1
        assert state.streams_down == {NEWS}
        assert not state.orders

    def test_what_happened_meanwhile_is_heard_before_the_next_bar(self, desks, runtime, books):
        journal, line = runtime.KeptJournal(), OutOfHearing(LOST, range(1, 3))
        digest = books["first"].digest
        loop = Loop(Desk(desks.engine(digest), DeskState(), journal, line))
        loop.take(DeskStarted(AT, digest, "paper", "test"))
        for _ in range(3):
            loop.take_replies()
        kinds = [type(event) for event, _ in journal.pairs]
        assert kinds[:2] == [DeskStarted, StreamLost]
        assert kinds[-2:] == [StreamRestored, SnapshotTaken]
        assert loop.desk.state.desk.is_in_step

    def test_an_error_of_ours_is_no_silence(self, desks, runtime):
        with pytest.raises(TypeError):
            self.day(desks, runtime, OutOfHearing(TypeError("a mistake"), range(60, 61)))

    def test_an_error_of_who_watches_is_no_silence(self, desks, runtime, books):
        class Watcher:
            def saw(self, event, outcome, state) -> None:
                raise BROKEN

        journal, broker = runtime.KeptJournal(), SimulatedBroker(SimulationSettings())
        digest = books["first"].digest
        desk = Desk(desks.engine(digest), DeskState(), journal, broker)
        loop = Loop(desk, [Watcher()])
        desk.take(DeskStarted(AT, digest, "paper", "test"))
        with pytest.raises(ConnectionResetError):
            loop.take_replies()
        assert [type(event) for event, _ in journal.pairs] == [DeskStarted, SnapshotTaken]


def entries(pairs, times: tuple[int, int]) -> list[str]:
    """The buys that left in between; this day only opens by buying."""
    return [
        command.client_order_id for event, outcome in pairs if times[0] <= event.at_ns < times[1]
        for command in outcome.commands
        if isinstance(command, SubmitOrder) and command.side == "buy"
    ]  # fmt: skip


def test_a_reply_of_an_older_journal_is_the_same_reply():
    filled = OrderFilled(AT, "a", "b", "x", Decimal(1), Decimal(2), Decimal(0), "SPY", "buy")
    assert same_reply(filled._replace(symbol="", side=""), filled)
    assert not same_reply(filled._replace(symbol="", side="", qty=Decimal(1)), filled)
    for kind in (OrderCancelled, OrderExpired):
        assert same_reply(kind(AT, "a", None), kind(AT, "a", Decimal(1)))
        assert not same_reply(kind(AT, "a", Decimal(0)), kind(AT, "a", Decimal(1)))
        assert not same_reply(kind(AT, "b", None), kind(AT, "a", Decimal(1)))
