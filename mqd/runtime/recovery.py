"""What a restart needs: the state, where the feed goes on, and a simulated broker as it was.

A broker that outlives the desk only has to be asked again. A simulated one lives in the desk's own
process and ends with it; it gets back to where it was by living its day again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import NamedTuple, cast

from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.engine.step import sets_aside
from mqd.ground.errors import JournalError
from mqd.model.command import Command
from mqd.model.event import (
    BROKER_EVENTS,
    BarClosed,
    BrokerEvent,
    DeskStarted,
    Event,
    FeedDefectFound,
    SessionClosed,
    SessionOpened,
)
from mqd.ports.broker import Broker
from mqd.ports.feed import Feed, FeedEvent
from mqd.ports.journal import Journal
from mqd.runtime.desk import deliver
from mqd.runtime.loop import LeftOver
from mqd.runtime.older_rows import same_reply
from mqd.runtime.replay import Replayed, replay

_SHOWN = 14


@dataclass(slots=True)
class Recovered:
    """The desk that a journal tells of.

    A feed goes on after the bar that ended at `feed_after_ns`, without what the journal holds of
    it already; several bars may end at one instant, so this is the instant before that of the
    last bar. `told_ns` is the last open or close of a session that was told of; one that ended
    while no process was there was not. `market_events` counts bars and the edges of sessions.
    """

    state: DeskState = field(default_factory=DeskState)
    engine: Engine | None = None
    events: int = 0
    market_events: int = 0
    last_bar_ns: int | None = None
    feed_after_ns: int | None = None
    told_ns: int | None = None
    left_over: LeftOver = LeftOver()  # noqa: RUF009  # frozen
    _with_bar: list[FeedEvent] = field(default_factory=list)  # up to the last bar, and it
    _since_bar: list[FeedEvent] = field(default_factory=list)

    def follow(self, item: Replayed) -> None:
        """Move to behind this event of the journal."""
        event = item.event
        self.state, self.engine = item.state, item.engine
        self.events += 1
        if isinstance(event, BarClosed | SessionOpened | SessionClosed):
            self.market_events += 1
            if not isinstance(event, BarClosed):
                self.told_ns = event.at_ns
        elif not isinstance(event, FeedDefectFound):
            return
        self._since_bar.append(event)
        if isinstance(event, BarClosed):
            if event.at_ns != self.last_bar_ns:
                self.feed_after_ns, self.last_bar_ns = self.last_bar_ns, event.at_ns
                self._with_bar = []
            self._with_bar += self._since_bar
            self._since_bar = []

    def rest_of(self, feed: Feed) -> Iterator[FeedEvent]:
        """What the feed still has to say; it may be another one than the journal was written with.

        A feed that holds the last bar tells what led to it again; any other one goes on after it.
        """
        if self._is_held_by(feed):
            known = [*self._with_bar, *self._since_bar]
            return _without(known, feed.events(self.feed_after_ns))
        return _without(self._since_bar, feed.events(self.last_bar_ns))

    def _is_held_by(self, feed: Feed) -> bool:
        last_ns = self.last_bar_ns
        if last_ns is None:
            return False
        bars = (event for event in feed.events(self.feed_after_ns) if isinstance(event, BarClosed))
        until = takewhile(lambda bar: bar.at_ns <= last_ns, bars)
        return any(bar.at_ns == last_ns for bar in until)


def _without(known: Iterable[FeedEvent], events: Iterator[FeedEvent]) -> Iterator[FeedEvent]:
    """The events without those that are known, each once; as a rule they are the first ones."""
    left = [_named(event) for event in known]
    for event in events:
        if left and (name := _named(event)) in left:
            left.remove(name)
        else:
            yield event


def _named(event: FeedEvent) -> tuple[object, ...]:
    """What tells one event of a feed from another; a bar with other prices is the same bar."""
    return (type(event), *event[:3])


def rebuilt(journal: Journal, engine_of: Callable[[str], Engine] | None = None) -> Recovered:
    """Rebuild the desk from the journal, for a broker that has outlived it.

    Raises:
        JournalError: the journal cannot be replayed byte for byte.
    """
    found = Recovered()
    for item in replay(journal, engine_of):
        found.follow(item)
    return found


def recover(
    journal: Journal,
    broker: Broker,
    feed: Feed | None = None,
    engine_of: Callable[[str], Engine] | None = None,
) -> Recovered:
    """Rebuild the desk and a simulated broker from the journal.

    The broker lives the journaled day again: it sees the same market events and commands, and
    what it answers is compared with what the journal has. Where the process ended between the
    replies to a market event and the event itself, that event is the next one of the feed.

    Raises:
        JournalError: the journal cannot be replayed byte for byte, or the broker answers
            something else than it did.
    """
    found = Recovered()
    lived: list[_Lived] = []
    for item in replay(journal, engine_of):
        found.follow(item)
        is_market = isinstance(item.event, BarClosed | SessionOpened | SessionClosed)
        if is_market or item.outcome.commands or isinstance(item.event, BROKER_EVENTS):
            lived.append(_Lived(item.event, item.accepted, item.outcome.commands, is_market))
    rest = () if feed is None else found.rest_of(feed)
    life = _SecondLife(broker, lived, lambda: _next_market_event(found, rest))
    found.left_over = life.live()
    return found


class _Lived(NamedTuple):
    """Something of the journal that the broker had a part in."""

    event: Event
    accepted: bool
    commands: tuple[Command, ...]
    is_market: bool


def _next_market_event(found: Recovered, rest: Iterable[FeedEvent]) -> _Lived | None:
    for event in rest:
        if not isinstance(event, FeedDefectFound):
            accepted = False
            if isinstance(event, BarClosed) and found.engine is not None:
                accepted = not sets_aside(found.engine, found.state.fork(), event)
            return _Lived(event, accepted, (), is_market=True)
    return None


class _SecondLife:
    """The loop's own order of calls, with the journal in the place of the engine."""

    def __init__(
        self, broker: Broker, lived: Sequence[_Lived], ahead: Callable[[], _Lived | None]
    ) -> None:
        self._broker = broker
        self._lived = lived
        self._ahead = ahead
        self._expected: deque[_Lived] = deque()  # replies of the journal, until they are repeated
        self._new: BrokerEvent | None = None  # what came out and is not, or not yet, in the journal
        self._is_shown = False

    def live(self) -> LeftOver:
        """Live through all of it; what is left has still to be taken by the desk."""
        for place, item in enumerate(self._lived):
            if isinstance(item.event, BROKER_EVENTS):
                self._expected.append(item)
                continue
            if item.is_market:
                self._settle()
                self._show(item)
                self._is_shown = False
            self._settle_all(place + 1, is_start=isinstance(item.event, DeskStarted))
            self._send(item.commands)
        self._settle_all(len(self._lived), is_start=True)
        return LeftOver(() if self._new is None else (self._new,), self._is_shown)

    def _settle_all(self, place: int, *, is_start: bool) -> None:
        """Every reply so far has been repeated; only at a start there may be others by now.

        A process that ended before it could journal a market event has left the replies to it.
        """
        self._settle()
        if self._expected and self._new is None and is_start and not self._is_shown:
            later = (item for item in self._lived[place:] if item.is_market)
            following = next(later, None) or self._ahead()
            if following is None:
                raise JournalError(
                    "the desk ended between what the broker said of a bar and the bar itself; "
                    "`mqd run` goes on from there, with the bars that it ran on"
                )
            self._show(following)
            self._settle()
        if self._expected:
            missing = cast("BrokerEvent", self._expected[0].event)
            if self._new is not None:
                raise _other_settings(_difference(self._new, missing))
            raise _other_settings(f"{type(missing).__name__} does not come again")
        if self._new is not None and not is_start:
            raise _other_settings(f"{type(self._new).__name__} is new")

    def _show(self, item: _Lived) -> None:
        if not self._is_shown:
            self._broker.observe(item.event, accepted=item.accepted)
        self._is_shown = True

    def _settle(self) -> None:
        """Let the broker repeat what the journal has, and send again what that led to."""
        while True:
            if self._new is None:
                self._new = next(self._broker.replies(), None)
            if self._new is None or not self._expected:
                return
            item = self._expected[0]
            if not same_reply(cast("BrokerEvent", item.event), self._new):
                return
            self._expected.popleft()
            self._new = None
            self._send(item.commands)

    def _send(self, commands: Iterable[Command]) -> None:
        for command in commands:
            failed = deliver(self._broker, command, command.at_ns)
            assert failed is None, f"a simulated broker takes every command, not {failed}"


def _other_settings(sign: str) -> JournalError:
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
