"""The nightly look at every strategy and thesis, on a desk that runs and on one that does not.

What was found is an event of the journal with its outcome, like everything else; here it is asked
for, waited for and read back.
"""

from __future__ import annotations

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
    wrong_files: tuple[str, ...] = ()
    """One line for each series whose file is wrong: the desk is without what it says."""

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
        """Whether nobody has to look: nothing skipped, contradicted, flagged, retired, halted, no
        wrong file, and nothing that waits for a word.
        """
        return (
            self.is_taken
            and not self.wrong_files
            and not self.halts
            and not self.left_to_people
            and not any(each.waits for each in self.proposals)
            and not any(each.skipped for each in self.strategies)
            and not any(each.skipped or each.met for each in self.theses)
        )


def look(place: str, by: str, reason: str, folder: str, clock: Clock, wait_s: float) -> Night:
    """Bring in the daily values, look at everything, and read what was found.

    Raises:
        SettingsError: there is no such journal, or it holds no desk yet.
        JournalError: the journal cannot be read, replayed or written.
    """
    button = Button(JUDGE, "", by, reason)
    with open_journal(place, clock, write=False):  # a look makes no journal
        pass
    try:
        return _look_here(place, button, folder, clock)
    except JournalInUseError:
        wrong, calling = _beside(place, folder, clock)
        number = put_request(place, OperatorRequest(*button, clock.now_ns()))
    seq = wait_taken(place, number, clock, wait_s)
    if seq is None:
        return Night(is_running=True, is_taken=False, wrong_files=wrong)
    with open_journal(place, clock, write=False) as journal:
        notes = _notes_of(journal, seq)
    return Night(is_running=True, is_taken=True, notes=notes, calling=calling, wrong_files=wrong)


def _beside(place: str, folder: str, clock: Clock) -> tuple[tuple[str, ...], frozenset[str]]:
    """What a desk that runs is without, for it reads its daily values itself and says nothing;
    and the states that its strategies leave only by a person.
    """
    with open_journal(place, clock, write=False) as journal:
        followed = FollowedDesk(journal)
    state, files = followed.state, SeriesFiles(folder, followed.engine.book.rules)
    wrong = files.news_of_right_files(state, state.now_ns, known_before(state))[1]
    return wrong, _calling(followed)


def _calling(followed: FollowedDesk) -> frozenset[str]:
    machine = followed.engine.book.rules.strategy_machine
    names = (state.name for state in machine.states)
    return frozenset(name for name in names if waits_for_person(machine, name))


def _look_here(place: str, button: Button, folder: str, clock: Clock) -> Night:
    """In the place of the desk: what was left for it, the daily values, then the look itself."""
    with open_journal(place, clock, write=True) as journal:
        followed = FollowedDesk(journal)
        desk = Desk(followed.engine, followed.state, journal, KeptCommands())
        files = SeriesFiles(folder, followed.engine.book.rules)
        notes: list[Note] = []
        for request in requested(journal, followed.state, clock):
            notes += desk.take(request).notes
        at_ns, before = desk_time_ns(followed.state, clock), known_before(followed.state)
        told, wrong = files.news_of_right_files(followed.state, at_ns, before)
        events: list[Event] = [*told, OperatorActed(at_ns, *button)]
        for event in events:
            notes += desk.take(event).notes
    calling, found = _calling(followed), tuple(notes)
    return Night(is_running=False, is_taken=True, notes=found, calling=calling, wrong_files=wrong)


def _notes_of(journal: SqlJournal, seq: int) -> tuple[Note, ...]:
    """The notes of one event of the journal."""
    for entry in journal.entries():
        if entry.seq == seq:
            return tuple(record for record in records_of(entry.outcome) if isinstance(record, Note))
    return ()
