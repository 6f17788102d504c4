"""The loop: one ordered stream of market events and broker replies, taken one by one.

What the market did reaches the broker first (a simulated one fills; a real one ignores it). Its
replies are taken, then the event itself, then the replies to what the desk sent because of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from mqd.engine.step import sets_aside
from mqd.ground.errors import Unavailable, UnknownOutcome
from mqd.model.event import (
    BarClosed,
    BrokerEvent,
    DeskStarted,
    Event,
    FeedDefectFound,
    SessionClosed,
    StreamLost,
    StreamRestored,
)
from mqd.runtime.desk import Desk, Watcher

MOST_SESSIONS = 1 << 62
NEWS = "broker"
"""The stream that is down while the broker cannot be asked for its replies."""


class LeftOver(NamedTuple):
    """What a stop left half done between the broker and the desk.

    `replies` came out of the broker and were not taken; with `is_shown` the broker has seen the
    next market event already.
    """

    replies: tuple[BrokerEvent, ...] = ()
    is_shown: bool = False


class Loop:
    """Runs a desk over a stream of feed events; after a restart it goes on with `left_over`."""

    def __init__(
        self,
        desk: Desk,
        watchers: Iterable[Watcher] = (),
        *,
        left_over: LeftOver = LeftOver(),  # noqa: B008  # frozen
        stop_wanted: Callable[[], bool] = lambda: False,
        interruptions: Callable[[], Iterable[Event]] = tuple,
    ) -> None:
        self.desk = desk
        self.desk.waiting.extend(left_over.replies)
        self._is_shown = left_over.is_shown
        self._watchers = tuple(watchers)
        self._stop_wanted = stop_wanted
        self._interruptions = interruptions
        self._started_ns = 0

    def start(self, started: DeskStarted) -> None:
        """Take the start of the desk, before anything else."""
        self._started_ns = started.at_ns
        self.take(started)

    def run(self, events: Iterable[Event], most_sessions: int = MOST_SESSIONS) -> None:
        """Take every event until they end, enough sessions closed, or a stop is wanted.

        A session that was over at the start, and whose close is told now, is none of this run's.

        Raises:
            JournalError: the journal cannot be written.
        """
        desk = self.desk
        sessions = 0
        under_way = desk.state.session.date if desk.state.session.is_open else ""
        self.take_replies()
        self.take_interruptions()
        for event in events:
            kind = type(event)
            aside: int | None = None
            if isinstance(event, BarClosed):
                aside = sets_aside(desk.engine, desk.state, event)
            if kind is not FeedDefectFound:
                self._show(event, accepted=aside == 0)
            self.take_replies()
            self.take(event, aside)
            self.take_replies()
            self.take_interruptions()
            if isinstance(event, SessionClosed):
                sessions += event.at_ns > self._started_ns or event.date == under_way
                if sessions >= most_sessions:
                    return
            if self._stop_wanted():
                return

    def take_replies(self) -> None:
        """Take what the broker has to say now, after what could not be delivered to it.

        A broker that cannot be asked ends nothing: the desk is told that its news is lost, and
        that it is back when the broker answers again.
        """
        self._take_waiting()
        for reply in self._replies():
            self.take(reply)
            self._take_waiting()

    def take_interruptions(self) -> None:
        """Take what breaks in between two events, one at a time, each with its replies.

        The next one is asked for only when the one before has been taken.
        """
        for event in self._interruptions():
            self.take(event)
            self.take_replies()

    def take(self, event: Event, aside: int | None = None) -> None:
        """Take one event, and tell the watchers; `aside` is as for `Desk.take`."""
        outcome = self.desk.take(event, aside)
        for watcher in self._watchers:
            watcher.saw(event, outcome, self.desk.state)

    def _show(self, event: Event, *, accepted: bool) -> None:
        if self._is_shown:  # before the start, because its replies were taken already
            self._is_shown = False
        else:
            self.desk.broker.observe(event, accepted=accepted)

    def _replies(self) -> Iterator[BrokerEvent]:
        desk = self.desk
        replies: Iterator[BrokerEvent] | None = None
        while True:
            try:
                if replies is None:
                    replies = desk.broker.replies()
                reply = next(replies, None)
            except (Unavailable, UnknownOutcome, OSError):
                if NEWS not in desk.state.streams_down:
                    yield StreamLost(desk.state.now_ns, NEWS)
                return
            if reply is not None:
                yield reply
            elif NEWS in desk.state.streams_down:  # it has said all that it has to say
                yield StreamRestored(desk.state.now_ns, NEWS)
                replies = None  # the desk has just asked what happened meanwhile
            else:
                return

    def _take_waiting(self) -> None:
        waiting = self.desk.waiting
        while waiting:
            self.take(waiting.popleft())
