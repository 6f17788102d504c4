"""The journal on disk: appended in memory, durable in one commit before anything leaves.

After a failed append, commit or flush nobody can say what is on the disk: the instance refuses
every further call, and the process starts again from the journal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, NoReturn, Self

from sqlalchemy import Connection, Engine, Executable, insert
from sqlalchemy.exc import SQLAlchemyError

from mqd.ground.canonical import GENESIS_HASH
from mqd.ground.errors import JournalError
from mqd.ground.times import NS_PER_S
from mqd.model.decision import Outcome
from mqd.model.event import (
    BROKER_EVENTS,
    DeskStarted,
    Event,
    OperatorActed,
    SeriesValueTold,
    SessionClosed,
    SessionOpened,
)
from mqd.ports.clock import Clock
from mqd.ports.journal import JournalEntry
from mqd.store.database import in_words, is_full
from mqd.store.opening import Writer
from mqd.store.reading import JournalReader
from mqd.store.requests import WaitingRequest, taken, waiting
from mqd.store.rows import ChainWriter, Row, broken_link, entries_of
from mqd.store.tables import JOURNAL, RULE_BOOKS

_DURABLE_AT_ONCE = frozenset(
    {DeskStarted, SessionOpened, SessionClosed, OperatorActed, SeriesValueTold, *BROKER_EVENTS}
)
_BUFFERED_NS_MAX = NS_PER_S
_BUFFERED_ROWS_MAX = 4_096
_TAIL_ROWS_CHECKED = 1_000
_LOG_PAGES_IF_LOW = 16

_INSERT_ROWS = insert(JOURNAL)
_INSERT_RULES = insert(RULE_BOOKS)
_Statement = tuple[Executable, Any]


class SqlJournal(JournalReader):
    """A journal in SQLite or PostgreSQL; `open_journal` makes one.

    Its writer owns it until it is closed. Decisions wait in memory until something must be
    durable, at most a second and 4,096 rows; a loop that has nothing to do calls `flush`.

    `space_is_low` is True from the moment when the disk was full and the reserve was given up for
    what still has to be written; nothing should be opened any more. `migrated` is a sentence for
    the operator where opening the journal changed its schema, else None.
    """

    def __init__(
        self, name: str, engine: Engine, clock: Clock, writer: Writer | None, held: ExitStack
    ) -> None:
        """Read through `engine`, write through `writer`; closing lets go of what is `held`.

        Raises:
            JournalError: the newest rows are not what was written, so none may follow.
        """
        super().__init__(name, engine)
        self._clock = clock
        self._writing = None if writer is None else writer.connection
        self._reserve = None if writer is None else writer.reserve
        self._held = held
        self._polling: Connection | None = None
        self._failure: str | None = None
        self._is_closed = False
        self._buffer: list[Row] = []
        self._taken: list[tuple[int, int]] = []
        self.space_is_low = writer is not None and writer.space_is_low
        self.migrated = None if writer is None else writer.migrated
        if self.space_is_low:
            self._keep_log_short()
        self._chain = ChainWriter() if writer is None else self._resumed()
        self._durable_head = (self._chain.position, self._chain.head)
        self._durable_seq = self._chain.seq
        self._durable_ns = clock.monotonic_ns()

    def append(self, event: Event) -> int:
        """Take the event; returns its number, from 1.

        Raises:
            JournalError: the journal failed before, is closed or only read, or the event
                before this one has no outcome yet.
        """
        self._writable()
        try:
            return self._chain.take(event)
        except JournalError as error:
            self._fail(str(error), error)

    def commit(self, seq: int, outcome: Outcome) -> None:
        """Take the outcome of the event in hand.

        Durable when this returns if there are commands, the event is a broker's reply, a
        person's button, a daily value, a start or a session's edge, or the last durable commit is
        a second old.

        Raises:
            JournalError: the journal cannot be written, or `seq` is not the event in hand.
        """
        self._writable()
        event = self._chain.in_hand
        try:
            self._buffer += self._chain.decide(seq, outcome)
        except JournalError as error:
            self._fail(str(error), error)
        if (
            outcome.commands
            or type(event) in _DURABLE_AT_ONCE
            or self._clock.monotonic_ns() - self._durable_ns >= _BUFFERED_NS_MAX
            or len(self._buffer) >= _BUFFERED_ROWS_MAX
        ):
            self._write()

    def flush(self) -> None:
        """Make everything durable, also an event whose outcome is not known yet.

        Raises:
            JournalError: the journal cannot be written.
        """
        self._writable()
        self._buffer += self._chain.open_rows()
        self._write()

    def remember_rules(self, digest: str, canonical: str) -> None:
        """Keep the canonical text of the rules that the next events run under; durable at once.

        Raises:
            JournalError: the journal cannot be written, or other rules have this digest.
        """
        self._writable()
        known = self._rules_text(digest)
        if known is None:
            self._execute([(_INSERT_RULES, {"digest": digest, "canonical": canonical})])
        elif known != canonical:
            self._fail(f"the rules {digest} were kept before with another text", None)

    def waiting_requests(self) -> list[WaitingRequest]:
        """Every stop button that was pressed from outside and not taken yet, oldest first.

        Cheap: one look at a small table over a connection that stays open.

        Raises:
            JournalError: the journal cannot be read, or was opened to be read only.
        """
        self._writable()
        noted = {number for number, _ in self._taken}
        try:
            if self._polling is None:
                self._polling = self._held.enter_context(self._engine.connect())
            with self._polling.begin():
                found = waiting(self._polling)
        except SQLAlchemyError as error:
            raise self._unreadable(error) from error
        return [each for each in found if each.id not in noted]

    def mark_taken(self, number: int, seq: int) -> None:
        """Note that event `seq` is request `number`; durable in one commit with that event.

        Call it before the event is committed: `seq` is what `append` returned or will return.

        Raises:
            JournalError: the journal cannot be written.
        """
        self._writable()
        self._taken.append((number, seq))
        if seq <= self._durable_seq:
            self._write()

    def head(self) -> tuple[int, str]:
        """The position and hash of the last durable row; (0, genesis) when there is none.

        The writer knows it after it has closed, too.
        """
        self._check_failure()
        return super().head() if self._writing is None else self._durable_head

    def count(self) -> int:
        """How many events the journal holds, for its writer with those not yet durable."""
        self._check_failure()
        return super().count() if self._writing is None else self._chain.seq

    def close(self) -> None:
        """Make everything durable and let go of the journal; quiet after a failure or a close.

        Raises:
            JournalError: the last rows could not be written.
        """
        try:
            if self._writing is not None and self._failure is None and not self._is_closed:
                self.flush()
        finally:
            self._is_closed = True
            self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def entries(self) -> Iterator[JournalEntry]:
        """As for a reader; but its writer goes on from them, and so only from rows that are whole.

        Raises:
            JournalError: a row is not what was written.
        """
        rows = self.rows()
        return entries_of(rows if self._writing is None else self._unbroken(rows))

    def _resumed(self) -> ChainWriter:
        """The chain after the last row, if the newest rows are whole."""
        latest = self.last_rows(_TAIL_ROWS_CHECKED + 1)
        seq = latest[-1].seq if latest else 0
        position, head = 0, GENESIS_HASH
        if len(latest) > _TAIL_ROWS_CHECKED:  # the oldest of them is what the others hang on
            position, head = latest[0].position, latest.pop(0).hash
        for row in self._unbroken(latest, position, head):
            position, head = row.position, row.hash
        return ChainWriter(position, head, seq)

    def _unbroken(
        self, rows: Iterable[Row], position: int = 0, head: str = GENESIS_HASH
    ) -> Iterator[Row]:
        """The rows that follow the one with this position and hash, each checked on its way."""
        for row in rows:
            broken = broken_link(position, head, row)
            if broken is not None:
                raise JournalError(
                    f"the journal {self.name} is broken and cannot be continued: {broken[1]};"
                    " `mqd journal verify` checks all of it"
                )
            position, head = row.position, row.hash
            yield row

    def _write(self) -> None:
        """Write every buffered row, and which requests they took, in one durable commit."""
        self._writable()
        # An event without its outcome is offered again, so its request has to be, too.
        seq = self._chain.seq - (self._chain.in_hand is not None)
        marks = [taken(number, at) for number, at in self._taken if at <= seq]
        work: list[_Statement] = [(mark, None) for mark in marks]
        if self._buffer:
            work.append((_INSERT_ROWS, [row._asdict() for row in self._buffer]))
        if work:
            self._execute(work)
            self._taken = [each for each in self._taken if each[1] > seq]
            self._buffer.clear()
            self._durable_head = (self._chain.position, self._chain.head)
            self._durable_seq = seq
        self._durable_ns = self._clock.monotonic_ns()

    def _execute(self, work: Sequence[_Statement]) -> None:
        """Do all of it in one durable commit; on a full disk once more, with the reserve's room."""
        try:
            try:
                self._transact(work)
            except SQLAlchemyError as error:
                if not is_full(error) or not self._made_room():
                    raise
                # Rows that had reached the disk after all would now be refused, not doubled.
                self._transact(work)
        except SQLAlchemyError as error:
            self._fail(in_words(error), error)

    def _made_room(self) -> bool:
        """Give up the reserve; False where there is none, or none any more."""
        if self._reserve is None or not self._reserve.free():
            return False
        self.space_is_low = True
        self._keep_log_short()
        return True

    def _keep_log_short(self) -> None:
        """What is written goes into the file at once, so that the log beside it stops growing."""
        with self._writable().begin() as begun:
            begun.connection.exec_driver_sql(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES_IF_LOW}")

    def _transact(self, work: Sequence[_Statement]) -> None:
        writing = self._writable()
        with writing.begin():
            for statement, values in work:
                writing.execute(statement, values)

    def _before_reading(self) -> None:
        """A writer's own questions see everything that it has taken and decided."""
        self._check_open()
        if self._writing is not None and self._buffer:
            self._write()

    def _writable(self) -> Connection:
        self._check_open()
        if self._writing is None:
            raise JournalError(f"the journal {self.name} was opened to be read only")
        return self._writing

    def _check_open(self) -> None:
        self._check_failure()
        if self._is_closed:
            raise JournalError(f"the journal {self.name} is closed")

    def _check_failure(self) -> None:
        if self._failure is not None:
            raise JournalError(
                f"the journal {self.name} failed before ({self._failure}):"
                " start again from the journal"
            )

    def _fail(self, why: str, error: Exception | None) -> NoReturn:
        self._failure = why
        self._buffer.clear()
        raise JournalError(f"the journal {self.name} could not be written: {why}") from error
