"""From a journal back to the state: the same events through the same rules, compared byte for byte.

A restart and `mqd journal replay` share this path, so that it is never a path taken only after a
crash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

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
from mqd.runtime.loop import ReplyKey


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

    Raises:
        JournalError: an outcome differs from the journaled one, or the journal does not start
            with the start of a desk.
    """
    make = engine_of or (lambda rules_digest: engine_for(journal, rules_digest))
    engine: Engine | None = None
    state = DeskState()
    for entry in journal.entries():
        if isinstance(entry.event, DeskStarted) and (
            engine is None or engine.book.digest != entry.event.rules_digest
        ):
            engine = make(entry.event.rules_digest)
        if engine is None:
            raise JournalError("the journal does not start with the start of a desk")
        accepted = isinstance(entry.event, BarClosed) and not sets_aside(
            engine, state, entry.event
        )
        outcome = step(engine, state, entry.event)
        again = encode(outcome_record(outcome))
        if entry.outcome is not None and again != entry.outcome:
            raise JournalError(
                f"event {entry.seq} ({type(entry.event).__name__}) leads to another outcome now: "
                "the rules or the desk's code are not those that wrote this journal"
            )
        yield Replayed(entry.seq, entry.event, outcome, accepted, state, engine)


@dataclass(slots=True)
class Recovered:
    """What a restart needs: the state, where the feed goes on, what the broker still owes.

    `feed_events_after_bar` is how many feed events the journal holds after its last bar: the
    feed will repeat them and they must be skipped. `journaled` are replies that the broker may
    repeat, with the commands they led to.
    """

    state: DeskState
    engine: Engine | None = None
    last_bar_ns: int | None = None
    feed_events_after_bar: int = 0
    events: int = 0
    journaled: dict[tuple[str, str, str], tuple[Command, ...]] = field(default_factory=dict)


def recover(journal: Journal, broker: Broker, reply_key: ReplyKey) -> Recovered:
    """Rebuild the desk and a simulated broker from the journal.

    The broker lives the journaled day again: it sees the same market events and commands, and
    what it answers is compared with what the journal has. Answers that are not journaled yet stay
    in its queue for the loop to take.

    Raises:
        JournalError: the journal cannot be replayed byte for byte.
    """
    found = Recovered(DeskState())
    market: list[tuple[Event, bool, tuple[Command, ...]]] = []
    for item in replay(journal):
        found.state, found.engine = item.state, item.engine
        found.events += 1
        commands = item.outcome.commands
        if isinstance(item.event, BROKER_EVENTS):
            found.journaled[reply_key(item.event)] = commands
        elif isinstance(item.event, BarClosed | SessionOpened | SessionClosed):
            market.append((item.event, item.accepted, commands))
        _note_feed_position(found, item.event)
    _live_again(broker, market, found.journaled, reply_key)
    return found


def _note_feed_position(found: Recovered, event: Event) -> None:
    if isinstance(event, BarClosed):
        found.last_bar_ns = event.at_ns
        found.feed_events_after_bar = 0
    elif isinstance(event, FeedDefectFound | SessionOpened | SessionClosed):
        found.feed_events_after_bar += 1


def _live_again(
    broker: Broker,
    market: Iterable[tuple[Event, bool, tuple[Command, ...]]],
    journaled: dict[tuple[str, str, str], tuple[Command, ...]],
    reply_key: ReplyKey,
) -> None:
    """The loop's own order of calls, with the journal in the place of the engine.

    The last replies are left in the broker's queue: some may be journaled and some not, and the
    loop that goes on from here tells them apart by the same `journaled`.
    """

    def settle() -> None:
        for reply in broker.replies():
            for command in journaled.pop(reply_key(reply), ()):
                broker.send(command)

    for event, accepted, commands in market:
        settle()
        broker.observe(event, accepted=accepted)
        settle()
        for command in commands:
            broker.send(command)
