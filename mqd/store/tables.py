"""The tables of a journal, for SQLite and PostgreSQL alike, and the triggers that guard them.

`journal` and `rule_books` only ever grow: the database itself refuses to change or delete a row.
`meta` holds the version of this schema; a journal made by a newer one is not opened.
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
    insert,
    inspect,
    select,
)

from mqd.ground.errors import SetupError

SCHEMA_VERSION = 1
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


_WHEN_OLD_ROW = "WHEN NEW.position <= (SELECT max(position) FROM journal)"
_WHEN_OLD_RULES = "WHEN NEW.digest IN (SELECT digest FROM rule_books)"


def _guards(dialect: str) -> list[str]:
    """The statements by which the database refuses every change but a new row at the end."""
    guards = []
    for table, when_old in ((JOURNAL.name, _WHEN_OLD_ROW), (RULE_BOOKS.name, _WHEN_OLD_RULES)):
        if dialect == "sqlite":
            refuse = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            guards += [
                f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {refuse}",
                f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {refuse}",
                # INSERT OR REPLACE deletes without asking the trigger above.
                f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} {when_old} {refuse}",
            ]
        else:
            refuse = f"$$BEGIN RAISE EXCEPTION '{table} is append-only'; END$$"
            when = f"BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT"
            then = f"EXECUTE FUNCTION {table}_refuse()"
            guards += [
                f"CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS {refuse}",
                f"CREATE TRIGGER {table}_no_change {when} {then}",
            ]
    return guards


def create_schema(connection: Connection) -> None:
    """Make the tables and triggers; all or none when the caller's transaction commits."""
    METADATA.create_all(connection, checkfirst=False)
    for statement in _guards(connection.dialect.name):
        connection.exec_driver_sql(statement)
    connection.execute(insert(META), {"key": _SCHEMA_KEY, "value": str(SCHEMA_VERSION)})


def has_schema(connection: Connection, where: str) -> bool:
    """True for a journal that this version can use, False where nothing has been made yet.

    Raises:
        SetupError: a newer mqd made it, or there is something else than a journal.
    """
    found = set(inspect(connection).get_table_names())
    ours = set(METADATA.tables)
    if not ours <= found:
        # A server's database may be shared; a file with other tables is somebody else's file.
        if found & ours or (found and connection.dialect.name == "sqlite"):
            raise SetupError(f"{where} is a database but not a journal of mqd")
        return False
    version = connection.scalar(select(META.c.value).where(META.c.key == _SCHEMA_KEY))
    if version is None or not version.isdecimal():
        raise SetupError(f"{where} is not a journal of mqd: it names no schema version")
    if int(version) > SCHEMA_VERSION:
        raise SetupError(
            f"{where} was made by a newer mqd (schema {version}, this one knows {SCHEMA_VERSION});"
            " upgrade mqd to open it"
        )
    return True
