"""Schema 1: the journal, the rules it ran under, and the triggers that let both only grow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_COUNT = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_OLD_ROWS = {
    "journal": "WHEN NEW.position <= (SELECT max(position) FROM journal)",
    "rule_books": "WHEN NEW.digest IN (SELECT digest FROM rule_books)",
}


def upgrade() -> None:
    """Make the tables and their guards."""
    op.create_table(
        "journal",
        sa.Column("position", _COUNT, primary_key=True, autoincrement=False),
        sa.Column("seq", _COUNT, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at_ns", _COUNT, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.CheckConstraint("kind IN ('event', 'open', 'outcome')", name="journal_kind"),
    )
    op.create_table(
        "rule_books",
        sa.Column("digest", sa.String(128), primary_key=True),
        sa.Column("canonical", sa.Text, nullable=False),
    )
    op.create_table(
        "meta",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for table, when_old in _OLD_ROWS.items():
        for statement in _sqlite(table, when_old) if is_sqlite else _postgresql(table):
            op.execute(statement)
    op.execute("INSERT INTO meta VALUES ('schema_version', '1')")


def downgrade() -> None:
    """Refuse: before this there was no journal, and mqd deletes none."""
    raise NotImplementedError("schema 1 is the first")


def _sqlite(table: str, when_old: str) -> list[str]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    return [
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {refuse}",
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {refuse}",
        # INSERT OR REPLACE deletes without asking the trigger above.
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} {when_old} {refuse}",
    ]


def _postgresql(table: str) -> list[str]:
    refuse = f"$$BEGIN RAISE EXCEPTION '{table} is append-only'; END$$"
    when = f"BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT"
    return [
        f"CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS {refuse}",
        f"CREATE TRIGGER {table}_no_change {when} EXECUTE FUNCTION {table}_refuse()",
    ]
