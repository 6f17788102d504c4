"""The blocks of protections: each one's machine, what it heard last, and when its time is over.

One block is of the desk, or of one strategy or symbol. The machine `protection` of the rules says
what becomes of it; who asks the protections is `protections`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from mqd.engine.gathering import Step
from mqd.engine.lock import Lock
from mqd.engine.machine import APPLY, WrappedMachine
from mqd.engine.state import DeskState
from mqd.ground.errors import ProtectionError
from mqd.ground.times import NS_PER_S
from mqd.model.decision import IncidentRaised, ProtectionReleased, ProtectionTripped
from mqd.rules.compile.book import CompiledBook
from mqd.rules.compile.protections import CompiledProtection
from mqd.rules.words.blocking import (
    DESK,
    REST_OF_SESSION,
    REST_OF_WEEK,
    STRATEGY,
    SYMBOL,
    UNTIL,
    UNTIL_OPERATOR,
    WHILE_TRUE,
)

CAME_TRUE, CAME_UNTRUE = "came_true", "came_untrue"
TIME_OVER, REARM_ORDERED = "time_over", "rearm_ordered"
NEVER = 1 << 62
ASK_ALL = 0
"""As the time of the next look: whatever is known of times, everything is asked."""


class Answer(NamedTuple):
    """What a protection answered: certainly yes, or at least not certainly no.

    With `has_news` something that it counts has happened since it was asked last.
    """

    certain: bool
    possible: bool
    has_news: bool = False


NOT_TOLD = Answer(certain=False, possible=True)


@dataclass(slots=True)
class LockFacts:
    """One block as the guards of the machine read it."""

    goes_on: bool
    waits_for_person: bool


class Blocks:
    """Moves the blocks of a compiled book's protections; they stand in the state."""

    def __init__(self, book: CompiledBook) -> None:
        self._strategies = tuple(item.rules.id for item in book.strategies)
        self._symbols = tuple(dict.fromkeys(item.rules.symbol for item in book.strategies))
        self._machine = WrappedMachine(book.rules.protection_machine, book.guards)
        self._initial = self._machine.rules.initial
        self._known = {item.name for item in self._machine.rules.states}
        self._by_id = {each.rules.id: each for each in book.protections.every}

    def on_start(self, state: DeskState, step: Step) -> None:
        """Other rules may look from here on: a block stays, by the rules that it tripped under."""
        for key, lock in list(state.locks.items()):
            if lock.state_name not in self._known:  # whatever it was, it is not to let entries in
                lock.state_name = self._machine.rules.states[-1].name
            is_gone = not self._is_asked(key)
            if is_gone and (lock.lasts == WHILE_TRUE or lock.state_name == self._initial):
                del state.locks[key]
            elif is_gone:
                lock.is_unknown = False
        state.protection_errors.clear()
        state.due_ns.clear()
        state.protections_true = -1  # whatever they answer, it is looked at
        self.recount(state)
        state.look_again_ns = ASK_ALL

    def on_session(self, state: DeskState, step: Step) -> None:
        """A session opens: blocks for a week or until something are asked whether they are over."""
        for key, lock in state.locks.items():
            if lock.state_name == self._initial:
                continue
            each = self._rules_of(key)
            is_over = lock.lasts == REST_OF_WEEK and lock.week_ns != state.desk.week_open_ns
            if lock.lasts == UNTIL and each is not None and each.ends is not None:
                is_over = self._has_ended(state, each, key, step)
            if is_over:
                self._fire(state, key, lock, TIME_OVER, step)
        self.recount(state)

    def _has_ended(self, state: DeskState, each: CompiledProtection, key: str, step: Step) -> bool:
        try:
            return bool(each.ends(None, None, state.session, state.desk, None, None, {}))
        except Exception as error:  # noqa: BLE001  # whatever it is, the block goes on
            tell_failed(key, error, step)
            return False

    def rearm(self, state: DeskState, name: str, step: Step) -> str:
        """A person's word on a protection, or on one subject of it: what came of it, in words."""
        found = [
            (key, lock)
            for key, lock in sorted(state.locks.items())
            if name in {key, key.partition("/")[0]} and lock.state_name != self._initial
        ]
        known = self._by_id.keys() | state.locks.keys()
        if not found and known.isdisjoint({name, name.partition("/")[0]}):
            return f"refused: these rules have no protection {name!r}"
        said = [self._rearm(state, key, lock, step) for key, lock in found]
        self.recount(state)
        return "; ".join(said) or f"{name} is {self._initial} already"

    def _rearm(self, state: DeskState, key: str, lock: Lock, step: Step) -> str:
        before = lock.state_name
        because = self._fire(state, key, lock, REARM_ORDERED, step)
        if lock.state_name == before:
            return f"refused: {key} stays {before}: {because}"
        return f"{key}: {before} -> {lock.state_name}"

    def take(
        self, state: DeskState, each: CompiledProtection, key: str, answer: Answer, step: Step
    ) -> bool:
        """Let the machine hear what an answer means; an unknown one blocks as long as it lasts."""
        lock = state.locks.get(key)
        if lock is None:
            if not answer.possible:
                return False
            lock = state.locks[key] = Lock(self._initial)
        before = lock.state_name, lock.is_unknown, lock.until_ns
        was_true, lock.is_true = lock.is_true, answer.certain
        lock.is_unknown = answer.possible and not answer.certain
        self._end_in_time(state, key, lock, step)
        is_again = lock.state_name == self._initial and not each.waits_for_news
        if answer.certain and (not was_true or answer.has_news or is_again):
            self._fire(state, key, lock, CAME_TRUE, step)
        elif was_true and not answer.certain:
            self._fire(state, key, lock, CAME_UNTRUE, step)
        return before != (lock.state_name, lock.is_unknown, lock.until_ns)

    def end_older(self, state: DeskState, step: Step) -> None:
        """Blocks that nobody asks about any more end at their time all the same."""
        for key, lock in state.locks.items():
            if not self._is_asked(key):
                self._end_in_time(state, key, lock, step)

    def _end_in_time(self, state: DeskState, key: str, lock: Lock, step: Step) -> None:
        if lock.state_name != self._initial and 0 < lock.until_ns <= state.now_ns:
            self._fire(state, key, lock, TIME_OVER, step)

    def _fire(self, state: DeskState, key: str, lock: Lock, event: str, step: Step) -> str:
        """Let one block hear an event, note what it did, and say why it did that."""
        each = self._rules_of(key)
        name, _, subject = key.partition("/")
        lasts = lock.lasts
        if event == CAME_TRUE and each is not None:
            lasts = each.rules.lasts
            if lasts == REST_OF_SESSION and state.session.close_ns <= state.now_ns:
                return "with the last bar the session is over"
        is_endless = lasts == UNTIL and (each is None or each.ends is None)
        facts = LockFacts(lasts != WHILE_TRUE, lasts == UNTIL_OPERATOR or is_endless)
        before = lock.state_name
        fired = self._machine.fire(before, event, facts)
        lock.state_name = fired.state
        has_acted = fired.row.disposition == APPLY
        if event == CAME_TRUE and has_acted:
            lock.is_block = each is None or each.rules.sizes is None
            _lock(state, lock, lasts, is_new=before == self._initial)
            if lasts != WHILE_TRUE:
                step.notes.append(
                    ProtectionTripped(
                        step.at_ns, name, lock.until_ns, subject, str(lasts), fired.row.id
                    )
                )
        elif lock.state_name == self._initial and before != self._initial:
            if lock.lasts != WHILE_TRUE:
                step.notes.append(
                    ProtectionReleased(
                        step.at_ns, name, subject, event, fired.row.id, lock.rules_digest
                    )
                )
            lock.until_ns = 0
        return fired.row.because

    def recount(self, state: DeskState) -> None:
        """What blocks now, and when the next block or the next row of a window is over."""
        active = 0
        scoped: dict[str, int] = {}
        state.has_older_lock = False
        again_ns = min(state.due_ns.values(), default=NEVER)
        for key, lock in list(state.locks.items()):
            each = self._rules_of(key)
            if not self.stands(lock, each):
                if not lock.is_true:
                    del state.locks[key]  # it is as if it had never been asked
                continue
            if lock.until_ns and lock.state_name != self._initial:
                again_ns = min(again_ns, lock.until_ns)
            if each is None:
                state.has_older_lock = state.has_older_lock or lock.is_block
            elif each.rules.sizes is None and each.rules.scope == DESK:
                active |= 1 << each.bit
            elif each.rules.sizes is None:
                subject = self._scoped(key)
                scoped[subject] = scoped.get(subject, 0) | 1 << each.bit
        state.active_protections = active
        state.scoped_protections = scoped
        if state.look_again_ns != ASK_ALL:  # only who has asked them all takes that back
            state.look_again_ns = again_ns

    def stands(self, lock: Lock, each: CompiledProtection | None) -> bool:
        """Whether it stands in the way: by its block, its cause, or because nobody can tell."""
        is_caused = lock.is_true and each is not None and not each.waits_for_news
        return lock.state_name != self._initial or lock.is_unknown or is_caused

    # -- which are which -------------------------------------------------------------------------

    def _rules_of(self, key: str) -> CompiledProtection | None:
        """The protection of a block; None where these rules have none of that name and scope."""
        name, _, subject = key.partition("/")
        each = self._by_id.get(name)
        return each if each is not None and (each.rules.scope == DESK) == (not subject) else None

    def _scoped(self, key: str) -> str:
        """The strategy or the symbol that a block is about, whatever these rules ask it about."""
        subject = key.partition("/")[2]
        return f"{STRATEGY if subject in self._strategies else SYMBOL} {subject}"

    def _is_asked(self, key: str) -> bool:
        """Whether these rules ask about it: they have the protection, and its subject."""
        each = self._rules_of(key)
        return each is not None and key.partition("/")[2] in self.subjects(each)

    def subjects(self, each: CompiledProtection) -> Iterator[str]:
        """What a protection is asked about, one after the other; empty: the whole desk."""
        if each.rules.scope == STRATEGY:
            yield from self._strategies
        elif each.rules.scope == SYMBOL:
            yield from self._symbols
        else:
            yield ""


def _lock(state: DeskState, lock: Lock, lasts: str | int, *, is_new: bool) -> None:
    """Begin a block, or move its end: a later trip never ends it earlier."""
    until_ns = 0
    if isinstance(lasts, int):
        until_ns = state.now_ns + lasts * NS_PER_S
    elif lasts == REST_OF_SESSION:
        until_ns = state.session.close_ns
    if is_new:
        lock.tripped_ns, lock.rules_digest = state.now_ns, state.rules_digest
        lock.until_ns = 0
    lock.lasts = lasts
    lock.week_ns = state.desk.week_open_ns
    lock.until_ns = max(lock.until_ns, until_ns)


def tell_failed(key: str, error: Exception, step: Step) -> None:
    """A person is told that a protection raised."""
    told = ProtectionError(f"{key} could not be asked: {type(error).__name__}: {error}")
    step.notes.append(
        IncidentRaised(step.at_ns, type(told).__name__, told.severity, key, str(told))
    )


def key_of(each: CompiledProtection, subject: str) -> str:
    """The name of a block: the protection's, and its subject's where it is not of the desk."""
    return f"{each.rules.id}/{subject}" if subject else each.rules.id


def subject_of(each: CompiledProtection, strategy: str, symbol: str) -> str:
    """Which of the two a protection is about; empty where it is about the desk."""
    return {STRATEGY: strategy, SYMBOL: symbol}.get(each.rules.scope, "")
