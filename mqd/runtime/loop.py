"""The loop: one ordered stream of market events and broker replies, taken one by one.

What the market did reaches the broker first (a simulated one fills; a real one ignores it). Its
replies are taken, then the event itself, then the replies to what the desk sent because of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from mqd.engine.step import sets_aside
from mqd.ground.errors import JournalError
from mqd.model.command import Command
from mqd.model.event import BarClosed, BrokerEvent, DeskStarted, FeedDefectFound, SessionClosed
from mqd.ports.feed import FeedEvent
from mqd.runtime.desk import Desk, Watcher

ReplyKey = Callable[[BrokerEvent], tuple[str, str, str]]
MOST_SESSIONS = 1 << 62
_SHOWN = 14


class Answer(NamedTuple):
    """A reply that the journal holds already, and the commands it led to."""

    reply: BrokerEvent
    commands: tuple[Command, ...]


class Journaled:
    """The replies that a restart found in the journal, by key, until the broker repeats them."""

    def __init__(self, reply_key: ReplyKey) -> None:
        self.answers: dict[tuple[str, str, str], Answer] = {}
        self._reply_key = reply_key

    def __bool__(self) -> bool:
        return bool(self.answers)

    def add(self, reply: BrokerEvent, commands: tuple[Command, ...]) -> None:
        """Expect the broker to repeat this reply."""
        self.answers[self._reply_key(reply)] = Answer(reply, commands)

    def repeated(self, reply: BrokerEvent) -> tuple[Command, ...] | None:
        """What a repeated reply led to, or None for a new one.

        Raises:
            JournalError: the broker tells it differently now.
        """
        answer = self.answers.pop(self._reply_key(reply), None)
        if answer is None:
            return None
        if answer.reply != reply:
            raise other_settings(_difference(reply, answer.reply))
        return answer.commands


def other_settings(sign: str) -> JournalError:
    """What is wrong when the broker does not live its day again, and by what sign that is seen."""
    return JournalError(
        f"the broker's settings, or the bars, are not those of this journal ({sign}); "
        "go back to them, or name a new journal with --db"
    )


def _difference(reply: BrokerEvent, journaled: BrokerEvent) -> str:
    """The first field in which two tellings of one reply differ."""
    if type(reply) is not type(journaled):
        return f"{type(reply).__name__}, was {type(journaled).__name__}"
    name, now, was = next(
        (name, now, was)
        for name, now, was in zip(reply._fields, reply, journaled, strict=True)
        if now != was
    )
    shown = [str(value)[:_SHOWN] for value in (now, was)]
    return f"{type(reply).__name__}: {name} is {shown[0]}, was {shown[1]}"


class Loop:
    """Runs a desk over a stream of feed events.

    `journaled` holds the replies a restart found in the journal already: when the broker repeats
    one it is not taken twice, but what it led to is sent again.
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
        self.journaled = Journaled(reply_key)
        self._watchers = tuple(watchers)
        self._stop_wanted = stop_wanted

    def start(self, started: DeskStarted) -> None:
        """Take the start of the desk, before anything else."""
        self._take(started)

    def run(self, events: Iterable[FeedEvent], most_sessions: int = MOST_SESSIONS) -> None:
        """Take every event until they end, enough sessions closed, or a stop is wanted.

        Raises:
            JournalError: the journal cannot be written, or after a restart the broker does not
                repeat what the journal has from it.
        """
        desk, broker = self.desk, self.desk.broker
        sessions = 0
        self.take_replies()
        for event in events:
            kind = type(event)
            aside: int | None = None
            if isinstance(event, BarClosed):
                aside = sets_aside(desk.engine, desk.state, event)
                broker.observe(event, accepted=not aside)
            elif kind is not FeedDefectFound:
                broker.observe(event, accepted=False)
            self.take_replies()
            if self.journaled and kind is not FeedDefectFound:
                self._miss()
            self._take(event, aside)
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
            commands = self.journaled.repeated(reply) if self.journaled else None
            if commands is None:
                self._take(reply)
            else:
                for command in commands:
                    self.desk.broker.send(command)

    def _miss(self) -> None:
        missing = next(iter(self.journaled.answers.values())).reply
        raise other_settings(f"{type(missing).__name__} does not come again")

    def _take(self, event: FeedEvent | BrokerEvent | DeskStarted, aside: int | None = None) -> None:
        outcome = self.desk.take(event, aside)
        for watcher in self._watchers:
            watcher.saw(event, outcome, self.desk.state)
