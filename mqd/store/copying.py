"""Copies of a journal: of a SQLite file while it is written, of a server's as JSON lines."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TextIO

from sqlalchemy import URL, Connection, Table, select
from sqlalchemy.exc import SQLAlchemyError

from mqd.ground.canonical import GENESIS_HASH
from mqd.ground.errors import JournalError, SettingsError
from mqd.store.database import (
    check_file,
    connect_to_read,
    engine_for,
    file_of,
    in_one_line,
    in_words,
    journal_url,
    name_of,
)
from mqd.store.tables import JOURNAL, REQUESTS, RULE_BOOKS, schema_of

FORMAT = "mqd journal"
FORMAT_VERSION = 1
_ROWS_READ_AT_ONCE = 500


def back_up(url: str, target: Path) -> None:
    """Write a copy of the journal at `url` to a new file, also while a desk writes to it.

    The copy is the journal at one instant: a SQLite file of a SQLite file, JSON lines of a server.

    Raises:
        SettingsError: there is no journal, or the copy cannot be written or is there already.
        SetupError: there is something else than a journal.
        JournalError: the journal cannot be read.
    """
    place = journal_url(url)
    name, path = name_of(place), file_of(place)
    if path is not None:
        check_file(path, write=False)
    if target.exists():
        raise SettingsError(f"{target} is there already, and a backup overwrites nothing")
    with in_one_line(name), engine_for(place, write=False).connect() as connection:
        schema = schema_of(connection, name)
    if not schema:
        raise SettingsError(f"{name} holds no journal yet; `mqd run` makes one")
    if path is not None:
        copy_file(path, target)
    else:
        _write_lines(place, name, schema, target)


def copy_file(path: Path, target: Path) -> None:
    """Copy the SQLite journal at `path` as it is at one instant; `target` is whole or not there.

    Raises:
        SettingsError: the copy cannot be written.
    """
    part = _part_of(target)
    try:
        with (
            closing(connect_to_read(path)) as source,
            closing(sqlite3.connect(part)) as copy,
        ):
            source.backup(copy)  # all in one step: no writer comes in between, none has to wait
            copy.execute("PRAGMA journal_mode = DELETE")  # one file that needs no companions
        part.replace(target)
    except (sqlite3.Error, OSError) as error:
        part.unlink(missing_ok=True)
        raise SettingsError(f"cannot copy {path} to {target}: {error}") from error


def _part_of(target: Path) -> Path:
    """An empty file beside `target` that only its owner can read.

    Raises:
        SettingsError: it cannot be made.
    """
    part = target.with_name(target.name + ".part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise SettingsError(f"cannot write {target}: {error.strerror}") from error
    return part


def _write_lines(place: URL, name: str, schema: int, target: Path) -> None:
    part = _part_of(target)
    engine = engine_for(place, write=False)
    try:
        with (
            part.open("w", encoding="utf-8", newline="\n") as file,
            # Every question gets the answer of one instant, however long the writing takes.
            engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
        ):
            for line in _lines(connection, schema):
                _write_line(file, line)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except SQLAlchemyError as error:
        part.unlink(missing_ok=True)
        raise JournalError(f"the journal {name} cannot be read: {in_words(error)}") from error
    except OSError as error:
        part.unlink(missing_ok=True)
        raise SettingsError(f"cannot write {target}: {error.strerror}") from error


def _lines(connection: Connection, schema: int) -> Iterator[dict[str, Any]]:
    yield {"kind": FORMAT, "version": FORMAT_VERSION}
    tables: list[Table] = [RULE_BOOKS, JOURNAL]
    tables += [REQUESTS] if schema > 1 else []
    count, head = 0, GENESIS_HASH
    for table in tables:
        (key,) = table.primary_key
        found = connection.execution_options(yield_per=_ROWS_READ_AT_ONCE).execute(
            select(table).order_by(key)
        )
        for row in found.mappings():
            yield {"table": table.name, **row}
            count += 1
            head = row.get("hash", head)
    # Nothing else tells that the last lines were lost on the way.
    yield {"kind": "end", "lines": count, "head": head}


def _write_line(file: TextIO, line: dict[str, Any]) -> None:
    file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
