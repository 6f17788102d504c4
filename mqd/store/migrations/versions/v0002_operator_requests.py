"""Schema 2: where a stop button waits that was pressed while another process owns the journal."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_COUNT = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the table of requests."""
    op.create_table(
        "operator_requests",
        sa.Column("id", _COUNT, primary_key=True, autoincrement=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("asked_ns", _COUNT, nullable=False),
        sa.Column("taken_seq", _COUNT, nullable=True),
    )
    op.execute("UPDATE meta SET value = '2' WHERE key = 'schema_version'")


def downgrade() -> None:
    """Take the table away; a button that was heard is an event of the journal, which stays."""
    op.drop_table("operator_requests")
    op.execute("UPDATE meta SET value = '1' WHERE key = 'schema_version'")
