"""The loop: one ordered stream of market events and broker replies, taken one by one.

    for event in feed:
        what the market did reaches the broker (a simulated one fills; a real one ignores it)
        its replies are taken first, then the event, then the replies to what was sent
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mqd.engine.step import sets_aside
from mqd.model.command import Command
from mqd.model.event import BarClosed, BrokerEvent, FeedDefectFound, SessionClosed
from mqd.ports.feed import FeedEvent
from mqd.runtime.desk import Desk, Watcher

ReplyKey = Callable[[BrokerEvent], tuple[str, str, str]]
MOST_SESSIONS = 1 << 62


class Loop:
    """Runs a desk over a stream of feed events.

    `journaled` holds the replies a restart found in the journal already, with the commands they
    led to: when the broker repeats one it is not taken twice, but what it led to is sent again.
    """

    def __init__(
        self,
        desk: Desk,
        watchers: Iterable[Watcher] = (),
        *,
        reply_key: ReplyKey,
        stop_wanted: Callable[[], bool] = lambda: False,
    ) -> None:
        self.desk = desk
        self.journaled: dict[tuple[str, str, str], tuple[Command, ...]] = {}
        self._watchers = tuple(watchers)
        self._reply_key = reply_key
        self._stop_wanted = stop_wanted

    def run(self, events: Iterable[FeedEvent], most_sessions: int = MOST_SESSIONS) -> None:
        """Take every event until they end, enough sessions closed, or a stop is wanted."""
        desk, broker = self.desk, self.desk.broker
        sessions = 0
        self.take_replies()
        for event in events:
            kind = type(event)
            if kind is not FeedDefectFound:
                accepted = kind is BarClosed and not sets_aside(
                    desk.engine, desk.state, event  # type: ignore[arg-type]  # a BarClosed, as the line above says
                )
                broker.observe(event, accepted=accepted)
                self.take_replies()
            self._take(event)
            self.take_replies()
            if kind is SessionClosed:
                sessions += 1
                if sessions >= most_sessions:
                    return
            if self._stop_wanted():
                return

    def take_replies(self) -> None:
        """Take what the broker has to say now; what the journal has already is not taken again."""
        for reply in self.desk.broker.replies():
            commands = self.journaled.pop(self._reply_key(reply), None) if self.journaled else None
            if commands is None:
                self._take(reply)
            else:
                for command in commands:
                    self.desk.broker.send(command)

    def _take(self, event: FeedEvent | BrokerEvent) -> None:
        outcome = self.desk.take(event)
        for watcher in self._watchers:
            watcher.saw(event, outcome, self.desk.state)
