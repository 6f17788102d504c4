"""Are the triggers still there that keep everybody from changing what was written?

Whoever owns the database can drop them. That harms no row by itself, but nobody does it for
nothing, so a journal without one of them is not continued.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from mqd.store.tables import JOURNAL, RULE_BOOKS

_GUARDED = (JOURNAL.name, RULE_BOOKS.name)
_SQLITE = text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
_POSTGRESQL = text(
    "SELECT tgname, pg_get_functiondef(tgfoid)"
    " FROM pg_trigger JOIN pg_class ON tgrelid = pg_class.oid"
    " WHERE relnamespace = current_schema()::regnamespace AND tgenabled IN ('O', 'A')"
)


def missing_guards(connection: Connection) -> list[str]:
    """The names of the triggers that are gone, switched off or refuse nothing."""
    is_sqlite = connection.dialect.name == "sqlite"
    kinds = ("no_update", "no_delete", "no_replace") if is_sqlite else ("no_change",)
    found = {
        str(name): str(definition)
        for name, definition in connection.execute(_SQLITE if is_sqlite else _POSTGRESQL)
    }
    return [
        f"{table}_{kind}"
        for table in _GUARDED
        for kind in kinds
        if f"'{table} is append-only'" not in found.get(f"{table}_{kind}", "")
    ]
