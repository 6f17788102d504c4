"""From a journal back to the state: the same events through the same rules, compared byte for byte.

A restart and `mqd journal replay` share this path, so that it is never a path taken only after a
crash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, cast

from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.engine.step import sets_aside, step
from mqd.ground.canonical import encode
from mqd.ground.errors import JournalError
from mqd.model.command import Command
from mqd.model.decision import Outcome, outcome_record
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
from mqd.ports.journal import Journal
from mqd.rules.compile.book import compile_book
from mqd.rules.validate import rules_from_text
from mqd.runtime.loop import Journaled, ReplyKey, other_settings


class Replayed(NamedTuple):
    """One event of the journal, stepped again; `accepted` is False for a bar set aside."""

    seq: int
    event: Event
    outcome: Outcome
    accepted: bool
    state: DeskState
    engine: Engine


def engine_for(journal: Journal, rules_digest: str) -> Engine:
    """The engine of the rules that the journal kept under this digest.

    Raises:
        JournalError: the journal does not have them, or they no longer pass the checks.
    """
    book = rules_from_text(journal.rules(rules_digest))
    if book.digest != rules_digest:
        raise JournalError(
            f"the journal's rules have digest {book.digest[:12]} today, not {rules_digest[:12]}: "
            "this version of the desk reads them differently"
        )
    return Engine.of(compile_book(book))


def replay(
    journal: Journal, engine_of: Callable[[str], Engine] | None = None
) -> Iterator[Replayed]:
    """Step every journaled event again, under the rules it ran under.

    An event without an outcome is passed over: the process stopped before anything came of it.
    A restart is offered that event again, and the journal has it a second time, with its outcome.

    Raises:
        JournalError: an outcome differs from the journaled one, or the journal does not start
            with the start of a desk.
    """
    make = engine_of or (lambda rules_digest: engine_for(journal, rules_digest))
    engine: Engine | None = None
    state = DeskState()
    for seq, event, journaled in journal.entries():
        if journaled is None:
            continue
        if isinstance(event, DeskStarted) and (
            engine is None or engine.book.digest != event.rules_digest
        ):
            engine = make(event.rules_digest)
        if engine is None:
            raise JournalError("the journal does not start with the start of a desk")
        aside = sets_aside(engine, state, event) if isinstance(event, BarClosed) else None
        outcome = step(engine, state, event, aside)
        if encode(outcome_record(outcome)) != journaled:
            raise JournalError(
                f"event {seq} ({type(event).__name__}) leads to another outcome now: "
                "the rules or the desk's code are not those that wrote this journal"
            )
        yield Replayed(seq, event, outcome, aside == 0, state, engine)


@dataclass(slots=True)
class Recovered:
    """What a restart needs: the state, where the feed goes on, what the broker still owes.

    The feed goes on after the bar that ended at `feed_after_ns`, without its first `feed_skips`
    events, which the journal holds; several bars may end at one instant, so this is the instant
    before that of the last bar. `journaled` are replies that the broker is going to repeat.
    """

    state: DeskState
    journaled: Journaled
    engine: Engine | None = None
    last_bar_ns: int | None = None
    feed_after_ns: int | None = None
    feed_skips: int = 0
    events: int = 0
    _since_bar: int = 0

    def note_feed_event(self, event: Event) -> None:
        """Move to behind this event of the feed."""
        if not isinstance(event, BarClosed):
            self._since_bar += 1
        else:
            if event.at_ns != self.last_bar_ns:
                self.feed_after_ns, self.last_bar_ns = self.last_bar_ns, event.at_ns
                self.feed_skips = self._since_bar
            self._since_bar = 0
        self.feed_skips += 1


def recover(
    journal: Journal,
    broker: Broker,
    reply_key: ReplyKey,
    engine_of: Callable[[str], Engine] | None = None,
) -> Recovered:
    """Rebuild the desk and a simulated broker from the journal.

    The broker lives the journaled day again: it sees the same market events and commands, and
    what it answers is compared with what the journal has. Answers that are not journaled yet stay
    in its queue for the loop to take.

    Raises:
        JournalError: the journal cannot be replayed byte for byte, or the broker answers
            something else than it did.
    """
    found = Recovered(DeskState(), Journaled(reply_key))
    lived: list[tuple[Event, bool, tuple[Command, ...]]] = []
    for item in replay(journal, engine_of):
        found.state, found.engine = item.state, item.engine
        found.events += 1
        commands = item.outcome.commands
        if isinstance(item.event, BROKER_EVENTS):
            found.journaled.add(cast("BrokerEvent", item.event), commands)
        elif isinstance(item.event, BarClosed | SessionOpened | SessionClosed) or commands:
            lived.append((item.event, item.accepted, commands))
        if isinstance(item.event, BarClosed | FeedDefectFound | SessionOpened | SessionClosed):
            found.note_feed_event(item.event)
    _live_again(broker, lived, found.journaled)
    return found


def _live_again(
    broker: Broker,
    lived: Iterable[tuple[Event, bool, tuple[Command, ...]]],
    journaled: Journaled,
) -> None:
    """The loop's own order of calls, with the journal in the place of the engine.

    The last replies are left in the broker's queue: some may be journaled and some not, and the
    loop that goes on from here tells them apart by the same `journaled`.
    """

    def settle() -> None:
        for reply in broker.replies():
            led_to = journaled.repeated(reply)
            if led_to is None:
                raise other_settings(f"{type(reply).__name__} is new")
            for command in led_to:
                broker.send(command)

    for event, accepted, commands in lived:
        if not isinstance(event, DeskStarted):  # a start sends before it listens
            settle()
            broker.observe(event, accepted=accepted)
            settle()
        for command in commands:
            broker.send(command)
