"""`mqd reconcile` with a broker's account: the same comparison, over real lines."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

from mqd import __version__
from mqd.app.account import Account, account_of
from mqd.app.lines import Answer, Lines, Say, booked_there, session_of, unsaid
from mqd.app.operate import ADOPT, Button
from mqd.app.preflight import STARTS, Preflight, refuse_failed
from mqd.app.reconcile import NO_DESK, Compared, Comparisons
from mqd.app.settings import Settings
from mqd.brokers.alpaca.broker import unheard
from mqd.engine.core import Engine
from mqd.ground.errors import SettingsError
from mqd.model.command import Command, LookUpOrder, TakeSnapshot
from mqd.model.event import BrokerEvent, DeskStarted, Event, OperatorActed
from mqd.ports.broker import Broker
from mqd.ports.clock import Clock
from mqd.rules.book import RuleBook
from mqd.runtime.desk import Desk
from mqd.runtime.loop import Loop
from mqd.runtime.recovery import rebuilt
from mqd.runtime.replay import engine_for
from mqd.store.journal import open_journal
from mqd.store.memory import MemoryJournal


class OnlyAsked:
    """A broker of which everything may be asked, and to which nothing is sent."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def send(self, command: Command) -> None:
        """Pass on a question; an order or a cancel ends here."""
        if isinstance(command, TakeSnapshot | LookUpOrder):
            self._broker.send(command)

    def observe(self, event: Event, *, accepted: bool) -> None:
        """Pass it on."""
        self._broker.observe(event, accepted=accepted)

    def replies(self) -> Iterator[BrokerEvent]:
        """What the broker has to say."""
        return self._broker.replies()


def reconcile_account(
    place: str,
    settings: Settings,
    wall: Clock,
    *,
    dry_run: bool,
    adopt: Button | None = None,
    environment: Mapping[str, str] = os.environ,
    say: Say = unsaid,
) -> Compared:
    """Start the desk whose journal is at `place` up to its comparison with its account.

    With `dry_run` the broker is only asked and the journal only read, so a desk may be running.

    Raises:
        SettingsError: there is no desk in the journal, or these are not its keys or account.
        KeyMismatchError: keys, addresses and profile do not belong together.
        JournalInUseError: a desk runs on the journal, or another one on the account.
        JournalError: the journal does not replay.
        BrokerUnavailableError: the broker did not say what it holds.
    """
    account = account_of(settings, environment)
    book = _book_of(place, wall)
    session = session_of(account, book.broker_words, wall)
    preflight = Preflight(settings, account, book, wall, session, environment)
    try:
        found = [*preflight.account_checks(may_send=not dry_run)]
    finally:
        preflight.close()
    # What stops entries only stops nothing here: nothing is opened.
    refuse_failed((check for check in found if check.stops == STARTS), "nothing is compared")
    number = None if dry_run else preflight.account_number
    return _compared(place, account, book, wall, number, adopt, say)


def _compared(
    place: str,
    account: Account,
    book: RuleBook,
    wall: Clock,
    number: str | None,
    adopt: Button | None,
    say: Say,
) -> Compared:
    """The comparison; without the number of an account that may be traded, a dry run."""
    is_dry = number is None
    with ExitStack() as held:
        lines = held.enter_context(Lines(account, book.broker_words, wall, unheard))
        journal = held.enter_context(
            open_journal(place, lines.clock, write=not is_dry, account=number)
        )
        recovered = rebuilt(journal)
        engine, state = recovered.engine, recovered.state
        lines.broker.remember(booked_there(state))
        assert isinstance(engine, Engine), "its rules were read from it"
        desk = Desk(
            engine,
            state,
            MemoryJournal(keep=False) if is_dry else journal,
            OnlyAsked(lines.broker) if is_dry else lines.broker,
        )
        comparisons, answer = Comparisons(), Answer()
        loop = Loop(desk, (comparisons, answer))
        at_ns = max(state.now_ns, lines.clock.now_ns())
        loop.take(DeskStarted(at_ns, book.digest, account.profile, __version__))
        if adopt is not None:
            loop.take(OperatorActed(at_ns, ADOPT, "", adopt.by, adopt.reason))
        with lines.in_use():
            lines.compare(loop, answer, say=say)
            lines.send_rest(loop, say)
        loop.run(lines.events().rest())
        return comparisons.compared(state)


def _book_of(place: str, clock: Clock) -> RuleBook:
    """The rules that the desk of a journal ran under last."""
    with open_journal(place, clock, write=False) as journal:
        started = journal.last_event("DeskStarted")
        if not isinstance(started, DeskStarted):
            raise SettingsError(NO_DESK)
        return engine_for(journal, started.rules_digest).book.rules
