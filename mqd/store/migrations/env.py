"""What Alembic runs to reach the journal: on the connection and in the transaction it is given."""

from __future__ import annotations

from alembic import context

# A table of our own name: a server's schema may hold another program's `alembic_version`.
context.configure(
    connection=context.config.attributes["connection"], version_table="journal_revision"
)
context.run_migrations()
