"""Stop buttons that are pressed while another process owns the journal.

A request waits in a table of its own until the owner has taken it. The table is a mailbox and no
record: the record of a button is the event which the owner writes, and both become durable in one
commit, so that no button is heard twice or lost.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, Executable, insert, select, update
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from mqd.ground import canonical
from mqd.ground.errors import JournalError, SettingsError, SetupError
from mqd.store.database import check_file, engine_for, file_of, in_words, journal_url, name_of
from mqd.store.limits import DEFAULT, JournalLimits
from mqd.store.tables import REQUESTS, SCHEMA_VERSION, schema_of

_WAITING = (
    select(REQUESTS.c.id, REQUESTS.c.body)
    .where(REQUESTS.c.taken_seq.is_(None))
    .order_by(REQUESTS.c.id)
)


class OperatorRequest(NamedTuple):
    """What a person asks of a running desk; `strategy` is empty where the desk is meant."""

    action: str
    strategy: str
    by: str
    reason: str
    asked_ns: int


class WaitingRequest(NamedTuple):
    """A request that the owner has not taken yet, by its number."""

    id: int
    request: OperatorRequest


def put_request(url: str, request: OperatorRequest, limits: JournalLimits = DEFAULT) -> int:
    """Leave a request for the process that owns the journal at `url`; returns its number.

    Durable when this returns. The owner, or the next one, takes it.

    Raises:
        SettingsError: there is no journal, or it cannot be reached.
        SetupError: an older mqd owns it, which takes no requests, or it is no journal.
        JournalError: it could not be written.
    """
    place = journal_url(url)
    name, path = name_of(place), file_of(place)
    if path is not None:
        check_file(path, write=False)
    engine = engine_for(place, write=True, limits=limits)
    body = canonical.encode(request._asdict())
    try:
        with engine.connect() as connection, connection.begin():
            _check_schema(connection, name)
            put = insert(REQUESTS).values(body=body, asked_ns=request.asked_ns)
            return int(connection.scalar(put.returning(REQUESTS.c.id)) or 0)
    except OperationalError as error:
        raise JournalError(
            f"the request was not left with the journal {name}: {in_words(error)}"
        ) from error
    except SQLAlchemyError as error:
        raise SetupError(f"{name} is not a journal of mqd: {in_words(error)}") from error


def waiting(connection: Connection) -> list[WaitingRequest]:
    """Every request that nobody has taken, oldest first; in the caller's transaction."""
    return [_read(number, body) for number, body in connection.execute(_WAITING)]


def taken(number: int, seq: int) -> Executable:
    """What notes request `number` as taken by event `seq`."""
    return update(REQUESTS).where(REQUESTS.c.id == number).values(taken_seq=seq)


def _read(number: int, body: str) -> WaitingRequest:
    try:
        return WaitingRequest(number, OperatorRequest(**canonical.decode(body)))
    except (ValueError, TypeError) as error:
        raise JournalError(f"request {number} cannot be read: {error}") from error


def _check_schema(connection: Connection, name: str) -> None:
    schema = schema_of(connection, name)
    if not schema:
        raise SettingsError(f"{name} holds no journal yet; `mqd run` makes one")
    if schema < SCHEMA_VERSION:
        raise SetupError(
            f"{name} is of an older mqd (schema {schema}), which takes no requests:"
            " end that desk with Ctrl-C and start it again with this mqd"
        )


def taken_seq(url: str, number: int) -> int | None:
    """The event by which the owner took request `number`, or None while it still waits.

    Raises:
        SettingsError: there is no journal.
        JournalError: it cannot be read.
    """
    place = journal_url(url)
    engine = engine_for(place, write=False)
    try:
        with engine.connect() as connection:
            seq = connection.scalar(select(REQUESTS.c.taken_seq).where(REQUESTS.c.id == number))
            return None if seq is None else int(seq)
    except SQLAlchemyError as error:
        raise JournalError(
            f"the journal {name_of(place)} cannot be read: {in_words(error)}"
        ) from error
