"""Schemas follow each other: up when a journal is opened to be written, down when asked to."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert

from mqd.ground.errors import JournalError, JournalInUseError, SettingsError, SetupError
from mqd.store.database import engine_for, journal_url
from mqd.store.journal import open_journal
from mqd.store.migrations import migrate
from mqd.store.opening import downgrade
from mqd.store.tables import JOURNAL, METADATA, SCHEMA_VERSION, schema_of
from mqd.store.verify import verify

ROOT = Path(__file__).parents[2]
ROWS, EVENTS = 248, 125


def made(path: Path) -> list[str]:
    """The statements that made the tables and triggers of the journal, sorted."""
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT sql FROM sqlite_master WHERE name <> 'journal_revision'")
    statements = sorted(str(statement) for (statement,) in found if statement)
    connection.close()
    return statements


def schema(place: str) -> int:
    with engine_for(journal_url(place), write=False).connect() as connection:
        return schema_of(connection, place)


def test_the_first_migration_makes_the_very_tables_of_the_first_version(facts, tmp_path):
    then, now = facts.version_1(tmp_path / "then.db"), tmp_path / "now.db"
    now.touch()
    with engine_for(journal_url(str(now)), write=True).begin() as connection:
        migrate(connection, 0, 1)
    found = made(now)
    assert found == made(then)
    assert len(found) == 9


def test_the_migrations_lead_to_the_tables_that_the_code_knows(place, clock):
    open_journal(place, clock, write=True).close()
    with engine_for(journal_url(place), write=False).connect() as connection:
        told = {"version_table": "journal_revision"}
        context = MigrationContext.configure(connection, opts=told)
        assert compare_metadata(context, METADATA) == []
        assert context.get_current_revision() == f"{SCHEMA_VERSION:04}"


@pytest.mark.case(95)
def test_an_old_journal_is_copied_and_brought_up_when_it_is_written(facts, clock, path):
    facts.version_1(path)
    with open_journal(str(path), clock, write=False) as journal:
        before = journal.head()
    copy = path.with_name("desk.db.schema-1")
    with open_journal(str(path), clock, write=True) as journal:
        assert journal.migrated == (
            f"the journal {path} was of schema 1 and is now of schema {SCHEMA_VERSION};"
            f" a copy of it as it was: {copy}"
        )
        assert journal.head() == before
        facts.steps(journal, facts.INTENT)
        assert verify(journal, before[1]).ok
    assert schema(str(path)) == SCHEMA_VERSION
    assert schema(str(copy)) == 1
    with open_journal(str(copy), clock, write=False) as journal:
        assert journal.head() == before
        assert verify(journal).rows == ROWS
    assert [name.name for name in path.parent.glob("*.part")] == []
    with open_journal(str(path), clock, write=True) as journal:
        assert journal.migrated is None


def test_reading_an_old_journal_leaves_it_as_it_was(facts, clock, path):
    before = facts.version_1(path).read_bytes()
    with open_journal(str(path), clock, write=False) as journal:
        assert journal.count() == EVENTS
        assert len(list(journal.entries())) == EVENTS
        assert journal.migrated is None
    assert path.read_bytes() == before
    assert schema(str(path)) == 1


def test_down_and_up_again(facts, clock, path):
    """The way back to the mqd that knew only the schema before; each copy has its own name."""
    original = made(facts.version_1(path))
    for _ in range(2):
        open_journal(str(path), clock, write=True).close()
        assert made(path) != original
        assert "is now of schema 1" in downgrade(str(path))
        assert made(path) == original
        assert schema(str(path)) == 1
    with open_journal(str(path), clock, write=False) as journal:
        assert verify(journal).rows == ROWS
    copies = {copy.name for copy in path.parent.glob("*.schema-*")}
    assert copies == {
        "desk.db.schema-1", "desk.db.schema-1-2", "desk.db.schema-2", "desk.db.schema-2-2",
    }  # fmt: skip


def test_down_and_up_on_a_server(server, clock, facts):
    with engine_for(journal_url(server), write=True).begin() as connection:
        migrate(connection, 0, 1)
        row = {"position": 1, "seq": 1, "kind": "event", "at_ns": 0, "version": 1, "hash": ""}
        connection.execute(insert(JOURNAL), row | {"body": '["SessionClosed",0,"2024-10-07"]'})
    with pytest.raises(JournalError, match="row 1 was changed"):
        open_journal(server, clock, write=True)  # it is brought up before its rows are looked at
    assert schema(server) == SCHEMA_VERSION
    told = downgrade(server)
    assert told.endswith(
        "was of schema 2 and is now of schema 1; a copy of the server's is yours to keep"
    )
    assert schema(server) == 1


def test_rows_that_the_older_version_cannot_read_bar_the_way_back(facts, clock, path):
    facts.version_1(path)
    with open_journal(str(path), clock, write=True) as journal:
        facts.steps(journal, facts.INTENT)
    with pytest.raises(JournalError, match=rf"cannot go back to schema 1: from row {ROWS + 1} on"):
        downgrade(str(path))
    assert schema(str(path)) == SCHEMA_VERSION


def test_only_a_journal_of_a_newer_schema_goes_back(facts, path, clock):
    facts.version_1(path)
    with pytest.raises(SetupError, match="is of schema 1: it cannot go back to 1"):
        downgrade(str(path))
    open_journal(str(path), clock, write=True).close()
    with pytest.raises(SetupError, match="cannot go back to 0"):
        downgrade(str(path), 0)
    with (
        open_journal(str(path), clock, write=True),
        pytest.raises(JournalInUseError, match="in use"),
    ):
        downgrade(str(path))


def test_an_old_journal_that_cannot_be_copied_stays_old(facts, clock, path):
    facts.version_1(path)
    (path.parent / "desk.db.schema-1.part").mkdir()
    with pytest.raises(SettingsError, match=r"cannot write .*desk\.db\.schema-1: "):
        open_journal(str(path), clock, write=True)
    assert schema(str(path)) == 1


def test_a_migration_that_fails_changes_nothing(facts, clock, path):
    facts.version_1(path)
    before = made(path)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE operator_requests (mine)")
    connection.commit()
    connection.close()
    with pytest.raises(SettingsError, match="operator_requests already exists"):
        open_journal(str(path), clock, write=True)
    assert schema(str(path)) == 1
    assert set(made(path)) - set(before) == {"CREATE TABLE operator_requests (mine)"}


def test_the_migrations_are_in_the_wheel(tmp_path):
    pytest.importorskip("hatchling", reason="hatchling is not installed")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    folder = ROOT / "mqd" / "store" / "migrations"
    wanted = {file.relative_to(ROOT).as_posix() for file in folder.rglob("*.py")}
    assert len(wanted) >= SCHEMA_VERSION + 2
    assert wanted <= names
