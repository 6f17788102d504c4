"""The buttons, pressed from outside: on a desk that runs, and on one that does not.

A running desk owns its journal: the button is left there as a request, and the desk takes it
between two events. Where nobody owns the journal, the button is taken here, in the same way, and
what it leads to is sent by the next start.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mqd.engine.core import Engine
from mqd.engine.moves import in_age_order, waits_here
from mqd.engine.operate import ADOPT, APPROVE, DESK_BUTTONS, REARM, REFUSED
from mqd.engine.state import DeskState
from mqd.ground.errors import JournalError, JournalInUseError, SettingsError
from mqd.ground.times import NS_PER_S
from mqd.model.command import Command
from mqd.model.decision import OperatorHeard, Outcome
from mqd.model.event import BrokerEvent, Event, OperatorActed
from mqd.model.order import Order
from mqd.ports.clock import Clock
from mqd.publish.measured_now import WHOLE_DESK, subjects
from mqd.publish.status import DeskStatus, StatusWatcher
from mqd.rules.problems import did_you_mean
from mqd.rules.strategy_life import may_open
from mqd.runtime.desk import Desk
from mqd.runtime.replay import replay
from mqd.store.journal import SqlJournal, open_journal
from mqd.store.requests import OperatorRequest, put_request, taken_seq

__all__ = [
    "ADOPT", "Button", "FollowedDesk", "KeptCommands", "Pressed", "desk_time_ns", "press",
    "requested", "wait_taken", "would_move",
]  # fmt: skip

_ASKED_EVERY_S = 0.1
DISABLE, ENABLE = "disable", "enable"
_STOPS = frozenset({"halt", "reduce", "flatten"})
_WALL_CLOCK_PROFILES = frozenset({"paper", "live"})


class Button(NamedTuple):
    """What a person wants, who it is, and why; `strategy` is empty where the desk is meant."""

    action: str
    strategy: str
    by: str
    reason: str


class Pressed(NamedTuple):
    """What came of a button.

    `before` is None for a stop that was left for a running desk. `after` is None while that desk
    has not taken it, and where it has and its journal cannot be followed: `unread` says why then.
    `obeyed` tells whether the desk is now as the button wants it, `result` what the desk said of
    it, `means` what its state means. `kept` are commands that the next start sends, because no
    desk runs now; `waiting` are orders that leave when what these ask back has ended.
    """

    before: DeskStatus | None
    is_running: bool
    after: DeskStatus | None = None
    obeyed: bool = False
    result: str = ""
    means: str = ""
    kept: tuple[Command, ...] = ()
    unread: str = ""
    waiting: tuple[Order, ...] = ()


class KeptCommands:
    """A broker for a desk that does not run: takes commands, sends none, has nothing to say."""

    def __init__(self) -> None:
        self.kept: list[Command] = []

    def send(self, command: Command) -> None:
        """Keep it; it is in the journal, and the next start sends it."""
        self.kept.append(command)

    def observe(self, event: Event, *, accepted: bool) -> None:
        """Nothing is simulated here."""

    def replies(self) -> Iterator[BrokerEvent]:
        """Nobody answers."""
        return iter(())


class FollowedDesk:
    """A desk rebuilt from its journal, and what has to be said of how it stands."""

    def __init__(self, journal: SqlJournal, seq: int | None = None) -> None:
        """Replay the journal; `heard` is then what the desk said of the button of event `seq`.

        Raises:
            SettingsError: the journal holds no desk yet.
            JournalError: it does not replay byte for byte.
        """
        self._watcher = StatusWatcher()
        self._name = journal.name
        engine: Engine | None = None
        self.state = DeskState()
        self.heard = ""
        for item in replay(journal):
            self._watcher.saw(item.event, item.outcome, item.state)
            self.state, engine = item.state, item.engine
            if item.seq == seq:
                self.heard = _result(item.outcome)
        if engine is None:
            raise SettingsError(
                f"the journal {journal.name} holds no desk yet; `mqd run` starts one"
            )
        self.engine = engine

    def saw(self, event: Event, outcome: Outcome) -> None:
        """Follow one more event."""
        self.heard = _result(outcome)
        self._watcher.saw(event, outcome, self.state)

    def status(self) -> DeskStatus:
        """How the desk stands now."""
        return self._watcher.status(self.state, self.engine.book.rules, self._name)

    def obeys(self, button: Button) -> bool:
        """Whether the desk is as the button wants it."""
        if button.action in DESK_BUTTONS:
            rows = self.engine.book.rules.desk_machine.rows
            event = DESK_BUTTONS[button.action]
            return self.state.state_name in {row.target for row in rows if event in row.events}
        if button.action == REARM:
            locks, initial = self.state.locks, self.engine.book.rules.protection_machine.initial
            return all(
                lock.state_name == initial
                for key, lock in locks.items()
                if button.strategy in {key, key.partition("/")[0]}
            )
        if button.action == APPROVE:
            return not self.heard.startswith(REFUSED)
        if button.action == ENABLE:
            return button.strategy not in self.state.disabled and self._lives(button.strategy)
        if button.strategy:
            return (button.strategy in self.state.disabled) == (button.action == DISABLE)
        return True

    def _lives(self, strategy: str) -> bool:
        life = self.state.lives.get(strategy)
        return life is None or may_open(self.engine.lives.rules, life.state_name)

    def answer(self, button: Button, before: DeskStatus | None) -> Pressed:
        """What came of a button that this desk has taken."""
        states = self.engine.book.rules.desk_machine.states
        means = next((item.means for item in states if item.name == self.state.state_name), "")
        return Pressed(before, True, self.status(), self.obeys(button), self.heard, means)


def press(place: str, button: Button, clock: Clock, wait_s: float) -> Pressed:
    """Press a button of the desk whose journal is at `place`; waits so long for a running desk.

    A stop waits for no replay: a running desk hears it, however long or damaged its journal is.

    Raises:
        SettingsError: there is no such journal or strategy.
        SetupError: the journal is of an older desk that takes no requests.
        JournalError: the journal cannot be read, replayed or written.
    """
    before = None
    with open_journal(place, clock, write=False) as journal:  # a button makes no journal
        if button.action not in _STOPS:
            followed = FollowedDesk(journal)
            _check_strategy(button, followed)
            before = followed.status()
    try:
        return _press_here(place, button, clock, is_left=False)
    except JournalInUseError:
        number = put_request(place, OperatorRequest(*button, clock.now_ns()))
    seq = wait_taken(place, number, clock, wait_s)
    if seq is not None:
        try:
            with open_journal(place, clock, write=False) as journal:
                return FollowedDesk(journal, seq).answer(button, before)
        except JournalError as error:
            return Pressed(before, is_running=True, unread=str(error))
    try:  # it may have ended meanwhile without a look at what was left for it
        return _press_here(place, button, clock, is_left=True)
    except JournalInUseError:
        return Pressed(before, is_running=True)


def desk_time_ns(state: DeskState, clock: Clock) -> int:
    """Now, for an event from outside: recorded bars bring their own time, a live desk has ours.

    So does a practice exchange: what it replays may be years ago.
    """
    if state.profile in _WALL_CLOCK_PROFILES:
        return max(state.now_ns, clock.now_ns())
    return state.now_ns


def would_move(desk: Desk, action: str) -> bool:
    """Whether a button of the desk would change its state now."""
    name = desk.state.state_name
    return desk.engine.desk.fire(name, DESK_BUTTONS[action]).state != name


def requested(journal: SqlJournal, state: DeskState, clock: Clock) -> Iterator[OperatorActed]:
    """The buttons waiting in the journal, as events; each must be the next event of the desk."""
    for number, (action, strategy, by, reason, _) in journal.waiting_requests():
        journal.mark_taken(number, journal.count() + 1)
        yield OperatorActed(desk_time_ns(state, clock), action, strategy, by, reason)


def _check_strategy(button: Button, followed: FollowedDesk) -> None:
    if button.action == REARM:
        _check_protection(button.strategy, followed)
        return
    known = [item.id for item in followed.engine.book.rules.strategies if item.runs]
    if button.strategy and button.strategy not in known:
        hint = did_you_mean(button.strategy, known)
        raise SettingsError(f"this desk runs no strategy `{button.strategy}`; {hint}")


def _check_protection(name: str, followed: FollowedDesk) -> None:
    """By its id, or by that and what it is about, as the status shows it."""
    named, _, subject = name.partition("/")
    protections = {item.id: item for item in followed.engine.book.rules.protections}
    locks = followed.state.locks
    known = protections.keys() | {key.partition("/")[0] for key in locks}
    if named not in known:
        raise SettingsError(f"this desk has no protection `{named}`; {did_you_mean(named, known)}")
    if named in protections and "/" in name and name not in locks:
        about = set(subjects(followed.engine.book.rules, protections[named])) - {WHOLE_DESK}
        if not about:
            raise SettingsError(f"`{named}` is about the whole desk; leave `/{subject}` out")
        if subject not in about:
            hint = did_you_mean(subject, about)
            raise SettingsError(f"`{named}` asks nothing about `{subject}`; {hint}")


def _press_here(place: str, button: Button, clock: Clock, *, is_left: bool) -> Pressed:
    """Take, in the place of the desk, what was left for it, and this button if it was not."""
    with open_journal(place, clock, write=True) as journal:
        followed = FollowedDesk(journal)
        before = followed.status()
        broker = KeptCommands()
        desk = Desk(followed.engine, followed.state, journal, broker)
        for event in _events(journal, None if is_left else button, followed.state, clock):
            followed.saw(event, desk.take(event))
    answer = followed.answer(button, before)
    orders = in_age_order(followed.state)
    waiting = tuple(order for order in orders if waits_here(followed.engine, order))
    return answer._replace(is_running=False, kept=tuple(broker.kept), waiting=waiting)


def _events(
    journal: SqlJournal, button: Button | None, state: DeskState, clock: Clock
) -> Iterator[OperatorActed]:
    yield from requested(journal, state, clock)
    if button is not None:
        yield OperatorActed(desk_time_ns(state, clock), *button)


def wait_taken(place: str, number: int, clock: Clock, wait_s: float) -> int | None:
    """The event by which a running desk took the request, if it did so in time."""
    until_ns = clock.monotonic_ns() + round(wait_s * NS_PER_S)
    while True:
        seq = taken_seq(place, number)
        if seq is not None or clock.monotonic_ns() >= until_ns:
            return seq
        clock.sleep(_ASKED_EVERY_S)


def _result(outcome: Outcome) -> str:
    return next((item.result for item in outcome.notes if isinstance(item, OperatorHeard)), "")
