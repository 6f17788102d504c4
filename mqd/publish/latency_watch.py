"""When each order was sent, answered, filled and taken back, read out of what happened in order.

A broker's clock may be anywhere, so its news is dated by the desk's. What came in a message is of
that message's instant. The answer to a request comes without one, and carries the instant at
which it was read: that is believed between the desk's last reading of its clock and its next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mqd.engine.state import DeskState
from mqd.model.command import CancelOrder, LookUpOrder, SubmitOrder
from mqd.model.decision import Outcome
from mqd.model.event import (
    BROKER_EVENTS,
    BarClosed,
    ClockTicked,
    Event,
    FrameReceived,
    OrderFilled,
    OrderOutcomeLost,
    OrderReported,
    SessionOpened,
    SnapshotTaken,
)
from mqd.model.order import PROTECTIVE, Order
from mqd.publish.latency import (
    ACKNOWLEDGED,
    CANCEL_ASKED,
    CANCEL_CONFIRMED,
    FILLED,
    FIRST_FILLED,
    SUBMITTED,
    LatencyReport,
    OrderTimes,
    SessionTimes,
    most_of,
)
from mqd.rules.book import Limit

_CANCELLED = "CANCELLED"
_OF_THE_BROKER = frozenset(BROKER_EVENTS)
Mark = tuple[OrderTimes, str]


class _Undated(NamedTuple):
    """What an answer brought that says it came after the desk's last reading of its clock."""

    said_ns: int
    not_before_ns: int
    marks: tuple[Mark, ...]


class LatencyWatch:
    """A watcher of the loop, or of a replay; an order belongs to the session it was sent in."""

    def __init__(self) -> None:
        self.sessions: dict[str, SessionTimes] = {}
        self._orders: dict[str, OrderTimes] = {}
        self._undated: list[_Undated] = []

    def holds_to(self, date: str, limits: Iterable[Limit]) -> None:
        """How long the steps of a session may take, by the rules that it ran under."""
        if date in self.sessions:
            self.sessions[date].most_ns = most_of(limits)

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        """Note what one event, and what it led to, says of the orders."""
        self._date_what_waits(event, state)
        self._count(event, outcome, state)
        marks = tuple(self._marks(event, outcome, state))
        for order, name in marks:
            order.at_ns[name] = None
        # An execution has the broker's time; what the desk itself read has no other than its own.
        is_answer = type(event) in _OF_THE_BROKER and type(event) is not OrderFilled
        if marks and is_answer and event.at_ns > state.now_ns:
            self._undated.append(_Undated(event.at_ns, state.now_ns, marks))
        else:
            _date(marks, state.now_ns)

    def report(self, journal: str, date: str | None = None) -> LatencyReport:
        """What was seen, of all sessions or of one."""
        chosen = (each for name, each in sorted(self.sessions.items()) if date in {None, name})
        return LatencyReport(journal, tuple(chosen))

    # -- the time -------------------------------------------------------------------------------

    def _date_what_waits(self, event: Event, state: DeskState) -> None:
        """The desk's clock has gone on: what came before this came before it."""
        if not self._undated:
            return
        is_reading = isinstance(event, ClockTicked | FrameReceived)
        for said_ns, not_before_ns, marks in self._undated:
            if is_reading or state.now_ns > not_before_ns:
                _date(marks, max(not_before_ns, min(said_ns, state.now_ns)))
        self._undated = [each for each in self._undated if None in _dates(each.marks)]

    # -- what happened --------------------------------------------------------------------------

    def _count(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        session = self.sessions.get(state.session.date)
        if session is None:
            if not isinstance(event, SessionOpened):
                return
            session = self.sessions[event.date] = SessionTimes(event.date)
        session.profile = state.profile
        if isinstance(event, FrameReceived):
            session.messages += 1
            session.readings += 1
        elif isinstance(event, ClockTicked):
            session.readings += 1
        elif isinstance(event, BarClosed) and outcome.decisions and session.readings:
            session.bar_to_decision_ns.append(state.now_ns - event.at_ns)
        elif isinstance(event, OrderOutcomeLost) and event.client_order_id in self._orders:
            self._orders[event.client_order_id].unknown_outcomes += 1

    def _marks(self, event: Event, outcome: Outcome, state: DeskState) -> Iterator[Mark]:
        """What an order went through for the first time in this event."""
        for command in outcome.commands:
            if isinstance(command, SubmitOrder):
                yield from self._sent(command, state)
        for command in outcome.commands:
            times = self._orders.get(getattr(command, "client_order_id", ""))
            if times is None:
                continue
            if isinstance(command, LookUpOrder):
                times.look_ups += 1
            elif isinstance(command, CancelOrder) and CANCEL_ASKED not in times.at_ns:
                yield times, CANCEL_ASKED
        for order_id in _touched(event, outcome):
            if order_id in self._orders:
                yield from _progress(self._orders[order_id], state.orders[order_id])

    def _sent(self, command: SubmitOrder, state: DeskState) -> Iterator[Mark]:
        order = state.orders[command.client_order_id]
        times = self._orders.get(command.client_order_id)
        if times is None:
            date = state.session.date
            times = self._orders[command.client_order_id] = OrderTimes(
                date, order.client_order_id, order.strategy, order.symbol, order.side, order.role,
                command.at_ns,
            )  # fmt: skip
            self.sessions.setdefault(date, SessionTimes(date)).orders.append(times)
            yield times, SUBMITTED
        times.times_sent += 1


def _touched(event: Event, outcome: Outcome) -> set[str]:
    """The orders that may look otherwise than before."""
    found = {change.client_order_id for change in outcome.transitions}
    if isinstance(event, OrderReported):
        found.add(event.report.client_order_id)
    elif isinstance(event, SnapshotTaken):
        found.update(report.client_order_id for report in event.orders)
    else:
        found.add(getattr(event, "client_order_id", ""))
    return found


def _progress(times: OrderTimes, order: Order) -> Iterator[Mark]:
    times.state = order.state
    rests = order.role == PROTECTIVE  # how long it does not trade says nothing of anybody's speed
    came = {
        ACKNOWLEDGED: order.broker_order_id is not None,
        FIRST_FILLED: order.filled_qty > 0 and not rests,
        FILLED: order.filled_qty >= order.qty and not rests,
        CANCEL_CONFIRMED: order.state == _CANCELLED and CANCEL_ASKED in times.at_ns,
    }
    return (
        (times, name) for name, has_come in came.items() if has_come and name not in times.at_ns
    )


def _date(marks: tuple[Mark, ...], at_ns: int) -> None:
    for times, name in marks:
        times.at_ns[name] = at_ns


def _dates(marks: tuple[Mark, ...]) -> list[int | None]:
    return [times.at_ns[name] for times, name in marks]
