"""From a copy back to a journal that a desk can go on with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import URL, Connection, Engine, Table, insert, inspect, select
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from mqd.ground.canonical import GENESIS_HASH
from mqd.ground.errors import JournalError, SettingsError, SetupError
from mqd.store.copying import FORMAT, FORMAT_VERSION
from mqd.store.database import engine_for, file_of, in_words, is_sqlite_file, journal_url, name_of
from mqd.store.limits import DEFAULT, JournalLimits
from mqd.store.opening import owned
from mqd.store.reading import JournalReader
from mqd.store.rows import Row
from mqd.store.tables import JOURNAL, REQUESTS, RULE_BOOKS, schema_of
from mqd.store.verify import Verification, verify

_ROWS_WRITTEN_AT_ONCE = 500


def restore(copy: Path, url: str, limits: JournalLimits = DEFAULT) -> Verification:
    """Make a new journal at `url` of what `mqd backup` wrote; returns what a check of it found.

    Raises:
        SettingsError: there is no such copy, or a journal is there already.
        SetupError: the file is no copy of a journal, or of a newer mqd.
        JournalError: the copy is broken, or the journal cannot be written.
    """
    place = journal_url(url)
    name, source = name_of(place), _source(copy)
    found = verify(source)
    if not found.ok:
        raise JournalError(f"{copy} is no whole copy of a journal, nothing was made: {found.what}")
    reading = engine_for(place, write=False, limits=limits)
    try:
        _refuse_to_overwrite(place, reading, name)
        with ExitStack() as held:
            writing = owned(place, name, held, limits, None).connection
            with writing.begin():
                _fill(writing, source)
        restored = verify(JournalReader(name, reading), found.head)
    except SQLAlchemyError as error:
        raise JournalError(f"the journal {name} could not be written: {in_words(error)}") from error
    if not restored.ok:
        raise JournalError(f"the journal {name} is not what {copy} holds: {restored.what}")
    return restored


def check_copy(copy: Path) -> Verification:
    """What a check of the copy finds.

    Raises:
        SettingsError: there is no such copy.
        SetupError: the file is no copy of a journal, or of a newer mqd.
    """
    return verify(_source(copy))


class _Source(Protocol):
    """A whole copy, readable more than once."""

    def rows(self) -> Iterator[Row]: ...

    def rule_books(self) -> Iterator[tuple[str, str]]: ...

    def requests(self) -> Iterator[dict[str, Any]]: ...


class _FileCopy(JournalReader):
    """A copy that is a SQLite file."""

    def requests(self) -> Iterator[dict[str, Any]]:
        with self._engine.connect() as connection:
            if inspect(connection).has_table(REQUESTS.name):
                for row in connection.execute(select(REQUESTS).order_by(REQUESTS.c.id)):
                    yield dict(row._mapping)  # noqa: SLF001  # public, for all its underscore


class _LinesCopy:
    """A copy that is JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self) -> Iterator[Row]:
        return (Row(**line) for line in self._of(JOURNAL))

    def rule_books(self) -> Iterator[tuple[str, str]]:
        return ((line["digest"], line["canonical"]) for line in self._of(RULE_BOOKS))

    def requests(self) -> Iterator[dict[str, Any]]:
        return self._of(REQUESTS)

    def _of(self, table: Table) -> Iterator[dict[str, Any]]:
        columns = {column.name for column in table.columns}
        for number, line in self._lines():
            if line.get("table") == table.name:
                row = {name: value for name, value in line.items() if name != "table"}
                if set(row) != columns:
                    raise JournalError(f"line {number} is no row of {table.name}")
                yield row

    def _lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Every line but the first and the last, with its number.

        Raises:
            JournalError: a line that is none, or lines are missing.
        """
        line: dict[str, Any] = {}
        number = 1
        head = GENESIS_HASH
        try:
            with self._path.open(encoding="utf-8") as file:
                for number, text in enumerate(islice(file, 1, None), 2):
                    line = _line(number, text)
                    if line.get("kind") != "end":
                        head = line.get("hash", head)
                        yield number, line
        except (OSError, UnicodeDecodeError) as error:
            raise JournalError(f"it cannot be read: {error}") from error
        if line != {"kind": "end", "lines": number - 2, "head": head}:
            raise JournalError(f"lines are missing, of {number} that are there")


def _line(number: int, text: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError:
        line = None
    if not isinstance(line, dict):
        raise JournalError(f"line {number} is no line of a copy")
    return line


def _source(path: Path) -> _Source:
    if not path.is_file():
        raise SettingsError(f"there is no copy of a journal at {path}")
    if is_sqlite_file(path):
        place = journal_url(str(path))
        engine = engine_for(place, write=False)
        try:
            with engine.connect() as connection:
                schema = schema_of(connection, str(path))
        except OperationalError as error:
            raise SettingsError(f"cannot read the copy {path}: {in_words(error)}") from error
        except SQLAlchemyError as error:
            raise SetupError(f"{path} is no copy of a journal: {in_words(error)}") from error
        if schema:
            return _FileCopy(str(path), engine)
    else:
        with path.open("rb") as file:
            first = file.readline(len(FORMAT) * 10)
        try:
            start = _line(1, first.decode())
        except (UnicodeDecodeError, JournalError):
            start = {}
        if start.get("kind") == FORMAT:
            if start.get("version") != FORMAT_VERSION:
                raise SetupError(f"{path} was written by a newer mqd; upgrade mqd to restore it")
            return _LinesCopy(path)
    raise SetupError(f"{path} is no copy of a journal of mqd")


def _refuse_to_overwrite(place: URL, reading: Engine, name: str) -> None:
    path = file_of(place)
    if path is not None and (not path.exists() or not path.stat().st_size):
        return
    with reading.connect() as connection:
        used = schema_of(connection, name) and (
            connection.scalar(select(JOURNAL.c.position).limit(1)) is not None
            or connection.scalar(select(RULE_BOOKS.c.digest).limit(1)) is not None
        )
    if used:
        raise SettingsError(f"there is a journal at {name} already, and a restore overwrites none")


def _fill(writing: Connection, source: _Source) -> None:
    books = ({"digest": digest, "canonical": text} for digest, text in source.rule_books())
    _insert(writing, RULE_BOOKS, books)
    _insert(writing, JOURNAL, (row._asdict() for row in source.rows()))
    # Numbered anew, in order: a server would give the next one a number that is taken.
    kept = ("body", "asked_ns", "taken_seq")
    _insert(writing, REQUESTS, ({k: line[k] for k in kept} for line in source.requests()))


def _insert(writing: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    waiting = iter(rows)
    while some := list(islice(waiting, _ROWS_WRITTEN_AT_ONCE)):
        writing.execute(insert(table), some)
