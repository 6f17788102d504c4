"""From one schema of the journal to the next and back, by Alembic, for SQLite and PostgreSQL.

Each file under `versions` is one step and stands for ever: it says what that schema was, whatever
the code looks like today. A new journal takes all of them, an old one those that it lacks.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def migrate(connection: Connection, present: int, wanted: int) -> None:
    """Lead the schema from `present` (0: nothing there yet) to `wanted`, up or down.

    All or nothing when the caller's transaction commits. `present` is what the journal's `meta`
    says; the first journals kept no other note of it.
    """
    config = Config()
    folder = str(Path(__file__).parent)
    config.set_main_option("script_location", folder.replace("%", "%%"))  # % means a variable
    config.attributes["connection"] = connection
    if present:
        command.stamp(config, revision(present))
    if wanted > present:
        command.upgrade(config, revision(wanted))
    elif wanted < present:
        command.downgrade(config, revision(wanted))


def revision(schema: int) -> str:
    """Alembic's name of a schema."""
    return f"{schema:04}"
