"""The nightly look at every strategy and thesis, on a desk that runs and on one that does not.

What was found is an event of the journal with its outcome, like everything else; here it is asked
for, waited for and read back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mqd.app.operate import (
    Button,
    FollowedDesk,
    KeptCommands,
    desk_time_ns,
    requested,
    wait_taken,
)
from mqd.app.series import SeriesFiles, known_before
from mqd.engine.operate import JUDGE
from mqd.engine.state import DeskState
from mqd.ground.errors import JournalInUseError
from mqd.model.decision import (
    DeskStateChanged,
    Note,
    PromotionProposed,
    StrategyJudged,
    StrategyMoved,
    ThesisJudged,
)
from mqd.model.event import Event, OperatorActed
from mqd.ports.clock import Clock
from mqd.publish.records import records_of
from mqd.rules.book import MachineRules
from mqd.rules.strategy_life import waits_for_person
from mqd.runtime.desk import Desk
from mqd.store.journal import SqlJournal, open_journal
from mqd.store.requests import OperatorRequest, put_request


class Night(NamedTuple):
    """What one night found; `is_taken` is False while a running desk has not taken it yet.

    `calling` are the states of a strategy that only a person ends, by the rules of that night.
    """

    is_running: bool
    is_taken: bool
    notes: tuple[Note, ...] = ()
    calling: frozenset[str] = frozenset()

    @property
    def strategies(self) -> tuple[StrategyJudged, ...]:
        """Each strategy that was looked at."""
        return tuple(note for note in self.notes if isinstance(note, StrategyJudged))

    @property
    def theses(self) -> tuple[ThesisJudged, ...]:
        """Each thesis that was looked at."""
        return tuple(note for note in self.notes if isinstance(note, ThesisJudged))

    @property
    def moves(self) -> tuple[StrategyMoved, ...]:
        """What moved because of it, and because of the daily values that came with it."""
        return tuple(note for note in self.notes if isinstance(note, StrategyMoved))

    @property
    def proposals(self) -> tuple[PromotionProposed, ...]:
        """Who may have more to work with."""
        return tuple(note for note in self.notes if isinstance(note, PromotionProposed))

    @property
    def halts(self) -> tuple[DeskStateChanged, ...]:
        """That the desk halts, because no strategy is left."""
        return tuple(note for note in self.notes if isinstance(note, DeskStateChanged))

    @property
    def left_to_people(self) -> tuple[StrategyJudged, ...]:
        """The strategies in a state that only a person ends."""
        return tuple(each for each in self.strategies if each.state in self.calling)

    @property
    def is_quiet(self) -> bool:
        """Whether nobody has to look: nothing skipped, contradicted, flagged, retired, halted, and
        nothing that waits for a word.
        """
        return (
            self.is_taken
            and not self.halts
            and not self.left_to_people
            and not any(each.waits for each in self.proposals)
            and not any(each.skipped for each in self.strategies)
            and not any(each.skipped or each.met for each in self.theses)
        )


def look(place: str, by: str, reason: str, folder: str, clock: Clock, wait_s: float) -> Night:
    """Bring in the daily values, look at everything, and read what was found.

    Raises:
        SettingsError: there is no such journal, it holds no desk yet, or a file of daily values
            cannot be read.
        JournalError: the journal cannot be read, replayed or written.
    """
    button = Button(JUDGE, "", by, reason)
    with open_journal(place, clock, write=False):  # a look makes no journal
        pass
    try:
        return _look_here(place, button, folder, clock)
    except JournalInUseError:
        machine = _machine_of_readable(place, folder, clock)
        number = put_request(place, OperatorRequest(*button, clock.now_ns()))
    seq = wait_taken(place, number, clock, wait_s)
    if seq is None:
        return Night(is_running=True, is_taken=False)
    with open_journal(place, clock, write=False) as journal:
        return Night(
            is_running=True, is_taken=True, notes=_notes_of(journal, seq),
            calling=_calling(machine),
        )  # fmt: skip


def _machine_of_readable(place: str, folder: str, clock: Clock) -> MachineRules:
    """The machine of a running desk's strategies, where the daily values can be read.

    The desk reads them itself, and only is without those that it cannot read.
    """
    with open_journal(place, clock, write=False) as journal:
        followed = FollowedDesk(journal)
    state, files = followed.state, SeriesFiles(folder, followed.engine.book.rules)
    list(files.news(state, state.now_ns, known_before(state)))
    return followed.engine.book.rules.strategy_machine


def _calling(machine: MachineRules) -> frozenset[str]:
    names = (state.name for state in machine.states)
    return frozenset(name for name in names if waits_for_person(machine, name))


def _look_here(place: str, button: Button, folder: str, clock: Clock) -> Night:
    """In the place of the desk: what was left for it, the daily values, then the look itself."""
    with open_journal(place, clock, write=True) as journal:
        followed = FollowedDesk(journal)
        desk = Desk(followed.engine, followed.state, journal, KeptCommands())
        files = SeriesFiles(folder, followed.engine.book.rules)
        found: list[Note] = []
        for event in _events(journal, button, files, followed.state, clock):
            found += desk.take(event).notes
    machine = followed.engine.book.rules.strategy_machine
    return Night(is_running=False, is_taken=True, notes=tuple(found), calling=_calling(machine))


def _events(
    journal: SqlJournal, button: Button, files: SeriesFiles, state: DeskState, clock: Clock
) -> Iterator[Event]:
    yield from requested(journal, state, clock)
    yield from list(files.news(state, desk_time_ns(state, clock), known_before(state)))
    yield OperatorActed(desk_time_ns(state, clock), *button)


def _notes_of(journal: SqlJournal, seq: int) -> tuple[Note, ...]:
    """The notes of one event of the journal."""
    for entry in journal.entries():
        if entry.seq == seq:
            return tuple(record for record in records_of(entry.outcome) if isinstance(record, Note))
    return ()
