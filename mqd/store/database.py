"""Where a journal is: from what an operator typed to a SQLAlchemy engine."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)

from mqd.ground.errors import JournalError, SettingsError, SetupError
from mqd.store.limits import DEFAULT, JournalLimits

_EXPECTED = "a path, sqlite:///path or postgresql+psycopg://user@host/name"
_SQLITE_HEADER = b"SQLite format 3\x00"
_MS_PER_S = 1_000
_PRIMARY_CODE = 0xFF
_NO_COMPANIONS = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}


def journal_url(place: str) -> URL:
    """The address behind a bare path or any supported database URL.

    Raises:
        SettingsError: not an address, or of a database that mqd is not written for.
    """
    if "://" not in place:
        url = URL.create("sqlite", database=place)
    else:
        try:
            url = make_url(place)
        except ArgumentError as error:  # its text may hold a password, so it is not repeated
            raise SettingsError(
                f"--db: not the address of a journal; expected {_EXPECTED}"
            ) from error
    backend = url.get_backend_name()
    if backend == "sqlite":
        if url.database in {None, "", ":memory:"}:
            raise SettingsError(f"--db {place}: a journal needs a file; expected {_EXPECTED}")
    elif backend != "postgresql":
        raise SettingsError(f"--db: mqd keeps no journal in {backend}; expected {_EXPECTED}")
    elif "+" not in url.drivername:
        url = url.set(drivername="postgresql+psycopg")
    return url


def file_of(url: URL) -> Path | None:
    """The file of a SQLite journal, absolute; None for a server."""
    if url.get_backend_name() != "sqlite" or url.database is None:
        return None
    return Path(url.database).expanduser().absolute()


def name_of(url: URL) -> str:
    """How messages call the journal: its path, or its address without the password."""
    path = file_of(url)
    return str(path) if path else url.render_as_string(hide_password=True)


def shown(place: str) -> str:
    """What somebody gave as a journal's place, as it may be printed: without a password."""
    return name_of(journal_url(place)) if "://" in place else place


def check_file(path: Path, *, write: bool) -> None:
    """See that `path` is, or may become, a SQLite file.

    Raises:
        SettingsError: nothing there to read, or the place cannot be used.
        SetupError: there is another kind of file.
    """
    if not path.exists():
        if not write:
            raise SettingsError(
                f"there is no journal at {path}; `mqd run` makes one, --db names another"
            )
        return
    if not is_sqlite_file(path) and path.stat().st_size:
        raise SetupError(f"{path} is not a journal of mqd (not a SQLite file)")


def refuse_other_files(place: str) -> None:
    """See that a journal may be made, or gone on with, at a place that somebody typed.

    Raises:
        SettingsError: that is no address of a journal, or the file cannot be read.
        SetupError: there is another kind of file.
    """
    path = file_of(journal_url(place))
    if path is not None:
        check_file(path, write=True)


def is_sqlite_file(path: Path) -> bool:
    """Whether the file starts as SQLite's do.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE_HEADER)) == _SQLITE_HEADER
    except OSError as error:
        raise SettingsError(f"cannot read the journal {path}: {error.strerror}") from error


def make_folder(path: Path) -> None:
    """Make the folders above the file `path`.

    Raises:
        SettingsError: they cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"cannot make the folder of the journal {path}: {error.strerror}"
        ) from error


def make_file(path: Path) -> None:
    """Make an empty file that only its owner can read, if there is none.

    SQLite gives its two companion files the same permissions.

    Raises:
        SettingsError: it cannot be made.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise SettingsError(f"cannot write the journal {path}: {error.strerror}") from error


def engine_for(url: URL, *, write: bool, limits: JournalLimits = DEFAULT) -> Engine:
    """An engine whose connections read only, or are fit for a writer.

    Raises:
        SettingsError: the driver for this database is not installed.
    """
    path = file_of(url)
    if path is not None:
        engine = create_engine(
            "sqlite://",
            creator=partial(_connect_to_write if write else connect_to_read, path, limits.busy_ms),
            poolclass=NullPool,
        )
        # The driver would begin late and not at all for DDL; a schema is made whole or not.
        event.listen(engine, "begin", _begin_immediate if write else _begin)
        return engine
    try:
        engine = create_engine(url, poolclass=NullPool)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise SettingsError(
            f"the driver for {url.drivername} is not installed; "
            f"install it with: {sys.executable} -m pip install 'psycopg[binary]'"
        ) from error
    if not write:
        return engine.execution_options(postgresql_readonly=True)
    event.listen(engine, "connect", partial(_set_up_postgresql, busy_ms=limits.busy_ms))
    return engine


def in_words(error: SQLAlchemyError) -> str:
    """Why the database failed, in one clear sentence part."""
    text = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    if is_full(error):
        return "the disk is full"
    if "database is locked" in text or "lock timeout" in text:
        return "another program holds it locked"
    if "readonly database" in text:
        return "SQLite keeps two files beside it, also to read it, and cannot write there"
    if "disk I/O error" in text:
        return f"{text} (is the disk full?)"
    return text


@contextmanager
def in_one_line(name: str) -> Iterator[None]:
    """What the database says when the journal is opened, as an error of ours.

    Raises:
        SettingsError: it cannot be opened.
        JournalError: it is damaged.
        SetupError: it is no journal.
    """
    try:
        yield
    except OperationalError as error:
        raise SettingsError(f"cannot open the journal {name}: {in_words(error)}") from error
    except DatabaseError as error:
        if "malformed" in str(error):
            raise JournalError(
                f"the journal {name} is damaged: {in_words(error)};"
                " `mqd restore` makes a new one of a backup"
            ) from error
        raise SetupError(f"{name} is not a journal of mqd: {in_words(error)}") from error


def is_full(error: SQLAlchemyError) -> bool:
    """Whether there was no room to write."""
    text = str(getattr(error, "orig", None) or error)
    return "disk is full" in text or "No space left" in text


def connect_to_read(path: Path, busy_ms: int = DEFAULT.busy_ms) -> sqlite3.Connection:
    """A connection that only reads, also where SQLite cannot make its two companion files.

    Raises:
        sqlite3.Error: the file cannot be opened, or is no database.
    """
    connection = _connected(path, "mode=ro", busy_ms)
    try:
        connection.execute("PRAGMA schema_version").fetchone()  # the first look needs them
    except sqlite3.OperationalError as error:
        connection.close()
        # A folder nobody may write, or a full disk. What is in a log would be read past, so only
        # where there is none; the next question opens anew, for a desk that starts meanwhile.
        if _primary_code(error) not in _NO_COMPANIONS or _has_log(path):
            raise
        connection = _connected(path, "mode=ro&immutable=1", busy_ms)
    return connection


def _connect_to_write(path: Path, busy_ms: int) -> sqlite3.Connection:
    connection = _connected(path, "mode=rw", busy_ms)
    connection.execute("PRAGMA foreign_keys = ON")
    # WAL lets readers read while we write; FULL makes every commit reach the disk.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _connected(path: Path, how: str, busy_ms: int) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.as_uri()}?{how}",
        uri=True,
        timeout=busy_ms / _MS_PER_S,  # this is PRAGMA busy_timeout
        isolation_level=None,
        check_same_thread=False,
    )


def _primary_code(error: sqlite3.Error) -> int:
    return error.sqlite_errorcode & _PRIMARY_CODE


def _has_log(path: Path) -> bool:
    log = path.with_name(path.name + "-wal")
    return log.exists() and log.stat().st_size > 0


def _set_up_postgresql(connection: Any, _record: object, *, busy_ms: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {busy_ms:d}")
        # A server may be set to answer before a commit has reached its disk.
        cursor.execute("SET synchronous_commit = on")
    connection.commit()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
