"""Reading a journal on disk: while its owner writes, and without owning it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine, Select, func, or_, select
from sqlalchemy.exc import SQLAlchemyError

from mqd.ground.canonical import GENESIS_HASH
from mqd.ground.errors import JournalError
from mqd.model.event import Event
from mqd.ports.journal import JournalEntry
from mqd.store.database import in_words
from mqd.store.rows import OUTCOME, Row, entries_of, event_of
from mqd.store.tables import JOURNAL, RULE_BOOKS

_ROWS_READ_AT_ONCE = 500

_ALL_ROWS = select(JOURNAL).order_by(JOURNAL.c.position)
_LAST_ROWS = select(JOURNAL).order_by(JOURNAL.c.position.desc())
_LAST_SEQ = select(func.max(JOURNAL.c.seq))


class JournalReader:
    """Everything a journal can be asked; each question sees all that is durable by then.

    Every method raises `JournalError` where the database cannot be read.
    """

    def __init__(self, name: str, engine: Engine) -> None:
        """Read through `engine`; `name` is how messages call the journal."""
        self.name = name
        self._engine = engine

    def rules(self, digest: str) -> str:
        """The canonical text of the rules with this digest.

        Raises:
            JournalError: this journal never saw them.
        """
        text = self._rules_text(digest)
        if text is None:
            raise JournalError(f"the journal {self.name} never saw the rules {digest}")
        return text

    def rule_books(self) -> Iterator[tuple[str, str]]:
        """Every digest with its canonical text, by digest."""
        for digest, text in self._fetch(select(RULE_BOOKS).order_by(RULE_BOOKS.c.digest)):
            yield str(digest), str(text)

    def rows(self) -> Iterator[Row]:
        """Every row, in order, a few hundred in memory at a time."""
        self._before_reading()
        try:
            with self._engine.connect() as connection:
                streamed = connection.execution_options(yield_per=_ROWS_READ_AT_ONCE)
                for row in streamed.execute(_ALL_ROWS):
                    yield Row(*row)
        except SQLAlchemyError as error:
            raise self._unreadable(error) from error

    def entries(self) -> Iterator[JournalEntry]:
        """Every event with its outcome, in order, a few hundred in memory at a time."""
        return entries_of(self.rows())

    def last_rows(self, count: int) -> list[Row]:
        """The newest `count` rows, oldest first."""
        latest = [Row(*row) for row in self._fetch(_LAST_ROWS.limit(count))]
        latest.reverse()
        return latest

    def tail(self, count: int) -> list[JournalEntry]:
        """The newest `count` events with their outcomes, oldest first."""
        # An event makes at most two rows, so twice as many rows hold them all.
        latest = self.last_rows(2 * max(count, 0))
        oldest_seq = latest[-1].seq - count if latest else 0
        return list(entries_of(row for row in latest if row.seq > oldest_seq))

    def last_event(self, *names: str) -> Event | None:
        """The newest event with one of these names (`SessionOpened`), or None."""
        starts = [JOURNAL.c.body.startswith(f'["{name}",', autoescape=True) for name in names]
        if not starts:
            return None
        newest = _LAST_ROWS.where(JOURNAL.c.kind != OUTCOME, or_(*starts)).limit(1)
        return next((event_of(Row(*row)) for row in self._fetch(newest)), None)

    def head(self) -> tuple[int, str]:
        """The position and hash of the last durable row; (0, genesis) when there is none."""
        latest = self.last_rows(1)
        return (latest[0].position, latest[0].hash) if latest else (0, GENESIS_HASH)

    def count(self) -> int:
        """How many events the journal holds."""
        return self._fetch(_LAST_SEQ)[0][0] or 0

    def _before_reading(self) -> None:
        """Nothing to do for one who only reads."""

    def _rules_text(self, digest: str) -> str | None:
        found = self._fetch(select(RULE_BOOKS.c.canonical).where(RULE_BOOKS.c.digest == digest))
        return found[0][0] if found else None

    def _fetch(self, statement: Select[*tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        self._before_reading()
        try:
            # A connection of its own each time: a reader never stands in its owner's way.
            with self._engine.connect() as connection:
                return [tuple(row) for row in connection.execute(statement)]
        except SQLAlchemyError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: SQLAlchemyError) -> JournalError:
        return JournalError(f"the journal {self.name} cannot be read: {in_words(error)}")
