"""`mqd reconcile`: the start of a desk up to its comparison with the broker, and no further.

With `dry_run` the same start happens, in memory only: the journal is read and nothing more.
"""

from __future__ import annotations

from typing import NamedTuple

from mqd import __version__
from mqd.app.operate import ADOPT, Button, desk_time_ns
from mqd.app.settings import Settings
from mqd.brokers.simulated import SimulatedBroker
from mqd.engine.state import DeskState
from mqd.ground.errors import SettingsError
from mqd.model.command import Command, TakeSnapshot
from mqd.model.decision import DriftFound, IncidentRaised, Outcome, Reconciled
from mqd.model.event import DeskStarted, Event, OperatorActed, SnapshotFailed
from mqd.ports.broker import Broker
from mqd.ports.clock import Clock
from mqd.ports.journal import Journal
from mqd.runtime.desk import Desk
from mqd.runtime.loop import Loop
from mqd.runtime.recovery import recover
from mqd.store.journal import open_journal
from mqd.store.memory import MemoryJournal


class Compared(NamedTuple):
    """What a comparison came to; `verdict` is None where the broker could not be asked.

    `sent` are the commands that it led to, besides asking the broker.
    """

    verdict: Reconciled | None
    drifts: tuple[DriftFound, ...]
    incidents: tuple[IncidentRaised, ...]
    sent: tuple[Command, ...]
    unanswered: str
    desk_state: str


class _Comparisons:
    """A watcher that keeps the last comparison, and all that came with it."""

    def __init__(self) -> None:
        self.verdict: Reconciled | None = None
        self.drifts: list[DriftFound] = []
        self.incidents: list[IncidentRaised] = []
        self.sent: list[Command] = []
        self.unanswered = ""

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:  # a watcher's form
        """Take note of one event."""
        if isinstance(event, SnapshotFailed):
            self.unanswered = event.reason
        self.sent += [item for item in outcome.commands if not isinstance(item, TakeSnapshot)]
        for note in outcome.notes:
            match note:
                case Reconciled():
                    self.verdict, self.unanswered = note, ""
                case DriftFound():
                    self.drifts.append(note)
                case IncidentRaised():
                    self.incidents.append(note)


def reconcile(
    place: str, settings: Settings, clock: Clock, *, dry_run: bool, adopt: Button | None = None
) -> Compared:
    """Compare the desk whose journal is at `place` with its broker, and settle what differs.

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
        raise SettingsError("the journal holds no desk yet; `mqd run` starts one")
    at_ns = desk_time_ns(state, clock)
    event: OperatorActed | DeskStarted = DeskStarted(
        at_ns, recovered.engine.book.digest, state.profile, __version__
    )
    if adopt is not None:
        event = OperatorActed(at_ns, ADOPT, "", adopt.by, adopt.reason)
    watcher = _Comparisons()
    desk = Desk(recovered.engine, state, written, broker)
    loop = Loop(desk, (watcher,), left_over=recovered.left_over)
    loop.take(event)
    loop.take_replies()
    return Compared(
        watcher.verdict, tuple(watcher.drifts), tuple(watcher.incidents), tuple(watcher.sent),
        watcher.unanswered, state.state_name,
    )  # fmt: skip
