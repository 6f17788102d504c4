"""The one door to a journal: open it to read, or to own and write."""

from __future__ import annotations

from contextlib import ExitStack

from sqlalchemy import URL, Engine
from sqlalchemy.exc import OperationalError

from mqd.ground.errors import SettingsError
from mqd.ports.clock import Clock
from mqd.store.database import check_file, engine_for, file_of, in_one_line, journal_url, name_of
from mqd.store.limits import DEFAULT, JournalLimits
from mqd.store.memory import MemoryJournal
from mqd.store.opening import make_room, owned
from mqd.store.tables import schema_of
from mqd.store.writing import SqlJournal

__all__ = ["JournalLimits", "MemoryJournal", "SqlJournal", "open_journal"]


def open_journal(
    url: str,
    clock: Clock,
    *,
    write: bool,
    limits: JournalLimits = DEFAULT,
    account: str | None = None,
) -> SqlJournal:
    """Open the journal at a path or database URL; `write` makes one where there is none.

    A writer owns the broker's `account` as well, if one is given. It leads a journal of an older
    schema to today's and keeps a copy of the file as it was; a reader changes nothing.

    Raises:
        SettingsError: the place cannot be used, or there is no journal to read.
        SetupError: there is something else than a journal, or one of a newer mqd.
        JournalInUseError: another process owns the journal or the account.
        JournalError: it is damaged, its newest rows are not what was written, or they are not
            guarded any more.
    """
    place = journal_url(url)
    name = name_of(place)
    reading = engine_for(place, write=False, limits=limits)

    def opened() -> SqlJournal:
        held = ExitStack()
        try:
            _check_place(place, reading, name, write=write)
            writer = owned(place, name, held, limits, account) if write else None
            return SqlJournal(name, reading, clock, writer, held)
        except BaseException:
            held.close()
            raise

    with in_one_line(name):
        try:
            return opened()
        except OperationalError:
            if not write or not make_room(place, limits):
                raise
            return opened()


def _check_place(place: URL, reading: Engine, name: str, *, write: bool) -> None:
    """Refuse somebody else's file before anything is written in or beside it."""
    path = file_of(place)
    schema = 0
    if path is not None:
        check_file(path, write=write)
    if path is None or path.exists():
        with reading.connect() as connection:
            schema = schema_of(connection, name)
    if not schema and not write:
        raise SettingsError(f"{name} holds no journal yet; `mqd run` makes one")
