"""Protections: what they watch for, how long they keep entries out, and what an entry is told.

They are asked on every bar, before every entry and before an entry is sent once more. Each lives
on the machine `protection` of the rules, once for the desk or once for every strategy or symbol it
is about (`blocks`). Exits never come here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from mqd.engine.blocks import (
    ASK_ALL,
    NEVER,
    NOT_TOLD,
    Answer,
    Blocks,
    key_of,
    subject_of,
    tell_failed,
)
from mqd.engine.gathering import Step
from mqd.engine.history import EntrySent, History, Now, of_bars
from mqd.engine.lock import Lock
from mqd.engine.sessions import measured_now
from mqd.engine.state import DeskState, SessionFacts
from mqd.ground.times import NS_PER_S
from mqd.model.event import BarClosed
from mqd.model.position import Trade
from mqd.rules.compile.book import CompiledBook
from mqd.rules.compile.history import CompiledMeasure
from mqd.rules.compile.protections import CompiledProtection
from mqd.rules.words.blocking import STRATEGY, SYMBOL, WHILE_TRUE
from mqd.rules.words.streams import BARS_STREAM, EQUITY_STREAM, TRADES_STREAM

WHOLE = Decimal(1)
AT_ONCE = "protections"
"""What those that one question answers are called where that question fails."""
NewRow = tuple[str, Trade | EntrySent]


class Ruling(StrEnum):
    """What protections say of an entry."""

    ALLOW = "ALLOW"
    BLOCK = "BLOCK"


class Check(NamedTuple):
    """The answer to one entry: every protection that blocks, and the part of its size it keeps.

    `mask` has their bits, `until_ns` is when the longest of their blocks is over, 0 where no clock
    says. A block of older rules has no bit, and what could not be asked blocks.
    """

    ruling: Ruling
    mask: int = 0
    reasons: tuple[str, ...] = ()
    until_ns: int = 0
    size: Decimal = WHOLE
    has_error: bool = False
    has_older_lock: bool = False


class ProtectionManager:
    """Asks the protections of a compiled book; everything it remembers is in the state."""

    def __init__(self, book: CompiledBook) -> None:
        compiled = self._compiled = book.protections
        self._regimes = book.rules.regimes
        self.blocks = Blocks(book)
        self._lasting = sum(
            1 << each.bit for each in compiled.at_once if each.rules.lasts != WHILE_TRUE
        )
        self._apart = tuple(each for each in compiled.every if each not in compiled.at_once)
        self._subjects = tuple(
            (each, subject, key_of(each, subject))
            for each in self._apart
            for subject in self.blocks.subjects(each)
        )
        symbols = {strategy.rules.symbol for strategy in book.strategies}
        self._every_look = {bar_of: tuple(self._asked_always(bar_of)) for bar_of in symbols | {""}}
        self._of_equity = tuple(each for each in self._apart if EQUITY_STREAM in each.streams)
        self._bar_measures = tuple(
            measure
            for each in compiled.every
            for measure in each.measures
            if measure.rules.stream == BARS_STREAM
        )
        self._sizing = tuple(each for each in compiled.every if each.rules.sizes is not None)

    def _asked_always(self, bar_of: str) -> Iterator[tuple[CompiledProtection, str, str]]:
        """What is asked at every look: on a bar of a symbol, of what reads bars only that one."""
        for each in self._apart:
            subjects = tuple(self.blocks.subjects(each)) if each.reads_moment else ()
            for subject in (bar_of,) if each.reads_bars and bar_of in subjects else subjects:
                yield each, subject, key_of(each, subject)

    # -- when they are asked ---------------------------------------------------------------------

    def on_bar(self, state: DeskState, bar: BarClosed, step: Step) -> None:
        """A bar counts: take in what is measured of bars, and look."""
        symbol = state.symbols[bar.symbol]
        for measure in self._bar_measures:
            try:
                state.history.take_bar(measure, bar, symbol)
            except Exception as error:  # noqa: BLE001  # whatever it is, nothing is opened
                self._failed(state, f"{measure.key}/{bar.symbol}", error, step)
            else:
                if state.protection_errors:
                    state.protection_errors.discard(f"{measure.key}/{bar.symbol}")
        self._look(state, step, state.session, bar.symbol)

    def on_news(self, state: DeskState, step: Step) -> None:
        """A trade has finished or an entry was sent: what that trips, trips now."""
        self._look(state, step, _clock_of(state))

    def check(
        self, state: DeskState, strategy: str, symbol: str, step: Step, *, on_bar: bool = True
    ) -> Check:
        """Whether an entry may be sent now, with every reason against it.

        What is decided on a bar is decided at the bar's end; anything else, at the desk's time.
        """
        self._look(state, step, state.session if on_bar else _clock_of(state))
        return self.answer(state, strategy, symbol)

    def answer(self, state: DeskState, strategy: str, symbol: str) -> Check:
        """What an entry would be told, as they were when somebody looked last."""
        mask = self.mask(state, strategy, symbol)
        reasons = self._compiled.true_codes(mask)
        has_error = bool(state.protection_errors)
        is_blocked = bool(mask or state.has_older_lock or has_error)
        return Check(
            Ruling.BLOCK if is_blocked else Ruling.ALLOW,
            mask,
            reasons,
            max((lock.until_ns for lock in self._of(state, strategy, symbol, mask)), default=0),
            self.size(state, strategy, symbol),
            has_error,
            state.has_older_lock,
        )

    def mask(self, state: DeskState, strategy: str, symbol: str) -> int:
        """The bits of the protections that keep this strategy from entering this symbol."""
        mask = state.active_protections
        if state.scoped_protections:
            mask |= state.scoped_protections.get(f"{STRATEGY} {strategy}", 0)
            mask |= state.scoped_protections.get(f"{SYMBOL} {symbol}", 0)
        return mask

    def size(self, state: DeskState, strategy: str, symbol: str) -> Decimal:
        """The part of its size that an entry keeps: the smallest that a protection leaves it."""
        left = [size for _, size in self._sizes(state, strategy, symbol)]
        return min(left, default=WHOLE)

    def made_smaller(self, state: DeskState, strategy: str, symbol: str) -> tuple[str, ...]:
        """The protections that leave an entry less than its size."""
        return tuple(each.rules.id for each, _ in self._sizes(state, strategy, symbol))

    def sizing_mask(self, state: DeskState, strategy: str, symbol: str) -> int:
        """The bits of the protections that leave an entry less than its size."""
        return sum(1 << each.bit for each, _ in self._sizes(state, strategy, symbol))

    def _sizes(
        self, state: DeskState, strategy: str, symbol: str
    ) -> Iterator[tuple[CompiledProtection, Decimal]]:
        for each in self._sizing:
            lock = state.locks.get(key_of(each, subject_of(each, strategy, symbol)))
            is_on = lock is not None and self.blocks.stands(lock, each)
            if is_on and each.rules.sizes is not None:
                yield each, each.rules.sizes

    def on_start(self, state: DeskState, step: Step) -> None:
        """Other rules may look from here on; a block stays, by the rules that it tripped under."""
        state.history.keep_series(self._bar_measures)
        self.blocks.on_start(state, step)

    def on_session(self, state: DeskState, step: Step) -> None:
        """A session opens: what is measured of its bars begins anew, and some blocks are over."""
        state.history.start_session(self._bar_measures)
        self.blocks.on_session(state, step)
        state.look_again_ns = ASK_ALL  # measures of this session, or of those before it, are new

    # -- the look --------------------------------------------------------------------------------

    def _look(self, state: DeskState, step: Step, session: SessionFacts, bar_of: str = "") -> None:
        """Ask what may answer otherwise than last time, and move the machines of what does."""
        history = state.history
        possible, certain = self._asked_at_once(state, session, step)
        has_moved = False
        if (
            possible != state.protections_true
            or possible & self._lasting
            or state.now_ns >= state.look_again_ns
            or history.news
            or state.protection_errors
        ):
            has_moved = True
            self._hear_at_once(state, possible, certain, step)
            self._hear_apart(state, session, step)
            self.blocks.end_older(state, step)
        elif history.is_equity_new:  # on every bar while something is held
            history.is_equity_new = False
            for each in self._of_equity:
                has_moved = self._hear(state, each, "", session, step) or has_moved
        for each, subject, key in self._every_look.get(bar_of, self._every_look[""]):
            if (
                not each.of_bars_alone
                or key in state.locks
                or not self._is_calm(state, each, subject, session)
            ):
                has_moved = self._hear(state, each, subject, session, step) or has_moved
        if has_moved:
            history.news.clear()
            history.is_equity_new = False
            state.protections_true = possible
            state.look_again_ns = NEVER
            self.blocks.recount(state)

    def _is_calm(
        self, state: DeskState, each: CompiledProtection, subject: str, session: SessionFacts
    ) -> bool:
        """Whether a protection of bars alone, which stands in no way, has no reason to now.

        It is asked on every bar, so this is the short way past it.
        """
        values: dict[str, float] = {}
        try:
            for measure in each.measures:
                values[measure.rules.name] = of_bars(state.history, measure, subject)
            return not each.possible(None, None, session, state.desk, None, None, values)
        except Exception:  # noqa: BLE001  # it is asked again, and then it is told
            return False

    def _asked_at_once(
        self, state: DeskState, session: SessionFacts, step: Step
    ) -> tuple[int, int]:
        """What is possibly true of those that one question answers, and what certainly is.

        What only lasts as long as its cause needs no certainty: unknown, it blocks all the same.
        """
        compiled, desk = self._compiled, state.desk
        try:
            possible: int = compiled.possible.evaluate(None, None, session, desk, None, None)
            certain = possible
            if possible & self._lasting:
                certain = compiled.certain.evaluate(None, None, session, desk, None, None)
        except Exception as error:  # noqa: BLE001  # whatever it is, nothing is opened
            self._failed(state, AT_ONCE, error, step)
            return sum(1 << each.bit for each in compiled.at_once), 0
        if state.protection_errors:
            state.protection_errors.discard(AT_ONCE)
        return possible, certain

    def _hear_at_once(self, state: DeskState, possible: int, certain: int, step: Step) -> None:
        for each in self._compiled.at_once:
            answer = Answer(bool(certain >> each.bit & 1), bool(possible >> each.bit & 1))
            self.blocks.take(state, each, each.rules.id, answer, step)

    def _hear_apart(self, state: DeskState, session: SessionFacts, step: Step) -> None:
        """Ask those about which something is new, and those whose own time has come.

        What counts rows of a window answers as before until the oldest leaves it; whatever else it
        reads changes with a start or a session, and then all are asked.
        """
        history, now_ns = state.history, state.now_ns
        is_all, is_due = state.look_again_ns == ASK_ALL, now_ns >= state.look_again_ns
        for each, subject, key in self._subjects:
            rows = _news_for(history, each, subject) if history.news else ()
            if (
                rows
                or is_all
                or (is_due and (key in state.locks or state.due_ns.get(key, NEVER) <= now_ns))
                or (history.is_equity_new and EQUITY_STREAM in each.streams)
                or key in state.protection_errors
            ):
                self._hear(state, each, subject, session, step, rows)

    def _hear(
        self, state: DeskState, each: CompiledProtection, subject: str, session: SessionFacts,
        step: Step, rows: Sequence[NewRow] = (),
    ) -> bool:  # fmt: skip
        """Ask one protection about one subject; whether anything about it is other than before."""
        key = key_of(each, subject)
        try:
            has_news = any(_counts(measure, row) for row in rows for measure in each.measures)
            certain, possible, until_ns = self._asked(state, each, subject, session)
        except Exception as error:  # noqa: BLE001  # whatever it is, nothing is opened
            self._failed(state, key, error, step)
            return self.blocks.take(state, each, key, NOT_TOLD, step)
        state.protection_errors.discard(key)
        if until_ns != NEVER:
            state.due_ns[key] = until_ns
            state.look_again_ns = min(state.look_again_ns, until_ns)
        elif key in state.due_ns:
            del state.due_ns[key]
        return self.blocks.take(state, each, key, Answer(certain, possible, has_news), step)

    def _asked(
        self, state: DeskState, each: CompiledProtection, subject: str, session: SessionFacts
    ) -> tuple[bool, bool, int]:
        """Whether it is certainly true, whether possibly, and until when time leaves it so."""
        now = Now(state.now_ns, state.session.open_ns, state.desk.week_open_ns)
        strategy = subject if each.rules.scope == STRATEGY else None
        symbol = subject if each.rules.scope == SYMBOL else None
        values: dict[str, float] = {}
        until_ns = NEVER
        for measure in each.measures:
            found = measured_now(state, self._regimes, measure, now, strategy, symbol)
            values[measure.rules.name] = found.value
            until_ns = min(until_ns, found.until_ns)
        read = (None, None, session, state.desk, None, None, values)
        possible = bool(each.possible(*read))
        return possible and bool(each.certain(*read)), possible, until_ns

    def _failed(self, state: DeskState, key: str, error: Exception, step: Step) -> None:
        """A protection raised: it blocks, and a person is told once until it can be asked again."""
        if key not in state.protection_errors:
            state.protection_errors.add(key)
            tell_failed(key, error, step)

    def _of(self, state: DeskState, strategy: str, symbol: str, mask: int) -> Iterator[Lock]:
        for each in self._compiled.every:
            if mask >> each.bit & 1:
                lock = state.locks.get(key_of(each, subject_of(each, strategy, symbol)))
                if lock is not None:
                    yield lock


def _news_for(history: History, each: CompiledProtection, subject: str) -> list[NewRow]:
    """The new rows of the subject that may move a measure of this protection.

    One that it does not count may still end a row of such as it counts, or push one out.
    """
    streams = each.streams
    if EQUITY_STREAM in streams:  # a finished trade moves what the account is worth, too
        streams |= {TRADES_STREAM}
    return [
        (stream, row)
        for stream, row in history.news
        if stream in streams
        and subject in {"", {STRATEGY: row.strategy, SYMBOL: row.symbol}.get(each.rules.scope)}
    ]


def _counts(measure: CompiledMeasure, new: NewRow) -> bool:
    """Whether the measure counts the row, so that it may trip its protection once more."""
    stream, row = new
    if measure.rules.stream == EQUITY_STREAM:
        return stream == TRADES_STREAM
    if measure.rules.stream != stream:
        return False
    return measure.keeps is None or bool(measure.keeps(row, None))


def _clock_of(state: DeskState) -> SessionFacts:
    """The session with the time that it is now, which may be later than the last bar's end."""
    session = state.session
    since_open_s = (state.now_ns - session.open_ns) // NS_PER_S
    return replace(session, clock_s=max(session.clock_s, session.open_time_s + since_open_s))
