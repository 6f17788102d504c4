"""The tables of a journal, for SQLite and PostgreSQL alike, as they are today.

`journal` and `rule_books` only ever grow: the database itself refuses to change or delete a row
(`mqd.store.guards`). `meta` holds the version of this schema; a journal made by a newer one is not
opened. `mqd.store.migrations` makes the tables.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    inspect,
    select,
)

from mqd.ground.errors import SetupError

SCHEMA_VERSION = 2
_SCHEMA_KEY = "schema_version"

# SQLite's own row number is only used for a key declared INTEGER; it is 64 bits wide there.
_COUNT = BigInteger().with_variant(Integer, "sqlite")

METADATA = MetaData()

JOURNAL = Table(
    "journal",
    METADATA,
    Column("position", _COUNT, primary_key=True, autoincrement=False),
    Column("seq", _COUNT, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("at_ns", _COUNT, nullable=False),
    Column("version", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("hash", String(64), nullable=False),
    CheckConstraint("kind IN ('event', 'open', 'outcome')", name="journal_kind"),
)

RULE_BOOKS = Table(
    "rule_books",
    METADATA,
    Column("digest", String(128), primary_key=True),
    Column("canonical", Text, nullable=False),
)

META = Table(
    "meta",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

REQUESTS = Table(
    "operator_requests",
    METADATA,
    Column("id", _COUNT, primary_key=True, autoincrement=True),
    Column("body", Text, nullable=False),
    Column("asked_ns", _COUNT, nullable=False),
    Column("taken_seq", _COUNT, nullable=True),
)

_OF_THE_FIRST_SCHEMA = {JOURNAL.name, RULE_BOOKS.name, META.name}


def schema_of(connection: Connection, where: str) -> int:
    """The schema of the journal there, which this mqd can read; 0 where nothing was made yet.

    Raises:
        SetupError: a newer mqd made it, or there is something else than a journal.
    """
    found = set(inspect(connection).get_table_names())
    if not found >= _OF_THE_FIRST_SCHEMA:
        # A server's database may be shared; a file with other tables is somebody else's file.
        if found & set(METADATA.tables) or (found and connection.dialect.name == "sqlite"):
            raise SetupError(f"{where} is a database but not a journal of mqd")
        return 0
    version = connection.scalar(select(META.c.value).where(META.c.key == _SCHEMA_KEY))
    if version is None or not version.isdecimal() or not int(version):
        raise SetupError(f"{where} is not a journal of mqd: it names no schema version")
    if int(version) > SCHEMA_VERSION:
        raise SetupError(
            f"{where} was made by a newer mqd (schema {version}, this one knows {SCHEMA_VERSION});"
            " upgrade mqd to open it"
        )
    return int(version)
