"""Making a journal ready for its one writer: owned, of today's schema, guarded, with a reserve."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import URL, Connection, func, select

from mqd.ground.errors import JournalError, SetupError
from mqd.store.copying import copy_file
from mqd.store.database import (
    check_file,
    engine_for,
    file_of,
    journal_url,
    make_file,
    make_folder,
    name_of,
)
from mqd.store.guards import missing_guards
from mqd.store.limits import JournalLimits
from mqd.store.owner import AccountOwner, FileOwner, own_account, own_schema
from mqd.store.reserve import Reserve
from mqd.store.tables import JOURNAL, SCHEMA_VERSION, schema_of

# The newest form of a row that an mqd which knew only this schema can read.
_NEWEST_ROWS = {1: 1}


class Writer(NamedTuple):
    """The one connection that may write; `migrated` says in a sentence what opening it changed."""

    connection: Connection
    reserve: Reserve | None = None
    space_is_low: bool = False
    migrated: str | None = None


def owned(
    place: URL, name: str, held: ExitStack, limits: JournalLimits, account: str | None
) -> Writer:
    """The writer of a journal that is there from now on; `held` lets go of all of it.

    Raises:
        SettingsError: a file that is needed cannot be made.
        SetupError: there is something else than a journal.
        JournalInUseError: another process owns the journal or the account.
        JournalError: somebody took away what guards the rows.
    """
    path = file_of(place)
    if account is not None:
        held.enter_context(AccountOwner(account))
    if path is not None:
        make_folder(path)
        held.enter_context(FileOwner(path))
        make_file(path)
    connection = held.enter_context(engine_for(place, write=True, limits=limits).connect())
    if path is None:
        with connection.begin():
            own_schema(connection, name)
            if account is not None:
                own_account(connection, account)
    migrated = _brought_up(connection, path, name)
    reserve = None if path is None else Reserve(path, limits.reserve_bytes)
    is_low = reserve is not None and not reserve.fill()
    return Writer(connection, reserve, is_low, migrated)


def make_room(place: URL, limits: JournalLimits) -> bool:
    """Give up the reserve of a journal that cannot be opened on a full disk; False if it is not.

    Raises:
        SettingsError: the owner's file cannot be made.
        JournalInUseError: another process owns the journal, and its reserve.
    """
    path = file_of(place)
    if path is None or not path.exists():
        return False
    with FileOwner(path):
        return Reserve(path, limits.reserve_bytes).free_if_full()


def downgrade(url: str, schema: int = SCHEMA_VERSION - 1) -> str:
    """Lead a journal that nobody writes back to an older schema, for the mqd that knew it.

    Returns a sentence that says what was done.

    Raises:
        SettingsError: there is no journal at that place.
        SetupError: it is not a journal, or not of a newer schema than that.
        JournalError: it holds rows that the older mqd cannot read.
        JournalInUseError: another process owns it.
    """
    place = journal_url(url)
    path, name = file_of(place), name_of(place)
    with ExitStack() as held:
        if path is not None:
            check_file(path, write=False)
            held.enter_context(FileOwner(path))
        engine = engine_for(place, write=True)
        connection = held.enter_context(engine.connect())
        with connection.begin():
            if path is None:
                own_schema(connection, name)
            present = schema_of(connection, name)
            if not 1 <= schema < present:
                raise SetupError(f"{name} is of schema {present}: it cannot go back to {schema}")
            _check_rows(connection, name, schema)
        return _migrate(connection, path, name, schema)


def _brought_up(connection: Connection, path: Path | None, name: str) -> str | None:
    """Bring the journal to today's schema; one sentence if it was there and older."""
    with connection.begin():
        present = schema_of(connection, name)
    told = None
    if present != SCHEMA_VERSION:
        told = _migrate(connection, path, name, SCHEMA_VERSION)
    with connection.begin():
        missing = missing_guards(connection)
    if missing:
        raise JournalError(
            f"the journal {name} is not guarded: {', '.join(missing)} is gone, so its rows may have"
            " been changed; `mqd journal verify` checks them, and `mqd backup` and `mqd restore`"
            " make a guarded copy of whole ones"
        )
    return told if present else None


def _migrate(connection: Connection, path: Path | None, name: str, schema: int) -> str:
    from mqd.store.migrations import migrate  # slow to import, and seldom needed

    with connection.begin():
        present = schema_of(connection, name)
    copy = None
    if path is not None and present:
        copy = _free_name(path, present)
        copy_file(path, copy)
    with connection.begin():
        # Asked again, because on a server only now can nobody else be making it.
        present = schema_of(connection, name)
        migrate(connection, present, schema)
    kept = f"a copy of it as it was: {copy}" if copy else "a copy of the server's is yours to keep"
    return f"the journal {name} was of schema {present} and is now of schema {schema}; {kept}"


def _free_name(path: Path, schema: int) -> Path:
    """`desk.db.schema-1`, or with a number where such a copy was made before."""
    first = path.with_name(f"{path.name}.schema-{schema}")
    name, number = first, 1
    while name.exists():
        number += 1
        name = first.with_name(f"{first.name}-{number}")
    return name


def _check_rows(connection: Connection, name: str, schema: int) -> None:
    newest = _NEWEST_ROWS[schema]
    first = connection.scalar(
        select(func.min(JOURNAL.c.position)).where(JOURNAL.c.version > newest)
    )
    if first is not None:
        raise JournalError(
            f"the journal {name} cannot go back to schema {schema}: from row {first} on it has"
            f" rows of a form that an mqd of then cannot read; go on from the copy that was made"
            " before it was migrated"
        )
