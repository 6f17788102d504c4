"""`mqd reconcile`: the start of a desk up to its comparison with the broker, and no further.

With `dry_run` the same start happens, in memory only: the journal is read and nothing more.
"""

from __future__ import annotations

from typing import NamedTuple

from mqd import __version__
from mqd.app.operate import ADOPT, Button, desk_time_ns
from mqd.app.settings import DEFAULT, WITH_A_BROKER, Settings, read_settings
from mqd.brokers.simulated import SimulatedBroker
from mqd.engine.state import DeskState
from mqd.ground.errors import SettingsError
from mqd.model.command import Command, TakeSnapshot
from mqd.model.decision import DriftFound, IncidentRaised, Outcome, Reconciled
from mqd.model.event import DeskStarted, Event, OperatorActed, SnapshotFailed
from mqd.model.order import OrderStateChangedEvent
from mqd.ports.broker import Broker
from mqd.ports.clock import Clock
from mqd.ports.journal import Journal
from mqd.runtime.desk import Desk
from mqd.runtime.loop import Loop
from mqd.runtime.recovery import recover
from mqd.store.journal import open_journal
from mqd.store.memory import MemoryJournal

NO_DESK = "the journal holds no desk yet; `mqd run` starts one"
_FILLED = "filled"


class Compared(NamedTuple):
    """What a comparison came to; `verdict` is None where the broker could not be asked.

    `sent` are the commands that it led to, besides asking the broker; `news` is what the desk
    heard of its orders on the way: what they filled, and where they are now.
    """

    verdict: Reconciled | None
    drifts: tuple[DriftFound, ...]
    incidents: tuple[IncidentRaised, ...]
    sent: tuple[Command, ...]
    unanswered: str
    desk_state: str
    news: tuple[OrderStateChangedEvent, ...] = ()


class Comparisons:
    """A watcher that keeps the last comparison, and all that came with it."""

    def __init__(self) -> None:
        self.verdict: Reconciled | None = None
        self.drifts: list[DriftFound] = []
        self.incidents: list[IncidentRaised] = []
        self.sent: list[Command] = []
        self.unanswered = ""
        self.news: list[OrderStateChangedEvent] = []

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:  # a watcher's form
        """Take note of one event."""
        if isinstance(event, SnapshotFailed):
            self.unanswered = event.reason
        self.sent += [item for item in outcome.commands if not isinstance(item, TakeSnapshot)]
        self.news += [
            item
            for item in outcome.transitions
            if item.from_state and (item.event == _FILLED or item.from_state != item.to_state)
        ]
        for note in outcome.notes:
            match note:
                case Reconciled():
                    self.verdict, self.unanswered = note, ""
                case DriftFound():
                    self.drifts.append(note)
                case IncidentRaised():
                    self.incidents.append(note)

    def compared(self, state: DeskState) -> Compared:
        """What it came to, and how the desk stands now."""
        return Compared(
            self.verdict, tuple(self.drifts), tuple(self.incidents), tuple(self.sent),
            self.unanswered, state.state_name, tuple(self.news),
        )  # fmt: skip


def settings_for(place: str, config: str | None, clock: Clock) -> Settings:
    """Where the desk whose journal is at `place` runs: as named, or as it ran last.

    Raises:
        SettingsError: there is no such journal or config, or it is of another account's profile.
    """
    with open_journal(place, clock, write=False) as journal:
        started = journal.last_event("DeskStarted")
    profile = started.profile if isinstance(started, DeskStarted) else ""
    if config is None:
        return read_settings(profile if profile in WITH_A_BROKER else DEFAULT)
    settings = read_settings(config)
    if profile not in {"", settings.profile} and {profile, settings.profile} & WITH_A_BROKER:
        raise SettingsError(
            f"--config {config} is for {settings.profile}; this desk ran last as {profile}"
        )
    return settings


def reconcile(
    place: str, settings: Settings, clock: Clock, *, dry_run: bool, adopt: Button | None = None
) -> Compared:
    """Compare the desk whose journal is at `place` with a simulated broker, and settle it.

    `adopt` takes the broker's side in everything that a person would have to decide.

    Raises:
        SettingsError: there is no journal, or no desk in it.
        JournalInUseError: a desk runs on it; that one compares itself.
        JournalError: the journal does not replay, or the broker's settings are others.
    """
    open_journal(place, clock, write=False).close()  # a comparison makes no journal
    with open_journal(place, clock, write=not dry_run) as journal:
        broker = SimulatedBroker(settings.simulation())
        written = MemoryJournal(keep=False) if dry_run else journal
        return compare_with(broker, journal, written, clock, adopt)


def compare_with(
    broker: Broker, journal: Journal, written: Journal, clock: Clock, adopt: Button | None
) -> Compared:
    """Rebuild the desk from `journal`, start it and let it compare itself; `written` records it.

    Raises:
        SettingsError: there is no desk in the journal.
        JournalError: it does not replay, or the broker's settings are others.
    """
    recovered = recover(journal, broker)
    state = recovered.state
    if recovered.engine is None:
        raise SettingsError(NO_DESK)
    at_ns = desk_time_ns(state, clock)
    event: OperatorActed | DeskStarted = DeskStarted(
        at_ns, recovered.engine.book.digest, state.profile, __version__
    )
    if adopt is not None:
        event = OperatorActed(at_ns, ADOPT, "", adopt.by, adopt.reason)
    watcher = Comparisons()
    desk = Desk(recovered.engine, state, written, broker)
    loop = Loop(desk, (watcher,), left_over=recovered.left_over)
    loop.take(event)
    loop.take_replies()
    return watcher.compared(state)
