"""The journal on disk: appended in memory, durable in one commit before anything leaves.

After a failed append, commit or flush nobody can say what is on the disk: the instance refuses
every further call, and the process starts again from the journal.
"""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import NoReturn, Self

from sqlalchemy import URL, Connection, Engine, insert
from sqlalchemy.exc import DatabaseError, OperationalError, SQLAlchemyError

from mqd.ground.canonical import GENESIS_HASH
from mqd.ground.errors import JournalError, SettingsError, SetupError
from mqd.ground.times import NS_PER_S
from mqd.model.decision import Outcome
from mqd.model.event import BROKER_EVENTS, DeskStarted, Event, SessionClosed, SessionOpened
from mqd.ports.clock import Clock
from mqd.store.database import (
    check_file,
    engine_for,
    file_of,
    in_words,
    journal_url,
    make_file,
    make_folder,
    name_of,
)
from mqd.store.memory import MemoryJournal
from mqd.store.owner import FileOwner, own_schema
from mqd.store.reading import JournalReader
from mqd.store.rows import ChainWriter, Row, broken_link
from mqd.store.tables import JOURNAL, RULE_BOOKS, create_schema, has_schema

__all__ = ["MemoryJournal", "SqlJournal", "open_journal"]

_DURABLE_AT_ONCE = frozenset({DeskStarted, SessionOpened, SessionClosed, *BROKER_EVENTS})
_BUFFERED_NS_MAX = NS_PER_S
_BUFFERED_ROWS_MAX = 4_096
_TAIL_ROWS_CHECKED = 1_000

_INSERT_ROWS = insert(JOURNAL)
_INSERT_RULES = insert(RULE_BOOKS)


class SqlJournal(JournalReader):
    """A journal in SQLite or PostgreSQL; `open_journal` makes one.

    Its writer owns it until it is closed. Decisions wait in memory until something must be
    durable, at most a second and 4,096 rows; a loop that has nothing to do calls `flush`.
    """

    def __init__(
        self, name: str, engine: Engine, clock: Clock, writing: Connection | None, held: ExitStack
    ) -> None:
        """Read through `engine`, write through `writing`; closing lets go of what is `held`.

        Raises:
            JournalError: the newest rows are not what was written, so none may follow.
        """
        super().__init__(name, engine)
        self._clock = clock
        self._writing = writing
        self._held = held
        self._failure: str | None = None
        self._is_closed = False
        self._buffer: list[Row] = []
        self._chain = ChainWriter() if writing is None else self._resumed()
        self._durable_head = (self._chain.position, self._chain.head)
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

        Durable when this returns if there are commands, the event is a broker's reply, a start
        or a session's edge, or the last durable commit is a second old.

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
        writing = self._writable()
        known = self._rules_text(digest)
        if known is None:
            try:
                with writing.begin():
                    writing.execute(_INSERT_RULES, {"digest": digest, "canonical": canonical})
            except SQLAlchemyError as error:
                self._fail(in_words(error), error)
        elif known != canonical:
            self._fail(f"the rules {digest} were kept before with another text", None)

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

    def _resumed(self) -> ChainWriter:
        """The chain after the last row, if the newest rows are whole."""
        latest = self.last_rows(_TAIL_ROWS_CHECKED + 1)
        seq = latest[-1].seq if latest else 0
        position, head = 0, GENESIS_HASH
        if len(latest) > _TAIL_ROWS_CHECKED:  # the oldest of them is what the others hang on
            position, head = latest[0].position, latest.pop(0).hash
        for row in latest:
            broken = broken_link(position, head, row)
            if broken is not None:
                raise JournalError(
                    f"the journal {self.name} is broken and cannot be continued: {broken[1]};"
                    " `mqd journal verify` checks all of it"
                )
            position, head = row.position, row.hash
        return ChainWriter(position, head, seq)

    def _write(self) -> None:
        """Write every buffered row in one durable commit."""
        writing = self._writable()
        if self._buffer:
            try:
                with writing.begin():
                    writing.execute(_INSERT_ROWS, [row._asdict() for row in self._buffer])
            except SQLAlchemyError as error:
                self._fail(in_words(error), error)
            self._buffer.clear()
            self._durable_head = (self._chain.position, self._chain.head)
        self._durable_ns = self._clock.monotonic_ns()

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


def open_journal(url: str, clock: Clock, *, write: bool) -> SqlJournal:
    """Open the journal at a path or database URL; `write` makes one where there is none.

    Raises:
        SettingsError: the place cannot be used, or there is no journal to read.
        SetupError: there is something else than a journal, or one of a newer mqd.
        JournalInUseError: another process owns it.
        JournalError: its newest rows are not what was written.
    """
    held = ExitStack()
    try:
        return _opened(url, clock, held, write=write)
    except BaseException:
        held.close()
        raise


def _opened(url: str, clock: Clock, held: ExitStack, *, write: bool) -> SqlJournal:
    place = journal_url(url)
    name = name_of(place)
    path = file_of(place)
    reading = engine_for(place, write=False)
    writing = None
    try:
        if path is not None:
            check_file(path, write=write)
        # Somebody else's file is refused here, before anything is written in or beside it.
        exists = (path is None or path.exists()) and _is_journal(reading, name)
        if write:
            writing = _owned(place, name, held)
        elif not exists:
            raise SettingsError(f"{name} holds no journal yet; `mqd run` makes one")
    except OperationalError as error:
        raise SettingsError(f"cannot open the journal {name}: {in_words(error)}") from error
    except DatabaseError as error:
        raise SetupError(f"{name} is not a journal of mqd: {in_words(error)}") from error
    return SqlJournal(name, reading, clock, writing, held)


def _is_journal(engine: Engine, name: str) -> bool:
    with engine.connect() as connection:
        return has_schema(connection, name)


def _owned(place: URL, name: str, held: ExitStack) -> Connection:
    """The one connection that may write, to a journal that is there from now on."""
    path = file_of(place)
    if path is not None:
        make_folder(path)
        held.enter_context(FileOwner(path))
        make_file(path)
    writing = held.enter_context(engine_for(place, write=True).connect())
    with writing.begin():
        if path is None:
            own_schema(writing, name)
            # A server may be set to answer before a commit has reached its disk.
            writing.exec_driver_sql("SET synchronous_commit = on")
        # Asked again, because only now can nobody else be making it.
        if not has_schema(writing, name):
            create_schema(writing)
    return writing
